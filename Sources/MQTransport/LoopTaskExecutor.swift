import MQSystem

/// Runs Swift tasks on the thread of an event loop: what such a task asks of the loop's connections, and what it is told by
/// them, costs no change of threads. Measured with sends: see `docs/decisions/0020-client-sends.md`.
///
/// What runs here holds up every connection of the loop: it must not block, nor compute for long. Before ``begin()`` and
/// after ``end()`` tasks run on Swift's pool, so that none is ever stuck.
public final class LoopTaskExecutor: TaskExecutor {
    private struct Ready {
        var jobs: [UnownedJob] = []
        /// Memory of the last batch.
        var spare: [UnownedJob] = []
        /// The loop runs.
        var isOpen = false
        /// The loop will take what `jobs` holds.
        var isScheduled = false
    }

    private enum Place { case loop(wakes: Bool), pool }

    private let loop: EventLoop
    private let ready = Lock(Ready())

    /// An executor that hands everything to Swift's pool until it begins.
    public init(on loop: EventLoop) { self.loop = loop }

    /// Tasks run on the loop from now on. When it has been started.
    public func begin() { ready.withLock { $0.isOpen = true } }

    /// Tasks run on Swift's pool from now on, those that wait as well. When the loop has stopped.
    public func end() {
        let left = ready.withLock { ready in
            defer { ready = Ready() }
            return ready.jobs
        }
        for job in left { globalConcurrentExecutor.enqueue(job) }
    }

    /// Called by Swift for each piece of a task that may run. Any thread.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let place = ready.withLock { ready -> Place in
            guard ready.isOpen else { return .pool }
            ready.jobs.append(job)
            defer { ready.isScheduled = true }
            return .loop(wakes: !ready.isScheduled)
        }
        switch place {
        case .pool: globalConcurrentExecutor.enqueue(job)
        case .loop(wakes: true): loop.execute(run)
        case .loop(wakes: false): break
        }
    }

    /// Runs what is ready; what that makes ready comes after it. Loop only.
    private func run() {
        var jobs = ready.withLock { ready in
            ready.isScheduled = false
            var jobs: [UnownedJob] = []
            swap(&jobs, &ready.spare)
            swap(&jobs, &ready.jobs)
            return jobs
        }
        // SAFETY: this object lives while its method runs, and with it what refers to it.
        let executor = unsafe asUnownedTaskExecutor()
        for job in jobs { unsafe job.runSynchronously(on: executor) }
        jobs.removeAll(keepingCapacity: true)
        ready.withLock { swap(&jobs, &$0.spare) }
    }
}
