public import MQJSON

/// What may be done with a topic at one broker: the bits of `perm`.
///
/// Source: `PermName.java`, RocketMQ 5.3.
public struct TopicPermission: OptionSet, Hashable, Sendable, CustomStringConvertible {
    /// The bits as they travel.
    public let rawValue: Int

    /// Any bits; unknown ones are kept.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// New topics may be made after this one (`TBW102`).
    public static let inherit = TopicPermission(rawValue: 1)
    /// Messages may be sent.
    public static let write = TopicPermission(rawValue: 2)
    /// Messages may be pulled.
    public static let read = TopicPermission(rawValue: 4)
    /// The topic has priority queues.
    public static let priority = TopicPermission(rawValue: 8)

    /// `RW-`; the third letter is `X` for topics that others are made after. Source: `PermName.java` `perm2String`.
    public var description: String {
        (contains(.read) ? "R" : "-") + (contains(.write) ? "W" : "-") + (contains(.inherit) ? "X" : "-")
    }
}

/// One topic at one broker: body of nothing by itself but of tables, of `GET_TOPIC_CONFIG` (351) and `topics.json`.
///
/// Source: `TopicConfig.java`, RocketMQ 5.3; 4.9 has no `attributes` (read as none).
public struct TopicConfig: JSONBody {
    /// The topic.
    public var topicName: String
    /// Queues that consumers read.
    public var readQueueNums: Int
    /// Queues that producers write.
    public var writeQueueNums: Int
    /// What may be done with it.
    public var perm: TopicPermission
    /// `SINGLE_TAG`, or `MULTI_TAG` (never used).
    public var topicFilterType: String
    /// Bit 0: unit topic, bit 1: topic of unit subscriptions.
    public var topicSysFlag: Int
    /// Whether consumers shall take it in order: its order configuration is kept at the name servers.
    public var order: Bool
    /// `message.type`, `cleanup.policy`, `queue.type`, …
    public var attributes: [String: String]

    /// A topic with Java's defaults: 16 queues, read and write.
    public init(
        topicName: String, readQueueNums: Int = 16, writeQueueNums: Int = 16, perm: TopicPermission = [.read, .write],
        topicFilterType: String = "SINGLE_TAG", topicSysFlag: Int = 0, order: Bool = false,
        attributes: [String: String] = [:]
    ) {
        self.topicName = topicName
        self.readQueueNums = readQueueNums
        self.writeQueueNums = writeQueueNums
        self.perm = perm
        self.topicFilterType = topicFilterType
        self.topicSysFlag = topicSysFlag
        self.order = order
        self.attributes = attributes
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "TopicConfig")
        topicName = try fields.text("topicName")
        readQueueNums = try fields.int("readQueueNums", default: 16)
        writeQueueNums = try fields.int("writeQueueNums", default: 16)
        perm = TopicPermission(rawValue: try fields.int("perm", default: 6))
        topicFilterType = try fields.optionalText("topicFilterType") ?? "SINGLE_TAG"
        topicSysFlag = try fields.int("topicSysFlag", default: 0)
        order = try fields.bool("order", default: false)
        attributes = try fields.textTable("attributes")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("attributes", .table(attributes)), ("order", .bool(order)), ("perm", JSON(perm.rawValue)),
            ("readQueueNums", JSON(readQueueNums)), ("topicFilterType", .string(topicFilterType)),
            ("topicName", .string(topicName)), ("topicSysFlag", JSON(topicSysFlag)),
            ("writeQueueNums", JSON(writeQueueNums)))
    }
}

extension TopicConfig: CustomStringConvertible {
    /// As Java prints it, in remarks and listings. Source: `TopicConfig.java` `toString`.
    public var description: String {
        let attributes = self.attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return "TopicConfig [topicName=\(topicName), readQueueNums=\(readQueueNums), writeQueueNums=\(writeQueueNums), "
            + "perm=\(perm), topicFilterType=\(topicFilterType), topicSysFlag=\(topicSysFlag), order=\(order), "
            + "attributes={\(attributes.joined(separator: ", "))}]"
    }
}
