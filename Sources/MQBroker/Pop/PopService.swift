import MQBase
import MQBytes
import MQObserve
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import Synchronization

/// What all loops share of pop: the table behind its lock, its journal, and the groups' progress that follows it.
///
/// An answer that tells a consumer of a change waits until the change is in the journal: ``commit()`` at the end of the
/// wake-up, and with synchronous flush until the journal is on the disk (``synced``).
final class PopService: Sendable {
    /// Whom to tell. Called on any thread: hand over to a loop at once.
    struct Events: Sendable {
        /// Messages of `topic` were put to the group's retry topic for it.
        var retried: @Sendable (_ group: String, _ topic: String) -> Void
        /// An ordered pop of the queue blocks no more.
        var freed: @Sendable (PopQueueKey) -> Void
        /// More of the journal is durable, or nothing will be any more.
        var synced: @Sendable () -> Void
    }

    private struct State {
        var table: PopTable
        /// When the expiry thread means to wake up, ms since 1970.
        var plannedWake = Int64.max
        /// Why nothing can be kept for now.
        var trouble: SystemError?
    }

    let store: MessageStore
    let offsets: OffsetTable
    let isSynchronous: Bool
    /// Who waits for messages, at all loops.
    let pollCounts = PollCounts()
    private let state: Lock<State>
    private let journal: PopJournal
    private let log: Log
    private let isFailed = Atomic<Bool>(false)
    private let listeners = Lock<Events?>(nil)
    private let syncing = Monitor((isWanted: false, isStopping: false))
    private let expiry = Monitor((isWanted: false, isStopping: false))
    private let threads = Lock<[Thread]>([])

    /// Reads the journal below `root` and settles the groups' progress with it.
    /// - Parameter ordered: what `consumerOrderInfo.json` holds; counts where the journal knows nothing.
    init(
        root: String, store: MessageStore, offsets: OffsetTable, ordered: [(PopQueueKey, OrderedPop)], log: Log,
        limits: PopTable.Limits = PopTable.Limits()
    ) throws(PopJournalError) {
        let folder = root + "/pop"
        var table = PopTable(limits: limits)
        let now = SystemClock.wall().rawValue
        let logEnd = store.writtenOffset.rawValue
        let (end, isTorn) = try PopJournal.replay(folder) { table.apply($0, logEnd: logEnd, now: now) }
        if isTorn { log.warn("pop's journal ends in the middle of a write", ["folder": folder]) }
        let progress = table.settle(
            end: { store.existingQueue($0.topic, Int($0.queueID))?.maxOffset },
            committed: { offsets.query(group: $0.group, topic: $0.topic, queueID: $0.queueID) })
        for (key, offset) in progress {
            offsets.commit(group: key.group, topic: key.topic, queueID: key.queueID, offset: offset)
        }
        for (key, pop) in ordered {
            let committed = offsets.query(group: key.group, topic: key.topic, queueID: key.queueID)
            if let committed { table.adopt(key, ordered: pop, committed: committed, now: now) }
        }
        table.staged.removeAll()
        var next: Int? = 0
        while let start = next { next = table.stageState(from: start, spansMax: .max) }
        journal = try PopJournal(folder, end: end, state: table.staged)
        table.staged.removeAll()
        log.info("pop state read", ["queues": String(table.queueCount), "spans": String(table.spanCount)])
        self.store = store
        self.offsets = offsets
        self.log = log
        isSynchronous = store.config.isFlushSynchronous
        state = Lock(State(table: table))
    }

    /// Why nothing may be popped or acknowledged; `nil` while it may.
    var refusal: Refusal? {
        if isFailed.load(ordering: .acquiring) { return Self.failed }
        guard let trouble = state.withLock({ $0.trouble }) else { return nil }
        return Refusal(.systemError, "pop's journal cannot be written: \(trouble)")
    }

    private static let failed = Refusal(.systemError, "pop's journal failed: nothing is popped until the next start")

