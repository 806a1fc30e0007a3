/// What a request asks for. Source: `RequestCode.java`, RocketMQ 5.3.
public struct RequestCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32

    @inlinable public init(rawValue: Int32) { self.rawValue = rawValue }
    @inlinable init(_ rawValue: Int32) { self.rawValue = rawValue }

    public static let sendMessage = RequestCode(10)
    public static let pullMessage = RequestCode(11)
    public static let queryMessage = RequestCode(12)
    public static let queryConsumerOffset = RequestCode(14)
    public static let updateConsumerOffset = RequestCode(15)
    public static let updateAndCreateTopic = RequestCode(17)
    public static let updateAndCreateTopicList = RequestCode(18)
    public static let getAllTopicConfig = RequestCode(21)
    public static let updateBrokerConfig = RequestCode(25)
    public static let getBrokerConfig = RequestCode(26)
    public static let getBrokerRuntimeInfo = RequestCode(28)
    public static let searchOffsetByTimestamp = RequestCode(29)
    public static let getMaxOffset = RequestCode(30)
    public static let getMinOffset = RequestCode(31)
    public static let getEarliestMessageStoreTime = RequestCode(32)
    public static let viewMessageByID = RequestCode(33)
    public static let heartBeat = RequestCode(34)
    public static let unregisterClient = RequestCode(35)
    public static let consumerSendMessageBack = RequestCode(36)
    public static let endTransaction = RequestCode(37)
    public static let getConsumerListByGroup = RequestCode(38)
    public static let checkTransactionState = RequestCode(39)
    public static let notifyConsumerIDsChanged = RequestCode(40)
    public static let lockBatchMQ = RequestCode(41)
    public static let unlockBatchMQ = RequestCode(42)
    public static let getAllConsumerOffset = RequestCode(43)
    public static let getAllDelayOffset = RequestCode(45)
    public static let checkClientConfig = RequestCode(46)
    public static let getTimerCheckpoint = RequestCode(60)
    public static let getTimerMetrics = RequestCode(61)
    public static let putKVConfig = RequestCode(100)
    public static let getKVConfig = RequestCode(101)
    public static let deleteKVConfig = RequestCode(102)
    public static let registerBroker = RequestCode(103)
    public static let unregisterBroker = RequestCode(104)
    public static let getRouteInfoByTopic = RequestCode(105)
    public static let getBrokerClusterInfo = RequestCode(106)
    public static let updateAndCreateSubscriptionGroup = RequestCode(200)
    public static let getAllSubscriptionGroupConfig = RequestCode(201)
    public static let getTopicStatsInfo = RequestCode(202)
    public static let getConsumerConnectionList = RequestCode(203)
    public static let getProducerConnectionList = RequestCode(204)
    public static let wipeWritePermOfBroker = RequestCode(205)
    public static let getAllTopicListFromNameServer = RequestCode(206)
    public static let deleteSubscriptionGroup = RequestCode(207)
    public static let getConsumeStats = RequestCode(208)
    public static let deleteTopicInBroker = RequestCode(215)
    public static let deleteTopicInNameServer = RequestCode(216)
    public static let registerTopicInNameServer = RequestCode(217)
    public static let getKVListByNamespace = RequestCode(219)
    public static let resetConsumerClientOffset = RequestCode(220)
    public static let getConsumerStatusFromClient = RequestCode(221)
    public static let invokeBrokerToResetOffset = RequestCode(222)
    public static let invokeBrokerToGetConsumerStatus = RequestCode(223)
    public static let getTopicsByCluster = RequestCode(224)
    public static let updateAndCreateSubscriptionGroupList = RequestCode(225)
    public static let queryTopicConsumeByWho = RequestCode(300)
    public static let queryConsumeTimeSpan = RequestCode(303)
    public static let getSystemTopicListFromNameServer = RequestCode(304)
    public static let getSystemTopicListFromBroker = RequestCode(305)
    public static let cleanExpiredConsumeQueue = RequestCode(306)
    public static let getConsumerRunningInfo = RequestCode(307)
    public static let queryCorrectionOffset = RequestCode(308)
    public static let consumeMessageDirectly = RequestCode(309)
    public static let sendMessageV2 = RequestCode(310)
    public static let getUnitTopicList = RequestCode(311)
    public static let getHasUnitSubTopicList = RequestCode(312)
    public static let getHasUnitSubUnUnitTopicList = RequestCode(313)
    public static let cloneGroupOffset = RequestCode(314)
    public static let viewBrokerStatsData = RequestCode(315)
    public static let cleanUnusedTopic = RequestCode(316)
    public static let getBrokerConsumeStats = RequestCode(317)
    public static let updateNameServerConfig = RequestCode(318)
    public static let getNameServerConfig = RequestCode(319)
    public static let sendBatchMessage = RequestCode(320)
    public static let queryConsumeQueue = RequestCode(321)
    public static let queryDataVersion = RequestCode(322)
    public static let resumeCheckHalfMessage = RequestCode(323)
    public static let sendReplyMessage = RequestCode(324)
    public static let sendReplyMessageV2 = RequestCode(325)
    public static let pushReplyMessageToClient = RequestCode(326)
    public static let addWritePermOfBroker = RequestCode(327)
    public static let getAllProducerInfo = RequestCode(328)
    public static let deleteExpiredCommitLog = RequestCode(329)
    public static let queryTopicsByConsumer = RequestCode(343)
    public static let querySubscriptionByConsumer = RequestCode(345)
    public static let getTopicConfig = RequestCode(351)
    /// Whether a group may read a topic.
    public static let updateAndGetGroupForbidden = RequestCode(353)
    public static let getSubscriptionGroupConfig = RequestCode(352)
    public static let checkRocksDBQueueProgress = RequestCode(354)
    public static let exportRocksDBConfigToJSON = RequestCode(355)
    public static let litePullMessage = RequestCode(361)
    public static let recallMessage = RequestCode(370)
    public static let queryAssignment = RequestCode(400)
    public static let setMessageRequestMode = RequestCode(401)
    public static let getAllMessageRequestMode = RequestCode(402)
    public static let getBrokerMemberGroup = RequestCode(901)
    public static let brokerHeartbeat = RequestCode(904)
    public static let getBrokerHAStatus = RequestCode(907)
    public static let resetMasterFlushOffset = RequestCode(908)
    public static let updateColdDataFlowControl = RequestCode(2001)
    public static let removeColdDataFlowControl = RequestCode(2002)
    public static let getColdDataFlowControl = RequestCode(2003)
    public static let setCommitLogReadMode = RequestCode(2004)
    public static let popMessage = RequestCode(200_050)
    public static let ackMessage = RequestCode(200_051)
    public static let peekMessage = RequestCode(200_052)
    public static let changeMessageInvisibleTime = RequestCode(200_053)
    public static let notification = RequestCode(200_054)
    public static let pollingInfo = RequestCode(200_055)
    /// Has pop's records in RocksDB moved to the log.
    public static let popRollback = RequestCode(200_056)
    public static let batchAckMessage = RequestCode(200_151)

    public var description: String { String(rawValue) }
}

