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

    func subscription(_ topic: String) -> SubscriptionData? { subscriptions.withLock { $0[topic] } }

    var allSubscriptions: [SubscriptionData] {
        subscriptions.withLock { $0.values.sorted { $0.topic < $1.topic } }
    }

    func set(_ subscription: SubscriptionData) { subscriptions.withLock { $0[subscription.topic] = subscription } }

    func note(_ error: ClientError) { lastError.withLock { $0 = error } }

    /// The last trouble with a broker, for whoever asks why nothing arrives.
    var trouble: ClientError? { lastError.withLock { $0 } }

    var data: ConsumerData {
        ConsumerData(
            groupName: group, messageModel: options.messageModel, consumeFromWhere: options.consumeFromWhere,
            subscriptionDataSet: allSubscriptions)
    }
}
