import MQSystem

/// A few threads for requests that may wait for a disk. Its queue is bounded: full means an answer, never waiting.
final class AdminPool: Sendable {
    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var isStopping = false
    }

    private let queueMax: Int
    private let threadCount: Int
    private let state = Monitor(State())
    private let threads = Lock<[Thread]>([])

    /// Threads that do not run yet.
    init(threads: Int, queueMax: Int) {
        threadCount = threads
        self.queueMax = queueMax
    }

    /// Starts the threads.
    func start() {
        threads.withLock { threads in
            guard threads.isEmpty else { return }
            threads = (0..<threadCount).map { index in Thread("admin-\(index)") { self.run() } }
        }
    }

    /// Runs `job` soon. Any thread.
    /// - Returns: `false` when too many wait already, or the pool has been stopped.
    func submit(_ job: @escaping @Sendable () -> Void) -> Bool {
        var isTaken = false
        state.signal { state in
            guard !state.isStopping, state.jobs.count < queueMax else { return false }
            state.jobs.append(job)
            isTaken = true
            return true
        }
        return isTaken
    }

    /// Does what waits and ends the threads. Blocks.
    func stop() {
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for _ in 0...running.count {
            state.signal { state in
                state.isStopping = true
                return true
            }
        }
        for thread in running { thread.join() }
    }

    private func run() {
        while true {
            let jobs: [@Sendable () -> Void]? = state.wait { state in
                if state.jobs.isEmpty { return state.isStopping ? [] : nil }
                // One each, so that a slow one holds nobody else up.
                return [state.jobs.removeFirst()]
            }
            guard let job = jobs?.first else { return }
            job()
        }
    }
}
