/// Keys of the listening socket that Apus honours, in brokers' files and name servers' alike.
///
/// Source: `NettyServerConfig.java`, RocketMQ 5.3.
public enum ServerKeys {
    /// The address that is listened on.
    public static let bindAddress = ConfigKey<String>.text(
        "bindAddress", default: .fixed("0.0.0.0"), "Address to listen on.")
    /// A broker's port. Java declares 6888 in `BrokerConfig` and uses 10911.
    public static let brokerListenPort = ConfigKey<Int>.integer(
        "listenPort", default: 10911, in: 0...65535, "Port to listen on; 0 takes a free one."
    ).important
    /// A name server's port.
    public static let nameServerListenPort = ConfigKey<Int>.integer(
        "listenPort", default: 9876, in: 0...65535, "Port to listen on; 0 takes a free one.")
    /// When an idle connection is closed.
    public static let serverChannelMaxIdleTimeSeconds = ConfigKey<Duration>.seconds(
        "serverChannelMaxIdleTimeSeconds", default: 120, in: 1...86_400,
        "A connection that is silent both ways for so long is closed.")
    /// A broker's I/O loops. Java starts 3 threads for its sockets.
    public static let serverSelectorThreads = ConfigKey<Int>.integer(
        "serverSelectorThreads", default: 0, in: 0...16,
        "I/O loops; 0 takes one, or two with asynchronous flush and four processors or more.")
}

/// Keys of a name server's file that Apus honours, from `NamesrvConfig`.
///
/// Source: `NamesrvConfig.java`, RocketMQ 5.3.
public enum NameServerKeys {
    /// The installation's folder.
    public static let rocketmqHome = ConfigKey<String>.text(
        "rocketmqHome", default: .rocketmqHome, "Folder of the installation.")
    /// The file of keys and values.
    public static let kvConfigPath = ConfigKey<String>.text(
        "kvConfigPath", default: .home("/namesrv/kvConfig.json"), "File that keeps KV configuration.")
    /// The file that hot updates are written to.
    public static let configStorePath = ConfigKey<String>.text(
        "configStorePath", default: .home("/namesrv/namesrv.properties"), "File that hot updates are written to.")
    /// A name for humans.
    public static let productEnvName = ConfigKey<String>.text(
        "productEnvName", default: .fixed("center"), "Name of the environment, for humans."
    ).live
    /// Whether routes carry the order configuration.
    public static let orderMessageEnable = ConfigKey<Bool>.flag(
        "orderMessageEnable", default: false, "Adds the order configuration to routes."
    ).live
    /// Whether registrations are answered with the order configuration.
    public static let returnOrderTopicConfigToBroker = ConfigKey<Bool>.flag(
        "returnOrderTopicConfigToBroker", default: true, "Answers registrations with the order configuration."
    ).live
    /// How often silent brokers are looked for.
    public static let scanNotActiveBrokerInterval = ConfigKey<Duration>.milliseconds(
        "scanNotActiveBrokerInterval", default: 5000, in: 10...600_000, "Time between looks for silent brokers.")
    /// Whether all topics may be listed.
    public static let enableAllTopicList = ConfigKey<Bool>.flag(
        "enableAllTopicList", default: true, "Answers requests for all topics."
    ).live
    /// Whether topics may be listed.
    public static let enableTopicList = ConfigKey<Bool>.flag(
        "enableTopicList", default: true, "Answers requests for the topics of a cluster or unit."
    ).live
    /// Whether topics vanish with registrations.
    public static let deleteTopicWithBrokerRegistration = ConfigKey<Bool>.flag(
        "deleteTopicWithBrokerRegistration", default: false, "Forgets a topic that its broker registers no more."
    ).live
    /// Whether routes are held back after the start.
    public static let needWaitForService = ConfigKey<Bool>.flag(
        "needWaitForService", default: false, "Refuses routes for waitSecondsForService after the start."
    ).live
    /// How long routes are held back.
    public static let waitSecondsForService = ConfigKey<Duration>.seconds(
        "waitSecondsForService", default: 45, in: 0...3600, "How long needWaitForService refuses routes."
    ).live

