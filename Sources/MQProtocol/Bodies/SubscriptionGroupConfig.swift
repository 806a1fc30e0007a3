public import MQJSON

/// One consumer group at one broker: body of `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP` (200), entry of
/// `subscriptionGroup.json`.
///
/// Source: `SubscriptionGroupConfig.java`, RocketMQ 5.3; 4.9 has only the members up to `whichBrokerWhenConsumeSlowly`.
public struct SubscriptionGroupConfig: JSONBody {
    /// The group.
    public var groupName: String
    /// Whether it may consume.
    public var consumeEnable = true
    /// Whether it may begin at a queue's smallest offset.
    public var consumeFromMinEnable = true
    /// Whether it may consume in broadcasting mode.
    public var consumeBroadcastEnable = true
    /// Whether pop takes its messages in order.
    public var consumeMessageOrderly = false
    /// Queues of its retry topic.
    public var retryQueueNums = 1
    /// Deliveries before a message goes to the dead letter topic.
    public var retryMaxTimes = 16
    /// Retry policy of pop, carried along: `{"type":"CUSTOMIZED"}`.
    public var groupRetryPolicy: JSON = ["type": "CUSTOMIZED"]
    /// The broker it reads from.
    public var brokerID: Int64 = 0
    /// The broker it is sent to when it lags.
    public var whichBrokerWhenConsumeSlowly: Int64 = 1
    /// Whether members are told when another comes or goes.
    public var notifyConsumerIdsChangedEnable = true
    /// Bit 0: unit group.
    public var groupSysFlag = 0
    /// Minutes until a message that is being consumed counts as failed.
    public var consumeTimeoutMinute = 15
    /// Fixed subscriptions, carried along; `nil` leaves them out.
    public var subscriptionDataSet: JSON?
    /// Free attributes.
    public var attributes: [String: String] = [:]

    /// A group with Java's defaults.
    public init(groupName: String) { self.groupName = groupName }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "SubscriptionGroupConfig")
        self.init(groupName: try fields.text("groupName"))
        consumeEnable = try fields.bool("consumeEnable", default: true)
        consumeFromMinEnable = try fields.bool("consumeFromMinEnable", default: true)
        consumeBroadcastEnable = try fields.bool("consumeBroadcastEnable", default: true)
        consumeMessageOrderly = try fields.bool("consumeMessageOrderly", default: false)
        retryQueueNums = try fields.int("retryQueueNums", default: 1)
        retryMaxTimes = try fields.int("retryMaxTimes", default: 16)
        groupRetryPolicy = fields.value("groupRetryPolicy") ?? groupRetryPolicy
        brokerID = try fields.int64("brokerId", default: 0)
        whichBrokerWhenConsumeSlowly = try fields.int64("whichBrokerWhenConsumeSlowly", default: 1)
        notifyConsumerIdsChangedEnable = try fields.bool("notifyConsumerIdsChangedEnable", default: true)
        groupSysFlag = try fields.int("groupSysFlag", default: 0)
        consumeTimeoutMinute = try fields.int("consumeTimeoutMinute", default: 15)
        subscriptionDataSet = fields.value("subscriptionDataSet")
        attributes = try fields.textTable("attributes")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("attributes", .table(attributes)), ("brokerId", .integer(brokerID)),
            ("consumeBroadcastEnable", .bool(consumeBroadcastEnable)), ("consumeEnable", .bool(consumeEnable)),
            ("consumeFromMinEnable", .bool(consumeFromMinEnable)),
            ("consumeMessageOrderly", .bool(consumeMessageOrderly)),
            ("consumeTimeoutMinute", JSON(consumeTimeoutMinute)), ("groupName", .string(groupName)),
            ("groupRetryPolicy", groupRetryPolicy), ("groupSysFlag", JSON(groupSysFlag)),
            ("notifyConsumerIdsChangedEnable", .bool(notifyConsumerIdsChangedEnable)),
            ("retryMaxTimes", JSON(retryMaxTimes)), ("retryQueueNums", JSON(retryQueueNums)),
            ("subscriptionDataSet", subscriptionDataSet),
            ("whichBrokerWhenConsumeSlowly", .integer(whichBrokerWhenConsumeSlowly)))
    }
}

/// A broker's groups: answer of `GET_ALL_SUBSCRIPTIONGROUP_CONFIG` (201), and `subscriptionGroup.json`.
///
/// Source: `SubscriptionGroupWrapper.java`, `SubscriptionGroupManager.java`, RocketMQ 5.3.
public struct SubscriptionGroupWrapper: JSONBody {
    /// The table's version.
    public var dataVersion: DataVersion
    /// Group → its configuration.
    public var subscriptionGroupTable: [String: SubscriptionGroupConfig]
    /// Group → topic → bits of what is forbidden, carried along.
    public var forbiddenTable: JSONObject

    /// Groups.
    public init(dataVersion: DataVersion, subscriptionGroupTable: [String: SubscriptionGroupConfig]) {
        self.dataVersion = dataVersion
        self.subscriptionGroupTable = subscriptionGroupTable
        forbiddenTable = [:]
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "SubscriptionGroupWrapper")
        dataVersion = try fields.body("dataVersion") ?? DataVersion()
        subscriptionGroupTable = try fields.bodyTable("subscriptionGroupTable")
        forbiddenTable = try fields.table("forbiddenTable")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("dataVersion", dataVersion.json), ("forbiddenTable", .object(forbiddenTable)),
            ("subscriptionGroupTable", .table(subscriptionGroupTable)))
    }
}
