import MQBytes
package import MQSystem

/// How far timed messages are handled, as far as it is on the disk. `config/timercheck`, 4096 bytes, big-endian:
/// `| read time i64 | log position i64 | queue offset i64 | master's queue offset i64 | version: state i64, time i64, counter i64 | seal u32 | 0 … |`.
///
/// RocketMQ reads and writes the first 56 bytes and leaves the rest. The seal, a CRC-32 of them, is ours: while it is right,
/// everything before the log position is on the disk and belongs to exactly what lies before the queue offset. RocketMQ's own file
/// may tell of less of the log than there is. Source: `TimerCheckpoint.java`, RocketMQ 5.3.
package struct TimerCheckpoint: Equatable, Sendable {
    /// Bytes of the file.
    package static let byteCount = 4096
    /// Bytes that RocketMQ knows, and that code 60 answers.
    package static let knownByteCount = 56

    /// The slot that is to be emptied next, milliseconds; 0 if that is not known.
    package var readTime: Int64 = 0
    /// Where the timer log ended.
    package var logEnd: Int64 = 0
    /// The next message of the wheel's queue.
    package var queueOffset: Int64 = 0
    /// As ``queueOffset``, of a slave's master.
    package var masterQueueOffset: Int64 = 0
    /// RocketMQ's version of the table: its state.
    package var stateVersion: Int64 = 0
    /// When it was changed last, milliseconds.
    package var timestamp: Int64 = 0
    /// How often it was changed.
    package var counter: Int64 = 0

    /// Nothing handled.
    package init() {}

    /// Reads a file's beginning; `nil` if it is too short, or if it tells what cannot be.
    package init?(_ bytes: Span<UInt8>) {
        guard bytes.count >= Self.knownByteCount else { return nil }
        readTime = bytes.int64(at: 0)
        logEnd = bytes.int64(at: 8)
        queueOffset = bytes.int64(at: 16)
        masterQueueOffset = bytes.int64(at: 24)
        stateVersion = bytes.int64(at: 32)
        timestamp = bytes.int64(at: 40)
        counter = bytes.int64(at: 48)
        let bound = Int64.max >> 8
        for number in [readTime, logEnd, queueOffset] where !(0...bound).contains(number) { return nil }
    }

    /// Whether `bytes` were written by ``encoded`` and not touched since.
    package static func isSealed(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count >= knownByteCount + 4 else { return false }
        let seal = UInt32(bitPattern: bytes.int32(at: knownByteCount))
        return seal == CRC32.value(of: bytes.extracting(0..<knownByteCount))
    }

    /// What code 60 answers.
    package var known: [UInt8] {
        var bytes = ByteBuffer(capacity: Self.knownByteCount)
        for number in [readTime, logEnd, queueOffset, masterQueueOffset, stateVersion, timestamp, counter] {
            bytes.append(bigEndian: number)
        }
        return bytes.toArray()
    }

    /// The file.
    package var encoded: [UInt8] {
        var bytes = ByteBuffer(capacity: Self.byteCount)
        bytes.append(known)
        bytes.append(bigEndian: CRC32.value(of: bytes.span))
        bytes.append(repeating: 0, count: Self.byteCount - bytes.count)
        return bytes.toArray()
    }

    // MARK: - File

    /// Where a store under `root` has it.
    package static func path(in root: String) -> String { root + "/config/timercheck" }

    /// What the file at `path` says, and whether it was sealed; `nil` if there is none, or none that can be read.
    package static func read(_ path: String) throws(SystemError) -> (values: TimerCheckpoint, isSealed: Bool)? {
        guard Directory.exists(path) else { return nil }
        var bytes = ByteBuffer()
        let file = try File(path, .read)
        try file.read(byteCount, at: 0, into: &bytes)
        guard let values = TimerCheckpoint(bytes.span) else { return nil }
        return (values, isSealed(bytes.span))
    }
}
