public import MQJSON
import MQMessage
import MQStore
public import MQObserve
public import MQProtocol
public import MQRemoting
import MQSystem

/// The topics of a broker and how they come to be. Any thread; `topics.json` is written behind the callers' backs.
///
/// Source: `TopicConfigManager.java`, RocketMQ 5.3.
public final class TopicTable: Sendable {
    static let fileName = "topics.json"

    private struct State {
        var topics: [String: TopicConfig] = [:]
        var dataVersion = DataVersion()
    }

    /// What comes in for the topics, and goes out.
    let stats: StatsTable
    private let config: LiveConfig
    private let systemNames: Set<String>
    private let servesLiteQueues: Bool
    /// Room for lite queues that consumers ask for.
    let liteRoom: LiteQueueRoom
    private let log: Log
    private let clock: WallClock
    private let state: Lock<State>
    private let notice = ChangeNotice()

    /// The system topics and those of `stored`, the content of `topics.json`, which wins.
    /// - Throws: ``BodyError`` if `stored` is not a topic table.
    public init(
        _ config: LiveConfig, stored: JSON? = nil, log: Log = .silent,
        clock: WallClock = .system
    ) throws(BodyError) {
        let settings = config.current
        var state = State(dataVersion: DataVersion(timestamp: clock.now))
        for topic in SystemTopics.atStart(settings) { state.topics[topic.topicName] = topic }
        let own = Set(state.topics.keys)
        if let stored {
            let table = try TopicConfigSerializeWrapper(json: stored)
            for (name, topic) in table.topicConfigTable {
                guard NameRules.refusal(ofTopic: name) == nil, name == topic.topicName else {
                    log.warn("stored topic ignored", ["topic": name])
                    continue
                }
                state.topics[name] = topic
            }
            state.dataVersion = table.dataVersion
        }
        stats = StatsTable(clock: clock)
        self.config = config
        self.log = log
        self.clock = clock
        servesLiteQueues = settings.topics.servesLiteQueues
        liteRoom = LiteQueueRoom(countMax: settings.store.liteQueueCountMax)
        systemNames = own.union(SystemTopics.fixed)
        self.state = Lock(state)
    }

    /// Writes `topics.json` whenever something changes from here on.
    public func persist(to files: ConfigFiles) {
        files.register(Self.fileName, isChanged: { false }, text: { [self] in wrapper().encoded(.pretty) })
        onChange { files.save(Self.fileName) }
        files.save(Self.fileName)
    }

    /// Calls `body` after every change, on the thread that made it; it must not wait.
    public func onChange(_ body: @escaping @Sendable () -> Void) { notice.listen(body) }

    // MARK: - Reading

    /// The topic's configuration; `nil` if this broker has no such topic. Every name of a lite queue has one, where those are
    /// served.
    public func config(of topic: String) -> TopicConfig? {
        if let config = state.withLock({ $0.topics[topic] }) { return config }
        guard isLiteQueue(topic) else { return nil }
        return TopicConfig(topicName: topic, readQueueNums: 1, writeQueueNums: 1)
    }

    /// Whether `topic` is a lite queue, which is not in the table and cannot be changed.
    func isLiteQueue(_ topic: String) -> Bool { servesLiteQueues && LiteQueue.mayBeUsed(Array(topic.utf8).span) }

    /// Moves with every change: whoever keeps what ``config(of:)`` said asks again when it has.
    public var version: UInt64 { notice.version }

    /// What name servers are told to tell two tables apart.
    public var dataVersion: DataVersion { state.withLock { $0.dataVersion } }

    /// All topics, by name.
    public func snapshot() -> [TopicConfig] {
        state.withLock { Array($0.topics.values) }.sorted { $0.topicName < $1.topicName }
    }

    /// All topics with their version, as they travel and are stored.
    public func wrapper() -> TopicConfigSerializeWrapper {
        let state = state.withLock { $0 }
        return TopicConfigSerializeWrapper(dataVersion: state.dataVersion, topicConfigTable: state.topics)
    }

    /// Whether the topic is one the broker made for itself, which administrators may not change.
    public func isSystem(_ topic: String) -> Bool {
        systemNames.contains(topic) || topic.hasPrefix(SystemTopics.prefix)
    }

    /// Names of the broker's own topics.
    public var systemTopics: [String] { systemNames.sorted() }

    // MARK: - Changing

