import MQBase
import MQJSON
import MQMessage
import MQProtocol
import MQSystem

/// Pulls one queue for a consumer while the queue is its own, and keeps the queue's books.
final class QueueWorker: Sendable {
    struct State {
        var books: ProcessQueue
        /// What is handed out in order.
        var ordered: OrderedMessages
        var isDropped = false
        /// Somebody else says how far the queue is.
        var isForgotten = false
        var committed: Int64?
        var brokerID: Int64 = 0
        var lastPull: Int64 = 0
        var lastConsume: Int64 = 0
    }

    let queue: MessageQueue
    let consumer: ConsumerCore
    let state: Lock<State>
    private let task = Lock<Task<Void, Never>?>(nil)

    init(_ queue: MessageQueue, start: Int64, consumer: ConsumerCore) {
        self.queue = queue
        self.consumer = consumer
        let options = consumer.options
        let limits = ProcessQueue.Limits(
            messageCount: options.messagesPerQueueMax, byteCount: options.bytesPerQueueMax)
        state = Lock(
            State(
                books: ProcessQueue(next: start, limits: limits),
                ordered: OrderedMessages(needsLock: options.messageModel == .clustering)))
    }

    func start() {
        task.withLock { $0 = consumer.side.run { await self.run() } }
        if isDropped { drop() }  // before the task was there to be cancelled
    }

    /// Stops pulling and skips what has not begun. Handlers that run finish.
    func drop() {
        state.withLock { $0.isDropped = true }
        task.withLock { $0 }?.cancel()
    }

    /// As ``drop()``, and keeps its progress to itself from now on: the queue goes on elsewhere.
    func forget() {
        state.withLock { $0.isForgotten = true }
        drop()
    }

    var isDropped: Bool { state.withLock { $0.isDropped } }

    /// The progress, if it has moved since the broker was told last.
    var uncommitted: Int64? {
        state.withLock { state in
            let offset = state.books.committable
            return offset == state.committed || state.isForgotten ? nil : offset
        }
    }

    /// The broker was told.
    func committed(_ offset: Int64) { state.withLock { $0.committed = offset } }

    /// The progress.
    var progress: Int64 { state.withLock { $0.books.committable } }

    // MARK: - Pulling

    private func run() async {
        while !isDropped {
            guard state.withLock({ $0.books.hasRoom }) else {
                _ = await pause(.milliseconds(50))  // as Java's flow control
                continue
            }
            do throws(ClientError) {
                try await pullOnce()
            } catch {
                guard !isDropped else { return }
                consumer.note(error)
                _ = await pause(Self.delay(after: error))
            }
        }
    }

    private static func delay(after error: ClientError) -> Duration {
        if case .refused(_, ResponseCode.systemBusy.rawValue, _) = error { return .milliseconds(20) }
        return .seconds(1)
    }

    private func pullOnce() async throws(ClientError) {
        guard let subscription = consumer.subscription(queue.topic) else { return drop() }
        let (next, progress, brokerID) = state.withLock { ($0.books.next, $0.books.committable, $0.brokerID) }
        guard let address = await consumer.link.brokerAddress(queue.brokerName, id: brokerID, orAny: true) else {
            throw .brokerNotFound(queue.brokerName)
        }
        let isClustering = consumer.options.messageModel == .clustering
        var request = PullRequest(group: consumer.group, queue: queue, offset: next)
        request.messagesMax = consumer.options.pullBatchSize
        request.byteCountMax = consumer.options.pullBatchByteCount
        request.suspend = consumer.options.pullSuspend
        request.subscription = subscription
        if isClustering, brokerID == 0, progress > 0 { request.commitOffset = progress }
        let result = try await consumer.link.pull(request, at: address)
        guard !isDropped else { return }
        take(result, subscription)
    }

    private func take(_ result: PullResult, _ subscription: SubscriptionData) {
        let wanted = result.messages.filter { subscription.wants(tags: $0.tags) }
        let isNew: Set<Int64> = state.withLock { state in
            state.brokerID = result.suggestedBrokerID
            state.lastPull = SystemClock.wall().rawValue
            if result.status == .offsetMoved {
                state.books.move(to: result.next)
                state.ordered.removeAll()
                return []
            }
            return Set(state.books.add(wanted.map { ($0.queueOffset, $0.storeByteCount) }, next: result.next))
        }
        let fresh = wanted.filter { isNew.contains($0.queueOffset) }.map { message in
            var message = message
            message.properties[PropertyName.minOffset] = String(result.min)
            message.properties[PropertyName.maxOffset] = String(result.max)
            return message
        }
        if consumer.options.isOrderly { return handOutInOrder(fresh) }
        for message in fresh { consumer.pool.add { number in await self.consume(message, number) } }
    }

    // MARK: - Consuming

    private func consume(_ stored: MessageExt, _ workerNumber: Int) async {
        guard !isDropped else { return }
        guard let outcome = await handle(stored, workerNumber) else { return }
        if case .later(let delayLevel) = outcome, consumer.options.messageModel == .clustering {
            guard await sendBack(stored, delayLevel) else { return retryHere(stored) }
        }
        state.withLock { $0.books.finish(stored.queueOffset) }
    }

    /// What the application says of a message. `nil`: nothing, because the consumer ends; the message stays where it is.
    func handle(_ stored: MessageExt, _ workerNumber: Int) async -> ConsumeOutcome? {
        state.withLock { $0.lastConsume = SystemClock.wall().rawValue }
        return await consumer.outcome(of: stored, in: queue, workerNumber) { self.isDropped }
    }

    /// Gives a message back to its broker.
    func sendBack(_ message: MessageExt, _ delayLevel: Int) async -> Bool {
        guard let address = await consumer.link.brokerAddress(queue.brokerName) else { return false }
        do throws(ClientError) {
            try await consumer.link.sendBack(
                message, group: consumer.group, delayLevel: delayLevel,
                maxReconsumeTimes: consumer.options.reconsumeTimesMax, to: address)
            return true
        } catch {
            consumer.note(error)
            return false
        }
    }

    /// The broker did not take the message back: it is tried again here, and holds the progress until then.
    private func retryHere(_ message: MessageExt) {
        consumer.side.run { [self] in
            guard await pause(.seconds(5)), !isDropped else { return }
            var again = message
            again.reconsumeTimes += 1
            consumer.pool.add { [again] number in await self.consume(again, number) }
        }
    }

    // MARK: - Showing

    /// As `ProcessQueueInfo` in a consumer's running info.
    var info: JSON {
        let state = self.state.withLock { $0 }
        let held = state.books.held
        return [
            "cachedMsgCount": JSON(state.books.pendingCount), "cachedMsgMaxOffset": JSON(held?.upperBound ?? 0),
            "cachedMsgMinOffset": JSON(held?.lowerBound ?? 0),
            "cachedMsgSizeInMiB": JSON(state.books.pendingByteCount >> 20),
            "commitOffset": JSON(state.books.committable), "droped": JSON(state.isDropped),
            "lastConsumeTimestamp": JSON(state.lastConsume), "lastLockTimestamp": 0,
            "lastPullTimestamp": JSON(state.lastPull),
            "locked": JSON(state.ordered.isLocked(now: SystemClock.now())), "transactionMsgCount": 0,
            "transactionMsgMaxOffset": 0, "transactionMsgMinOffset": 0, "tryUnlockTimes": 0,
        ]
    }
}
