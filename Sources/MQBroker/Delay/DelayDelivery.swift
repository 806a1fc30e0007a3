import MQBase
import MQBytes
import MQJSON
import MQMessage
import MQObserve
import MQProtocol
import MQStore
import MQSystem

/// Delivers delayed messages: reads `SCHEDULE_TOPIC_XXXX`, one queue a level, and appends each message to its real topic
/// when it is due. Body of the `delay` thread, which sleeps until the next one is due or a new one arrives.
///
/// Progress is kept in `delayOffset.json`, and only as far as the deliveries are durable, so that a message may come
/// twice after a crash and is never lost. Source: `ScheduleMessageService.java`, RocketMQ 5.3.
final class DelayDelivery: Sendable {
    static let fileName = "delayOffset.json"
    /// The bit by which queues know that this thread waits for their messages; loops have the lower ones.
    static let waiterIndex = 63

    private static let batchByteCountMax = 1 << 20
    private static let batchCountMax = 512

    private struct Progress {
        /// The next offset of each level, delivered or not durable yet.
        var next: [Int64]
        /// What may be forgotten after a crash: where each level stands once the log is durable up to `end`.
        var unflushed: [(level: Int, offset: Int64, end: PhysicalOffset)] = []
        /// The next offset of each level, as far as it is durable.
        var durable: [Int64]
        var saved: [Int64] = []
    }

    private let store: MessageStore
    private let levels: [Int64]
    private let redelivery: Redelivery
    private let stats: BrokerStats
    private let log: Log
    private let progress: Lock<Progress>
    private let monitor = Monitor((isWanted: false, isStopping: false))
    private let queues: [ConsumeQueue]

    /// - Parameter stored: the content of `delayOffset.json`.
    init(
        store: MessageStore, redelivery: Redelivery, stored: JSON?, stats: BrokerStats, log: Log
    ) throws(BodyError) {
        self.store = store
        self.redelivery = redelivery
        self.stats = stats
        self.log = log
        let levels = store.config.delayLevels
        self.levels = levels
        var offsets = [Int64](repeating: 0, count: levels.count)
        if let stored {
            for (level, offset) in try DelayOffsetSerializeWrapper(json: stored).offsetTable
            where (1...levels.count).contains(Int(level)) && offset >= 0 {
                offsets[Int(level) - 1] = offset
            }
        }
        progress = Lock(Progress(next: offsets, durable: offsets, saved: offsets))
        queues = levels.indices.map { store.queue(ScheduleTopic.name, $0) }
    }

    /// Writes `delayOffset.json` while it changes.
    func persist(to files: ConfigFiles, everyMilliseconds: Int64) {
        files.register(
            Self.fileName, everyMilliseconds: everyMilliseconds,
            isChanged: { [self] in
                advanceDurable()
                return progress.withLock { $0.saved != $0.durable }
            },
            text: { [self] in table().encoded(.pretty) })
    }

    /// What code 45 answers and the file holds.
    func table() -> DelayOffsetSerializeWrapper {
        advanceDurable()
        let offsets = progress.withLock { progress in
            progress.saved = progress.durable
            return progress.durable
        }
        var table: [Int32: Int64] = [:]
        for (index, offset) in offsets.enumerated() { table[Int32(index + 1)] = offset }
        return DelayOffsetSerializeWrapper(offsetTable: table)
    }

    private func advanceDurable() {
        let flushed = store.flushedOffset
        progress.withLock { progress in
            for entry in progress.unflushed where entry.end <= flushed { progress.durable[entry.level] = entry.offset }
            progress.unflushed.removeAll { $0.end <= flushed }
        }
    }

    // MARK: - Life

    /// A queue of the schedule topic has new messages. Any thread.
    func arrived() {
        monitor.signal { state in
            state.isWanted = true
            return true
        }
    }

    /// Ends ``run()``.
    func stop() {
        monitor.signal { state in
            state.isStopping = true
            return true
        }
    }

