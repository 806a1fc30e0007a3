import MQBase
import MQMessage
import MQProtocol
import MQSystem

/// What a consumer's queues share: never changes while it runs, but for the subscriptions behind their lock.
final class ConsumerCore: Sendable {
    let group: String
    let options: ConsumerOptions
    let link: ClusterLink
    let handler: MessageHandler
    let pool: HandlerPool
    /// What goes on beside pulls and handlers. None of it outlives the consumer.
    let side = SideTasks()
    let retryTopic: String
    private let subscriptions: Lock<[String: SubscriptionData]>
    private let lastError = Lock<ClientError?>(nil)

    init(
        group: String, options: ConsumerOptions, link: ClusterLink, subscriptions: [String: SubscriptionData],
        handler: @escaping MessageHandler
    ) {
        self.group = group
        self.options = options
        self.link = link
        self.handler = handler
        pool = HandlerPool(workersMax: options.handlersMax)
        retryTopic = NameRules.retryPrefix.description + group
        self.subscriptions = Lock(subscriptions)
    }

    /// What the application says of a message.
    /// - Parameter isEnding: whether a handler that was cancelled says nothing.
    /// - Returns: `nil`: nothing, because the consumer ends; the message stays where it is.
    func outcome(
        of message: MessageExt, in queue: MessageQueue, _ workerNumber: Int, isEnding: () -> Bool
    ) async -> ConsumeOutcome? {
        var message = message
        if let original = message.properties[PropertyName.retryTopic], message.topic == retryTopic {
            message.topic = original
        }
        message.properties[PropertyName.consumeStartTime] = String(SystemClock.wall().rawValue)
        let context = ConsumeContext(
            queue: queue, workerNumber: workerNumber,
            workerName: "ConsumeMessageThread_\(group)_\(workerNumber)")
        do {
            return try await handler(message, context)
        } catch {
            return error is CancellationError && isEnding() ? nil : .later()
        }
    }

    func subscription(_ topic: String) -> SubscriptionData? { subscriptions.withLock { $0[topic] } }

    var allSubscriptions: [SubscriptionData] {
        subscriptions.withLock { $0.values.sorted { $0.topic < $1.topic } }
    }

    func set(_ subscription: SubscriptionData) { subscriptions.withLock { $0[subscription.topic] = subscription } }

    func remove(subscription topic: String) { _ = subscriptions.withLock { $0.removeValue(forKey: topic) } }

    func note(_ error: ClientError) { lastError.withLock { $0 = error } }

    /// The last trouble with a broker, for whoever asks why nothing arrives.
    var trouble: ClientError? { lastError.withLock { $0 } }

    var data: ConsumerData {
        ConsumerData(
            groupName: group, messageModel: options.messageModel, consumeFromWhere: options.consumeFromWhere,
            subscriptionDataSet: allSubscriptions)
    }
}