    /// Adds a topic or replaces it.
    /// - Throws: `systemBusy` when the broker has as many topics as it may.
    /// - Precondition: the name passes `NameRules`.
    public func put(_ topic: TopicConfig) throws(Refusal) {
        precondition(NameRules.refusal(ofTopic: topic.topicName) == nil, "topic name \(topic.topicName)")
        let max = config.current.limits.topicsMax
        let isNew: Bool = try state.withLock { state throws(Refusal) in
            let isNew = state.topics[topic.topicName] == nil
            guard !isNew || state.topics.count < max else { throw Self.full(max) }
            state.topics[topic.topicName] = topic
            state.dataVersion.advance(now: clock.now)
            return isNew
        }
        notice.changed()
        log.info(isNew ? "topic created" : "topic updated", ["topic": topic.topicName, "config": topic.json.text()])
    }

    /// Forgets a topic.
    /// - Returns: whether it was there.
    @discardableResult
    public func remove(_ topic: String) -> Bool {
        let wasThere = state.withLock { state in
            guard state.topics.removeValue(forKey: topic) != nil else { return false }
            state.dataVersion.advance(now: clock.now)
            return true
        }
        if wasThere {
            notice.changed()
            stats.forget(topic: topic)
            log.info("topic removed", ["topic": topic])
        }
        return wasThere
    }

    /// Names of the topics in `stored`, the content of `topics.json`, whose queues hold batches: the store is told before it
    /// opens.
    static func batchTopics(in stored: JSON?) -> [String] {
        // A table that cannot be read ends the start a little later.
        guard let stored, let table = try? TopicConfigSerializeWrapper(json: stored) else { return [] }
        return table.topicConfigTable.filter { $1.holdsBatches }.map(\.key)
    }

    /// Takes in topics that have queues in the store but are not known: a topic made by a send is acknowledged before
    /// `topics.json` is durable, and a crash may come between. One that was deleted just before a crash may come back
    /// so, too; messages that nobody can reach would be worse.
    /// - Parameters:
    ///   - queueCounts: topic → how many queues it has.
    ///   - batchTopics: those whose queues hold batches.
    func adopt(_ queueCounts: [String: Int], batchTopics: Set<String> = []) {
        let limits = config.current.limits
        let missing = queueCounts.filter { name, _ in
            self.config(of: name) == nil && !isSystem(name) && !LiteQueue.isName(name)
                && NameRules.refusal(ofTopic: name) == nil
        }
        for (name, count) in missing.sorted(by: { $0.key < $1.key }) {
            let queues = min(max(count, 1), limits.queuesPerTopicMax)
            log.warn("a stored topic was not in the table", ["topic": name, "queues": String(queues)])
            do throws(Refusal) {
                var topic = TopicConfig(topicName: name, readQueueNums: queues, writeQueueNums: queues)
                if batchTopics.contains(name) { topic.attributes[TopicConfig.queueType] = TopicConfig.batchQueueType }
                try put(topic)
            } catch {
                log.error("a stored topic is not served", ["topic": name, "reason": error.remark])
            }
        }
    }

    /// Takes in a topic that a waiting message was sent to, if it is not known: nothing else tells of it when it was made by
    /// that send. It gets as many queues as a send could have given it; a topic of retries or dead letters no more than are
    /// known, because its group's messages are spread over all it has. Any thread.
    func adopt(_ name: String, queueID: Int) {
        guard config(of: name) == nil else { return }
        let isOfGroup = [NameRules.retryPrefix, NameRules.deadLetterPrefix].contains { name.hasPrefix($0.description) }
        adopt([name: max(queueID + 1, isOfGroup ? 1 : config.current.topics.defaultTopicQueueNums)])
    }

    /// Marks the topics that the name servers keep an order for. Others are left alone: an administrator may have
    /// marked them. Source: `TopicConfigManager.java` `updateOrderTopicConfig`.
    func markOrdered(_ names: some Sequence<String>) {
        let hasChanged = state.withLock { state in
            let wrong = names.filter { state.topics[$0]?.order == false }
            for name in wrong { state.topics[name]?.order = true }
            if !wrong.isEmpty { state.dataVersion.advance(now: clock.now) }
            return !wrong.isEmpty
        }
        if hasChanged { notice.changed() }
    }

    /// Makes the topic that others are made after as the configuration says it now: queues, and that it is there at all.
    /// One that is there stays, for it is in the routes of producers; without `autoCreateTopicEnable` nothing is made
    /// after it.
    func updatePattern() throws(Refusal) {
        let wanted = SystemTopics.atStart(config.current).first { $0.topicName == SystemTopics.autoCreateKey }
        guard let wanted, self.config(of: wanted.topicName) != wanted else { return }
        try put(wanted)
    }

    // MARK: - Creating on the way

