import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import MQTransport

/// SEND_MESSAGE (10), SEND_MESSAGE_V2 (310), SEND_BATCH_MESSAGE (320): header → topic and queue → record staged. The
/// loop commits the staged batch at the end of its wake-up and answers then (`SendCommit`). One per loop, loop only.
///
/// Source of the rules and texts: `SendMessageProcessor.java`, `AbstractSendMessageProcessor.java`, RocketMQ 5.3.
final class SendHandler {
    /// What a send needs to know of the broker.
    struct Settings: Sendable {
        var storeHost: MessageHost
        var clusterName: [UInt8]
        var regionID: [UInt8]
        var isTraceOn: Bool
        var bodyByteCountMax: Int
        var isBrokerWritable: Bool
        var brokerIP: String
        var delayLevelCount: Int
        var isRejectingTransactions: Bool
        var checksMessageTypes: Bool
        var brokerName: [UInt8]
        var timer: TimerSettings
        /// Nothing is taken before, milliseconds since 1970.
        var startAcceptTimestamp: Int64 = 0
    }

    private var settings: Settings
    private var watch: ConfigWatch
    private let topics: TopicTable
    private let groups: GroupTable
    private let locks: QueueLocks
    let loop: EventLoop
    let liteQueues: LiteQueues?
    private let recordByteCountMax: Int
    /// How many messages wait in a slot of the timer.
    private let timerCount: (Int64) -> Int64?
    private var lookup: TopicLookup
    var ids: UniqueIDMaker
    private var random: SeededRandom
    private var known = KnownProperties()
    /// The properties of the message that is being staged.
    var properties = ByteBuffer(capacity: 1024)
    /// What is added to properties that have none of it: region, trace and cluster.
    private let allAdded: [UInt8]

    init(
        settings: Settings, config: LiveConfig, topics: TopicTable, groups: GroupTable, locks: QueueLocks,
        store: MessageStore, loop: EventLoop, ids: UniqueIDMaker,
        timerCount: @escaping (Int64) -> Int64? = { _ in nil }
    ) {
        self.settings = settings
        self.timerCount = timerCount
        watch = ConfigWatch(config)
        self.topics = topics
        self.groups = groups
        self.locks = locks
        self.loop = loop
        self.ids = ids
        liteQueues = store.liteQueues
        recordByteCountMax = store.recordByteCountMax
        lookup = TopicLookup(topics, store: store)
        random = SeededRandom(seed: .random(in: .min ... .max))
        var added = ByteBuffer()
        Self.append(settings, region: true, trace: true, cluster: true, to: &added)
        allAdded = added.toArray()
    }

    /// Stages the message or messages of a request in `batch`.
    /// - Parameter isAnswered: `false` leaves the answer to somebody else.
    /// - Throws: ``Refusal``; nothing of the request is staged then.
    func stage(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel,
        into batch: SendBatch, isAnswered: Bool = true
    ) throws(Refusal) {
        if watch.hasChanged() { settings.follow(watch.config.current) }
        let request: SendMessageRequest
        do throws(WireError) {
            request =
                header.code == RequestCode.sendMessage.rawValue || header.code == RequestCode.sendReplyMessage.rawValue
                ? try SendMessageRequest(long: header, in: bytes) : try SendMessageRequest(short: header, in: bytes)
        } catch {
            throw Refusal(.systemError, "bad send header: \(error)")
        }
        if settings.startAcceptTimestamp > 0 { try refuseEarly() }
        let route = try self.route(request, in: bytes, channel)
        let queueID = try self.queueID(request, route, channel)
        let body = bytes.extracting(frame.body)
        guard body.count <= settings.bodyByteCountMax else { throw tooLarge(body.count) }
        let isBatch = header.code == RequestCode.sendBatchMessage.rawValue || request.isBatch
        let first = batch.records.entries.count
        let staged: Staged
        let bytesBefore = batch.records.byteCount
        if isBatch {
            staged = try stageMany(request, route, queueID, body, bytes, channel, batch)
        } else {
            let facts = known.read(request.properties, in: bytes, into: &properties)
            if request.sysFlag.contains(.innerBatch) {
                staged = try stageInnerBatch(request, route, queueID, body, channel, batch)
            } else {
                staged = try stageOne(request, facts, route, queueID, request.flag, body, channel, batch)
            }
        }
        let messages = batch.records.entries.count - first
        let bytesStaged = batch.records.byteCount - bytesBefore
        // Not `detour ?? route`: that counts a reference up and down, for every message.
        if let detour = staged.detour {
            batch.credit(detour, messages: messages, bytes: bytesStaged)
        } else {
            batch.credit(route, messages: messages, bytes: bytesStaged)
        }
        batch.waiting.append(
            SendBatch.Waiting(
                channel: batch.place(of: channel), opaque: header.opaque, isOneWay: header.isOneWay || !isAnswered,
                queueID: queueID, entries: first..<batch.records.entries.count, uniqueKey: staged.key,
                isSendBack: false, waitsForFlush: staged.waits, recallHandle: staged.recallHandle))
        if staged.waits { batch.needsFlush = true }
    }

