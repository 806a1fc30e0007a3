import MQBase
import MQMessage
public import MQProtocol
import MQSystem

/// Fetches messages ahead and hands them out when the application asks. Either the members of a group share the queues of
/// topics (``subscribe(_:_:)``), or the application says which queues it wants (``assign(_:)``); not both.
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
    private var subscriptions: [String: SubscriptionData] = [:]
    private var assigned: [MessageQueue]?
    private var feeds: [MessageQueue: Task<Void, Never>] = [:]
    private var offsets: LocalOffsets?
    private var membership: LitePullMembership?
    private var upkeep: [Task<Void, Never>] = []
    private var committed: [MessageQueue: Int64] = [:]
    private var isRebalancing = false
    private var rebalancesAgain = false
    private var isRunning = false
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
    /// - Throws: `invalid` if topics were subscribed to; what the brokers' silence makes.
    public func assign(_ queues: [MessageQueue]) async throws(ClientError) {
        guard subscriptions.isEmpty else { throw .invalid("Subscribe and assign are mutually exclusive.") }
        let wanted = queues.map(wrap)
        assigned = wanted
        guard isRunning else { return }
        for topic in Set(wanted.map(\.topic)) { _ = try await link.route(of: topic) }
        try await take(Set(wanted), of: nil)
    }

    /// The queues of a topic that can be read, for ``assign(_:)``.
    public func queues(of topic: String) async throws(ClientError) -> [MessageQueue] {
        link.start()
        let wrapped = namespace.wrap(topic)
        return PushConsumer.readableQueues(wrapped, try await link.route(of: wrapped)).map(unwrap)
    }

    /// The queues it fetches now.
    public var assignment: [MessageQueue] { feeds.keys.sorted().map(unwrap) }

    private nonisolated func wrap(_ queue: MessageQueue) -> MessageQueue {
        MessageQueue(topic: namespace.wrap(queue.topic), brokerName: queue.brokerName, queueID: queue.queueID)
    }

    private nonisolated func unwrap(_ queue: MessageQueue) -> MessageQueue {
        MessageQueue(topic: namespace.unwrap(queue.topic), brokerName: queue.brokerName, queueID: queue.queueID)
    }

    // MARK: - Life

    /// Begins to fetch. Returns when the brokers know the consumer and it has its queues, as far as they can be reached.
    /// - Throws: `invalid` if nothing is wanted, or if it ran before; `nameServersUnreachable` and the like.
    public func start() async throws(ClientError) {
        guard !isRunning else { throw .invalid("the consumer \(group) runs already") }
        guard assigned != nil || !subscriptions.isEmpty else {
            throw .invalid("the consumer \(group) neither subscribes to a topic nor has queues assigned")
        }
        let membership = LitePullMembership(self, subscriptions: Array(subscriptions.values))
        guard link.members.add(membership, group: group) else {
            throw .invalid("the group \(group) has a consumer over this link already")
        }
        self.membership = membership
        isRunning = true
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
            isRunning = false
            if ownsLink { await link.shutdown() }
            throw error
        }
        upkeep = [repeating(every: options.rebalanceInterval) { await $0.rebalance() }]
        if options.commitsItself {
            upkeep.append(repeating(every: options.commitInterval) { await $0.commitDone() })
        }
    }

    /// Stops fetching, commits what earlier polls handed out (also what the last one did, if it commits by itself and
    /// the application is done with it: poll once more before), and tells the brokers. Polls that wait end.
    public func shutdown() async {
        guard isRunning else { return }
        isRunning = false
        for task in upkeep { task.cancel() }
        upkeep = []
        for feed in feeds.values { feed.cancel() }
        pulled.close()
        if options.commitsItself { await commitDone() }
        feeds = [:]
        link.members.remove(consumerGroup: group)
        await link.unregister(consumerGroup: group)
        if ownsLink { await link.shutdown() }
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
        every interval: Duration, _ step: @escaping @Sendable (LitePullConsumer) async -> Void
    ) -> Task<Void, Never> {
        Task { [weak self] in
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

    // MARK: - Places

    /// Goes on at `offset` of a queue; what was fetched of it and not polled is dropped.
    /// - Throws: `invalid` if the queue is not this consumer's, or has no such offset.
    public func seek(_ queue: MessageQueue, to offset: Int64) async throws(ClientError) {
        let wrapped = try requireAssigned(queue)
        let (first, end) = (try await link.minOffset(of: wrapped), try await link.maxOffset(of: wrapped))
        guard (first...max(first, end)).contains(offset) else {
            throw .invalid("Seek offset illegal, seek offset = \(offset), min offset = \(first), max offset = \(end)")
        }
        _ = try requireAssigned(queue)
        jump(wrapped, to: offset)
    }

    /// Goes on at the queue's first message.
    public func seekToBegin(_ queue: MessageQueue) async throws(ClientError) {
        let wrapped = try requireAssigned(queue)
        let first = try await link.minOffset(of: wrapped)
        _ = try requireAssigned(queue)
        jump(wrapped, to: first)
    }

    /// Goes on behind the queue's last message.
    public func seekToEnd(_ queue: MessageQueue) async throws(ClientError) {
        let wrapped = try requireAssigned(queue)
        let end = try await link.maxOffset(of: wrapped)
        _ = try requireAssigned(queue)
        jump(wrapped, to: end)
    }

    private func requireAssigned(_ queue: MessageQueue) throws(ClientError) -> MessageQueue {
        let wrapped = wrap(queue)
        guard feeds[wrapped] != nil else {
            throw .invalid(
                "The message queue is not in assigned list, may be rebalancing, message queue: \(queue.text)")
        }
        return wrapped
    }

    /// An administrator's order (220): goes on at `offsets` with those of its queues that are named.
    func reset(_ topic: String, to offsets: [MessageQueue: Int64]) async {
        for (queue, offset) in offsets where queue.topic == topic && offset >= 0 && feeds[queue] != nil {
            jump(queue, to: offset)
        }
        if options.commitsItself { await commitDone() }
    }

    private func jump(_ queue: MessageQueue, to offset: Int64) {
        feeds[queue]?.cancel()  // it may wait at the broker for a long time yet
        pulled.seek(queue, to: offset)
        committed[queue] = nil
        feed(queue)
    }

    /// Hands nothing out of these queues, and fetches nothing more, until they are resumed.
    public func pause(_ queues: [MessageQueue]) { pulled.setPaused(true, queues.map(wrap)) }

    /// Goes on with these queues.
    public func resume(_ queues: [MessageQueue]) { pulled.setPaused(false, queues.map(wrap)) }

    /// How far the group has come in a queue, as committed; `nil` if it never began.
    public func committed(_ queue: MessageQueue) async throws(ClientError) -> Int64? {
        if let offsets { return offsets.load(wrap(queue)) }
        return try await link.consumerOffset(of: group, in: wrap(queue), at: try await address(wrap(queue)))
    }

    /// The first offset stored at or after `timestamp`, milliseconds since 1970.
    public func offset(in queue: MessageQueue, storedAt timestamp: Int64) async throws(ClientError) -> Int64 {
        try await link.offset(in: wrap(queue), storedAt: timestamp, at: try await address(wrap(queue)))
    }

    /// Commits all that was polled so far, also by the last poll.
    public func commit() async throws(ClientError) { try await commit(pulled.progress(all: true)) }

    private func commitDone() async {
        do throws(ClientError) {
            try await commit(pulled.progress(all: false))
        } catch {
            note(error)  // the next one carries it
        }
    }

    private func commit(_ progress: [MessageQueue: Int64]) async throws(ClientError) {
        if let offsets { return offsets.save(progress) }
        for (queue, offset) in progress where committed[queue] != offset {
            try await link.commit(offset, of: group, in: queue, at: try await address(queue))
            committed[queue] = offset
        }
    }

    private func address(_ queue: MessageQueue) async throws(ClientError) -> String {
        if let address = await link.brokerAddress(queue.brokerName, orAny: true) { return address }
        _ = try await link.route(of: queue.topic)
        guard let address = await link.brokerAddress(queue.brokerName, orAny: true) else {
            throw .brokerNotFound(queue.brokerName)
        }
        return address
    }

    // MARK: - Queues

    /// Shares the queues of subscribed topics out again. One at a time; a request meanwhile makes it run once more.
    func rebalance() async {
        guard isRunning, assigned == nil else { return }
        if isRebalancing {
            rebalancesAgain = true
            return
        }
        isRebalancing = true
        repeat {
            rebalancesAgain = false
            for topic in subscriptions.keys.sorted() where isRunning {
                do throws(ClientError) {
                    try await take(Set(try await share(of: topic)), of: topic)
                } catch {
                    note(error)
                    retryRebalance()
                }
            }
        } while rebalancesAgain
        isRebalancing = false
    }

    private func retryRebalance() {
        Task { [weak self] in
            guard await RocketMQClient.pause(.seconds(1)), let self else { return }
            _ = await self.link.heartbeat()
            await self.rebalance()
        }
    }

    private func share(of topic: String) async throws(ClientError) -> [MessageQueue] {
        let route = try await link.route(of: topic)
        let queues = PushConsumer.readableQueues(topic, route)
        guard options.messageModel == .clustering else { return queues }
        guard let broker = route.brokerDatas.randomElement(),
            let address = broker.brokerAddrs.min(by: { $0.key < $1.key })?.value
        else { throw .noQueue(topic: topic, wanted: "read") }
        let members = try await link.consumerIDs(of: group, at: address)
        return options.allocation.share(of: queues, members: members, me: link.clientID, group: group)
    }

    /// Fetches exactly the queues of `wanted`; others of `topic` (`nil`: of any) are let go of.
    private func take(_ wanted: Set<MessageQueue>, of topic: String?) async throws(ClientError) {
        var lost: [MessageQueue: Int64] = [:]
        for (queue, feed) in feeds where (topic == nil || queue.topic == topic) && !wanted.contains(queue) {
            feed.cancel()
            feeds[queue] = nil
            if let polled = pulled.remove(queue) { lost[queue] = polled }
        }
        if options.commitsItself, !lost.isEmpty { try await commit(lost) }
        for queue in wanted.sorted() where feeds[queue] == nil {
            let start = try await startOffset(of: queue)
            guard isRunning, feeds[queue] == nil else { continue }
            pulled.seek(queue, to: start)
            feed(queue)
        }
    }

    private func startOffset(of queue: MessageQueue) async throws(ClientError) -> Int64 {
        let address = try await address(queue)
        if let offsets {
            if let offset = offsets.load(queue) { return offset }
        } else if let offset = try await link.consumerOffset(of: group, in: queue, at: address) {
            return offset
        }
        return try await link.beginning(
            of: queue, from: options.consumeFromWhere, timestamp: options.consumeTimestamp, at: address)
    }

    private func feed(_ queue: MessageQueue) {
        let subscription = subscriptions[queue.topic] ?? SubscriptionData(topic: queue.topic, subString: "*")
        feeds[queue] = Task { [weak self] in
            while !Task.isCancelled, let self { await self.fetch(queue, subscription) }
        }
    }

    /// Fetches once, and puts what came onto the shelf. Waits a little when there is no room, longer after an error.
    private nonisolated func fetch(_ queue: MessageQueue, _ subscription: SubscriptionData) async {
        guard let (offset, epoch) = pulled.place(queue) else {
            _ = await RocketMQClient.pause(.milliseconds(50))
            return
        }
        var request = PullRequest(group: group, queue: queue, offset: offset)
        request.isLite = true
        request.messagesMax = options.pullBatchSize
        request.byteCountMax = options.pullBatchByteCount
        request.suspend = options.pullSuspend
        request.subscription = subscription
        do throws(ClientError) {
            guard let address = await link.brokerAddress(queue.brokerName, orAny: true) else {
                throw .brokerNotFound(queue.brokerName)
            }
            let result = try await link.pull(request, at: address)
            var wanted = result.messages.filter { subscription.wants(tags: $0.tags) }
            for index in wanted.indices {
                wanted[index].topic = namespace.unwrap(wanted[index].topic)
                wanted[index].properties[PropertyName.minOffset] = String(result.min)
                wanted[index].properties[PropertyName.maxOffset] = String(result.max)
            }
            pulled.put(wanted, next: result.next, of: queue, epoch: epoch)
        } catch {
            guard !Task.isCancelled else { return }
            note(error)
            _ = await RocketMQClient.pause(.seconds(1))
        }
    }
}

extension ClusterLink {
    fileprivate func minOffset(of queue: MessageQueue) async throws(ClientError) -> Int64 {
        try await minOffset(of: queue, at: try await address(of: queue))
    }

    fileprivate func maxOffset(of queue: MessageQueue) async throws(ClientError) -> Int64 {
        try await maxOffset(of: queue, at: try await address(of: queue))
    }

    private func address(of queue: MessageQueue) async throws(ClientError) -> String {
        guard let address = await brokerAddress(queue.brokerName) else { throw .brokerNotFound(queue.brokerName) }
        return address
    }
}
