import MQBase
import MQSystem
import Synchronization

/// Decides when the log is synced, and does it: body of the `flush` thread.
///
/// Synchronous: whoever waits is flushed together, at once, with no fixed interval; while one `fdatasync` runs, the next
/// group gathers. Asynchronous: at most `interval` after the first unsynced byte. A failed `fdatasync` is final: the
/// kernel may have dropped the pages, so nothing is tried again and the store is fenced.
final class Flusher: Sendable {
    private struct State {
        var isWanted = false
        var isStopping = false
    }

    private let log: CommitLog
    private let checkpoint: Checkpoint
    private let isSynchronous: Bool
    private let intervalMilliseconds: Int64
    private let monitor = Monitor(State())
    private let isAsleep = Atomic<Bool>(false)
    private let flushLock = Lock<Int64>(0)  // when the checkpoint was last written, milliseconds
    /// What is on the disk.
    let flushed: Watermark

    init(
        log: CommitLog, checkpoint: Checkpoint, isSynchronous: Bool, intervalMilliseconds: Int64,
        flushed: PhysicalOffset
    ) {
        self.log = log
        self.checkpoint = checkpoint
        self.isSynchronous = isSynchronous
        self.intervalMilliseconds = intervalMilliseconds
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
        while waitForWork() {
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

    /// Sleeps until there is something to sync and it is time. `false`: stop.
    private func waitForWork() -> Bool {
        isAsleep.store(true, ordering: .sequentiallyConsistent)
        let goesOn = monitor.wait { state -> Bool? in
            if state.isStopping { return false }
            if state.isWanted || self.flushed.value < self.log.written.value {
                state.isWanted = false
                return true
            }
            return nil
        }
        isAsleep.store(false, ordering: .sequentiallyConsistent)
        guard goesOn == true, !isSynchronous else { return goesOn ?? false }
        return monitor.wait(milliseconds: intervalMilliseconds) { $0.isStopping ? false : nil } ?? true
    }

    /// Ends ``run(advanced:failed:)``.
    func stop() {
        monitor.signal { state in
            state.isStopping = true
            return true
        }
    }
}