    private func refuseEarly() throws(Refusal) {
        guard loop.wall.rawValue < settings.startAcceptTimestamp else { return }
        let text = SystemClock.localText(Timestamp(rawValue: settings.startAcceptTimestamp))
        throw Refusal(.systemError, "broker unable to service, until \(text)")
    }

    // MARK: - Where to

    /// What a topic's `perm` and `brokerPermission` take from producers, those learn from the name servers; until then
    /// their messages are stored, so that a drain costs none. Only an ordered topic is closed at once.
    /// Source: `AbstractSendMessageProcessor.java` `msgCheck`, RocketMQ 5.3.
    private func route(
        _ request: SendMessageRequest, in bytes: Span<UInt8>, _ channel: RemotingChannel
    ) throws(Refusal) -> TopicRoute {
        guard let route = lookup.route(request.topic, in: bytes) else {
            let topic = request.topic.string(in: bytes)
            if SystemTopics.notSendable.contains(topic) {
                throw Refusal(.noPermission, "Sending message to topic[\(topic)] is forbidden.")
            }
            let config = try topics.createForSend(
                topic: topic, defaultTopic: request.defaultTopic.string(in: bytes),
                queueCount: Int(request.defaultTopicQueueNums), remoteAddress: channel.connection.peer.description,
                isUnit: false)
            return lookup.route(config)
        }
        if route.isReserved {
            throw Refusal(.noPermission, "Sending message to topic[\(route.name)] is forbidden.")
        }
        guard settings.isBrokerWritable || !route.config.order else {
            throw Refusal(.noPermission, "the broker[\(settings.brokerIP)] sending message is forbidden")
        }
        guard route.hasBatchQueues || !request.sysFlag.contains(.innerBatch) else { throw Self.noBatchQueues }
        return route
    }

    private func queueID(
        _ request: SendMessageRequest, _ route: TopicRoute, _ channel: RemotingChannel
    ) throws(Refusal) -> Int {
        if request.queueID < 0, route.config.writeQueueNums > 0 {
            return Int.random(in: 0..<route.config.writeQueueNums, using: &random)
        }
        guard route.hasQueue(Int(request.queueID)) else {
            throw Refusal(
                .invalidParameter,
                "request queueId[\(request.queueID)] is illegal, \(route.config) Producer: \(channel.connection.peer)")
        }
        return Int(request.queueID)
    }

    private func tooLarge(_ byteCount: Int) -> Refusal {
        Refusal(
            .messageIllegal,
            "the message is illegal, maybe msg body or properties length not matched. msg body length limit "
                + "\(settings.bodyByteCountMax)B, msg properties length limit 32KB. (\(byteCount) bytes)")
    }

    // MARK: - Staging

    /// A message between the look at its properties and its record.
    struct Message {
        let facts: SendProperties
        /// Where its unique key lies in the batch's keys.
        let key: Range<Int>
        /// The queue it was sent to.
        let queueID: Int
        let flag: Int32
        /// The timer's slot that it waits in.
        let timerOut: Int64?
        var isHalf = false
    }

