import MQBase
import MQSystem

/// How many requests wait and how long the first of them has, by the names of RocketMQ's thread pools.
///
/// A send waits for the flush, or, sent back, for a thread of `cold-read`; pulls and queries wait for one, if they must. What
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
        let pools: [(String, WorkLane)] = [
            ("send", .send), ("pull", .pull), ("litePull", .litePull), ("query", .query),
        ]
        for (name, lane) in pools {
            var (count, oldest) = coldReads.waiting(lane)
            if lane == .send {
                let waiting = stats.waitingSends
                count += waiting.count
                oldest = [oldest, waiting.oldest].compactMap { $0 }.min()
            }
            let wait = oldest.map { max(0, now.milliseconds(since: $0)) } ?? 0
            values.append((name + "ThreadPoolQueueSize", String(count)))
            values.append((name + "ThreadPoolQueueCapacity", String(flow[lane].countMax)))
            values.append((name + "ThreadPoolQueueHeadWaitTimeMills", String(wait)))
        }
        values.append(("EndTransactionQueueSize", String(coldReads.waiting(.transaction).count)))
        values.append(("EndTransactionThreadPoolQueueCapacity", String(flow[.transaction].countMax)))
        return values
    }
}
