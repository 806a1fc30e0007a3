public import MQJSON

/// What a client is: body of `HEART_BEAT` (34).
///
/// Source: `HeartbeatData.java`, RocketMQ 5.3.
public struct HeartbeatData: JSONBody {
    /// `ip@instance`.
    public var clientID: String
    /// Names of its producer groups. On the wire each is `{"groupName":…}`.
    public var producerGroups: [String]
    /// Its consumer groups.
    public var consumerDataSet: [ConsumerData]
    /// Hash of the heartbeat without versions; 0 from clients without heartbeat V2.
    public var heartbeatFingerprint: Int
    /// Heartbeat V2: subscriptions are left out because they have not changed.
    public var withoutSub: Bool

    /// A heartbeat.
    public init(clientID: String, producerGroups: [String] = [], consumerDataSet: [ConsumerData] = []) {
        self.clientID = clientID
        self.producerGroups = producerGroups
        self.consumerDataSet = consumerDataSet
        heartbeatFingerprint = 0
        withoutSub = false
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "HeartbeatData")
        clientID = try fields.text("clientID")
        producerGroups = []
        for producer in try fields.list("producerDataSet") {
            producerGroups.append(try BodyFields(producer, "ProducerData").text("groupName"))
        }
        consumerDataSet = try fields.bodies("consumerDataSet")
        heartbeatFingerprint = try fields.int("heartbeatFingerprint", default: 0)
        withoutSub = try fields.bool("withoutSub", default: false)
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("clientID", .string(clientID)), ("consumerDataSet", .list(consumerDataSet)),
            ("heartbeatFingerprint", JSON(heartbeatFingerprint)),
            ("producerDataSet", .array(producerGroups.map { .members(("groupName", .string($0))) })),
            ("withoutSub", .bool(withoutSub)))
    }
}

/// One consumer group of one client. Enums are read by name or by ordinal (librocketmq).
///
/// Source: `ConsumerData.java`, RocketMQ 5.3.
public struct ConsumerData: JSONBody {
    /// The group.
    public var groupName: String
    /// How it takes messages.
    public var consumeType: ConsumeType
    /// Who of it gets a message.
    public var messageModel: MessageModel
    /// Where it begins.
    public var consumeFromWhere: ConsumeFromWhere
    /// What it wants.
    public var subscriptionDataSet: [SubscriptionData]
    /// Unit mode: never used outside Alibaba.
    public var unitMode: Bool

    /// A group.
    public init(
        groupName: String, consumeType: ConsumeType = .passively, messageModel: MessageModel = .clustering,
        consumeFromWhere: ConsumeFromWhere = .lastOffset, subscriptionDataSet: [SubscriptionData]
    ) {
        self.groupName = groupName
        self.consumeType = consumeType
        self.messageModel = messageModel
        self.consumeFromWhere = consumeFromWhere
        self.subscriptionDataSet = subscriptionDataSet
        unitMode = false
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "ConsumerData")
        groupName = try fields.text("groupName")
        consumeType = try fields.choice("consumeType", default: .passively)
        messageModel = try fields.choice("messageModel", default: .clustering)
        consumeFromWhere = try fields.choice("consumeFromWhere", default: .lastOffset)
        subscriptionDataSet = try fields.bodies("subscriptionDataSet")
        unitMode = try fields.bool("unitMode", default: false)
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("consumeFromWhere", .string(consumeFromWhere.rawValue)), ("consumeType", .string(consumeType.rawValue)),
            ("groupName", .string(groupName)), ("messageModel", .string(messageModel.rawValue)),
            ("subscriptionDataSet", .list(subscriptionDataSet)), ("unitMode", .bool(unitMode)))
    }
}
