import MQBase
import MQJSON
import MQObserve
public import MQProtocol
public import MQRemoting
import MQSystem
public import MQTransport

/// Answers every request that is not about messages: heartbeats, offsets, topics, groups, configuration, statistics.
/// On the loop where it can; what may wait for a disk goes to the admin threads, whose queue is bounded.
///
/// Source: `ClientManageProcessor.java`, `ConsumerManageProcessor.java`, `AdminBrokerProcessor.java`, RocketMQ 5.3.
public final class ControlService: Sendable {
    /// How often silent clients and expired locks are looked for, and rates sampled.
    private static let tickMilliseconds: Int64 = 10_000

    let config: LiveConfig
    let topics: TopicTable
    let groups: GroupTable
    let offsets: OffsetTable
    let clients: ClientTable
    let filters: ConsumerFilterTable
    let store: any StoreQueries
    let stats: BrokerStats
    let files: ConfigFiles
    let registrar: NameServerRegistrar?
    let coldData: ColdData
    let log: Log
    let locks: QueueLocks
    let limits: BrokerLimits
    let startedAt: Timestamp
    /// Threads that may wait for a disk or an administrator.
    let pool: WorkerPool
    private let opaques = Counter()

    /// A service over the broker's tables. The tables of topics and groups must be persisted to `files`: answers to
    /// administrators wait until what they ordered is durable.
    init(
        config: LiveConfig, topics: TopicTable, groups: GroupTable, offsets: OffsetTable, clients: ClientTable,
        filters: ConsumerFilterTable, store: any StoreQueries, stats: BrokerStats, files: ConfigFiles,
        registrar: NameServerRegistrar? = nil, coldData: ColdData = ColdData(), log: Log = .silent
    ) {
        let present = config.current
        self.config = config
        self.topics = topics
        self.groups = groups
        self.offsets = offsets
        self.clients = clients
        self.filters = filters
        self.store = store
        self.stats = stats
        self.files = files
        self.registrar = registrar
        self.coldData = coldData
        self.log = log
        limits = present.limits
        locks = QueueLocks(liveMilliseconds: present.groups.queueLockMilliseconds)
        pool = WorkerPool("admin", threads: limits.adminThreads) { [config] in config.flow[$0] }
        startedAt = SystemClock.wall()
    }

    /// Starts the admin threads, and the ten-second look at silent clients on `loop`.
    public func start(on loop: EventLoop) {
        pool.start()
        loop.execute { [weak self] in self?.scheduleTick(on: loop) }
    }

    /// Ends the admin threads after what they have to do. Blocks; not on a loop.
    public func stop() { pool.stop() }

    private func scheduleTick(on loop: EventLoop) {
        loop.schedule(afterMilliseconds: Self.tickMilliseconds) { [weak self] in
            guard let self else { return }
            tick(now: loop.now, wall: loop.wall)
            scheduleTick(on: loop)
        }
    }

    /// Drops silent clients and expired locks and samples the rates.
    func tick(now: Instant, wall: Timestamp) {
        let limit = config.current.groups.channelExpiredMilliseconds
        let (membership, silent) = clients.expire(before: ClientTable.milliseconds(now) - limit)
        tell(membership)
        if !silent.isEmpty {
            log.info("silent clients dropped", ["connections": String(silent.count)])
            clients.close(silent, because: "no heartbeat for \(limit) ms")
        }
        locks.expire(now: ClientTable.milliseconds(now))
        stats.sample(now: now, wall: wall)
        // Thousands of topics take milliseconds. With a full queue this sample is left out.
        do throws(Refusal) {
            try pool.submit(.admin, refuse: { _ in }, run: { [topics] in topics.stats.sample() })
        } catch {
            log.debug("no sample of the topics' rates", ["reason": error.remark])
        }
    }

    // MARK: - The doors

    /// Answers `request`. Loop of `channel` only; the answer may be sent later and from another thread.
    public func handle(_ request: RemotingCommand, on channel: RemotingChannel, reply: Reply) {
        do throws(Refusal) {
            guard request.body.count <= limits.controlBodyByteCountMax else {
                let max = limits.controlBodyByteCountMax
                throw Refusal(.messageIllegal, "the request's body is over \(max) bytes")
            }
            if let answer = try answer(request, on: channel, reply: reply) { reply.send(answer) }
        } catch {
            reply.send(error.answer)
        }
    }

