/// The last ordered pop of a queue: its messages, which are acknowledged, and when the others may come again. The queue's
/// next messages are given out only when all of these are acknowledged or their time is over. A plain value.
///
/// Source: `ConsumerOrderInfoManager.java` `OrderInfo`, RocketMQ 5.3.
struct OrderedPop: Equatable, Sendable {
    /// ms since 1970.
    var popTime: Int64
    /// ms.
    var invisibleTime: Int64
    /// Rising; at most 64.
    var offsets: [Int64]
    /// A bit for each acknowledged message.
    var acked: UInt64 = 0
    /// When a message may come again, where that was changed, by its place among the offsets; ms since 1970.
    var visibleAt: [Int: Int64] = [:]
    /// How often messages were given out before, by their offsets; none means never.
    var consumedCounts: [Int64: Int] = [:]
    /// When it was popped, ms since 1970.
    var lastConsumed: Int64
    /// Who repeats an attempt with the same id gets the same messages.
    var attemptID: String?

    /// What came of an ack.
    enum Ack: Equatable {
        /// The group goes on there.
        case next(Int64)
        /// No message of this pop lies there.
        case notFound
        /// It belongs to another pop.
        case otherPop
    }

    /// Whether any message is not acknowledged.
    var isOpen: Bool { offsets.indices.contains { !isAcked($0) } }

    private func isAcked(_ index: Int) -> Bool { acked & 1 << UInt64(index) != 0 }

    private func visible(_ index: Int) -> Int64 { visibleAt[index] ?? Self.sum(popTime, invisibleTime) }

    /// Whether the message at `offset` is acknowledged.
    func isAcked(at offset: Int64) -> Bool { offsets.firstIndex(of: offset).map { isAcked($0) } ?? false }

    /// Whether a pop must wait for this one.
    func blocks(attemptID: String?, now: Int64) -> Bool {
        if let own = self.attemptID, own == attemptID { return false }
        return offsets.indices.contains { !isAcked($0) && now < visible($0) }
    }

    /// When the last message that is not acknowledged may come again; `nil` if none blocks.
    func freeAt(now: Int64) -> Int64? {
        let latest = offsets.indices.filter { !isAcked($0) }.map { visible($0) }.max()
        return latest.flatMap { $0 > now ? $0 : nil }
    }

    /// Takes an ack.
    mutating func ack(_ offset: Int64, popTime: Int64) -> Ack {
        guard popTime == self.popTime else { return .otherPop }
        guard let index = offsets.firstIndex(of: offset) else { return .notFound }
        acked |= 1 << UInt64(index)
        return .next(nextOffset)
    }

    /// The first message that is not acknowledged, or what follows the last.
    var nextOffset: Int64 {
        let first = offsets.indices.first { !isAcked($0) }
        return first.map { offsets[$0] } ?? (offsets.last ?? -1) + 1
    }

    /// Sets when a message of this pop may come again.
    /// - Returns: whether it is one of this pop.
    mutating func change(_ offset: Int64, popTime: Int64, visibleAt: Int64) -> Bool {
        guard popTime == self.popTime, let index = offsets.firstIndex(of: offset) else { return false }
        self.visibleAt[index] = visibleAt
        return true
    }

    /// Takes over how often messages that come again were given out.
    mutating func inherit(from previous: OrderedPop) {
        if let own = attemptID, own == previous.attemptID {
            consumedCounts = previous.consumedCounts.filter { offsets.contains($0.key) }
            return
        }
        for offset in offsets where previous.offsets.contains(offset) {
            consumedCounts[offset] = min((previous.consumedCounts[offset] ?? 0) + 1, Int(Int32.max))
        }
    }

    /// Keeps what an earlier pop of the queue knows besides the messages of this one: which are acknowledged, so that they do
    /// not come again, and those before the last of them. None of them blocks. Java forgets them.
    mutating func keepRest(of previous: OrderedPop) {
        guard let first = offsets.first, let end = previous.offsets.indices.last(where: { previous.isAcked($0) }) else {
            return
        }
        var rest = (0...end).filter { index in
            let offset = previous.offsets[index]
            return !offsets.contains(offset) && (offset > first || !previous.isAcked(index))
        }
        rest = Array(rest.prefix(max(0, PopSpan.countMax - offsets.count)))
        for index in rest {
            consumedCounts[previous.offsets[index]] = previous.consumedCounts[previous.offsets[index]]
        }
        let known = rest.filter { previous.isAcked($0) }.map { previous.offsets[$0] }
        let quiet = rest.map { previous.offsets[$0] }
        offsets = (offsets + quiet).sorted()
        for (index, offset) in offsets.enumerated() {
            if known.contains(offset) { acked |= 1 << UInt64(index) }
            if quiet.contains(offset) { visibleAt[index] = popTime }
        }
    }

    /// What the pop's answer tells: the count of each message given out before, and the least of all.
    var counts: (each: [(offset: Int64, count: Int)], least: Int) {
        let each = offsets.compactMap { offset in consumedCounts[offset].map { (offset, $0) } }
        return (each, each.count < offsets.count ? 0 : each.map(\.1).min() ?? 0)
    }

    static func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}
