/// What all groups have popped and not done with: where the next pop of each queue begins, which messages are invisible
/// until when, which are acknowledged. A plain value: no clock, file, lock or socket. Every change is also written to
/// ``staged``, as records that make the same table again.
struct PopTable {
    /// Bounds on its memory. RocketMQ's threshold counts the messages of one queue; these are not RocketMQ's.
    struct Limits: Sendable {
        /// Spans of all queues, about 200 bytes each.
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

    /// A span whose time is over.
    struct Expired: Sendable {
        let queue: Int
        let key: PopQueueKey
        let span: PopSpan
    }

    /// Highest number of a queue.
    static let numberMax = 1 << 24

    private let limits: Limits
    private var queues: [PopQueue?] = []
    private var numbers: [PopQueueKey: Int] = [:]
    private var free: [Int] = []
    private var heap = DeadlineHeap()
    /// Spans that are on their way.
    private(set) var spanCount = 0
    /// Queues whose progress may have moved.
    private var moved: Set<Int> = []
    /// Messages that were put to the retry topic by records that the disk may not hold yet: should the log lose them, these
    /// are on their way again.
    private var unflushed: [(queue: Int, span: PopSpan, logEnd: Int64)] = []
    /// How far each queue of the revive topic is taken in.
    private(set) var adopted: [Int32: Int64] = [:]
    /// Records of what has changed, for the journal to take.
    var staged: [UInt8] = []

    init(limits: Limits = Limits()) { self.limits = limits }

    /// Queues known.
    var queueCount: Int { numbers.count }
    /// The earliest deadline; it may be of a span that is done.
    var nextDeadline: Int64? { heap.first?.deadline }

    /// The queue, for those who look.
    func queue(_ key: PopQueueKey) -> PopQueue? { numbers[key].flatMap { queues[$0] } }

    // MARK: - Pop

    /// Begins a pop.
    /// - Parameters:
    ///   - committed: the group's progress in the queue.
    ///   - openMax: messages of one queue that may be on their way.
    mutating func begin(
        _ key: PopQueueKey, committed: Int64, now: Int64, openMax: Int = .max, isOrdered: Bool = false,
        attemptID: String? = nil
    ) -> Begin {
        guard let number = number(of: key, next: committed, now: now) else { return .full(next: committed) }
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
            queue.ordered = pop
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
        with(number) { $0.isBusy = false }
        if let queue = queues[number], next < queue.next {
            reset(number, to: next)
        } else {
            pass(key, to: next)
        }
    }

    /// Ends a pop that found nothing.
    mutating func release(_ key: PopQueueKey) {
        guard let number = numbers[key] else { return }
        with(number) { $0.isBusy = false }
    }

    // MARK: - Answers of consumers

    /// Takes an ack.
    /// - Returns: whether the message was on its way by this handle.
    mutating func ack(_ key: PopQueueKey, _ span: PopSpan.Key, offset: Int64) -> Bool {
        guard let number = numbers[key], let known = queues[number]?.spans[span], !known.isExpired,
            let index = known.index(of: offset), close(number, span, 1 << UInt64(index))
        else { return false }
        PopRecord.ack(number, span, 1 << UInt64(index)).append(to: &staged)
        return true
    }

    /// Gives one message of a span a new invisible time and so a handle of its own.
    /// - Returns: the new handle's pop time; `nil` if the message was not on its way by this handle.
    mutating func change(
        _ key: PopQueueKey, _ span: PopSpan.Key, offset: Int64, now: Int64, invisibleTime: Int64
    ) -> Int64? {
        guard let number = numbers[key], let known = queues[number]?.spans[span], !known.isExpired,
            let index = known.index(of: offset), close(number, span, 1 << UInt64(index))
        else { return nil }
        // Later than the old one, whatever the clock says: the old handle must not work any more.
        var fresh = PopSpan.Key(start: offset, popTime: max(now, span.popTime + 1))
        while queues[number]?.spans[fresh] != nil { fresh.popTime += 1 }
        PopRecord.ack(number, span, 1 << UInt64(index)).append(to: &staged)
        let changed = PopSpan(
            fresh, distances: [], count: 1, deadline: OrderedPop.sum(fresh.popTime, max(0, invisibleTime)), open: 1)
        add(number, changed, next: queues[number]?.next ?? 0)
        return fresh.popTime
    }

    /// Takes the ack of a message of an ordered pop.
    /// - Returns: what came of it; `nil` for a queue that has no ordered pop: the group goes on behind the message.
    mutating func ackOrdered(_ key: PopQueueKey, popTime: Int64, offset: Int64) -> OrderedPop.Ack? {
        guard let number = numbers[key], queues[number]?.ordered != nil else { return nil }
        let outcome = with(number) { queue -> OrderedPop.Ack in
            let outcome = queue.ordered?.ack(offset, popTime: popTime) ?? .otherPop
            if case .next(let next) = outcome { queue.next = max(queue.next, next) }
            return outcome
        }
        if case .next = outcome { stageOrdered(number) }
        return outcome
    }

