public import MQJSON

/// One client's connection, in the two bodies below.
///
/// Source: `Connection.java`, RocketMQ 5.3.
public struct ClientConnection: JSONBody {
    /// `ip@instance`.
    public var clientID: String
    /// `ip:port` as the broker sees it.
    public var clientAddr: String
    /// `JAVA`, `CPP`, `GO`, … (`LanguageCode`).
    public var language: String
    /// Ordinal of its RocketMQ version.
    public var version: Int

    /// A connection.
    public init(clientID: String, clientAddr: String, language: String, version: Int) {
        self.clientID = clientID
        self.clientAddr = clientAddr
        self.language = language
        self.version = version
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "Connection")
        clientID = try fields.text("clientId")
        clientAddr = try fields.optionalText("clientAddr") ?? ""
        language = try fields.optionalText("language") ?? "OTHER"
        version = try fields.int("version", default: 0)
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("clientAddr", .string(clientAddr)), ("clientId", .string(clientID)), ("language", .string(language)),
            ("version", JSON(version)))
    }
}

/// A producer group's members: answer of `GET_PRODUCER_CONNECTION_LIST` (204).
///
/// Source: `ProducerConnection.java`, RocketMQ 5.3.
public struct ProducerConnection: JSONBody {
    /// Its members.
    public var connectionSet: [ClientConnection]

    /// Members.
    public init(connectionSet: [ClientConnection]) { self.connectionSet = connectionSet }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        connectionSet = try BodyFields(json, "ProducerConnection").bodies("connectionSet")
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("connectionSet", .list(connectionSet))) }
}

/// A consumer group's members and subscriptions: answer of `GET_CONSUMER_CONNECTION_LIST` (203).
///
/// Source: `ConsumerConnection.java`, RocketMQ 5.3.
public struct ConsumerConnection: JSONBody {
    /// Its members.
    public var connectionSet: [ClientConnection]
    /// Topic → what the group wants of it.
    public var subscriptionTable: [String: SubscriptionData]
    /// How it takes messages.
    public var consumeType: ConsumeType
    /// Who of it gets a message.
    public var messageModel: MessageModel
    /// Where it begins.
    public var consumeFromWhere: ConsumeFromWhere

    /// A group.
    public init(
        connectionSet: [ClientConnection], subscriptionTable: [String: SubscriptionData], consumeType: ConsumeType,
        messageModel: MessageModel, consumeFromWhere: ConsumeFromWhere
    ) {
        self.connectionSet = connectionSet
        self.subscriptionTable = subscriptionTable
        self.consumeType = consumeType
        self.messageModel = messageModel
        self.consumeFromWhere = consumeFromWhere
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "ConsumerConnection")
        connectionSet = try fields.bodies("connectionSet")
        subscriptionTable = try fields.bodyTable("subscriptionTable")
        consumeType = try fields.choice("consumeType", default: .passively)
        messageModel = try fields.choice("messageModel", default: .clustering)
        consumeFromWhere = try fields.choice("consumeFromWhere", default: .lastOffset)
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("connectionSet", .list(connectionSet)), ("consumeFromWhere", .string(consumeFromWhere.rawValue)),
            ("consumeType", .string(consumeType.rawValue)), ("messageModel", .string(messageModel.rawValue)),
            ("subscriptionTable", .table(subscriptionTable)))
    }
}
