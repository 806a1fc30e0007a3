public import MQJSON

/// Names and values: answer of `GET_BROKER_RUNTIME_INFO` (28), `GET_KVLIST_BY_NAMESPACE` (219) and registrations.
///
/// Source: `KVTable.java`, RocketMQ 5.3.
public struct KVTable: JSONBody {
    /// The table.
    public var table: [String: String]

    /// A table.
    public init(table: [String: String]) { self.table = table }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) { table = try BodyFields(json, "KVTable").textTable("table") }

    /// The members as Java writes them.
    public var json: JSON { .members(("table", .table(table))) }
}

/// Topics: answer of `GET_ALL_TOPIC_LIST_FROM_NAMESERVER` (206), `GET_TOPICS_BY_CLUSTER` (224), …
///
/// Source: `TopicList.java`, RocketMQ 5.3.
public struct TopicList: JSONBody {
    /// The topics.
    public var topicList: [String]
    /// A broker to ask for more, in answers about system topics.
    public var brokerAddr: String?

    /// Topics.
    public init(topicList: [String], brokerAddr: String? = nil) {
        self.topicList = topicList
        self.brokerAddr = brokerAddr
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "TopicList")
        topicList = try fields.texts("topicList")
        brokerAddr = try fields.optionalText("brokerAddr")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(("brokerAddr", brokerAddr.map(JSON.string)), ("topicList", JSON(topicList)))
    }
}

/// Groups: answer of `QUERY_TOPIC_CONSUME_BY_WHO` (300).
///
/// Source: `GroupList.java`, RocketMQ 5.3.
public struct GroupList: JSONBody {
    /// The groups.
    public var groupList: [String]

    /// Groups.
    public init(groupList: [String]) { self.groupList = groupList }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) { groupList = try BodyFields(json, "GroupList").texts("groupList") }

    /// The members as Java writes them.
    public var json: JSON { .members(("groupList", JSON(groupList))) }
}

/// A group's members: answer of `GET_CONSUMER_LIST_BY_GROUP` (38).
///
/// Source: `GetConsumerListByGroupResponseBody.java`, RocketMQ 5.3.
public struct ConsumerIDList: JSONBody {
    /// Client ids.
    public var consumerIDList: [String]

    /// Members.
    public init(consumerIDList: [String]) { self.consumerIDList = consumerIDList }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        consumerIDList = try BodyFields(json, "GetConsumerListByGroupResponseBody").texts("consumerIdList")
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("consumerIdList", JSON(consumerIDList))) }
}

/// Queues a client wants to hold alone, or gives back: body of `LOCK_BATCH_MQ` (41) and `UNLOCK_BATCH_MQ` (42).
///
/// Source: `LockBatchRequestBody.java`, `UnlockBatchRequestBody.java`, RocketMQ 5.3.
public struct LockBatchRequestBody: JSONBody {
    /// The group.
    public var consumerGroup: String
    /// The client.
    public var clientID: String
    /// The queues.
    public var mqSet: [MessageQueue]
    /// Whether the master need not ask its slaves.
    public var onlyThisBroker: Bool

    /// A request.
    public init(consumerGroup: String, clientID: String, mqSet: [MessageQueue], onlyThisBroker: Bool = false) {
        self.consumerGroup = consumerGroup
        self.clientID = clientID
        self.mqSet = mqSet
        self.onlyThisBroker = onlyThisBroker
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "LockBatchRequestBody")
        consumerGroup = try fields.text("consumerGroup")
        clientID = try fields.text("clientId")
        mqSet = try fields.bodies("mqSet")
        onlyThisBroker = try fields.bool("onlyThisBroker", default: false)
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("clientId", .string(clientID)), ("consumerGroup", .string(consumerGroup)), ("mqSet", .list(mqSet)),
            ("onlyThisBroker", .bool(onlyThisBroker)))
    }
}

/// The queues that were locked: answer of `LOCK_BATCH_MQ` (41).
///
/// Source: `LockBatchResponseBody.java`, RocketMQ 5.3.
public struct LockBatchResponseBody: JSONBody {
    /// The queues the client holds now.
    public var lockOKMQSet: [MessageQueue]

    /// An answer.
    public init(lockOKMQSet: [MessageQueue]) { self.lockOKMQSet = lockOKMQSet }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        lockOKMQSet = try BodyFields(json, "LockBatchResponseBody").bodies("lockOKMQSet")
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("lockOKMQSet", .list(lockOKMQSet))) }
}