    /// Sets when a message of an ordered pop may come again.
    mutating func changeOrdered(_ key: PopQueueKey, popTime: Int64, offset: Int64, visibleAt: Int64) -> Bool {
        guard let number = numbers[key], queues[number]?.ordered != nil else { return false }
        let isKnown = with(number) { queue in
            queue.ordered?.change(offset, popTime: popTime, visibleAt: visibleAt) ?? false
        }
        if isKnown { stageOrdered(number) }
        return isKnown
    }

    // MARK: - Time

    /// Takes spans whose time is over, and queues whose ordered pop blocks no more. Acks of the spans count no more;
    /// each must be finished or postponed.
    mutating func takeExpired(now: Int64, countMax: Int) -> (spans: [Expired], freed: [PopQueueKey]) {
        var spans: [Expired] = []
        var freed: [PopQueueKey] = []
        while spans.count < countMax, let first = heap.first, first.deadline <= now {
            heap.removeFirst()
            guard let queue = queues[first.queue] else { continue }
            if first.key.start < 0 {
                guard queue.freeAt == first.deadline else { continue }
                with(first.queue) { $0.freeAt = nil }
                freed.append(queue.key)
            } else if let span = queue.spans[first.key], span.deadline == first.deadline, !span.isExpired {
                with(first.queue) { $0.setExpired(first.key, true) }
                spans.append(Expired(queue: first.queue, key: queue.key, span: span))
            }
        }
        return (spans, freed)
    }

    /// Messages of an expired span were put to the retry topic, before `logEnd`, or are gone.
    mutating func finish(_ expired: Expired, _ bits: UInt64, logEnd: Int64) {
        guard queues[expired.queue]?.key == expired.key, close(expired.queue, expired.span.key, bits) else { return }
        PopRecord.revived(expired.queue, expired.span.key, bits, logEnd: logEnd).append(to: &staged)
        var span = expired.span
        span.open = bits
        if logEnd > 0 { unflushed.append((expired.queue, span, logEnd)) }
    }

    /// The log is on the disk up to `end`.
    mutating func flushed(to end: Int64) {
        unflushed.removeAll { $0.logEnd <= end }
    }

    /// An expired span could not be put to the retry topic; it is tried again at `deadline`.
    mutating func postpone(_ expired: Expired, to deadline: Int64) {
        guard let queue = queues[expired.queue], queue.key == expired.key, queue.spans[expired.span.key] != nil else {
            return
        }
        with(expired.queue) { $0.setExpired(expired.span.key, false, deadline: deadline) }
        heap.insert(DeadlineHeap.Entry(deadline: deadline, queue: expired.queue, key: expired.span.key))
    }

    // MARK: - Progress of groups

    /// Where groups go on now, of queues where that has moved since the last call.
    mutating func takeProgress() -> [(key: PopQueueKey, from: Int64, to: Int64)] {
        guard !moved.isEmpty else { return [] }
        var progress: [(key: PopQueueKey, from: Int64, to: Int64)] = []
        for number in moved {
            guard let queue = queues[number] else { continue }
            let base = queue.base
            guard base > queue.committed else { continue }
            progress.append((queue.key, queue.committed, base))
            with(number) { $0.committed = base }
        }
        moved.removeAll(keepingCapacity: true)
        return progress
    }

    /// Compares some queues with their groups' progress, which others may have set, and forgets those that are idle.
    /// - Parameters:
    ///   - start: number of the first queue to look at.
    ///   - committed: a group's progress; `nil`: topic or group are gone.
    /// - Returns: where to go on; `nil` behind the last.
    mutating func look(
        from start: Int, count: Int, idleBefore: Int64, committed: (PopQueueKey) -> Int64?
    ) -> Int? {
        let end = min(queues.count, start + count)
        for number in start..<max(start, end) {
            guard let queue = queues[number], !queue.isBusy else { continue }
            guard let progress = committed(queue.key) else {
                forget(number)
                continue
            }
            follow(number, progress)
            let isOpen = queue.openCount > 0 || queue.ordered?.isOpen == true
            guard !isOpen, queue.lastUsed < idleBefore, queues[number]?.next == progress else { continue }
            // What the disk may not hold yet must still be on its way should the log lose it.
            if !unflushed.contains(where: { $0.queue == number }) { forget(number) }
        }
        if heap.count > 2 * spanCount + queues.count + 1024 {
            heap.compact { [queues] entry in
                let queue = queues[entry.queue]
                return entry.deadline == (entry.key.start < 0 ? queue?.freeAt : queue?.spans[entry.key]?.deadline)
            }
        }
        return end < queues.count ? end : nil
    }

