import MQBase
import MQSystem

/// A file that has lost its name and whose room is given back piece by piece, when nobody reads it any more: cutting off
/// a gigabyte at once can hold the file system, and cutting it while somebody reads would kill the process.
/// Owned by the retention thread.
struct RetiredFile {
    /// Bytes given back in one step: whoever needs the disk waits for it, where the file system tells the disk of each
    /// (`discard`) all of it. An `unlink` of a gigabyte held others for 240 ms, a step of 16 MiB for 10.
    static let stepByteCount = 4 << 20

    private let file: File
    /// Lives as long as somebody has the bytes mapped.
    weak var readers: AnyObject?
    private let since: Instant
    private var nextLook: Instant
    private var isReported = false
    /// Bytes that the disk has not got back.
    private(set) var byteCount: Int

    /// Takes the name `path` away. Readers that have the file mapped go on; set ``readers`` before the first step.
    init(removing path: String, now: Instant) throws(SystemError) {
        file = try File(path, .readWrite)
        byteCount = try file.byteCount()
        since = now
        nextLook = now
        try Directory.removeFile(path)
    }

    /// What became of a step.
    enum Step {
        /// There is more to give back at once.
        case more
        /// Somebody reads it.
        case read(isReportDue: Bool, path: String)
        /// Not looked at: it is not time.
        case waiting
        /// All is given back.
        case done
    }

    /// Gives one step back.
    mutating func step(now: Instant, _ settings: RetentionSettings) throws(SystemError) -> Step {
        guard nextLook <= now else { return .waiting }
        guard readers == nil else {
            let isLate = now.milliseconds(since: since) >= settings.readerMilliseconds
            if isLate { nextLook = now.advanced(byMilliseconds: settings.retryMilliseconds) }
            defer { isReported = isLate }
            return .read(isReportDue: isLate && !isReported, path: file.path)
        }
        let left = max(0, byteCount - Self.stepByteCount)
        try file.truncate(to: left)
        byteCount = left
        return left > 0 ? .more : .done
    }
}
