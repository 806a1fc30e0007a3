import MQBase
import MQMessage
public import MQProtocol
import MQSystem

/// Fetches messages ahead and hands them out when the application asks. Either the members of a group share the queues of
/// topics (``subscribe(_:_:)``), or the application says which queues it wants (``assign(_:filters:)``); not both.
///
/// At least once: what a poll handed out counts as done when the next poll comes, and is committed then at the earliest.
public actor LitePullConsumer {
    /// The group; the namespace included.
    public nonisolated let group: String
    /// As given.
    public nonisolated let options: Options
    /// What it fetches over.
    public nonisolated let link: ClusterLink
    nonisolated let namespace: Namespace
    nonisolated let pulled: PulledMessages
    private let ownsLink: Bool
    var subscriptions: [String: SubscriptionData] = [:]
    var assigned: [MessageQueue]?
    /// What is wanted of the topics of assigned queues, if not all.
    var filters: [String: SubscriptionData] = [:]
    var feeds: [MessageQueue: Task<Void, Never>] = [:]
    var offsets: LocalOffsets?
    private var membership: LitePullMembership?
    /// Feeds, upkeep and what brokers ask for, while it runs. None of it outlives the consumer.
    var side: SideTasks?
    var committed: [MessageQueue: Int64] = [:]
    var turns = RebalanceTurns()
    /// The shutdown that is under way.
    private var ending: Task<Void, Never>?
    nonisolated private let lastError = Lock<ClientError?>(nil)

    /// A consumer with a link of its own.
    public init(
        group: String, options: Options = Options(), client: ClientOptions = ClientOptions()
    ) throws(ClientError) {
        var client = client
        if options.messageModel == .broadcasting, client.instanceName == nil {
            client.instanceName = "DEFAULT"  // its offset file is found again by the client id
        }
        try self.init(group: group, options: options, link: try ClusterLink(client), ownsLink: true)
    }

    /// A consumer over a link that others use too. One consumer of a group for each link.
    public init(group: String, options: Options = Options(), link: ClusterLink) throws(ClientError) {
        try self.init(group: group, options: options, link: link, ownsLink: false)
    }

    private init(group: String, options: Options, link: ClusterLink, ownsLink: Bool) throws(ClientError) {
        if let refusal = NameRules.refusal(ofGroup: group) { throw .invalid(refusal) }
        guard options.pullBatchSize > 0, options.messagesMax > 0, options.messagesPerQueueMax > 0 else {
            throw .invalid("pullBatchSize, messagesMax and messagesPerQueueMax must be at least 1")
        }
        namespace = Namespace(link.options.namespace)
        self.group = namespace.wrap(group)
        self.options = options
        self.link = link
        self.ownsLink = ownsLink
        pulled = PulledMessages(
            PulledMessages.Limits(
                messagesMax: options.messagesMax, messagesPerQueueMax: options.messagesPerQueueMax,
                bytesPerQueueMax: options.bytesPerQueueMax, span: options.spanMax))
    }

    var isRunning: Bool { side != nil }

    // MARK: - What is wanted

    /// Wants the topic's messages whose tag is in `expression`: `*`, or `A || B`. The group's members share its queues.
    /// - Throws: `invalid` if queues were assigned.
    public func subscribe(_ topic: String, _ expression: String = "*") async throws(ClientError) {
        guard assigned == nil else { throw .invalid("Subscribe and assign are mutually exclusive.") }
        if let refusal = NameRules.refusal(ofTopic: topic) { throw .invalid(refusal) }
        let version = SystemClock.wall().rawValue
        let topic = namespace.wrap(topic)
        subscriptions[topic] = try TagExpression.subscription(topic: topic, expression: expression, version: version)
        guard isRunning else { return }
        membership?.set(Array(subscriptions.values))
        _ = try? await link.route(of: topic)  // so that its brokers hear of it; asked again by rebalances
        _ = await link.heartbeat()
        await rebalance()
    }

    /// Wants these queues, whoever else reads them.
    /// - Parameter filters: by topic, whose messages' tags are wanted: `A || B`. Of a topic without one all messages are.
    /// - Throws: `invalid` if topics were subscribed to, or if a topic that is fetched already gets another filter; what the
    ///   brokers' silence makes.
    public func assign(_ queues: [MessageQueue], filters: [String: String] = [:]) async throws(ClientError) {
        guard subscriptions.isEmpty else { throw .invalid("Subscribe and assign are mutually exclusive.") }
        let wanted = queues.map(wrap)
        var wantedFilters: [String: SubscriptionData] = [:]
        for (topic, expression) in filters {
            let topic = namespace.wrap(topic)
            wantedFilters[topic] = try TagExpression.subscription(topic: topic, expression: expression, version: 0)
        }
        for topic in Set(feeds.keys.map(\.topic)) where wantedFilters[topic] != self.filters[topic] {
            throw .invalid("the messages of \(namespace.unwrap(topic)) are fetched already: their filter cannot change")
        }
        self.filters = wantedFilters
        assigned = wanted
        guard isRunning else { return }
        for topic in Set(wanted.map(\.topic)) { _ = try await link.route(of: topic) }
        try await take(Set(wanted), of: nil)
    }

    /// The queues of a topic that can be read, for ``assign(_:filters:)``.
    public func queues(of topic: String) async throws(ClientError) -> [MessageQueue] {
        link.start()
        let wrapped = namespace.wrap(topic)
        return PushConsumer.readableQueues(wrapped, try await link.route(of: wrapped)).map(unwrap)
    }

    /// The queues it fetches now.
    public var assignment: [MessageQueue] { feeds.keys.sorted().map(unwrap) }

    nonisolated func wrap(_ queue: MessageQueue) -> MessageQueue {
        MessageQueue(topic: namespace.wrap(queue.topic), brokerName: queue.brokerName, queueID: queue.queueID)
    }

    nonisolated func unwrap(_ queue: MessageQueue) -> MessageQueue {
        MessageQueue(topic: namespace.unwrap(queue.topic), brokerName: queue.brokerName, queueID: queue.queueID)
    }

    // MARK: - Life

    /// Begins to fetch. Returns when the brokers know the consumer and it has its queues, as far as they can be reached.
    /// - Throws: `invalid` if nothing is wanted, or if it ran before; `nameServersUnreachable` and the like.
    public func start() async throws(ClientError) {
        guard side == nil, ending == nil else { throw .invalid("the consumer \(group) runs already") }
        guard !pulled.isClosed else {
            throw .invalid("the consumer \(group) was shut down; make a new one")
        }
        guard assigned != nil || !subscriptions.isEmpty else {
            throw .invalid("the consumer \(group) neither subscribes to a topic nor has queues assigned")
        }
        let side = SideTasks()
        let membership = LitePullMembership(self, side, subscriptions: Array(subscriptions.values))
        guard link.members.add(membership, group: group) else {
            throw .invalid("the group \(group) has a consumer over this link already")
        }
        self.membership = membership
        self.side = side
        link.start()
        if options.messageModel == .broadcasting { offsets = LocalOffsets(clientID: link.clientID, group: group) }
        do throws(ClientError) {
            for topic in Set(subscriptions.keys).union((assigned ?? []).map(\.topic)).sorted() {
                _ = try await link.fetchRoute(topic)
            }
            _ = await link.heartbeat()
            if let assigned { try await take(Set(assigned), of: nil) } else { await rebalance() }
        } catch {
            link.members.remove(consumerGroup: group)
            if self.side === side { self.side = nil }
            feeds = [:]
            await side.close()
            if ownsLink { await link.shutdown() }
            throw error
        }
        guard self.side === side else { throw .notRunning("the consumer \(group)") }  // shut down meanwhile
        repeating(every: options.rebalanceInterval, side) { await $0.rebalance() }
        if options.commitsItself { repeating(every: options.commitInterval, side) { await $0.commitDone() } }
    }

    /// Stops fetching, commits what earlier polls handed out (also what the last one did, if it commits by itself and
    /// the application is done with it: poll once more before), and tells the brokers. Polls that wait end. All of it also
    /// when the task is cancelled, and whoever else shuts it down meanwhile: it is over when this returns.
    public func shutdown() async {
        if let side {
            self.side = nil
            ending = Task { await self.end(side) }
        }
        await ending?.value
    }

    private func end(_ side: SideTasks) async {
        feeds = [:]
        pulled.close()
        await side.close()
        if options.commitsItself { await commitDone() }
        link.members.remove(consumerGroup: group)
        await link.unregister(consumerGroup: group)
        if ownsLink { await link.shutdown() }
        turns = RebalanceTurns()
        ending = nil
    }

    /// Starts, runs `body`, and shuts down whatever came of it.
    public nonisolated func withRunning<Value: Sendable>(
        _ body: @Sendable (LitePullConsumer) async throws -> Value
    ) async throws -> Value {
        try await start()
        return try await finally({ try await body(self) }) { await self.shutdown() }
    }

    /// The last trouble with a broker; `nil` if there was none.
    public nonisolated var trouble: ClientError? { lastError.withLock { $0 } }

    nonisolated func note(_ error: ClientError) { lastError.withLock { $0 = error } }

    private func repeating(
        every interval: Duration, _ side: SideTasks, _ step: @escaping @Sendable (LitePullConsumer) async -> Void
    ) {
        side.run { [weak self] in
            while await RocketMQClient.pause(interval), let self { await step(self) }
        }
    }

    // MARK: - Messages

    /// The next messages: of one queue, in order, at most ``Options/pullBatchSize``. What the poll before handed out counts as
    /// done. Empty if nothing came within `timeout` (`nil`: ``Options/pollTimeout``), or if the task was cancelled.
    /// - Throws: `notRunning` before the start and after the shutdown.
    public func poll(timeout: Duration? = nil) async throws(ClientError) -> [MessageExt] {
        let deadline = SystemClock.now().advanced(byMilliseconds: (timeout ?? options.pollTimeout).milliseconds)
        while true {
            guard isRunning else { throw .notRunning("the consumer \(group)") }
            let messages = pulled.take(options.pullBatchSize)
            if !messages.isEmpty { return messages }
            let left = deadline.milliseconds(since: SystemClock.now())
            guard left > 0, !Task.isCancelled else { return [] }
            await pulled.waitForMessages(.milliseconds(left))
        }
    }
}
