import MQBase
import MQSystem
import Synchronization

/// Decides when the log is synced, and does it: body of the `flush` thread.
///
/// Synchronous: whoever waits is flushed together, at once, with no fixed interval; while one `fdatasync` runs, the next
/// group gathers. Asynchronous: as ``FlushSchedule`` decides, looked at `flushIntervalCommitLog` after the first unsynced
/// byte (at once when `flushCommitLogTimed` is off). A failed `fdatasync` is final: the kernel may have dropped the
/// pages, so nothing is tried again and the store is fenced.
final class Flusher: Sendable {
    private struct State {
        var isWanted = false
        var isStopping = false
    }

    private let log: CommitLog
    private let checkpoint: Checkpoint
    private let isSynchronous: Bool
    /// How long the first unsynced byte waits for company; 0: not at all.
    private let intervalMilliseconds: Int64
    private let leastPages: Int
    private let thoroughMilliseconds: Int64
    private let monitor = Monitor(State())
    private let isAsleep = Atomic<Bool>(false)
    private let flushLock = Lock<Int64>(0)  // when the checkpoint was last written, milliseconds
    /// What is on the disk.
    let flushed: Watermark

    init(log: CommitLog, checkpoint: Checkpoint, config: StoreConfig, flushed: PhysicalOffset) {
        self.log = log
        self.checkpoint = checkpoint
        isSynchronous = config.isFlushSynchronous
        intervalMilliseconds = config.isFlushTimed ? config.flushIntervalMilliseconds : 0
        leastPages = config.flushLeastPages
        thoroughMilliseconds = config.flushThoroughMilliseconds
        self.flushed = Watermark(flushed)
    }

    /// Tells that something was appended. Costs a load when the thread is awake. Any thread.
    func appended() {
        // `written` before `isAsleep`, as the thread does in reverse.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        guard isAsleep.load(ordering: .relaxed) else { return }
        monitor.signal { state in
            state.isWanted = true
            return true
        }
    }

    /// Runs until ``stop()``.
    /// - Parameters:
    ///   - advanced: called after each sync, when readers and waiters may see more.
    ///   - failed: called once, with the error that ended it.
    func run(advanced: () -> Void, failed: (SystemError) -> Void) {
        var schedule = FlushSchedule(
            leastPages: leastPages, thoroughMilliseconds: thoroughMilliseconds, now: Self.milliseconds)
        while isSynchronous ? sleepUntilAppended() : waitForWork(&schedule) {
            do throws(SystemError) {
                try flush()
            } catch {
                return failed(error)
            }
            advanced()
        }
    }

    /// Syncs everything that is written now. The flush thread, a loop when it flushes itself, and the last step of a stop.
    func flush() throws(SystemError) {
        let timestamp = log.lastStoreTimestamp  // before `written`: never newer than what is synced
        let target = log.written.value
        let start = flushed.value
        guard start < target else { return }
        try log.synchronize(start..<target)
        flushed.raise(to: target)
        let isDue = flushLock.withLock { last in
            guard timestamp - last >= 500 else { return false }
            last = timestamp
            return true
        }
        if isDue { try checkpoint.update { $0.log = max($0.log, timestamp) } }
    }

    private static var milliseconds: Int64 { SystemClock.now().nanoseconds / 1_000_000 }

    /// Asynchronous: sleeps until there is something to sync and it is time. `false`: stop.
    private func waitForWork(_ schedule: inout FlushSchedule) -> Bool {
        while sleepUntilAppended() {
            while true {
                let isStopping = monitor.wait(milliseconds: intervalMilliseconds) { $0.isStopping ? true : nil }
                if isStopping == true { return false }
                let (start, end) = (flushed.value, log.written.value)
                guard start < end else { break }
                guard
                    case .wait(let rest) = schedule.step(
                        unsynced: start.rawValue..<end.rawValue, now: Self.milliseconds)
                else {
                    return true
                }
                guard sleep(milliseconds: rest, until: { $0.isWanted || self.log.written.value > end }) else {
                    return false
                }
            }
        }
        return false
    }

    /// Sleeps until something is written that is not synced. `false`: stop.
    private func sleepUntilAppended() -> Bool {
        sleep(milliseconds: nil) { $0.isWanted || self.flushed.value < self.log.written.value }
    }

    /// Sleeps until an append or the end of the time. `false`: stop.
    private func sleep(milliseconds: Int64?, until isDue: (State) -> Bool) -> Bool {
        isAsleep.store(true, ordering: .sequentiallyConsistent)
        let goesOn = monitor.wait(milliseconds: milliseconds) { state -> Bool? in
            if state.isStopping { return false }
            guard isDue(state) else { return nil }
            state.isWanted = false
            return true
        }
        isAsleep.store(false, ordering: .sequentiallyConsistent)
        return goesOn ?? true
    }

    /// Ends ``run(advanced:failed:)``.
    func stop() {
        monitor.signal { state in
            state.isStopping = true
            return true
        }
    }
}
