public import MQBase
import MQSystem
import Synchronization

/// What went through the broker since its start, and how fast lately. Any thread.
///
/// Source: `StoreStatsService.java`, `BrokerStats.java`, RocketMQ 5.3.
public final class BrokerStats: Sendable {
    /// A number that only grows.
    public final class Tally: Sendable {
        private let value = Atomic<Int>(0)

        /// Adds `count`. Relaxed: nobody reads anything else because of it.
        public func add(_ count: Int) { value.add(count, ordering: .relaxed) }

        /// The sum so far.
        public var total: Int { value.load(ordering: .relaxed) }
    }

    private struct Sample {
        var at: Int64
        var messagesIn = 0
        var messagesOut = 0
        var pullsFound = 0
        var pullsMissed = 0
    }

    private struct State {
        /// One each ten seconds, the oldest first.
        var samples: [Sample]
        var day: Int
        var putYesterdayMorning = 0
        var putTodayMorning = 0
        var gotYesterdayMorning = 0
        var gotTodayMorning = 0
    }

    /// Eleven minutes of samples.
    private static let samplesMax = 66

    /// Messages stored.
    public let messagesIn = Tally()
    /// Their records, bytes.
    public let bytesIn = Tally()
    /// Messages given to consumers.
    public let messagesOut = Tally()
    /// Their records, bytes.
    public let bytesOut = Tally()
    /// Pulls that brought something.
    public let pullsFound = Tally()
    /// Pulls that found nothing.
    public let pullsMissed = Tally()
    /// Sends that the store did not take.
    public let sendsFailed = Tally()

    private let state: Lock<State>

    /// Nothing yet.
    public init(now: Instant, wall: Timestamp) {
        state = Lock(State(samples: [Sample(at: now.nanoseconds)], day: SystemClock.local(wall).day))
    }

    /// Remembers the sums as of now; every ten seconds.
    public func sample(now: Instant, wall: Timestamp) {
        let sample = present(now)
        let day = SystemClock.local(wall).day
        state.withLock { state in
            state.samples.append(sample)
            if state.samples.count > Self.samplesMax { state.samples.removeFirst() }
            guard day != state.day else { return }
            state.day = day
            state.putYesterdayMorning = state.putTodayMorning
            state.gotYesterdayMorning = state.gotTodayMorning
            state.putTodayMorning = sample.messagesIn
            state.gotTodayMorning = sample.messagesOut
        }
    }

    /// Names and values for `GET_BROKER_RUNTIME_INFO` (28).
    func runtimeValues(now: Instant) -> [(String, String)] {
        let sample = present(now)
        let state = state.withLock { $0 }
        func rates(_ value: (Sample) -> Int) -> String {
            [10, 60, 600].map { Self.rate(sample, state.samples, seconds: $0, value) }.joined(separator: " ")
        }
        let transferred = rates(\.messagesOut)
        return [
            ("putTps", rates(\.messagesIn)), ("getTransferredTps", transferred),
            ("getTransferedTps", transferred),  // as 4.9 spells it
            ("getFoundTps", rates(\.pullsFound)), ("getMissTps", rates(\.pullsMissed)),
            ("getTotalTps", rates { $0.pullsFound + $0.pullsMissed }),
            ("msgPutTotalYesterdayMorning", String(state.putYesterdayMorning)),
            ("msgPutTotalTodayMorning", String(state.putTodayMorning)),
            ("msgPutTotalTodayNow", String(sample.messagesIn)),
            ("msgGetTotalYesterdayMorning", String(state.gotYesterdayMorning)),
            ("msgGetTotalTodayMorning", String(state.gotTodayMorning)),
            ("msgGetTotalTodayNow", String(sample.messagesOut)),
            ("putMessageTimesTotal", String(sample.messagesIn)), ("putMessageSizeTotal", String(bytesIn.total)),
            ("putMessageFailedTimes", String(sendsFailed.total)),
            ("putMessageAverageSize", String(Double(bytesIn.total) / Double(max(sample.messagesIn, 1)))),
        ]
    }

    private func present(_ now: Instant) -> Sample {
        Sample(
            at: now.nanoseconds, messagesIn: messagesIn.total, messagesOut: messagesOut.total,
            pullsFound: pullsFound.total, pullsMissed: pullsMissed.total)
    }

    /// How much a second, over the last `seconds` or as much of them as there was.
    private static func rate(
        _ now: Sample, _ samples: [Sample], seconds: Int64, _ value: (Sample) -> Int
    ) -> String {
        let from = now.at - seconds * 1_000_000_000
        guard let before = samples.last(where: { $0.at <= from }) ?? samples.first, before.at < now.at else {
            return "0.0"
        }
        let rate = Double(value(now) - value(before)) * 1e9 / Double(now.at - before.at)
        return String((rate * 1000).rounded() / 1000)
    }
}