    /// What the answer to a message needs.
    struct Staged {
        /// Where its unique key lies in the batch's keys.
        var key: Range<Int>
        /// Whether it waits for the flush.
        var waits: Bool
        /// Where the handle to take it back lies in the batch's keys; empty for none.
        var recallHandle: Range<Int> = 0..<0
        /// Where it waits, if that is another topic than it was sent to.
        var detour: TopicRoute?
    }

    /// Stages the message whose properties are in `properties`, and say `facts`.
    private func stageOne(
        _ request: SendMessageRequest, _ facts: SendProperties, _ route: TopicRoute, _ queueID: Int, _ flag: Int32,
        _ body: Span<UInt8>,
        _ channel: RemotingChannel, _ batch: SendBatch
    ) throws(Refusal) -> Staged {
        var facts = facts
        if facts.hasLitePlaces || facts.liteQueues != nil { try settleLiteQueues(&facts) }
        if let delay = facts.badDelay { throw badDelay(delay) }
        try refuseOtherType(facts, route)
        if route.isCompacted, !facts.hasKeys { throw Refusal(.messageIllegal, "Required message key is missing") }
        guard !facts.hasInnerNumber else { throw Self.falseInnerBatch }
        guard !properties.withBytes(0..<properties.count, { Properties.holdsZeroSector($0) }) else {
            throw Self.zeroSector
        }
        let timerOut = try timerOut(facts)
        let keyStart = batch.keys.count
        if let key = facts.uniqueKey {
            properties.withBytes(key) { batch.keys.append($0) }
        } else {
            ids.append(at: loop.wall, to: &batch.keys)
        }
        let key = keyStart..<batch.keys.count
        let isHalf = isHalf(request, facts)
        // A half message's delay begins with its commit.
        let message = Message(
            facts: facts, key: key, queueID: queueID, flag: flag, timerOut: isHalf ? nil : timerOut, isHalf: isHalf)
        var staged = Staged(key: key, waits: facts.waitsForFlush)
        if isHalf {
            staged.detour = try putHalf(message, request, route, body, channel, batch)
        } else if route.isRetry || facts.delayLevel > 0 || timerOut != nil,
            let detour = try detour(message, request, route)
        {
            if !detour.isDelay { undelay() }
            let origin = detour.isDelay ? route : nil
            try put(message, request, body, channel, in: detour.route, detour.queueID, delayedFrom: origin, batch)
            staged.detour = detour.route
            if let timerOut, detour.isDelay, !route.isRetry {
                staged.recallHandle = appendRecallHandle(route, timerOut, key, batch)
            }
        } else {
            try put(message, request, body, channel, in: route, queueID, delayedFrom: nil, batch)
        }
        return staged
    }

    /// A level that is no number must not mean now. Java answers with the exception of its parser.
    private func badDelay(_ value: Range<Int>) -> Refusal {
        let text = properties.withBytes(value.lowerBound..<min(value.upperBound, value.lowerBound + 40)) {
            $0.toString()
        }
        return Refusal(.messageIllegal, "the message's delay level is not a number: DELAY=\(text)")
    }

    /// The slot that a message waits in which has a time of delivery; `nil` for one that has none, or whose time has come. A
    /// delay level wins.
    private func timerOut(_ facts: SendProperties) throws(Refusal) -> Int64? {
        guard facts.timer.isTimed, facts.delayLevel <= 0 else { return nil }
        let rules = TimerRules(settings: settings.timer)
        return try properties.withBytes(0..<properties.count) { text throws(Refusal) in
            try rules.out(
                facts.timer, text, now: loop.wall.rawValue, dice: Int.random(in: 0..<1000, using: &random),
                count: timerCount)
        }
    }

    private func appendRecallHandle(
        _ route: TopicRoute, _ out: Int64, _ key: Range<Int>, _ batch: SendBatch
    ) -> Range<Int> {
        let handle = batch.keys.withBytes(key) { key in
            RecallHandle.text(topic: route.bytes, brokerName: settings.brokerName, out: out, uniqueKey: key)
        }
        let start = batch.keys.count
        batch.keys.append(handle)
        return start..<batch.keys.count
    }

