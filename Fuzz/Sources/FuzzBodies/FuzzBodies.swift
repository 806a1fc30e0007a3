import MQBytes
import MQJSON
import MQProtocol

/// Any bytes as a body: the first byte chooses the class, the rest is its text.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzBodies(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let kind = input.first else { return 0 }
    let text = Array(input.dropFirst())
    let limits = JSONLimits(byteCountMax: 1 << 20, depthMax: 32, elementsMax: 10_000)
    if let json = try? JSON(parsing: text, limits: limits) {
        // What we write is JSON again, in every style, and says the same.
        for style in [JSONStyle.compact, .pretty] {
            guard let again = try? JSON(parsing: json.encoded(style)) else {
                preconditionFailure("our own text is refused: \(json.text())")
            }
            precondition(again.encoded() == json.encoded(), "wrote \(json.text()), read \(again.text())")
        }
    }
    switch kind % 8 {
    case 0: roundTrip(HeartbeatData.self, text, limits)
    case 1: roundTrip(RegisterBrokerBody.self, text, limits)
    case 2: roundTrip(SubscriptionGroupConfig.self, text, limits)
    case 3: roundTrip(LockBatchRequestBody.self, text, limits)
    case 4: roundTrip(TopicConfigSerializeWrapper.self, text, limits)
    case 5: roundTrip(TopicRouteData.self, text, limits)
    case 6: roundTrip(ConsumerOffsetSerializeWrapper.self, text, limits)
    default: readCompressed(text)
    }
    return 0
}

private func roundTrip<Body: JSONBody>(_: Body.Type, _ text: [UInt8], _ limits: JSONLimits) {
    guard let body = try? Body(parsing: text, limits: limits) else { return }
    guard let again = try? Body(parsing: body.encoded()) else {
        preconditionFailure("our own \(Body.self) is refused: \(body.json.text())")
    }
    precondition(again == body, "\(Body.self): wrote \(body), read \(again)")
}

private func readCompressed(_ bytes: [UInt8]) {
    _ = try? RegisterBrokerBody(compressed: bytes.span, expandedMax: 1 << 16)
}
