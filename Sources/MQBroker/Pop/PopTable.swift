/// What all groups have popped and not done with: where the next pop of each queue begins, which messages are invisible
/// until when, which are acknowledged. A plain value: no clock, file, lock or socket. Every change is also written to
/// ``staged``, as records that make the same table again.
struct PopTable {
    /// Bounds on its memory. RocketMQ's threshold counts the messages of one queue; these are not RocketMQ's.
    struct Limits: Sendable {
        /// Spans of all queues, about 200 bytes each; twice as many with those that changed invisible times make.
        var spansMax = 500_000
        /// Queues, about 400 bytes each.
        var queuesMax = 200_000
    }

    /// What a pop of a queue may do.
    enum Begin: Equatable {
        /// Read from there on, then tell what came of it. Until then nobody else may.
        case read(from: Int64)
        /// Another pop reads it.
        case busy(next: Int64)
        /// Too much is on its way.
        case full(next: Int64)
        /// Earlier messages of an ordered pop are not acknowledged.
        case blocked
    }

    /// When a span is over, or an ordered pop blocks no more.
    struct Deadline: Ranked {
        let deadline: Int64
        let queue: Int
        /// Of the span; its start is negative for an ordered pop.
        let key: PopSpan.Key

        var rank: Int64 { deadline }
    }

    /// Where a group goes on.
    struct Progress {
        let key: PopQueueKey
        let from: Int64
        let to: Int64
    }

    /// Highest number of a queue: memory that a journal can cost.
    static let numberMax = 1 << 20

    let limits: Limits
    var queues: [PopQueue?] = []
    var numbers: [PopQueueKey: Int] = [:]
    var free: [Int] = []
    var deadlines = MinHeap<Deadline>()
    /// Spans that are on their way.
    private(set) var spanCount = 0
    /// Queues whose progress may have moved.
    var moved: Set<Int> = []
    /// Progress that lay behind the end of its queue.
    var corrected: [Progress] = []
    /// Queues with messages that were put to the retry topic by records that the disk may not hold yet: should the log
    /// lose them, these are on their way again.
    var unflushed: Set<Int> = []
    /// How far each queue of the revive topic is taken in.
    var adopted: [Int32: Int64] = [:]
    /// Records of what has changed, for the journal to take.
    var staged: [UInt8] = []

    init(limits: Limits = Limits()) { self.limits = limits }

    /// Queues known.
    var queueCount: Int { numbers.count }
    /// The earliest deadline; it may be of a span that is done.
    var nextDeadline: Int64? { deadlines.first?.deadline }

    /// The queue, for those who look.
    func queue(_ key: PopQueueKey) -> PopQueue? { numbers[key].flatMap { queues[$0] } }

    // MARK: - Pop

    /// Where the next pop of a queue begins, if another one reads it now.
    func nextIfBusy(_ key: PopQueueKey) -> Int64? {
        guard let number = numbers[key], queues[number]?.isBusy == true else { return nil }
        return queues[number]?.next
    }

    /// Begins a pop.
    /// - Parameters:
    ///   - committed: the group's progress in the queue.
    ///   - isReset: an administrator has set that, so that what is on its way comes again, too.
    ///   - openMax: messages of one queue that may be on their way.
    mutating func begin(
        _ key: PopQueueKey, committed: Int64, isReset: Bool = false, now: Int64, openMax: Int = .max,
        isOrdered: Bool = false, attemptID: String? = nil
    ) -> Begin {
        guard let number = number(of: key, next: committed, now: now) else { return .full(next: committed) }
        if isReset { reset(number, to: committed) }
        follow(number, committed)
        let isCrowded = spanCount >= limits.spansMax
        return with(number) { queue in
            queue.lastUsed = now
            if queue.isBusy { return .busy(next: queue.next) }
            if isOrdered {
                if queue.ordered?.blocks(attemptID: attemptID, now: now) == true { return .blocked }
            } else if queue.openCount >= openMax || isCrowded {
                return .full(next: queue.next)
            }
            queue.isBusy = true
            return .read(from: queue.next)
        }
    }

    /// Ends a pop that found messages at `offsets` and looked at everything before `next`: they are invisible until
    /// `deadline`.
    mutating func give(_ key: PopQueueKey, _ span: PopSpan, next: Int64) {
        guard let number = numbers[key] else { return }
        journal(number)
        add(number, span, next: next)
        with(number) { $0.isBusy = false }
    }

    /// Ends an ordered pop.
    /// - Returns: the pop as it is kept: without messages that were acknowledged before, and with the counts of earlier
    ///   deliveries; `nil` if nothing is left.
    mutating func giveOrdered(_ key: PopQueueKey, _ pop: OrderedPop) -> OrderedPop? {
        guard let number = numbers[key] else { return nil }
        var pop = pop
        with(number) { queue in
            queue.isBusy = false
            pop.offsets.removeAll { $0 < queue.next || queue.ordered?.isAcked(at: $0) == true }
            guard !pop.offsets.isEmpty else { return }
            if let previous = queue.ordered { pop.inherit(from: previous) }
            var kept = pop
            if let previous = queue.ordered { kept.keepRest(of: previous) }
            queue.ordered = kept
        }
        guard !pop.offsets.isEmpty else { return nil }
        stageOrdered(number)
        return pop
    }

