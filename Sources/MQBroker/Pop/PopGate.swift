import MQBytes
import MQFilter
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// Who may pop what: looked up by the bytes of a header, with Java's texts in Java's order. Loop only.
///
/// Source of rules and texts: `PopMessageProcessor.java`, `PeekMessageProcessor.java`, `NotificationProcessor.java`,
/// `AckMessageProcessor.java`, RocketMQ 5.3.
struct PopGate {
    /// Longest time a pop waits, whatever it asks for, ms.
    static let pollMillisecondsMax: Int64 = 300_000
    /// How much later than its own time a pop may come, ms.
    private static let lateMilliseconds: Int64 = 500
    private static let countMax = 32

    private let clients: ClientTable
    private let store: MessageStore
    private var groups: GroupLookup
    private(set) var topics: TopicLookup
    private var filters = FilterLookup()

    init(tables: BrokerTables, store: MessageStore) {
        clients = tables.clients
        self.store = store
        groups = GroupLookup(tables.groups, stats: tables.topics.stats)
        topics = TopicLookup(tables.topics, store: store)
    }

    /// The first offset of a queue that an ack may name.
    func firstOffset(_ queue: ConsumeQueue) -> Int64 { store.firstOffset(queue) }

    /// The topic called `name`, if there is one.
    mutating func route(_ name: String) -> TopicRoute? { topics.route(Array(name.utf8).span) }

    /// What a request asks for, if it may.
    mutating func admit(
        _ kind: PopRequest.Kind, _ header: borrowing RemotingHeader, in bytes: Span<UInt8>,
        on channel: RemotingChannel, _ broker: PullHandler.Settings, now: Int64
    ) throws(Refusal) -> PopRequest {
        let fields = try PopFields(header, in: bytes)
        let verb = kind == .pop ? "pop" : "peeking"
        let born = fields.bornTime == 0 ? now : fields.bornTime
        let poll = min(max(fields.pollTime, 0), Self.pollMillisecondsMax)
        let (end, overflow) = born.addingReportingOverflow(poll)
        if kind == .pop, overflow || now - max(end, 0) > Self.lateMilliseconds {
            throw Refusal(.pollingTimeout, "the broker[\(broker.brokerIP)] pop message is timeout too much")
        }
        guard broker.isBrokerReadable else {
            throw Refusal(.noPermission, "the broker[\(broker.brokerIP)] \(verb) message is forbidden")
        }
        if kind == .pop, fields.maxCount > Self.countMax {
            throw Refusal(.invalidParameter, "the broker[\(broker.brokerIP)] pop message's num is greater than 32")
        }
        let route = try topic(fields, in: bytes, on: channel)
        let group = try groups.group(fields.group, in: bytes)
        guard group.config.consumeEnable else {
            throw Refusal(.noPermission, "subscription group no permission, \(group.name)")
        }
        try check(group, route, fields)
        let filter = kind == .pop ? try self.filter(fields, in: bytes, broker) : .tags(.all)
        return PopRequest(
            kind: kind, channel: channel, opaque: header.opaque, group: group.name, topic: route.name,
            queueID: max(-1, fields.queueID), maxCount: min(max(Int(fields.maxCount), 1), Self.countMax),
            invisibleTime: fields.invisibleTime, pollEnd: min(end, now + Self.pollMillisecondsMax),
            beginsAtStart: fields.initMode == 0, filter: filter, isOrdered: fields.isOrdered,
            attemptID: fields.attemptID.map { $0.string(in: bytes) }, topicSysFlag: route.topicSysFlag,
            stats: group.stats(of: route))
    }

    private mutating func topic(
        _ fields: PopFields, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) throws(Refusal) -> TopicRoute {
        let route = try existing(fields, in: bytes)
        guard route.isReadable else {
            throw Refusal(.noPermission, "the topic[\(route.name)] peeking message is forbidden")
        }
        guard !route.hasBatchQueues else {
            throw Refusal(
                .noPermission,
                "the topic[\(route.name)] has queues of type BatchCQ, whose messages are pulled, not popped")
        }
        guard Int(fields.queueID) < route.readQueueCount else {
            throw Refusal(.invalidParameter, Self.illegalQueue(fields.queueID, route, channel))
        }
        if route.isLite { _ = try route.readableQueue(LiteQueue.queueID, for: channel) }
        return route
    }

