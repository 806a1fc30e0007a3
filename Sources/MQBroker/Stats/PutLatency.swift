import MQObserve

/// How long stored messages took, from the append's beginning to what their answer waited for. A value.
///
/// Source: `StoreStatsService.java`, RocketMQ 5.3, which forgets after a minute as well.
struct PutLatency {
    /// The classes by the names that are printed.
    private static let classNames = [
        "[<=0ms]", "[0~10ms]", "[10~50ms]", "[50~100ms]", "[100~200ms]", "[200~500ms]", "[500ms~1s]", "[1~2s]",
        "[2~3s]", "[3~4s]", "[4~5s]", "[5~10s]", "[10s~]",
    ]

    /// Comparisons and no table: this runs once a wake-up.
    private static func classIndex(_ milliseconds: UInt64) -> Int {
        switch milliseconds {
        case 0: 0
        case ..<10: 1
        case ..<50: 2
        case ..<100: 3
        case ..<200: 4
        case ..<500: 5
        case ..<1000: 6
        case ..<5000: 6 + Int(milliseconds / 1000)
        case ..<10_000: 11
        default: 12
        }
    }

    private var present = Histogram()
    private var presentClasses = [UInt64](repeating: 0, count: Self.classNames.count)
    /// The last whole minute; `nil` before there was one.
    private var last: (histogram: Histogram, classes: [UInt64])?
    private var maxNanoseconds: UInt64 = 0

    /// Counts `times` messages that took as long.
    mutating func record(nanoseconds: Int64, times: Int) {
        let value = UInt64(max(0, nanoseconds))
        present.record(value, times: UInt64(times))
        presentClasses[Self.classIndex(value / 1_000_000)] += UInt64(times)
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
        let distribution = zip(Self.classNames, counts).map { "\($0):\($1) " }.joined()
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