    /// Runs until ``stop()``.
    func run() {
        for queue in queues { queue.addWaiter(loop: Self.waiterIndex) }
        let batch = store.makeBatch()
        while true {
            let now = SystemClock.wall()
            var next: Int64?
            for level in levels.indices {
                guard let due = deliverDue(level, now, batch) else { continue }
                next = min(next ?? due, due)
            }
            let wait = next.map { min(max($0 - SystemClock.wall().rawValue, 1), 60_000) }
            let goesOn = monitor.wait(milliseconds: wait) { state -> Bool? in
                if state.isStopping { return false }
                guard state.isWanted else { return nil }
                state.isWanted = false
                return true
            }
            if goesOn == false { return }
        }
    }

    // MARK: - Delivery

    /// Delivers what is due on one level.
    /// - Returns: when the next message of the level is due; `nil` if there is none.
    private func deliverDue(_ level: Int, _ now: Timestamp, _ batch: AppendBatch) -> Int64? {
        let queue = queues[level]
        var offset = max(progress.withLock { $0.next[level] }, queue.minOffset)
        while offset < queue.maxOffset {
            let start = offset
            var due: Int64?
            do throws(SystemError) {
                due = try stage(level, queue, &offset, now, batch)
            } catch {
                log.error("cannot read delayed messages", ["level": String(level + 1), "reason": error.description])
                return now.rawValue + 1000
            }
            if offset > start, !commit(level, offset, batch) { return now.rawValue + 1000 }
            if let due { return due }
            if offset == start { return now.rawValue + 1000 }  // a queue that does not give its units may later
        }
        return nil
    }

    /// Stages due messages of a level from `offset` on and moves it behind them.
    /// - Returns: when the message at `offset` is due, if it is not yet.
    private func stage(
        _ level: Int, _ queue: ConsumeQueue, _ offset: inout Int64, _ now: Timestamp, _ batch: AppendBatch
    ) throws(SystemError) -> Int64? {
        while offset < queue.maxOffset, batch.entries.count < Self.batchCountMax,
            batch.byteCount < Self.batchByteCountMax
        {
            offset = max(offset, queue.minOffset)  // what is older was deleted with its log file
            guard let unit = try queue.unit(at: offset) else { return nil }
            // A delay that was configured shorter since counts; a clock that was set back must not hold messages.
            let latest = now.rawValue + levels[level]
            let noted = try queue.tagsCode(of: unit) ?? dueOfRecord(unit, level)
            let due = noted > latest ? now.rawValue : noted
            if due > now.rawValue { return due }
            let staged = store.withRecord(at: unit.physicalOffset) { record, bytes in
                stage(record, bytes, into: batch)
            }
            if staged != true { log.warn("delayed message lost its record", ["offset": String(unit.physicalOffset)]) }
            offset += 1
        }
        return nil
    }

    /// When a message is due whose unit lost what it points to.
    private func dueOfRecord(_ unit: QueueUnit, _ level: Int) -> Int64 {
        let stored = store.withRecord(at: unit.physicalOffset) { record, _ in record.storeTimestamp.rawValue }
        return (stored ?? 0) + levels[level]
    }

    /// Stages the message for the topic it was sent to; everything else stays as it is.
    private func stage(_ record: MessageRecord, _ bytes: Span<UInt8>, into batch: AppendBatch) -> Bool {
        let properties = bytes.extracting(record.properties)
        guard let real = redelivery.realQueue(properties) else { return false }
        let topic = properties.extracting(real.topic)
        return redelivery.stage(
            record, bytes, topic: topic, in: redelivery.target(topic.toString(), real.queueID), into: batch
        ) { $0.append(properties) }
    }

    /// Appends what is staged; then the level stands at `offset`.
    private func commit(_ level: Int, _ offset: Int64, _ batch: AppendBatch) -> Bool {
        defer { batch.removeAll() }
        do throws(AppendError) {
            try store.append(batch, at: SystemClock.wall())
        } catch {
            log.error("cannot deliver delayed messages", ["level": String(level + 1), "reason": error.description])
            return false
        }
        stats.stored(batch)
        progress.withLock { progress in
            progress.next[level] = offset
            progress.unflushed.append((level, offset, store.writtenOffset))
        }
        return true
    }
}
