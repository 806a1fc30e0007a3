import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQStore
import MQSystem

/// What happens to popped messages whose time is over: they are put to the group's retry topic for another attempt, or
/// after `retryMaxTimes` of them to the dead letters. Body of the `pop` thread, which sleeps until the next one is due.
///
/// Source of the new record: `PopReviveService.java` `reviveRetry`, RocketMQ 5.3.
final class PopExpiry: Sendable {
    /// Spans taken at a time; staged bytes after which they are appended.
    private static let spansMax = 128
    private static let stagedByteCountMax = 4 << 20
    /// How long after a failure it is tried again, and how often queues are looked at, ms.
    private static let retryMilliseconds: Int64 = 1000
    private static let lookMilliseconds: Int64 = 1000
    /// Queues looked at while the table is locked.
    private static let lookCount = 500

    private let config: LiveConfig
    private let service: PopService
    private let topics: TopicTable
    private let groups: GroupTable
    private let adoption: ReviveTopic
    private let store: MessageStore
    private let redelivery: Redelivery
    private let stats: BrokerStats
    private let log: Log
    /// When the queues are looked at next, ms since 1970.
    private let nextLook = Lock<Int64>(0)

    init(
        config: LiveConfig, service: PopService, tables: BrokerTables, adoption: ReviveTopic, redelivery: Redelivery,
        stats: BrokerStats, log: Log
    ) {
        self.config = config
        self.service = service
        topics = tables.topics
        groups = tables.groups
        self.adoption = adoption
        store = service.store
        self.redelivery = redelivery
        self.stats = stats
        self.log = log
    }

    /// Does what is due. On the `pop` thread.
    /// - Returns: when to come back at the latest, ms from now.
    func run() -> Int64 {
        let batch = store.makeBatch()
        while true {
            let now = SystemClock.wall().rawValue
            let (spans, freed) = service.withTable { $0.takeExpired(now: now, countMax: Self.spansMax) }
            for key in freed { service.events?.freed(key) }
            guard !spans.isEmpty else { break }
            for (index, span) in spans.enumerated() where !revive(span, batch, now) {
                for late in spans[index...] {
                    service.withTable { $0.postpone(late, to: now + Self.retryMilliseconds) }
                }
                _ = service.commit()
                return Self.retryMilliseconds
            }
            _ = service.commit()
        }
        look()
        let isIdle = service.withTable { $0.queueCount == 0 } && !adoption.isOpen
        return isIdle && service.refusal == nil ? 60_000 : Self.lookMilliseconds
    }

    /// Puts what is open of a span to where it goes next. `false`: the log takes nothing now.
    private func revive(_ expired: PopTable.Expired, _ batch: AppendBatch, _ now: Int64) -> Bool {
        let origin = PopTopicKind.origin(of: expired.key.topic, group: expired.key.group)
        var bits: UInt64 = 0
        for (index, offset) in expired.span.openOffsets {
            guard stage(expired, offset, origin, batch) else {
                batch.removeAll()
                return false
            }
            bits |= 1 << UInt64(index)
            if batch.byteCount > Self.stagedByteCountMax {
                guard commit(expired, bits, batch) else { return false }
                bits = 0
            }
        }
        guard commit(expired, bits, batch) else { return false }
        service.events?.retried(expired.key.group, origin)
        return true
    }

    /// Appends what is staged and takes the messages for done. `false`: nothing was appended.
    private func commit(_ expired: PopTable.Expired, _ bits: UInt64, _ batch: AppendBatch) -> Bool {
        guard bits != 0 else { return true }
        defer { batch.removeAll() }
        if !batch.entries.isEmpty {
            do throws(AppendError) { try store.append(batch, at: SystemClock.wall()) } catch {
                log.error("cannot put popped messages to the retry topic", ["reason": error.description])
                return false
            }
            stats.stored(batch)
        }
        let end = batch.entries.isEmpty ? 0 : batch.end.rawValue
        service.withTable { $0.finish(expired, bits, logEnd: end) }
        return true
    }

