import MQBytes
import MQProtocol

/// A topic's plan as one producer uses it: with the parts of a request's header that are the same for all messages to a
/// broker, written once.
final class SendPlan: Sendable {
    /// As brokers know it.
    let topic: String
    let plan: PublishPlan
    /// By queue; queues of one broker share theirs.
    private let frames: [Frame]

    /// A request's header around its queue and its message: up to the queue's number, behind the properties up to the
    /// request's number, and from there on.
    private final class Frame: Sendable {
        let head: [UInt8]
        let tail: [UInt8]
        let end: [UInt8]

        init(head: [UInt8], tail: [UInt8], end: [UInt8]) {
            self.head = head
            self.tail = tail
            self.end = end
        }
    }

    init(_ plan: PublishPlan, topic: String, group: String, defaultQueueCount: Int) {
        self.topic = topic
        self.plan = plan
        var byBroker: [ObjectIdentifier: Frame] = [:]
        frames = plan.brokers.map { broker in
            if let frame = byBroker[ObjectIdentifier(broker)] { return frame }
            let fields = RequestFields(
                code: .sendMessageV2, group: group, topic: topic, queueID: 0, brokerName: broker.nameBytes,
                defaultQueueCount: defaultQueueCount)
            let frame = Self.frame(fields)
            byBroker[ObjectIdentifier(broker)] = frame
            return frame
        }
    }

    private static func frame(_ fields: RequestFields) -> Frame {
        var buffer = ByteBuffer()
        var writer = ResponseWriter(&buffer, code: fields.code.rawValue)
        fields.writeHead(&writer, to: &buffer)
        let headEnd = buffer.count - 2  // before `0"`, the queue
        fields.writeTail(&writer, to: &buffer)
        writer.finish(opaque: 0, flag: 0, in: &buffer)
        let bytes = buffer.toArray()
        let mark = Array("\"opaque\":0".utf8)
        let start = bytes.indices.last { bytes[$0...].starts(with: mark) }
        guard let start else { preconditionFailure("a header without a number") }
        let numberAt = start + mark.count - 1
        return Frame(
            head: Array(bytes[..<headEnd]), tail: Array(bytes[(headEnd + 2)..<numberAt]),
            end: Array(bytes[(numberAt + 1)...]))
    }

    /// Appends a whole request for the queue at `index`: the same bytes as ``Outgoing/encode(into:opaque:isOneWay:fields:)``
    /// at half its price.
    func encode(_ outgoing: Outgoing, at index: Int, into buffer: inout ByteBuffer, opaque: Int32) {
        let start = buffer.count
        buffer.reserve(1024 + outgoing.body.count)
        let frame = frames[index]
        buffer.append(frame.head)
        buffer.append(decimal: Int64(plan.queues.queues[index].queueID))
        buffer.append(UInt8(ascii: "\""))
        outgoing.appendFields(to: &buffer)
        buffer.append(frame.tail)
        buffer.append(decimal: Int64(opaque))
        buffer.append(frame.end)
        let headerByteCount = buffer.count - start - 8
        buffer.store(bigEndian: Int32(4 + headerByteCount + outgoing.body.count), at: start)
        buffer.store(bigEndian: Int32(headerByteCount), at: start + 4)  // type 0, JSON
        buffer.append(outgoing.body)
    }
}

/// What a send request says beside its message. Source: `SendMessageRequestHeaderV2.java`, RocketMQ 5.3.
struct RequestFields {
    var code: RequestCode
    var group: String
    var topic: String
    var queueID: Int
    var brokerName: [UInt8]
    var defaultQueueCount: Int

    private static let no: StaticString = "false"
    private static let yes: StaticString = "true"
    private static let defaultTopic: StaticString = "TBW102"

    /// The fields before the message's own.
    func writeHead(_ writer: inout ResponseWriter, to buffer: inout ByteBuffer) {
        writer.field("a", to: &buffer) { $0.append(escaping: group) }
        writer.field("b", to: &buffer) { $0.append(escaping: topic) }
        writer.field("c", Self.defaultTopic, to: &buffer)
        writer.field("d", Int64(defaultQueueCount), to: &buffer)
        writer.field("e", Int64(queueID), to: &buffer)
    }

    /// The fields behind them.
    func writeTail(_ writer: inout ResponseWriter, to buffer: inout ByteBuffer) {
        writer.field("j", 0, to: &buffer)
        writer.field("k", Self.no, to: &buffer)
        writer.field("m", code == .sendBatchMessage ? Self.yes : Self.no, to: &buffer)
        writer.field("n", to: &buffer) { $0.appendEscaped(brokerName.span) }
    }
}

/// A producer's plans by topic. The last one is found without a look into the table.
struct SendPlans {
    private var last: SendPlan?
    private var plans: [String: SendPlan] = [:]

    /// The plan, if there is one made from the topic's present route.
    mutating func current(_ topic: String) -> SendPlan? {
        if let last, last.topic == topic { return last.plan.isStale ? nil : last }
        guard let plan = plans[topic], !plan.plan.isStale else { return nil }
        last = plan
        return plan
    }

    mutating func keep(_ plan: SendPlan) {
        plans[plan.topic] = plan
        last = plan
    }
}
