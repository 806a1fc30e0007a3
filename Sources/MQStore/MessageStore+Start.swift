import MQBase
import MQObserve
import MQSystem

/// What the start does when the log's end is found: index and queues are made to fit it.
extension MessageStore {
    /// The store time that the next record may not be before. One far ahead of the clock was a wrong clock's: to wait for
    /// that time would hold delayed messages back as long.
    static func believed(_ last: Int64?, _ logger: Log) -> Int64 {
        guard let last else { return 0 }
        let now = SystemClock.wall().rawValue
        if last - now <= clockStepMax { return max(0, last) }
        logger.warn(
            "the last message was stored in the future; the clock is believed",
            ["storeTimestamp": String(last), "now": String(now)])
        return 0
    }

    /// The records to come may be older than what the checkpoint tells of: a clock was wrong and was put back. It would tell of
    /// them, too, and one day stand in the way of a start, or hide what a crash took. Everything is repaired already.
    func lowerCheckpointToClock() throws(SystemError) {
        let known = log.lastStoreTimestamp
        let newest = known > 0 ? known : SystemClock.wall().rawValue
        let told = checkpoint.current
        guard max(told.log, told.queues, told.index) > newest else { return }
        try checkpoint.update {
            $0.log = min($0.log, newest)
            $0.queues = min($0.queues, newest)
            $0.index = min($0.index, newest)
        }
        try checkpoint.synchronize()
    }

    /// How far a clock may be put back without store times going back, milliseconds.
    private static let clockStepMax: Int64 = 600_000

    /// Withdraws what is told of index files that are not there as they were, and removes what cannot be trusted.
    func repairIndex(_ last: LastRun) throws(SystemError) {
        guard let index else { return }
        if index.rebuildFrom != nil {
            if checkpoint.current.index > index.fullUntil {
                try checkpoint.update { $0.index = index.fullUntil }
                try checkpoint.synchronize()
            }
            // What it tells of queues stays: they are cut to its record in a moment.
            if !index.holdsSynced, var point = last.point {
                point.index = RecoveryPoint.Index()
                try point.write(RecoveryPoint.path(in: config.root))
            }
        }
        try index.repair()
    }

    /// Queues are about to be cut to the point's record. The checkpoint may be newer, and counts alone when the point goes: a
    /// topic is deleted, or RocketMQ opens the store. It must not tell of units that were synced once and are written again.
    func lowerCheckpoint(to record: RecoveryPoint.Record?) throws(SystemError) {
        guard let record, checkpoint.current.queues > record.storeTimestamp else { return }
        try checkpoint.update { $0.queues = record.storeTimestamp }
        try checkpoint.synchronize()
    }

    /// Cuts and completes the queues.
    func finishRecovery(
        _ outcome: Recovery.Outcome, _ damaged: [QueueDamage], after last: LastRun
    ) throws(SystemError) {
        for path in index?.removed ?? [] { logger.warn("index file is built again from the log", ["path": path]) }
        try rebuild(damaged, before: outcome.dispatchFrom)
        let rebuilt = Set(damaged.map(\.key))
        for queue in queues.all {
            try queue.truncate(
                to: outcome.dispatchFrom, wasClean: last.wasClean, isCacheIntact: last.isCacheIntact && !last.wasClean,
                known: rebuilt.contains(queue.key) ? nil : last.queues[queue.key]?.end)
            try queue.correctMinimum(log.min)
        }
        var progress = Progress(
            "rebuilding queues and index", from: dispatcher.dispatched.value, to: outcome.end, stepsPerLook: 1, logger)
        do throws(SystemError) {
            try dispatcher.catchUp { progress.reached($0) }
        } catch {
            guard error.isNoSpace else { throw error }
            // What is in the queues can be read. Nothing is taken before the rest is: no queue knows its end.
            disk.set(.start, true)
            return logger.error("no room for queues or index: messages are refused", ["reason": error.description])
        }
        // The log may still have what a queue lost before the scan's start.
        let gapped = queues.all.filter { $0.hadGap && !(outcome.segments.first?.start == outcome.dispatchFrom) }
        try rebuild(
            gapped.map {
                QueueDamage(
                    topic: $0.topic, queueID: $0.queueID, path: $0.folder,
                    reason: "lacks units before the log's offset \(outcome.dispatchFrom)")
            }, before: outcome.end)
        try settleQueues()
    }

    /// Everything is dispatched: the queues' ends are where they will go on.
    private func settleQueues() throws(SystemError) {
        for queue in queues.all {
            try queue.clearRest()
            queue.setNextOffset(queue.maxOffset)
        }
    }

    /// Builds damaged queues again. While that lasts the checkpoint tells that no queue can be trusted: whoever is
    /// interrupted begins at the log's start.
    private func rebuild(_ damaged: [QueueDamage], before end: PhysicalOffset) throws(SystemError) {
        guard !damaged.isEmpty else { return }
        let resized = damaged.count { $0.isResized }
        if resized > 1 {
            logger.warn(
                "the files of queues have another length than is configured: the queues are built again from the log",
                [
                    "queues": String(resized), "configured": String(config.consumeQueueFileByteCount),
                    "configuredForBatches": String(config.batchQueueFileByteCount),
                    "logBytes": String(end - log.min),
                ])
        }
        for damage in damaged.prefix(20) {
            logger.warn(
                "queue is built again from the log",
                [
                    "queue": "\(damage.topic)/\(damage.queueID)", "path": damage.path, "reason": damage.reason,
                    "damaged": String(damaged.count),
                ])
        }
        let trusted = checkpoint.current.queues
        try removePoint()
        try checkpoint.update { $0.queues = 0 }
        try checkpoint.synchronize()
        var progress = Progress("rebuilding damaged queues", from: log.min, to: end, stepsPerLook: 1, logger)
        try dispatcher.rebuild(damaged, before: end, &progress)
        if resized > 1 { logger.info("the queues are built again", ["queues": String(resized)]) }
        try checkpoint.update { $0.queues = trusted }
        try checkpoint.synchronize()
    }

    /// Dispatches what the start had no room for, as soon as there is some; then messages are taken.
    func finishStart(failed: (SystemError) -> Void) {
        guard disk.reasons.contains(.start) else { return }
        while true {
            do throws(SystemError) {
                try dispatcher.catchUp { _ in }
                try settleQueues()
                break
            } catch {
                guard error.isNoSpace else { return failed(error) }
                guard dispatcher.waitForRoom() else { return }
            }
        }
        disk.set(.start, false)
        logger.info("there is room for queues and index again")
    }
}
