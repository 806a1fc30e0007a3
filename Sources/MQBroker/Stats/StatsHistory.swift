/// What something has come to: three sums that only grow.
public struct StatsTotals: Equatable, Sendable {
    /// Messages.
    public var messages = 0
    /// Bytes of their records.
    public var bytes = 0
    /// Requests that brought or took them.
    public var requests = 0

    /// Sums.
    public init(messages: Int = 0, bytes: Int = 0, requests: Int = 0) {
        self.messages = messages
        self.bytes = bytes
        self.requests = requests
    }
}

/// Sums as they were at moments of the last minute, hour and day: what rates are made of. Pure; times are milliseconds of
/// the wall clock.
///
/// Source: `StatsItem.java`, RocketMQ 5.3: 7 moments 10 s apart, 7 that are 10 min apart, 25 that are 1 h apart.
struct StatsHistory {
    /// Which of the three.
    enum Span: CaseIterable { case minute, hour, day }

    private struct Moment {
        let at: Int64
        let totals: StatsTotals
    }

    /// How many moments of a span are kept: enough that the first is a whole span back.
    private static func countMax(_ span: Span) -> Int { span == .day ? 25 : 7 }

    private static func milliseconds(_ span: Span) -> Int64 {
        switch span {
        case .minute: 60_000
        case .hour: 3_600_000
        case .day: 86_400_000
        }
    }

    private let begun: Int64
    private var minute: [Moment] = []
    private var hour: [Moment] = []
    private var day: [Moment] = []

    /// - Parameter begun: when counting began, at 0.
    init(begun: Int64) { self.begun = begun }

    /// Whether ``sample(_:at:_:)`` has kept anything.
    var isEmpty: Bool { minute.isEmpty && hour.isEmpty && day.isEmpty }

    /// Remembers the sums as of now for one span.
    mutating func sample(_ span: Span, at now: Int64, _ totals: StatsTotals) {
        let moment = Moment(at: now, totals: totals)
        switch span {
        case .minute: Self.keep(moment, in: &minute, max: Self.countMax(span))
        case .hour: Self.keep(moment, in: &hour, max: Self.countMax(span))
        case .day: Self.keep(moment, in: &day, max: Self.countMax(span))
        }
    }

    private static func keep(_ moment: Moment, in moments: inout [Moment], max: Int) {
        if moments.count == max { moments.removeFirst() }
        moments.append(moment)
    }

    /// What came since the span's first moment, and in how many milliseconds; all of it while the span is not full yet,
    /// because sampling begins with the first message. Unlike Java, which ends at its last sample, this ends now.
    func growth(_ span: Span, now: Int64, _ totals: StatsTotals) -> (totals: StatsTotals, milliseconds: Int64) {
        let moments =
            switch span {
            case .minute: minute
            case .hour: hour
            case .day: day
            }
        // A clock that was set back makes no rate.
        guard moments.count == Self.countMax(span), let first = moments.first else {
            return (totals, min(max(0, now - begun), Self.milliseconds(span)))
        }
        let before = first.totals
        let grown = StatsTotals(
            messages: totals.messages - before.messages, bytes: totals.bytes - before.bytes,
            requests: totals.requests - before.requests)
        return (grown, max(0, now - first.at))
    }
}