    /// The configuration of a topic that a message is sent to, made after `defaultTopic` if there is none yet.
    /// - Parameters:
    ///   - defaultTopic: usually `TBW102`; must be inheritable.
    ///   - queueCount: how many queues the producer wishes.
    /// - Throws: `topicNotExist` if it may not be made; `invalidParameter` for a bad name.
    ///
    /// Source: `TopicConfigManager.java` `createTopicInSendMessageMethod`, `AbstractSendMessageProcessor.java`
    /// `msgCheck`, RocketMQ 5.3.
    public func createForSend(
        topic: String, defaultTopic: String, queueCount: Int, remoteAddress: String, isUnit: Bool
    ) throws(Refusal) -> TopicConfig {
        if let refusal = NameRules.refusal(ofTopic: topic) { throw Refusal(.invalidParameter, refusal) }
        let settings = config.current
        let isRetry = topic.hasPrefix(NameRules.retryPrefix.description)
        guard var pattern = self.config(of: defaultTopic) else {
            guard isRetry else { throw Self.missing(topic) }
            return try create(TopicConfig(topicName: topic, readQueueNums: 1, writeQueueNums: 1), isUnitSub: isUnit)
        }
        if defaultTopic == SystemTopics.autoCreateKey, !settings.topics.autoCreateTopicEnable {
            pattern.perm = [.read, .write]
        }
        guard pattern.perm.contains(.inherit) else {
            guard isRetry else { throw Self.missing(topic) }
            return try create(TopicConfig(topicName: topic, readQueueNums: 1, writeQueueNums: 1), isUnitSub: isUnit)
        }
        let queues = min(max(queueCount, 1), pattern.writeQueueNums, settings.limits.queuesPerTopicMax)
        let made = TopicConfig(
            topicName: topic, readQueueNums: queues, writeQueueNums: queues, perm: pattern.perm.subtracting(.inherit),
            topicFilterType: pattern.topicFilterType, topicSysFlag: isUnit ? 1 : 0)
        return try create(made, for: remoteAddress)
    }

    /// The group's retry topic, made if there is none yet.
    @discardableResult
    public func createRetryTopic(
        group: String, queueCount: Int = 1, isUnit: Bool = false
    ) throws(Refusal) -> TopicConfig {
        let name = NameRules.retryPrefix.description + group
        return try create(
            TopicConfig(topicName: name, readQueueNums: queueCount, writeQueueNums: queueCount), isUnitSub: isUnit)
    }

    /// The group's dead letter topic, made if there is none yet.
    @discardableResult
    public func createDeadLetterTopic(group: String) throws(Refusal) -> TopicConfig {
        let name = NameRules.deadLetterPrefix.description + group
        return try create(TopicConfig(topicName: name, readQueueNums: 1, writeQueueNums: 1))
    }

    /// `wanted`, or the topic of that name if there is one.
    private func create(
        _ wanted: TopicConfig, isUnitSub: Bool = false, for remoteAddress: String = ""
    ) throws(Refusal) -> TopicConfig {
        if let refusal = NameRules.refusal(ofTopic: wanted.topicName) { throw Refusal(.invalidParameter, refusal) }
        var wanted = wanted
        if isUnitSub { wanted.topicSysFlag |= 2 }
        let max = config.current.limits.topicsMax
        let (topic, isNew): (TopicConfig, Bool) = try state.withLock { [wanted] state throws(Refusal) in
            if let topic = state.topics[wanted.topicName] { return (topic, false) }
            guard state.topics.count < max else { throw Self.full(max) }
            state.topics[wanted.topicName] = wanted
            state.dataVersion.advance(now: clock.now)
            return (wanted, true)
        }
        if isNew {
            notice.changed()
            log.info(
                "topic created",
                ["topic": topic.topicName, "queues": String(topic.writeQueueNums), "for": remoteAddress])
        }
        return topic
    }

    /// What a request for an unknown topic is answered on the way of a send.
    static func missing(_ topic: String) -> Refusal {
        Refusal(.topicNotExist, "topic[\(topic)] not exist, apply first please!" + Refusal.topicHelp)
    }

    private static func full(_ max: Int) -> Refusal { Refusal(.systemBusy, "this broker keeps at most \(max) topics") }
}

extension TopicConfig {
    /// The attribute that tells what a topic's queues hold, and its value for batches.
    static let queueType = "queue.type"
    static let batchQueueType = "BatchCQ"

    /// Whether only the last message of each key is kept.
    var isCompacted: Bool { attributes["cleanup.policy"] == "COMPACTION" }

    /// Whether its queues hold batches.
    var holdsBatches: Bool { attributes[Self.queueType] == Self.batchQueueType }
}
