public import MQJSON

/// What one consumer group wants of one topic.
///
/// librocketmq sends only `subString`, `subVersion` (as text), `topic` and, with tags, `codeSet` and `tagsSet`.
///
/// Source: `SubscriptionData.java`, RocketMQ 5.3.
public struct SubscriptionData: JSONBody {
    /// The topic.
    public var topic: String
    /// `*`, `A || B`, or an SQL92 expression.
    public var subString: String
    /// The tags of `subString`, none for `*`.
    public var tagsSet: [String]
    /// `String.hashCode` of each tag.
    public var codeSet: [Int32]
    /// When the subscription last changed, milliseconds since 1970.
    public var subVersion: Int64
    /// `TAG` or `SQL92`; any text is kept.
    public var expressionType: String
    /// Filter by class: gone since 4.9.
    public var classFilterMode: Bool

    /// A subscription.
    public init(
        topic: String, subString: String, tagsSet: [String] = [], codeSet: [Int32] = [], subVersion: Int64 = 0,
        expressionType: String = "TAG"
    ) {
        self.topic = topic
        self.subString = subString
        self.tagsSet = tagsSet
        self.codeSet = codeSet
        self.subVersion = subVersion
        self.expressionType = expressionType
        classFilterMode = false
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "SubscriptionData")
        topic = try fields.text("topic")
        subString = try fields.optionalText("subString") ?? "*"
        tagsSet = try fields.texts("tagsSet")
        codeSet = []
        for code in try fields.list("codeSet") { codeSet.append(try fields.unwrap(code.int32, "codeSet")) }
        subVersion = try fields.int64("subVersion", default: 0)
        expressionType = try fields.optionalText("expressionType") ?? "TAG"
        classFilterMode = try fields.bool("classFilterMode", default: false)
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("classFilterMode", .bool(classFilterMode)), ("codeSet", .array(codeSet.map { JSON($0) })),
            ("expressionType", .string(expressionType)), ("subString", .string(subString)),
            ("subVersion", .integer(subVersion)), ("tagsSet", JSON(tagsSet)), ("topic", .string(topic)))
    }
}

/// How a group takes messages. Source: `ConsumeType.java`; ordinals as librocketmq sends them.
public enum ConsumeType: String, CaseIterable, Sendable, JavaEnum {
    /// Pulls by itself.
    case actively = "CONSUME_ACTIVELY"
    /// Is pushed to (by long polling).
    case passively = "CONSUME_PASSIVELY"
    /// Pops.
    case pop = "CONSUME_POP"
}

/// Who of a group gets a message. Source: `MessageModel.java`.
public enum MessageModel: String, CaseIterable, Sendable, JavaEnum {
    /// Every member.
    case broadcasting = "BROADCASTING"
    /// One member.
    case clustering = "CLUSTERING"
}

/// Where a group without offsets begins. Source: `ConsumeFromWhere.java`.
public enum ConsumeFromWhere: String, CaseIterable, Sendable, JavaEnum {
    /// At the end; groups that subscribe to a new topic at its start.
    case lastOffset = "CONSUME_FROM_LAST_OFFSET"
    /// Deprecated; as `lastOffset`.
    case lastOffsetAndFromMinWhenBootFirst = "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST"
    /// Deprecated; as `lastOffset`.
    case minOffset = "CONSUME_FROM_MIN_OFFSET"
    /// Deprecated; as `lastOffset`.
    case maxOffset = "CONSUME_FROM_MAX_OFFSET"
    /// At the start.
    case firstOffset = "CONSUME_FROM_FIRST_OFFSET"
    /// At the consumer's `consumeTimestamp`.
    case timestamp = "CONSUME_FROM_TIMESTAMP"
}
