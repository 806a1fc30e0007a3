public import MQBase
public import MQBytes
public import MQMessage
public import MQSystem
import Synchronization

extension MessageStore {
    /// Where the log ends.
    public var writtenOffset: PhysicalOffset { log.written.value }
    /// What is on the disk.
    public var flushedOffset: PhysicalOffset { flusher.flushed.value }
    /// What queues and index hold.
    public var dispatchedOffset: PhysicalOffset { dispatcher.dispatched.value }
    /// Where the log begins.
    public var minOffset: PhysicalOffset { log.min }

    /// Whether the record at `offset` lies so far back that RocketMQ counts it as being on the disk.
    public func isFarBack(_ offset: Int64) -> Bool { offset < log.written.value.rawValue - config.hotByteCount }

    /// Whether the whole record at `offset` is in memory at this moment: only then may a loop touch it. Also if there is
    /// none: to see that waits for nothing.
    public func isInMemory(_ offset: Int64) -> Bool {
        guard offset >= 0, offset < log.written.value.rawValue else { return true }
        let place = PhysicalOffset(rawValue: offset)
        guard let segment = log.segment(at: place) else { return true }
        let start = place - segment.start
        let end = min(segment.end, log.written.value) - segment.start
        guard end - start >= 8 else { return true }
        guard let mapping = segment.mappingIfOpen, mapping.isInMemory([start..<start + 8]) else { return false }
        let size = Int(mapping.int32(at: start))
        guard size > 0, size <= end - start else { return true }
        return mapping.isInMemory([start..<start + size])
    }

    /// Tells that somebody has begun to wait for messages: what is in the log and not in the queues yet must not wait for
    /// the end of the dispatch thread's nap.
    public func waiterCame() {
        if dispatcher.dispatched.value < log.written.value { dispatcher.confirmedMoved(isAwaited: true) }
    }

    /// The queue, made if it is missing. Keep it; looking it up makes a `String`.
    public func queue(_ topic: String, _ queueID: Int) -> ConsumeQueue { queues.queue(topic, queueID) }

    /// Says whether new queues of `topic` hold batches (`queue.type=BatchCQ`). Those with messages stay what they are.
    public func setHoldsBatches(_ topic: String, _ holds: Bool) { queues.setHoldsBatches(topic, holds) }

    /// Topics that have messages in queues of batches.
    public var batchTopics: Set<String> { queues.topicsWithBatches }

    /// Whether there is room for queues that were never used.
    public var hasRoomForQueue: Bool { queues.queueCount < config.queueCountMax }

    /// The queue if it was ever used.
    public func existingQueue(_ topic: String, _ queueID: Int) -> ConsumeQueue? { queues.existing(topic, queueID) }

    /// Forgets everything about a topic's queues. The records stay in the log until their files go.
    public func deleteQueues(of topic: String) throws(SystemError) {
        try withdrawPoint()
        try compaction.remove(topic)  // before the queues begin anew: what is left by a crash would be of others
        try keeping.withLock { (_) throws(SystemError) in  // the checkpoint stays until the names are gone
            try queues.clear(topic, before: log.restart(queues.queues(of: topic)))
        }
        try compaction.remove(topic)
    }

    /// Topics that have messages.
    public var topicsWithQueues: [String] { queues.topics }

    /// How many queues each of those topics has, as far as they were used: one more than the highest number.
    public var queueCounts: [String: Int] { queues.counts }

    /// Finds up to `limits` messages from `offset` on whose tags code passes `matches`. Reads queue units, never records.
    /// - Parameters:
    ///   - access: whether it may wait for the disk.
    ///   - units: scratch for the raw units; its content is replaced.
    ///   - result: what was found; replaced, but for the memory it holds.
    ///   - matches: whether a message with this tags code is wanted; `nil` wants all.
    ///   - records: decides instead, by what the records hold. Then records are read, those only that are in memory where
    ///     the reader must not wait, and no more of each than its head and its properties.
    public func read(
        _ queue: ConsumeQueue, from offset: Int64, limits: ReadLimits, access: ReadAccess, units: inout ByteBuffer,
        into result: inout ReadResult, matches: ((Int64) -> Bool)?, records: RecordLook? = nil
    ) throws(SystemError) {
        let minimum = queue.minOffset
        let maximum = queue.maxOffset
        result.restart(nextOffset: offset, minOffset: minimum, maxOffset: maximum)
        if maximum == 0 {
            result.status = .noMessageInQueue
            result.nextOffset = 0
        } else if offset < minimum {
            result.status = .offsetTooSmall
            result.nextOffset = minimum
        } else if offset == maximum {
            result.status = .offsetOverflowOne
        } else if offset > maximum {
            result.status = .offsetOverflowBadly
            result.nextOffset = maximum
        } else {
            result.hasOldUnits = offset < queue.checkedFrom.load(ordering: .relaxed)
            // What they bring is checked, which is not for a loop.
            if result.hasOldUnits, !access.mayWait { return result.markCold() }
            if let batches = queue.batches {
                try collect(queue, batches, &result, limits, access, &units, matches, records)
            } else {
                try collect(queue, &result, limits, access, &units, matches, records)
            }
        }
    }

