/// What one pop took out of one queue and is not done with: some messages from `start` on, invisible until a deadline.
/// RocketMQ's check-point, `PopCheckPoint.java`. A plain value.
struct PopSpan: Equatable, Sendable {
    /// With ``start`` it names the span within its queue.
    struct Key: Hashable, Sendable {
        /// Where the pop began.
        var start: Int64
        /// When, ms since 1970.
        var popTime: Int64
    }

    /// Messages one span can have: a bit each.
    static let countMax = 64

    let key: Key
    /// When what is still open comes again, ms since 1970.
    var deadline: Int64
    /// How far each message lies behind the start, rising. Empty: they follow the start without a gap.
    private(set) var distances: [UInt32]
    /// How many messages it had.
    let count: Int
    /// A bit for each message that is not done.
    var open: UInt64
    /// Its deadline has passed, and what is open is on its way to the retry topic: acks count no more.
    var isExpired = false

    /// A span of messages at `offsets`, rising from `key.start` or behind it.
    /// - Returns: `nil` if they are none, too many, or do not rise so.
    init?(_ key: Key, offsets: [Int64], deadline: Int64) {
        guard !offsets.isEmpty, offsets.count <= Self.countMax else { return nil }
        var distances: [UInt32] = []
        var isDense = true
        var previous: Int64 = -1
        for (index, offset) in offsets.enumerated() {
            let (distance, overflow) = offset.subtractingReportingOverflow(key.start)
            guard !overflow, distance > previous, let short = UInt32(exactly: distance) else { return nil }
            if distance != Int64(index) { isDense = false }
            previous = distance
            distances.append(short)
        }
        self.init(
            key, distances: isDense ? [] : distances, count: offsets.count, deadline: deadline,
            open: Self.bits(offsets.count))
    }

    /// A span as it was stored.
    init(_ key: Key, distances: [UInt32], count: Int, deadline: Int64, open: UInt64) {
        self.key = key
        self.distances = distances
        self.count = count
        self.deadline = deadline
        self.open = open & Self.bits(count)
    }

    private static func bits(_ count: Int) -> UInt64 { count >= 64 ? .max : (1 << UInt64(count)) - 1 }

    /// The offset of message `index`.
    func offset(_ index: Int) -> Int64 { key.start + Int64(distances.isEmpty ? UInt32(index) : distances[index]) }

    /// Which of its messages lies at `offset`; `nil` if none does.
    func index(of offset: Int64) -> Int? {
        let (distance, overflow) = offset.subtractingReportingOverflow(key.start)
        guard !overflow, distance >= 0 else { return nil }
        if distances.isEmpty { return distance < Int64(count) ? Int(distance) : nil }
        return distances.firstIndex { Int64($0) == distance }
    }

    /// Offset of the first message that is not done.
    /// - Precondition: one is.
    var firstOpen: Int64 {
        precondition(open != 0, "a span that is done")
        return offset(open.trailingZeroBitCount)
    }

    /// Offsets of the messages that are not done.
    var openOffsets: [(index: Int, offset: Int64)] {
        (0..<count).filter { open & 1 << UInt64($0) != 0 }.map { ($0, offset($0)) }
    }

    /// Bytes it takes in memory, about; for limits.
    static let byteCount = 120
}
