import MQBase
import MQBytes
import MQSystem
import Synchronization

/// Retention, deletion, and what recovery points tell.
extension ConsumeQueue {
    /// Moves the first offset behind units whose records are gone: those before `logStart`. Recovery and retention. The
    /// search runs beside the dispatch thread and counts for nothing if the queue was emptied meanwhile.
    func correctMinimum(_ logStart: PhysicalOffset) throws(SystemError) {
        let life = lives.load(ordering: .acquiring)
        if let oldest = try unit(at: minOffset), oldest != .blank, oldest.physicalOffset >= logStart.rawValue { return }
        let first =
            if let batches {
                try firstOffset(batches, from: logStart)
            } else {
                try firstOffset { $0.physicalOffset < logStart.rawValue }
            }
        writing.withLock { _ in
            guard lives.load(ordering: .acquiring) == life, first > minOffset else { return }
            setMinOffset(first)
        }
        try removeOldExtension()
    }

    /// Removes what the extension holds for units before the first.
    func removeOldExtension() throws(SystemError) {
        guard let extensionUnits else { return }
        try writing.withLock { (_) throws(SystemError) in
            guard let first = try unit(at: minOffset), first.hasExtension else { return }
            try extensionUnits.removeFiles(before: first.tagsCode)
        }
    }

    /// What became of an old file.
    enum OldFile {
        /// There is none.
        case none
        /// It is the last one of which something is on the disk: it says where the queue goes on.
        case needed
        case removed
    }

    /// Removes the oldest file if all its units are before ``minOffset`` and something of the next one is on the disk; never
    /// the last file. Retention.
    func removeOldFile() throws(SystemError) -> OldFile {
        try writing.withLock { (_) throws(SystemError) in
            if let batches { return try batches.removeOldFile(before: minOffset) }
            let end = minOffset * Int64(QueueUnit.byteCount)
            let (old, next) = files.withLock { $0.count > 1 ? ($0[0], $0[1].start) : (nil, 0) }
            guard let old, next <= end else { return .none }
            guard synced.withLock({ $0.count }) * Int64(QueueUnit.byteCount) > next else { return .needed }
            try Directory.removeFile(old.path)
            files.withLock { _ = $0.removeFirst() }
            old.retire()
            return .removed
        }
    }

    /// Whether all its records lie before `logStart`, and it had some.
    func isExpired(before logStart: PhysicalOffset) throws(SystemError) -> Bool {
        let end = maxOffset
        guard end > 0, pending.withLock({ $0.units.isEmpty }), batches?.pending.withLock({ $0.isEmpty }) ?? true else {
            return false
        }
        guard minOffset < end, let last = try unit(at: end - 1) else { return minOffset == end }
        return last != .blank && last.physicalOffset < logStart.rawValue
    }

    /// What can be told of it in a recovery point once it is synced; `nil` for an empty queue. The `keep` thread calls it.
    func state() throws(SystemError) -> RecoveryPoint.Queue? {
        let count = maxOffset
        guard count > minOffset else { return nil }
        let known = synced.withLock { $0.told }
        if let known, known.end == count { return known }
        guard let last = try unit(at: count - 1) else { return nil }
        let state = RecoveryPoint.Queue(
            topic: topic, queueID: queueID, end: count, lastRecord: last.physicalOffset)
        synced.withLock { $0.told = state }
        return state
    }

    /// Empties it and removes everything in its folder. Recovery only.
    func discard() throws(SystemError) {
        _ = forgetAll(0)
        pending.withLock { $0.lastPhysicalOffset = -1 }
        try Directory.removeTree(folder)
    }

    /// Where the last unit's record ends in the log; 0 for an empty queue.
    func lastRecordEnd() throws(SystemError) -> Int64 {
        guard let last = try unit(at: maxOffset - 1), last.isUsed, last.physicalOffset < .max - Int64(last.size) else {
            return 0
        }
        return last.size == QueueUnit.preBlankSize ? 0 : last.physicalOffset + Int64(last.size)
    }

    /// Empties the queue and removes its files, because its topic was deleted. Loops may hold it and go on with it when
    /// the topic is made again: it counts from 0 then. The append has been told so, with ``setNextOffset(_:)``. The folder's
    /// own name is not durably gone.
    /// - Parameter end: records before it are the old topic's.
    func clear(before end: PhysicalOffset) throws(SystemError) {
        try writing.withLock { (_) throws(SystemError) in
            _ = forgetAll(0)
            pending.withLock { $0.lastPhysicalOffset = max($0.lastPhysicalOffset, end.rawValue - 1) }
            // The last file goes last: whatever a crash leaves of the others, the queue does not end before units that the
            // checkpoint counts.
            let names = try Directory.names(in: folder)
            for name in names.dropLast() { try Directory.removeFile(folder + "/" + name) }
            if names.count > 1 { try Directory.synchronize(folder) }
            try Directory.removeTree(folder)
            try extensionUnits?.clear()
        }
    }
}
