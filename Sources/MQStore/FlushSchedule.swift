/// When what lies behind the last sync is worth one, with asynchronous flush. Pure: times and offsets in, a decision out.
/// Source of the rules: `CommitLog.FlushRealTimeService`, RocketMQ 5.3.
struct FlushSchedule {
    /// What to do now.
    enum Step: Equatable {
        case flush
        /// Look again after so many milliseconds, or when something was appended.
        case wait(milliseconds: Int64)
    }

    private static let pageByteCount: Int64 = 4096

    /// Fewer 4 KiB pages behind the last sync are left to a later one; 0: a byte is enough.
    let leastPages: Int64
    /// After this many milliseconds a byte is enough.
    let thoroughMilliseconds: Int64
    private var lastThorough: Int64

    init(leastPages: Int, thoroughMilliseconds: Int64, now: Int64) {
        self.leastPages = Int64(leastPages)
        self.thoroughMilliseconds = thoroughMilliseconds
        lastThorough = now
    }

    /// - Parameter unsynced: from the last sync to the end of what is written, bytes of the log; not empty.
    mutating func step(unsynced: Range<Int64>, now: Int64) -> Step {
        precondition(!unsynced.isEmpty, "nothing to flush")
        let due = lastThorough + thoroughMilliseconds
        if now >= due {
            lastThorough = now
            return .flush
        }
        let pages = unsynced.upperBound / Self.pageByteCount - unsynced.lowerBound / Self.pageByteCount
        return pages >= leastPages ? .flush : .wait(milliseconds: due - now)
    }
}
