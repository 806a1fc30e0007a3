public import MQJSON

/// Where a topic's queues are: answer of `GET_ROUTEINFO_BY_TOPIC` (105).
///
/// Written in `.standard` when the request says `acceptStandardJsonOnly=true` or comes from version ordinal 401 (4.9.4)
/// on, else in `.compact` (broker ids as bare integer keys); both are read.
///
/// Source: `TopicRouteData.java`, `ClientRequestProcessor.java`, RocketMQ 5.3.
public struct TopicRouteData: JSONBody {
    /// The brokers that have the topic.
    public var brokerDatas: [BrokerData]
    /// What the topic looks like at each of them.
    public var queueDatas: [QueueData]
    /// Broker address → filter servers: empty since 4.9.
    public var filterServerTable: [String: [String]]
    /// `broker-a:8;broker-b:8` for a topic in global order.
    public var orderTopicConf: String?
    /// Broker → `TopicQueueMappingInfo`, carried along unread.
    public var topicQueueMappingByBroker: JSONObject?

    /// A route.
    public init(brokerDatas: [BrokerData] = [], queueDatas: [QueueData] = [], orderTopicConf: String? = nil) {
        self.brokerDatas = brokerDatas
        self.queueDatas = queueDatas
        self.orderTopicConf = orderTopicConf
        filterServerTable = [:]
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "TopicRouteData")
        brokerDatas = try fields.bodies("brokerDatas")
        queueDatas = try fields.bodies("queueDatas")
        orderTopicConf = try fields.optionalText("orderTopicConf")
        topicQueueMappingByBroker = fields.value("topicQueueMappingByBroker")?.object
        filterServerTable = try fields.textListTable("filterServerTable")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("brokerDatas", .list(brokerDatas)), ("filterServerTable", .textListTable(filterServerTable)),
            ("orderTopicConf", orderTopicConf.map(JSON.string)), ("queueDatas", .list(queueDatas)),
            ("topicQueueMappingByBroker", topicQueueMappingByBroker.map(JSON.object)))
    }
}

/// A master and its slaves.
///
/// Source: `BrokerData.java`, RocketMQ 5.3.
public struct BrokerData: JSONBody {
    /// The cluster.
    public var cluster: String
    /// The name the master and its slaves share.
    public var brokerName: String
    /// Broker id → address; 0 is the master.
    public var brokerAddrs: [Int64: String]
    /// The zone, where zones are used.
    public var zoneName: String?
    /// Whether a slave may stand in for a lost master.
    public var enableActingMaster: Bool

    /// A broker.
    public init(
        cluster: String, brokerName: String, brokerAddrs: [Int64: String], zoneName: String? = nil,
        enableActingMaster: Bool = false
    ) {
        self.cluster = cluster
        self.brokerName = brokerName
        self.brokerAddrs = brokerAddrs
        self.zoneName = zoneName
        self.enableActingMaster = enableActingMaster
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "BrokerData")
        cluster = try fields.optionalText("cluster") ?? ""
        brokerName = try fields.text("brokerName")
        zoneName = try fields.optionalText("zoneName")
        enableActingMaster = try fields.bool("enableActingMaster", default: false)
        brokerAddrs = [:]
        for member in try fields.table("brokerAddrs") {
            let id = try fields.unwrap(member.key.integer, "brokerAddrs")
            brokerAddrs[id] = try fields.unwrap(member.value.string, "brokerAddrs")
        }
    }

    /// The members as Java writes them.
    public var json: JSON {
        let addresses = brokerAddrs.sorted { $0.key < $1.key }
            .map { (JSONKey.integer($0.key), JSON.string($0.value)) }
        return .members(
            ("brokerAddrs", .object(JSONObject(addresses))), ("brokerName", .string(brokerName)),
            ("cluster", .string(cluster)), ("enableActingMaster", .bool(enableActingMaster)),
            ("zoneName", zoneName.map(JSON.string)))
    }
}

/// A topic's queues at one broker.
///
/// Source: `QueueData.java`, RocketMQ 5.3; before 4.9 the flag was spelled `topicSynFlag`, still read.
public struct QueueData: JSONBody {
    /// The broker.
    public var brokerName: String
    /// Queues that consumers read.
    public var readQueueNums: Int
    /// Queues that producers write.
    public var writeQueueNums: Int
    /// What may be done with the topic there.
    public var perm: TopicPermission
    /// As ``TopicConfig/topicSysFlag``.
    public var topicSysFlag: Int

    /// Queues.
    public init(
        brokerName: String, readQueueNums: Int, writeQueueNums: Int, perm: TopicPermission, topicSysFlag: Int = 0
    ) {
        self.brokerName = brokerName
        self.readQueueNums = readQueueNums
        self.writeQueueNums = writeQueueNums
        self.perm = perm
        self.topicSysFlag = topicSysFlag
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "QueueData")
        brokerName = try fields.text("brokerName")
        readQueueNums = try fields.int("readQueueNums", default: 0)
        writeQueueNums = try fields.int("writeQueueNums", default: 0)
        perm = TopicPermission(rawValue: try fields.int("perm", default: 0))
        topicSysFlag = try fields.int("topicSysFlag", default: try fields.int("topicSynFlag", default: 0))
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("brokerName", .string(brokerName)), ("perm", JSON(perm.rawValue)), ("readQueueNums", JSON(readQueueNums)),
            ("topicSysFlag", JSON(topicSysFlag)), ("writeQueueNums", JSON(writeQueueNums)))
    }
}

/// All brokers of all clusters a name server knows: answer of `GET_BROKER_CLUSTER_INFO` (106).
///
/// Source: `ClusterInfo.java`, RocketMQ 5.3.
public struct ClusterInfo: JSONBody {
    /// Broker name → broker.
    public var brokerAddrTable: [String: BrokerData]
    /// Cluster → its brokers' names.
    public var clusterAddrTable: [String: [String]]

    /// Clusters.
    public init(brokerAddrTable: [String: BrokerData] = [:], clusterAddrTable: [String: [String]] = [:]) {
        self.brokerAddrTable = brokerAddrTable
        self.clusterAddrTable = clusterAddrTable
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "ClusterInfo")
        brokerAddrTable = try fields.bodyTable("brokerAddrTable")
        clusterAddrTable = try fields.textListTable("clusterAddrTable")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("brokerAddrTable", .table(brokerAddrTable)), ("clusterAddrTable", .textListTable(clusterAddrTable)))
    }
}