    private mutating func existing(_ fields: PopFields, in bytes: Span<UInt8>) throws(Refusal) -> TopicRoute {
        if let route = topics.route(fields.topic, in: bytes) { return route }
        throw Refusal(
            .topicNotExist,
            "topic[\(fields.topic.string(in: bytes))] not exist, apply first please! \(Refusal.topicHelp)")
    }

    private static func illegalQueue(_ queueID: Int32, _ route: TopicRoute, _ channel: RemotingChannel) -> String {
        "queueId[\(queueID)] is illegal, topic:[\(route.name)] topicConfig.readQueueNums:[\(route.readQueueCount)] "
            + "consumer:[\(channel.connection.peer)]"
    }

    private func check(_ group: GroupRoute, _ route: TopicRoute, _ fields: PopFields) throws(Refusal) {
        if clients.isBroadcasting(group.name) {
            throw Refusal(.noPermission, "the consumer group[\(group.name)] can not consume by broadcast way")
        }
        guard fields.invisibleTime >= 0, fields.invisibleTime < 1 << 42 else {
            throw Refusal(.invalidParameter, "invisibleTime \(fields.invisibleTime) is not a time to wait")
        }
        if let attempt = fields.attemptID, attempt.range.count > 1024 {
            throw Refusal(.invalidParameter, "attemptId is longer than 1024 bytes")
        }
        let retry = NameRules.retryPrefix.utf8CodeUnitCount + group.name.utf8.count + 1 + route.bytes.count
        guard retry <= NameRules.retryTopicByteCountMax else {
            throw Refusal(
                .invalidParameter,
                "group and topic are too long to pop: the retry topic's name would have \(retry) bytes, the limit is "
                    + "\(NameRules.retryTopicByteCountMax)")
        }
    }

    private mutating func filter(
        _ fields: PopFields, in bytes: Span<UInt8>, _ broker: PullHandler.Settings
    ) throws(Refusal) -> MessageFilter {
        guard !fields.expression.isEmpty else { return .tags(.all) }
        let type = bytes.extracting(fields.expressionType.range)
        if !type.isEmpty, !type.equals("TAG") {
            let filter = try clients.expressions.filter(
                fields.expression.string(in: bytes), type: type.toString(),
                isEnabled: broker.isPropertyFilterEnabled, else: .subscriptionParseFailed,
                "parse the consumer's subscription failed: ")
            return .properties(filter, nil)
        }
        guard let filter = filters.filter(fields.expression, in: bytes) else {
            throw Refusal(.subscriptionParseFailed, "parse the consumer's subscription failed")
        }
        return .tags(filter)
    }

    /// One message that a consumer tells of.
    struct Receipt {
        let key: PopQueueKey
        let handle: PopHandle
        let offset: Int64
        let queue: ConsumeQueue
        let invisibleTime: Int64
    }

    /// What an ack or a change of the invisible time is about.
    /// - Parameter isChange: a change does not allow the queue's end, and says nothing about it.
    mutating func receipt(
        _ header: borrowing RemotingHeader, in bytes: Span<UInt8>, on channel: RemotingChannel, isChange: Bool
    ) throws(Refusal) -> Receipt {
        let fields = try PopFields(header, in: bytes)
        let route = try existing(fields, in: bytes)
        guard fields.queueID >= 0, Int(fields.queueID) < route.readQueueCount else {
            throw Refusal(.messageIllegal, Self.illegalQueue(fields.queueID, route, channel))
        }
        let queue = try route.readableQueue(Int(fields.queueID), for: channel)
        let (low, high) = (firstOffset(queue), queue.maxOffset)
        if fields.offset < low || fields.offset > high || isChange && fields.offset == high {
            throw Refusal(
                .noMessage,
                "offset is illegal, key:\(route.name)@\(fields.queueID), commit:\(fields.offset), store:\(low)~\(high)")
        }
        guard let extraInfo = fields.extraInfo else { throw Refusal(.systemError, "split extraInfo is null") }
        guard extraInfo.range.count <= 1024 else { throw Refusal(.systemError, "extraInfo is no handle: too long") }
        let handle = try PopHandle(bytes.extracting(extraInfo.range))
        guard fields.invisibleTime >= 0, fields.invisibleTime < 1 << 42 else {
            throw Refusal(.invalidParameter, "invisibleTime \(fields.invisibleTime) is not a time to wait")
        }
        let key = PopQueueKey(group: fields.group.string(in: bytes), topic: route.name, queueID: fields.queueID)
        return Receipt(
            key: key, handle: handle, offset: fields.offset, queue: queue, invisibleTime: fields.invisibleTime)
    }
}
