import MQBytes
import MQFilter
import MQStore
import MQMessage
import MQJSON
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import Synchronization

/// What a group wants of a topic by an expression: as it is stored, and compiled.
final class ConsumerFilter: Sendable {
    let data: ConsumerFilterData
    let filter: SQLFilter
    let byteCount: Int

    init(_ data: ConsumerFilterData, _ filter: SQLFilter) {
        self.data = data
        self.filter = filter
        byteCount = 500 + data.expression.utf8.count + filter.byteCount
    }

    func with(deadTime: Int64, clientVersion: Int64) -> ConsumerFilter {
        var data = data
        (data.deadTime, data.clientVersion) = (deadTime, clientVersion)
        return ConsumerFilter(data, filter)
    }

    /// A group that left keeps its filter for a while: bit maps tell it what came meanwhile.
    var isDead: Bool { data.deadTime >= data.bornTime }
}

/// The expressions with which groups filter topics, those of groups that left not long ago too. `consumerFilter.json` is
/// written every ten seconds when something has changed. Any thread.
///
/// Source: `ConsumerFilterManager.java`, RocketMQ 5.3; bounded here: past the bound those that are longest dead go.
public final class ConsumerFilterTable: Sendable {
    static let fileName = "consumerFilter.json"
    private static let flushMilliseconds: Int64 = 10_000
    /// How long before the start groups count as gone that were there when the file was written.
    private static let graceMilliseconds: Int64 = 30_000

    private struct State {
        var topics: [String: [String: ConsumerFilter]] = [:]
        var byteCount = 0
        var isChanged = false
    }

    let bloom: BloomFilter
    /// What one message's bit map may cost, about ns.
    private static let effortMax = 1_000_000

    private let isBitMapWritten: Bool
    private let byteCountMax: Int
    private let keptMilliseconds: Int64
    private let expressions: ExpressionCache
    private let clock: WallClock
    private let log: Log
    private let state = Lock(State())
    private let stamp = Atomic<UInt64>(1)

    /// The filters of `stored`, the content of `consumerFilter.json`. If they were made with other bloom parameters all are
    /// dropped, as Java does: their bits mean nothing then.
    /// - Throws: ``BodyError`` if `stored` is no such table.
    init(
        _ config: LiveConfig, expressions: ExpressionCache, stored: JSON? = nil, log: Log = .silent,
        clock: WallClock = .system
    ) throws(BodyError) {
        let settings = config.current.filter
        bloom = BloomFilter(errorPercent: settings.bloomErrorPercent, groupCount: settings.bloomGroupCount)
        isBitMapWritten = settings.isBitMapWritten
        keptMilliseconds = settings.deadKeptMilliseconds
        byteCountMax = config.current.limits.filterByteCountMax
        self.expressions = expressions
        self.clock = clock
        self.log = log
        if let stored { adopt(try ConsumerFilterWrapper(json: stored).filters) }
    }

    private func adopt(_ filters: [ConsumerFilterData]) {
        guard filters.allSatisfy({ $0.bitCount == bloom.bitCount && $0.bitPositions.count == bloom.hashCount }) else {
            return log.warn("stored consumer filters ignored: made with other bloom parameters", [:])
        }
        let gone = clock.now - Self.graceMilliseconds
        for var data in filters {
            if data.deadTime == 0 { data.deadTime = max(data.bornTime, gone) }
            guard let filter = try? SQLFilter(data.expression), data.expressionType == "SQL92" else {
                log.warn("stored consumer filter ignored", ["group": data.consumerGroup, "topic": data.topic])
                continue
            }
            state.withLock { _ = put(ConsumerFilter(data, filter), &$0) }
        }
    }

    /// Writes `consumerFilter.json` from here on.
    func persist(to files: ConfigFiles) {
        files.register(
            Self.fileName, everyMilliseconds: Self.flushMilliseconds,
            isChanged: { [self] in state.withLock { $0.isChanged } },
            text: { [self] in
                let filters = state.withLock { state in
                    removeLongDead(&state)
                    state.isChanged = false
                    return state.topics.values.flatMap { $0.values.map(\.data) }
                }
                return ConsumerFilterWrapper(filters).encoded(.pretty)
            })
    }

    // MARK: - Reading

    /// Moves with every change: whoever keeps what this table said asks again when it has.
    var version: UInt64 { stamp.load(ordering: .acquiring) }

    /// What `group` wants of `topic`; `nil` if it has told no expression that could be read.
    func filter(group: String, topic: String) -> ConsumerFilter? { state.withLock { $0.topics[topic]?[group] } }

    /// Every filter of `topic`, those of dead groups too.
    func filters(of topic: String) -> [ConsumerFilter] {
        state.withLock { $0.topics[topic].map { Array($0.values) } ?? [] }
    }

