/// Which pops wait for which messages. No timer, socket or lock. One per loop.
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
    private var counts: [Key: Int] = [:]
    private var keys: [PullHold<Key>.RequestID: Key] = [:]
    private var queuesOf: [GroupTopic: Set<Int32>] = [:]

    private struct GroupTopic: Hashable {
        let topic: String
        let group: String
    }

    init() { hold = PullHold(waitersMax: .max) }

    /// Requests that wait.
    var count: Int { keys.count }

    /// Requests that wait under `key`.
    func count(_ key: Key) -> Int { counts[key] ?? 0 }

    /// Lets a request wait, behind those that wait already.
    mutating func park(_ request: UInt64, on key: Key, max: Int, allMax: Int) -> Outcome {
        guard count(key) < max, keys.count < allMax, hold.park(request, on: key) == .waiting else { return .full }
        keys[request] = key
        counts[key, default: 0] += 1
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
        counts[key, default: 1] -= 1
        if counts[key] == 0 { counts[key] = nil }
        guard hold.remove(request) != nil else { return nil }
        let pair = GroupTopic(topic: key.topic, group: key.group)
        queuesOf[pair]?.remove(key.queueID)
        if queuesOf[pair]?.isEmpty == true { queuesOf[pair] = nil }
        return key
    }
}
