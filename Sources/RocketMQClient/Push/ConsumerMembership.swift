import MQBase
import MQJSON
import MQProtocol
import MQSystem

/// A consumer as its link knows it: answers at once, from the loop's thread too, and asks the actor in its own time.
final class ConsumerMembership: ConsumerMember, Sendable {
    private let core: ConsumerCore
    private let rebalance: @Sendable () async -> Void
    private let queues: @Sendable () async -> [QueueWorker]
    private let poppers: @Sendable () async -> [PopWorker]
    private let reset: @Sendable (String, [MessageQueue: Int64]) async -> Void
    private let progress: @Sendable (String) async -> [MessageQueue: Int64]
    private let started = SystemClock.wall()

    init(_ consumer: PushConsumer, _ core: ConsumerCore) {
        self.core = core
        rebalance = { [weak consumer] in await consumer?.rebalance() }
        reset = { [weak consumer] in await consumer?.reset($0, to: $1) }
        progress = { [weak consumer] in await consumer?.progress(in: $0) ?? [:] }
        poppers = { [weak consumer] in
            guard let consumer else { return [] }
            return Array(await consumer.poppers.values)
        }
        queues = { [weak consumer] in
            guard let consumer else { return [] }
            return Array(await consumer.workers.values)
        }
    }

    var consumerData: ConsumerData { core.data }

    func rebalanceSoon() {
        let rebalance = self.rebalance
        core.side.run { await rebalance() }
    }

    func resetSoon(_ topic: String, to offsets: [MessageQueue: Int64]) {
        let reset = self.reset
        core.side.run { await reset(topic, offsets) }
    }

    func offsets(in topic: String) async -> [MessageQueue: Int64] { await progress(topic) }

    /// Source: `ConsumerRunningInfo.java`, 5.3: what `mqadmin consumerStatus` and `consumerProgress` read.
    func runningInfo() async -> JSON {
        var table = JSONObject()
        for worker in await queues() {
            if let key = worker.queue.json.object { table.set(.object(key), worker.info) }
        }
        var popTable = JSONObject()
        for popper in await poppers() {
            if let key = popper.queue.json.object { popTable.set(.object(key), popper.info) }
        }
        return [
            "mqPopTable": .object(popTable), "mqTable": .object(table),
            "properties": [
                "PROP_CONSUMEORDERLY": core.options.isOrderly ? "true" : "false",
                "PROP_THREADPOOL_CORE_SIZE": JSON(String(core.options.handlersMax)),
                "PROP_CONSUME_TYPE": "CONSUME_PASSIVELY", "PROP_CLIENT_VERSION": "V5_3_3",
                "PROP_NAMESERVER_ADDR": JSON(core.link.options.nameServers.joined(separator: ";") + ";"),
                "PROP_CONSUMER_START_TIMESTAMP": JSON(String(started.rawValue)),
            ],
            "statusTable": [:], "subscriptionSet": .array(core.allSubscriptions.map(\.json)), "userConsumerInfo": [:],
        ]
    }
}