    /// A channel is gone, and the clients that came over it. Loop of `channel` only.
    public func channelClosed(_ channel: RemotingChannel) { tell(clients.closed(channel)) }

    /// The answer, or `nil` if it will be sent later.
    private func answer(
        _ request: RemotingCommand, on channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        switch request.requestCode {
        case .heartBeat: return try heartbeat(request, on: channel)
        case .unregisterClient: return try unregister(request, on: channel)
        case .getConsumerListByGroup: return try consumerList(request)
        case .checkClientConfig: return try checkClient(request)
        case .getConsumerConnectionList: return try consumerConnections(request)
        case .getProducerConnectionList: return try producerConnections(request)
        case .getConsumerRunningInfo: return try consumerRunningInfo(request, reply: reply)
        case .consumeMessageDirectly: return try consumeDirectly(request, reply: reply)
        case .lockBatchMQ: return try lockQueues(request, now: channel.connection.loop.now)
        case .unlockBatchMQ: return try unlockQueues(request)
        case .updateConsumerOffset:
            return try commitOffset(request, from: channel.connection.peer.description)
        case .queryConsumerOffset: return try queryOffset(request, reply: reply)
        case .getMaxOffset: return try endOffset(request) { $0.max }
        case .getMinOffset: return try endOffset(request) { $0.min }
        case .searchOffsetByTimestamp: return try searchOffset(request, reply: reply)
        case .getEarliestMessageStoreTime: return try earliestTime(request, reply: reply)
        case .getAllConsumerOffset:
            return try inBackground(reply) { [offsets] in RemotingCommand(.success, body: offsets.wrapper().encoded()) }
        case .getAllDelayOffset: return RemotingCommand(.success, body: store.delayOffsets().encoded())
        case .getTimerCheckpoint: return try timerBody(store.timerCheckpoint(), or: "The checkpoint is null")
        case .getTimerMetrics: return try timerBody(store.timerCounts(), or: "The timer message store is null")
        default: return try administer(request, on: channel, reply: reply)
        }
    }

    private func timerBody(_ body: [UInt8]?, or remark: String) throws(Refusal) -> RemotingCommand {
        guard let body else { throw Refusal(.systemError, remark) }
        return RemotingCommand(.success, body: body)
    }

    /// Requests of administrators, and what no one knows.
    private func administer(
        _ request: RemotingCommand, on channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        switch request.requestCode {
        case .updateAndCreateTopic: return try putTopic(request, from: channel, reply: reply)
        case .deleteTopicInBroker: return try deleteTopic(request, from: channel, reply: reply)
        case .getAllTopicConfig: return try inBackground(reply) { [self] in allTopics() }
        case .getTopicConfig: return try topicConfig(request)
        case .getSystemTopicListFromBroker:
            return RemotingCommand(.success, body: TopicList(topicList: topics.systemTopics).encoded())
        case .getTopicStatsInfo: return try topicStats(request, reply: reply)
        case .queryTopicConsumeByWho: return try groupsOfTopic(request, reply: reply)
        case .queryTopicsByConsumer: return try topicsOfGroup(request, reply: reply)
        case .updateAndCreateSubscriptionGroup: return try putGroup(request, from: channel, reply: reply)
        case .deleteSubscriptionGroup: return try deleteGroup(request, from: channel, reply: reply)
        case .getAllSubscriptionGroupConfig:
            return try inBackground(reply) { [groups] in RemotingCommand(.success, body: groups.wrapper().encoded()) }
        case .getSubscriptionGroupConfig: return try groupConfig(request)
        case .invokeBrokerToResetOffset:
            return try resetOffsets(request, from: channel.connection.peer.description, reply: reply)
        case .invokeBrokerToGetConsumerStatus: return try consumerStatus(request, reply: reply)
        case .cloneGroupOffset:
            return try inBackground(reply) { [self] () throws(Refusal) in try cloneOffsets(request) }
        case .queryCorrectionOffset:
            return try inBackground(reply) { [self] () throws(Refusal) in try correctionOffsets(request) }
        case .getConsumeStats: return try consumeStats(request, reply: reply)
        case .updateBrokerConfig: return try updateConfig(request, from: channel, reply: reply)
        case .getBrokerConfig:
            let version = config.version.json.text()
            return RemotingCommand(.success, ["version": version], body: Array(config.listing.utf8))
        case .getBrokerRuntimeInfo: return try runtimeInfo(reply: reply, now: channel.connection.loop.now)
        case .cleanExpiredConsumeQueue: return try cleanExpiredQueues(from: channel, reply: reply)
        case .deleteExpiredCommitLog: return deleteExpiredFiles(from: channel)
        case .cleanUnusedTopic: return try cleanUnusedTopics(reply: reply)
        case .viewBrokerStatsData: return try statsData(request)
        case .getBrokerConsumeStats: return try allConsumeStats(request, reply: reply)
        case .queryConsumeTimeSpan: return try consumeTimeSpan(request, reply: reply)
        case .queryConsumeQueue: return try consumeQueue(request, reply: reply)
        case .getAllProducerInfo: return allProducers()
        case .getBrokerHAStatus:
            let info = HARuntimeInfo(masterCommitLogMaxOffset: store.logEnd)
            return RemotingCommand(.success, body: info.encoded())
        // concerns slaves only, and is fine with a master
        case .resetMasterFlushOffset: return RemotingCommand(.success)
        case .updateColdDataFlowControl: return try setColdShares(request, from: channel)
        case .removeColdDataFlowControl: return removeColdShare(request, from: channel)
        case .getColdDataFlowControl: return coldShares()
        case .setCommitLogReadMode: return try setReadMode(request, from: channel)
        // What RocksDB would hold lies in files here: nothing is to be done, and as RocketMQ without RocksDB answers.
        case .checkRocksDBQueueProgress: return checkRocksDBQueues()
        case .exportRocksDBConfigToJSON: return RemotingCommand(.success, remark: "export done.")
        case .popRollback: return RemotingCommand(.success)
        case .querySubscriptionByConsumer: return try subscription(request)
        case .updateAndGetGroupForbidden: return try groupForbidden(request, from: channel, reply: reply)
        case .updateAndCreateTopicList: return try putTopics(request, from: channel, reply: reply)
        case .updateAndCreateSubscriptionGroupList: return try putGroups(request, from: channel, reply: reply)
        default: return .notSupported(request.code)
        }
    }

