import MQBase
import MQJSON
import MQMessage
public import MQProtocol
import MQSystem

/// Hands a group's messages to a handler. Members of a group share the queues out among themselves; progress is kept at
/// the brokers (in clustering mode), and a message whose handler fails comes again later.
///
/// At least once: a message may come twice, after a failure or when queues change hands.
public actor PushConsumer {
    /// The group.
    public nonisolated let group: String
    /// As given.
    public nonisolated let options: ConsumerOptions
    /// What it pulls over.
    public nonisolated let link: ClusterLink
    nonisolated let namespace: Namespace
    private var tracer: TraceSender?
    private var endings: [@Sendable () -> Void] = []
    private let ownsLink: Bool
    private var subscriptions: [String: SubscriptionData] = [:]
    private var core: ConsumerCore?
    private var membership: ConsumerMembership?
    private var upkeep: [Task<Void, Never>] = []
    private var offsets: LocalOffsets?
    var workers: [MessageQueue: QueueWorker] = [:]
    private var isRebalancing = false
    private var rebalancesAgain = false
    /// Rebalances in a row that could not do everything.
    private var incompleteCount = 0
    private var retry: Task<Void, Never>?

    /// A consumer with a link of its own.
    public init(
        group: String, options: ConsumerOptions = ConsumerOptions(), client: ClientOptions = ClientOptions()
    ) throws(ClientError) {
        var client = client
        if options.messageModel == .broadcasting, client.instanceName == nil {
            client.instanceName = "DEFAULT"  // its offset file is found again by the client id
        }
        try self.init(group: group, options: options, link: try ClusterLink(client), ownsLink: true)
    }

    /// A consumer over a link that others use too. One consumer of a group for each link.
    public init(
        group: String, options: ConsumerOptions = ConsumerOptions(), link: ClusterLink
    ) throws(ClientError) {
        try self.init(group: group, options: options, link: link, ownsLink: false)
    }

    private init(group: String, options: ConsumerOptions, link: ClusterLink, ownsLink: Bool) throws(ClientError) {
        if let refusal = NameRules.refusal(ofGroup: group) { throw .invalid(refusal) }
        guard group != "DEFAULT_CONSUMER" else {
            throw .invalid("consumerGroup can not equal DEFAULT_CONSUMER, please specify another one.")
        }
        guard options.handlersMax > 0, options.pullBatchSize > 0 else {
            throw .invalid("handlersMax and pullBatchSize must be at least 1")
        }
        namespace = Namespace(link.options.namespace)
        self.group = namespace.wrap(group)
        self.options = options
        self.link = link
        self.ownsLink = ownsLink
    }

    // MARK: - Subscriptions

    /// Wants the topic's messages whose tag is in `expression`: `*`, or `A || B`.
    public func subscribe(_ topic: String, _ expression: String = "*") async throws(ClientError) {
        if let refusal = NameRules.refusal(ofTopic: topic) { throw .invalid(refusal) }
        let version = SystemClock.wall().rawValue
        let topic = namespace.wrap(topic)
        await set(try TagExpression.subscription(topic: topic, expression: expression, version: version))
    }

    /// Wants the topic's messages for whose properties the SQL92 expression is true. The broker must have
    /// `enablePropertyFilter` on.
    /// - Throws: `refused` if the consumer runs and a broker says that the expression is wrong; before it runs,
    ///   ``start(_:)`` does.
    public func subscribe(_ topic: String, sql expression: String) async throws(ClientError) {
        if let refusal = NameRules.refusal(ofTopic: topic) { throw .invalid(refusal) }
        let subscription = SubscriptionData(
            topic: namespace.wrap(topic), subString: expression, subVersion: SystemClock.wall().rawValue,
            expressionType: "SQL92")
        if core != nil { try await check(subscription) }
        await set(subscription)
    }

    /// Asks a broker of the topic whether it would serve an SQL92 subscription. A broker that cannot be asked, or does not
    /// know the question, is no reason not to start: its pulls will say. Source: `MQClientInstance.checkClientInBroker`.
    private func check(_ subscription: SubscriptionData) async throws(ClientError) {
        guard subscription.expressionType != "TAG" else { return }
        guard let route = try? await link.route(of: subscription.topic) else { return }
        for broker in route.brokerDatas {
            guard let address = await link.brokerAddress(broker.brokerName, orAny: true) else { continue }
            do throws(ClientError) {
                return try await link.check(subscription, of: group, at: address)
            } catch {
                if case .refused(_, let code, _) = error, [1, 23].contains(code) { throw error }
            }
        }
    }

    private func set(_ subscription: SubscriptionData) async {
        subscriptions[subscription.topic] = subscription
        guard let core else { return }
        core.set(subscription)
        _ = try? await link.route(of: subscription.topic)  // so that its brokers hear of it; asked again by rebalances
        _ = await link.heartbeat()
        await rebalance()
    }

    // MARK: - Life

    /// Starts to hand messages to `handler`. Returns when the brokers know the consumer and its queues are shared out,
    /// as far as they can be reached; what fails is tried again for as long as it runs.
    /// - Throws: `invalid` without a subscription; `refused` if a broker says that an SQL92 expression is wrong; `nameServersUnreachable` and the like if no route can be had at all.
    public func start(_ handler: @escaping MessageHandler) async throws(ClientError) {
        guard core == nil else { throw .invalid("the consumer \(group) runs already") }
        guard !subscriptions.isEmpty else { throw .invalid("the consumer \(group) subscribes to nothing") }
        link.start()
        do throws(ClientError) {
            // Before it is a member: brokers would count it in until its connection closes.
            for subscription in subscriptions.values { try await check(subscription) }
        } catch {
            if ownsLink { await link.shutdown() }
            throw error
        }
        let core = ConsumerCore(
            group: group, options: options, link: link, subscriptions: subscriptions,
            handler: try applicationHandler(handler))
        if options.messageModel == .clustering {
            core.set(SubscriptionData(topic: core.retryTopic, subString: "*", subVersion: SystemClock.wall().rawValue))
        } else {
            offsets = LocalOffsets(clientID: link.clientID, group: group)
        }
        let membership = ConsumerMembership(self, core)
        guard link.members.add(membership, group: group) else {
            throw .invalid("the group \(group) has a consumer over this link already")
        }
        self.core = core
        self.membership = membership
        do throws(ClientError) {
            for topic in subscriptions.keys.sorted() { _ = try await link.fetchRoute(topic) }
        } catch {
            link.members.remove(consumerGroup: group)
            self.core = nil
            if ownsLink { await link.shutdown() }
            throw error
        }
        try await tracer?.start()
        _ = await link.heartbeat()
        await rebalance()
        upkeep = [
            repeating(every: options.rebalanceInterval) { await $0.rebalance() },
            repeating(every: options.commitInterval) { await $0.commitAll() },
        ]
        if needsLocks { upkeep.append(repeating(every: options.lockInterval) { await $0.renewLocks(core) }) }
    }

    /// Starts, runs until the task is cancelled, and shuts down, as a service of a server does: handlers that run are waited
    /// for, the progress is committed, the brokers are told.
    public func run(_ handler: @escaping MessageHandler) async throws(ClientError) {
        try await start(handler)
        while await pause(.seconds(3600)) {}
        await uncancelled { await self.shutdown() }
    }

    /// Runs `action` when the consumer begins to shut down; at once if it has.
    func atShutdown(_ action: @escaping @Sendable () -> Void) {
        if core == nil { action() } else { endings.append(action) }
    }

    /// Stops pulling, waits for handlers that run, commits the progress and tells the brokers.
    public func shutdown() async {
        guard let core else { return }
        self.core = nil
        for task in upkeep { task.cancel() }
        retry?.cancel()
        upkeep = []
        let all = Array(workers.values)
        for worker in all { worker.drop() }
        for ending in endings { ending() }
        endings = []
        await core.pool.close(waitingAtMost: options.shutdownWait)
        await commit(all, core)
        if needsLocks { await unlock(all.map(\.queue)) }
        workers = [:]
        await tracer?.close()
        link.members.remove(consumerGroup: group)
        await link.unregister(consumerGroup: group)
        if ownsLink { await link.shutdown() }
    }

    /// `handler` behind what it need not know of: namespaces and traces.
    private func applicationHandler(_ handler: @escaping MessageHandler) throws(ClientError) -> MessageHandler {
        if let trace = options.trace {
            tracer = try TraceSender(topic: trace.topic, group: group + "-CONSUME", link: link)
        }
        let (tracer, namespace) = (tracer, namespace)
        guard tracer != nil || namespace.name != nil else { return handler }
        let group = namespace.unwrap(group)
        return { message, context in
            var message = message
            message.topic = namespace.unwrap(message.topic)
            guard let tracer else { return try await handler(message, context) }
            return try await tracer.traced(message, context, group: group, handler)
        }
    }

    /// The last trouble with a broker; `nil` if there was none.
    public var trouble: ClientError? { core?.trouble }

    /// The queues it pulls now.
    public var queues: [MessageQueue] { workers.keys.sorted() }

    private func repeating(
        every interval: Duration, _ step: @escaping @Sendable (PushConsumer) async -> Void
    ) -> Task<Void, Never> {
        Task { [weak self] in
            while await pause(interval), let self { await step(self) }
        }
    }

    // MARK: - Progress

    private func commitAll() async {
        guard let core else { return }
        await commit(Array(workers.values), core)
    }

    private func commit(_ workers: [QueueWorker], _ core: ConsumerCore) async {
        if let offsets {
            offsets.save(Dictionary(uniqueKeysWithValues: workers.map { ($0.queue, $0.progress) }))
            return
        }
        for worker in workers {
            guard let offset = worker.uncommitted() else { continue }
            do throws(ClientError) {
                guard let address = await link.brokerAddress(worker.queue.brokerName) else { continue }
                try await link.commit(offset, of: group, in: worker.queue, at: address)
            } catch {
                core.note(error)  // the next pull or commit carries it
            }
        }
    }

    // MARK: - Rebalance

    /// Shares the queues out again. One at a time; a request meanwhile makes it run once more.
    func rebalance() async {
        guard let core else { return }
        if isRebalancing {
            rebalancesAgain = true
            return
        }
        isRebalancing = true
        repeat {
            rebalancesAgain = false
            var isComplete = true
            for subscription in core.allSubscriptions where self.core != nil {
                do throws(ClientError) {
                    if try await !rebalance(subscription.topic, core) { isComplete = false }
                } catch {
                    if subscription.topic != core.retryTopic { core.note(error) }
                    isComplete = false
                }
            }
            if isComplete { incompleteCount = 0 } else { rebalanceLater() }
        } while rebalancesAgain
        isRebalancing = false
    }

    /// Something was not to be had, such as a topic that does not exist yet: tries again soon, then ever more rarely.
    /// The brokers hear of the consumer first, because one that was not known before has not.
    private func rebalanceLater() {
        guard retry == nil else { return }
        let delay = Duration.milliseconds(250 << min(incompleteCount, 6))
        incompleteCount += 1
        retry = Task { [weak self] in
            guard await pause(delay), let self else { return }
            await self.retryRebalance()
        }
    }

    private func retryRebalance() async {
        retry = nil
        for topic in subscriptions.keys where core != nil {
            _ = try? await link.route(of: topic)  // so that its brokers are among those who hear; still unknown: later
        }
        guard core != nil else { return }
        _ = await link.heartbeat()
        await rebalance()
    }

    /// - Returns: whether all queues that are this client's now are pulled; a queue may still be another client's alone.
    private func rebalance(_ topic: String, _ core: ConsumerCore) async throws(ClientError) -> Bool {
        let route = try await link.route(of: topic)
        let queues = Self.readableQueues(topic, route)
        var mine = queues
        if options.messageModel == .clustering {
            guard let broker = route.brokerDatas.randomElement(),
                let address = broker.brokerAddrs.min(by: { $0.key < $1.key })?.value
            else { throw .noQueue(topic: topic, wanted: "read") }
            let members = try await link.consumerIDs(of: group, at: address)
            mine = options.allocation.share(of: queues, members: members, me: link.clientID, group: group)
        }
        guard self.core === core else { return true }
        var isComplete = await release(topic, except: Set(mine), core)
        let fresh = mine.filter { workers[$0] == nil }
        let asked = SystemClock.now()
        let locked = needsLocks && !fresh.isEmpty ? await lock(fresh, core) : Set(fresh)
        for queue in fresh {
            guard locked.contains(queue) else {
                isComplete = false  // its last client still has a message of it, or has not come to let go
                continue
            }
            let start = try await startOffset(of: queue, core)
            guard self.core === core, workers[queue] == nil else { return true }
            let worker = QueueWorker(queue, start: start, consumer: core)
            if needsLocks { _ = worker.locked(at: asked) }
            workers[queue] = worker
            worker.start()
        }
        return isComplete
    }

    /// Gives up the queues of a topic that are not in `wanted`, and those that were given up before and have not ended.
    /// - Returns: whether all of them are free for others. In order that is when no handler has a message any more.
    private func release(_ topic: String, except wanted: Set<MessageQueue>, _ core: ConsumerCore) async -> Bool {
        let lost = workers.filter { $0.key.topic == topic && (!wanted.contains($0.key) || $0.value.isDropped) }
        for worker in lost.values { worker.drop() }
        var isComplete = true
        var ended: [QueueWorker] = []
        for (queue, worker) in lost {
            if needsLocks, await !worker.isIdle() {
                isComplete = false
                continue
            }
            workers[queue] = nil
            ended.append(worker)
        }
        await commit(ended, core)
        if needsLocks { await unlock(ended.map(\.queue)) }
        return isComplete
    }

    /// Forgets a queue's worker if it still is that one.
    func remove(_ worker: QueueWorker, of queue: MessageQueue) {
        if workers[queue] === worker { workers[queue] = nil }
    }

    static func readableQueues(_ topic: String, _ route: TopicRouteData) -> [MessageQueue] {
        route.queueDatas.filter { $0.perm.contains(.read) }.flatMap { data in
            (0..<max(0, min(data.readQueueNums, 65_536))).map {
                MessageQueue(topic: topic, brokerName: data.brokerName, queueID: $0)
            }
        }.sorted()
    }

    /// Where to begin: the group's progress, or what ``ConsumerOptions/consumeFromWhere`` says if it has none.
    private func startOffset(of queue: MessageQueue, _ core: ConsumerCore) async throws(ClientError) -> Int64 {
        guard let address = await link.brokerAddress(queue.brokerName, orAny: true) else {
            throw .brokerNotFound(queue.brokerName)
        }
        if let offsets {
            if let offset = offsets.load(queue) { return offset }
        } else if let offset = try await link.consumerOffset(of: group, in: queue, at: address) {
            return offset
        }
        if queue.topic == core.retryTopic {  // its messages are the group's own, whenever it began
            return options.consumeFromWhere == .timestamp ? try await link.maxOffset(of: queue, at: address) : 0
        }
        return try await link.beginning(
            of: queue, from: options.consumeFromWhere, timestamp: options.consumeTimestamp, at: address)
    }
}
