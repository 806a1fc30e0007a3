import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQStore
import MQSystem

/// Popped messages on their way to the group's retry topic, or to the dead letters: many spans are appended with one
/// write. One for each run of the `pop` thread.
///
/// Source of the new record: `PopReviveService.java` `reviveRetry`, RocketMQ 5.3.
final class PopRetries {
    /// Messages of a span that need nothing more, and where the log ends behind them; 0 if nothing was put there.
    struct Done {
        let expired: PopTable.Expired
        let bits: UInt64
        let logEnd: Int64
    }

    /// What became of one message.
    private enum Outcome {
        case staged
        /// It fits no record, or nowhere.
        case unfit
        /// Its topic cannot be made now.
        case homeless
    }

    /// Staged bytes after which they are appended.
    private static let stagedByteCountMax = 4 << 20
    private static let firstPopTime: StaticString = "1ST_POP_TIME"
    private static let originTopic: StaticString = "DLQ_ORIGIN_TOPIC"
    private static let originID: StaticString = "DLQ_ORIGIN_MESSAGE_ID"

    private let config: LiveConfig
    private let store: MessageStore
    private let topics: TopicTable
    private let groups: GroupTable
    private let redelivery: Redelivery
    private let stats: BrokerStats
    private let log: Log
    private let batch: AppendBatch
    private var pending: [(expired: PopTable.Expired, bits: UInt64)] = []
    private var done: [Done] = []
    private var told: [String: Set<String>] = [:]
    /// The log takes nothing now.
    private(set) var isRefused = false

    init(
        config: LiveConfig, store: MessageStore, topics: TopicTable, groups: GroupTable, redelivery: Redelivery,
        stats: BrokerStats, log: Log
    ) {
        self.config = config
        self.store = store
        self.topics = topics
        self.groups = groups
        self.redelivery = redelivery
        self.stats = stats
        self.log = log
        batch = store.makeBatch()
    }

    /// What is done since the last call.
    func takeDone() -> [Done] {
        defer { done.removeAll(keepingCapacity: true) }
        return done
    }

    /// Groups that have messages again since the last call, with the topics that these are for.
    func takeTold() -> [String: Set<String>] {
        defer { told.removeAll(keepingCapacity: true) }
        return told
    }

    /// Stages what is open of a span; much of it is appended at once.
    /// - Returns: `false` if some of it must be tried again.
    func add(_ expired: PopTable.Expired) -> Bool {
        let origin = PopTopicKind.origin(of: expired.key.topic, group: expired.key.group)
        var target = Target(expired, origin: origin)
        var bits: UInt64 = 0
        for (index, offset) in expired.span.openOffsets {
            guard stage(expired, offset, &target) else {
                if bits != 0 { pending.append((expired, bits)) }
                return false
            }
            bits |= 1 << UInt64(index)
            guard batch.byteCount > Self.stagedByteCountMax else { continue }
            pending.append((expired, bits))
            bits = 0
            commit()
            if isRefused { return false }
        }
        if bits != 0 { pending.append((expired, bits)) }
        return true
    }

    /// Appends what is staged.
    func commit() {
        guard !isRefused else { return }
        var logEnd: Int64 = 0
        if !batch.entries.isEmpty {
            do throws(AppendError) { try store.append(batch, at: SystemClock.wall()) } catch {
                log.error("cannot put popped messages to the retry topic", ["reason": error.description])
                isRefused = true
                return
            }
            stats.stored(batch)
            logEnd = batch.end.rawValue
            batch.removeAll()
        }
        for (expired, bits) in pending {
            done.append(Done(expired: expired, bits: bits, logEnd: logEnd))
            let key = expired.key
            told[key.group, default: []].insert(PopTopicKind.origin(of: key.topic, group: key.group))
        }
        pending.removeAll(keepingCapacity: true)
    }

    // MARK: - One message

    /// Where the messages of a span go, looked up once.
    private struct Target {
        let expired: PopTable.Expired
        let origin: String
        var retry: TopicConfig?
        var dead: TopicConfig?

        init(_ expired: PopTable.Expired, origin: String) {
            self.expired = expired
            self.origin = origin
        }
    }

    /// Stages one message; one that is gone needs no other attempt. `false`: it must be tried again.
    private func stage(_ expired: PopTable.Expired, _ offset: Int64, _ target: inout Target) -> Bool {
        let unit: QueueUnit?
        do throws(SystemError) {
            unit = try store.existingQueue(expired.key.topic, Int(expired.key.queueID))?.unit(at: offset)
        } catch {
            log.error("cannot read a popped message", ["topic": expired.key.topic, "reason": error.description])
            return false
        }
        let inLog = unit.flatMap { unit in
            store.withRecord(at: unit.physicalOffset) { record, bytes in stage(record, bytes, &target) }
        }
        let outcome = inLog ?? stageCompacted(expired.key, offset, &target)
        guard unit != nil || outcome != nil else { return true }
        if outcome == .homeless { return false }
        if outcome != .staged {
            log.warn(
                "a popped message cannot come again",
                ["topic": expired.key.topic, "group": expired.key.group, "offset": String(offset)])
        }
        return true
    }