    /// Encodes the message's record for a queue of `route`. A delayed one remembers the topic it was sent to.
    func put(
        _ message: Message, _ request: SendMessageRequest, _ body: Span<UInt8>, _ channel: RemotingChannel,
        in route: TopicRoute, _ queueID: Int, delayedFrom origin: TopicRoute?, innerCount: Int16? = nil,
        _ batch: SendBatch
    ) throws(Refusal) {
        let queue = try route.writableQueue(queueID)
        let head = RecordHead(
            queueID: Int32(queueID), flag: message.flag,
            sysFlag: request.sysFlag.subtracting(.transactionRollback).union(innerCount == nil ? [] : Self.packed),
            bornTimestamp: Timestamp(rawValue: request.bornTimestamp), bornHost: channel.peerHost,
            storeHost: settings.storeHost, reconsumeTimes: request.reconsumeTimes)
        let staged = batch.records.entries.count
        let topic = route.bytes
        var facts: UnitFacts?
        if origin == nil, !head.sysFlag.contains(.innerBatch) {
            facts = properties.withBytes(0..<properties.count) { text in
                batch.keys.withBytes(message.key) { key in
                    message.facts.unitFacts(text, uniqueKey: key, in: queue)
                }
            }
        }
        do throws(WireError) {
            try batch.records.stage(
                head, topic: topic.span, body: body, in: queue, facts: facts, innerCount: innerCount
            ) { buffer in
                appendProperties(message, delayedFrom: origin, batch, to: &buffer)
            }
        } catch {
            throw tooLarge(body.count)
        }
        guard batch.records.entries[staged].byteCount <= recordByteCountMax else {
            batch.records.truncate(to: staged)
            throw tooLarge(body.count)  // only with files smaller than a message may be
        }
    }

    /// The request's own properties, then those the broker adds.
    private func appendProperties(
        _ message: Message, delayedFrom origin: TopicRoute?, _ batch: SendBatch, to buffer: inout ByteBuffer
    ) {
        let facts = message.facts
        properties.withBytes(0..<properties.count) { text in
            if origin != nil { return appendFresh(text, message, to: &buffer) }
            buffer.append(text)
            if text.count > 0, text[text.count - 1] != Properties.valueEnd { buffer.append(Properties.valueEnd) }
        }
        if facts.uniqueKey == nil {
            batch.keys.withBytes(message.key) { Properties.append(PropertyName.uniqueKey, $0, to: &buffer) }
        }
        if !facts.hasRegion && !facts.hasTraceOn && !facts.hasCluster {
            buffer.append(allAdded)
        } else {
            Self.append(
                settings, region: !facts.hasRegion, trace: !facts.hasTraceOn, cluster: !facts.hasCluster, to: &buffer)
        }
        if let origin {
            Properties.append(PropertyName.realTopic, origin.bytes, to: &buffer)
            buffer.append("REAL_QID\u{1}")
            buffer.append(decimal: Int64(message.queueID))
            buffer.append(Properties.valueEnd)
        }
        if message.isHalf {
            batch.keys.withBytes(message.key) { Properties.append(PropertyName.transactionID, $0, to: &buffer) }
        }
        if let out = message.timerOut, origin != nil {
            buffer.append("TIMER_OUT_MS\u{1}")
            buffer.append(decimal: out)
            buffer.append(Properties.valueEnd)
        }
    }

    private static func append(
        _ settings: Settings, region: Bool, trace: Bool, cluster: Bool, to buffer: inout ByteBuffer
    ) {
        if region { Properties.append(PropertyName.messageRegion, settings.regionID, to: &buffer) }
        if trace { buffer.append(settings.isTraceOn ? "TRACE_ON\u{1}true\u{2}" : "TRACE_ON\u{1}false\u{2}") }
        if cluster { Properties.append(PropertyName.cluster, settings.clusterName, to: &buffer) }
    }

