import MQBase

/// Long polling: which parked requests wait on which queue. No timer, socket or lock: events in, requests to look at
/// again out. One per loop.
struct PullHold<QueueKey: Hashable> {
    /// Names one parked request; a number is used once.
    typealias RequestID = UInt64

    /// What became of a request that was to be parked.
    enum Parked: Equatable {
        /// It waits.
        case waiting
        /// `waitersMax` wait already.
        case refused
    }

    private let waitersMax: Int
    private var queues: [QueueKey: Waiters] = [:]
    private var keys: [RequestID: QueueKey] = [:]

    /// In the order they came. Those that left stay until they are the half, so that leaving costs no search.
    private struct Waiters {
        var requests: [RequestID] = []
        var live = 0
    }

    init(waitersMax: Int) { self.waitersMax = waitersMax }

    /// Requests that wait now.
    var count: Int { keys.count }

    /// Parks a request. The caller compares the queue's end again afterwards: a message may have come since it read.
    mutating func park(_ request: RequestID, on queue: QueueKey) -> Parked {
        guard keys.count < waitersMax else { return .refused }
        precondition(keys[request] == nil, "request \(request) is parked already")
        keys[request] = queue
        queues[queue, default: Waiters()].requests.append(request)
        queues[queue, default: Waiters()].live += 1
        return .waiting
    }

    /// The requests to look at again because `queue` has new messages, in the order they came. They stay parked.
    func waiting(on queue: QueueKey) -> [RequestID] {
        guard let waiters = queues[queue] else { return [] }
        return waiters.requests.count == waiters.live
            ? waiters.requests : waiters.requests.filter { keys[$0] != nil }
    }

    /// Forgets a request that was answered, timed out, or lost its connection.
    /// - Returns: its queue if nobody waits on that any more.
    mutating func remove(_ request: RequestID) -> QueueKey? {
        guard let queue = keys.removeValue(forKey: request) else { return nil }
        guard let waiters = queues[queue], waiters.live > 1 else {
            queues[queue] = nil
            return queue
        }
        queues[queue]?.live -= 1
        if waiters.requests.count > 16, waiters.live < waiters.requests.count / 2 {
            queues[queue]?.requests.removeAll { keys[$0] == nil }
        }
        return nil
    }
}
