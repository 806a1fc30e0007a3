import MQBase
import MQBytes
import MQJSON
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// ACK_MESSAGE (200051), BATCH_ACK_MESSAGE (200151) and CHANGE_MESSAGE_INVISIBLETIME (200053). A handle that does not name
/// a message on its way changes nothing and is answered with success, as Java does: the message came again under another,
/// or is done. Loop only.
///
/// Source of rules and texts: `AckMessageProcessor.java`, `ChangeInvisibleTimeProcessor.java`, RocketMQ 5.3.
extension PopHandler {
    func ack(
        _ header: borrowing RemotingHeader, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) throws(Refusal) {
        if let refusal = service.refusal { throw refusal }
        let receipt = try gate.receipt(header, in: bytes, on: channel, isChange: false)
        if receipt.handle.isOrdered {
            try ackOrdered(receipt.key, receipt.handle.popTime, receipt.offset, channel)
        } else {
            let span = PopSpan.Key(start: receipt.handle.start, popTime: receipt.handle.popTime)
            _ = service.withTable { $0.ack(receipt.key, span, offset: receipt.offset) }
        }
        answer(RemotingCommand(.success), to: header.opaque, header.isOneWay, channel)
    }

    private func ackOrdered(
        _ key: PopQueueKey, _ popTime: Int64, _ offset: Int64, _ channel: RemotingChannel
    ) throws(Refusal) {
        let old = service.next(key) ?? -1
        if offset < old { return }
        switch service.withTable({ $0.ackOrdered(key, popTime: popTime, offset: offset) }) {
        case nil, .otherPop: return
        case .notFound:
            throw Refusal(
                .messageIllegal,
                "offset is illegal, key:\(key.topic)@\(key.group)@\(key.queueID), old:\(old), commit:\(offset), "
                    + "next:-1, \(channel.connection.peer)")
        case .next: if !service.isBlocked(key, attemptID: nil, now: loop.wall.rawValue) { service.events?.freed(key) }
        }
    }

    func ackMany(_ request: RemotingCommand, on channel: RemotingChannel) throws(Refusal) {
        if let refusal = service.refusal { throw refusal }
        let body: BatchAckBody
        do throws(BodyError) {
            body = try BatchAckBody(parsing: request.body, limits: JSONLimits(byteCountMax: 1 << 20))
        } catch {
            throw request.body.isEmpty ? Refusal(.noMessage, "") : Refusal(error)
        }
        guard !body.acks.isEmpty else { throw Refusal(.noMessage, "") }
        for ack in body.acks {
            guard let kind = PopTopicKind(digit: ack.retry) else {
                throw Refusal(.systemError, "getRetry fail, format is wrong")
            }
            guard let route = gate.route(kind.name(topic: ack.topic, group: ack.group)),
                ack.queueID >= 0, Int(ack.queueID) < route.readQueueCount
            else { continue }
            let queue = try route.readableQueue(Int(ack.queueID))
            let key = PopQueueKey(group: ack.group, topic: route.name, queueID: ack.queueID)
            let isOrdered = ack.reviveQueue == PopHandle.orderedReviveQueue
            let span = PopSpan.Key(start: ack.start, popTime: ack.popTime)
            for offset in ack.offsets where offset >= queue.minOffset && offset <= queue.maxOffset {
                if isOrdered {
                    try ackOrdered(key, ack.popTime, offset, channel)
                } else {
                    _ = service.withTable { $0.ack(key, span, offset: offset) }
                }
            }
        }
        answer(RemotingCommand(.success), to: request.opaque, request.isOneWay, channel)
    }

    func changeInvisibleTime(
        _ header: borrowing RemotingHeader, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) throws(Refusal) {
        if let refusal = service.refusal { throw refusal }
        let receipt = try gate.receipt(header, in: bytes, on: channel, isChange: true)
        let now = loop.wall.rawValue
        var (popTime, invisibleTime) = (now, receipt.invisibleTime)
        if receipt.handle.isOrdered {
            let old = service.next(receipt.key) ?? 0
            if receipt.offset < old {
                (popTime, invisibleTime) = (0, 0)
            } else {
                popTime = receipt.handle.popTime
                invisibleTime = now + receipt.invisibleTime - popTime
                _ = service.withTable {
                    $0.changeOrdered(
                        receipt.key, popTime: popTime, offset: receipt.offset, visibleAt: now + receipt.invisibleTime)
                }
            }
        } else {
            let span = PopSpan.Key(start: receipt.handle.start, popTime: receipt.handle.popTime)
            let changed = service.withTable {
                $0.change(
                    receipt.key, span, offset: receipt.offset, now: now, invisibleTime: receipt.invisibleTime)
            }
            popTime = changed ?? now
        }
        let reply = RemotingCommand(
            .success,
            [
                "popTime": String(popTime), "invisibleTime": String(invisibleTime),
                "reviveQid": String(receipt.handle.reviveQueue),
            ])
        answer(reply, to: header.opaque, header.isOneWay, channel)
    }

