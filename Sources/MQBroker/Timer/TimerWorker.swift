import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQStore
import MQSystem

/// Puts messages of the wheel's queue into the timer, and delivers what is due. Owned by one thread, which calls ``round()``
/// when something came or the time has come that it names.
///
/// In a round: read the queue to its end, empty the slots whose second is over, oldest first, and look at the queue again
/// between them. A slot counts as emptied when all of it is in the log; a crash before that delivers it again.
///
/// Source: `TimerMessageStore.java` `enqueue`, `dequeue`, RocketMQ 5.3.
final class TimerWorker {
    /// What a worker works with.
    struct Parts {
        var store: MessageStore
        var timer: TimerStore
        var redelivery: Redelivery
        var counts: TimerCounts
        var stats: BrokerStats
        var clock: WallClock
        var syncMilliseconds: Int64
        var log: Log
        /// Waits so many milliseconds; `false`: stop.
        var pause: (Int64) -> Bool
    }

    static let topic = "rmq_sys_wheel_timer"
    private static let topicName: StaticString = "rmq_sys_wheel_timer"
    private static let batchByteCountMax = 1 << 20
    private static let batchCountMax = 1024
    /// Messages of the queue that are put in before due ones are looked for.
    private static let enqueueMax = 1 << 16
    /// How long after trouble with a disk it is tried again.
    private static let retryMilliseconds: Int64 = 1000
    /// Recalls of one slot that are kept in memory; more do not count.
    private static let deletesMax = 200_000

    let parts: Parts
    let queue: ConsumeQueue
    private(set) var status = TimerStatus()
    private let batch: AppendBatch
    private var units = ByteBuffer()
    private var records: [TimedRecord] = []
    private var deleted = ByteTable<Bool>()
    private var deletedCount = 0
    private var keyBytes = ByteBuffer()
    /// Queues that messages were delivered to lately.
    private var targets = ByteTable<[Int: ConsumeQueue]>()
    private var targetCount = 0
    /// How far the CommitLog must be on the disk before progress up to now may be.
    private var needs = PhysicalOffset.zero
    private var waitingSync: (sync: TimerSync, needs: PhysicalOffset)?
    private var isSyncing = false
    private var hasSyncFailed = false
    private var nextSync: Int64 = 0

    init(_ parts: Parts) {
        self.parts = parts
        queue = parts.store.queue(Self.topic, 0)
        batch = parts.store.makeBatch()
        note()
    }

    /// Opens the timer's files under the store's root. Blocks.
    static func open(_ store: MessageStore, _ settings: TimerSettings, now: Int64, log: Log) throws(TimerOpenError)
        -> TimerStore
    {
        let queue = store.queue(topic, 0)
        let offsets = queue.minOffset..<max(queue.minOffset, queue.maxOffset)
        func storedAt(_ offset: Int64) -> Int64? {
            guard offsets.contains(offset) else { return nil }
            return (try? store.storeTimestamp(queue, at: offset))??.rawValue  // as a missing message
        }
        let around = TimerStore.Surroundings(queue: offsets, now: now, storedAt: storedAt) { place in
            store.withRecord(at: place) { record, bytes -> Int64? in
                bytes.extracting(record.topic).equals(topicName) ? record.queueOffset : nil
            } ?? nil
        }
        return try TimerStore.open(
            root: store.config.root, logFileByteCount: settings.logFileByteCount, times: settings.times, around,
            log: log)
    }

    private var timer: TimerStore { parts.timer }
    private var store: MessageStore { parts.store }

    // MARK: - Rounds

    /// Does what can be done now.
    /// - Returns: when to come again, wall clock milliseconds; `nil` if only a new message or a finished sync changes anything.
    func round() -> Int64? {
        let before = timer.queueOffset
        do throws(SystemError) {
            defer { note() }
            guard try enqueue(), try deliverDue() else { return parts.clock.now + Self.retryMilliseconds }
            timer.moveHand(to: parts.clock.now)
            if timer.waiting == 0, timer.nextSlot == nil { parts.counts.settle(now: parts.clock.now) }
        } catch {
            batch.removeAll()
            parts.log.error("the timer cannot read or write its files", ["reason": error.description])
            return parts.clock.now + Self.retryMilliseconds
        }
        if timer.queueOffset < queue.maxOffset {  // a queue that does not give its units may later
            return parts.clock.now + (timer.queueOffset == before ? Self.retryMilliseconds : 0)
        }
        let due = timer.nextSlot.map { timer.times.due($0) }
        let sync = isSyncing || waitingSync != nil || hasSyncFailed || !timer.isAhead ? nil : nextSync
        return [due, sync].compactMap { $0 }.min()
    }

    private func note() {
        status.waiting = timer.waiting
        status.queueOffset = timer.queueOffset
        let now = parts.clock.now
        status.overdueSlot = timer.nextSlot.flatMap { timer.times.isDue($0, at: now) ? $0 : nil }
        if status.slots == nil { status.slots = timer.wheelFile.map { TimerSlots($0, times: timer.times) } }
        status.checkpoint = timer.checkpoint
    }

    // MARK: - In

