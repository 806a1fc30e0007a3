/// A queue as one group pops it.
struct PopQueueKey: Hashable, Sendable {
    let group: String
    /// The topic the messages lie in; of messages that come again their retry topic.
    let topic: String
    let queueID: Int32
}

/// One queue of one group: where the next pop begins and what is on its way. A plain value.
struct PopQueue {
    let key: PopQueueKey
    /// Where the next pop begins: everything before it was given out, or is not wanted.
    var next: Int64
    /// What the group's progress says because of us.
    var committed: Int64
    /// What is given out and not done.
    private(set) var spans: [PopSpan.Key: PopSpan] = [:]
    /// The spans by their start; those that are done stay until they are the most.
    private var order: [PopSpan.Key] = []
    /// Where `order` begins.
    private var head = 0
    /// Messages that are given out and not done.
    private(set) var openCount = 0
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
        openCount += span.open.nonzeroBitCount
        if let old = spans.updateValue(span, forKey: span.key) {
            openCount -= old.open.nonzeroBitCount
            return
        }
        var place = order.count
        while place > head, order[place - 1].start > span.key.start { place -= 1 }
        order.insert(span.key, at: place)
    }

    /// Takes messages of a span for done.
    /// - Returns: whether any of them was open.
    mutating func close(_ key: PopSpan.Key, _ bits: UInt64) -> Bool {
        guard let index = spans.index(forKey: key) else { return false }
        let closed = spans.values[index].open & bits
        guard closed != 0 else { return false }
        spans.values[index].open &= ~closed
        openCount -= closed.nonzeroBitCount
        if spans.values[index].open == 0 {
            spans.remove(at: index)
            tidy()
        }
        return true
    }

    mutating func setExpired(_ key: PopSpan.Key, _ isExpired: Bool, deadline: Int64? = nil) {
        spans[key]?.isExpired = isExpired
        if let deadline { spans[key]?.deadline = deadline }
    }

    private mutating func tidy() {
        while head < order.count, spans[order[head]] == nil { head += 1 }
        if head > 32, head * 2 > order.count {
            order.removeFirst(head)
            head = 0
        }
        if order.count - head > 64, (order.count - head) > spans.count * 2 {
            order = order[head...].filter { spans[$0] != nil }
            head = 0
        }
    }

    /// The first message that is not done: what the group's progress may say.
    var base: Int64 {
        var least = next
        for key in order[head...] {
            // A changed invisible time takes a message out of the middle of its span: a later one may begin before it ends.
            if key.start >= least { break }
            if let span = spans[key] { least = min(least, span.firstOpen) }
        }
        return least
    }

    /// Forgets what is on its way and goes on at `offset`.
    mutating func reset(to offset: Int64) {
        spans = [:]
        order = []
        head = 0
        openCount = 0
        ordered = nil
        freeAt = nil
        next = offset
    }
}
