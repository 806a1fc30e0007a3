import MQBase
import MQBytes
import MQSystem
import Synchronization

/// What recovery does to a queue before any thread runs.
extension ConsumeQueue {
    /// Drops the units from the first one on whose record begins at or behind `end`, or that is none. Recovery only.
    ///
    /// After a crash of the machine any page behind the last sync may be missing, so units in the middle may be zero;
    /// before it they are all there and in the log's order, which is what the binary search needs.
    /// - Parameters:
    ///   - isCacheIntact: what the last run wrote can be read. Then its units stay in the files, where the dispatch writes
    ///     them once more: to cut ten thousand files takes longer. ``clearRest()`` must follow it.
    ///   - known: the units before it lie before `end`; the recovery point says so. `nil`: nobody knows.
    func truncate(
        to end: PhysicalOffset, wasClean: Bool, isCacheIntact: Bool = false, known: Int64? = nil
    ) throws(SystemError) {
        defer { checkedFrom.store(maxOffset, ordering: .relaxed) }
        if let batches { return try truncate(batches, to: end, wasClean: wasClean) }
        let position = maxOffset * Int64(QueueUnit.byteCount)
        let hasLaterFile = files.withLock { $0.contains { $0.start > position } }
        if wasClean, !hasLaterFile, let last = try unit(at: maxOffset - 1), last.isUsed,
            last.physicalOffset < end.rawValue
        {
            pending.withLock { $0 = Pending(lastPhysicalOffset: last.physicalOffset) }
            return try settleExtension(wasClean: true)
        }
        let rest = maxOffset
        let count = try firstOffset(from: known) { $0.isUsed && $0.physicalOffset < end.rawValue }
        maximum.store(count, ordering: .releasing)
        next.store(count, ordering: .relaxed)
        synced.withLock { $0.count = min($0.count, count) }
        let last = try unit(at: count - 1)
        // Nothing is left, and the file begins with blanks: a start that was interrupted may have begun the queue anew where
        // the log's records went on, and lost what lay before. The log tells.
        let hasBlanks = files.withLock { ($0.first?.start ?? 0) / Int64(QueueUnit.byteCount) } < minOffset
        pending.withLock {
            $0 = Pending(
                lastPhysicalOffset: last?.physicalOffset ?? -1, hadGap: count == minOffset && count > 0 && hasBlanks,
                restEnd: rest)
        }
        // A process that dies in a write leaves a piece of a unit at most.
        let isWhole = try isZero(at: rest)
        if !isCacheIntact || !isWhole { try clearBehind(count) }
        try settleExtension(wasClean: false)
    }

    /// After a crash: what the last run left may be in the page cache only, units, lengths and names, and is to be synced
    /// with the rest.
    /// - Parameter known: how far the recovery point says the queue is on the disk; `nil`: it says nothing of it.
    func distrustSync(known: Int64?) {
        if let batches { return batches.distrustSync() }
        let hasUnknownName = known != maxOffset && files.withLock { !$0.isEmpty }
        synced.withLock { synced in
            synced.count = min(synced.count, known ?? 0)
            synced.hasNewFile = hasUnknownName
        }
    }

    /// Lets the extension go on behind what the last unit knows of it.
    private func settleExtension(wasClean: Bool) throws(SystemError) {
        guard let extensionUnits, extensionUnits.isWritten else { return }
        var offset = maxOffset - 1
        var last = try unit(at: offset)
        // Units that were written without extension lie behind it only for a while.
        while let unit = last, !unit.hasExtension, offset > minOffset, maxOffset - offset < 100_000 {
            offset -= 1
            last = try self.unit(at: offset)
        }
        let address = last.flatMap { $0.hasExtension ? $0.tagsCode : nil }
        try extensionUnits.settle(behind: address, wasClean: wasClean)
    }

    /// The first offset whose unit is not before what is looked for; a blank counts as the unit before it.
    /// - Parameter known: it is not before this one, if that is given.
    func firstOffset(from known: Int64? = nil, _ isBefore: (QueueUnit) -> Bool) throws(SystemError) -> Int64 {
        var high = maxOffset
        var low = min(high, max(minOffset, known ?? 0))
        while low < high {
            let middle = low + (high - low) / 2
            var probe = middle
            var found = try unit(at: probe)
            while found == .blank, probe > low {
                probe -= 1
                found = try unit(at: probe)
            }
            guard let found else { return low }
            if found == .blank || isBefore(found) { low = middle + 1 } else { high = probe }
        }
        return low
    }

    /// Zeroes units that ``truncate(to:wasClean:isCacheIntact:known:)`` left and the dispatch did not write again.
    func clearRest() throws(SystemError) {
        if pending.withLock({ $0.restEnd }) > maxOffset { try clearBehind(maxOffset) }
    }

    /// Whether nothing was ever written where the unit at `offset` belongs, nor in a later file.
    private func isZero(at offset: Int64) throws(SystemError) -> Bool {
        let position = offset * Int64(QueueUnit.byteCount)
        guard let file = files.withLock({ $0.last }), position >= file.start else { return false }
        var bytes = ByteBuffer(capacity: QueueUnit.byteCount)
        let inFile = Int(position - file.start)
        _ = try file.read(min(QueueUnit.byteCount, fileByteCount - inFile), at: inFile, into: &bytes)
        return bytes.toArray().allSatisfy { $0 == 0 }
    }

    /// Zeroes what lies behind the last unit in its file and removes later files, so that no reader takes it for units.
    /// The last file stays even if it holds none: its name tells where the queue goes on.
    private func clearBehind(_ count: Int64) throws(SystemError) {
        pending.withLock { $0.restEnd = 0 }
        let position = count * Int64(QueueUnit.byteCount)
        try QueueFile.cut(files, behind: position, fileByteCount: fileByteCount)
    }
}
