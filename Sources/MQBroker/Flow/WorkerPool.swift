import MQBase
import MQRemoting
import MQSystem

/// A few threads that may wait for the disk, with a bounded queue before them. What waits there for too long is refused by
/// another thread, so that a disk that hangs keeps nobody in the dark. Any thread submits.
final class WorkerPool: Sendable {
    private struct Job {
        let run: @Sendable () -> Void
        let refuse: @Sendable (Refusal) -> Void
    }

    private struct State {
        var queue = WorkQueue<Job>()
        var isStopping = false
    }

    private struct Watch {
        /// When the thread looks again of itself.
        var until: Instant?
        var isStopping = false
    }

    private let monitor = Monitor(State())
    private let watch = Monitor(Watch())
    private let name: String
    private let threadCount: Int
    private let nice: Int32
    private let limits: @Sendable (WorkLane) -> FlowSettings.Lane
    private let threads = Lock<[Thread]>([])

    /// Threads that do not run yet.
    /// - Parameters:
    ///   - nice: over 0 for work that may wait behind the loops.
    ///   - limits: what may wait at present.
    init(
        _ name: String, threads: Int, nice: Int32 = 0, limits: @escaping @Sendable (WorkLane) -> FlowSettings.Lane
    ) {
        self.name = name
        self.nice = nice
        threadCount = threads
        self.limits = limits
    }

    /// Starts the threads.
    func start() {
        threads.withLock { threads in
            guard threads.isEmpty else { return }
            threads = (0..<threadCount).map { index in Thread("\(name)-\(index)", nice: nice) { self.run() } }
            threads.append(Thread("\(name)-late") { self.refuseLate() })
        }
    }

    /// Queues `run`. Instead of it `refuse` is called, on a thread of the pool, when it has waited for too long.
    /// - Throws: `systemBusy` if too much of its kind waits; then nothing will happen.
    func submit(
        _ lane: WorkLane, refuse: @escaping @Sendable (Refusal) -> Void, run: @escaping @Sendable () -> Void
    ) throws(Refusal) {
        let (limits, now) = (limits(lane), SystemClock.now())
        var isAccepted = false
        monitor.signal { state in
            guard !state.isStopping else { return false }
            isAccepted = state.queue.add(Job(run: run, refuse: refuse), to: lane, limits, now: now)
            return isAccepted
        }
        guard isAccepted else { throw .busy }
        guard let wait = limits.waitMilliseconds else { return }
        let deadline = now.advanced(byMilliseconds: wait)
        watch.signal { watch in
            guard watch.until.map({ deadline < $0 }) ?? true else { return false }
            watch.until = deadline
            return true
        }
    }

    /// How many jobs of a kind wait, and since when the first of them.
    func waiting(_ lane: WorkLane) -> (count: Int, oldest: Instant?) {
        monitor.withLock { ($0.queue.count(lane), $0.queue.oldest(lane)) }
    }

    private func run() {
        while let entry = next() {
            if let deadline = entry.deadline, deadline <= SystemClock.now() {
                refuse(entry, left: 0)
            } else {
                entry.job.run()
            }
        }
    }

    private func next() -> WorkQueue<Job>.Entry? {
        let entry: WorkQueue<Job>.Entry?? = monitor.wait { state in
            if let entry = state.queue.next() { return .some(entry) }
            return state.isStopping ? .some(nil) : nil
        }
        return entry ?? nil
    }

    private func refuse(_ entry: WorkQueue<Job>.Entry, left: Int) {
        let waited = SystemClock.now().milliseconds(since: entry.queuedAt)
        entry.job.refuse(.waitedTooLong(milliseconds: waited, left: left))
    }

    /// Body of the `late` thread. It sleeps while nothing waits.
    private func refuseLate() {
        while true {
            let until = watch.withLock { $0.until }
            let wait = until.map { max(0, $0.milliseconds(since: SystemClock.now()) + 1) }
            let isStopping = watch.wait(milliseconds: wait) { watch in
                watch.isStopping ? true : (watch.until != until ? false : nil)
            }
            if isStopping == true { return }
            let now = SystemClock.now()
            while let late = monitor.withLock({ $0.queue.nextExpired(now: now) }) {
                refuse(late.entry, left: late.left)
            }
            // Who submits from here on compares with nothing and signals.
            watch.withLock { $0.until = nil }
            guard let next = monitor.withLock({ $0.queue.nextDeadline }) else { continue }
            watch.withLock { $0.until = min($0.until ?? next, next) }
        }
    }

    /// Lets the jobs that wait finish, and ends the threads.
    func stop() {
        let running = threads.withLock { threads in
            let running = threads
            threads = []
            return running
        }
        monitor.withLock { $0.isStopping = true }
        for _ in running { monitor.signal { _ in true } }
        watch.signal { watch in
            watch.isStopping = true
            return true
        }
        for thread in running { thread.join() }
    }
}
