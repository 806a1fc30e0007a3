import MQBase
import MQProtocol

/// Which brokers a producer had better leave alone for a while, by how long they took to answer. A plain value: the
/// caller's clock, no lock.
///
/// Source: `MQFaultStrategy.java`, `LatencyFaultToleranceImpl.java`, RocketMQ 5.3.
struct FaultLatency {
    /// A broker that took at least `latency` is left alone for `pause`; both in milliseconds.
    static let steps: [(latency: Int64, pause: Int64)] = [
        (50, 0), (100, 0), (550, 2000), (1800, 5000), (3000, 6000), (5000, 10_000), (15_000, 30_000),
    ]
    /// What a broker that failed counts as having taken, milliseconds.
    static let latencyOfFailure: Int64 = 10_000

    private var availableAt: [String: Instant] = [:]

    /// How long a broker that took `latency` milliseconds is left alone.
    static func pause(after latency: Int64) -> Int64 { steps.last { $0.latency <= latency }?.pause ?? 0 }

    /// A send to `broker` took `latency` milliseconds, or failed.
    mutating func note(_ broker: String, latency: Int64, failed: Bool, at now: Instant) {
        let pause = Self.pause(after: failed ? Self.latencyOfFailure : latency)
        availableAt[broker] = pause > 0 ? now.advanced(byMilliseconds: pause) : nil
    }

    func isAvailable(_ broker: String, at now: Instant) -> Bool { availableAt[broker].map { $0 <= now } ?? true }

    /// The index of the queue to send to, going round from `turn`: at a broker that is available and did not just fail; else at one
    /// that did not just fail; else at the one that will be available first.
    func pick(_ queues: PublishQueues, turn: Int, avoiding failed: String?, at now: Instant) -> Int? {
        let count = queues.queues.count
        guard count > 0 else { return nil }
        let order = (0..<count).lazy.map { (turn % count + $0) % count }
        if let index = order.first(where: { index in
            let broker = queues.queues[index].brokerName
            return broker != failed && isAvailable(broker, at: now)
        }) {
            return index
        }
        return order.min { left, right in
            let (left, right) = (queues.queues[left].brokerName, queues.queues[right].brokerName)
            if (left == failed) != (right == failed) { return right == failed }
            return (availableAt[left] ?? now) < (availableAt[right] ?? now)
        }
    }
}
