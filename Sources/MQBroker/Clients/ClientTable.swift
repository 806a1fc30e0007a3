import MQBase
import MQMessage
public import MQProtocol
import MQRemoting
import MQSystem
import MQTransport
import Synchronization

/// The clients that are there: who produces for which group, who consumes in which group, and what each group wants.
/// Any thread, but for the calls that take a channel, which belong on the channel's loop. Nothing is sent in here:
/// changes come back as the members to tell (``Membership``).
///
/// Source: `ProducerManager.java`, `ConsumerManager.java`, `ConsumerGroupInfo.java`, RocketMQ 5.3.
public final class ClientTable: Sendable {
    /// A client as one group knows it.
    public struct Member: Equatable, Sendable {
        /// `ip@instance`.
        public let clientID: String
        /// The number of its connection.
        public let connectionID: UInt64
        /// `ip:port` as the broker sees it.
        public let address: String
        /// What it is written in.
        public let language: LanguageCode
        /// Ordinal of its RocketMQ version.
        public let version: Int32
        /// Its last heartbeat, monotonic clock, milliseconds.
        public internal(set) var lastUpdate: Int64
        /// Of what it subscribes to in this group; equal for members that want the same.
        var subscriptionHash = 0

        /// As answers about connections show it.
        public var connection: ClientConnection {
            ClientConnection(
                clientID: clientID, clientAddr: address, language: language.name.description, version: Int(version))
        }
    }

    /// How a consumer group takes messages.
    public struct GroupInfo: Equatable, Sendable {
        /// Pull, push or pop.
        public var consumeType: ConsumeType
        /// One member gets a message, or every one.
        public var messageModel: MessageModel
        /// Where it begins.
        public var consumeFromWhere: ConsumeFromWhere
        /// Its members by client id.
        public var members: [Member]
        /// Topic → what it wants of it.
        public var subscriptions: [String: SubscriptionData]
    }

    struct ConsumerGroup {
        var members: [String: Member] = [:]
        var subscriptions: [String: SubscriptionData] = [:]
        var consumeType = ConsumeType.passively
        var messageModel = MessageModel.clustering
        var consumeFromWhere = ConsumeFromWhere.lastOffset
        /// About what the subscriptions take in memory.
        var byteCount = 0
    }

    /// A connection that members came over.
    struct Presence {
        /// Used on its own loop only.
        let channel: RemotingChannel
        var memberships: Set<MemberKey> = []
    }

    /// One client in one group.
    struct MemberKey: Hashable {
        let clientID: String
        let group: String
        let isConsumer: Bool
    }

    struct State {
        var producers: [String: [String: Member]] = [:]
        var consumers: [String: ConsumerGroup] = [:]
        var connections: [UInt64: Presence] = [:]
        var memberCount = 0
        /// About what all groups' subscriptions take in memory.
        var subscriptionByteCount = 0
    }

    let limits: BrokerLimits
    /// What SQL92 subscriptions mean.
    let expressions: ExpressionCache
    let state = Lock(State())
    // Written after the table, so that who sees the new number sees the new table under the lock.
    let stamp = Atomic<UInt64>(1)

    /// No clients yet.
    public init(limits: BrokerLimits = BrokerLimits()) {
        self.limits = limits
        expressions = ExpressionCache(byteCountMax: limits.expressionByteCountMax)
    }

    // MARK: - Reading

    /// What `group` wants of `topic`; `nil` if the group is not there or has not subscribed to it.
    public func subscription(group: String, topic: String) -> SubscriptionData? {
        state.withLock { $0.consumers[group]?.subscriptions[topic] }
    }

    /// How `group` takes messages; `nil` if none of its members is there.
    public func consumerGroup(_ group: String) -> GroupInfo? {
        let found = state.withLock { $0.consumers[group] }
        return found.map { group in
            GroupInfo(
                consumeType: group.consumeType, messageModel: group.messageModel,
                consumeFromWhere: group.consumeFromWhere,
                members: group.members.values.sorted { $0.clientID < $1.clientID }, subscriptions: group.subscriptions)
        }
    }

    /// Whether every member of `group` gets every message.
    func isBroadcasting(_ group: String) -> Bool {
        state.withLock { $0.consumers[group]?.messageModel == .broadcasting }
    }

    /// Moves with every change of what a group is or wants: whoever keeps what ``subscription(group:topic:)`` or
    /// ``consumerGroup(_:)`` said asks again when it has.
    public var version: UInt64 { stamp.load(ordering: .acquiring) }

