import MQBase
import MQJSON
import MQMessage
import MQProtocol
import MQSystem

/// Pops one assignment of a broker for a consumer while it is its own: a queue, or all of a topic's at that broker. The
/// broker keeps the books; what is not acknowledged in time comes again, perhaps elsewhere.
///
/// Source: `DefaultMQPushConsumerImpl.java` `popMessage`, `ConsumeMessagePopConcurrentlyService.java`, RocketMQ 5.3.
final class PopWorker: Sendable {
    private struct State {
        /// Messages that are popped and not finished.
        var pending = 0
        var isDropped = false
        var lastPop: Int64 = 0
        var task: Task<Void, Never>?
    }

    let queue: MessageQueue
    private let consumer: ConsumerCore
    private let state = Lock(State())

    init(_ queue: MessageQueue, consumer: ConsumerCore) {
        self.queue = queue
        self.consumer = consumer
    }

    func start() {
        let task = consumer.side.run { await self.run() }
        let isDropped = state.withLock { state in
            state.task = task
            return state.isDropped
        }
        if isDropped { task?.cancel() }
    }

    /// Stops popping. Messages that no handler has yet are left to come again.
    func drop() {
        let task = state.withLock { state in
            state.isDropped = true
            return state.task
        }
        task?.cancel()
    }

    var isDropped: Bool { state.withLock { $0.isDropped } }

    /// As `PopProcessQueueInfo` in a consumer's running info.
    var info: JSON {
        let (pending, isDropped, lastPop) = state.withLock { ($0.pending, $0.isDropped, $0.lastPop) }
        return ["droped": JSON(isDropped), "lastPopTimestamp": JSON(lastPop), "waitAckCount": JSON(pending)]
    }

    // MARK: - Popping

    private func run() async {
        while !isDropped {
            guard state.withLock({ $0.pending < consumer.options.pop.messagesMax }) else {
                _ = await pause(.milliseconds(50))  // as Java's flow control
                continue
            }
            do throws(ClientError) {
                try await popOnce()
            } catch {
                guard !isDropped else { return }
                consumer.note(error)
                _ = await pause(.seconds(1))
            }
        }
    }

    private func popOnce() async throws(ClientError) {
        guard let subscription = consumer.subscription(queue.topic) else { return drop() }
        guard let address = await consumer.link.brokerAddress(queue.brokerName) else {
            throw .brokerNotFound(queue.brokerName)
        }
        let options = consumer.options
        let request = PopRequest(
            group: consumer.group, topic: queue.topic, brokerName: queue.brokerName, queueID: queue.queueID,
            messagesMax: options.pop.batchSize, invisibleTime: options.pop.invisibleTime,
            pollTime: options.pullSuspend, beginsAtEnd: options.consumeFromWhere != .firstOffset,
            subscription: subscription)
        let messages = try await consumer.link.pop(request, at: address)
        state.withLock { state in
            state.lastPop = SystemClock.wall().rawValue
            state.pending += messages.count
        }
        for message in messages {
            consumer.pool.add { number in
                await self.consume(message, number, isWanted: subscription.wants(tags: message.tags))
                self.state.withLock { $0.pending -= 1 }
            }
        }
    }

    // MARK: - Consuming

    private func consume(_ message: MessageExt, _ workerNumber: Int, isWanted: Bool) async {
        guard !isDropped, let handle = message.properties["POP_CK"].flatMap({ PopHandle($0) }) else { return }
        // The broker may have given it to somebody else by now.
        guard SystemClock.wall().rawValue < handle.endsAt else { return }
        guard isWanted else { return await acknowledge(handle) }
        let place = MessageQueue(topic: queue.topic, brokerName: queue.brokerName, queueID: Int(message.queueID))
        switch await consumer.outcome(of: message, in: place, workerNumber, isEnding: { self.isDropped }) {
        case .success: await acknowledge(handle)
        case .later(let delayLevel): await handBack(message, handle, delayLevel)
        case nil: return
        }
    }

    private func acknowledge(_ handle: PopHandle) async {
        await tell { consumer, address throws(ClientError) in
            try await consumer.link.acknowledge(handle, of: self.queue.topic, group: consumer.group, at: address)
        }
    }

    /// Seconds until a message comes again, by the level asked for or the number of tries.
    /// Source: `DefaultMQPushConsumerImpl.java` `popDelayLevel`, 5.3.
    static let delays: [Int64] = [
        10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
    ]

    static func delay(level: Int, tries: Int32) -> Duration {
        let index = level == 0 ? Int(tries) : level
        return .seconds(delays[min(max(0, index), delays.count - 1)])
    }

    private func handBack(_ message: MessageExt, _ handle: PopHandle, _ delayLevel: Int) async {
        let isGivenUp = delayLevel < 0 || Int(message.reconsumeTimes) >= consumer.options.reconsumeTimesMax
        await tell { consumer, address throws(ClientError) in
            guard isGivenUp else {
                let delay = Self.delay(level: delayLevel, tries: message.reconsumeTimes)
                return try await consumer.link.postpone(
                    handle, by: delay, of: self.queue.topic, group: consumer.group, at: address)
            }
            try await consumer.link.sendBack(
                message, group: consumer.group, delayLevel: -1,
                maxReconsumeTimes: consumer.options.reconsumeTimesMax, to: address)
            try await consumer.link.acknowledge(handle, of: self.queue.topic, group: consumer.group, at: address)
        }
    }

    /// Tells the broker, once more if it does not answer. What it never hears comes again when its time is over.
    private func tell(
        _ body: @Sendable (ConsumerCore, _ address: String) async throws(ClientError) -> Void
    ) async {
        for _ in 0..<2 {
            do throws(ClientError) {
                guard let address = await consumer.link.brokerAddress(queue.brokerName) else {
                    throw .brokerNotFound(queue.brokerName)
                }
                return try await body(consumer, address)
            } catch {
                consumer.note(error)
                guard case .noAnswer = error else { return }
            }
        }
    }
}