    // MARK: - What another broker left

    /// Takes a check-point of the revive topic for a span.
    /// - Returns: `false` if there is no room.
    mutating func adopt(_ key: PopQueueKey, _ span: PopSpan, committed: Int64, now: Int64) -> Bool {
        guard spanCount < limits.spansMax, let number = number(of: key, next: committed, now: now) else {
            return false
        }
        journal(number)
        add(number, span, next: queues[number]?.next ?? committed)
        return true
    }

    /// The revive topic's queue is taken in up to `offset`.
    mutating func setAdopted(_ reviveQueue: Int32, _ offset: Int64) {
        adopted[reviveQueue] = offset
        PopRecord.adopted(reviveQueue: reviveQueue, offset: offset).append(to: &staged)
    }

    /// Takes an ordered pop that another broker wrote down, unless one is known.
    mutating func adopt(_ key: PopQueueKey, ordered: OrderedPop, committed: Int64, now: Int64) {
        guard let number = number(of: key, next: committed, now: now), queues[number]?.ordered == nil else { return }
        with(number) { $0.ordered = ordered }
        stageOrdered(number)
    }

    /// Every ordered pop, for `consumerOrderInfo.json`.
    var orderedPops: [(key: PopQueueKey, pop: OrderedPop)] {
        queues.compactMap { queue in queue.flatMap { queue in queue.ordered.map { (queue.key, $0) } } }
    }

    // MARK: - Records

    /// Makes the change that `record` tells of. Nothing is staged.
    /// - Parameter logEnd: where the log ends: what was put behind it is lost.
    mutating func apply(_ record: PopRecord, logEnd: Int64, now: Int64) {
        switch record {
        case .queue(let number, let key, let next): place(key, at: number, next: next, now: now)
        case .span(let number, let span, let next):
            guard queue(number) != nil else { return }
            insert(number, span, next: next)
        case .ack(let number, let key, let bits): if queue(number) != nil { _ = close(number, key, bits) }
        case .revived(let number, let key, let bits, let end):
            if end <= logEnd, queue(number) != nil { _ = close(number, key, bits) }
        case .reset(let number, let next):
            if queue(number) != nil { clear(number, next) }
        case .forget(let number): if queue(number) != nil { drop(number) }
        case .ordered(let number, let pop, let next):
            guard queue(number) != nil else { return }
            with(number) { queue in
                queue.ordered = pop
                queue.next = next
            }
            scheduleFreeing(number)
        case .adopted(let reviveQueue, let offset): adopted[reviveQueue] = offset
        }
    }

    private func queue(_ number: Int) -> PopQueue? { queues.indices.contains(number) ? queues[number] : nil }

    private mutating func place(_ key: PopQueueKey, at number: Int, next: Int64, now: Int64) {
        while queues.count <= number { queues.append(nil) }
        drop(number)
        if let other = numbers[key] { drop(other) }
        queues[number] = PopQueue(key, next: next, now: now)
        queues[number]?.isJournaled = true
        numbers[key] = number
    }

    /// Compares a table that was made from records with the groups' progress, which was written down apart.
    /// - Parameter committed: a group's progress; `nil`: none.
    /// - Returns: what the groups' progress must be.
    mutating func settle(committed: (PopQueueKey) -> Int64?) -> [(key: PopQueueKey, offset: Int64)] {
        free = queues.indices.filter { queues[$0] == nil }
        return numbers.values.sorted().compactMap { number in
            guard let queue = queues[number] else { return nil }
            let noted = committed(queue.key) ?? -1
            // Ours is never behind what was written down by us; what is further was set by somebody else.
            let progress = max(queue.base, noted)
            with(number) { queue in
                queue.next = max(queue.next, progress)
                queue.committed = progress
            }
            return noted == progress ? nil : (queue.key, progress)
        }
    }

    /// Stages the whole of some queues, as if they had come to be now.
    /// - Returns: where to go on; `nil` behind the last.
    mutating func stageState(from start: Int, spansMax: Int) -> Int? {
        if start == 0 {
            for (queue, offset) in adopted {
                PopRecord.adopted(reviveQueue: queue, offset: offset).append(to: &staged)
            }
        }
        var number = start
        var spans = 0
        while number < queues.count, spans < spansMax {
            defer { number += 1 }
            guard let queue = queues[number], queue.isJournaled else { continue }
            PopRecord.queue(number, queue.key, next: queue.next).append(to: &staged)
            stageSpans(number, queue)
            if let ordered = queue.ordered {
                PopRecord.ordered(number, ordered, next: queue.next).append(to: &staged)
            }
            spans += queue.spans.count + 1
        }
        return number < queues.count ? number : nil
    }