    /// Stages a message that only the queue's compacted file has any more.
    private func stageCompacted(_ key: PopQueueKey, _ offset: Int64, _ target: inout Target) -> Outcome? {
        guard let queue = store.existingQueue(key.topic, Int(key.queueID)), store.compaction.end(queue) > offset else {
            return nil
        }
        do throws(SystemError) {
            let limits = ReadLimits(messageCount: 1)
            guard let (_, bytes) = try store.compaction.read(queue, from: offset, limits: limits), !bytes.isEmpty else {
                return nil
            }
            do throws(WireError) {
                let record = try MessageRecord(bytes.span)
                return record.queueOffset == offset ? stage(record, bytes.span, &target) : nil
            } catch {
                return nil  // such a file is damaged; pulls say so
            }
        } catch {
            log.error("cannot read a popped message", ["topic": key.topic, "reason": error.description])
            return .homeless
        }
    }

    private func stage(_ record: MessageRecord, _ bytes: Span<UInt8>, _ target: inout Target) -> Outcome {
        let isDead = Int(record.reconsumeTimes) >= groups.existing(target.expired.key.group)?.retryMaxTimes ?? 16
        let topic: TopicConfig
        do throws(Refusal) { topic = try self.topic(isDead: isDead, &target) } catch {
            log.error(
                "a popped message has no retry topic", ["group": target.expired.key.group, "reason": error.remark])
            return .homeless
        }
        let isStaged = redelivery.stage(
            record, bytes, topic: Array(topic.topicName.utf8).span, in: store.queue(topic.topicName, 0), into: batch,
            reconsumeTimes: record.reconsumeTimes &+ 1
        ) { appendProperties(record, bytes.extracting(record.properties), target, isDead: isDead, to: &$0) }
        return isStaged ? .staged : .unfit
    }

    private func appendProperties(
        _ record: MessageRecord, _ text: Span<UInt8>, _ target: Target, isDead: Bool, to buffer: inout ByteBuffer
    ) {
        var (hasFirst, hasTopic, hasID) = (false, false, false)
        Properties.forEach(in: text) { name, value in
            let key = text.extracting(name)
            if key.equals(PropertyName.popCheckPoint) { return true }
            if key.equals(Self.firstPopTime) {
                guard record.reconsumeTimes > 0 else { return true }
                hasFirst = true
            }
            if key.equals(Self.originTopic) { hasTopic = true }
            if key.equals(Self.originID) { hasID = true }
            buffer.append(text.extracting(name.lowerBound..<value.upperBound))
            buffer.append(Properties.valueEnd)
            return true
        }
        if !hasFirst { Self.append(Self.firstPopTime, String(target.expired.span.key.popTime), to: &buffer) }
        guard isDead else { return }
        if !hasTopic { Self.append(Self.originTopic, target.origin, to: &buffer) }
        guard !hasID else { return }
        let place = PhysicalOffset(rawValue: max(0, record.physicalOffset))
        Self.append(Self.originID, MessageID.offsetID(host: record.storeHost, offset: place), to: &buffer)
    }

    private static func append(_ name: StaticString, _ value: String, to buffer: inout ByteBuffer) {
        buffer.append(name)
        buffer.append(Properties.nameEnd)
        buffer.append(utf8: value)
        buffer.append(Properties.valueEnd)
    }

    /// The topic for the next attempt, made if it is missing. A message of a retry topic goes to the same one again.
    private func topic(isDead: Bool, _ target: inout Target) throws(Refusal) -> TopicConfig {
        let (topic, group) = (target.expired.key.topic, target.expired.key.group)
        if let known = isDead ? target.dead : target.retry { return known }
        guard !isDead else {
            let made = try topics.createDeadLetterTopic(group: group)
            target.dead = made
            return made
        }
        let kind: PopTopicKind = config.current.pop.usesRetryTopicV2 ? .retryV2 : .retryV1
        let name = PopTopicKind(of: topic) == .normal ? kind.name(topic: topic, group: group) : topic
        let made = try topics.createForSend(
            topic: name, defaultTopic: "", queueCount: 1, remoteAddress: "pop", isUnit: false)
        target.retry = made
        return made
    }
}
