import MQBase

/// Long polling: which parked requests wait on which queue. No timer, socket or lock: events in, requests to look at
/// again out. One per loop.
struct PullHold<QueueKey: Hashable> {
    /// Names one parked request.
    typealias RequestID = UInt64

    /// What became of a request that was to be parked.
    enum Parked: Equatable {
        /// It waits.
        case waiting
        /// `waitersMax` wait already.
        case refused
    }

    private let waitersMax: Int
    private var queues: [QueueKey: [RequestID]] = [:]
    private var keys: [RequestID: QueueKey] = [:]

    init(waitersMax: Int) { self.waitersMax = waitersMax }

    /// Requests that wait now.
    var count: Int { keys.count }

    /// Parks a request. The caller compares the queue's end again afterwards: a message may have come since it read.
    mutating func park(_ request: RequestID, on queue: QueueKey) -> Parked {
        guard keys.count < waitersMax else { return .refused }
        precondition(keys[request] == nil, "request \(request) is parked already")
        keys[request] = queue
        queues[queue, default: []].append(request)
        return .waiting
    }

    /// The requests to look at again because `queue` has new messages, in the order they came. They stay parked.
    func waiting(on queue: QueueKey) -> [RequestID] { queues[queue] ?? [] }

    /// Forgets a request that was answered, timed out, or lost its connection.
    /// - Returns: its queue if nobody waits on that any more.
    mutating func remove(_ request: RequestID) -> QueueKey? {
        guard let queue = keys.removeValue(forKey: request) else { return nil }
        queues[queue]?.removeAll { $0 == request }
        guard queues[queue]?.isEmpty == true else { return nil }
        queues[queue] = nil
        return queue
    }
}
