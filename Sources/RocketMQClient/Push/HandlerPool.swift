import MQSystem

/// A bounded number of tasks that work a queue of jobs off, numbered from 1. A new one is made for each job until the
/// bound is reached, as Java's thread pools do; the numbers appear in handlers' names.
final class HandlerPool: Sendable {
    typealias Job = @Sendable (_ workerNumber: Int) async -> Void

    private struct State {
        var jobs: [Job] = []
        var head = 0
        var idle: [CheckedContinuation<Job?, Never>] = []
        var tasks: [Task<Void, Never>] = []
        var isClosed = false
    }

    private let workersMax: Int
    private let state = Lock(State())

    /// - Precondition: at least one worker.
    init(workersMax: Int) {
        precondition(workersMax > 0, "\(workersMax) workers")
        self.workersMax = workersMax
    }

    /// Runs `job` as soon as a worker is free. Dropped if the pool is closed.
    func add(_ job: @escaping Job) {
        let idle: CheckedContinuation<Job?, Never>? = state.withLock { state in
            guard !state.isClosed else { return nil }
            if state.tasks.count < workersMax {
                let number = state.tasks.count + 1
                state.tasks.append(
                    Task {
                        await job(number)
                        while let next = await self.next() { await next(number) }
                    })
                return nil
            }
            if let worker = state.idle.popLast() { return worker }
            state.jobs.append(job)
            return nil
        }
        idle?.resume(returning: job)
    }

    private func next() async -> Job? {
        if let job = state.withLock({ Self.take(&$0) }) { return job }
        return await withCheckedContinuation { continuation in
            let (isReady, job): (Bool, Job?) = state.withLock { state in
                if state.isClosed { return (true, nil) }
                if let job = Self.take(&state) { return (true, job) }
                state.idle.append(continuation)
                return (false, nil)
            }
            if isReady { continuation.resume(returning: job) }
        }
    }

    /// The next job, if one waits: a worker that finds one goes on without being suspended.
    private static func take(_ state: inout State) -> Job? {
        guard !state.isClosed, state.head < state.jobs.count else { return nil }
        let job = state.jobs[state.head]
        state.head += 1
        if state.head == state.jobs.count || state.head > 1024 {
            state.jobs.removeFirst(state.head)
            state.head = 0
        }
        return job
    }

    /// Takes no more jobs, forgets those that have not begun, and waits for those that run, at most `limit`.
    func close(waitingAtMost limit: Duration) async {
        let (idle, tasks) = state.withLock { state in
            defer { state = State(isClosed: true) }
            return (state.idle, state.tasks)
        }
        for worker in idle { worker.resume(returning: nil) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for task in tasks {
                    await withTaskCancellationHandler {
                        await task.value
                    } onCancel: {
                        task.cancel()
                    }
                }
            }
            group.addTask { _ = await pause(limit) }
            await group.next()
            group.cancelAll()  // handlers that look at cancellation end now; the group waits for the others
        }
    }
}