    /// The properties without those that an earlier delay or transaction left: a consumer that sends its retry itself
    /// copies them. Without times of delivery, too, which a delay level overrules.
    private func appendFresh(_ text: Span<UInt8>, _ message: Message, to buffer: inout ByteBuffer) {
        Properties.forEach(in: text) { name, value in
            let key = text.extracting(name)
            let isStale =
                key.equals(PropertyName.realTopic) || key.equals(PropertyName.realQueueID)
                || message.isHalf && PropertyName.isOfHalfMessages(key)
                || message.timerOut == nil && !message.isHalf && PropertyName.isDeliveryTime(key)
            if !isStale {
                buffer.append(text.extracting(name.lowerBound..<value.upperBound))
                buffer.append(Properties.valueEnd)
            }
            return true
        }
    }

    /// A batch: the messages share topic and queue; delayed, retried and half messages cannot be in one.
    private func stageMany(
        _ request: SendMessageRequest, _ route: TopicRoute, _ queueID: Int, _ body: Span<UInt8>, _ bytes: Span<UInt8>,
        _ channel: RemotingChannel, _ batch: SendBatch
    ) throws(Refusal) -> Staged {
        let items: [MessageBatch.Item]
        do throws(WireError) { items = try MessageBatch.items(body) } catch {
            throw Refusal(.messageIllegal, "the batch is malformed: \(error)")
        }
        guard !items.isEmpty, !route.isRetry else {
            throw Refusal(
                .messageIllegal,
                items.isEmpty ? "the batch is empty" : "batch request does not support retry group  \(route.name)")
        }
        if route.hasBatchQueues, try takesWhole(request, bytes, itemCount: items.count) {
            return try stageInnerBatch(request, route, queueID, body, channel, batch)
        }
        let first = batch.records.entries.count
        let keysStart = batch.keys.count
        do throws(Refusal) {
            var result = Staged(key: keysStart..<keysStart, waits: true)
            for (index, item) in items.enumerated() {
                properties.removeAll()
                properties.append(body.extracting(item.properties))
                let facts = properties.withBytes(0..<properties.count) { SendProperties($0) }
                guard facts.delayLevel <= 0, !facts.timer.isTimed, !isHalf(request, facts) else {
                    let kind = facts.delayLevel > 0 || facts.timer.isTimed ? "delayed" : "half"
                    throw Refusal(.messageIllegal, "a batch cannot hold \(kind) messages")
                }
                let one = try stageOne(
                    request, facts, route, queueID, item.flag, body.extracting(item.body), channel, batch)
                if index == 0 { result = one }
            }
            properties.removeAll()
            request.properties.append(from: bytes, to: &properties)
            let shared = properties.withBytes(0..<properties.count) { SendProperties($0) }
            result.waits = shared.waitsForFlush
            return result
        } catch {
            batch.records.truncate(to: first)
            throw error
        }
    }

    // MARK: - Detours

    /// Gives the properties the level -1, whatever they had: dead letters do not wait.
    /// Source: `SendMessageProcessor.java` `handleRetryAndDLQ`, RocketMQ 5.3.
    private func undelay() {
        drop(PropertyName.delay)
        properties.append("DELAY\u{1}-1\u{2}")
    }

    /// Takes the property called `name` out of `properties`, wherever it stands.
    func drop(_ name: StaticString) {
        var kept = ByteBuffer(capacity: 1024)
        properties.withBytes(0..<properties.count) { text in
            Properties.forEach(in: text) { key, value in
                if !text.extracting(key).equals(name) {
                    kept.append(text.extracting(key.lowerBound..<value.upperBound))
                    kept.append(Properties.valueEnd)
                }
                return true
            }
        }
        properties = kept
    }

    /// Another queue than the one a message was sent to.
    private struct Detour {
        let route: TopicRoute
        let queueID: Int
        let isDelay: Bool
    }

    private func detour(
        _ message: Message, _ request: SendMessageRequest, _ route: TopicRoute
    ) throws(Refusal) -> Detour? {
        if route.isRetry, let dead = try deadLetter(request, route) { return dead }
        guard let delayed = message.timerOut == nil ? delayed(message.facts.delayLevel) : timed() else { return nil }
        _ = try route.writableQueue(message.queueID)  // the message comes there when it is due
        return delayed
    }