    /// Whether a slave stands in for a master that is gone.
    public static let supportActingMaster = ConfigKey<Bool>.flag(
        "supportActingMaster", default: false, "Routes show a slave as master while the master is gone."
    ).live
    /// What hot updates may not touch.
    public static let configBlackList = ConfigKey<String>.text(
        "configBlackList", default: .fixed("configBlackList;configStorePath;kvConfigPath"),
        "Keys that hot updates may not change, separated by semicolons; the three of the default are always among them."
    )

    static let all: [ConfigDeclaration] = [
        rocketmqHome.declaration, kvConfigPath.declaration, configStorePath.declaration, productEnvName.declaration,
        orderMessageEnable.declaration, returnOrderTopicConfigToBroker.declaration,
        scanNotActiveBrokerInterval.declaration, enableAllTopicList.declaration, enableTopicList.declaration,
        deleteTopicWithBrokerRegistration.declaration, needWaitForService.declaration,
        waitSecondsForService.declaration, supportActingMaster.declaration, configBlackList.declaration,
    ]
}

extension ConfigTable {
    /// All keys of `broker.conf`.
    public static let broker = ConfigTable(
        sections: [
            Section(
                "BrokerConfig",
                BrokerKeys.all + TransactionKeys.all + TimerKeys.broker + ConsumptionKeys.all + PopKeys.all
                    + FlowKeys.broker + ColdDataKeys.broker,
                notYet: NotYetKeys.broker),
            Section(
                "NettyServerConfig",
                [
                    ServerKeys.bindAddress.declaration, ServerKeys.brokerListenPort.declaration,
                    ServerKeys.serverChannelMaxIdleTimeSeconds.declaration,
                    ServerKeys.serverSelectorThreads.declaration,
                ], notYet: NotYetKeys.server),
            Section("TlsSystemConfig", TLSKeys.broker, notYet: ""),
            Section("NettyClientConfig", [], notYet: NotYetKeys.client),
            Section(
                "MessageStoreConfig",
                StoreKeys.all + RetentionKeys.all + FormatKeys.all + TimerKeys.store + FlowKeys.store
                    + LiteQueueKeys.all + CompactionKeys.all + ColdDataKeys.store,
                notYet: NotYetKeys.store),
            Section("AuthConfig", [], notYet: NotYetKeys.auth),
        ],
        removed: [
            "filterServerNums": "RocketMQ 5 has no filter servers", "commercialEnable": "RocketMQ 5 knows it no more",
            "commercialTimerCount": "RocketMQ 5 knows it no more",
            "commercialTransCount": "RocketMQ 5 knows it no more", "commercialBigCount": "RocketMQ 5 knows it no more",
            "maxDelayTime": "RocketMQ 5 knows it no more",
            "isEnableBatchPush": "RocketMQ 5 has enableBatchPush instead",
            "haSlaveFallbehindMax": "RocketMQ 5 calls it haMaxGapNotInSync",
        ].merging(TLSKeys.misplaced) { $1 })

    /// All keys of a name server's file.
    public static let nameServer = ConfigTable(
        sections: [
            Section("NamesrvConfig", NameServerKeys.all, notYet: NotYetKeys.nameServer),
            Section(
                "NettyServerConfig",
                [
                    ServerKeys.bindAddress.declaration, ServerKeys.nameServerListenPort.declaration,
                    ServerKeys.serverChannelMaxIdleTimeSeconds.declaration,
                ], notYet: NotYetKeys.server + "\nserverSelectorThreads int 3"),
            Section("TlsSystemConfig", TLSKeys.server, notYet: ""),
        ], removed: TLSKeys.misplaced)
}
