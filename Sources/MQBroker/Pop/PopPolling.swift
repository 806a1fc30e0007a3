import MQSystem

/// Which pops of one loop wait for which messages. No timer or socket.
///
/// Source: `PopLongPollingService.java`, RocketMQ 5.3.
struct PopPolling {
    /// Those who wait for the same: any of them may be given the next message.
    struct Key: Hashable {
        let topic: String
        let group: String
        /// -1: messages of any queue.
        let queueID: Int32
    }

    /// What became of a request that was to wait.
    enum Outcome: Equatable {
        case waiting
        /// Too many wait already.
        case full
    }

    private var hold: PullHold<Key>
    /// Who waits at all loops.
    private let counts: PollCounts
    private var countsHere: [Key: Int] = [:]
    private var keys: [PullHold<Key>.RequestID: Key] = [:]
    private var queuesOf: [GroupTopic: Set<Int32>] = [:]

    private struct GroupTopic: Hashable {
        let topic: String
        let group: String
    }

    /// - Parameter counts: shared by all loops of the broker.
    init(counts: PollCounts = PollCounts()) {
        hold = PullHold(waitersMax: .max)
        self.counts = counts
    }

    /// Requests that wait at this loop.
    var count: Int { keys.count }

    /// Requests that wait at this loop under `key`.
    func count(_ key: Key) -> Int { countsHere[key] ?? 0 }

    /// Lets a request wait, behind those that wait already at this loop.
    /// - Parameters:
    ///   - max: most of all loops that may wait under one key.
    ///   - allMax: most of all loops that may wait.
    mutating func park(_ request: UInt64, on key: Key, max: Int, allMax: Int) -> Outcome {
        guard counts.take(key, max: max, allMax: allMax) else { return .full }
        guard hold.park(request, on: key) == .waiting else {
            counts.giveBack(key)
            return .full
        }
        keys[request] = key
        countsHere[key, default: 0] += 1
        queuesOf[GroupTopic(topic: key.topic, group: key.group), default: []].insert(key.queueID)
        return .waiting
    }

    /// Those who wait under `key`, in the order they came.
    func waiting(on key: Key) -> [UInt64] { hold.waiting(on: key) }

    /// Keys under which somebody waits for messages of a queue, or with `nil` of any queue, for one group.
    func keys(topic: String, group: String, queueID: Int32?) -> [Key] {
        let queues = queuesOf[GroupTopic(topic: topic, group: group)] ?? []
        return queues.filter { queueID == nil || $0 < 0 || $0 == queueID }.sorted().map {
            Key(topic: topic, group: group, queueID: $0)
        }
    }

    /// Forgets a request.
    /// - Returns: its key if nobody waits under that any more.
    mutating func remove(_ request: UInt64) -> Key? {
        guard let key = keys.removeValue(forKey: request) else { return nil }
        counts.giveBack(key)
        countsHere[key, default: 1] -= 1
        if countsHere[key] == 0 { countsHere[key] = nil }
        guard hold.remove(request) != nil else { return nil }
        let pair = GroupTopic(topic: key.topic, group: key.group)
        queuesOf[pair]?.remove(key.queueID)
        if queuesOf[pair]?.isEmpty == true { queuesOf[pair] = nil }
        return key
    }
}

/// How many pops wait for which messages, at all loops together. Any thread.
final class PollCounts: Sendable {
    private let state = Lock<(byKey: [PopPolling.Key: Int], all: Int)>(([:], 0))

    /// Requests that wait under `key`.
    func count(_ key: PopPolling.Key) -> Int { state.withLock { $0.byKey[key] ?? 0 } }

    /// Counts one more, unless so many wait already under the key or at all.
    func take(_ key: PopPolling.Key, max: Int, allMax: Int) -> Bool {
        state.withLock { state in
            guard state.byKey[key] ?? 0 < max, state.all < allMax else { return false }
            state.byKey[key, default: 0] += 1
            state.all += 1
            return true
        }
    }

    /// One that ``take(_:max:allMax:)`` counted waits no more.
    func giveBack(_ key: PopPolling.Key) {
        state.withLock { state in
            guard let count = state.byKey[key] else { preconditionFailure("nobody waits under \(key)") }
            state.byKey[key] = count > 1 ? count - 1 : nil
            state.all -= 1
        }
    }
}
