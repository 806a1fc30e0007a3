import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQProtocol
import MQStore
import MQSystem
import Synchronization

/// The `transactions` thread.
extension Transactions {
    /// Time before what the store refused is tried again, milliseconds.
    static let retryMilliseconds: Int64 = 1000

    /// What the thread keeps between two looks.
    struct Watch {
        let batch: AppendBatch
        /// When half messages were looked at last; before that, when the broker started.
        var lastRound: Int64
        /// When the ends that wait were first seen; `nil`: none wait.
        var pendingSince: Int64?
        /// The store refused something: nothing is tried before.
        var retryAt: Int64 = .min
        /// What is to be committed once it is durable.
        var mark: Mark?
        var turn = 0

        /// A wall clock that was set back must not put everything off.
        mutating func follow(_ now: Int64) {
            lastRound = min(lastRound, now)
            pendingSince = pendingSince.map { min($0, now) }
            retryAt = min(retryAt, now + Transactions.retryMilliseconds)
        }
    }

    /// Body of the `transactions` thread: runs until ``stop()``.
    func run() {
        var watch = Watch(batch: store.makeBatch(), lastRound: SystemClock.wall().rawValue)
        linkCopies()
        while true {
            let next = look(at: SystemClock.wall().rawValue, &watch)
            guard sleep(until: next) else { break }
        }
        _ = writeOperations(watch.batch)  // what the store does not take any more is asked about after the next start
        noteProgress(&watch)
    }

    /// Does what is due.
    /// - Returns: when something is due next; `nil`: when something happens.
    func look(at now: Int64, _ watch: inout Watch) -> Int64? {
        let settings = config.current.transactions
        operationByteCountMax.store(settings.operationByteCountMax, ordering: .relaxed)
        watch.follow(now)
        var next = Int64.max
        if let due = writingDue(now, settings, &watch), due <= now {
            watch.pendingSince = nil
            if !writeOperations(watch.batch) { watch.retryAt = now + Self.retryMilliseconds }
        }
        if let due = firstDue(now, watch.lastRound + settings.checkIntervalMilliseconds) {
            let due = max(due, watch.retryAt)
            if due <= now {
                watch.lastRound = now
                if !round(at: now, &watch) {
                    watch.lastRound = now - settings.checkIntervalMilliseconds
                    watch.retryAt = now + Self.retryMilliseconds
                }
                next = now
            } else {
                next = min(next, due)
            }
        }
        if let due = writingDue(now, settings, &watch) { next = min(next, due) }
        noteProgress(&watch)
        if watch.mark != nil { next = min(next, now + 1000) }
        return next == .max ? nil : next
    }

    /// When what is over is to be written down; `nil`: nothing is.
    private func writingDue(_ now: Int64, _ settings: TransactionSettings, _ watch: inout Watch) -> Int64? {
        let pending = table.withLock { $0.pendingByteCount }
        guard pending > 0 else {
            watch.pendingSince = nil
            return nil
        }
        let since = watch.pendingSince ?? now
        watch.pendingSince = since
        let due = pending >= settings.operationByteCountMax ? since : since + settings.operationIntervalMilliseconds
        return max(due, watch.retryAt)
    }

    /// When the next round is due: not before `earliest`, and not before the first open half message has had its time.
    private func firstDue(_ now: Int64, _ earliest: Int64) -> Int64? {
        let end = halfQueue.maxOffset
        guard let first = table.withLock({ $0.firstOpen(from: 0, below: end) }) else { return nil }
        guard earliest <= now else { return earliest }
        // A unit that cannot be read is the round's trouble.
        guard let unit = try? halfQueue.unit(at: first) else { return earliest }
        let rules = rules
        let action = store.withRecord(at: unit.physicalOffset) { record, bytes in
            HalfFacts(bytes.extracting(record.properties), bornTimestamp: record.bornTimestamp.rawValue)
                .action(at: now, rules)
        }
        if case .wait(let until)? = action { return max(earliest, until) }
        return earliest
    }

    /// Waits for a wish or until `time`, milliseconds by the wall clock.
    /// - Returns: `false` once it is to stop.
    private func sleep(until time: Int64?) -> Bool {
        // A wall clock that is set must not keep the thread asleep.
        let wait = time.map { min(max($0 - SystemClock.wall().rawValue, 0), 60_000) }
        let seen = halfQueue.maxOffset
        if wait == nil {
            monitor.withLock { $0.isIdle = true }
            halfQueue.addWaiter(loop: Self.waiterIndex)
            // One may have come between the look and the waiter.
            let isOpen = table.withLock { $0.firstOpen(from: 0, below: halfQueue.maxOffset) } != nil
            if isOpen || halfQueue.maxOffset != seen { arrived() }
        }
        let goesOn = monitor.wait(milliseconds: wait) { wishes -> Bool? in
            if wishes.isStopping { return false }
            guard wishes.isWanted else { return nil }
            wishes.isWanted = false
            return true
        }
        if wait == nil {
            halfQueue.removeWaiter(loop: Self.waiterIndex)
            monitor.withLock { $0.isIdle = false }
        }
        return goesOn ?? true
    }

    // MARK: - Progress

    /// Forgets what is over at the front, and commits how far that is once the log is durable up to here: then nothing
    /// that the next start does not read again can be lost with the log's end.
    func noteProgress(_ watch: inout Watch) {
        let (half, operation) = table.withLock { table in
            table.advance(below: halfQueue.maxOffset)
            return (table.progress, table.operationProgress)
        }
        if let mark = watch.mark, mark.end <= store.flushedOffset {
            commit(mark)
            watch.mark = nil
        }
        guard watch.mark == nil else { return }
        guard half != committed(halfQueue) || operation != committed(operationQueue) else { return }
        let mark = Mark(half: half, operation: operation, end: store.writtenOffset)
        if mark.end <= store.flushedOffset { commit(mark) } else { watch.mark = mark }
    }

    private func committed(_ queue: ConsumeQueue) -> Int64 {
        offsets.query(group: Self.group, topic: queue.topic, queueID: 0) ?? 0
    }

    /// Half messages first: an operation that is read twice does no harm.
    private func commit(_ mark: Mark) {
        offsets.commit(group: Self.group, topic: halfQueue.topic, queueID: 0, offset: mark.half)
        offsets.commit(group: Self.group, topic: operationQueue.topic, queueID: 0, offset: mark.operation)
    }

    // MARK: - Start

    /// Finds copies among the half messages that are open at the start, whose originals may look open too.
    private func linkCopies() {
        let end = halfQueue.maxOffset
        var offset: Int64 = 0
        var count = 0
        while let open = table.withLock({ $0.firstOpen(from: offset, below: end) }), !isStopping {
            offset = open + 1
            count += 1
            guard let unit = try? halfQueue.unit(at: open) else { continue }  // the round will see it
            let half = store.withRecord(at: unit.physicalOffset) { record, bytes in
                HalfFacts(bytes.extracting(record.properties), bornTimestamp: record.bornTimestamp.rawValue)
                    .half(at: open)
            }
            if let half { table.withLock { $0.found(half) } }
        }
        if count > 0 { log.info("half messages found open", ["count": String(count)]) }
    }
}