    private func collect(
        _ queue: ConsumeQueue, _ result: inout ReadResult, _ limits: ReadLimits, _ access: ReadAccess,
        _ units: inout ByteBuffer, _ matches: ((Int64) -> Bool)?, _ records: RecordLook?
    ) throws(SystemError) {
        var tags = QueueExtension.Cursor()
        var finder = RecordFinder(access)
        var look = UnitLook(
            limits: limits, hotFrom: log.written.value.rawValue - config.hotByteCount, keepsApart: access.mayWait,
            nextOffset: result.nextOffset, looksAtRecords: records != nil)
        while !look.isFull, !result.isStopped, look.scanned < limits.unitCount, look.messageCount < limits.messageCount
        {
            units.removeAll()
            let wanted = min(limits.unitCount - look.scanned, max(limits.messageCount, 32))
            let known = try self.units(of: queue, from: look.nextOffset, count: wanted, access, &units)
            guard let known else { return result.markCold() }
            guard known > 0 else { break }
            var done = 0
            while done < known, !look.isFull, !result.isStopped {
                done = look.take(units.span, from: done, to: known, into: &result.ranges, matches)
                switch look.wants {
                case .nothing: break
                case .file(let place):
                    guard try enter(place, &look, &result.ranges, access) else { return result.markCold() }
                case .decision where records != nil:
                    let unit = QueueUnit(units.span, at: done * QueueUnit.byteCount)
                    guard try decide(unit, of: queue, &look, &result, access, &finder, records) else { return }
                case .decision:
                    guard access.mayWait else { return result.markCold() }
                    let unit = QueueUnit(units.span, at: done * QueueUnit.byteCount)
                    let code = try queue.tagsCode(of: unit, &tags)
                    look.decide(code.flatMap { matches?($0) } ?? true)
                }
            }
        }
        finish(&look, &result, access)
    }

    /// As the other one, in a queue of batches: the batch that holds the offset comes whole, and limits count its messages.
    /// A reader that looks at properties is shown the batch's own, as RocketMQ does, not those of the messages in it.
    private func collect(
        _ queue: ConsumeQueue, _ batches: BatchUnits, _ result: inout ReadResult, _ limits: ReadLimits,
        _ access: ReadAccess, _ units: inout ByteBuffer, _ matches: ((Int64) -> Bool)?, _ records: RecordLook?
    ) throws(SystemError) {
        var finder = RecordFinder(access)
        var look = UnitLook(
            limits: limits, hotFrom: log.written.value.rawValue - config.hotByteCount, keepsApart: access.mayWait,
            nextOffset: result.nextOffset, looksAtRecords: records != nil)
        let way = access.mayWait ? BatchUnits.Access.mayWait : .inMemory
        guard case .unit(var number) = try batches.find(look.nextOffset, way) else { return result.markCold() }
        while !look.isFull, !result.isStopped, look.scanned < limits.unitCount, look.messageCount < limits.messageCount
        {
            units.removeAll()
            let wanted = min(limits.unitCount - look.scanned, max(limits.messageCount, 32))
            let known = try batches.read(from: number, count: wanted, way, into: &units)
            guard let known else { return result.markCold() }
            guard known > 0 else { break }
            var done = 0
            while done < known, !look.isFull, !result.isStopped {
                let unit = BatchUnit(units.span, at: done * BatchUnit.byteCount)
                look.take(unit, below: result.maxOffset, into: &result.ranges, matches)
                switch look.wants {
                case .nothing: if !look.isFull { done += 1 }
                case .file(let place):
                    guard try enter(place, &look, &result.ranges, access) else { return result.markCold() }
                case .decision:
                    guard try decide(unit.unit, of: queue, &look, &result, access, &finder, records) else { return }
                }
            }
            number += Int64(done)
        }
        let start = result.nextOffset
        finish(&look, &result, access)
        // Units that a disk destroyed: the reader goes on behind them.
        if !result.needsDisk, result.nextOffset == start {
            result.nextOffset = look.scanned > 0 ? start + 1 : result.maxOffset
        }
    }