/// How a request ended. Source: `ResponseCode.java`, `RemotingSysResponseCode.java`, RocketMQ 5.3.
public struct ResponseCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32

    @inlinable public init(rawValue: Int32) { self.rawValue = rawValue }
    @inlinable init(_ rawValue: Int32) { self.rawValue = rawValue }

    public static let success = ResponseCode(0)
    public static let systemError = ResponseCode(1)
    public static let systemBusy = ResponseCode(2)
    public static let requestCodeNotSupported = ResponseCode(3)
    public static let flushDiskTimeout = ResponseCode(10)
    public static let slaveNotAvailable = ResponseCode(11)
    public static let flushSlaveTimeout = ResponseCode(12)
    public static let messageIllegal = ResponseCode(13)
    public static let serviceNotAvailable = ResponseCode(14)
    public static let versionNotSupported = ResponseCode(15)
    public static let noPermission = ResponseCode(16)
    public static let topicNotExist = ResponseCode(17)
    public static let pullNotFound = ResponseCode(19)
    public static let pullRetryImmediately = ResponseCode(20)
    public static let pullOffsetMoved = ResponseCode(21)
    public static let queryNotFound = ResponseCode(22)
    public static let subscriptionParseFailed = ResponseCode(23)
    public static let subscriptionNotExist = ResponseCode(24)
    public static let subscriptionNotLatest = ResponseCode(25)
    public static let subscriptionGroupNotExist = ResponseCode(26)
    public static let filterDataNotExist = ResponseCode(27)
    public static let filterDataNotLatest = ResponseCode(28)
    public static let invalidParameter = ResponseCode(29)
    public static let consumerNotOnline = ResponseCode(206)
    public static let consumeMessageTimeout = ResponseCode(207)
    public static let noMessage = ResponseCode(208)
    public static let pollingFull = ResponseCode(209)
    public static let pollingTimeout = ResponseCode(210)
    public static let broadcastConsumption = ResponseCode(213)
    public static let illegalOperation = ResponseCode(604)

    public var description: String { String(rawValue) }
}

