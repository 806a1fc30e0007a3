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
    private let expressions: ConsumerFilterTable
    private var groups: GroupLookup
    private var topics: TopicLookup
    private var filters = FilterLookup()

    init(tables: BrokerTables, store: MessageStore) {
        clients = tables.clients
        expressions = tables.filters
        groups = GroupLookup(tables.groups, stats: tables.topics.stats)
        topics = TopicLookup(tables.topics, store: store)
    }

    /// What is closed to a pull, as its refusal's `forbiddenType` says. Source: `ForbiddenType.java`, RocketMQ 5.3.
    private enum Forbidden: UInt8 {
        case broker = 1
        case group, topic, broadcasting, subscription

        func refusal(_ remark: String) -> Refusal { Refusal(.noPermission, remark, forbiddenType: rawValue) }
    }

    /// What `request` asks for, if it may.
    /// - Parameter isLite: it came as LITE_PULL_MESSAGE.
    mutating func admit(
        _ request: PullMessageRequest, _ opaque: Int32, isLite: Bool, in bytes: Span<UInt8>,
        on channel: RemotingChannel, _ settings: PullHandler.Settings
    ) throws(Refusal) -> Pull {
        guard settings.isBrokerReadable else {
            throw Forbidden.broker.refusal("the broker[\(settings.brokerIP)] pulling message is forbidden")
        }
        guard !isLite || settings.servesLitePulls else {
            throw Forbidden.broker.refusal("the broker[\(settings.brokerIP)] for lite pull consumer is forbidden")
        }
        let group = try groups.group(request.consumerGroup, in: bytes)
        guard group.config.consumeEnable else {
            throw Forbidden.group.refusal("subscription group no permission, \(group.name)")
        }
        guard let route = topics.route(request.topic, in: bytes) else {
            throw Refusal(
                .topicNotExist,
                "topic[\(request.topic.string(in: bytes))] not exist, apply first please! \(Refusal.topicHelp)")
        }
        guard route.isReadable else {
            throw Forbidden.topic.refusal("the topic[\(route.name)] pulling message is forbidden")
        }
        guard request.queueID >= 0, Int(request.queueID) < route.readQueueCount else {
            throw Refusal(
                .invalidParameter,
                "queueId[\(request.queueID)] is illegal, topic:[\(route.name)] topicConfig.readQueueNums:"
                    + "[\(route.readQueueCount)] consumer:[/\(channel.connection.peer)]")
        }
        var filter = try self.filter(request, group: group, route: route, bytes, settings)
        if route.isRetry, settings.filtersRetries, settings.isPropertyFilterEnabled {
            filter = .retries(expressions, group: group.name)
        }
        var limits = settings.limits
        limits.messageCount = min(max(Int(request.maxMessageCount), 1), limits.messageCount)
        if let bound = request.maxMessageByteCount, bound > 0 { limits.byteCount = min(Int(bound), limits.byteCount) }
        let look = PullLook(
            queue: try route.readableQueue(Int(request.queueID), for: channel), filter: filter, limits: limits,
            nextOffset: request.queueOffset)
        var pull = Pull(
            channel: channel, opaque: opaque, group: group.name, look: look, offset: request.queueOffset,
            topicSysFlag: route.topicSysFlag, groupSysFlag: group.config.groupSysFlag, stats: group.stats(of: route))
        pull.isCompacted = route.isCompacted
        pull.isLite = isLite
        return pull
    }

    /// The filter of the request itself, or the one the group's heartbeats told.
    private mutating func filter(
        _ request: PullMessageRequest, group: GroupRoute, route: TopicRoute, _ bytes: Span<UInt8>,
        _ settings: PullHandler.Settings
    ) throws(Refusal) -> MessageFilter {
        if request.flags.contains(.subscription) {
            if let type = request.expressionType, !type.isEmpty, !bytes.extracting(type.range).equals("TAG") {
                let filter = try clients.expressions.filter(
                    request.subscription?.string(in: bytes) ?? "", type: type.string(in: bytes),
                    isEnabled: settings.isPropertyFilterEnabled, else: .subscriptionParseFailed,
                    "parse the consumer's subscription failed: ")
                return .properties(filter, nil)
            }
            guard let text = request.subscription else { return .tags(.all) }
            guard let filter = filters.filter(text, in: bytes) else {
                throw Refusal(.subscriptionParseFailed, "parse the consumer's subscription failed")
            }
            return .tags(filter)
        }
        guard let info = clients.consumerGroup(group.name) else {
            throw Refusal(.subscriptionNotExist, "the consumer's group info not exist\(Refusal.topicHelp)")
        }
        if !group.config.consumeBroadcastEnable, info.messageModel == .broadcasting {
            throw Forbidden.broadcasting.refusal(
                "the consumer group[\(group.name)] can not consume by broadcast way")
        }
        guard groups.mayRead(group.name, route.name) else {
            throw Forbidden.subscription.refusal(
                "the consumer group[\(group.name)] is forbidden for topic[\(route.name)]")
        }
        guard let subscription = clients.subscription(group: group.name, topic: route.name) else {
            throw Refusal(.subscriptionNotExist, "the consumer's subscription not exist\(Refusal.topicHelp)")
        }
        guard subscription.subVersion >= request.subscriptionVersion else {
            throw Refusal(.subscriptionNotLatest, "the consumer's subscription not latest")
        }
        if subscription.classFilterMode { return .tags(.all) }  // there are no filter servers any more
        if subscription.isByExpression {
            return try filter(subscription, of: group.name, notBefore: request.subscriptionVersion, settings)
        }
        if subscription.subString == "*" { return .tags(.all) }
        if !subscription.codeSet.isEmpty { return .tags(TagFilter(codes: subscription.codeSet.map { Int($0) })) }
        return .tags(TagFilter(subscription.subString) ?? .all)
    }

    /// The filter of an expression that a heartbeat told.
    private func filter(
        _ subscription: SubscriptionData, of group: String, notBefore version: Int64, _ settings: PullHandler.Settings
    ) throws(Refusal) -> MessageFilter {
        // Says first whether there is anything wrong with it.
        let compiled = try clients.expressions.filter(
            subscription.subString, type: subscription.expressionType, isEnabled: settings.isPropertyFilterEnabled,
            else: .filterDataNotExist, Self.noFilterData + " ")
        guard let known = expressions.filter(group: group, topic: subscription.topic) else {
            throw Refusal(.filterDataNotExist, Self.noFilterData)
        }
        guard known.data.clientVersion >= version else {
            throw Refusal(.filterDataNotLatest, "the consumer's consumer filter data not latest")
        }
        let isSame = known.data.expression == subscription.subString
        let bits = FilterBits(
            bitCount: known.data.bitCount, positions: known.data.bitPositions, bornTime: known.data.bornTime)
        return .properties(compiled, isSame ? bits : nil)
    }

    private static let noFilterData =
        "The broker's consumer filter data is not exist!Your expression may be wrong!"
}

