package import MQBytes
import MQMessage

/// One entry of the timer log: a message that waits, and the entry before it in the same second. 52 bytes, big-endian:
/// `| size i32 = 52 | previous i64 | kind i32 | written i64 | delay i32 | record i64 | record size i32 | topic hash i32 | 0 i64 |`.
/// Source: `TimerLog.java`, `TimerMessageStore.java` `doEnqueue`, RocketMQ 5.3.
package struct TimerUnit: Equatable, Sendable {
    /// Bytes of one unit.
    package static let byteCount = 52
    /// Bytes of what marks the unused rest of a file: `| rest i32 | 0 i64 | blank i32 |`.
    package static let blankByteCount = 16
    /// Stands where no unit is.
    package static let none: Int64 = -1

    /// What is to be done when its time has come.
    package struct Kind: OptionSet, Sendable {
        package let rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }

        /// Every unit has it.
        package static let message = Kind(rawValue: 1)
        /// Not due yet: it only was too far away, and is put in again.
        package static let roll = Kind(rawValue: 2)
        /// It takes another message of its second back.
        package static let delete = Kind(rawValue: 4)
        /// All that RocketMQ takes for a unit's.
        static let known: ClosedRange<Int32> = 0...15
    }

    /// Where the unit before it in its slot begins in the timer log; ``none`` for the first.
    package var previous: Int64
    /// What is to be done with it.
    package var kind: Kind
    /// The second in which it was put in, milliseconds.
    package var writtenAt: Int64
    /// From then to its slot, milliseconds.
    package var delay: Int32
    /// Where its record begins in the CommitLog.
    package var record: Int64
    /// Bytes of its record.
    package var recordByteCount: Int32
    /// Java's hash of the real topic's name.
    package var topicHash: Int32

    /// The slot it waits in, milliseconds.
    package var slotTime: Int64 { writtenAt &+ Int64(delay) }

    /// A unit from its fields.
    package init(
        previous: Int64, kind: Kind, writtenAt: Int64, delay: Int32, record: Int64, recordByteCount: Int32,
        topicHash: Int32
    ) {
        self.previous = previous
        self.kind = kind
        self.writtenAt = writtenAt
        self.delay = delay
        self.record = record
        self.recordByteCount = recordByteCount
        self.topicHash = topicHash
    }

    /// Reads the unit at `offset`; `nil` if none is there: a blank, zeroes, anything else, or too few bytes.
    package init?(_ bytes: Span<UInt8>, at offset: Int) {
        guard offset >= 0, bytes.count - offset >= Self.byteCount, bytes.int32(at: offset) == Int32(Self.byteCount),
            Kind.known.contains(bytes.int32(at: offset + 12))
        else { return nil }
        previous = bytes.int64(at: offset + 4)
        kind = Kind(rawValue: bytes.int32(at: offset + 12))
        writtenAt = bytes.int64(at: offset + 16)
        delay = bytes.int32(at: offset + 24)
        record = bytes.int64(at: offset + 28)
        recordByteCount = bytes.int32(at: offset + 36)
        topicHash = bytes.int32(at: offset + 40)
        guard record >= 0, recordByteCount > 0, (0...Self.timeMax).contains(writtenAt), slotTime >= 0 else {
            return nil
        }
    }

    /// Later than any clock says: sums of times must not overflow.
    private static let timeMax = Int64.max >> 4

    /// Appends the 52 bytes.
    package func append(to bytes: inout ByteBuffer) {
        bytes.append(bigEndian: Int32(Self.byteCount))
        bytes.append(bigEndian: previous)
        bytes.append(bigEndian: kind.rawValue)
        bytes.append(bigEndian: writtenAt)
        bytes.append(bigEndian: delay)
        bytes.append(bigEndian: record)
        bytes.append(bigEndian: recordByteCount)
        bytes.append(bigEndian: topicHash)
        bytes.append(bigEndian: Int64(0))
    }

    /// Appends what marks the last `rest` bytes of a file as unused.
    package static func appendBlank(rest: Int, to bytes: inout ByteBuffer) {
        bytes.append(bigEndian: Int32(rest))
        bytes.append(bigEndian: Int64(0))
        bytes.append(bigEndian: RecordLayout.magicBlank)
    }
}

/// Where units lie in files of one size. Pure.
package struct TimerLogLayout: Equatable, Sendable {
    /// `mappedFileSizeTimerLog`, bytes.
    package let fileByteCount: Int64

    /// - Precondition: a unit and a blank fit.
    package init(fileByteCount: Int) {
        precondition(fileByteCount >= TimerUnit.byteCount + TimerUnit.blankByteCount, "\(fileByteCount) bytes")
        self.fileByteCount = Int64(fileByteCount)
    }

    /// Where the file that holds `position` begins.
    package func fileStart(_ position: Int64) -> Int64 { position / fileByteCount * fileByteCount }

    /// Where the next unit goes when the log ends at `end`: there, or at the next file's start because a blank must
    /// always have room behind it.
    package func place(at end: Int64) -> Int64 {
        let rest = fileByteCount - end % fileByteCount
        return rest < Int64(TimerUnit.byteCount + TimerUnit.blankByteCount) ? end + rest : end
    }

    /// Whether a unit can begin at `position`.
    package func isPlace(_ position: Int64) -> Bool {
        position >= 0 && position % fileByteCount % Int64(TimerUnit.byteCount) == 0 && place(at: position) == position
    }
}
