public import MQJSON

/// Where a group goes on, by queue: answer of `INVOKE_BROKER_TO_RESET_OFFSET` (222), and body of
/// `RESET_CONSUMER_CLIENT_OFFSET` (220).
///
/// Source: `ResetOffsetBody.java`, `ResetOffsetBodyForC.java`, RocketMQ 5.3.
public struct ResetOffsetBody: JSONBody {
    /// The offsets.
    public var offsetTable: [MessageQueue: Int64]

    /// A table.
    public init(offsetTable: [MessageQueue: Int64]) { self.offsetTable = offsetTable }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "ResetOffsetBody")
        offsetTable = [:]
        if let list = fields.value("offsetTable")?.array {  // as the C++ client gets it
            for entry in list {
                offsetTable[try MessageQueue(json: entry)] = try fields.unwrap(entry["offset"].int64, "offsetTable")
            }
            return
        }
        offsetTable = try fields.queueOffsets("offsetTable")
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("offsetTable", .queueOffsets(offsetTable))) }

    /// The form the C++ client reads: queues as a list.
    public var encodedForC: [UInt8] {
        let list = offsetTable.sorted { $0.key < $1.key }.map { queue, offset in
            JSON.members(
                ("brokerName", .string(queue.brokerName)), ("offset", .integer(offset)),
                ("queueId", JSON(queue.queueID)),
                ("topic", .string(queue.topic)))
        }
        return JSON.members(("offsetTable", .array(list))).encoded(.compact)
    }
}

/// How far consumers are: answer of a client to `GET_CONSUMER_STATUS_FROM_CLIENT` (221), and of a broker to
/// `INVOKE_BROKER_TO_GET_CONSUMER_STATUS` (223).
///
/// Source: `GetConsumerStatusBody.java`, RocketMQ 5.3.
public struct GetConsumerStatusBody: JSONBody {
    /// One client's, by queue.
    public var messageQueueTable: [MessageQueue: Int64]
    /// All clients', by client id.
    public var consumerTable: [String: [MessageQueue: Int64]]

    /// Tables.
    public init(
        messageQueueTable: [MessageQueue: Int64] = [:], consumerTable: [String: [MessageQueue: Int64]] = [:]
    ) {
        self.messageQueueTable = messageQueueTable
        self.consumerTable = consumerTable
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "GetConsumerStatusBody")
        messageQueueTable = try fields.queueOffsets("messageQueueTable")
        consumerTable = [:]
        for member in try fields.table("consumerTable") {
            let client = try BodyFields(["table": member.value], "GetConsumerStatusBody")
            consumerTable[try fields.unwrap(member.key.string, "consumerTable")] = try client.queueOffsets("table")
        }
    }

    /// The members as Java writes them.
    public var json: JSON {
        let clients = consumerTable.sorted { $0.key < $1.key }.map {
            (JSONKey.string($0.key), JSON.queueOffsets($0.value))
        }
        return .members(
            ("consumerTable", .object(JSONObject(clients))), ("messageQueueTable", .queueOffsets(messageQueueTable)))
    }
}

/// Answer of `QUERY_CORRECTION_OFFSET` (308).
///
/// Source: `QueryCorrectionOffsetBody.java`, RocketMQ 5.3.
public struct QueryCorrectionOffsetBody: JSONBody {
    /// Queue → offset.
    public var correctionOffsets: [Int32: Int64]

    /// A table.
    public init(correctionOffsets: [Int32: Int64]) { self.correctionOffsets = correctionOffsets }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "QueryCorrectionOffsetBody")
        correctionOffsets = try fields.offsets(of: try fields.table("correctionOffsets"))
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("correctionOffsets", .offsets(correctionOffsets))) }
}

extension BodyFields {
    /// A table with queues as keys and offsets as values.
    func queueOffsets(_ name: String) throws(BodyError) -> [MessageQueue: Int64] {
        var table: [MessageQueue: Int64] = [:]
        for member in try self.table(name) {
            let key = try MessageQueue(json: .object(try unwrap(member.key.object, name)))
            table[key] = try unwrap(member.value.int64, name)
        }
        return table
    }
}

extension JSON {
    static func queueOffsets(_ table: [MessageQueue: Int64]) -> JSON {
        let members: [(JSONKey, JSON)] = table.sorted { $0.key < $1.key }.compactMap { queue, offset in
            queue.json.object.map { (.object($0), .integer(offset)) }
        }
        return .object(JSONObject(members))
    }
}
