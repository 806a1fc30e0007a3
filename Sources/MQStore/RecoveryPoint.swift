import MQBytes
import MQSystem

/// What recovery may take for granted: written when log and queues were on the disk up to a record, and at a clean stop.
/// The file `recovery` beside the checkpoint; RocketMQ does not know it. Big-endian:
/// ```
/// | "APUSRP01" | closed u8 | log end i64 | last record i64 | its end i64 | its store time i64 |
/// | checkpoint: log i64, queues i64, index i64 | index: begin i64, end i64, end time i64, entries i64 | queues i32 |
/// per queue: | topic length i16, topic | queue i32 | end i64 | last unit's record i64 | … | CRC-32 of all before u32 |
/// ```
struct RecoveryPoint: Equatable, Sendable {
    /// A record of the log.
    struct Record: Equatable, Sendable {
        /// Where it begins and ends in the log.
        var range: Range<Int64>
        /// When it was stored, milliseconds.
        var storeTimestamp: Int64
    }

    /// A queue, as far as it was on the disk.
    struct Queue: Equatable, Sendable {
        var topic: String
        var queueID: Int
        /// One more than the offset of its last unit.
        var end: Int64
        /// Where that unit's record begins.
        var lastRecord: Int64
    }

    /// The newest index file, as far as it was on the disk: nothing in its first `entries` entries changes any more.
    struct Index: Equatable, Sendable {
        var beginOffset: Int64 = 0
        var endOffset: Int64 = 0
        var endTimestamp: Int64 = 0
        /// Number of the next entry; 0: nothing is known; 1: nothing before ``endOffset`` has a key, and there is no file.
        var entries: Int64 = 0
    }

    /// A clean stop: nothing was behind `record` then, and log, queues, index and checkpoint were as they stand here.
    var isClosed = false
    /// Where the log ended at a clean stop.
    var logEnd: Int64 = 0
    /// The last record that was dispatched; it and all before it were on the disk, with their units.
    var record: Record
    /// The checkpoint at that time, which another broker would have changed.
    var checkpoint = Checkpoint.Values()
    var index = Index()
    var queues: [Queue] = []
    /// Not in the file: how many times queues had been removed when it was made. A later removal makes it untrue.
    var deletions = 0

    // MARK: - Bytes

    private static let magic: [UInt8] = Array("APUSRP01".utf8)
    /// A file over this is none of ours.
    static let byteCountMax = 256 << 20

    var encoded: [UInt8] {
        var bytes = ByteBuffer(capacity: 128 + queues.count * 64)
        bytes.append(Self.magic)
        bytes.append(isClosed ? 1 : 0 as UInt8)
        let numbers = [
            logEnd, record.range.lowerBound, record.range.upperBound, record.storeTimestamp, checkpoint.log,
            checkpoint.queues, checkpoint.index, index.beginOffset, index.endOffset, index.endTimestamp,
            index.entries,
        ]
        for number in numbers { bytes.append(bigEndian: number) }
        bytes.append(bigEndian: Int32(queues.count))
        for queue in queues {
            let topic = Array(queue.topic.utf8)
            bytes.append(bigEndian: Int16(topic.count))
            bytes.append(topic)
            bytes.append(bigEndian: Int32(queue.queueID))
            bytes.append(bigEndian: queue.end)
            bytes.append(bigEndian: queue.lastRecord)
        }
        bytes.append(bigEndian: Int32(bitPattern: CRC32.value(of: bytes.span)))
        return bytes.toArray()
    }

    init(record: Record) { self.record = record }

    /// - Returns: `nil` for anything that was not written whole by ``encoded``.
    init?(_ bytes: Span<UInt8>) {
        let end = bytes.count - 4
        guard end >= Self.magic.count, bytes.extracting(0..<Self.magic.count).equals(Self.magic.span),
            CRC32.value(of: bytes.extracting(0..<end)) == UInt32(bitPattern: bytes.int32(at: end))
        else { return nil }
        var reader = WireReader(bytes.extracting(0..<end))
        do throws(WireError) {
            _ = try reader.range(Self.magic.count, "magic")
            let isClosed = try reader.uint8("closed") == 1
            let logEnd = try reader.int64("log end")
            let (first, last) = (try reader.int64("record"), try reader.int64("record end"))
            guard 0 <= first, first < last, last <= 1 << 60 else { return nil }
            record = Record(range: first..<last, storeTimestamp: try reader.int64("store time"))
            self.isClosed = isClosed
            self.logEnd = logEnd
            checkpoint.log = try reader.int64("checkpoint")
            checkpoint.queues = try reader.int64("checkpoint")
            checkpoint.index = try reader.int64("checkpoint")
            index.beginOffset = try reader.int64("index begin")
            index.endOffset = try reader.int64("index end")
            index.endTimestamp = try reader.int64("index end time")
            index.entries = try reader.int64("index entries")
            for _ in 0..<max(0, try reader.int32("queues")) {
                guard let queue = try Queue(&reader, bytes) else { return nil }
                queues.append(queue)
            }
        } catch {
            return nil
        }
    }

    // MARK: - File

    /// Where the store under `root` has it.
    static func path(in root: String) -> String { root + "/recovery" }

    /// The point at `path`; `nil` if there is none, or none that is whole.
    static func read(_ path: String) throws(SystemError) -> RecoveryPoint? {
        do throws(SystemError) {
            guard let bytes = try File.contents(of: path, limit: byteCountMax) else { return nil }
            return RecoveryPoint(bytes.span)
        } catch  where error.code == 27 {  // EFBIG
            return nil
        }
    }

    /// Puts it at `path`, durably, in one step.
    func write(_ path: String) throws(SystemError) { try File.replace(path, with: encoded) }
}

extension RecoveryPoint.Queue {
    /// - Returns: `nil` for what is no queue's name: it becomes a folder's, which recovery may remove.
    fileprivate init?(_ reader: inout WireReader, _ bytes: Span<UInt8>) throws(WireError) {
        let name = bytes.extracting(try reader.range(Int(try reader.int16("topic length")), "topic"))
        topic = name.toString()
        queueID = Int(try reader.int32("queue"))
        end = try reader.int64("queue end")
        lastRecord = try reader.int64("last record")
        guard FolderName.isTopic(topic, name), queueID >= 0 else { return nil }
    }
}
