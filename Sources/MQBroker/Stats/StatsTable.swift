import MQProtocol
import MQStore
import MQSystem
import Synchronization

/// What came in for each topic and went out to each group. Any thread.
///
/// A loop finds a topic's counters once, with its ``TopicRoute``, and a group's with its ``GroupRoute``: counting a message
/// takes no lock and no lookup.
///
/// Source: `BrokerStatsManager.java`, RocketMQ 5.3.
public final class StatsTable: Sendable {
    /// Pairs of topic and group that are counted apart; what comes later is not listed.
    private static let pairCountMax = 100_000
    /// Ten-second samples between two of an hour's and two of a day's.
    private static let samplesOfTenMinutes = 60
    private static let samplesOfAnHour = 360

    private struct State {
        var topics: [String: TopicStats] = [:]
        var sampleCount = 0
    }

    private let clock: WallClock
    private let state = Lock(State())
    private let pairCount = Atomic<Int>(0)
    private let unlisted: GroupStats
    /// Lite queues are counted together and not listed, as `enableLmqStats=false` has it in Java.
    private let lite: TopicStats

    /// Nothing yet.
    public init(clock: WallClock = .system) {
        self.clock = clock
        unlisted = GroupStats(now: clock.now, isListed: false)
        lite = TopicStats(LiteQueue.prefix.description, now: clock.now)
    }

    private var now: Int64 { clock.now }

    // MARK: - Counters

    /// The topic's counters, made if they are missing.
    func topic(_ name: String) -> TopicStats {
        if LiteQueue.isName(name) { return lite }
        return state.withLock { state in
            if let stats = state.topics[name] { return stats }
            let stats = TopicStats(name, now: now)
            state.topics[name] = stats
            return stats
        }
    }

    /// The counters of a group in a topic, made if they are missing.
    func group(_ name: String, in topic: TopicStats) -> GroupStats {
        if topic === lite { return unlisted }
        return topic.groups.withLock { groups in
            if let stats = groups[name] { return stats }
            guard pairCount.load(ordering: .relaxed) < Self.pairCountMax else { return unlisted }
            pairCount.add(1, ordering: .relaxed)
            let stats = GroupStats(now: now)
            groups[name] = stats
            return stats
        }
    }

    /// Forgets a topic that is gone.
    func forget(topic: String) {
        let gone = state.withLock { $0.topics.removeValue(forKey: topic) }
        if let count = gone?.groups.withLock({ $0.count }) { pairCount.subtract(count, ordering: .relaxed) }
    }

    /// Forgets a group that is gone.
    func forget(group: String) {
        for topic in state.withLock({ Array($0.topics.values) }) {
            let gone = topic.groups.withLock { $0.removeValue(forKey: group) }
            if gone != nil { pairCount.subtract(1, ordering: .relaxed) }
        }
    }

    // MARK: - Sampling

    /// Remembers all sums as of now; every ten seconds, not on a loop.
    func sample() {
        let (topics, count) = state.withLock { state in
            state.sampleCount += 1
            return (Array(state.topics.values), state.sampleCount)
        }
        let spans = Self.spans(of: count)
        let now = now
        for topic in topics {
            topic.put.sample(spans, at: now)
            for group in topic.groups.withLock({ Array($0.values) }) { group.sample(spans, at: now) }
        }
    }

    /// Which spans the `count`-th sample is for.
    static func spans(of count: Int) -> [StatsHistory.Span] {
        var spans: [StatsHistory.Span] = [.minute]
        if count % samplesOfTenMinutes == 0 { spans.append(.hour) }
        if count % samplesOfAnHour == 0 { spans.append(.day) }
        return spans
    }

    // MARK: - Reading

    /// Messages a second that came in for the topic in the last minute.
    func putRate(_ topic: String) -> Double { existing(topic)?.put.rate(now: now) ?? 0 }

    /// Messages a second that went to the group in the last minute.
    func getRate(_ group: String, _ topic: String) -> Double {
        existing(topic)?.existing(group)?.got.rate(now: now) ?? 0
    }

    /// The topic's counters, if there are any.
    func existing(_ topic: String) -> TopicStats? { state.withLock { $0.topics[topic] } }

    /// What `VIEW_BROKER_STATS_DATA` (315) tells of a topic (`TOPIC_PUT_NUMS`, key: topic) or of a group
    /// (`GROUP_GET_NUMS`, key: `topic@group`); `nil` if there is nothing of that name, or nothing was counted yet.
    func data(_ name: String, key: String) -> BrokerStatsData? {
        let parts = key.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let topic = existing(parts[0]) else { return nil }
        let counter: StatsCounter?
        let value: KeyPath<StatsTotals, Int>
        if let item = Self.topicItems[name], parts.count == 1 {
            (counter, value) = (topic.put, item)
        } else if let item = Self.groupItems[name], parts.count == 2 {
            (counter, value) = (topic.existing(parts[1])?[keyPath: item.counter], item.value)
        } else {
            return nil
        }
        guard let counter, counter.isUsed else { return nil }
        return counter.data(value, now: now)
    }

    // Key paths to properties of sendable types, which the compiler does not see of stored ones.
    private static var topicItems: [String: KeyPath<StatsTotals, Int>] {
        ["TOPIC_PUT_NUMS": \.messages, "TOPIC_PUT_SIZE": \.bytes]
    }

    private static var groupItems:
        [String: (counter: KeyPath<GroupStats, StatsCounter>, value: KeyPath<StatsTotals, Int>)]
    {
        [
            "GROUP_GET_NUMS": (\.got, \.messages), "GROUP_GET_SIZE": (\.got, \.bytes),
            "GROUP_GET_FROM_DISK_NUMS": (\.gotFromDisk, \.messages),
            "GROUP_GET_FROM_DISK_SIZE": (\.gotFromDisk, \.bytes), "SNDBCK_PUT_NUMS": (\.sentBack, \.messages),
            "DLQ_PUT_NUMS": (\.dead, \.messages),
        ]
    }
}

/// One topic's counters. Kept by every loop that knows the topic.
final class TopicStats: Sendable {
    let name: String
    /// What was stored for it.
    let put: StatsCounter
    /// Group → what it took of it.
    let groups = Lock<[String: GroupStats]>([:])

    init(_ name: String, now: Int64) {
        self.name = name
        put = StatsCounter(now: now)
    }

    func existing(_ group: String) -> GroupStats? { groups.withLock { $0[group] } }
}

/// What one group took of one topic. Kept by every loop that serves the group.
final class GroupStats: Sendable {
    /// Given to its members.
    let got: StatsCounter
    /// Of those, what had to be read from the disk first.
    let gotFromDisk: StatsCounter
    /// Given back by them.
    let sentBack: StatsCounter
    /// Of those, what went to the dead letters.
    let dead: StatsCounter
    /// How far its members have pulled; `nil` for what is counted together.
    let pulled: PulledOffsets?

    init(now: Int64, isListed: Bool = true) {
        pulled = isListed ? PulledOffsets() : nil
        got = StatsCounter(now: now)
        gotFromDisk = StatsCounter(now: now)
        sentBack = StatsCounter(now: now)
        dead = StatsCounter(now: now)
    }

    func sample(_ spans: [StatsHistory.Span], at now: Int64) {
        for counter in [got, gotFromDisk, sentBack, dead] { counter.sample(spans, at: now) }
    }
}
