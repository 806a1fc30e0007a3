import MQProtocol
import MQSystem

/// Sharing the queues out.
extension PushConsumer {
    /// Shares the queues out again. One at a time; a request meanwhile makes it run once more.
    func rebalance() async {
        guard let core, turns.begin() else { return }
        while true {
            var isComplete = true
            for subscription in core.allSubscriptions where self.core === core {
                do throws(ClientError) {
                    if try await !rebalance(subscription.topic, core) { isComplete = false }
                } catch {
                    if subscription.topic != core.retryTopic { core.note(error) }
                    isComplete = false
                }
            }
            let (again, retry) = turns.end(isComplete: isComplete)
            if let retry { rebalanceLater(.milliseconds(retry), core) }
            if !again { return }
        }
    }

    /// Something was not to be had, such as a topic that does not exist yet: tries again. The brokers hear of the consumer
    /// first, because one that was not known before has not.
    private func rebalanceLater(_ delay: Duration, _ core: ConsumerCore) {
        core.side.run { [weak self] in
            guard await pause(delay), let self else { return }
            await self.retryRebalance()
        }
    }

    private func retryRebalance() async {
        turns.retry()
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
            switch try await assigned(topic, at: address) {
            case .byBroker(let assignments):
                guard let assignments, self.core === core else { return true }  // it says nothing: as it was
                mine = assignments.filter { !$0.isPopped }.map(\.queue)
                pop(topic, assignments.filter(\.isPopped).map(\.queue), core)
            case .byMembers:
                pop(topic, [], core)
                let members = try await link.consumerIDs(of: group, at: address)
                mine = options.allocation.share(of: queues, members: members, me: link.clientID, group: group)
            }
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

    private enum Assigned {
        /// `nil`: the broker does not say.
        case byBroker([QueueAssignment]?)
        case byMembers
    }

    /// Asks the broker if it is to say. One that does not know the question leaves it to the members.
    private func assigned(_ topic: String, at address: String) async throws(ClientError) -> Assigned {
        guard options.assignment == .broker else { return .byMembers }
        do throws(ClientError) {
            return .byBroker(
                try await link.assignments(
                    of: topic, group: group, strategy: options.allocation.name, at: address))
        } catch {
            if case .refused(_, ResponseCode.requestCodeNotSupported.rawValue, _) = error { return .byMembers }
            throw error
        }
    }

    /// Pops exactly what the broker lets it of a topic.
    private func pop(_ topic: String, _ queues: [MessageQueue], _ core: ConsumerCore) {
        for (queue, popper) in poppers where queue.topic == topic && (!queues.contains(queue) || popper.isDropped) {
            popper.drop()
            poppers[queue] = nil
        }
        for queue in queues where poppers[queue] == nil {
            let popper = PopWorker(queue, consumer: core)
            poppers[queue] = popper
            popper.start()
        }
    }

    /// Gives up the queues of a topic that are not in `wanted`, and those that were given up before and have not ended.
    /// - Returns: whether all of them are free for others. In order that is when no handler has a message any more.
    @discardableResult
    func release(_ topic: String, except wanted: Set<MessageQueue> = [], _ core: ConsumerCore) async -> Bool {
        let lost = workers.filter { $0.key.topic == topic && (!wanted.contains($0.key) || $0.value.isDropped) }
        for worker in lost.values { worker.drop() }
        var isComplete = true
        var ended: [QueueWorker] = []
        for worker in lost.values {
            if needsLocks, await !worker.isIdle() { isComplete = false } else { ended.append(worker) }
        }
        await commit(ended, core)
        // A shutdown that ends this task in the middle commits what is still there.
        if Task.isCancelled { return false }
        for worker in ended { remove(worker, of: worker.queue) }
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