    /// Client ids of a group's members, sorted; `nil` if there are none.
    public func consumerIDs(of group: String) -> [String]? {
        state.withLock { $0.consumers[group].map { Array($0.members.keys) } }?.sorted()
    }

    /// A producer group's members by client id; `nil` if there are none.
    public func producers(of group: String) -> [Member]? {
        state.withLock { $0.producers[group].map { Array($0.values) } }?.sorted { $0.clientID < $1.clientID }
    }

    /// Producer group → its members by client id.
    public func allProducers() -> [String: [Member]] {
        state.withLock { $0.producers }.mapValues { members in
            members.values.sorted { $0.clientID < $1.clientID }
        }
    }

    /// Groups that are there and want `topic`, sorted.
    public func groups(subscribedTo topic: String) -> [String] {
        state.withLock { state in
            state.consumers.filter { $0.value.subscriptions[topic] != nil }.map(\.key)
        }.sorted()
    }

    /// Members of all groups, producers and consumers.
    public var memberCount: Int { state.withLock { $0.memberCount } }

    // MARK: - Sending

    /// Sends a one-way request to the connection of each member, on its own loop. Any thread.
    func send(_ command: RemotingCommand, to targets: [Target]) {
        for target in targets {
            target.loop.execute { [self] in
                // Looked up again on its loop: it may have closed meanwhile.
                let channel = state.withLock { $0.connections[target.connectionID]?.channel }
                guard let channel, channel.connection.isOpen else { return }
                channel.send(command)
            }
        }
    }

    /// Sends a request to a connection; `done` is called once, on the connection's loop. Any thread.
    func ask(
        _ request: RemotingCommand, _ target: Target, timeoutMilliseconds: Int64,
        _ done: @escaping @Sendable (Result<RemotingCommand, RemotingError>) -> Void
    ) {
        target.loop.execute { [self] in
            let channel = state.withLock { $0.connections[target.connectionID]?.channel }
            guard let channel else { return done(.failure(.connectionLost("closed"))) }
            channel.invoke(request, timeoutMilliseconds: timeoutMilliseconds, done)
        }
    }

    /// The connection of one member of a consumer group; `nil` if it is not there.
    func target(of clientID: String, in group: String) -> Target? {
        state.withLock { state in
            guard let member = state.consumers[group]?.members[clientID],
                let presence = state.connections[member.connectionID]
            else { return nil }
            return Target(connectionID: member.connectionID, loop: presence.channel.connection.loop)
        }
    }

    /// Whether a producer of `group` is there.
    func hasProducer(in group: String) -> Bool { state.withLock { $0.producers[group] != nil } }

    /// The connection of one of a group's producers, with each `turn` another one's; `nil` if none is there.
    func producerTarget(of group: String, turn: Int) -> Target? {
        state.withLock { state in
            guard let members = state.producers[group]?.values, !members.isEmpty else { return nil }
            let member = members[members.index(members.startIndex, offsetBy: Int(turn.magnitude % UInt(members.count)))]
            return state.connections[member.connectionID].map {
                Target(connectionID: member.connectionID, loop: $0.channel.connection.loop)
            }
        }
    }

    /// The members of a consumer group and their connections, by client id.
    func members(ofConsumerGroup group: String) -> [(Member, Target)] {
        state.withLock { state in
            (state.consumers[group]?.members.values.sorted { $0.clientID < $1.clientID } ?? []).compactMap { member in
                state.connections[member.connectionID].map {
                    (member, Target(connectionID: member.connectionID, loop: $0.channel.connection.loop))
                }
            }
        }
    }

    /// As ``send(_:to:)``, but not to a connection that has more than `unreadMax` bytes to read already. `done` is called
    /// once, on the connection's loop.
    func offer(
        _ command: RemotingCommand, to target: Target, unreadMax: Int, _ done: @escaping @Sendable () -> Void
    ) {
        target.loop.execute { [self] in
            let channel = state.withLock { $0.connections[target.connectionID]?.channel }
            if let channel, channel.connection.isOpen, channel.connection.pendingByteCount <= unreadMax {
                channel.send(command)
            }
            done()
        }
    }

    /// The connection over which a producer of this client id came; `nil` if there is none.
    func producerTarget(ofClient clientID: String) -> Target? {
        state.withLock { state in
            for members in state.producers.values {
                guard let member = members[clientID], let presence = state.connections[member.connectionID] else {
                    continue
                }
                return Target(connectionID: member.connectionID, loop: presence.channel.connection.loop)
            }
            return nil
        }
    }

    /// A connection to send something to.
    struct Target: Sendable {
        let connectionID: UInt64
        let loop: EventLoop
    }
}
