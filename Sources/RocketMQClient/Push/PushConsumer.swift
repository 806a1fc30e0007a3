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
    private let ownsLink: Bool
    private var tracer: TraceSender?
    private var endings: [@Sendable () -> Void] = []
    var subscriptions: [String: SubscriptionData] = [:]
    /// What it runs with; `nil` while it does not.
    var core: ConsumerCore?
    /// The shutdown that is under way.
    private var ending: Task<Void, Never>?
    var offsets: LocalOffsets?
    var workers: [MessageQueue: QueueWorker] = [:]
    /// By what the broker assigned: queue -1 is all of a topic's at that broker.
    var poppers: [MessageQueue: PopWorker] = [:]
    var turns = RebalanceTurns()

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
        guard options.assignment == .members || (!options.isOrderly && options.messageModel == .clustering) else {
            throw .invalid("queues that the broker assigns are consumed in clustering mode and not in order")
        }
        guard (1...32).contains(options.pop.batchSize), options.pop.messagesMax > 0 else {
            throw .invalid("pop.batchSize must be in 1...32, and pop.messagesMax at least 1")
        }
        namespace = Namespace(link.options.namespace)
        self.group = namespace.wrap(group)
        self.options = options
        self.link = link
        self.ownsLink = ownsLink
    }

    // MARK: - Life

    /// Starts to hand messages to `handler`. Returns when the brokers know the consumer and its queues are shared out,
    /// as far as they can be reached; what fails is tried again for as long as it runs.
    /// - Throws: `invalid` without a subscription; `refused` if a broker says that an SQL92 expression is wrong;
    ///   `nameServersUnreachable` and the like if no route can be had at all.
    public func start(_ handler: @escaping MessageHandler) async throws(ClientError) {
        guard core == nil, ending == nil else { throw .invalid("the consumer \(group) runs already") }
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
        guard link.members.add(ConsumerMembership(self, core), group: group) else {
            throw .invalid("the group \(group) has a consumer over this link already")
        }
        self.core = core
        do throws(ClientError) {
            for topic in subscriptions.keys.sorted() { _ = try await link.fetchRoute(topic) }
            try await tracer?.start()
        } catch {
            link.members.remove(consumerGroup: group)
            if self.core === core { self.core = nil }
            await core.side.close()
            if ownsLink { await link.shutdown() }
            throw error
        }
        _ = await link.heartbeat()
        await rebalance()
        guard self.core === core else { throw .notRunning("the consumer \(group)") }  // shut down meanwhile
        keepUp(core)
    }

    private func keepUp(_ core: ConsumerCore) {
        repeating(every: options.rebalanceInterval, core) { await $0.rebalance() }
        repeating(every: options.commitInterval, core) { await $0.commitAll() }
        if needsLocks { repeating(every: options.lockInterval, core) { await $0.renewLocks(core) } }
    }

    private func repeating(
        every interval: Duration, _ core: ConsumerCore, _ step: @escaping @Sendable (PushConsumer) async -> Void
    ) {
        core.side.run { [weak self] in
            while await pause(interval), let self { await step(self) }
        }
    }

    /// Starts, runs until the task is cancelled, and shuts down, as a service of a server does: handlers that run are waited
    /// for, the progress is committed, the brokers are told.
    public func run(_ handler: @escaping MessageHandler) async throws(ClientError) {
        try await start(handler)
        while await pause(.seconds(3600)) {}
        await shutdown()
    }

    /// Runs `action` when the consumer begins to shut down; at once if it has.
    func atShutdown(_ action: @escaping @Sendable () -> Void) {
        if core == nil { action() } else { endings.append(action) }
    }

    /// Stops pulling, waits for handlers that run, commits the progress and tells the brokers. All of it also when the task
    /// is cancelled, and whoever else shuts it down meanwhile: it is over when this returns.
    ///
    /// Handlers that run longer than ``ConsumerOptions/shutdownWait`` are cancelled, and waited for until they end.
    public func shutdown() async {
        if let core {
            self.core = nil
            ending = Task { await self.end(core) }
        }
        await ending?.value
    }

    private func end(_ core: ConsumerCore) async {
        for worker in workers.values { worker.drop() }
        for popper in poppers.values { popper.drop() }
        for ending in endings { ending() }
        endings = []
        await core.side.close()
        await core.pool.close(waitingAtMost: options.shutdownWait)
        let all = Array(workers.values)
        await commit(all, core)
        if needsLocks { await unlock(all.map(\.queue)) }
        workers = [:]
        poppers = [:]
        await tracer?.close()
        link.members.remove(consumerGroup: group)
        await link.unregister(consumerGroup: group)
        if ownsLink { await link.shutdown() }
        turns = RebalanceTurns()
        ending = nil
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

    /// The queues it pulls now, and those it pops; a popped queue -1 is all of its topic's at its broker.
    public var queues: [MessageQueue] { (Array(workers.keys) + Array(poppers.keys)).sorted() }
}