    private func answer(_ answer: RemotingCommand, to opaque: Int32, _ isOneWay: Bool, _ channel: RemotingChannel) {
        commits.whenKept { refusal in
            guard !isOneWay, channel.connection.isOpen else { return }
            var answer = refusal?.answer ?? answer
            answer.opaque = opaque
            channel.send(answer)
        }
    }
}

/// The body of BATCH_ACK_MESSAGE. Source: `BatchAckMessageRequestBody.java`, `BatchAck.java`, RocketMQ 5.3.
struct BatchAckBody: JSONBody {
    /// Acks of one span.
    struct Ack: JSONBody {
        var group: String
        var topic: String
        var retry: String
        var start: Int64
        var queueID: Int32
        var reviveQueue: Int32
        var popTime: Int64
        var invisibleTime: Int64
        /// A bit for each offset from the start on, the lowest of the first byte first.
        var bits: [UInt8]

        init(json: JSON) throws(BodyError) {
            let fields = try PopBody(json, "BatchAck")
            group = try fields.text("c")
            topic = try fields.text("t")
            retry = try fields.text("r")
            start = try fields.number("so")
            queueID = Int32(clamping: try fields.number("q"))
            reviveQueue = Int32(clamping: try fields.number("rq"))
            popTime = try fields.number("pt")
            invisibleTime = try fields.number("it")
            guard let bits = Base64.decode(try fields.text("b")) else {
                throw .badMember(body: "BatchAck", member: "b")
            }
            self.bits = bits
        }

        var json: JSON {
            PopBody.object([
                ("b", .string(Base64.encode(bits))), ("c", .string(group)), ("it", .integer(invisibleTime)),
                ("pt", .integer(popTime)), ("q", .integer(Int64(queueID))), ("r", .string(retry)),
                ("rq", .integer(Int64(reviveQueue))), ("so", .integer(start)), ("t", .string(topic)),
            ])
        }

        /// The offsets whose bits are set.
        var offsets: [Int64] {
            var offsets: [Int64] = []
            for (index, byte) in bits.enumerated() where byte != 0 {
                for bit in 0..<8 where byte & 1 << UInt8(bit) != 0 {
                    let (offset, overflow) = start.addingReportingOverflow(Int64(index * 8 + bit))
                    if !overflow { offsets.append(offset) }
                }
            }
            return offsets
        }
    }

    var brokerName: String
    var acks: [Ack]

    init(json: JSON) throws(BodyError) {
        let fields = try PopBody(json, "BatchAckMessageRequestBody")
        brokerName = fields.optionalText("brokerName") ?? ""
        acks = []
        for element in fields.list("acks") { acks.append(try Ack(json: element)) }
    }

    var json: JSON { PopBody.object([("acks", .array(acks.map(\.json))), ("brokerName", .string(brokerName))]) }
}

/// Members of the JSON texts that pop reads.
struct PopBody {
    private let name: String
    private let object: JSONObject

    init(_ json: JSON, _ name: String) throws(BodyError) {
        guard case .object(let object) = json else { throw .notAnObject(body: name) }
        self.name = name
        self.object = object
    }

    func optionalText(_ member: String) -> String? { object[member].flatMap { $0.isNull ? nil : $0.string } }

    func text(_ member: String) throws(BodyError) -> String {
        guard let text = optionalText(member) else { throw .missing(body: name, member: member) }
        return text
    }

    func number(_ member: String, default fallback: Int64? = nil) throws(BodyError) -> Int64 {
        guard let value = object[member], !value.isNull else {
            guard let fallback else { throw .missing(body: name, member: member) }
            return fallback
        }
        guard let number = value.int64 else { throw .badMember(body: name, member: member) }
        return number
    }

    func list(_ member: String) -> [JSON] { object[member]?.array ?? [] }

    func members(_ member: String) -> JSONObject { object[member]?.object ?? JSONObject() }

    static func object(_ members: [(String, JSON)]) -> JSON {
        .object(JSONObject(members.map { (.string($0.0), $0.1) }))
    }
}

/// Base64 with padding, as Java's codec writes it.
enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The bytes that `text` stands for; `nil` if it is none.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (value, bits) = (UInt32(0), 0)
        for digit in text.utf8 where digit != UInt8(ascii: "=") {
            guard let place = digits.firstIndex(of: digit) else { return nil }
            value = value << 6 | UInt32(place)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(bits)))
            }
        }
        return bytes
    }

    /// The text of `bytes`.
    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            var value = part.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            value <<= UInt32(8 * (3 - part.count))
            for place in 0..<4 {
                let index = Int(value >> UInt32(18 - 6 * place)) & 63
                text.append(place <= part.count ? digits[index] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
