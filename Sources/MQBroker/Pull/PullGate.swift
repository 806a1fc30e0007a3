import MQBytes
import MQFilter
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// Who may read what: group, topic, queue and filter of a pull, looked up by the bytes of its header. Loop only.
///
/// Source of rules and texts: `PullMessageProcessor.java`, RocketMQ 5.3.
struct PullGate {
    private let clients: ClientTable
    private var groups: GroupLookup
    private var topics: TopicLookup
    private var filters = FilterLookup()

    init(tables: BrokerTables, store: MessageStore) {
        clients = tables.clients
        groups = GroupLookup(tables.groups)
        topics = TopicLookup(tables.topics, store: store)
    }

    /// What `request` asks for, if it may.
    /// - Returns: the pull, and its group's name.
    mutating func admit(
        _ request: PullMessageRequest, _ opaque: Int32, in bytes: Span<UInt8>, on channel: RemotingChannel,
        _ settings: PullHandler.Settings
    ) throws(Refusal) -> (pull: Pull, group: String) {
        guard settings.isBrokerReadable else {
            throw Refusal(.noPermission, "the broker[\(settings.brokerIP)] pulling message is forbidden")
        }
        let group = try groups.group(request.consumerGroup, in: bytes)
        guard group.config.consumeEnable else {
            throw Refusal(.noPermission, "subscription group no permission, \(group.name)")
        }
        guard let route = topics.route(request.topic, in: bytes) else {
            throw Refusal(
                .topicNotExist,
                "topic[\(request.topic.string(in: bytes))] not exist, apply first please! \(Refusal.topicHelp)")
        }
        guard route.isReadable else {
            throw Refusal(.noPermission, "the topic[\(route.name)] pulling message is forbidden")
        }
        guard request.queueID >= 0, Int(request.queueID) < route.readQueueCount else {
            throw Refusal(
                .invalidParameter,
                "queueId[\(request.queueID)] is illegal, topic:[\(route.name)] topicConfig.readQueueNums:"
                    + "[\(route.readQueueCount)] consumer:[\(channel.connection.peer)]")
        }
        let filter = try self.filter(request, group: group, route: route, bytes)
        var limits = settings.limits
        limits.messageCount = min(max(Int(request.maxMessageCount), 1), limits.messageCount)
        if let bound = request.maxMessageByteCount, bound > 0 { limits.byteCount = min(Int(bound), limits.byteCount) }
        let look = PullLook(
            queue: route.queue(Int(request.queueID)), filter: filter, limits: limits, nextOffset: request.queueOffset)
        let pull = Pull(
            channel: channel, opaque: opaque, look: look, offset: request.queueOffset, topicSysFlag: route.topicSysFlag,
            groupSysFlag: group.config.groupSysFlag)
        return (pull, group.name)
    }

    /// The filter of the request itself, or the one the group's heartbeats told.
    private mutating func filter(
        _ request: PullMessageRequest, group: GroupRoute, route: TopicRoute, _ bytes: Span<UInt8>
    ) throws(Refusal) -> TagFilter {
        if request.flags.contains(.subscription) {
            if let type = request.expressionType, !type.isEmpty, !bytes.extracting(type.range).equals("TAG") {
                throw Self.noSQL
            }
            guard let text = request.subscription else { return .all }
            guard let filter = filters.filter(text, in: bytes) else {
                throw Refusal(.subscriptionParseFailed, "parse the consumer's subscription failed")
            }
            return filter
        }
        guard let info = clients.consumerGroup(group.name) else {
            throw Refusal(.subscriptionNotExist, "the consumer's group info not exist\(Refusal.topicHelp)")
        }
        if !group.config.consumeBroadcastEnable, info.messageModel == .broadcasting {
            throw Refusal(.noPermission, "the consumer group[\(group.name)] can not consume by broadcast way")
        }
        guard let subscription = clients.subscription(group: group.name, topic: route.name) else {
            throw Refusal(.subscriptionNotExist, "the consumer's subscription not exist\(Refusal.topicHelp)")
        }
        guard subscription.subVersion >= request.subscriptionVersion else {
            throw Refusal(.subscriptionNotLatest, "the consumer's subscription not latest")
        }
        guard subscription.expressionType.isEmpty || subscription.expressionType == "TAG" else { throw Self.noSQL }
        if subscription.subString == "*" { return .all }
        if !subscription.codeSet.isEmpty { return TagFilter(codes: subscription.codeSet.map { Int($0) }) }
        return TagFilter(subscription.subString) ?? .all
    }

    private static let noSQL = Refusal(
        .systemError, "The broker does not support consumer to filter message by SQL92")
}

/// A group as pulls need it.
final class GroupRoute {
    let name: String
    let config: SubscriptionGroupConfig

    init(_ name: String, _ config: SubscriptionGroupConfig) {
        self.name = name
        self.config = config
    }
}

/// One loop's view of the group table; dropped whole when the table changes. Loop only.
struct GroupLookup {
    private let table: GroupTable
    private var known = ByteTable<GroupRoute>()
    private var version: UInt64 = 0

    init(_ table: GroupTable) { self.table = table }

    /// The group called `name`, made if it is missing and groups may come to be by themselves.
    mutating func group(_ name: HeaderText, in bytes: Span<UInt8>) throws(Refusal) -> GroupRoute {
        let current = table.version
        if current != version {
            known.removeAll()
            version = current
        }
        let raw = bytes.extracting(name.range)
        if !name.isEscaped, let group = known[raw] { return group }
        let text = name.string(in: bytes)
        if let refusal = NameRules.refusal(ofGroup: text) { throw Refusal(.systemError, refusal) }
        guard let config = table.config(of: text) else {
            throw Refusal(
                .subscriptionGroupNotExist, "subscription group [\(text)] does not exist, \(Refusal.topicHelp)")
        }
        let group = GroupRoute(text, config)
        if !name.isEscaped { known.set(raw, to: group) }
        return group
    }
}

/// Filters of tag expressions that pulls brought lately, so that the same one is not parsed with each of them. Loop only.
struct FilterLookup {
    private var known = ByteTable<TagFilter>()

    /// Expressions kept, and the longest that is: clients choose them.
    private static let countMax = 256
    private static let byteCountMax = 1024

    /// The filter that `text` spells; `nil` if it is none.
    mutating func filter(_ text: HeaderText, in bytes: Span<UInt8>) -> TagFilter? {
        let raw = bytes.extracting(text.range)
        if raw.isEmpty || raw.equals("*") { return .all }
        let isKept = !text.isEscaped && raw.count <= Self.byteCountMax
        if isKept, let filter = known[raw] { return filter }
        guard let filter = TagFilter(text.string(in: bytes)) else { return nil }
        if isKept {
            if known.count >= Self.countMax { known.removeAll() }
            known.set(raw, to: filter)
        }
        return filter
    }
}