    /// A topic that was made for one kind of messages takes no others, if that is to be checked. RocketMQ checks it at its
    /// proxies only; key, code and text are theirs. Source: `DefaultTopicMessageTypeValidator.java`, RocketMQ 5.3.
    private func refuseOtherType(_ facts: SendProperties, _ route: TopicRoute) throws(Refusal) {
        guard settings.checksMessageTypes, let wanted = route.messageType, facts.messageType != wanted else { return }
        throw Refusal(
            .messageIllegal,
            "TopicMessageType validate failed, the expected type is \(wanted.rawValue), but actual type is "
                + facts.messageType.rawValue)
    }

    /// Whether the message opens a transaction. A delayed retry does not: consumers before 4.6.1 copy `TRAN_MSG` into it.
    func isHalf(_ request: SendMessageRequest, _ facts: SendProperties) -> Bool {
        (facts.isHalfMessage || request.sysFlag.transaction == .transactionPrepared)
            && !(request.reconsumeTimes > 0 && facts.delayLevel > 0)
    }

    /// Stages a half message: it waits where no consumer sees it, and remembers the queue it is for, and its delay.
    /// - Returns: where it waits.
    private func putHalf(
        _ message: Message, _ request: SendMessageRequest, _ route: TopicRoute, _ body: Span<UInt8>,
        _ channel: RemotingChannel, _ batch: SendBatch
    ) throws(Refusal) -> TopicRoute {
        guard !settings.isRejectingTransactions else {
            throw Refusal(
                .noPermission, "the broker[\(settings.brokerIP)] sending transaction message is forbidden")
        }
        guard message.facts.hasProducerGroup else {
            throw Refusal(.messageIllegal, "a half message needs the property PGROUP: whom to ask what became of it")
        }
        _ = try route.writableQueue(message.queueID)  // the message comes there when it is committed
        guard let half = lookup.route(Self.halfTopic.span), half.hasQueue(0) else {
            throw Refusal(.systemError, "this broker has no topic \(SystemTopics.transactionHalf)")
        }
        let staged = batch.records.entries.count
        try put(message, request, body, channel, in: half, 0, delayedFrom: route, batch)
        // Room for what checks and the commit add. The head, which is longer than that, counts as properties here.
        let entry = batch.records.entries[staged]
        guard entry.byteCount - body.count <= Properties.byteCountMax,
            entry.byteCount + HalfFacts.addedByteCountMax + CommitWait.addedByteCountMax <= recordByteCountMax
        else {
            batch.records.truncate(to: staged)
            throw tooLarge(body.count)
        }
        return half
    }

    private static let halfTopic = Array(SystemTopics.transactionHalf.utf8)

    /// Where a delayed message waits. Levels over the last count as the last.
    private func delayed(_ level: Int64) -> Detour? {
        let level = Int(min(level, Int64(settings.delayLevelCount)))
        guard level > 0, let schedule = lookup.route(Array(ScheduleTopic.name.utf8).span), schedule.hasQueue(level - 1)
        else { return nil }
        return Detour(route: schedule, queueID: level - 1, isDelay: true)
    }

    /// Where a message with a time of delivery waits.
    private func timed() -> Detour? {
        lookup.route(Array(TimerWorker.topic.utf8).span).map { Detour(route: $0, queueID: 0, isDelay: true) }
    }

    /// A consumer that sends its retries itself: over the limit they go to the dead letters.
    private func deadLetter(_ request: SendMessageRequest, _ route: TopicRoute) throws(Refusal) -> Detour? {
        let group = String(route.name.dropFirst("%RETRY%".count))
        guard let config = groups.config(of: group) else {
            throw Refusal(
                .subscriptionGroupNotExist, "subscription group not exist, \(group) \(Refusal.topicHelp)")
        }
        let limit = request.maxReconsumeTimes.map(Int64.init) ?? Int64(config.retryMaxTimes)
        // A group that holds locks consumes in order: it retries in place, and what it sends has failed for good.
        let isOrderly = locks.hasAny(group: group, now: ClientTable.milliseconds(loop.now))
        guard isOrderly || Int64(request.reconsumeTimes) > limit else { return nil }
        let dead = lookup.route(try topics.createDeadLetterTopic(group: group))
        return Detour(route: dead, queueID: 0, isDelay: false)
    }
}