    /// Stages one message; one that is gone needs no other attempt. `false`: it must be tried again.
    private func stage(
        _ expired: PopTable.Expired, _ offset: Int64, _ origin: String, _ batch: AppendBatch
    ) -> Bool {
        do throws(SystemError) {
            guard let queue = store.existingQueue(expired.key.topic, Int(expired.key.queueID)),
                let unit = try queue.unit(at: offset)
            else { return true }
            let topic = try target(expired, origin, unit)
            guard let topic else { return false }
            let staged = store.withRecord(at: unit.physicalOffset) { record, bytes in
                stage(record, bytes, expired, origin, topic, batch)
            }
            if staged != true {
                log.warn(
                    "a popped message cannot come again",
                    ["topic": expired.key.topic, "group": expired.key.group, "offset": String(offset)])
            }
            return true
        } catch {
            log.error("cannot read a popped message", ["topic": expired.key.topic, "reason": error.description])
            return false
        }
    }

    /// Whether the message has had all its attempts.
    private func isDead(_ record: MessageRecord, _ group: String) -> Bool {
        Int(record.reconsumeTimes) >= groups.existing(group)?.retryMaxTimes ?? 16
    }

    /// Where the message goes; `nil` if that topic cannot be made now.
    private func target(
        _ expired: PopTable.Expired, _ origin: String, _ unit: QueueUnit
    ) throws(SystemError) -> TopicConfig? {
        let group = expired.key.group
        let dead = store.withRecord(at: unit.physicalOffset) { record, _ in isDead(record, group) } ?? false
        do throws(Refusal) { return try target(expired, origin, isDead: dead) } catch {
            log.error("a popped message has no retry topic", ["group": group, "reason": error.remark])
            return nil
        }
    }

    private func stage(
        _ record: MessageRecord, _ bytes: Span<UInt8>, _ expired: PopTable.Expired, _ origin: String,
        _ topic: TopicConfig, _ batch: AppendBatch
    ) -> Bool {
        var properties = Properties.list(bytes.extracting(record.properties))
        properties.removeAll { $0.name == PropertyName.popCheckPoint.description }
        let first = "1ST_POP_TIME"
        if record.reconsumeTimes == 0 || !properties.contains(where: { $0.name == first }) {
            properties.removeAll { $0.name == first }
            properties.append((first, String(expired.span.key.popTime)))
        }
        if isDead(record, expired.key.group) {
            for (name, value) in [
                ("DLQ_ORIGIN_TOPIC", origin),
                (
                    "DLQ_ORIGIN_MESSAGE_ID",
                    MessageID.offsetID(
                        host: record.storeHost, offset: PhysicalOffset(rawValue: max(0, record.physicalOffset)))
                ),
            ] where !properties.contains(where: { $0.name == name }) { properties.append((name, value)) }
        }
        return redelivery.stage(
            record, bytes, topic: Array(topic.topicName.utf8).span, in: store.queue(topic.topicName, 0), into: batch,
            reconsumeTimes: record.reconsumeTimes &+ 1
        ) { $0.append(Properties.encode(properties)) }
    }

    /// The topic for the next attempt, made if it is missing. A message of a retry topic goes to the same one again.
    private func target(
        _ expired: PopTable.Expired, _ origin: String, isDead: Bool
    ) throws(Refusal) -> TopicConfig {
        let (topic, group) = (expired.key.topic, expired.key.group)
        if isDead { return try topics.createDeadLetterTopic(group: group) }
        let kind: PopTopicKind = config.current.pop.usesRetryTopicV2 ? .retryV2 : .retryV1
        let name = PopTopicKind(of: topic) == .normal ? kind.name(topic: topic, group: group) : topic
        return try topics.createForSend(
            topic: name, defaultTopic: "", queueCount: 1, remoteAddress: "pop", isUnit: false)
    }

    // MARK: - Now and then

    /// Takes in what another broker left, follows progress that others have set, forgets idle queues, shortens the journal.
    private func look() {
        let now = SystemClock.wall().rawValue
        let isDue = nextLook.withLock { next in
            guard next <= now || next > now + 10 * Self.lookMilliseconds else { return false }
            next = now + Self.lookMilliseconds
            return true
        }
        guard isDue else { return }
        adoption.takeIn(now: now)
        let flushed = store.flushedOffset.rawValue
        service.withTable { $0.flushed(to: flushed) }
        // By then the file of the groups' progress was written, twice.
        let idle = max(30_000, config.current.groups.flushConsumerOffsetMilliseconds * 5 / 2)
        var next: Int? = 0
        while let start = next {
            next = service.withTable { table in
                table.look(from: start, count: Self.lookCount, idleBefore: now - idle) { [service] key in
                    service.offsets.query(group: key.group, topic: key.topic, queueID: key.queueID)
                }
            }
        }
        _ = service.commit()
        service.compactIfLarge()
    }
}