/// A group as pulls need it.
final class GroupRoute {
    let name: String
    let config: SubscriptionGroupConfig
    private let table: StatsTable
    /// Its counters in the topics it pulled last. A group rotates among few: its own and its retry topic.
    private var recent: [(topic: TopicStats, group: GroupStats)] = []
    private var nextPlace = 0
    private static let recentMax = 8

    init(_ name: String, _ config: SubscriptionGroupConfig, stats: StatsTable) {
        self.name = name
        self.config = config
        table = stats
    }

    /// What it takes of a topic.
    func stats(of route: TopicRoute) -> GroupStats {
        for entry in recent where entry.topic === route.stats { return entry.group }
        let stats = table.group(name, in: route.stats)
        if recent.count < Self.recentMax {
            recent.append((route.stats, stats))
        } else {
            recent[nextPlace] = (route.stats, stats)
            nextPlace = (nextPlace + 1) % Self.recentMax
        }
        return stats
    }
}

/// One loop's view of the group table; dropped whole when the table changes. Loop only.
struct GroupLookup {
    private let table: GroupTable
    private let stats: StatsTable
    private var known = ByteTable<GroupRoute>()
    private var version: UInt64 = 0
    /// Groups that are called like lite queues are not bounded by the table.
    private static let knownMax = 200_000

    init(_ table: GroupTable, stats: StatsTable) {
        self.table = table
        self.stats = stats
    }

    /// Whether the group may read the topic.
    func mayRead(_ group: String, _ topic: String) -> Bool { table.mayRead(group: group, topic: topic) }

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
        let group = GroupRoute(text, config, stats: stats)
        if known.count >= Self.knownMax { known.removeAll() }
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