/// What a peer is written in. Unknown names and numbers count as ``other``. Source: `LanguageCode.java`, RocketMQ 5.3.
public enum LanguageCode: UInt8, Sendable, CaseIterable {
    case java, cpp, dotnet, python, delphi, erlang, ruby, other, http, go, php, oms, rust, nodeJS

    /// As JSON headers spell it.
    public var name: StaticString {
        switch self {
        case .java: "JAVA"
        case .cpp: "CPP"
        case .dotnet: "DOTNET"
        case .python: "PYTHON"
        case .delphi: "DELPHI"
        case .erlang: "ERLANG"
        case .ruby: "RUBY"
        case .other: "OTHER"
        case .http: "HTTP"
        case .go: "GO"
        case .php: "PHP"
        case .oms: "OMS"
        case .rust: "RUST"
        case .nodeJS: "NODE_JS"
        }
    }
}

/// Versions that peers send as an ordinal. Source: `MQVersion.java`, RocketMQ 5.3.3.
public enum ProtocolVersion {
    /// What we say we are: V5_3_3.
    public static let current: Int32 = 479
    /// The same as an answer has it.
    @inlinable static var currentDigits: StaticString { "479" }
    /// From here on, route data is standard JSON.
    public static let v4_9_4: Int32 = 401
    /// From here on, a registration's body carries topic-queue mappings.
    public static let v5_0_0: Int32 = 413
    /// From here on, a registration's body carries filter servers beside topics.
    public static let v3_0_11: Int32 = 37
    /// From here on, `maxReconsumeTimes` of a request counts.
    public static let v3_4_9: Int32 = 121

    /// The text for an ordinal, `V5_3_3`. Ordinals come in pairs, snapshot then release, ten patch releases a minor.
    public static func text(_ ordinal: Int32) -> String {
        // From V4_0_0_SNAPSHOT (212) the table is regular: 20 ordinals a minor version, ten minors a major version.
        guard ordinal >= 212 else { return ordinal < 0 ? "UNKNOWN" : "V3_\(ordinal)" }
        guard ordinal < 612 else { return "HIGHER_VERSION" }
        let index = Int(ordinal) - 212 - 1
        let release = index / 2
        let suffix = (ordinal - 212) % 2 == 0 ? "_SNAPSHOT" : ""
        let number = suffix.isEmpty ? release : (index + 1) / 2
        return "V\(4 + number / 100)_\(number / 10 % 10)_\(number % 10)\(suffix)"
    }
}