    /// Ends a pop that found nothing wanted before `next`.
    mutating func pass(_ key: PopQueueKey, to next: Int64) {
        guard let number = numbers[key] else { return }
        with(number) { queue in
            queue.isBusy = false
            queue.next = max(queue.next, next)
        }
        moved.insert(number)
    }

    /// Ends a pop whose offset is not one of the queue's: it goes on at `next`.
    mutating func correct(_ key: PopQueueKey, to next: Int64) {
        guard let number = numbers[key] else { return }
        let (before, old) = with(number) { queue in
            queue.isBusy = false
            return (queue.committed, queue.next)
        }
        guard next < old else { return pass(key, to: next) }
        reset(number, to: next)
        // Else the group would go on behind the end, and what comes until there would be passed over.
        if before != next { corrected.append(Progress(key: key, from: before, to: next)) }
    }

    /// Ends a pop that found nothing.
    mutating func release(_ key: PopQueueKey) {
        guard let number = numbers[key] else { return }
        with(number) { $0.isBusy = false }
    }

    // MARK: - Queues

    @discardableResult
    mutating func with<R>(_ number: Int, _ body: (inout PopQueue) -> R) -> R {
        guard var queue = queues[number] else { preconditionFailure("no queue has number \(number)") }
        queues[number] = nil  // so that it is changed in place
        defer { queues[number] = queue }
        return body(&queue)
    }

    mutating func number(of key: PopQueueKey, next: Int64, now: Int64) -> Int? {
        if let number = numbers[key] { return number }
        guard numbers.count < limits.queuesMax else { return nil }
        let number = free.popLast() ?? queues.count
        if number == queues.count { queues.append(nil) }
        queues[number] = PopQueue(key, next: next, now: now)
        numbers[key] = number
        return number
    }

    /// Makes the journal know the queue.
    mutating func journal(_ number: Int) {
        guard let queue = queues[number], !queue.isJournaled else { return }
        with(number) { $0.isJournaled = true }
        PopRecord.queue(number, queue.key, next: queue.next).append(to: &staged)
    }

    mutating func add(_ number: Int, _ span: PopSpan, next: Int64) {
        insert(number, span, next: next)
        PopRecord.span(number, span, next: queues[number]?.next ?? next).append(to: &staged)
    }

    mutating func insert(_ number: Int, _ span: PopSpan, next: Int64) {
        let change = with(number) { queue in
            let before = queue.spans.count
            queue.insert(span)
            queue.next = max(queue.next, next)
            return queue.spans.count - before
        }
        spanCount += change
        deadlines.insert(Deadline(deadline: span.deadline, queue: number, key: span.key))
        moved.insert(number)
    }

    mutating func close(_ number: Int, _ key: PopSpan.Key, _ bits: UInt64) -> Bool {
        moved.insert(number)
        let (isClosed, change) = with(number) { queue in
            let before = queue.spans.count
            let isClosed = queue.close(key, bits)
            return (isClosed, queue.spans.count - before)
        }
        spanCount += change
        return isClosed
    }

    mutating func stageOrdered(_ number: Int) {
        journal(number)
        moved.insert(number)
        guard let queue = queues[number], let pop = queue.ordered else { return }
        PopRecord.ordered(number, pop, next: queue.next).append(to: &staged)
        scheduleFreeing(number)
    }

    /// Makes sure that somebody hears of it when the ordered pop blocks no more.
    mutating func scheduleFreeing(_ number: Int) {
        guard let queue = queues[number], let pop = queue.ordered else { return }
        let due = pop.freeAt(now: 0)
        guard due != queue.freeAt else { return }
        with(number) { $0.freeAt = due }
        guard let due else { return }
        let key = PopSpan.Key(start: -1, popTime: pop.popTime)
        deadlines.insert(Deadline(deadline: due, queue: number, key: key))
    }

    /// Forgets what is on its way.
    mutating func reset(_ number: Int, to next: Int64) {
        clear(number, next)
        with(number) { $0.committed = next }
        if queues[number]?.isJournaled == true { PopRecord.reset(number, next: next).append(to: &staged) }
    }

    mutating func clear(_ number: Int, _ next: Int64) {
        spanCount -= queues[number]?.spans.count ?? 0
        unflushed.remove(number)
        with(number) { $0.reset(to: next) }
    }

    /// Forgets what the log has lost of a queue.
    mutating func cut(_ number: Int, at end: Int64) {
        let lost = with(number) { queue in
            let before = queue.spans.count
            queue.cut(at: end)
            return before - queue.spans.count
        }
        spanCount -= lost
    }

    mutating func forget(_ number: Int) {
        if queues[number]?.isJournaled == true { PopRecord.forget(number).append(to: &staged) }
        drop(number)
        free.append(number)
    }

    mutating func drop(_ number: Int) {
        guard let (key, count) = queues[number].map({ ($0.key, $0.spans.count) }) else { return }
        spanCount -= count
        numbers[key] = nil
        queues[number] = nil
        moved.remove(number)
        unflushed.remove(number)
    }
}