    // MARK: - Helpers of the handlers

    /// Runs `body` on an admin thread and sends what it returns; `nil` if it has seen to the answer itself. For what waits
    /// for a disk, and for what walks a whole table: 10,000 topics as JSON take tens of milliseconds, and on the loop all
    /// sends would wait for that.
    func inBackground(
        _ reply: Reply, _ body: @escaping @Sendable () throws(Refusal) -> RemotingCommand?
    ) throws(Refusal) -> RemotingCommand? {
        try pool.submit(.admin, refuse: { reply.send($0.answer) }) {
            do throws(Refusal) {
                if let answer = try body() { reply.send(answer) }
            } catch {
                reply.send(error.answer)
            }
        }
        return nil
    }

    /// Answers when `file` is durable.
    func whenSaved(_ file: String, _ reply: Reply, isAnnounced: Bool = false) -> RemotingCommand? {
        files.save(file) { [registrar] error in
            if let error { return reply.send(RemotingCommand(.systemError, remark: error.description)) }
            guard isAnnounced, let registrar else { return reply.send(RemotingCommand(.success)) }
            registrar.whenRegistered { reply.send(RemotingCommand(.success)) }
        }
        return nil
    }

    /// Tells the members of groups that something about the group has changed (40); they share out queues anew.
    func tell(_ membership: ClientTable.Membership) {
        for group in membership.changed.keys where clients.consumerGroup(group) == nil {
            filters.unregister(group: group)
        }
        guard !membership.changed.isEmpty, config.current.groups.notifyConsumerIdsChangedEnable else { return }
        for (group, targets) in membership.changed where !targets.isEmpty {
            if groups.existing(group)?.notifyConsumerIdsChangedEnable == false { continue }
            var notice = RemotingCommand(.notifyConsumerIDsChanged, ["consumerGroup": group])
            notice.opaque = nextOpaque()
            notice.isOneWay = true
            clients.send(notice, to: targets)
        }
    }

    /// A number for a request of the broker's own.
    func nextOpaque() -> Int32 { Int32(truncatingIfNeeded: opaques.next() & 0x7FFF_FFFF) }

    /// What a body may cost that one request brings.
    var bodyLimits: JSONLimits {
        JSONLimits(byteCountMax: limits.controlBodyByteCountMax, depthMax: 32, elementsMax: 100_000)
    }
}