    /// Puts in what the queue has; messages that are late go out at once. `false`: try again later.
    private func enqueue() throws(SystemError) -> Bool {
        var left = Self.enqueueMax
        while left > 0, timer.queueOffset < queue.maxOffset {
            let now = parts.clock.now
            guard !timer.isFarBehind(now) else { return true }
            let start = max(timer.queueOffset, queue.minOffset)  // what is older was deleted with its log file
            units.removeAll()
            let known = try queue.readUnits(from: start, count: Self.batchCountMax, into: &units)
            guard known > 0 else { break }
            var taken = 0
            records.removeAll(keepingCapacity: true)
            while taken < known, batch.byteCount < Self.batchByteCountMax {
                let unit = units.withBytes(0..<units.count) { QueueUnit($0, at: taken * QueueUnit.byteCount) }
                take(unit, at: start + Int64(taken), now)
                taken += 1
            }
            guard commit() else { return false }
            try timer.add(records, now: now)
            timer.queueOffset = start + Int64(taken)
            status.enqueued.add(taken, now: now)
            left -= taken
        }
        return true
    }

    /// Looks at one message of the queue.
    private func take(_ unit: QueueUnit, at offset: Int64, _ now: Int64) {
        let isTaken = store.withRecord(at: unit.physicalOffset) { record, bytes in
            guard isOfWheel(record, bytes, byteCount: unit.size) else { return false }
            needs = max(needs, PhysicalOffset(rawValue: record.physicalOffset + Int64(record.byteCount)))
            let text = bytes.extracting(record.properties)
            let facts = TimerFacts(text)
            guard let out = facts.out, let topic = facts.realTopic else { return false }
            guard !timer.isHandled(out: out, storedAt: record.storeTimestamp.rawValue, at: offset) else { return true }
            if timer.isPast(out, at: now) {
                return facts.deletes != nil || deliver(record, bytes, facts, enqueued: .max, now)
            }
            let real = text.extracting(topic)
            records.append(
                TimedRecord(
                    record: record.physicalOffset, byteCount: Int32(record.byteCount), out: out,
                    topicHash: javaHashCode(real), isDelete: facts.deletes != nil))
            parts.counts.add(facts.deletes == nil ? 1 : -1, to: real, now: now)
            return true
        }
        if isTaken != true {
            parts.log.warn("a message of the timer's queue is none", ["queueOffset": String(offset)])
        }
    }

    private func isOfWheel(_ record: MessageRecord, _ bytes: Span<UInt8>, byteCount: Int32) -> Bool {
        record.byteCount == Int(byteCount) && bytes.extracting(record.topic).equals(Self.topicName)
    }

    // MARK: - Out

    /// Empties the slots that are due. `false`: try again later.
    private func deliverDue() throws(SystemError) -> Bool {
        while let slot = timer.nextSlot, timer.times.isDue(slot, at: parts.clock.now) {
            guard try empty(slot) else { return false }
            guard try enqueue() else { return false }
        }
        return true
    }

    private func empty(_ slot: Int64) throws(SystemError) -> Bool {
        guard var chain = try timer.chain(of: slot) else {
            try timer.clear(slot)
            return true
        }
        noteDeletes(chain.deletes)
        while true {
            let piece = try chain.next()
            guard !piece.isEmpty else { break }
            for unit in piece where !unit.isDelete {
                deliver(unit, of: slot)
                if batch.byteCount >= Self.batchByteCountMax || batch.entries.count >= Self.batchCountMax {
                    guard commitPatiently() else { return false }
                }
            }
        }
        guard commitPatiently() else { return false }
        try timer.clear(slot)
        return true
    }

    /// A slot must not be begun anew because the disk was full in its middle.
    private func commitPatiently() -> Bool {
        while !commit(keepsBatch: true) {
            guard store.fenceReason == nil, parts.pause(Self.retryMilliseconds) else {
                batch.removeAll()
                return false
            }
        }
        return true
    }

    private func noteDeletes(_ deletes: [TimerUnit]) {
        if deletedCount > 0 { deleted.removeAll() }
        deletedCount = 0
        for unit in deletes.prefix(Self.deletesMax) {
            _ = store.withRecord(at: unit.record) { record, bytes in
                guard isOfWheel(record, bytes, byteCount: unit.recordByteCount) else { return }
                let text = bytes.extracting(record.properties)
                guard let key = TimerFacts(text).deletes else { return }
                deleted.set(text.extracting(key), to: true)
                deletedCount += 1
            }
        }
        if deletes.count > Self.deletesMax {
            parts.log.warn("too many messages of one second were taken back", ["count": String(deletes.count)])
        }
    }

