public import MQBase
public import MQBytes

/// The parts of a record in memory, and the few fields that queues and index are built from: what dispatch takes of each
/// message, a third of the work of a ``MessageRecord``. The ranges are relative to the record's first byte.
public struct RecordOutline: Sendable {
    /// Bytes of the whole record.
    public let byteCount: Int
    /// The queue it belongs to.
    public let queueID: Int32
    /// Its number in the queue; 0 for half and rolled-back messages.
    public let queueOffset: Int64
    /// Where it says it begins in the log.
    public let physicalOffset: Int64
    /// What kind of message it is.
    public let sysFlag: SysFlag
    /// When it was stored.
    public let storeTimestamp: Timestamp
    /// Where the body lies.
    public let body: Range<Int>
    /// Where the topic's name lies.
    public let topic: Range<Int>
    /// Where the properties lie.
    public let properties: Range<Int>

    /// Takes the record at the start of `bytes` apart. Every length is checked against the record's own size.
    /// - Throws: `truncated` if `bytes` ends before the record does; `unknown` for another magic (a blank included).
    public init(_ bytes: Span<UInt8>) throws(WireError) {
        guard bytes.count >= 8 else { throw .truncated("record", needed: 8, had: bytes.count, at: 0) }
        let total = Int(bytes.int32(at: 0))
        let magic = bytes.int32(at: RecordLayout.magic)
        guard magic == RecordLayout.magicV1 || magic == RecordLayout.magicV2 else {
            throw .unknown("record magic", Int(magic))
        }
        guard total >= RecordLayout.byteCountMin else { throw .lengthOutOfRange("record size", total) }
        guard bytes.count >= total else { throw .truncated("record", needed: total, had: bytes.count, at: 0) }
        byteCount = total
        queueID = bytes.int32(at: RecordLayout.queueID)
        queueOffset = bytes.int64(at: RecordLayout.queueOffset)
        physicalOffset = bytes.int64(at: RecordLayout.physicalOffset)
        sysFlag = SysFlag(rawValue: bytes.int32(at: RecordLayout.sysFlag))
        let bornIPv6 = sysFlag.contains(.bornHostIPv6)
        let head = RecordLayout.headByteCount(bornIPv6: bornIPv6, storeIPv6: sysFlag.contains(.storeHostIPv6))
        guard total >= head else { throw .lengthOutOfRange("record size", total) }
        storeTimestamp = Timestamp(rawValue: bytes.int64(at: RecordLayout.storeTimestamp(bornIPv6: bornIPv6)))

        let lengthByteCount = magic == RecordLayout.magicV2 ? 2 : 1
        body = try Self.part("body", Int(bytes.int32(at: head - 4)), from: head, behind: lengthByteCount + 2, of: total)
        let topicAt = body.upperBound
        let topicByteCount = lengthByteCount == 2 ? Int(bytes.int16(at: topicAt)) : Int(bytes[topicAt])
        topic = try Self.part("topic", topicByteCount, from: topicAt + lengthByteCount, behind: 2, of: total)
        let propertiesByteCount = Int(bytes.int16(at: topic.upperBound))
        properties = try Self.part("properties", propertiesByteCount, from: topic.upperBound + 2, behind: 0, of: total)
        guard properties.upperBound == total else { throw .lengthOutOfRange("record size", total) }
    }

    /// The same parts and fields of a record that was taken apart.
    public init(_ record: MessageRecord) {
        byteCount = record.byteCount
        queueID = record.queueID
        queueOffset = record.queueOffset
        physicalOffset = record.physicalOffset
        sysFlag = record.sysFlag
        storeTimestamp = record.storeTimestamp
        body = record.body
        topic = record.topic
        properties = record.properties
    }

    /// The next `byteCount` bytes, if `behind` more bytes fit behind them.
    private static func part(
        _ name: StaticText, _ byteCount: Int, from start: Int, behind: Int, of total: Int
    ) throws(WireError) -> Range<Int> {
        guard byteCount >= 0 else { throw .lengthOutOfRange(name, byteCount) }
        guard total - start >= byteCount + behind else {
            throw .truncated(name, needed: byteCount + behind, had: max(0, total - start), at: start)
        }
        return start..<start + byteCount
    }
}
