import MQBytes

/// One entry of a consume queue, 20 bytes, big-endian: `| physicalOffset i64 | size i32 | tagsCode i64 |`.
/// Source: `ConsumeQueue.java`, RocketMQ 5.3.
public struct QueueUnit: Equatable, Sendable {
    /// Bytes of one unit.
    public static let byteCount = 20
    /// What fills a file before its first real unit.
    package static let preBlankSize: Int32 = 0x7FFF_FFFF
    /// Stands where no record is: before a queue's first unit in its file, and where the log lost records.
    package static let blank = QueueUnit(physicalOffset: 0, size: preBlankSize, tagsCode: 0)

    /// Whether the address of an extension unit stands in place of the tags code (`enableConsumeQueueExt`):
    /// ``ConsumeQueue/tagsCode(of:_:)`` knows it.
    package var hasExtension: Bool { ExtensionAddress.isAddress(tagsCode) }

    /// Whether anything was written there, a blank included.
    package var isUsed: Bool { physicalOffset >= 0 && size > 0 }

    /// Where the record begins in the log.
    public let physicalOffset: Int64
    /// Bytes of the record.
    public let size: Int32
    /// Java's `hashCode` of the tags; in `SCHEDULE_TOPIC_XXXX` the time a message is due; or the address of an extension
    /// unit, which holds either.
    public let tagsCode: Int64

    /// A unit from its three numbers.
    package init(physicalOffset: Int64, size: Int32, tagsCode: Int64) {
        self.physicalOffset = physicalOffset
        self.size = size
        self.tagsCode = tagsCode
    }

    /// Reads the unit at `offset`.
    /// - Precondition: 20 bytes are there.
    package init(_ bytes: Span<UInt8>, at offset: Int) {
        physicalOffset = bytes.int64(at: offset)
        size = bytes.int32(at: offset + 8)
        tagsCode = bytes.int64(at: offset + 12)
    }

    func append(to bytes: inout ByteBuffer) {
        bytes.append(bigEndian: physicalOffset)
        bytes.append(bigEndian: size)
        bytes.append(bigEndian: tagsCode)
    }
}

/// A unit and the offset it belongs at.
struct PlacedUnit {
    let unit: QueueUnit
    let offset: Int64
    /// When its record was stored, milliseconds.
    let storedAt: Int64
    /// Messages in its record; ``offset`` is the first one's.
    var messageCount: Int16 = 1
}