    // MARK: - Changes

    /// Runs `body` with the table, alone. What it changes is kept when ``commit()`` has returned.
    func withTable<R>(_ body: (inout PopTable) -> R) -> R {
        var mustWake = false
        let result = state.withLock { state in
            let result = body(&state.table)
            if let next = state.table.nextDeadline, next < state.plannedWake {
                state.plannedWake = next
                mustWake = true
            }
            return result
        }
        if mustWake { wakeExpiry() }
        return result
    }

    /// Begins a pop where the group stands; a group that was never here begins at `initial`.
    func begin(
        _ key: PopQueueKey, now: Int64, openMax: Int, isOrdered: Bool, attemptID: String?, initial: Int64
    ) -> PopTable.Begin {
        let (begin, isFirst) = state.withLock { state -> (PopTable.Begin, Bool) in
            // The progress is read and moved under this lock, so that what differs is somebody else's doing.
            if let next = state.table.nextIfBusy(key) { return (.busy(next: next), false) }
            // A pop begins where an administrator has set the group: nobody needs to be told of it.
            let isReset = offsets.takeReset(group: key.group, topic: key.topic, queueID: key.queueID) != nil
            guard let committed = progress(key, initial) else { return (.full(next: 0), false) }
            let isFirst = state.table.queueCount == 0
            let begin = state.table.begin(
                key, committed: committed, isReset: isReset, now: now, openMax: openMax, isOrdered: isOrdered,
                attemptID: attemptID)
            return (begin, isFirst)
        }
        if isFirst { wakeExpiry() }  // from now on it looks at the queues
        return begin
    }

    /// An administrator has set the group's progress in a queue. May wait for the disk.
    func reset(_ key: PopQueueKey, to offset: Int64) {
        state.withLock { $0.table.reset(key, to: offset) }
        guard commit() != nil, isSynchronous else { return }
        do throws(SystemError) { try journal.synchronize() } catch { fail(error) }
    }

    private func progress(_ key: PopQueueKey, _ initial: Int64) -> Int64? {
        if let known = offsets.query(group: key.group, topic: key.topic, queueID: key.queueID) { return max(0, known) }
        let kept = offsets.commit(group: key.group, topic: key.topic, queueID: key.queueID, offset: initial)
        return kept == .full ? nil : initial
    }

    /// Where the next pop of a queue begins; `nil` if the group was never here.
    func next(_ key: PopQueueKey) -> Int64? {
        state.withLock { $0.table.queue(key)?.next }
            ?? offsets.query(group: key.group, topic: key.topic, queueID: key.queueID).map { max(0, $0) }
    }

    /// Whether an ordered pop of the queue would have to wait.
    func isBlocked(_ key: PopQueueKey, attemptID: String?, now: Int64) -> Bool {
        state.withLock { $0.table.queue(key)?.ordered?.blocks(attemptID: attemptID, now: now) ?? false }
    }

    /// The offsets of a queue's last ordered pop.
    func orderedOffsets(_ key: PopQueueKey) -> [Int64] {
        state.withLock { $0.table.queue(key)?.ordered?.offsets ?? [] }
    }

    /// Writes what has changed to the journal and moves the groups' progress. Any thread.
    /// - Parameter patience: how long another's write to the journal may last before this one gives up, ms; asked only if one
    ///   lasts.
    /// - Returns: the journal's position behind it; `nil` if it could not be written: it will be with the next call.
    func commit(patience: () -> Int64 = { .max }) -> Int64? {
        guard !isFailed.load(ordering: .acquiring) else { return nil }
        do throws(SystemError) {
            let end = try journal.append(patience: patience) { records in
                state.withLock { state in
                    swap(&records, &state.table.staged)
                    for progress in state.table.takeProgress() {
                        let key = progress.key
                        offsets.advance(
                            group: key.group, topic: key.topic, queueID: key.queueID, from: progress.from,
                            to: progress.to)
                    }
                    state.trouble = nil
                }
            }
            return end
        } catch {
            let isNew = state.withLock { state in
                defer { state.trouble = error }
                return state.trouble == nil
            }
            if isNew { log.error("cannot write pop's journal", ["reason": error.description]) }
            return nil
        }
    }

