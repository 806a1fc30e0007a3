public import MQBase
import MQProtocol
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

    /// The largest of some numbers.
    public final class Peak: Sendable {
        private let value = Atomic<Int64>(0)

        /// Takes `value` if it is the largest so far.
        public func note(_ value: Int64) { self.value.max(value, ordering: .relaxed) }

        /// The largest so far; 0 if there was none.
        public var present: Int64 { value.load(ordering: .relaxed) }
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
        var sampleCount = 0
        /// How far ``put`` and ``got`` have followed the tallies.
        var put = StatsTotals()
        var got = StatsTotals()
        var day: Int
        var putYesterdayMorning = 0
        var putTodayMorning = 0
        var gotYesterdayMorning = 0
        var gotTodayMorning = 0
    }

    /// Eleven minutes of samples.
    private static let samplesMax = 66
    private static let samplesOfAMinute = 6

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

    /// Sends that are stored and wait for the flush.
    let waitingSends = WaitingGauges()
    /// Pops, acks and new invisible times that are written to pop's journal and wait for its sync.
    let waitingAcks = WaitingGauges()

    /// Milliseconds that the slowest pull took of those that had to wait for the disk.
    public let slowestGet = Peak()
    /// Messages given to consumers that had to be read from the disk first.
    let fromDisk: StatsCounter
    /// The same, for each topic and group.
    public let topics: StatsTable

    private let state: Lock<State>
    private let latency = Lock(PutLatency())
    private let put: StatsCounter
    private let got: StatsCounter

    /// Nothing yet.
    public init(now: Instant, wall: Timestamp, topics: StatsTable = StatsTable()) {
        self.topics = topics
        put = StatsCounter(now: wall.rawValue)
        got = StatsCounter(now: wall.rawValue)
        fromDisk = StatsCounter(now: wall.rawValue)
        state = Lock(State(samples: [Sample(at: now.nanoseconds)], day: SystemClock.local(wall).day))
    }

    /// Notes that `records` messages took `nanoseconds` from the append's beginning to their answer; once a batch.
    func notePut(nanoseconds: Int64, records: Int) {
        latency.withLock { $0.record(nanoseconds: nanoseconds, times: records) }
    }

    /// Remembers the sums as of now; every ten seconds.
    public func sample(now: Instant, wall: Timestamp) {
        let sample = present(now)
        let day = SystemClock.local(wall).day
        let count = state.withLock { state in
            state.sampleCount += 1
            return state.sampleCount
        }
        if count % Self.samplesOfAMinute == 0 { latency.withLock { $0.turn() } }
        catchUp()
        for counter in [put, got, fromDisk] { counter.sample(StatsTable.spans(of: count), at: wall.rawValue) }
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
        let measured = latency.withLock { $0 }.runtimeValues + [("getMessageEntireTimeMax", String(slowestGet.present))]
        return measured + [
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

    /// The sums of the data plane, as counters with a past. One caller at a time would do; two count nothing twice, because
    /// each takes what is missing under the lock.
    private func catchUp() {
        state.withLock { state in
            put.follow(
                StatsTotals(messages: messagesIn.total, bytes: bytesIn.total, requests: messagesIn.total), &state.put)
            got.follow(
                StatsTotals(messages: messagesOut.total, bytes: bytesOut.total, requests: pullsFound.total), &state.got)
        }
    }

    /// What `VIEW_BROKER_STATS_DATA` (315) tells: of the whole broker under its cluster's name, else of topics and groups.
    func data(_ name: String, key: String, cluster: String, now: Int64) -> BrokerStatsData? {
        guard name.hasPrefix("BROKER_") else { return topics.data(name, key: key) }
        guard key == cluster else { return nil }
        catchUp()
        switch name {
        case "BROKER_PUT_NUMS": return put.data(\.messages, now: now)
        case "BROKER_GET_NUMS": return got.data(\.messages, now: now)
        case "BROKER_GET_FROM_DISK_NUMS": return fromDisk.data(\.messages, now: now)
        case "BROKER_GET_FROM_DISK_SIZE": return fromDisk.data(\.bytes, now: now)
        default: return nil
        }
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
