public import MQBase
public import MQBytes
import MQCompression
public import MQMessage
import MQProtocol
import MQSystem

/// A message as a broker stored it.
public struct MessageExt: Sendable, CustomStringConvertible {
    /// The broker it came from; empty if that is not known.
    public internal(set) var brokerName = ""
    /// The queue it is in.
    public let queueID: Int32
    /// Bytes of the stored record.
    public let storeByteCount: Int
    /// Its position in the queue.
    public let queueOffset: Int64
    /// Flags as stored; `compressed` is cleared when the body was expanded.
    public internal(set) var sysFlag: SysFlag
    /// When its producer made it.
    public let bornTimestamp: Timestamp
    /// Its producer.
    public let bornHost: MessageHost
    /// When the broker stored it.
    public let storeTimestamp: Timestamp
    /// The broker.
    public let storeHost: MessageHost
    /// The record's position in the broker's log.
    public let commitLogOffset: Int64
    /// Checksum of the body as stored.
    public let bodyCRC: Int32
    /// How often it was handed out and came back.
    public internal(set) var reconsumeTimes: Int32
    /// Position of the half message, in transactions.
    public let preparedTransactionOffset: Int64
    /// The topic; for a message that came back, the one it was sent to first.
    public internal(set) var topic: String
    /// As its producer set it.
    public let flag: Int32
    /// Properties, with what broker and client added.
    public internal(set) var properties: MessageProperties
    /// The body, expanded if it was compressed.
    public internal(set) var body: [UInt8]

    /// The smallest offset of its queue, and the next one to come, when it was pulled; `nil` for a message that was not.
    public internal(set) var queueEnds: Range<Int64>?

    /// Offsets of queues are below this.
    static let offsetMax: Int64 = 1 << 60

    /// Most bytes a compressed body may expand to.
    static let bodyByteCountMax = 64 << 20

    /// Takes the record at the start of `bytes` apart.
    /// - Throws: `WireError` if it is not a record.
    public init(_ bytes: Span<UInt8>) throws(WireError) {
        try self.init(MessageRecord(bytes), in: bytes)
    }

    init(_ record: MessageRecord, in bytes: Span<UInt8>) throws(WireError) {
        queueID = record.queueID
        storeByteCount = record.byteCount
        queueOffset = record.queueOffset
        // What is computed with: a broker that lies must not be able to make a sum overflow.
        guard (0..<Self.offsetMax).contains(queueOffset) else {
            throw .lengthOutOfRange("queueOffset", Int(queueOffset))
        }
        sysFlag = record.sysFlag
        bornTimestamp = record.bornTimestamp
        bornHost = record.bornHost
        storeTimestamp = record.storeTimestamp
        storeHost = record.storeHost
        commitLogOffset = record.physicalOffset
        bodyCRC = record.bodyCRC
        reconsumeTimes = record.reconsumeTimes
        preparedTransactionOffset = record.preparedTransactionOffset
        topic = bytes.extracting(record.topic).toString()
        flag = record.flag
        properties = MessageProperties(stored: bytes.extracting(record.properties))
        body = bytes.extracting(record.body).toArray()
        expandBody()
    }

    /// A reply as its broker pushes it (326): not stored, so without a place. `nil` if the request lacks what it needs.
    /// Source: `ClientRemotingProcessor.java` `receiveReplyMessage`, 5.3.
    init?(reply request: RemotingCommand) {
        guard let topic = request["topic"], let properties = request["properties"] else { return nil }
        queueID = request.int32("queueId") ?? 0
        storeByteCount = 0
        queueOffset = 0
        sysFlag = SysFlag(rawValue: request.int32("sysFlag") ?? 0)
        bornTimestamp = Timestamp(rawValue: request.int64("bornTimestamp") ?? 0)
        bornHost = Self.host(request["bornHost"])
        storeTimestamp = Timestamp(rawValue: request.int64("storeTimestamp") ?? 0)
        storeHost = Self.host(request["storeHost"])
        commitLogOffset = 0
        bodyCRC = 0
        reconsumeTimes = request.int32("reconsumeTimes") ?? 0
        preparedTransactionOffset = 0
        self.topic = topic
        flag = request.int32("flag") ?? 0
        self.properties = MessageProperties(stored: Array(properties.utf8).span)
        self.properties[PropertyName.arriveTime] = String(SystemClock.wall().rawValue)
        body = request.body
        expandBody()
    }

