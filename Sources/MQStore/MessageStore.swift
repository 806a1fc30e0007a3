public import MQBase
import MQBytes
public import MQObserve
import MQSystem
import Synchronization

/// The store of one broker: takes batches of records, makes them durable, and finds them again.
///
/// Threads: loops and the broker's `delay` thread append, loops read what is in memory; `flush`, `dispatch`,
/// `keep`, `prepare` and `clean` are the store's own.
public final class MessageStore: Sendable {
    /// What the store tells its owner. Called on the store's threads: hand over to a loop at once.
    public struct Events: Sendable {
        /// A queue with parked pulls has new messages.
        public var arrived: @Sendable (ConsumeQueue) -> Void
        /// More of the log is durable.
        public var flushed: @Sendable () -> Void
        /// Asked before old files are looked for: when they go now. `nil`: as configured at the start.
        public var retention: (@Sendable () -> RetentionSettings)?
        /// Asked on the `clean` thread before a file of the log goes: whether everything before `end` may. `isDiskFull`:
        /// messages are refused until it does. After `false` it is asked again in the next round.
        public var mayDelete: @Sendable (_ end: PhysicalOffset, _ isDiskFull: Bool) -> Bool
        /// What extension units note of new messages; on the `dispatch` thread.
        public var bitMap: BitMapMaker?

        /// All are called until the store has stopped.
        public init(
            arrived: @escaping @Sendable (ConsumeQueue) -> Void, flushed: @escaping @Sendable () -> Void,
            retention: (@Sendable () -> RetentionSettings)? = nil,
            mayDelete: @escaping @Sendable (_ end: PhysicalOffset, _ isDiskFull: Bool) -> Bool = { _, _ in true },
            bitMap: BitMapMaker? = nil
        ) {
            self.arrived = arrived
            self.flushed = flushed
            self.retention = retention
            self.mayDelete = mayDelete
            self.bitMap = bitMap
        }
    }

    /// As it was opened.
    public let config: StoreConfig
    let log: CommitLog
    let queues: QueueTable
    let index: MessageIndex?
    let flusher: Flusher
    let dispatcher: Dispatcher
    let retention = Retention()
    /// What is left of compacted queues.
    public let compaction: Compaction
    let disk = DiskGuard()
    let checkpoint: Checkpoint
    private let lockFile: File
    let logger: Log
    let keeper = Monitor(false)
    let keepError = Lock<SystemError?>(nil)
    /// Held while queues and index are synced, by `keep` or `clean`.
    let keeping = Lock<Void>(())
    /// Everything before it is on the disk, in queues and index too, but for what the start dispatched.
    let kept: Watermark
    /// Counts removals of queues: a recovery point from before tells of queues that are gone.
    let deletions = Atomic<Int>(0)
    /// Held while the recovery point is written or removed; where the record of the newest one ended that was written.
    let pointFile = Lock<Int64>(0)
    /// Records from here on were scanned at the start or written by this process; others are checked when they are read.
    let checkedFrom: PhysicalOffset
    let damaged = Atomic<Int>(0)
    private let fencing = Lock<String?>(nil)
    private let isFenced = Atomic<Bool>(false)
    private let threads = Lock<[Thread]>([])

