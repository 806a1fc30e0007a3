import MQProtocol
import MQSystem
import Synchronization

/// Messages, bytes and requests of one kind, counted on the way of messages, and what they came to lately. Any thread.
public final class StatsCounter: Sendable {
    private let messages = Atomic<Int>(0)
    private let bytes = Atomic<Int>(0)
    private let requests = Atomic<Int>(0)
    private let history: Lock<StatsHistory>

    /// - Parameter now: wall clock, milliseconds.
    init(now: Int64) { history = Lock(StatsHistory(begun: now)) }

    /// Counts. Relaxed: nobody reads anything else because of it.
    func add(messages: Int, bytes: Int, requests: Int = 1) {
        self.messages.add(messages, ordering: .relaxed)
        self.bytes.add(bytes, ordering: .relaxed)
        self.requests.add(requests, ordering: .relaxed)
    }

    /// Counts what `sums` has more than `followed`, which then is the same.
    func follow(_ sums: StatsTotals, _ followed: inout StatsTotals) {
        add(
            messages: sums.messages - followed.messages, bytes: sums.bytes - followed.bytes,
            requests: sums.requests - followed.requests)
        followed = sums
    }

    /// The sums so far.
    var totals: StatsTotals {
        StatsTotals(
            messages: messages.load(ordering: .relaxed), bytes: bytes.load(ordering: .relaxed),
            requests: requests.load(ordering: .relaxed))
    }

    /// Whether anything was ever counted.
    var isUsed: Bool { requests.load(ordering: .relaxed) > 0 }

    /// Remembers the sums as of now. What was never used needs no memory.
    func sample(_ spans: [StatsHistory.Span], at now: Int64) {
        let totals = totals
        history.withLock { history in
            guard totals.requests > 0 || !history.isEmpty else { return }
            for span in spans { history.sample(span, at: now, totals) }
        }
    }

    /// Last minute, hour and day of one of the sums, as `VIEW_BROKER_STATS_DATA` (315) answers.
    func data(_ value: KeyPath<StatsTotals, Int>, now: Int64) -> BrokerStatsData {
        let totals = totals
        let history = history.withLock { $0 }
        func item(_ span: StatsHistory.Span) -> BrokerStatsData.Item {
            let growth = history.growth(span, now: now, totals)
            return BrokerStatsData.Item(
                sum: growth.totals[keyPath: value], requests: growth.totals.requests, milliseconds: growth.milliseconds)
        }
        return BrokerStatsData(minute: item(.minute), hour: item(.hour), day: item(.day))
    }

    /// Messages a second in the last minute.
    func rate(now: Int64) -> Double { data(\.messages, now: now).minute.tps }
}

extension BrokerStatsData.Item {
    /// A sum and what it makes a second and a request.
    init(sum: Int, requests: Int, milliseconds: Int64) {
        self.init(
            sum: Int64(sum), tps: milliseconds > 0 ? Double(sum) * 1000 / Double(milliseconds) : 0,
            averagePerRequest: requests > 0 ? Double(sum) / Double(requests) : 0)
    }
}