    private mutating func stageSpans(_ number: Int, _ queue: PopQueue) {
        let doubtful = unflushed.filter { $0.queue == number }
        var spans = queue.spans
        for entry in doubtful {
            var span = spans[entry.span.key] ?? entry.span
            span.open |= entry.span.open
            spans[entry.span.key] = span
        }
        for span in spans.values.sorted(by: { $0.key.start < $1.key.start }) {
            PopRecord.span(number, span, next: queue.next).append(to: &staged)
        }
        for entry in doubtful {
            PopRecord.revived(number, entry.span.key, entry.span.open, logEnd: entry.logEnd).append(to: &staged)
        }
    }

    // MARK: - Helpers

    @discardableResult
    private mutating func with<R>(_ number: Int, _ body: (inout PopQueue) -> R) -> R {
        guard var queue = queues[number] else { preconditionFailure("no queue has number \(number)") }
        queues[number] = nil  // so that it is changed in place
        defer { queues[number] = queue }
        return body(&queue)
    }

    private mutating func number(of key: PopQueueKey, next: Int64, now: Int64) -> Int? {
        if let number = numbers[key] { return number }
        guard numbers.count < limits.queuesMax else { return nil }
        let number = free.popLast() ?? queues.count
        if number == queues.count { queues.append(nil) }
        queues[number] = PopQueue(key, next: next, now: now)
        numbers[key] = number
        return number
    }

    /// Makes the journal know the queue.
    private mutating func journal(_ number: Int) {
        guard let queue = queues[number], !queue.isJournaled else { return }
        with(number) { $0.isJournaled = true }
        PopRecord.queue(number, queue.key, next: queue.next).append(to: &staged)
    }

    private mutating func add(_ number: Int, _ span: PopSpan, next: Int64) {
        insert(number, span, next: next)
        PopRecord.span(number, span, next: queues[number]?.next ?? next).append(to: &staged)
    }

    private mutating func insert(_ number: Int, _ span: PopSpan, next: Int64) {
        let change = with(number) { queue in
            let before = queue.spans.count
            queue.insert(span)
            queue.next = max(queue.next, next)
            return queue.spans.count - before
        }
        spanCount += change
        heap.insert(DeadlineHeap.Entry(deadline: span.deadline, queue: number, key: span.key))
        moved.insert(number)
    }

    private mutating func close(_ number: Int, _ key: PopSpan.Key, _ bits: UInt64) -> Bool {
        moved.insert(number)
        let (isClosed, change) = with(number) { queue in
            let before = queue.spans.count
            let isClosed = queue.close(key, bits)
            return (isClosed, queue.spans.count - before)
        }
        spanCount += change
        return isClosed
    }

    private mutating func stageOrdered(_ number: Int) {
        journal(number)
        moved.insert(number)
        guard let queue = queues[number], let pop = queue.ordered else { return }
        PopRecord.ordered(number, pop, next: queue.next).append(to: &staged)
        scheduleFreeing(number)
    }

    /// Makes sure that somebody hears of it when the ordered pop blocks no more.
    private mutating func scheduleFreeing(_ number: Int) {
        guard let queue = queues[number], let pop = queue.ordered else { return }
        let due = pop.freeAt(now: 0)
        guard due != queue.freeAt else { return }
        with(number) { $0.freeAt = due }
        guard let due else { return }
        let key = PopSpan.Key(start: -1, popTime: pop.popTime)
        heap.insert(DeadlineHeap.Entry(deadline: due, queue: number, key: key))
    }

    /// Somebody else has set the group's progress: the queue goes on there.
    private mutating func follow(_ number: Int, _ committed: Int64) {
        guard let queue = queues[number], queue.committed != committed, !queue.isBusy else { return }
        if committed > queue.next {
            with(number) { queue in
                queue.next = committed
                queue.committed = committed
                queue.ordered = nil
                queue.freeAt = nil
            }
        } else {
            reset(number, to: committed)
        }
    }

    private mutating func reset(_ number: Int, to next: Int64) {
        clear(number, next)
        with(number) { $0.committed = next }
        if queues[number]?.isJournaled == true { PopRecord.reset(number, next: next).append(to: &staged) }
    }

    private mutating func clear(_ number: Int, _ next: Int64) {
        spanCount -= queues[number]?.spans.count ?? 0
        unflushed.removeAll { $0.queue == number }
        with(number) { $0.reset(to: next) }
    }

    private mutating func forget(_ number: Int) {
        if queues[number]?.isJournaled == true { PopRecord.forget(number).append(to: &staged) }
        drop(number)
        free.append(number)
    }

    private mutating func drop(_ number: Int) {
        guard let queue = queues[number] else { return }
        spanCount -= queue.spans.count
        numbers[queue.key] = nil
        queues[number] = nil
        moved.remove(number)
        unflushed.removeAll { $0.queue == number }
    }
}