    /// Opens the store under `config.root`, or makes it. When this returns, everything that was stored can be read, and
    /// no thread runs yet.
    /// - Parameter batchTopics: topics whose queues hold batches (`queue.type=BatchCQ`), as far as that is known already.
    public init(_ config: StoreConfig, batchTopics: [String] = [], log logger: Log) throws(StoreOpenError) {
        self.config = config
        self.logger = logger
        ThisProcess.raiseOpenFilesLimit()  // so that many files of queues can stay open
        lockFile = try Self.lock(config.root)
        let recovery = Recovery(config: config, log: logger)
        let (abort, names) = (config.root + "/abort", config.root + "/consumequeue")
        let (checkpoint, last) = try StoreOpenError.wrap { () throws(SystemError) in
            for folder in config.commitLogPaths { try Directory.createDurably(folder) }
            try Directory.create(config.root + "/config")
            let checkpoint = try Checkpoint(config.root + "/checkpoint")
            return (
                checkpoint, try LastRun.read(config, checkpoint.current, now: SystemClock.wall().rawValue)
            )
        }
        self.checkpoint = checkpoint
        let queues = QueueTable(
            root: names, fileByteCount: config.consumeQueueFileByteCount,
            openMax: min(config.openQueueFilesMax, ThisProcess.openFilesMax / 2),
            extensions: QueueTable.Extensions(
                root: config.root + "/consumequeue_ext", fileByteCount: config.extensionFileByteCount,
                isWritten: config.isExtensionWritten),
            batches: QueueTable.Batches(
                root: config.root + "/batchconsumequeue", fileByteCount: config.batchQueueFileByteCount))
        for topic in batchTopics { queues.setHoldsBatches(topic, true) }
        self.queues = queues
        let compaction = try StoreOpenError.wrap { () throws(SystemError) in
            try Compaction(root: config.root + "/compacted", log: logger)
        }
        self.compaction = compaction
        let segments = try recovery.loadSegments()
        let unusable = try queues.load(known: last.queues)
        let outcome = try recovery.run(segments, queues: queues, after: last)
        let damaged = try recovery.damagedQueues(queues, outcome, last, known: unusable)
        let index = try StoreOpenError.wrap { () throws(SystemError) -> MessageIndex? in
            guard config.isIndexEnabled else { return nil }
            return try MessageIndex(
                folder: config.root + "/index", slotCount: config.indexSlotCount, entryCount: config.indexEntryCount,
                evidence: IndexEvidence(
                    wasClean: last.wasClean, isCacheIntact: last.isCacheIntact, fullUntil: last.checkpoint.index,
                    synced: last.point?.index, end: outcome.end))
        }
        self.index = index
        checkedFrom = outcome.dispatchFrom
        kept = Watermark(outcome.dispatchFrom)
        let dispatchFrom = try StoreOpenError.wrap { () throws(SystemError) in
            try recovery.dispatchStart(outcome, indexedTo: index?.rebuildFrom)
        }
        let log = CommitLog(
            folders: config.commitLogPaths, fileByteCount: config.commitLogFileByteCount,
            fillsFilesAhead: config.fillsFilesAhead ?? config.isFlushSynchronous, segments: outcome.segments,
            end: outcome.end, keptByteCount: config.hotByteCount, mappedMax: config.mappedFilesMax,
            lastTimestamp: Self.believed(outcome.lastRecord?.storeTimestamp, logger))
        self.log = log
        let flusher = Flusher(log: log, checkpoint: checkpoint, config: config, flushed: outcome.end)
        self.flusher = flusher
        let isSynchronous = config.isFlushSynchronous
        dispatcher = Dispatcher(
            log: log, queues: queues, index: index, delayLevels: config.delayLevels, start: dispatchFrom,
            last: outcome.lastRecord, servesLiteQueues: config.servesLiteQueues
        ) { isSynchronous ? flusher.flushed.value : log.written.value }
        try StoreOpenError.wrap { () throws(SystemError) in
            // Before the queues are touched, because rebuilding them may be interrupted; but what a crash left is told by
            // the file that is there until all is repaired.
            if last.wasClean { try AbortFile.write(abort, in: config.root) }
            try repairIndex(last)
            if !last.wasClean {
                try lowerCheckpoint(to: last.point?.record)
                // Nothing counts as synced but what the recovery point tells of.
                for queue in queues.all { queue.distrustSync(known: last.queues[queue.key]?.end) }
            }
            try finishRecovery(outcome, damaged, after: last)
            if outcome.lastRecord != nil { try lowerCheckpointToClock() }
            if !last.wasClean { try AbortFile.write(abort, in: config.root) }
            try compaction.settle(queues)
        }
        logger.info(
            "store opened",
            [
                "root": config.root, "clean": String(last.wasClean), "end": outcome.end.description,
                "scannedFrom": outcome.dispatchFrom.description, "dispatchedFrom": dispatchFrom.description,
            ])
    }

    private static func lock(_ root: String) throws(StoreOpenError) -> File {
        let path = root + "/lock"
        let file = try StoreOpenError.wrap { () throws(SystemError) in
            try Directory.createDurably(root)
            return try File(path, .create)
        }
        do throws(SystemError) {
            try file.lock()
            try file.write(Array("lock".utf8).span, at: 0)
        } catch {
            throw error.isLocked ? .locked(path: path, holder: try? file.lockHolder()) : .system(error)
        }
        return file
    }

    // MARK: - Life

    /// Starts the store's threads.
    public func start(_ events: Events) {
        let flush = Thread("flush") { [self] in
            flusher.run(advanced: { flushAdvanced(events) }, failed: { syncFailed($0) })
            events.flushed()  // whoever waits must hear of a fence
        }
        let dispatch = Thread("dispatch", nice: 5) { [self] in
            finishStart { fence("cannot build queues: \($0)") }
            dispatcher.run(
                bitMap: events.bitMap,
                arrived: { queue in
                    events.arrived(queue)
                }, full: { dispatchIsFull($0) }, failed: { fence("cannot build queues: \($0)") })
        }
        let keep = Thread("keep", nice: 10) { [self] in keepRunning() }
        let prepare = Thread("prepare", nice: 10) { [self] in
            log.prepareFiles { self.logger.error("cannot prepare the next file", ["reason": $0.description]) }
        }
        let clean = Thread("clean", nice: 10) { [self] in
            var parts = retentionParts
            parts.mayDelete = events.mayDelete
            retention.run(parts, settings: events.retention ?? { self.config.retention })
        }
        threads.withLock { $0 = [flush, dispatch, keep, prepare, clean] }
    }

