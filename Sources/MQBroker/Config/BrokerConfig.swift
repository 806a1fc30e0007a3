public import MQConfig
import MQMessage
public import MQStore

/// Everything a broker's parts need to know, read once from its configuration; immutable. A part keeps its own struct, or
/// asks ``LiveConfig`` for the present one where keys may change while the broker runs.
public struct BrokerConfig: Sendable {
    /// Who this broker is and where it listens.
    public var identity: BrokerIdentity
    /// How topics come to be.
    public var topics: TopicSettings
    /// How groups come to be, and what clients are told.
    public var groups: GroupSettings
    /// Where and how messages are stored.
    public var store: StoreConfig
    /// How sends are answered.
    public var send: SendSettings
    /// How transactions are looked after.
    public var transactions: TransactionSettings
    /// What is done with messages that have a time of delivery.
    public var timer: TimerSettings
    /// What pulls and queries may bring.
    public var pull: PullSettings
    /// How messages are popped.
    public var pop: PopSettings
    /// How groups filter by expressions.
    public var filter: FilterSettings
    /// How compacted topics are compacted.
    public var compaction: CompactionSettings
    /// What may wait, how many and how long.
    public var flow: FlowSettings
    /// Which name servers, and how often.
    public var registration: RegistrationSettings
    /// `serverSelectorThreads`: I/O loops; 0 leaves the number to ``loopCount(processors:)``.
    public var selectorThreadCount: Int
    /// Bounds on what peers may cost.
    public var limits = BrokerLimits()

    /// The configuration that `values` spell.
    /// - Parameter physicalMemory: what the broker may use, the machine's or its control group's, bytes.
    /// - Throws: ``BrokerConfigError``: print it and do not start.
    public init(_ values: ConfigValues, physicalMemory: UInt64 = 8 << 30) throws(BrokerConfigError) {
        try Self.refuseUnsupported(values)
        identity = try BrokerIdentity(values)
        topics = TopicSettings(values)
        groups = GroupSettings(values)
        store = try StoreConfig(values, physicalMemory: physicalMemory)
        send = SendSettings(values)
        transactions = TransactionSettings(values)
        timer = TimerSettings(values)
        pull = PullSettings(values)
        pop = PopSettings(values)
        filter = FilterSettings(values)
        flow = FlowSettings(values)
        compaction = CompactionSettings(values)
        registration = try RegistrationSettings(values)
        selectorThreadCount = values[ServerKeys.serverSelectorThreads]
        topics.delayLevelCount = store.delayLevels.count
        topics.reviveQueueCount = pop.reviveQueueCount
    }

    /// How many I/O loops there are on a machine with so many processors; docs/decisions/0001 says why.
    func loopCount(processors: Int) -> Int {
        if selectorThreadCount > 0 { return selectorThreadCount }
        return store.isFlushSynchronous || processors < 4 ? 1 : 2
    }

    /// What would promise the operator something that this broker does not keep.
    private static func refuseUnsupported(_ values: ConfigValues) throws(BrokerConfigError) {
        if values[StoreKeys.brokerRole] == .slave {
            throw BrokerConfigError("brokerRole=SLAVE is not supported yet: this broker can only be a master")
        }
        let switches = [
            "enableControllerMode", "enableDLegerCommitLog", "aclEnable", "authenticationEnabled",
            "authorizationEnabled",
        ]
        for key in switches where values.text(key)?.lowercased() == "true" {
            throw BrokerConfigError("\(key)=true is not supported yet: refusing to start without what it promises")
        }
        if let type = values.text("storeType"), type != "default" {
            throw BrokerConfigError("storeType=\(type) is not supported yet: only default is")
        }
    }
}

