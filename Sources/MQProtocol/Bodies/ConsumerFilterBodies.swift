public import MQJSON

/// What a group wants of a topic by an expression: an entry of `consumerFilter.json`.
///
/// Source: `ConsumerFilterData.java`, `BloomFilterData.java`, RocketMQ 5.3.
public struct ConsumerFilterData: JSONBody {
    /// The group.
    public var consumerGroup: String
    /// The topic.
    public var topic: String
    /// The expression's text.
    public var expression: String
    /// `SQL92`.
    public var expressionType: String
    /// When this expression was first told, milliseconds since 1970: bit maps of older messages know nothing of it.
    public var bornTime: Int64
    /// When the group left, milliseconds since 1970; 0 while it is there.
    public var deadTime: Int64
    /// The subscription's `subVersion`.
    public var clientVersion: Int64
    /// Bits of a bit map; 0 without a bloom filter.
    public var bitCount: Int
    /// Which of them the group sets.
    public var bitPositions: [Int]

    /// A filter.
    public init(
        consumerGroup: String, topic: String, expression: String, expressionType: String, bornTime: Int64,
        deadTime: Int64 = 0, clientVersion: Int64, bitCount: Int, bitPositions: [Int]
    ) {
        self.consumerGroup = consumerGroup
        self.topic = topic
        self.expression = expression
        self.expressionType = expressionType
        self.bornTime = bornTime
        self.deadTime = deadTime
        self.clientVersion = clientVersion
        self.bitCount = bitCount
        self.bitPositions = bitPositions
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "ConsumerFilterData")
        consumerGroup = try fields.text("consumerGroup")
        topic = try fields.text("topic")
        expression = try fields.text("expression")
        expressionType = try fields.text("expressionType")
        bornTime = try fields.int64("bornTime", default: 0)
        deadTime = try fields.int64("deadTime", default: 0)
        clientVersion = try fields.int64("clientVersion", default: 0)
        (bitCount, bitPositions) = (0, [])
        if let bloom = fields.value("bloomFilterData") {
            let bits = try BodyFields(bloom, "BloomFilterData")
            bitCount = try bits.int("bitNum", default: 0)
            for position in try bits.list("bitPos") { bitPositions.append(try bits.unwrap(position.int, "bitPos")) }
        }
    }

    /// The members as Java writes them.
    public var json: JSON {
        let bloom = JSON.members(("bitNum", JSON(bitCount)), ("bitPos", .array(bitPositions.map { JSON($0) })))
        return .members(
            ("bloomFilterData", bitCount > 0 ? bloom : nil), ("bornTime", .integer(bornTime)),
            ("clientVersion", .integer(clientVersion)), ("consumerGroup", .string(consumerGroup)),
            ("dead", .bool(deadTime >= bornTime)), ("deadTime", .integer(deadTime)),
            ("expression", .string(expression)), ("expressionType", .string(expressionType)), ("topic", .string(topic)))
    }
}

/// All expressions of all groups: `consumerFilter.json`.
///
/// Source: `ConsumerFilterManager.java`, RocketMQ 5.3.
public struct ConsumerFilterWrapper: JSONBody {
    /// Every filter, in no order.
    public var filters: [ConsumerFilterData]

    /// A table.
    public init(_ filters: [ConsumerFilterData]) { self.filters = filters }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        filters = []
        let topics = try BodyFields(json, "ConsumerFilterManager").table("filterDataByTopic")
        for topic in topics where !topic.value.isNull {
            for group in try BodyFields(topic.value, "FilterDataMapByTopic").table("groupFilterData")
            where !group.value.isNull { filters.append(try ConsumerFilterData(json: group.value)) }
        }
    }

    /// The members as Java writes them.
    public var json: JSON {
        let topics = Dictionary(grouping: filters, by: \.topic).sorted { $0.key < $1.key }
        let members = topics.map { topic, filters -> (JSONKey, JSON) in
            let groups = Dictionary(filters.map { ($0.consumerGroup, $0) }) { $1 }
            return (.string(topic), .members(("groupFilterData", .table(groups)), ("topic", .string(topic))))
        }
        return .members(("filterDataByTopic", .object(JSONObject(members))))
    }
}