    private func flushAdvanced(_ events: Events) {
        if config.isFlushSynchronous { dispatcher.confirmedMoved(isAwaited: queues.parked.isAny) }
        events.flushed()
    }

    /// Stops the threads, makes everything durable and says so: the next start finds a clean store. Nobody may append any
    /// more.
    public func stop() {
        log.stopPreparing()
        retention.stop()
        flusher.stop()
        keeper.signal { isStopping in
            isStopping = true
            return true
        }
        let running = threads.withLock { threads in
            let running = threads
            threads = []
            return running
        }
        for thread in running where thread !== running[safe: 1] { thread.join() }
        do throws(SystemError) {
            if !isFenced.load(ordering: .acquiring) {
                do throws(SystemError) {
                    try flusher.flush()
                } catch {
                    syncFailed(error)
                    throw error
                }
            }
            dispatcher.stop()
            running[safe: 1]?.join()
            let point = try keep(isClosing: true)
            log.dropPrepared()
            let isComplete = dispatcher.dispatched.value == log.written.value
            if !isFenced.load(ordering: .acquiring), isComplete {
                try writeClosedPoint(point)
                try Directory.removeFile(config.root + "/abort")
            }
            logger.info("store closed", ["end": log.written.value.description])
        } catch  where isFenced.load(ordering: .acquiring) {
            // It was said when it happened.
            logger.warn("the store was closed as its disk left it", ["reason": error.description])
        } catch {
            logger.error("the store was not closed cleanly", ["reason": error.description])
        }
    }

    // MARK: - Append

    /// Appends everything staged in `batch`. Any loop; takes the append lock once.
    ///
    /// When it returns, the records are in the page cache: they outlive this process, not the machine. With synchronous
    /// flush wait until ``flushedOffset`` has reached `batch.end` before acknowledging.
    /// - Parameter patience: how long somebody else's append may last before this one gives up, ms; asked only if one lasts.
    /// - Throws: ``AppendError``; nothing of the batch is stored then.
    public func append(
        _ batch: AppendBatch, at now: Timestamp, patience: () -> Int64 = { .max }
    ) throws(AppendError) {
        if isFenced.load(ordering: .acquiring) { throw .fenced(fencing.withLock { $0 } ?? "") }
        if disk.isFull { throw .diskFull }
        let isDone: Bool
        do throws(SystemError) {
            isDone = try log.append(batch, at: now, patience: patience)
        } catch {
            if error.isNoSpace { throw .diskFull }
            fence("write failed: \(error)")
            throw .fenced(error.description)
        }
        guard isDone else { throw .busy(milliseconds: log.busyMilliseconds) }
        flusher.appended()
        if !config.isFlushSynchronous {  // otherwise readers see more when it is flushed
            var isAwaited = false
            for index in batch.entries.indices where batch.entries[index].queue.waiters != 0 {  // no copies of entries
                isAwaited = true
            }
            for slot in batch.liteSlots where slot.queue.waiters != 0 { isAwaited = true }
            dispatcher.confirmedMoved(isAwaited: isAwaited)
        }
    }

    /// How long the append lasts that runs now, ms; 0 if none does.
    public var busyMilliseconds: Int64 { log.busyMilliseconds }

    /// Refuses every append from now on: after a failed write or sync nobody knows what the disk holds.
    private func fence(_ reason: String) {
        let isFirst = fencing.withLock { fencing in
            guard fencing == nil else { return false }
            fencing = reason
            return true
        }
        isFenced.store(true, ordering: .releasing)
        if isFirst { logger.error("the store takes no more messages", ["reason": reason]) }
    }

    /// The page cache may hold what the disk does not, and will not say so again: the next start must know.
    private func syncFailed(_ error: SystemError) {
        fence("sync failed: \(error)")
        do throws(SystemError) {
            try AbortFile.addUnsynced(flusher.flushed.value.rawValue, to: config.root + "/abort")
        } catch {
            logger.warn("cannot note that a sync failed", ["reason": error.description])
        }
    }

    /// Why the store takes nothing any more; `nil` while it does.
    public var fenceReason: String? { isFenced.load(ordering: .acquiring) ? fencing.withLock { $0 } : nil }

    /// The largest record it can take.
    public var recordByteCountMax: Int { log.recordByteCountMax }
}

extension Array {
    /// The element, or `nil` where there is none.
    subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
