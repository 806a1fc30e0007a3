import MQBase
import MQObserve
import MQProtocol
import MQStore
import MQSystem
import Synchronization

/// The `timer` thread: delivers messages at their time. It sleeps until the next second in which one is due, or a new one
/// comes.
final class TimerDelivery: Sendable {
    private struct State: Sendable {
        var isWanted = false
        var isStopping = false
        var finished: (sync: TimerSync, error: SystemError?)?
        var isSyncing = false
    }

    /// Locked by the thread while it works, and by ``close()`` behind it; see docs/LOCKS.md.
    private let worker: Lock<TimerWorker>
    private let queue: ConsumeQueue
    private let counts: TimerCounts
    private let files: ConfigFiles
    private let monitor: Monitor<State>
    private let seen: Lock<TimerStatus>
    private let waitsForFlush = Atomic<Bool>(false)
    private let clock: WallClock

    /// Opens the timer's files, which may take as long as reading them all.
    /// - Throws: ``TimerOpenError``: do not start.
    init(
        store: MessageStore, settings: TimerSettings, redelivery: Redelivery, files: ConfigFiles, stats: BrokerStats,
        clock: WallClock = .system, log: Log
    ) throws {
        let counts = TimerCounts(stored: try files.load(TimerCounts.fileName))
        let timer = try TimerWorker.open(store, settings, now: clock.now, log: log)
        let monitor = Monitor(State())
        let worker = TimerWorker(
            TimerWorker.Parts(
                store: store, timer: timer, redelivery: redelivery, counts: counts, stats: stats, clock: clock,
                syncMilliseconds: settings.syncMilliseconds, log: log,
                pause: { milliseconds in
                    monitor.wait(milliseconds: milliseconds) { $0.isStopping ? false : nil } ?? true
                }))
        (queue, seen) = (worker.queue, Lock(worker.status))
        self.worker = Lock(worker)
        self.monitor = monitor
        self.counts = counts
        self.files = files
        self.clock = clock
        files.register(
            TimerCounts.fileName, everyMilliseconds: settings.syncMilliseconds, isChanged: { counts.isChanged },
            text: { counts.text() })
    }

    /// Whether `queue` is the one whose messages it waits for.
    func owns(_ queue: ConsumeQueue) -> Bool { queue === self.queue }

    /// The wheel's queue has new messages. Any thread.
    func arrived() { wake { $0.isWanted = true } }

    /// More of the CommitLog is on the disk. Any thread.
    func flushed() {
        if waitsForFlush.load(ordering: .sequentiallyConsistent) { wake { $0.isWanted = true } }
    }

    /// Ends ``run()``.
    func stop() { wake { $0.isStopping = true } }

    private func wake(_ change: (inout State) -> Void) {
        monitor.signal { state in
            change(&state)
            return true
        }
    }

    /// Runs until ``stop()``. Body of the thread.
    func run() {
        queue.addWaiter(loop: DelayDelivery.waiterIndex)
        while true {
            let next = worker.withLock { work($0) }
            let wait = next.map { min(max($0 - clock.now, 0), 60_000) }
            let isStopping = monitor.wait(milliseconds: wait) { state -> Bool? in
                if state.isStopping { return true }
                guard state.isWanted || state.finished != nil else { return nil }
                state.isWanted = false
                return false
            }
            if isStopping == true { return }
        }
    }

    /// One round of the thread.
    private func work(_ worker: TimerWorker) -> Int64? {
        takeFinished(worker)
        var next = worker.round()
        // Before the look at what is flushed: a flush that comes behind it must wake this thread.
        waitsForFlush.store(true, ordering: .sequentiallyConsistent)
        if let sync = worker.takeSync() {
            monitor.withLock { $0.isSyncing = true }
            let isTaken = files.execute { [self] in run(sync) }
            if !isTaken {
                run(sync)
                next = clock.now
            }
        }
        waitsForFlush.store(worker.waitsForFlush, ordering: .sequentiallyConsistent)
        seen.withLock { $0 = worker.status }
        return next
    }

    private func run(_ sync: TimerSync) {
        var failure: SystemError?
        do throws(SystemError) { try sync.run() } catch { failure = error }
        wake { state in
            state.finished = (sync, failure)
            state.isSyncing = false
        }
    }

    private func takeFinished(_ worker: TimerWorker) {
        let finished = monitor.withLock { state in
            defer { state.finished = nil }
            return state.finished
        }
        if let finished { worker.finished(finished.sync, finished.error) }
    }

    /// Writes down how far it came. Behind the thread's end and the store's, and before the files' thread ends. Blocks.
    func close() {
        _ = monitor.wait { $0.isSyncing ? nil : true }
        worker.withLock { worker in
            takeFinished(worker)
            for _ in 0..<2 {  // one may wait from before
                guard let sync = worker.takeSync(isClosing: true) else { continue }
                run(sync)
                takeFinished(worker)
            }
        }
    }

    // MARK: - For administrators

    /// What code 60 answers.
    var checkpointBody: [UInt8] { seen.withLock { $0.checkpoint }.known }
    /// What code 61 answers.
    var countsBody: [UInt8] { counts.body }

    /// How many messages wait in a slot; `nil` if nobody knows at once.
    func count(_ slot: Int64) -> Int64? { seen.withLock { $0.slots }?.count(slot) }

    /// Source: `AdminBrokerProcessor.java` `prepareRuntimeInfo`.
    var runtimeValues: [(String, String)] {
        let (status, now) = (seen.withLock { $0 }, clock.now)
        let behind = status.overdueSlot.map { max(0, now - $0) / 1000 } ?? 0
        return [
            ("timerReadBehind", String(behind)),
            ("timerOffsetBehind", String(max(0, queue.maxOffset - status.queueOffset))),
            ("timerCongestNum", String(status.waiting)),
            ("timerEnqueueTps", status.enqueued.text(now: now)), ("timerDequeueTps", status.dequeued.text(now: now)),
        ]
    }
}
