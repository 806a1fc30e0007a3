import MQBase
import MQJSON
import MQProtocol
import MQSystem

/// A pull consumer as its link knows it.
final class LitePullMembership: ConsumerMember {
    private let side: SideTasks
    private let group: String
    private let options: LitePullConsumer.Options
    private let subscriptions: Lock<[SubscriptionData]>
    private let rebalance: @Sendable () async -> Void
    private let reset: @Sendable (String, [MessageQueue: Int64]) async -> Void
    private let pulled: PulledMessages
    private let nameServers: [String]
    private let started = SystemClock.wall()

    init(_ consumer: LitePullConsumer, _ side: SideTasks, subscriptions: [SubscriptionData]) {
        self.side = side
        group = consumer.group
        options = consumer.options
        nameServers = consumer.link.options.nameServers
        self.subscriptions = Lock(subscriptions)
        pulled = consumer.pulled
        rebalance = { [weak consumer] in await consumer?.rebalance() }
        reset = { [weak consumer] in await consumer?.reset($0, to: $1) }
    }

    func set(_ subscriptions: [SubscriptionData]) { self.subscriptions.withLock { $0 = subscriptions } }

    private var sorted: [SubscriptionData] { subscriptions.withLock { $0 }.sorted { $0.topic < $1.topic } }

    var consumerData: ConsumerData {
        ConsumerData(
            groupName: group, consumeType: .actively, messageModel: options.messageModel,
            consumeFromWhere: options.consumeFromWhere, subscriptionDataSet: sorted)
    }

    func rebalanceSoon() {
        let rebalance = self.rebalance
        side.run { await rebalance() }
    }

    func resetSoon(_ topic: String, to offsets: [MessageQueue: Int64]) {
        let reset = self.reset
        side.run { await reset(topic, offsets) }
    }

    func offsets(in topic: String) async -> [MessageQueue: Int64] {
        pulled.progress(all: false).filter { $0.key.topic == topic }
    }

    func runningInfo() async -> JSON {
        [
            "mqPopTable": [:], "mqTable": [:],
            "properties": [
                "PROP_CONSUMEORDERLY": "false", "PROP_THREADPOOL_CORE_SIZE": "1",
                "PROP_CONSUME_TYPE": "CONSUME_ACTIVELY", "PROP_CLIENT_VERSION": "V5_3_3",
                "PROP_NAMESERVER_ADDR": JSON(nameServers.joined(separator: ";") + ";"),
                "PROP_CONSUMER_START_TIMESTAMP": JSON(String(started.rawValue)),
            ],
            "statusTable": [:], "subscriptionSet": .array(sorted.map(\.json)), "userConsumerInfo": [:],
        ]
    }
}
