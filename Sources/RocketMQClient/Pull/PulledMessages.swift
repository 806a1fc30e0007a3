import MQProtocol
import MQSystem

/// What a pull consumer has fetched and the application has not polled yet: a shelf for each queue, bounded by count, bytes
/// and span, all of them by count. Feeds put messages in, polls take them out.
final class PulledMessages: Sendable {
    struct Limits: Sendable {
        var messagesMax: Int
        var messagesPerQueueMax: Int
        var bytesPerQueueMax: Int
        var span: Int64
    }

    private struct Shelf {
        /// Raised by each seek: what was fetched before it is not wanted any more.
        var epoch = 0
        var messages: [MessageExt] = []
        var head = 0
        var byteCount = 0
        /// The offset to fetch next.
        var next: Int64
        /// The offset behind the last message that was polled, and behind the last of an earlier poll.
        var polled: Int64
        var done: Int64
        var isPaused = false

        var count: Int { messages.count - head }

        mutating func finishPolled() { done = polled }
    }

    private struct State {
        var shelves: [MessageQueue: Shelf] = [:]
        /// Whose turn it is.
        var turn = 0
        var count = 0
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
        var isClosed = false
    }

    private let limits: Limits
    private let state = Lock(State())

    init(_ limits: Limits) { self.limits = limits }

    // MARK: - Feeding

    /// Begins, or begins anew, at `offset`. What is on the shelf is dropped.
    func seek(_ queue: MessageQueue, to offset: Int64) {
        state.withLock { state in
            let old = state.shelves[queue]
            state.count -= old?.count ?? 0
            var shelf = Shelf(next: offset, polled: offset, done: offset)
            shelf.epoch = (old?.epoch ?? 0) + 1
            shelf.isPaused = old?.isPaused ?? false
            state.shelves[queue] = shelf
        }
    }

    /// The queue is somebody else's now; what was polled of it, the offset behind it.
    @discardableResult
    func remove(_ queue: MessageQueue) -> Int64? {
        state.withLock { state in
            let old = state.shelves.removeValue(forKey: queue)
            state.count -= old?.count ?? 0
            return old?.polled
        }
    }

    /// Where to fetch next, and of which epoch; `nil` while there is no room, or the queue is paused or gone.
    func place(_ queue: MessageQueue) -> (offset: Int64, epoch: Int)? {
        state.withLock { state in
            guard let shelf = state.shelves[queue], !shelf.isPaused, state.count < limits.messagesMax,
                shelf.count < limits.messagesPerQueueMax, shelf.byteCount < limits.bytesPerQueueMax
            else { return nil }
            if shelf.count > 0,
                shelf.messages[shelf.messages.count - 1].queueOffset
                    - shelf.messages[shelf.head].queueOffset > limits.span
            {
                return nil
            }
            return (shelf.next, shelf.epoch)
        }
    }

    /// What a fetch brought; dropped if the queue was sought elsewhere meanwhile.
    func put(_ messages: [MessageExt], next: Int64, of queue: MessageQueue, epoch: Int) {
        let waiters: [CheckedContinuation<Void, Never>] = state.withLock { state in
            guard var shelf = state.shelves[queue], shelf.epoch == epoch else { return [] }
            state.shelves[queue] = nil  // so that the arrays are not copied
            if shelf.count == 0 {
                shelf.messages = []
                shelf.head = 0
            }
            shelf.messages += messages
            shelf.byteCount += messages.reduce(0) { $0 + $1.storeByteCount }
            shelf.next = next
            if shelf.count == 0, shelf.polled < next { shelf.polled = next }  // nothing of it was wanted
            state.shelves[queue] = shelf
            state.count += messages.count
            guard !messages.isEmpty else { return [] }
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: - Polling

    /// Takes at most `count` messages of one queue; the queues take turns. Empty: there is nothing.
    func take(_ count: Int) -> [MessageExt] {
        state.withLock { state in
            let queues = state.shelves.keys.sorted()
            guard !queues.isEmpty else { return [] }
            // What an earlier poll took is done with when the next one comes.
            for queue in queues { state.shelves[queue]?.finishPolled() }
            for step in queues.indices {
                let queue = queues[(state.turn + step) % queues.count]
                guard var shelf = state.shelves[queue], !shelf.isPaused, shelf.count > 0 else { continue }
                state.shelves[queue] = nil
                let end = min(shelf.messages.count, shelf.head + count)
                let taken = Array(shelf.messages[shelf.head..<end])
                shelf.head = end
                shelf.byteCount -= taken.reduce(0) { $0 + $1.storeByteCount }
                shelf.polled = shelf.count == 0 ? shelf.next : taken[taken.count - 1].queueOffset + 1
                state.shelves[queue] = shelf
                state.count -= taken.count
                state.turn = (state.turn + step + 1) % queues.count
                return taken
            }
            return []
        }
    }

    /// Waits until something is put in, at most `timeout`, or until the task is cancelled.
    func waitForMessages(_ timeout: Duration) async {
        let number: Int = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let alarm = Lock<Task<Void, Never>?>(nil)
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.isClosed || Task.isCancelled { return true }
                    if state.shelves.values.contains(where: { !$0.isPaused && $0.count > 0 }) { return true }
                    state.waiters[number] = continuation
                    return false
                }
                guard !isReady else { return continuation.resume() }
                let task = Task {
                    _ = await pause(timeout)
                    self.wake(number)
                }
                alarm.withLock { $0 = task }
            }
        } onCancel: {
            wake(number)
        }
        alarm.withLock { $0 }?.cancel()
    }

    private func wake(_ number: Int) {
        state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
    }

    /// Wakes whoever waits; nobody waits from now on.
    func close() {
        let waiters = state.withLock { state in
            state.isClosed = true
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: - Control

    /// Whether nobody waits any more.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    func setPaused(_ isPaused: Bool, _ queues: [MessageQueue]) {
        let waiters = state.withLock { state in
            for queue in queues { state.shelves[queue]?.isPaused = isPaused }
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The offsets behind what was polled.
    /// - Parameter all: also what the last poll took, which may not be done with.
    func progress(all: Bool) -> [MessageQueue: Int64] {
        state.withLock { $0.shelves.mapValues { all ? $0.polled : $0.done } }
    }

    var queues: [MessageQueue] { state.withLock { $0.shelves.keys.sorted() } }
}
