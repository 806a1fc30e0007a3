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
    private let isStopping = Monitor(false)
    private let thread = Lock<Thread?>(nil)
    /// How long the interval's key is not looked at.
    private static let stepMilliseconds: Int64 = 10_000

    init(config: LiveConfig, topics: TopicTable, store: MessageStore, log: Log) {
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
        isStopping.signal {
            $0 = true
            return true
        }
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.join()
    }

    private func run() {
        var last = SystemClock.now()
        while true {
            let due = last.advanced(byMilliseconds: config.current.compaction.intervalMilliseconds)
            let rest = min(Self.stepMilliseconds, max(0, due.milliseconds(since: SystemClock.now())))
            if isStopping.wait(milliseconds: rest, until: { $0 ? true : nil }) == true { return }
            guard SystemClock.now() >= due else { continue }
            last = SystemClock.now()
            compactAll()
        }
    }

    /// Compacts all queues of compacted topics once.
    func compactAll() {
        let settings = config.current.compaction
        guard settings.isEnabled else { return }
        for topic in topics.snapshot() where topic.isCompacted && !topic.holdsBatches {
            for queueID in 0..<max(topic.readQueueNums, topic.writeQueueNums) {
                if isStopping.withLock({ $0 }) { return }
                guard let queue = store.existingQueue(topic.topicName, queueID) else { continue }
                compact(queue, settings)
            }
        }
    }

    private func compact(_ queue: ConsumeQueue, _ settings: CompactionSettings) {
        do throws(SystemError) {
            guard let outcome = try store.compaction.compact(queue, of: store, keysMax: settings.keysMax) else {
                return
            }
            log.info(
                "queue compacted",
                [
                    "queue": "\(queue.topic)/\(queue.queueID)", "end": String(outcome.end),
                    "messages": String(outcome.kept),
                ])
        } catch {
            // What was there stays, and so does the log: it is tried again.
            log.error(
                "cannot compact a queue", ["queue": "\(queue.topic)/\(queue.queueID)", "reason": error.description])
        }
    }
}
