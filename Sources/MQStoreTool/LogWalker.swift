import MQBase
import MQBytes
import MQMessage
import MQStore
import MQSystem

/// What is wrong with a place of the log, as the walk sees it.
enum LogFlaw: Equatable {
    /// From `range.lowerBound` on nothing can be read; sound records follow at its end.
    case damaged(range: Range<Int64>, why: String)
    /// The record is whole but for its body's checksum.
    case bodyChecksum(at: Int64, stored: Int32, found: Int32)
    /// The record is whole but for the checksum over all of it (`enabledAppendPropCRC`): a field or a property changed.
    case recordChecksum(at: Int64)
    /// The record is whole but says that it lies elsewhere.
    case ownOffset(at: Int64, says: Int64)
    /// The system could not read from here to the file's end.
    case unreadable(at: Int64, why: String)
}

/// Where the log ends.
struct LogEnd: Equatable {
    /// Behind the last record.
    var offset: Int64
    /// What lies behind that and is not zero: the end of a record that was being written, or old bytes.
    var dirty: Range<Int64>?
    /// Why the place at `offset` holds no record.
    var why = ""
    /// Store times of the first and the last record, milliseconds.
    var firstTimestamp: Int64 = 0
    var lastTimestamp: Int64 = 0
    /// The latest store time of any record: clocks are set back.
    var newestTimestamp: Int64 = 0
    /// Records that were met, and their bytes.
    var recordCount = 0
    var recordByteCount: Int64 = 0
}

/// Follows the log's records in order, once, and finds its way again behind what is damaged.
///
/// A record counts where its lengths fit and its own offset is its place. A damaged place ends at the next such record
/// whose body has its checksum, or at the blank that ends the file. If nothing sound follows, it is the log's end.
struct LogWalker {
    /// Larger records are taken for damage: what one claims is never taken as memory. Far above any `maxMessageSize`.
    static let recordByteCountMax = 256 << 20

    /// In order; each is read up to `fileByteCount` at most.
    let files: [StoreFile]
    let fileByteCount: Int

    /// Called for every record, with its bytes, its place, and whether its body has its checksum.
    typealias RecordHandler = (MessageRecord, Span<UInt8>, Int64, Bool) throws(ToolError) -> Void
    typealias FlawHandler = (LogFlaw) throws(ToolError) -> Void

    /// Walks all files.
    /// - Parameter advanced: told how many bytes were read since the last call.
    func run(
        record: RecordHandler, flaw: FlawHandler, advanced: (Int) -> Void
    ) throws(ToolError) -> LogEnd {
        var walk = LogWalk(end: LogEnd(offset: files.first?.start ?? 0))
        for file in files {
            let byteCount = min(file.byteCount, fileByteCount)
            guard byteCount > 0 else { continue }
            let reader: ChunkReader
            do throws(SystemError) {
                reader = try ChunkReader(file.path)
            } catch {
                try flaw(.unreadable(at: file.start, why: error.description))
                continue
            }
            var step = FileWalk(file: file, byteCount: byteCount, reader: reader)
            try step.run(&walk, record, flaw, advanced)
        }
        return walk.finish()
    }
}