    /// Stages the message of a unit: for its real topic, or for another way.
    private func deliver(_ unit: TimerUnit, of slot: Int64) {
        let now = parts.clock.now
        let isDone = store.withRecord(at: unit.record) { record, bytes in
            guard isOfWheel(record, bytes, byteCount: unit.recordByteCount) else { return false }
            let text = bytes.extracting(record.properties)
            let facts = TimerFacts(text)
            guard let out = facts.out, let topic = facts.realTopic else { return false }
            let rolls = unit.kind.contains(.roll)
            // Another record may have taken the place of one that a crash of the machine took.
            guard rolls || timer.times.floor(out) == slot else { return false }
            parts.counts.add(facts.deletes == nil ? -1 : 1, to: text.extracting(topic), now: now)
            if rolls { return roll(record, bytes, facts, enqueued: unit.writtenAt, now) }
            if deletedCount > 0, facts.deleteKey(text, into: &keyBytes), isDeleted() {
                parts.counts.add(1, to: text.extracting(topic), now: now)  // the recall has counted it
                return true
            }
            return deliver(record, bytes, facts, enqueued: unit.writtenAt, now)
        }
        if isDone != true {
            parts.log.warn("a timed message lost its record", ["offset": String(unit.record)])
        }
    }

    private func isDeleted() -> Bool { keyBytes.withBytes(0..<keyBytes.count) { deleted[$0] != nil } }

    private func deliver(
        _ record: MessageRecord, _ bytes: Span<UInt8>, _ facts: TimerFacts, enqueued: Int64, _ now: Int64
    ) -> Bool {
        let text = bytes.extracting(record.properties)
        guard let real = parts.redelivery.realQueue(text) else { return false }
        let topic = text.extracting(real.topic)
        let queue = target(topic, real.queueID)
        return stage(record, bytes, facts, topic, queue, rolls: false, enqueued: enqueued, now)
    }

    private func roll(
        _ record: MessageRecord, _ bytes: Span<UInt8>, _ facts: TimerFacts, enqueued: Int64, _ now: Int64
    ) -> Bool {
        let topic = bytes.extracting(record.topic)
        return stage(record, bytes, facts, topic, queue, rolls: true, enqueued: enqueued, now)
    }

    private func stage(
        _ record: MessageRecord, _ bytes: Span<UInt8>, _ facts: TimerFacts, _ topic: Span<UInt8>, _ queue: ConsumeQueue,
        rolls: Bool, enqueued: Int64, _ now: Int64
    ) -> Bool {
        let text = bytes.extracting(record.properties)
        for isAnnotated in [true, false] {
            let isStaged = parts.redelivery.stage(record, bytes, topic: topic, in: queue, into: batch) { buffer in
                facts.appendProperties(
                    text, rolls: rolls, enqueued: enqueued, now: now, isAnnotated: isAnnotated, to: &buffer)
            }
            if isStaged { return true }
        }
        return false
    }

    /// Queues that were looked up are kept; a name in a message makes a `String` once.
    private func target(_ topic: Span<UInt8>, _ queueID: Int) -> ConsumeQueue {
        if let queue = targets[topic]?[queueID] { return queue }
        if targetCount >= 4096 {
            targets.removeAll()
            targetCount = 0
        }
        let queue = parts.redelivery.target(topic.toString(), queueID)
        var queues = targets[topic] ?? [:]
        queues[queueID] = queue
        targets.set(topic, to: queues)
        targetCount += 1
        return queue
    }

    /// Appends what is staged. `false` if the store does not take it now.
    private func commit(keepsBatch: Bool = false) -> Bool {
        guard !batch.entries.isEmpty else { return true }
        do throws(AppendError) {
            try store.append(batch, at: Timestamp(rawValue: parts.clock.now))
        } catch {
            if !keepsBatch { batch.removeAll() }
            parts.log.error("cannot deliver timed messages", ["reason": error.description])
            return false
        }
        parts.stats.stored(batch)
        status.dequeued.add(batch.entries.count, now: parts.clock.now)
        needs = max(needs, batch.end)
        batch.removeAll()
        return true
    }

    // MARK: - Progress

    /// What is to be synced now, on another thread: then call ``finished(_:_:)``.
    /// - Parameter isClosing: whether it is time or not.
    func takeSync(isClosing: Bool = false) -> TimerSync? {
        guard !isSyncing, !hasSyncFailed else { return nil }
        let now = parts.clock.now
        if waitingSync == nil, timer.isAhead, isClosing || now >= nextSync {
            do throws(SystemError) {
                let recordStart = store.minOffset.rawValue
                waitingSync = try timer.sync(now: now, recordStart: recordStart).map { ($0, needs) }
            } catch {
                parts.log.error("the timer cannot read its files", ["reason": error.description])
            }
        }
        guard let waiting = waitingSync, waiting.needs <= store.flushedOffset else { return nil }
        waitingSync = nil
        isSyncing = true
        return waiting.sync
    }

    /// Whether progress waits for the CommitLog to be on the disk.
    var waitsForFlush: Bool { waitingSync != nil }

    /// A sync has ended. After a failed one progress is not written any more: nobody knows what is on the disk.
    func finished(_ sync: TimerSync, _ error: SystemError?) {
        isSyncing = false
        nextSync = parts.clock.now + parts.syncMilliseconds
        if let error {
            hasSyncFailed = true
            parts.log.error(
                "the timer's progress cannot be kept; after a restart messages come again",
                ["reason": error.description])
        } else {
            timer.synced(sync)
            status.checkpoint = timer.checkpoint
        }
    }
}