    /// `1.2.3.4:5678`, with or without a slash before it; nobody's address if it is something else. Shown only.
    private static func host(_ text: String?) -> MessageHost {
        let bare = (text ?? "").drop { $0 == "/" }
        let parts = bare.split(separator: ":", maxSplits: 1)
        let ip = parts.first?.split(separator: ".").compactMap { UInt8($0) } ?? []
        let port = parts.count == 2 ? UInt16(parts[1]) : nil
        return MessageHost(ip: ip.count == 4 ? ip : [0, 0, 0, 0], port: Int(port ?? 0))
    }

    /// All records of a pull or query answer. A partial record at the end is dropped, as Java does.
    public static func all(in bytes: [UInt8]) throws(WireError) -> [MessageExt] {
        var messages: [MessageExt] = []
        var position = 0
        let span = bytes.span
        while span.count - position >= 8 {
            let rest = span.extracting(position..<span.count)
            guard rest.count >= Int(rest.int32(at: 0)) else { break }
            let message = try MessageExt(rest)
            position += message.storeByteCount
            messages.append(message)
        }
        return messages
    }

    /// Expands a compressed body. One whose codec is not known stays as it is, with `sysFlag.compressed` still set.
    private mutating func expandBody() {
        guard sysFlag.contains(.compressed), let codec = CompressionCodec(sysFlag) else { return }
        do throws(CompressionError) {
            body = try codec.expand(body.span, outputMax: Self.bodyByteCountMax)
            sysFlag.remove(.compressed)
        } catch {
            // Left as stored, and marked so: the application can still see and refuse it.
        }
    }
}

extension MessageExt {
    /// The body as text; `nil` if it is not UTF-8.
    public var bodyText: String? { String(validating: body, as: UTF8.self) }
    /// What consumers filter by.
    public var tags: String? { properties[PropertyName.tags] }
    /// What it can be found by.
    public var keys: [String] { properties[PropertyName.keys]?.split(separator: " ").map(String.init) ?? [] }
    /// The id its producer gave it, or ``offsetMessageID``.
    public var messageID: String { properties[PropertyName.uniqueKey] ?? offsetMessageID }
    /// The id that names its place: broker and log position.
    public var offsetMessageID: String {
        MessageID.offsetID(host: storeHost, offset: PhysicalOffset(rawValue: max(0, commitLogOffset)))
    }

    /// As Java prints it.
    public var description: String { description(withBody: true) }

    /// As Java prints it; without a body it is one that was read from a file, which knows of no broker.
    package func description(withBody: Bool) -> String {
        let brokerName = withBody ? brokerName : "null"
        var text = "MessageExt [brokerName=\(brokerName), queueId=\(queueID), storeSize=\(storeByteCount), "
        text += "queueOffset=\(queueOffset), sysFlag=\(sysFlag.rawValue), bornTimestamp=\(bornTimestamp), "
        text += "bornHost=/\(bornHost), storeTimestamp=\(storeTimestamp), storeHost=/\(storeHost), "
        text += "msgId=\(offsetMessageID), commitLogOffset=\(commitLogOffset), bodyCRC=\(bodyCRC), "
        text += "reconsumeTimes=\(reconsumeTimes), preparedTransactionOffset=\(preparedTransactionOffset), "
        text += "toString()=Message{topic='\(topic)', flag=\(flag), properties=\(shownProperties), body="
        text += withBody ? "[\(body.map { String(Int8(bitPattern: $0)) }.joined(separator: ", "))]" : "null"
        return text + ", transactionId='null'}]"
    }

    /// As Java shows them: with the queue's ends, in the order of its map.
    package var shownProperties: String {
        var all = properties
        if let queueEnds {
            all["MIN_OFFSET"] = String(queueEnds.lowerBound)
            all["MAX_OFFSET"] = String(queueEnds.upperBound)
        }
        return all.inJavaOrder.description
    }
}
