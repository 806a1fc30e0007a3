import MQBase
import MQBytes
import MQSystem
import Synchronization

/// A queue whose records hold several messages each. Offsets count messages; ``BatchUnits`` knows where they are.
extension ConsumeQueue {
    /// Whether records of several messages may go into it (`queue.type=BatchCQ`).
    public var holdsBatches: Bool { batches != nil }

    /// Where the last record begins that it got or passed over; -1 if there is none.
    var lastHandled: Int64 { pending.withLock { $0.lastPhysicalOffset } }

    /// Passes records over that do not begin behind `physicalOffset`: they are another queue's of the same name.
    func passOver(upTo physicalOffset: Int64) {
        pending.withLock { $0.lastPhysicalOffset = max($0.lastPhysicalOffset, physicalOffset) }
    }

    /// As ``add(_:)-(Array<PlacedUnit>)``, for a queue of batches.
    func add(_ units: [PlacedUnit], to batches: BatchUnits) throws(SystemError) -> Bool {
        for placed in units { try add(placed, to: batches) }
        return batches.pending.withLock { !$0.isEmpty }
    }

    private func add(_ placed: PlacedUnit, to batches: BatchUnits) throws(SystemError) {
        guard (0..<Self.offsetLimit).contains(placed.offset), placed.messageCount > 0 else { return }
        let physicalOffset = placed.unit.physicalOffset
        let isNew = pending.withLock { pending in
            guard physicalOffset > pending.lastPhysicalOffset else { return false }
            pending.lastPhysicalOffset = physicalOffset
            return true
        }
        guard isNew else { return }
        let last = batches.pending.withLock { $0.last }
        let isEmpty = last == nil && maxOffset == minOffset
        let expected = last?.endOffset ?? maxOffset
        if placed.offset > expected { pending.withLock { $0.hadGap = true } }
        // A topic that was deleted and made again counts from 0 again: the later record wins.
        if placed.offset < expected || isEmpty && placed.offset != expected { try restart(at: placed.offset) }
        let unit = BatchUnit(
            unit: placed.unit, storeTimestamp: placed.storedAt, baseOffset: placed.offset,
            messageCount: placed.messageCount)
        batches.pending.withLock { $0.append(unit) }
    }

    /// As ``publish()``; `writing` is held.
    func publish(_ batches: BatchUnits) throws(SystemError) {
        guard let last = batches.pending.withLock({ $0.last }) else { return }
        batches.show(try batches.write())
        maximum.store(last.endOffset, ordering: .sequentiallyConsistent)
    }

    /// The unit that holds the message at `offset`, and the number of that unit; `nil` if none does.
    func batch(at offset: Int64) throws(SystemError) -> BatchUnit? {
        guard let batches, offset >= minOffset, offset < maxOffset,
            case .unit(let number) = try batches.find(offset, .mayWait), let unit = try batches.unit(number),
            unit.isUsed, (unit.baseOffset..<unit.endOffset).contains(offset)
        else { return nil }
        return unit
    }

    /// The queue offset that the record of the message at `offset` carries: `offset`, or that of its batch's first one.
    func recordOffset(of offset: Int64) throws(SystemError) -> Int64 {
        holdsBatches ? try batch(at: offset)?.baseOffset ?? offset : offset
    }

    /// As ``truncate(to:wasClean:)``, for a queue of batches.
    func truncate(_ batches: BatchUnits, to end: PhysicalOffset, wasClean: Bool) throws(SystemError) {
        if wasClean, !batches.hasLaterFile, let last = try batches.unit(batches.endUnit - 1), last.isUsed,
            last.unit.physicalOffset < end.rawValue
        {
            return pending.withLock { $0 = Pending(lastPhysicalOffset: last.unit.physicalOffset) }
        }
        let count = try batches.first { $0.unit.physicalOffset < end.rawValue }
        try batches.truncate(to: count)
        let last = try batches.unit(count - 1)
        let offset = last?.endOffset ?? 0
        maximum.store(offset, ordering: .releasing)
        if last == nil { minimum.store(0, ordering: .releasing) }
        next.store(offset, ordering: .relaxed)
        pending.withLock { $0 = Pending(lastPhysicalOffset: last?.unit.physicalOffset ?? -1) }
    }

    /// The first offset whose record begins at or behind `logStart`; the queue's end if none does.
    func firstOffset(_ batches: BatchUnits, from logStart: PhysicalOffset) throws(SystemError) -> Int64 {
        let number = try batches.first { $0.unit.physicalOffset < logStart.rawValue }
        guard let unit = try batches.unit(number), unit.isUsed else { return maxOffset }
        return unit.baseOffset
    }
}

extension QueueFile {
    /// A new empty file in a queue's folder, which is made if it is missing. What was left there of an earlier topic of
    /// that name must not be taken for units.
    static func make(_ path: String, in folder: String) throws(SystemError) -> File {
        do throws(SystemError) {
            try Directory.create(folder)
            return try File(path, .replace)
        } catch {
            guard error.isNotFound else { throw error }
            try Directory.create(folder)  // the topic's empty folder was being removed at this moment
            return try File(path, .replace)
        }
    }

    /// Makes the names of the files in a queue's folder durable, and those of the folders up to the store's.
    static func synchronizeNames(above folder: String) throws(SystemError) {
        for path in [folder, folder + "/..", folder + "/../..", folder + "/../../.."] {
            do throws(SystemError) {
                try Directory.synchronize(path)
            } catch {
                guard error.isNotFound else { throw error }  // the topic was deleted meanwhile
            }
        }
    }
}
