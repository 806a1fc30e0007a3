import MQBytes

/// One entry of a batch consume queue: a record that holds one message or several. 46 bytes, big-endian:
/// ```
/// | physicalOffset i64 | size i32 | tagsCode i64 | storeTime i64 | baseOffset i64 | messageCount i16 | -1 i32 | 0 i32 |
/// ```
/// Source: `BatchConsumeQueue.java`, RocketMQ 5.3.
package struct BatchUnit: Equatable, Sendable {
    /// Bytes of one unit.
    package static let byteCount = 46

    /// Where the record lies, and its tags.
    package let unit: QueueUnit
    /// When the record was stored, milliseconds.
    package let storeTimestamp: Int64
    /// The queue offset of its first message.
    package let baseOffset: Int64
    /// Messages in the record, 1...``messageCountMax``.
    package let messageCount: Int16

    /// More messages than fit a unit are refused when they are sent.
    package static let messageCountMax = Int(Int16.max)

    /// A unit from its numbers.
    package init(unit: QueueUnit, storeTimestamp: Int64, baseOffset: Int64, messageCount: Int16) {
        self.unit = unit
        self.storeTimestamp = storeTimestamp
        self.baseOffset = baseOffset
        self.messageCount = messageCount
    }

    /// Reads the unit at `offset`.
    /// - Precondition: 46 bytes are there.
    package init(_ bytes: Span<UInt8>, at offset: Int) {
        unit = QueueUnit(bytes, at: offset)
        storeTimestamp = bytes.int64(at: offset + 20)
        baseOffset = bytes.int64(at: offset + 28)
        messageCount = Int16(truncatingIfNeeded: Int(bytes[offset + 36]) << 8 | Int(bytes[offset + 37]))
    }

    /// Whether it can name messages of a queue: what was never written reads as zero, and what a disk changed as anything.
    package var isUsed: Bool {
        unit.isUsed && messageCount > 0 && (0..<ConsumeQueue.offsetLimit).contains(baseOffset)
    }

    /// One more than the offset of its last message.
    package var endOffset: Int64 { baseOffset &+ Int64(messageCount) }

    func append(to bytes: inout ByteBuffer) {
        unit.append(to: &bytes)
        bytes.append(bigEndian: storeTimestamp)
        bytes.append(bigEndian: baseOffset)
        bytes.append(bigEndian: messageCount)
        bytes.append(bigEndian: -1 as Int32)  // the place in a compacted log, which there is none of
        bytes.append(bigEndian: 0 as Int32)
    }
}