    /// Tells `look` which file holds the record at `place`. `false`: that may not be in memory.
    private func enter(
        _ place: PhysicalOffset, _ look: inout UnitLook, _ ranges: inout LogRanges, _ access: ReadAccess
    ) throws(SystemError) -> Bool {
        // What another process wrote is checked, which is not for a loop: no need to look at the rest first.
        if !access.mayWait, place < checkedFrom { return false }
        let segment = log.segment(at: place)
        if !access.mayWait, let segment, segment.mappingIfOpen == nil { return false }
        var bytes: Mapping?
        if let segment { bytes = try mapping(of: segment) }
        look.enter(segment, bytes, for: place, &ranges)
        return true
    }

    private func finish(_ look: inout UnitLook, _ result: inout ReadResult, _ access: ReadAccess) {
        look.end(&result.ranges)
        (result.nextOffset, result.messageCount) = (look.nextOffset, look.messageCount)
        result.byteCount = look.byteCount
        // A damaged unit may name an older record in a file that was entered for a newer one.
        if !access.mayWait,
            look.lowest < checkedFrom.rawValue
                || look.lowest < access.knownFrom && !result.ranges.isInMemory
        {
            result.markCold()
        }
        if look.messageCount == 0 {
            result.status = look.scanned > 0 || result.isStopped ? .noMatchedMessage : .offsetFoundNull
        }
    }

    /// Asks the reader about the unit's message. `false`: that would wait for the disk before anything was found.
    private func decide(
        _ unit: QueueUnit, of queue: ConsumeQueue, _ look: inout UnitLook, _ result: inout ReadResult,
        _ access: ReadAccess, _ finder: inout RecordFinder, _ records: RecordLook?
    ) throws(SystemError) -> Bool {
        let choice = try self.choice(unit, of: queue, access, &finder, records)
        // What was found so far is delivered before anybody waits for the disk.
        if choice == nil, look.messageCount == 0 {
            result.markCold()
            return false
        }
        if choice == nil || choice == .stop { result.isStopped = true } else { look.decide(choice == .take) }
        return true
    }

    /// What the reader says of the unit's message; `nil` if that would wait for the disk, and it must not.
    private func choice(
        _ unit: QueueUnit, of queue: ConsumeQueue, _ access: ReadAccess, _ finder: inout RecordFinder,
        _ records: RecordLook?
    ) throws(SystemError) -> RecordChoice? {
        guard let records else { return .take }
        if access.mayWait, unit.hasExtension, let mayWant = records.mayWant,
            let bits = try queue.extensionUnit(of: unit), !mayWant(bits.bitMap.span, bits.storeTimestamp)
        {
            return .leave
        }
        return try finder.choice(unit, in: log, records)
    }

    /// Reads units; `nil`: they are not in memory, and it may not wait.
    private func units(
        of queue: ConsumeQueue, from offset: Int64, count: Int, _ access: ReadAccess, _ units: inout ByteBuffer
    ) throws(SystemError) -> Int? {
        access.mayWait
            ? try queue.readUnits(from: offset, count: count, into: &units)
            : try queue.readUnitsInMemory(from: offset, count: count, into: &units)
    }

    /// The bytes of a file; `nil` if it was just deleted.
    private func mapping(of segment: Segment) throws(SystemError) -> Mapping? {
        do throws(SystemError) {
            return try segment.mapping
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// Calls `body` with the bytes of the whole record at `offset`. May wait for the disk.
    /// - Returns: `nil` if no record begins there, or a damaged one, or if its file was deleted.
    public func withRecord<R>(at offset: Int64, _ body: (MessageRecord, Span<UInt8>) -> R) -> R? {
        guard offset >= 0, offset < log.written.value.rawValue else { return nil }
        let place = PhysicalOffset(rawValue: offset)
        // A file that cannot be mapped is like one that was deleted: there is no record to show.
        guard let segment = log.segment(at: place), let mapping = try? segment.mapping else { return nil }
        let end = min(segment.end, log.written.value)
        let bytes = mapping.bytes((place - segment.start)..<(end - segment.start))
        do throws(WireError) {
            let record = try MessageRecord(bytes)
            guard record.physicalOffset == offset, isServable(record, bytes) else { return nil }
            return body(record, bytes.extracting(0..<record.byteCount))
        } catch {
            return nil
        }
    }

    /// When the message at `offset` of a queue was stored. May wait for the disk.
    public func storeTimestamp(_ queue: ConsumeQueue, at offset: Int64) throws(SystemError) -> Timestamp? {
        let inLog = try queue.unit(at: offset).flatMap { unit in
            withRecord(at: unit.physicalOffset) { record, _ in record.storeTimestamp }
        }
        guard inLog == nil, let compacted = compaction.fileBefore(queue) else { return inLog }
        return try compacted.storeTimestamp(at: offset).map { Timestamp(rawValue: $0) }
    }

    /// The first offset of a queue that has a message, in the log or compacted; its end if none has.
    public func firstOffset(_ queue: ConsumeQueue) -> Int64 {
        compaction.fileBefore(queue)?.firstOffset ?? queue.minOffset
    }
}
