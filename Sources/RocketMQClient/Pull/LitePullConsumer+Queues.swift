import MQMessage
import MQProtocol

/// Which queues it fetches, and fetching them.
extension LitePullConsumer {
    /// Shares the queues of subscribed topics out again. One at a time; a request meanwhile makes it run once more.
    func rebalance() async {
        guard let side, assigned == nil, turns.begin() else { return }
        while true {
            var isComplete = true
            for topic in subscriptions.keys.sorted() where self.side === side {
                do throws(ClientError) {
                    try await take(Set(try await share(of: topic)), of: topic)
                } catch {
                    note(error)
                    isComplete = false
                }
            }
            let (again, retry) = turns.end(isComplete: isComplete)
            if let retry {
                side.run { [weak self] in
                    guard await RocketMQClient.pause(.milliseconds(retry)), let self else { return }
                    await self.retryRebalance()
                }
            }
            if !again { return }
        }
    }

    private func retryRebalance() async {
        turns.retry()
        _ = await link.heartbeat()
        await rebalance()
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
    func take(_ wanted: Set<MessageQueue>, of topic: String?) async throws(ClientError) {
        var lost: [MessageQueue: Int64] = [:]
        for (queue, feed) in feeds where (topic == nil || queue.topic == topic) && !wanted.contains(queue) {
            feed.cancel()
            feeds[queue] = nil
            if let polled = pulled.remove(queue) { lost[queue] = polled }
        }
        if options.commitsItself, !lost.isEmpty {
            do throws(ClientError) {
                try await commit(lost)
            } catch {
                note(error)  // their next member begins a little earlier; ours are not kept waiting for it
            }
        }
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

    func feed(_ queue: MessageQueue) {
        let subscription =
            subscriptions[queue.topic] ?? filters[queue.topic] ?? SubscriptionData(topic: queue.topic, subString: "*")
        feeds[queue] = side?.run { [weak self] in
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
