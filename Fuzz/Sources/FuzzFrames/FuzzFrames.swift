import MQBytes
import MQMessage
import MQProtocol

/// Any bytes as a connection's input: frames one after the other, their headers in every form that a broker reads, and
/// back again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFrames(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Array(UnsafeBufferPointer(start: start, count: count))
    repair(&input)
    var header = RemotingHeader()
    var position = 0
    do {
        while let frame = try RemotingFrame.decode(input.span, at: position) {
            precondition(frame.header.lowerBound == position + 8 && frame.header.upperBound == frame.body.lowerBound)
            precondition(frame.byteCount > position && frame.byteCount <= input.count, "a frame past its bytes")
            position = frame.byteCount
            try header.decode(frame, in: input.span)
            read(header, frame, input)
        }
    } catch {}
    return 0
}

/// Makes most inputs whole frames, so that the fuzzer need not guess lengths: the first byte says whether.
private func repair(_ input: inout [UInt8]) {
    guard input.count > 9, input[0] & 0x80 == 0 else { return }
    let total = input.count - 4
    let header = min(Int(input[5]) << 16 | Int(input[6]) << 8 | Int(input[7]), total - 4)
    for index in 0..<4 { input[index] = UInt8(truncatingIfNeeded: total >> (24 - 8 * index)) }
    for index in 0..<3 { input[5 + index] = UInt8(truncatingIfNeeded: header >> (16 - 8 * index)) }
}

private func read(_ header: RemotingHeader, _ frame: RemotingFrame, _ input: [UInt8]) {
    let bytes = input.span
    _ = header.string("topic", in: bytes)
    _ = try? header.int64("offset", in: bytes)
    _ = header.bool("order", in: bytes)
    if let send = try? SendMessageRequest(short: header, in: bytes) { readSend(send, frame, bytes) }
    if let send = try? SendMessageRequest(long: header, in: bytes) { readSend(send, frame, bytes) }
    if let pull = try? PullMessageRequest(header, in: bytes) {
        _ = pull.topic.string(in: bytes)
        _ = pull.subscription?.string(in: bytes)
    }
    _ = ProtocolVersion.text(header.version)
    let command = RemotingCommand(header, frame, in: bytes)
    roundTrip(command, as: .json)
    // The form's own limits: 16-bit codes, versions and key lengths.
    let fits = Int16(exactly: command.code) != nil && Int16(exactly: command.version) != nil
    if fits, command.fields.allSatisfy({ $0.name.utf8.count <= Int(Int16.max) }) { roundTrip(command, as: .rocketMQ) }
}

private func readSend(_ send: SendMessageRequest, _ frame: RemotingFrame, _ bytes: Span<UInt8>) {
    _ = NameRules.refusal(ofTopic: send.topic.string(in: bytes))
    var properties = ByteBuffer()
    send.properties.append(from: bytes, to: &properties)
    _ = Properties.value(of: PropertyName.uniqueKey, in: properties.span)
    let list = Properties.list(properties.span)
    precondition(Properties.encode(list).count <= properties.count * 3 + 2, "properties grew")
    _ = try? MessageBatch.items(bytes.extracting(frame.body))
    _ = try? MessageRecord(bytes.extracting(frame.body))
}

/// What we write of a command, we read as the same command.
private func roundTrip(_ command: RemotingCommand, as type: SerializeType) {
    let bytes = command.frame(as: type)
    guard bytes.count <= RemotingFrame.totalByteCountMax else { return }  // escapes made it longer than a frame may be
    var wanted = command
    if type == .rocketMQ, wanted.remark?.isEmpty == true { wanted.remark = nil }
    do {
        let again = try RemotingCommand(frame: bytes.span)
        precondition(again == wanted, "\(type): wrote \(wanted), read \(again)")
    } catch {
        if case .lengthOutOfRange = error { return }  // a header that escapes made longer than 1 MiB
        preconditionFailure("\(type): our own frame is refused: \(error)")
    }
}
