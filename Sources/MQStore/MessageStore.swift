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

        /// All are called until the store has stopped.
        public init(
            arrived: @escaping @Sendable (ConsumeQueue) -> Void, flushed: @escaping @Sendable () -> Void,
            retention: (@Sendable () -> RetentionSettings)? = nil
        ) {
            self.arrived = arrived
            self.flushed = flushed
            self.retention = retention
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
    let disk = DiskGuard()
    private let checkpoint: Checkpoint
    private let lockFile: File
    let logger: Log
    private let keeper = Monitor(false)
    private let keepError = Lock<SystemError?>(nil)
    private let fencing = Lock<String?>(nil)
    private let isFenced = Atomic<Bool>(false)
    private let threads = Lock<[Thread]>([])

    /// Opens the store under `config.root`, or makes it. When this returns, everything that was stored can be read, and
    /// no thread runs yet.
    public init(_ config: StoreConfig, log logger: Log) throws(StoreOpenError) {
        self.config = config
        self.logger = logger
        ThisProcess.raiseOpenFilesLimit()  // so that many files of queues can stay open
        lockFile = try Self.lock(config.root)
        let recovery = Recovery(config: config, log: logger)
        let (abort, names) = (config.root + "/abort", config.root + "/consumequeue")
        let wasClean = !Directory.exists(abort)
        let checkpoint = try StoreOpenError.wrap { () throws(SystemError) in
            try Directory.createDurably(config.commitLogPath)
            try Directory.create(config.root + "/config")
            return try Checkpoint(config.root + "/checkpoint")
        }
        self.checkpoint = checkpoint
        let queues = QueueTable(
            root: names, fileByteCount: config.consumeQueueFileByteCount,
            openMax: min(config.openQueueFilesMax, ThisProcess.openFilesMax / 2),
            extensions: QueueTable.Extensions(
                root: config.root + "/consumequeue_ext", fileByteCount: config.extensionFileByteCount,
                isWritten: config.isExtensionWritten))
        self.queues = queues
        let segments = try recovery.loadSegments()
        try queues.load()
        let outcome = try recovery.run(segments, queues: queues, checkpoint: checkpoint.current, wasClean: wasClean)
        let isCacheIntact = wasClean || AbortFile.isOfThisBoot(abort)
        let index = try StoreOpenError.wrap { () throws(SystemError) -> MessageIndex? in
            guard config.isIndexEnabled else { return nil }
            return try MessageIndex(
                folder: config.root + "/index", slotCount: config.indexSlotCount, entryCount: config.indexEntryCount,
                trustedUntil: isCacheIntact ? nil : checkpoint.current.index, wasClean: wasClean, end: outcome.end)
        }
        self.index = index
        var dispatchFrom = outcome.dispatchFrom
        if let offset = index?.rebuildFrom, offset < dispatchFrom.rawValue {
            dispatchFrom = outcome.segments.last { $0.start.rawValue <= offset }?.start ?? outcome.segments[0].start
        }
        let log = CommitLog(
            folder: config.commitLogPath, fileByteCount: config.commitLogFileByteCount,
            fillsFilesAhead: config.fillsFilesAhead ?? config.isFlushSynchronous, segments: outcome.segments,
            end: outcome.end, keptByteCount: config.hotByteCount, mappedMax: config.mappedFilesMax)
        self.log = log
        let flusher = Flusher(
            log: log, checkpoint: checkpoint, isSynchronous: config.isFlushSynchronous,
            intervalMilliseconds: config.flushIntervalMilliseconds, flushed: outcome.end)
        self.flusher = flusher
        let isSynchronous = config.isFlushSynchronous
        dispatcher = Dispatcher(
            log: log, queues: queues, index: index, delayLevels: config.delayLevels, start: dispatchFrom
        ) { isSynchronous ? flusher.flushed.value : log.written.value }
        try StoreOpenError.wrap { () throws(SystemError) in
            // Before the queues are touched: rebuilding them may be interrupted.
            try AbortFile.write(abort, in: config.root)
            try finishRecovery(outcome, wasClean: wasClean)
        }
        logger.info(
            "store opened",
            [
                "root": config.root, "clean": String(wasClean), "end": outcome.end.description,
                "dispatchedFrom": dispatchFrom.description,
            ])
    }

    /// Cuts and completes the queues.
    private func finishRecovery(_ outcome: Recovery.Outcome, wasClean: Bool) throws(SystemError) {
        for queue in queues.all {
            try queue.truncate(to: outcome.dispatchFrom, wasClean: wasClean)
            try queue.correctMinimum(log.min)
        }
        var reported = SystemClock.now()
        try dispatcher.catchUp { offset in
            let now = SystemClock.now()
            guard now.milliseconds(since: reported) > 2000 else { return }
            reported = now
            logger.info("rebuilding queues and index", ["offset": offset.description, "end": outcome.end.description])
        }
        for queue in queues.all { queue.setNextOffset(queue.maxOffset) }
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
            throw error.isLocked ? .locked(path: path) : .system(error)
        }
        return file
    }

    // MARK: - Life

    /// Starts the store's threads.
    public func start(_ events: Events) {
        let flush = Thread("flush") { [self] in
            flusher.run(advanced: { flushAdvanced(events) }, failed: { fence("sync failed: \($0)") })
            events.flushed()  // whoever waits must hear of a fence
        }
        let dispatch = Thread("dispatch", nice: 5) { [self] in
            dispatcher.run(
                arrived: { queue in
                    events.arrived(queue)
                }, full: { dispatchIsFull($0) }, failed: { fence("cannot build queues: \($0)") })
        }
        let keep = Thread("keep", nice: 10) { [self] in keepRunning() }
        let prepare = Thread("prepare", nice: 10) { [self] in
            log.prepareFiles { self.logger.error("cannot prepare the next file", ["reason": $0.description]) }
        }
        let clean = Thread("clean", nice: 10) { [self] in
            retention.run(retentionParts, settings: events.retention ?? { self.config.retention })
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
            if !isFenced.load(ordering: .acquiring) { try flusher.flush() }
            dispatcher.stop()
            running[safe: 1]?.join()
            try keep(thorough: true)
            log.dropPrepared()
            let isComplete = dispatcher.dispatched.value == log.written.value
            if !isFenced.load(ordering: .acquiring), isComplete { try Directory.removeFile(config.root + "/abort") }
            logger.info("store closed", ["end": log.written.value.description])
        } catch {
            logger.error("the store was not closed cleanly", ["reason": error.description])
        }
    }

    // MARK: - Append

    /// Appends everything staged in `batch`. Any loop; takes the append lock once.
    ///
    /// When it returns, the records are in the page cache: they outlive this process, not the machine. With synchronous
    /// flush wait until ``flushedOffset`` has reached `batch.end` before acknowledging.
    /// - Throws: ``AppendError``; nothing of the batch is stored then.
    public func append(_ batch: AppendBatch, at now: Timestamp) throws(AppendError) {
        if isFenced.load(ordering: .acquiring) { throw .fenced(fencing.withLock { $0 } ?? "") }
        if disk.isFull { throw .diskFull }
        do throws(SystemError) {
            try log.append(batch, at: now)
        } catch {
            if error.isNoSpace { throw .diskFull }
            fence("write failed: \(error)")
            throw .fenced(error.description)
        }
        flusher.appended()
        if !config.isFlushSynchronous {  // otherwise readers see more when it is flushed
            var isAwaited = false
            for entry in batch.entries where entry.queue.waiters != 0 { isAwaited = true }
            dispatcher.confirmedMoved(isAwaited: isAwaited)
        }
    }

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

    /// Why the store takes nothing any more; `nil` while it does.
    public var fenceReason: String? { isFenced.load(ordering: .acquiring) ? fencing.withLock { $0 } : nil }

    /// The largest record it can take.
    public var recordByteCountMax: Int { log.recordByteCountMax }

    // MARK: - Keeping

    /// Body of the `keep` thread: queues and index are synced well behind the log, because they can be built again.
    private func keepRunning() {
        var kept = dispatcher.dispatched.value
        var rounds = 0
        while true {
            let isStopping = keeper.wait(milliseconds: config.consumeQueueFlushIntervalMilliseconds) { $0 ? true : nil }
            if isStopping == true { return }
            rounds += 1
            guard rounds % 10 == 0, kept < dispatcher.dispatched.value, keepError.withLock({ $0 }) == nil else {
                continue
            }
            kept = dispatcher.dispatched.value
            do throws(SystemError) {
                try keep(thorough: false)
            } catch {
                logger.error("cannot sync queues", ["reason": error.description])
            }
        }
    }

    /// After one failure nobody knows what the disk holds: the checkpoint stays where it is and recovery begins there.
    func keep(thorough: Bool) throws(SystemError) {
        if let error = keepError.withLock({ $0 }) { throw error }
        do throws(SystemError) {
            let timestamp = dispatcher.lastStoreTimestamp
            for queue in queues.all { try queue.synchronize() }
            let indexed = try index?.synchronize(all: thorough) ?? 0
            let isFlushed = thorough && flusher.flushed.value == log.written.value
            let written = isFlushed ? max(log.lastStoreTimestamp, timestamp) : 0  // appended now, or by a run that died
            try checkpoint.update {
                $0.queues = max($0.queues, timestamp)
                $0.index = max($0.index, indexed)
                $0.log = max($0.log, written)
            }
            if thorough { try checkpoint.synchronize() }
        } catch {
            keepError.withLock { $0 = error }
            throw error
        }
    }
}

extension Array {
    /// The element, or `nil` where there is none.
    subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
