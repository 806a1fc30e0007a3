import MQSystem

/// A few threads that may wait for the disk, with a bounded queue before them. Any thread submits.
final class WorkerPool: Sendable {
    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var next = 0
        var isStopping = false
    }

    private let monitor = Monitor(State())
    private let name: String
    private let threadCount: Int
    private let queueMax: Int
    private let nice: Int32
    private let threads = Lock<[Thread]>([])

    /// Threads that do not run yet.
    /// - Parameters:
    ///   - queueMax: jobs that may wait; more are refused.
    ///   - nice: over 0 for work that may wait behind the loops.
    init(_ name: String, threads: Int, queueMax: Int, nice: Int32 = 0) {
        self.nice = nice
        self.name = name
        threadCount = threads
        self.queueMax = queueMax
    }

    /// Starts the threads.
    func start() {
        threads.withLock { threads in
            guard threads.isEmpty else { return }
            threads = (0..<threadCount).map { index in Thread("\(name)-\(index)", nice: nice) { self.run() } }
        }
    }

    /// Queues `job`.
    /// - Returns: `false` if too much waits already; then nothing will happen.
    func submit(_ job: @escaping @Sendable () -> Void) -> Bool {
        var isAccepted = false
        monitor.signal { state in
            guard !state.isStopping, state.jobs.count - state.next < queueMax else { return false }
            state.jobs.append(job)
            isAccepted = true
            return true
        }
        return isAccepted
    }

    private func run() {
        while let job = nextJob() { job() }
    }

    private func nextJob() -> (@Sendable () -> Void)? {
        let job = monitor.wait { state -> (@Sendable () -> Void)?? in
            if state.next < state.jobs.count {
                let job = state.jobs[state.next]
                state.next += 1
                if state.next * 2 >= state.jobs.count {  // also of a queue that is never empty
                    state.jobs.removeFirst(state.next)
                    state.next = 0
                }
                return .some(job)
            }
            return state.isStopping ? .some(nil) : nil
        }
        return job ?? nil
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
        for thread in running { thread.join() }
    }
}
