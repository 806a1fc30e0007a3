import MQBase
import MQSystem

/// Back-pressure: how many messages, and how many bytes of them, may be on their way. Who finds no room waits for its turn,
/// first come, first served.
final class SendPermits: Sendable {
    private struct Waiter {
        let number: Int
        let byteCount: Int
        let deadline: Instant
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var count = 0
        var byteCount = 0
        var waiters: [Waiter] = []
        var head = 0
        var nextNumber = 0
        /// Numbers given out whose waiters are not in the list yet, and those of them that were cancelled.
        var coming: Set<Int> = []
        var cancelled: Set<Int> = []
        /// Who waits until nothing is on its way any more.
        var drainers: [CheckedContinuation<Void, Never>] = []
        /// A task looks at the deadlines.
        var isWatched = false

        var isWaitedFor: Bool { head < waiters.count }
    }

    /// Messages at most; bytes at most, but one message of any size is let through when nothing else is on its way.
    let countMax: Int
    let byteCountMax: Int
    private let state = Lock(State())

    init(countMax: Int, byteCountMax: Int) {
        self.countMax = max(1, countMax)
        self.byteCountMax = max(1, byteCountMax)
    }

    /// Messages on their way.
    var inFlight: Int { state.withLock { $0.count } }

    /// Takes a permit if there is one and nobody waits.
    /// - Returns: how many are on their way with this one; `nil`: there is no room.
    func tryAcquire(_ byteCount: Int) -> Int? {
        state.withLock { state in
            if state.isWaitedFor { return nil }
            return take(byteCount, &state) ? state.count : nil
        }
    }

    /// Waits for a permit. `false`: the deadline passed, or the task was cancelled.
    nonisolated(nonsending) func acquire(_ byteCount: Int, before deadline: Instant) async -> Bool {
        if tryAcquire(byteCount) != nil { return true }
        let number = state.withLock { state in
            state.nextNumber += 1
            state.coming.insert(state.nextNumber)
            return state.nextNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (answer, mustWatch): (Bool?, Bool) = state.withLock { state in
                    state.coming.remove(number)
                    if state.cancelled.remove(number) != nil { return (false, false) }
                    if !state.isWaitedFor, take(byteCount, &state) { return (true, false) }
                    state.waiters.append(
                        Waiter(number: number, byteCount: byteCount, deadline: deadline, continuation: continuation))
                    defer { state.isWatched = true }
                    return (nil, !state.isWatched)
                }
                if let answer { continuation.resume(returning: answer) }
                if mustWatch { Task { await watch() } }
            }
        } onCancel: {
            cancel(number)
        }
    }

    /// Gives a permit back.
    func release(_ byteCount: Int) {
        let (next, drainers): ([CheckedContinuation<Bool, Never>], [CheckedContinuation<Void, Never>]) = state.withLock
        {
            state in
            state.count -= 1
            state.byteCount -= byteCount
            let next = state.isWaitedFor ? admit(&state) : []
            guard state.count == 0, !state.drainers.isEmpty else { return (next, []) }
            defer { state.drainers = [] }
            return (next, state.drainers)
        }
        for waiter in next { waiter.resume(returning: true) }
        for waiter in drainers { waiter.resume() }
    }

    /// Waits until nothing is on its way. Every send ends by its deadline, so this does too once nobody sends any more.
    func drained() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.count == 0 { return true }
                state.drainers.append(continuation)
                return false
            }
            if isDone { continuation.resume() }
        }
    }

    private func take(_ byteCount: Int, _ state: inout State) -> Bool {
        guard state.count < countMax, state.count == 0 || state.byteCount + byteCount <= byteCountMax else {
            return false
        }
        state.count += 1
        state.byteCount += byteCount
        return true
    }

    private func admit(_ state: inout State) -> [CheckedContinuation<Bool, Never>] {
        var admitted: [CheckedContinuation<Bool, Never>] = []
        while state.isWaitedFor, take(state.waiters[state.head].byteCount, &state) {
            admitted.append(state.waiters[state.head].continuation)
            state.head += 1
        }
        if state.head > 64, state.head * 2 > state.waiters.count {
            state.waiters.removeFirst(state.head)
            state.head = 0
        }
        return admitted
    }

    private func cancel(_ number: Int) {
        let waiter: Waiter? = state.withLock { state in
            if state.coming.contains(number) {
                state.cancelled.insert(number)
                return nil
            }
            guard let index = state.waiters[state.head...].firstIndex(where: { $0.number == number }) else {
                return nil  // it has its permit
            }
            return state.waiters.remove(at: index)
        }
        waiter?.continuation.resume(returning: false)
    }

    /// Ends the waiting of those whose deadline has passed, until nobody waits.
    private func watch() async {
        while true {
            _ = await pause(.milliseconds(10))
            let now = SystemClock.now()
            let (late, goesOn) = state.withLock { state in
                let late = state.waiters[state.head...].filter { $0.deadline <= now }
                if !late.isEmpty {
                    state.waiters = state.waiters[state.head...].filter { $0.deadline > now }
                    state.head = 0
                }
                state.isWatched = state.isWaitedFor
                return (late, state.isWatched)
            }
            for waiter in late { waiter.continuation.resume(returning: false) }
            if !goesOn { return }
        }
    }
}
