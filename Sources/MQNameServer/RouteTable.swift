import MQBase
import MQJSON
import MQProtocol

/// Which broker has which topic, and which brokers are alive. No clock, socket or lock: events in, answers out.
///
/// Topics come from registrations of masters (and of the slave that stands in for a lost one); a broker goes when it
/// says so, when its channel closes, or when it has been silent for the time its registration named.
///
/// Source: `RouteInfoManager.java`, RocketMQ 5.3.
struct RouteTable: Sendable {
    /// The channel a broker registered on.
    typealias ChannelID = UInt64

    /// What peers may make this table hold.
    enum Limit {
        /// Topics.
        static let topics = 200_000
        /// Topics times the brokers that have them.
        static let queueDatas = 500_000
        /// Broker names.
        static let brokers = 4096
        /// Addresses (a master and its slaves) under one broker name.
        static let addressesPerBroker = 64
        /// Bytes of a cluster's, broker's, zone's or topic's name, and of an address.
        static let nameByteCount = 512
    }

    /// What a configuration file may change about the rules.
    struct Rules: Sendable, Equatable {
        /// A master's registration removes its topics that it does not name. `deleteTopicWithBrokerRegistration`
        var deletesTopicsNotRegistered = false
        /// Routes name a slave as master when the master is gone and the topic is read-only. `supportActingMaster`
        var supportsActingMaster = false

        /// RocketMQ's defaults.
        init() {}
    }

    /// A broker process: two clusters may use one address.
    struct BrokerKey: Hashable, Sendable {
        let cluster: String
        let address: String
    }

    /// What is known about a broker process that is alive.
    struct LiveBroker: Sendable {
        let brokerName: String
        var lastUpdate: Instant
        let heartbeatTimeoutMilliseconds: Int64
        let dataVersion: DataVersion
        let channel: ChannelID
        let haServerAddress: String

        /// The last instant at which it counts as alive.
        var deadline: Instant { lastUpdate.advanced(byMilliseconds: heartbeatTimeoutMilliseconds) }
    }

    var rules = Rules()
    /// Topic → broker name → queues. No empty inner tables.
    var topics: [String: [String: QueueData]] = [:]
    /// Entries of all inner tables of `topics`.
    var queueDataCount = 0
    /// Topic → broker name → `TopicQueueMappingInfo`, unread.
    var mappings: [String: JSONObject] = [:]
    /// Broker name → its master and slaves. No empty entries.
    var brokers: [String: BrokerData] = [:]
    /// Cluster → broker names. No empty sets.
    var clusters: [String: Set<String>] = [:]
    var live: [BrokerKey: LiveBroker] = [:]
    /// Channel → the brokers whose last registration came over it.
    var channels: [ChannelID: Set<BrokerKey>] = [:]

    /// Changes with every change that a route, list or cluster answer may show. What was made from an older version
    /// must be made again.
    var version: UInt64 = 0

    /// An empty table.
    init(rules: Rules = Rules()) { self.rules = rules }

    /// Replaces the rules.
    mutating func setRules(_ rules: Rules) {
        guard rules != self.rules else { return }
        self.rules = rules
        version &+= 1
    }
}

/// Why the table does not take what a peer says. Answered with `SYSTEM_ERROR` and this sentence.
enum RouteRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// A name is empty, too long, or has control characters.
    case badName(field: String)
    /// The table is full.
    case tooMany(String, limit: Int)
    /// A broker that is not registered named one topic only: it must register all of them first.
    case notRegistered

    var description: String {
        switch self {
        case .badName(let field):
            "\(field) is empty, longer than \(RouteTable.Limit.nameByteCount) bytes, or has control characters"
        case .tooMany(let what, let limit): "this name server holds \(limit) \(what) at most"
        case .notRegistered: "register broker failed"
        }
    }
}
