public import MQBase
public import MQBytes
import MQCompression
public import MQMessage

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
    public var description: String {
        var text = "MessageExt [brokerName=\(brokerName), queueId=\(queueID), storeSize=\(storeByteCount), "
        text += "queueOffset=\(queueOffset), sysFlag=\(sysFlag.rawValue), bornTimestamp=\(bornTimestamp), "
        text += "bornHost=/\(bornHost), storeTimestamp=\(storeTimestamp), storeHost=/\(storeHost), "
        text += "msgId=\(offsetMessageID), commitLogOffset=\(commitLogOffset), bodyCRC=\(bodyCRC), "
        text += "reconsumeTimes=\(reconsumeTimes), preparedTransactionOffset=\(preparedTransactionOffset), "
        text += "toString()=Message{topic='\(topic)', flag=\(flag), properties=\(properties), body=["
        text += body.map { String(Int8(bitPattern: $0)) }.joined(separator: ", ")
        return text + "], transactionId='null'}]"
    }
}
