import MQBase
import MQSystem
import Synchronization

/// How many requests of one loop wait for the disk, and since when the first of them. Its loop writes, any thread reads.
final class WaitingGauge: Sendable {
    private let count = Atomic<Int>(0)
    /// In ns; 0 for none.
    private let oldest = Atomic<Int64>(0)

    /// Relaxed: nobody reads anything else because of it.
    func note(_ count: Int, oldest: Instant?) {
        self.count.store(count, ordering: .relaxed)
        self.oldest.store(oldest?.nanoseconds ?? 0, ordering: .relaxed)
    }

    fileprivate var present: (count: Int, oldest: Instant?) {
        let oldest = oldest.load(ordering: .relaxed)
        return (count.load(ordering: .relaxed), oldest == 0 ? nil : Instant(nanoseconds: oldest))
    }
}

/// The gauges of all loops for one kind of requests.
final class WaitingGauges: Sendable {
    private let gauges = Lock<[WaitingGauge]>([])

    /// One for another loop.
    func make() -> WaitingGauge {
        let gauge = WaitingGauge()
        gauges.withLock { $0.append(gauge) }
        return gauge
    }

    /// How many wait at all loops, and since when the first of them.
    var present: (count: Int, oldest: Instant?) {
        let all = gauges.withLock { $0 }.map(\.present)
        return (all.reduce(0) { $0 + $1.count }, all.compactMap(\.oldest).min())
    }
}
