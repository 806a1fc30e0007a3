import MQObserve

/// How long stored messages took, from the append's beginning to what their answer waited for. A value.
///
/// Source: `StoreStatsService.java`, RocketMQ 5.3, which forgets after a minute as well.
struct PutLatency {
    /// Upper ends of the classes, milliseconds, with the names that are printed; the last has none.
    private static let classes: [(name: String, below: UInt64)] = [
        ("[<=0ms]", 1), ("[0~10ms]", 10), ("[10~50ms]", 50), ("[50~100ms]", 100), ("[100~200ms]", 200),
        ("[200~500ms]", 500), ("[500ms~1s]", 1000), ("[1~2s]", 2000), ("[2~3s]", 3000), ("[3~4s]", 4000),
        ("[4~5s]", 5000), ("[5~10s]", 10_000), ("[10s~]", .max),
    ]

    private var present = Histogram()
    private var presentClasses = [UInt64](repeating: 0, count: Self.classes.count)
    /// The last whole minute; `nil` before there was one.
    private var last: (histogram: Histogram, classes: [UInt64])?
    private var maxNanoseconds: UInt64 = 0

    /// Counts `times` messages that took as long.
    mutating func record(nanoseconds: Int64, times: Int) {
        let value = UInt64(max(0, nanoseconds))
        present.record(value, times: UInt64(times))
        let index = Self.classes.firstIndex { value / 1_000_000 < $0.below } ?? Self.classes.count - 1
        presentClasses[index] += UInt64(times)
        maxNanoseconds = max(maxNanoseconds, value)
    }

    /// A minute is over.
    mutating func turn() {
        last = (present, presentClasses)
        present.reset()
        for index in presentClasses.indices { presentClasses[index] = 0 }
    }

    /// Names and values for `GET_BROKER_RUNTIME_INFO` (28): of the last whole minute, or of the first one so far.
    var runtimeValues: [(String, String)] {
        let (histogram, counts) = last ?? (present, presentClasses)
        let distribution = zip(Self.classes, counts).map { "\($0.name):\($1) " }.joined()
        return [
            ("putMessageDistributeTime", distribution),
            ("putMessageEntireTimeMax", String(maxNanoseconds / 1_000_000)),
            ("putLatency99", Self.milliseconds(histogram.percentile(99))),
            ("putLatency999", Self.milliseconds(histogram.percentile(99.9))),
        ]
    }

    /// With two decimals, as Java prints it.
    private static func milliseconds(_ nanoseconds: UInt64) -> String {
        let hundredths = (nanoseconds + 5000) / 10_000
        let decimals = hundredths % 100
        return "\(hundredths / 100).\(decimals < 10 ? "0" : "")\(decimals)"
    }
}