    /// Journal positions before it are on the disk.
    var synced: Int64 { journal.synced }

    /// Asks for a sync of the journal; `Events.synced` tells when it is done.
    func wantSync() {
        syncing.signal { state in
            state.isWanted = true
            return true
        }
    }

    // MARK: - Threads

    /// Starts the threads. `expire` is called on one of them whenever something may be over, and returns when to come back,
    /// in ms; before it is called, ``Events`` count.
    func start(_ events: Events, expire: @escaping @Sendable () -> Int64) {
        listeners.withLock { $0 = events }
        var running = [Thread("pop", nice: 5) { [self] in runExpiry(expire) }]
        if isSynchronous { running.append(Thread("pop-sync") { [self] in runSync() }) }
        threads.withLock { $0 = running }
    }

    var events: Events? { listeners.withLock { $0 } }

    private func wakeExpiry() {
        expiry.signal { state in
            state.isWanted = true
            return true
        }
    }

    private func runExpiry(_ expire: () -> Int64) {
        while true {
            let latest = min(max(expire(), 1), 60_000)
            let wait = state.withLock { state in
                let now = SystemClock.wall().rawValue
                // What came since `expire` looked must not be slept through.
                state.plannedWake = min(now + latest, max(now + 1, state.table.nextDeadline ?? .max))
                return state.plannedWake - now
            }
            let isEnd = expiry.wait(milliseconds: wait) { state -> Bool? in
                if state.isStopping { return true }
                guard state.isWanted else { return nil }
                state.isWanted = false
                return false
            }
            if isEnd == true { return }
        }
    }

    private func runSync() {
        while true {
            let isEnd = syncing.wait { state -> Bool? in
                if state.isWanted {
                    state.isWanted = false
                    return false
                }
                return state.isStopping ? true : nil
            }
            if isEnd == true { return }
            do throws(SystemError) { try journal.synchronize() } catch { fail(error) }
            events?.synced()
        }
    }

    private func fail(_ error: SystemError) {
        // The system may have dropped the pages: nobody knows any more what the disk holds.
        isFailed.store(true, ordering: .releasing)
        log.error("pop's journal failed", ["reason": error.description])
    }

    /// Begins a new file if the journal's is large. On the expiry thread.
    func compactIfLarge() {
        guard journal.isLarge, !isFailed.load(ordering: .acquiring) else { return }
        do throws(SystemError) {
            try journal.synchronize()
            try journal.turn()
            var next: Int? = 0
            state.withLock { $0.table.flushed(to: store.flushedOffset.rawValue) }
            while let start = next {
                next = state.withLock { $0.table.stageState(from: start, spansMax: 2000) }
                guard commit() != nil else { return }
            }
            try journal.dropOldFiles()
        } catch {
            if error.isNoSpace {
                log.warn("pop's journal cannot be shortened", ["reason": error.description])
            } else {
                fail(error)
            }
        }
    }

    /// Ends the threads. The loops may still run.
    func stopThreads() {
        for monitor in [syncing, expiry] {
            monitor.signal { state in
                state.isStopping = true
                return true
            }
        }
        for thread in threads.withLock({ $0 }) { thread.join() }
        threads.withLock { $0 = [] }
    }

    /// Makes everything durable. After the loops have ended.
    func close() {
        // What others have set since the last look counts for the next start.
        state.withLock { state in
            _ = state.table.look(from: 0, count: .max, idleBefore: .min) { [offsets] key in
                offsets.query(group: key.group, topic: key.topic, queueID: key.queueID)
            }
        }
        _ = commit()
        do throws(SystemError) { try journal.synchronize() } catch {
            log.warn("pop's journal is not durable", ["reason": error.description])
        }
    }
}
