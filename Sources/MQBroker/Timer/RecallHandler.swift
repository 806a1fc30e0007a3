import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// RECALL_MESSAGE (370): stages a message that takes another one back, into the same slot of the timer. Whoever is first
/// wins: a message that was delivered meanwhile stays so. One per loop, loop only.
///
/// Source: `RecallMessageProcessor.java`, RocketMQ 5.3.
final class RecallHandler {
    private static let tag = "_RECALL_TAG_"

    private let config: LiveConfig
    private let settings: SendHandler.Settings
    private let topics: TopicTable
    private let store: MessageStore

    init(config: LiveConfig, settings: SendHandler.Settings, topics: TopicTable, store: MessageStore) {
        self.config = config
        self.settings = settings
        self.topics = topics
        self.store = store
    }

    /// Stages the recall; the commit answers with the unique key.
    /// - Throws: ``Refusal`` in RocketMQ's words; nothing is staged then.
    func stage(_ request: RemotingCommand, on channel: RemotingChannel, into batch: SendBatch) throws(Refusal) {
        let timer = config.current.timer
        guard timer.isRecallEnabled else {
            throw Refusal(.noPermission, "recall failed, operation is forbidden")
        }
        let topic = try request.required("topic")
        guard topics.config(of: topic) != nil else {
            throw Refusal(.topicNotExist, "recall failed, the topic[\(topic)] not exist")
        }
        let now = channel.connection.loop.wall
        let handle = try handle(request, topic)
        let time = Int64(handle.time) ?? -1
        guard time > now.rawValue, time - now.rawValue < timer.delayMilliseconds else {
            throw Refusal(.illegalOperation, "recall failed, timestamp invalid")
        }
        guard timer.isEnabled else { throw Refusal(.systemError, "recall failed, execute error") }
        let producerGroup = request["producerGroup"] ?? ""
        let first = batch.records.entries.count
        try stage(handle, timer.times.out(for: time), producerGroup, now, channel, batch)
        let keyStart = batch.keys.count
        batch.keys.append(Array(handle.uniqueKey.utf8))
        batch.waiting.append(
            SendBatch.Waiting(
                channel: batch.place(of: channel), opaque: request.opaque, isOneWay: request.isOneWay, queueID: 0,
                entries: first..<batch.records.entries.count, uniqueKey: keyStart..<batch.keys.count,
                isSendBack: false, waitsForFlush: true, isRecall: true))
        batch.needsFlush = true
    }

    private func handle(_ request: RemotingCommand, _ topic: String) throws(Refusal) -> RecallHandle {
        guard let handle = RecallHandle(try request.required("recallHandle")) else {
            throw Refusal(.illegalOperation, "recall handle is invalid")
        }
        // Between properties these separate; without its key a recall would be a message.
        guard !handle.uniqueKey.isEmpty, !handle.uniqueKey.utf8.contains(where: { $0 <= Properties.valueEnd }) else {
            throw Refusal(.illegalOperation, "recall handle is invalid")
        }
        guard handle.topic == topic else { throw Refusal(.illegalOperation, "recall failed, topic not match") }
        guard Array(handle.brokerName.utf8) == settings.brokerName else {
            throw Refusal(.illegalOperation, "recall failed, broker service not available")
        }
        return handle
    }

    private func stage(
        _ handle: RecallHandle, _ out: Int64, _ producerGroup: String, _ now: Timestamp, _ channel: RemotingChannel,
        _ batch: SendBatch
    ) throws(Refusal) {
        let properties = Properties.encode([
            ("TAGS", Self.tag), ("TIMER_DEL_UNIQKEY", "\(handle.topic)+\(handle.uniqueKey)"),
            ("UNIQ_KEY", handle.uniqueKey), ("TIMER_DELIVER_MS", handle.time),
            ("BORN_TIMESTAMP", String(now.rawValue)), ("PGROUP", producerGroup), ("TIMER_OUT_MS", String(out)),
            ("REAL_TOPIC", handle.topic), ("REAL_QID", "0"),
        ])
        let head = RecordHead(
            queueID: 0, flag: 0, sysFlag: [], bornTimestamp: now, bornHost: channel.peerHost,
            storeHost: settings.storeHost)
        let staged = batch.records.entries.count
        do throws(WireError) {
            try batch.records.stage(
                head, topic: Array(TimerWorker.topic.utf8).span, body: [UInt8(ascii: "0")].span,
                in: store.queue(TimerWorker.topic, 0)
            ) { $0.append(properties) }
        } catch {
            throw Refusal(.illegalOperation, "recall handle is invalid")
        }
        guard batch.records.entries[staged].byteCount <= store.recordByteCountMax else {
            batch.records.truncate(to: staged)
            throw Refusal(.illegalOperation, "recall handle is invalid")
        }
    }
}