/// A configuration that a broker does not start with; `description` is the sentence to print.
public struct BrokerConfigError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// Who a broker is. Fixed while it runs.
public struct BrokerIdentity: Equatable, Sendable {
    /// `brokerClusterName`.
    public var clusterName: String
    /// `brokerName`: shared by a master and its slaves.
    public var brokerName: String
    /// `brokerId`: 0, because masters are forced to it and slaves are refused.
    public var brokerID: Int64 = 0
    /// `brokerIP1`: the address clients are told.
    public var brokerIP1: String
    /// `brokerIP2`: the address slaves are told.
    public var brokerIP2: String
    /// `bindAddress`: what it listens on.
    public var bindAddress: String
    /// `listenPort`; 0 takes any free port, then set it before anybody is told.
    public var listenPort: Int
    /// `haListenPort`; 0 means `listenPort` + 1.
    public var haListenPort: Int
    /// `serverChannelMaxIdleTimeSeconds`.
    public var idleSeconds: Int64

    init(_ values: ConfigValues) throws(BrokerConfigError) {
        clusterName = values[BrokerKeys.brokerClusterName]
        brokerName = values[BrokerKeys.brokerName]
        brokerIP1 = values[BrokerKeys.brokerIP1]
        brokerIP2 = values[BrokerKeys.brokerIP2]
        bindAddress = values[ServerKeys.bindAddress]
        listenPort = values[ServerKeys.brokerListenPort]
        idleSeconds = values[ServerKeys.serverChannelMaxIdleTimeSeconds].components.seconds
        haListenPort = values.isChanged("haListenPort") ? Int(values.text("haListenPort") ?? "") ?? 0 : 0
        for (key, name) in [("brokerClusterName", clusterName), ("brokerName", brokerName)] {
            // Both become names of topics; a host's name may have dots, which no client can send to.
            let plain = String(name.map { $0 == "." ? "-" : $0 })
            if let refusal = NameRules.refusal(ofTopic: plain) {
                throw BrokerConfigError("\(key)=\(name) is not allowed: \(refusal)")
            }
        }
        guard (0...65535).contains(haListenPort) else {
            throw BrokerConfigError("haListenPort=\(haListenPort) is not allowed: it must be in 0...65535")
        }
    }

    /// `brokerIP1:listenPort`: how the broker is known to name servers and clients.
    public var address: String { Self.join(brokerIP1, listenPort) }
    /// `brokerIP2:haListenPort`: where slaves would connect.
    public var haAddress: String { Self.join(brokerIP2, haListenPort == 0 ? listenPort + 1 : haListenPort) }
    /// The port that RocketMQ calls the fast or VIP one; `nil` if there is no room for it.
    public var fastPort: Int? { listenPort > 2 ? listenPort - 2 : nil }

    private static func join(_ ip: String, _ port: Int) -> String {
        ip.contains(":") && !ip.hasPrefix("[") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }
}

/// Which name servers, and how often.
public struct RegistrationSettings: Equatable, Sendable {
    /// `namesrvAddr`, taken apart at `;`: `host:port` each. May be empty: then nothing is registered.
    public var nameServers: [String]
    /// `registerNameServerPeriod`, 10–60 s, milliseconds.
    public var periodMilliseconds: Int64
    /// Longest wait for a name server's answer. Java's `registerBrokerTimeoutMills` is 24 s; ours is the period at most.
    public var timeoutMilliseconds: Int64
    /// `compressedRegister`: topics travel zlib-compressed. Live.
    public var compressedRegister: Bool

    init(_ values: ConfigValues) throws(BrokerConfigError) {
        periodMilliseconds = values[BrokerKeys.registerNameServerPeriod].milliseconds
        timeoutMilliseconds = min(24_000, periodMilliseconds)
        compressedRegister = values[BrokerKeys.compressedRegister]
        nameServers = []
        for part in values[BrokerKeys.namesrvAddr].split(separator: ";") {
            let address = String(part.filter { $0 != " " })
            if address.isEmpty || nameServers.contains(address) { continue }
            guard let colon = address.lastIndex(of: ":"), colon > address.startIndex,
                let port = UInt16(address[address.index(after: colon)...]), port > 0
            else {
                throw BrokerConfigError(
                    "The Name Server Address[\(values[BrokerKeys.namesrvAddr])] illegal, please set it as follows, "
                        + "\"127.0.0.1:9876;192.168.0.1:9876\"")
            }
            nameServers.append(address)
        }
        guard nameServers.count <= 64 else { throw BrokerConfigError("namesrvAddr names more than 64 name servers") }
    }
}
