import MQBase
import MQObserve
import MQSystem
import Synchronization

/// What the `keep` thread does: queues and index are synced well behind the log, because they can be built again; when all
/// of them are, recovery has less to read.
/// Source of the intervals: `DefaultMessageStore.FlushConsumeQueueService`, RocketMQ 5.3.
extension MessageStore {
    /// Log that is dispatched without a sync of all queues; recovery reads about as much again after a crash.
    private static let unkeptByteCountMax: Int64 = 512 << 20

    /// Body of the `keep` thread.
    func keepRunning() {
        var kept = checkedFrom  // what the start dispatched is to be kept too
        var keptAt = SystemClock.now()
        var point: RecoveryPoint?
        while true {
            let isStopping = keeper.wait(milliseconds: config.consumeQueueFlushIntervalMilliseconds) { $0 ? true : nil }
            if isStopping == true { return }
            guard keepError.withLock({ $0 }) == nil else { continue }
            do throws(SystemError) {
                if let waiting = point, try writePoint(waiting) { point = nil }
                let now = SystemClock.now()
                let dispatched = dispatcher.dispatched.value
                guard kept < dispatched else { continue }
                let isThorough =
                    now.milliseconds(since: keptAt) >= config.consumeQueueFlushThoroughMilliseconds
                    || dispatched.rawValue - kept.rawValue >= Self.unkeptByteCountMax
                guard isThorough else {
                    try keepGrown()
                    continue
                }
                (kept, keptAt) = (dispatched, now)
                point = try keep()
            } catch {
                keepError.withLock { $0 = error }
                logger.error("cannot sync queues", ["reason": error.description])
            }
        }
    }

    /// Syncs the queues that grew much, so that a thorough round has little to do.
    private func keepGrown() throws(SystemError) {
        for queue in queues.all { try queue.synchronize(leastPages: config.consumeQueueFlushLeastPages) }
    }

    /// Syncs all queues and the index and moves the checkpoint. After one failure nobody knows what the disk holds: the
    /// checkpoint stays where it is and recovery begins there.
    /// - Returns: what recovery may take for granted once the log is on the disk up to its record.
    @discardableResult
    func keep(isClosing: Bool = false) throws(SystemError) -> RecoveryPoint? {
        try keeping.withLock { (_) throws(SystemError) in try keepAlone(isClosing) }
    }

    private func keepAlone(_ isClosing: Bool) throws(SystemError) -> RecoveryPoint? {
        if let error = keepError.withLock({ $0 }) { throw error }
        do throws(SystemError) {
            let deleted = deletions.load(ordering: .acquiring)
            let dispatched = dispatcher.dispatched.value
            // The queues before the record: those that were faster are not told of.
            var states: [RecoveryPoint.Queue] = []
            for queue in queues.all { if let state = try queue.state() { states.append(state) } }
            let record = dispatcher.lastRecord
            for queue in queues.all { try queue.synchronize() }
            let indexed = try index?.synchronize(all: isClosing)
            let isFlushed = isClosing && flusher.flushed.value == log.written.value
            // Nothing that is newer than the record to come: it may be a wrong clock's.
            let written = log.lastStoreTimestamp
            try checkpoint.update {
                $0.queues = max($0.queues, min(record?.storeTimestamp ?? 0, written))
                $0.index = max($0.index, min(indexed?.fullUntil ?? 0, written))
                if isFlushed { $0.log = max($0.log, written) }
            }
            if isClosing { try checkpoint.synchronize() }
            kept.raise(to: dispatched)
            guard let record, deleted == deletions.load(ordering: .acquiring) else { return nil }
            var point = RecoveryPoint(record: record)
            point.deletions = deleted
            point.queues = states.filter { $0.lastRecord <= record.range.lowerBound }
            point.index = indexed?.newest ?? RecoveryPoint.Index()
            // Looked at behind the record: no message up to it had a key.
            if index?.hasFiles == false {
                point.index.entries = 1
                point.index.endOffset = record.range.lowerBound
            }
            point.checkpoint = checkpoint.current
            return point
        } catch {
            keepError.withLock { $0 = error }
            throw error
        }
    }

    /// Writes the point if the log is on the disk as far as it tells, unless it tells of queues that were removed since, or
    /// a newer one is there: `keep` and `clean` make them.
    /// - Returns: `false`: later.
    func writePoint(_ point: RecoveryPoint) throws(SystemError) -> Bool {
        guard flusher.flushed.value.rawValue >= point.record.range.upperBound else { return false }
        try pointFile.withLock { (newest) throws(SystemError) in
            let end = point.record.range.upperBound
            guard point.deletions == deletions.load(ordering: .acquiring), end >= newest else { return }
            newest = end
            try put(point, at: RecoveryPoint.path(in: config.root))
        }
        return true
    }

    /// Queues are about to be removed: takes back, durably, what the recovery point says of them, or the next start would
    /// miss them.
    func withdrawPoint() throws(SystemError) {
        try pointFile.withLock { (_) throws(SystemError) in
            deletions.add(1, ordering: .releasing)
            try removePoint()
        }
    }

    /// Removes the recovery point, durably. Recovery, or whoever has ``pointFile``.
    func removePoint() throws(SystemError) {
        let path = RecoveryPoint.path(in: config.root)
        guard Directory.exists(path) else { return }
        try Directory.removeFile(path)
        try Directory.synchronize(config.root)
    }

    /// Says that nothing is behind the last record: the next start need not look for it.
    func writeClosedPoint(_ point: RecoveryPoint?) throws(SystemError) {
        guard var point else { return try Directory.removeFile(RecoveryPoint.path(in: config.root)) }
        point.isClosed = true
        point.logEnd = log.written.value.rawValue
        try put(point, at: RecoveryPoint.path(in: config.root))
    }

    /// On a full disk the point before stays, which is as true and only older.
    private func put(_ point: RecoveryPoint, at path: String) throws(SystemError) {
        do throws(SystemError) {
            try point.write(path)
        } catch  where error.isNoSpace {
            logger.warn("no room for a new recovery point", ["reason": error.description])
        }
    }
}
