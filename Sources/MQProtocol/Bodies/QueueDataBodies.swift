public import MQJSON

/// Units of a queue: answer of `QUERY_CONSUME_QUEUE` (321).
///
/// Source: `QueryConsumeQueueResponseBody.java`, `ConsumeQueueData.java`, RocketMQ 5.3.
public struct QueryConsumeQueueResponseBody: JSONBody {
    /// One unit.
    public struct Unit: JSONBody {
        /// Where its record begins in the log.
        public var physicalOffset: Int64
        /// The record's bytes.
        public var size: Int
        /// Hash of its tag, or what else stands there.
        public var tagsCode: Int64
        /// What is wrong with it.
        public var message: String?

        /// A unit.
        public init(physicalOffset: Int64, size: Int, tagsCode: Int64, message: String? = nil) {
            self.physicalOffset = physicalOffset
            self.size = size
            self.tagsCode = tagsCode
            self.message = message
        }

        /// Reads the members; see ``JSONBody``.
        public init(json: JSON) throws(BodyError) {
            let fields = try BodyFields(json, "ConsumeQueueData")
            physicalOffset = try fields.int64("physicOffset", default: 0)
            size = try fields.int("physicSize", default: 0)
            tagsCode = try fields.int64("tagsCode", default: 0)
            message = try fields.optionalText("msg")
        }

        /// The members as Java writes them.
        public var json: JSON {
            .members(
                ("eval", .bool(false)), ("msg", message.map(JSON.string)), ("physicOffset", .integer(physicalOffset)),
                ("physicSize", JSON(size)), ("tagsCode", .integer(tagsCode)))
        }
    }

    /// The units.
    public var units: [Unit]
    /// The smallest offset that can be read.
    public var minIndex: Int64
    /// The offset of the next message.
    public var maxIndex: Int64
    /// What the group asked about wants of the topic.
    public var subscription: SubscriptionData?
    /// Why there is no subscription.
    public var filterData: String?

    /// Units.
    public init(
        units: [Unit], minIndex: Int64, maxIndex: Int64, subscription: SubscriptionData? = nil,
        filterData: String? = nil
    ) {
        self.units = units
        self.minIndex = minIndex
        self.maxIndex = maxIndex
        self.subscription = subscription
        self.filterData = filterData
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "QueryConsumeQueueResponseBody")
        units = try fields.bodies("queueData")
        minIndex = try fields.int64("minQueueIndex", default: 0)
        maxIndex = try fields.int64("maxQueueIndex", default: 0)
        subscription = try fields.body("subscriptionData")
        filterData = try fields.optionalText("filterData")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("filterData", filterData.map(JSON.string)), ("maxQueueIndex", .integer(maxIndex)),
            ("minQueueIndex", .integer(minIndex)), ("queueData", .list(units)),
            ("subscriptionData", subscription?.json))
    }
}

/// What a group wants of a topic: answer of `QUERY_SUBSCRIPTION_BY_CONSUMER` (345).
///
/// Source: `QuerySubscriptionResponseBody.java`, RocketMQ 5.3.
public struct QuerySubscriptionResponseBody: JSONBody {
    /// The group.
    public var group: String
    /// The topic.
    public var topic: String
    /// What it wants; `nil` if it is not there or does not want the topic.
    public var subscription: SubscriptionData?

    /// An answer.
    public init(group: String, topic: String, subscription: SubscriptionData?) {
        self.group = group
        self.topic = topic
        self.subscription = subscription
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "QuerySubscriptionResponseBody")
        group = try fields.text("group")
        topic = try fields.text("topic")
        subscription = try fields.body("subscriptionData")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("group", .string(group)), ("subscriptionData", subscription?.json), ("topic", .string(topic)))
    }
}
