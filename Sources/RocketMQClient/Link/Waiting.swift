import MQBase
import MQSystem

/// Waits; `false` if the task was cancelled meanwhile.
func pause(_ duration: Duration) async -> Bool {
    do {
        try await Task.sleep(for: duration)
        return true
    } catch {
        return false
    }
}

/// Runs `work` to its end, also when the task is cancelled: goodbyes are said all the same.
func uncancelled(_ work: @escaping @Sendable () async -> Void) async { await Task { await work() }.value }

/// Runs `body`, and `end` behind it whatever came of it, cancelled or not.
func finally<Value: Sendable>(
    _ body: () async throws -> Value, _ end: @escaping @Sendable () async -> Void
) async throws -> Value {
    do {
        let value = try await body()
        await uncancelled(end)
        return value
    } catch {
        await uncancelled(end)
        throw error
    }
}

/// Tasks that belong to something that is started and shut down: none of them outlives it.
final class SideTasks: Sendable {
    private struct State {
        var tasks: [Int: Task<Void, Never>] = [:]
        var next = 0
        var isClosed = false
    }

    private let state = Lock(State())

    /// Tasks that run.
    var count: Int { state.withLock { $0.tasks.count } }

    /// Runs `work` beside everything else; not at all once closed. It must end soon after it is cancelled.
    @discardableResult
    func run(_ work: @escaping @Sendable () async -> Void) -> Task<Void, Never>? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            state.next += 1
            let number = state.next
            let task = Task { [weak self] in
                await work()
                self?.ended(number)
            }
            state.tasks[number] = task
            return task
        }
    }

    private func ended(_ number: Int) { _ = state.withLock { $0.tasks.removeValue(forKey: number) } }

    /// Cancels what runs, without waiting for it, and runs nothing more.
    @discardableResult
    func cancel() -> [Task<Void, Never>] {
        let tasks = state.withLock { state in
            state.isClosed = true
            return Array(state.tasks.values)
        }
        for task in tasks { task.cancel() }
        return tasks
    }

    /// Cancels what runs and waits for its end. Not from one of the tasks.
    func close() async {
        for task in cancel() { await task.value }
    }
}

/// Hands the first result to a continuation and drops later ones: answer, deadline, cancellation and closing may race.
final class ResumeOnce<Answer: Sendable>: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Answer, Never>)
        case early(Answer)  // the result came before anybody waited
        case done
    }

    private let state = Lock(State.idle)

    func arm(_ continuation: CheckedContinuation<Answer, Never>) {
        let early: Answer? = state.withLock { state in
            if case .early(let answer) = state {
                state = .done
                return answer
            }
            state = .waiting(continuation)
            return nil
        }
        if let early { continuation.resume(returning: early) }
    }

    func resume(_ answer: Answer) {
        let continuation: CheckedContinuation<Answer, Never>? = state.withLock { state in
            switch state {
            case .waiting(let continuation):
                state = .done
                return continuation
            case .idle:
                state = .early(answer)
                return nil
            case .early, .done: return nil
            }
        }
        continuation?.resume(returning: answer)
    }
}

/// Waits for what `task` comes to, until `deadline` or until the caller is cancelled. The task goes on all the same: others
/// may wait for it too.
/// - Throws: `cancelled`, what `late` says, or the task's own error.
func value<Value: Sendable>(
    of task: Task<Result<Value, ClientError>, Never>, before deadline: Instant?, late: ClientError
) async throws(ClientError) -> Value {
    let once = ResumeOnce<Result<Value, ClientError>>()
    let follower = Task { once.resume(await task.value) }
    let alarm = deadline.map { deadline in
        Task {
            let left = min(max(0, deadline.milliseconds(since: SystemClock.now())), 86_400_000)
            if await pause(.milliseconds(left)) { once.resume(.failure(late)) }
        }
    }
    defer {
        alarm?.cancel()
        follower.cancel()
    }
    let result = await withTaskCancellationHandler {
        await withCheckedContinuation { once.arm($0) }
    } onCancel: {
        once.resume(.failure(.cancelled))
    }
    return try result.get()
}