    /// Notes which groups want a message, for the dispatch thread; `nil` if nothing is noted (`enableCalcFilterBitMap`).
    ///
    /// Source: `CommitLogDispatcherCalcBitMap.java`, RocketMQ 5.3.
    var bitMapMaker: BitMapMaker? {
        guard isBitMapWritten else { return nil }
        return { [self] topic, properties in
            let filters = self.filters(of: topic)
            guard !filters.isEmpty, properties.count <= Properties.byteCountMax else { return nil }
            var bitMap = [UInt8](repeating: 0, count: bloom.bitCount / 8)
            var effort = 0
            for filter in filters {
                // Where it would cost too much a bit says no more than that somebody must look.
                if effort > Self.effortMax || filter.filter.matches(properties, effort: &effort) {
                    BloomFilter.set(filter.data.bitPositions, in: &bitMap)
                }
            }
            return bitMap
        }
    }

    // MARK: - Changes

    /// Takes what a member of `group` subscribes to. Filters of topics that it wants no more die.
    func register(group: String, _ subscriptions: [SubscriptionData]) {
        guard state.withLock({ !$0.topics.isEmpty }) || subscriptions.contains(where: \.isByExpression) else { return }
        for subscription in subscriptions where subscription.isByExpression && !subscription.subString.isEmpty {
            register(group: group, subscription)
        }
        kill(group) { topic in !subscriptions.contains { $0.topic == topic } }
    }

    private func register(group: String, _ subscription: SubscriptionData) {
        let topic = subscription.topic
        if let old = filter(group: group, topic: topic) {
            let isSame =
                old.data.expression == subscription.subString && old.data.expressionType == subscription.expressionType
            if subscription.subVersion < old.data.clientVersion { return }
            if subscription.subVersion == old.data.clientVersion || isSame {
                guard isSame || old.isDead, old.isDead || subscription.subVersion > old.data.clientVersion else {
                    return
                }
                return store(old.with(deadTime: 0, clientVersion: subscription.subVersion))
            }
        }
        let compiled = try? expressions.filter(
            subscription.subString, type: subscription.expressionType, isEnabled: true, else: .subscriptionParseFailed)
        guard let compiled else { return remove(group: group, topic: topic) }  // its pulls say why
        store(
            ConsumerFilter(
                ConsumerFilterData(
                    consumerGroup: group, topic: topic, expression: subscription.subString,
                    expressionType: subscription.expressionType, bornTime: clock.now,
                    clientVersion: subscription.subVersion, bitCount: bloom.bitCount,
                    bitPositions: bloom.positions(of: group, topic: topic)), compiled))
    }

    /// `group` has no members any more.
    func unregister(group: String) { kill(group) { _ in true } }

    /// `topic` is deleted.
    func remove(topic: String) {
        change { state in
            guard let gone = state.topics.removeValue(forKey: topic) else { return false }
            state.byteCount -= gone.values.reduce(0) { $0 + $1.byteCount }
            return true
        }
    }

    private func remove(group: String, topic: String) {
        change { state in
            guard let old = state.topics[topic]?.removeValue(forKey: group) else { return false }
            state.byteCount -= old.byteCount
            if state.topics[topic]?.isEmpty == true { state.topics[topic] = nil }
            return true
        }
    }

    private func kill(_ group: String, _ isGone: (String) -> Bool) {
        let now = clock.now
        change { state in
            var isChanged = false
            for (topic, groups) in state.topics where isGone(topic) {
                guard let filter = groups[group], !filter.isDead else { continue }
                let version = filter.data.clientVersion
                state.topics[topic]?[group] = filter.with(
                    deadTime: max(now, filter.data.bornTime), clientVersion: version)
                isChanged = true
            }
            return isChanged
        }
    }

    private func store(_ filter: ConsumerFilter) {
        change { state in
            put(filter, &state)
        }
    }

    private func change(_ body: (inout State) -> Bool) {
        let isChanged = state.withLock { state in
            let isChanged = body(&state)
            if isChanged { state.isChanged = true }
            return isChanged
        }
        if isChanged { stamp.add(1, ordering: .releasing) }
    }

    /// Makes room by dropping those that are longest dead. `false` if there is none: the group's pulls are refused.
    private func put(_ filter: ConsumerFilter, _ state: inout State) -> Bool {
        let topic = filter.data.topic
        let before = state.topics[topic]?[filter.data.consumerGroup]?.byteCount ?? 0
        if state.byteCount - before + filter.byteCount > byteCountMax {
            removeLongDead(&state, half: true)
            guard state.byteCount - before + filter.byteCount <= byteCountMax else { return false }
        }
        let old = state.topics[topic, default: [:]].updateValue(filter, forKey: filter.data.consumerGroup)
        state.byteCount += filter.byteCount - (old?.byteCount ?? 0)
        return true
    }

    private func removeLongDead(_ state: inout State, half: Bool = false) {
        let dead = state.topics.values.flatMap { $0.values.filter(\.isDead) }.sorted {
            $0.data.deadTime < $1.data.deadTime
        }
        let limit = clock.now - keptMilliseconds
        for (index, filter) in dead.enumerated()
        where filter.data.deadTime <= limit || half && index <= dead.count / 2 {
            state.byteCount -= filter.byteCount
            state.topics[filter.data.topic]?[filter.data.consumerGroup] = nil
            if state.topics[filter.data.topic]?.isEmpty == true { state.topics[filter.data.topic] = nil }
        }
    }
}

extension SubscriptionData {
    /// Whether it wants messages by an expression and not by tags.
    var isByExpression: Bool { !expressionType.isEmpty && expressionType != "TAG" }
}
