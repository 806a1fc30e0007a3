import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore

/// CONSUMER_SEND_MSG_BACK (36): a message that could not be consumed goes to its group's retry topic after a delay, or to
/// the dead letters. One per loop, loop only.
///
/// Source of the rules: `AbstractSendMessageProcessor.consumerSendMsgBack`, RocketMQ 5.3.
final class SendBackHandler {
    private let topics: TopicTable
    private let groups: GroupTable
    private let store: MessageStore
    private let storeHost: MessageHost
    private let delayLevelCount: Int
    private var lookup: TopicLookup

    init(topics: TopicTable, groups: GroupTable, store: MessageStore, settings: SendHandler.Settings) {
        self.topics = topics
        self.groups = groups
        self.store = store
        storeHost = settings.storeHost
        delayLevelCount = settings.delayLevelCount
        lookup = TopicLookup(topics, store: store)
    }

    /// Whether the log has the message no more, so that only a compacted queue may have it.
    func isGone(_ offset: Int64) -> Bool { offset >= 0 && offset < store.minOffset.rawValue }

    /// The message, if a compacted queue of the topic that the request names has it. Waits for the disk.
    static func compacted(_ request: RemotingCommand, in store: MessageStore) -> [UInt8]? {
        guard let topic = request["originTopic"], let offset = request.int64("offset") else { return nil }
        // A disk that cannot be read is told as a message that is not found; pulls say more.
        return (try? store.compaction.record(of: topic, fromLog: offset)) ?? nil
    }

    /// Stages the message for its next attempt in `batch`; it is answered when that is committed.
    /// - Parameter copy: the message's record, if the log has it no more.
    /// - Throws: ``Refusal``.
    /// - Returns: `false` if there is nothing to do and the request is answered with success at once.
    func stage(
        _ request: RemotingCommand, copy: [UInt8]? = nil, on channel: RemotingChannel, into batch: SendBatch
    ) throws(Refusal) -> Bool {
        let group = request["group"] ?? ""
        if let refusal = NameRules.refusal(ofGroup: group) { throw Refusal(.systemError, refusal) }
        guard let config = groups.config(of: group) else {
            throw Refusal(.subscriptionGroupNotExist, "subscription group not exist, \(group) \(Refusal.topicHelp)")
        }
        guard config.retryQueueNums > 0 else { return false }
        guard let offset = request.int64("offset"), let level = request.int32("delayLevel") else {
            throw Refusal(.systemError, "offset or delayLevel is missing or not a number")
        }
        let retry = try topics.createRetryTopic(group: group, queueCount: config.retryQueueNums)
        let limit =
            request.version >= ProtocolVersion.v3_4_9
            ? request.int64("maxReconsumeTimes") ?? Int64(config.retryMaxTimes) : Int64(config.retryMaxTimes)
        let first = batch.records.entries.count
        let put = { (record: MessageRecord, bytes: Span<UInt8>) -> Refusal? in
            do throws(Refusal) {
                try self.stage(
                    record, bytes, group: group, retry: retry, level: Int64(level), limit: limit, into: batch)
                return nil
            } catch {
                return error
            }
        }
        let outcome: Refusal??
        if let copy, let record = try? MessageRecord(copy.span) {
            outcome = .some(put(record, copy.span))
        } else {
            outcome = store.withRecord(at: offset, put)
        }
        guard let outcome else { throw Refusal(.systemError, "look message by offset failed, \(offset)") }
        if let refusal = outcome { throw refusal }
        batch.waiting.append(
            SendBatch.Waiting(
                channel: batch.place(of: channel), opaque: request.opaque, isOneWay: request.isOneWay, queueID: 0,
                entries: first..<batch.records.entries.count, uniqueKey: 0..<0, isSendBack: true, waitsForFlush: true))
        batch.needsFlush = true
        return true
    }

    private func stage(
        _ record: MessageRecord, _ bytes: Span<UInt8>, group: String, retry: TopicConfig, level: Int64, limit: Int64,
        into batch: SendBatch
    ) throws(Refusal) {
        guard !record.sysFlag.contains(.innerBatch) else {
            throw Refusal(.messageIllegal, "an inner batch cannot be sent back")  // nor can it in Java
        }
        var properties = Properties.list(bytes.extracting(record.properties))
        let topic = bytes.extracting(record.topic).toString()
        set(&properties, PropertyName.retryTopic, topic, ifAbsent: true)
        let origin = properties.first { $0.name == PropertyName.retryTopic.description }?.value ?? topic
        set(&properties, PropertyName.wait, "false")
        let originID = MessageID.offsetID(
            host: record.storeHost, offset: PhysicalOffset(rawValue: max(0, record.physicalOffset)))
        set(&properties, PropertyName.originMessageID, originID, ifAbsent: true)
        let isDead = Int64(record.reconsumeTimes) >= limit || level < 0
        var target: TopicRoute
        var queueID = 0
        if isDead {
            target = lookup.route(try topics.createDeadLetterTopic(group: group))
            set(&properties, PropertyName.delay, "0")
        } else {
            target = lookup.route(retry)
            queueID = Int.random(in: 0..<max(1, retry.writeQueueNums))
            let wanted = level == 0 ? 3 + Int64(record.reconsumeTimes) : level
            let delay = Int(min(max(wanted, 1), Int64(delayLevelCount)))
            set(&properties, PropertyName.delay, String(delay))
            if let schedule = lookup.route(Array(ScheduleTopic.name.utf8).span), schedule.hasQueue(delay - 1) {
                set(&properties, PropertyName.realTopic, retry.topicName)
                set(&properties, PropertyName.realQueueID, String(queueID))
                target = schedule
                queueID = delay - 1
            }
        }
        let head = RecordHead(
            queueID: Int32(queueID), flag: record.flag, sysFlag: record.sysFlag.onward,
            bornTimestamp: record.bornTimestamp, bornHost: record.bornHost, storeHost: storeHost,
            reconsumeTimes: record.reconsumeTimes &+ 1)
        let text = Properties.encode(properties)
        let name = target.bytes
        let queue = try target.writableQueue(queueID)
        let staged = batch.records.entries.count
        do throws(WireError) {
            try batch.records.stage(
                head, topic: name.span, body: bytes.extracting(record.body), in: queue
            ) { $0.append(text) }
        } catch {
            throw Refusal(.messageIllegal, "the message cannot be sent back: \(error)")
        }
        guard batch.records.entries[staged].byteCount <= store.recordByteCountMax else {
            batch.records.truncate(to: staged)
            throw Refusal(.messageIllegal, "the message cannot be sent back: with its new properties it fits no file")
        }
        batch.credit(target, messages: 1, bytes: batch.records.entries[staged].byteCount)
        // The message says where it came from: only what is a topic here is counted.
        guard topics.config(of: origin) != nil else { return }
        let stats = topics.stats.group(group, in: topics.stats.topic(origin))
        stats.sentBack.add(messages: 1, bytes: batch.records.entries[staged].byteCount)
        if isDead { stats.dead.add(messages: 1, bytes: batch.records.entries[staged].byteCount) }
    }

    private func set(
        _ properties: inout [(name: String, value: String)], _ name: StaticString, _ value: String,
        ifAbsent: Bool = false
    ) {
        let name = name.description
        if let index = properties.firstIndex(where: { $0.name == name }) {
            if !ifAbsent { properties[index].value = value }
        } else {
            properties.append((name, value))
        }
    }
}
