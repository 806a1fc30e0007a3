import MQBase
import MQConfig
import MQObserve
import MQProtocol
import MQStore
import MQSystem

/// When compacted topics are compacted. Live, all of it.
public struct CompactionSettings: Equatable, Sendable {
    /// `enableCompaction`.
    public var isEnabled: Bool
    /// `compactionScheduleInternal`, milliseconds.
    public var intervalMilliseconds: Int64
    /// New keys of one compaction: `maxOffsetMapSize` in Java's 24 bytes.
    public var keysMax: Int

    init(_ values: ConfigValues) {
        isEnabled = values[CompactionKeys.enableCompaction]
        intervalMilliseconds = values[CompactionKeys.compactionScheduleInternal].milliseconds
        keysMax = values[CompactionKeys.maxOffsetMapSize] / 24
    }
}

/// The `compact` thread: keeps the last message of each key of topics with `cleanup.policy=COMPACTION`.
///
/// Source: `CompactionService.java`, `CompactionStore.java`, RocketMQ 5.3.
final class Compactor: Sendable {
    private let config: LiveConfig
    private let topics: TopicTable
    private let store: MessageStore
    private let log: Log
    private let now: @Sendable () -> Instant
    private let orders = Monitor(Orders())
    private let hold = Lock(DeletionHold())
    private let thread = Lock<Thread?>(nil)
    /// How long the interval's key is not looked at.
    private static let stepMilliseconds: Int64 = 10_000

    private struct Orders {
        var isStopping = false
        /// Files that end here or before wait for the compaction.
        var wantedBefore: PhysicalOffset?
    }

    /// - Parameter now: how long compactions have been tried in vain.
    init(
        config: LiveConfig, topics: TopicTable, store: MessageStore, log: Log,
        now: @escaping @Sendable () -> Instant = { SystemClock.now() }
    ) {
        self.now = now
        self.config = config
        self.topics = topics
        self.store = store
        self.log = log
    }

    /// Starts the thread.
    func start() {
        thread.withLock { thread in
            if thread == nil { thread = Thread("compact", nice: 10) { self.run() } }
        }
    }

    /// Ends the thread after the queue it works on.
    func stop() {
        orders.signal {
            $0.isStopping = true
            return true
        }
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.join()
    }

    private enum Order {
        case stop
        case hurry(PhysicalOffset)
    }

    private func run() {
        var last = SystemClock.now()
        while true {
            let due = last.advanced(byMilliseconds: config.current.compaction.intervalMilliseconds)
            let rest = min(Self.stepMilliseconds, max(0, due.milliseconds(since: SystemClock.now())))
            switch nextOrder(milliseconds: rest) {
            case .stop: return
            case .hurry(let end): catchUp(before: end)
            case nil: break
            }
            guard SystemClock.now() >= due else { continue }
            last = SystemClock.now()
            compactAll()
        }
    }

    private func nextOrder(milliseconds: Int64) -> Order? {
        orders.wait(milliseconds: milliseconds) { orders in
            if orders.isStopping { return .stop }
            guard let end = orders.wantedBefore else { return nil }
            orders.wantedBefore = nil
            return .hurry(end)
        }
    }

    /// Compacts all queues of compacted topics once.
    func compactAll() {
        let settings = config.current.compaction
        guard settings.isEnabled else { return }
        forEachQueue { queue in
            let gotOn = compact(queue, settings)
            if gotOn { hold.withLock { $0.tried(queue.name, gotOn: true, at: now()) } }
        }
    }

    /// Calls `body` with each queue of a compacted topic, until it is to stop.
    private func forEachQueue(_ body: (ConsumeQueue) -> Void) {
        for topic in topics.snapshot() where topic.isCompacted && !topic.holdsBatches {
            for queueID in 0..<max(topic.readQueueNums, topic.writeQueueNums) {
                if orders.withLock({ $0.isStopping }) { return }
                guard let queue = store.existingQueue(topic.topicName, queueID) else { continue }
                body(queue)
            }
        }
    }

    // MARK: - Files that go

    /// Whether everything of the log before `end` may be deleted: compacted queues have copied what they need. If not, the
    /// `compact` thread is told to. The `clean` thread asks; may wait for the disk.
    /// - Parameter isDiskFull: messages are refused until there is more room.
    func mayDelete(before end: PhysicalOffset, isDiskFull: Bool) -> Bool {
        guard config.current.compaction.isEnabled else { return true }
        var lacking: [DeletionHold.Queue] = []
        forEachQueue { if lacks($0, before: end) { lacking.append($0.name) } }
        if orders.withLock({ $0.isStopping }) { return false }  // not all were looked at
        switch hold.withLock({ $0.asked(lacking: lacking, isDiskFull: isDiskFull, at: now()) }) {
        case .go: return true
        case .wait:
            orders.signal {
                $0.wantedBefore = end
                return true
            }
            return false
        case .abandon(let queues):
            log.error(
                "compacted topics lose messages: the disk is full and they cannot be compacted",
                ["logOffset": end.description, "queues": queues.prefix(20).map(\.description).joined(separator: " ")])
            return true
        }
    }

    /// Whether a part of the queue's messages before `end` is not copied yet. A queue that cannot be read is said to lack
    /// something: it is tried again.
    private func lacks(_ queue: ConsumeQueue, before end: PhysicalOffset) -> Bool {
        do throws(SystemError) {
            return try store.compaction.lacks(queue, before: end)
        } catch {
            log.error("cannot look at a queue", ["queue": queue.name.description, "reason": error.description])
            return true
        }
    }

    /// Compacts the queues that need something of the log before `end`. The `compact` thread, when it was told to.
    func catchUp(before end: PhysicalOffset) {
        let settings = config.current.compaction
        forEachQueue { queue in
            var gotOn = true
            while gotOn, lacks(queue, before: end), !orders.withLock({ $0.isStopping }) {
                gotOn = compact(queue, settings)
                hold.withLock { [gotOn] in $0.tried(queue.name, gotOn: gotOn, at: now()) }
            }
        }
    }

    /// - Returns: whether the queue is compacted further than before.
    private func compact(_ queue: ConsumeQueue, _ settings: CompactionSettings) -> Bool {
        do throws(SystemError) {
            guard let outcome = try store.compaction.compact(queue, of: store, keysMax: settings.keysMax) else {
                return false
            }
            log.info(
                "queue compacted",
                [
                    "queue": queue.name.description, "end": String(outcome.end),
                    "messages": String(outcome.kept),
                ])
            return true
        } catch {
            // What was there stays, and so does the log: it is tried again.
            log.error(
                "cannot compact a queue", ["queue": queue.name.description, "reason": error.description])
            return false
        }
    }
}

extension ConsumeQueue {
    fileprivate var name: DeletionHold.Queue { DeletionHold.Queue(topic: topic, queueID: queueID) }
}
