import MQBase
import MQSystem

/// How many requests wait and how long the first of them has, by the names of RocketMQ's thread pools.
///
/// A send waits for the flush, or, sent back, for a thread of `cold-read`; pulls and queries wait for one, if they must; acks
/// wait for the sync of pop's journal, and so do pops, which are counted with them. What
/// RocketMQ's queues hold besides does not wait here. Source: `BrokerController.java` `headSlowTimeMills`,
/// `AdminBrokerProcessor.java` `prepareRuntimeInfo`, RocketMQ 5.3.
struct QueueFigures: Sendable {
    let coldReads: WorkerPool
    let stats: BrokerStats
    let config: LiveConfig

    /// Names and values for `GET_BROKER_RUNTIME_INFO` (28).
    func runtimeValues(now: Instant) -> [(String, String)] {
        let flow = config.current.flow
        var values: [(String, String)] = []
        func add(_ name: String, _ count: Int, _ capacity: Int, _ oldest: Instant?) {
            let wait = oldest.map { max(0, now.milliseconds(since: $0)) } ?? 0
            values.append((name + "ThreadPoolQueueSize", String(count)))
            values.append((name + "ThreadPoolQueueCapacity", String(capacity)))
            values.append((name + "ThreadPoolQueueHeadWaitTimeMills", String(wait)))
        }
        let pools: [(String, WorkLane)] = [
            ("send", .send), ("pull", .pull), ("litePull", .litePull), ("query", .query),
        ]
        for (name, lane) in pools {
            var (count, oldest) = coldReads.waiting(lane)
            if lane == .send {
                let waiting = stats.waitingSends.present
                count += waiting.count
                oldest = [oldest, waiting.oldest].compactMap { $0 }.min()
            }
            add(name, count, flow[lane].countMax, oldest)
        }
        let acks = stats.waitingAcks.present
        add("ack", acks.count, flow.ackCountMax, acks.oldest)
        values.append(("EndTransactionQueueSize", String(coldReads.waiting(.transaction).count)))
        values.append(("EndTransactionThreadPoolQueueCapacity", String(flow[.transaction].countMax)))
        return values
    }
}
