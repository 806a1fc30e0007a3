/// Keys of `broker.conf` that Apus honours, from `BrokerConfig` and `BrokerIdentity`.
///
/// Source: `BrokerConfig.java`, `BrokerIdentity.java`, RocketMQ 5.3.
public enum BrokerKeys {
    // MARK: Who the broker is

    /// The cluster.
    public static let brokerClusterName = ConfigKey<String>.text(
        "brokerClusterName", default: .fixed("DefaultCluster"), "Cluster the broker belongs to."
    ).important
    /// The name shared by a master and its slaves.
    public static let brokerName = ConfigKey<String>.text(
        "brokerName", default: .hostName, "Name that a master and its slaves share."
    ).important
    /// 0 for the master.
    public static let brokerID = ConfigKey<Int>.integer(
        "brokerId", default: 0, in: 0...Int.max,
        "0 for the master, from 1 on for slaves; a master counts as 0 whatever it says."
    ).important
    /// The address clients are told.
    public static let brokerIP1 = ConfigKey<String>.text(
        "brokerIP1", default: .localAddress, "Address the broker registers for clients."
    ).important
    /// The address slaves are told.
    public static let brokerIP2 = ConfigKey<String>.text(
        "brokerIP2", default: .localAddress, "Address the broker registers for its slaves.")
    /// The region in answers.
    public static let regionID = ConfigKey<String>.text(
        "regionId", default: .fixed("DefaultRegion"), "Region that answers and trace messages name.")
    /// What may be done at this broker: read 4, write 2.
    public static let brokerPermission = ConfigKey<Int>.integer(
        "brokerPermission", default: 6, in: 0...7,
        "What clients may do here: 4 read, 2 write, 6 both."
    ).live
    /// The installation's folder.
    public static let rocketmqHome = ConfigKey<String>.text(
        "rocketmqHome", default: .rocketmqHome, "Folder of the installation.")

    /// What hot updates may not touch.
    public static let configBlackList = ConfigKey<String>.text(
        "configBlackList", default: .fixed("configBlackList;brokerConfigPath"),
        "Keys that hot updates may not change, separated by semicolons; the two of the default are always among them.")

    // MARK: Name servers

    /// `host:port;host:port`.
    public static let namesrvAddr = ConfigKey<String>.text(
        "namesrvAddr", default: .nameServers, "Name servers to register with: host:port, separated by semicolons."
    ).important
    /// How often the broker registers.
    public static let registerNameServerPeriod = ConfigKey<Duration>.milliseconds(
        "registerNameServerPeriod", default: 30_000, in: 10_000...60_000, "Time between registrations.")
    /// Whether registrations are compressed.
    public static let compressedRegister = ConfigKey<Bool>.flag(
        "compressedRegister", default: false, "Registers with a zlib-compressed body."
    ).live

    // MARK: Topics and groups

    /// Whether an unknown topic is made when somebody sends to it.
    public static let autoCreateTopicEnable = ConfigKey<Bool>.flag(
        "autoCreateTopicEnable", default: true, "Makes an unknown topic after TBW102 when a producer sends to it."
    ).important.live
    /// Whether an unknown group is made when it connects.
    public static let autoCreateSubscriptionGroup = ConfigKey<Bool>.flag(
        "autoCreateSubscriptionGroup", default: true, "Makes an unknown consumer group when it first connects."
    ).important.live
    /// Queues of new topics.
    public static let defaultTopicQueueNums = ConfigKey<Int>.integer(
        "defaultTopicQueueNums", default: 8, in: 1...1024, unit: "queues", "Most queues of a topic made by itself."
    ).live
    /// Whether a topic of the cluster's name exists.
    public static let clusterTopicEnable = ConfigKey<Bool>.flag(
        "clusterTopicEnable", default: true, "Keeps a topic named like the cluster.")
    /// Whether a topic of the broker's name exists.
    public static let brokerTopicEnable = ConfigKey<Bool>.flag(
        "brokerTopicEnable", default: true, "Keeps a topic named like the broker.")
    /// Whether the trace topic exists.
    public static let traceTopicEnable = ConfigKey<Bool>.flag(
        "traceTopicEnable", default: false, "Keeps the topic that clients send traces to."
    ).important
    /// The trace topic's name.
    public static let msgTraceTopicName = ConfigKey<String>.text(
        "msgTraceTopicName", default: .fixed("RMQ_SYS_TRACE_TOPIC"), "The topic that clients send traces to."
    ).important
    /// Whether answers ask clients to trace.
    public static let traceOn = ConfigKey<Bool>.flag("traceOn", default: true, "Tells clients that tracing is on.")

    // MARK: Consumers

    /// Whether pulls wait for messages.
    public static let longPollingEnable = ConfigKey<Bool>.flag(
        "longPollingEnable", default: true, "Lets a pull that finds nothing wait as long as its client asks."
    ).live
    /// How long pulls wait without long polling.
    public static let shortPollingTimeMills = ConfigKey<Duration>.milliseconds(
        "shortPollingTimeMills", default: 1000, in: 1...60_000, "How long a pull waits when longPollingEnable is false."
    ).live
    /// Whether SQL92 subscriptions are served.
    public static let enablePropertyFilter = ConfigKey<Bool>.flag(
        "enablePropertyFilter", default: false, "Lets consumers filter by SQL92 expressions over properties."
    ).live
    /// Whether consumers are told of each other.
    public static let notifyConsumerIdsChangedEnable = ConfigKey<Bool>.flag(
        "notifyConsumerIdsChangedEnable", default: true, "Tells a group's members when one comes or goes."
    ).live
    /// When a silent client is dropped.
    public static let channelExpiredTimeout = ConfigKey<Duration>.milliseconds(
        "channelExpiredTimeout", default: 120_000, in: 1000...3_600_000,
        "A client that has sent no heartbeat for so long is dropped."
    ).live
    /// How often consumer progress is written.
    public static let flushConsumerOffsetInterval = ConfigKey<Duration>.milliseconds(
        "flushConsumerOffsetInterval", default: 5000, in: 100...3_600_000,
        "Time between writes of consumerOffset.json.")

    // MARK: Sending

    /// When sends are first accepted.
    public static let startAcceptSendRequestTimeStamp = ConfigKey<Int>.integer(
        "startAcceptSendRequestTimeStamp", default: 0, in: 0...Int.max, unit: "ms since 1970",
        "Sends are refused before this time.")

    static let all: [ConfigDeclaration] = [
        brokerClusterName.declaration, brokerName.declaration, brokerID.declaration, brokerIP1.declaration,
        brokerIP2.declaration, regionID.declaration, brokerPermission.declaration, rocketmqHome.declaration,
        configBlackList.declaration,
        namesrvAddr.declaration, registerNameServerPeriod.declaration, compressedRegister.declaration,
        autoCreateTopicEnable.declaration, autoCreateSubscriptionGroup.declaration,
        defaultTopicQueueNums.declaration, clusterTopicEnable.declaration, brokerTopicEnable.declaration,
        traceTopicEnable.declaration, msgTraceTopicName.declaration, traceOn.declaration,
        longPollingEnable.declaration, shortPollingTimeMills.declaration, enablePropertyFilter.declaration,
        notifyConsumerIdsChangedEnable.declaration, channelExpiredTimeout.declaration,
        flushConsumerOffsetInterval.declaration, startAcceptSendRequestTimeStamp.declaration,
    ]
}
