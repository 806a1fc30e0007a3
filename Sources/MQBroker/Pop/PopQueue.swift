/// A queue as one group pops it.
struct PopQueueKey: Hashable, Sendable {
    let group: String
    /// The topic the messages lie in; of messages that come again their retry topic.
    let topic: String
    let queueID: Int32
}

/// One queue of one group: where the next pop begins and what is on its way. A plain value.
struct PopQueue {
    /// Messages that were put to the retry topic by a record that ends at `logEnd`.
    struct Retried {
        let span: PopSpan
        let logEnd: Int64
    }

    private struct First: Ranked {
        let rank: Int64
        let key: PopSpan.Key
    }

    let key: PopQueueKey
    /// Where the next pop begins: everything before it was given out, or is not wanted.
    var next: Int64
    /// What the group's progress says because of us.
    var committed: Int64
    /// What is given out and not done.
    private(set) var spans: [PopSpan.Key: PopSpan] = [:]
    /// The spans by their first open message, or by one before it.
    private var firsts = MinHeap<First>()
    /// Messages that are given out and not done.
    private(set) var openCount = 0
    /// What the log may lose yet: then it is on its way again.
    var unflushed: [Retried] = []
    /// The last ordered pop.
    var ordered: OrderedPop?
    /// When somebody is to hear that it blocks no more, ms since 1970.
    var freeAt: Int64?
    /// A pop reads it; others pass it by.
    var isBusy = false
    /// The journal knows it.
    var isJournaled = false
    /// When it was used last, ms since 1970.
    var lastUsed: Int64

    init(_ key: PopQueueKey, next: Int64, now: Int64) {
        self.key = key
        self.next = next
        committed = next
        lastUsed = now
    }

    /// Adds a span, or puts it in the place of the one with its key.
    mutating func insert(_ span: PopSpan) {
        guard span.open != 0 else { return }
        openCount += span.open.nonzeroBitCount
        if let old = spans.updateValue(span, forKey: span.key) { openCount -= old.open.nonzeroBitCount }
        if firsts.count > 2 * spans.count + 64 { firsts.compact { [spans] in spans[$0.key] != nil } }
        firsts.insert(First(rank: span.firstOpen, key: span.key))
    }

    /// Takes messages of a span for done.
    /// - Returns: whether any of them was open.
    mutating func close(_ key: PopSpan.Key, _ bits: UInt64) -> Bool {
        guard let index = spans.index(forKey: key) else { return false }
        let closed = spans.values[index].open & bits
        guard closed != 0 else { return false }
        spans.values[index].open &= ~closed
        openCount -= closed.nonzeroBitCount
        if spans.values[index].open == 0 { spans.remove(at: index) }
        return true
    }

    mutating func setExpired(_ key: PopSpan.Key, _ isExpired: Bool, deadline: Int64? = nil) {
        guard let index = spans.index(forKey: key) else { return }
        spans.values[index].isExpired = isExpired
        if let deadline { spans.values[index].deadline = deadline }
    }

    /// The first message that is not done: what the group's progress may say.
    var base: Int64 {
        mutating get {
            while let least = firsts.first, least.rank < next {
                guard let span = spans[least.key] else {
                    firsts.removeFirst()
                    continue
                }
                guard span.firstOpen != least.rank else { return least.rank }
                firsts.replaceFirst(with: First(rank: span.firstOpen, key: least.key))
            }
            return next
        }
    }

    /// Forgets what is on its way and goes on at `offset`.
    mutating func reset(to offset: Int64) {
        spans = [:]
        firsts = MinHeap()
        openCount = 0
        unflushed = []
        ordered = nil
        freeAt = nil
        next = offset
    }

    /// Forgets what lies at `end` or behind it: the log has lost that, and others will lie there.
    mutating func cut(at end: Int64) {
        guard next > end else { return }
        for span in Array(spans.values) {
            var lost: UInt64 = 0
            for (index, offset) in span.openOffsets where offset >= end { lost |= 1 << UInt64(index) }
            if lost != 0 { _ = close(span.key, lost) }
        }
        if let pop = ordered, pop.offsets.contains(where: { $0 >= end }) {
            ordered = nil
            freeAt = nil
        }
        next = end
    }
}
