public import MQJSON

/// Consumer progress of a broker: answer of `GET_ALL_CONSUMER_OFFSET` (43), and `consumerOffset.json`.
///
/// Source: `ConsumerOffsetSerializeWrapper.java`, `ConsumerOffsetManager.java`, RocketMQ 5.3; 4.9 has no `dataVersion`.
public struct ConsumerOffsetSerializeWrapper: JSONBody {
    /// `topic@group` → queue → the next offset to consume.
    public var offsetTable: [String: [Int32: Int64]]
    /// `topic@group` → the next offset to consume, of groups that are called like lite message queues; `nil` leaves it out.
    public var lmqOffsetTable: [String: Int64]?
    /// The table's version; `nil` leaves it out.
    public var dataVersion: DataVersion?

    /// Offsets.
    public init(
        offsetTable: [String: [Int32: Int64]] = [:], lmqOffsetTable: [String: Int64]? = nil,
        dataVersion: DataVersion? = nil
    ) {
        self.offsetTable = offsetTable
        self.lmqOffsetTable = lmqOffsetTable
        self.dataVersion = dataVersion
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "ConsumerOffsetSerializeWrapper")
        dataVersion = try fields.body("dataVersion")
        offsetTable = [:]
        for member in try fields.table("offsetTable") {
            let key = try fields.unwrap(member.key.string, "offsetTable")
            offsetTable[key] = try fields.offsets(of: try fields.unwrap(member.value.object, "offsetTable"))
        }
        guard json["lmqOffsetTable"].object != nil else { return }
        lmqOffsetTable = [:]
        for member in try fields.table("lmqOffsetTable") {
            let key = try fields.unwrap(member.key.string, "lmqOffsetTable")
            lmqOffsetTable?[key] = try fields.unwrap(member.value.int64, "lmqOffsetTable")
        }
    }

    /// The members as Java writes them.
    public var json: JSON {
        let table = offsetTable.sorted { $0.key < $1.key }.map { (JSONKey.string($0.key), JSON.offsets($0.value)) }
        let lite = lmqOffsetTable.map { table in
            JSON.object(
                JSONObject(table.sorted { $0.key < $1.key }.map { (JSONKey.string($0.key), .integer($0.value)) }))
        }
        return .members(
            ("dataVersion", dataVersion?.json), ("lmqOffsetTable", lite), ("offsetTable", .object(JSONObject(table))))
    }
}

/// Progress of delayed messages: answer of `GET_ALL_DELAY_OFFSET` (45), and `delayOffset.json`.
///
/// Source: `DelayOffsetSerializeWrapper.java`, RocketMQ 5.3; 4.9 has no `dataVersion`.
public struct DelayOffsetSerializeWrapper: JSONBody {
    /// Delay level (from 1) → the next offset of its queue in `SCHEDULE_TOPIC_XXXX`.
    public var offsetTable: [Int32: Int64]
    /// The table's version; `nil` leaves it out.
    public var dataVersion: DataVersion?

    /// Offsets.
    public init(offsetTable: [Int32: Int64] = [:], dataVersion: DataVersion? = nil) {
        self.offsetTable = offsetTable
        self.dataVersion = dataVersion
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "DelayOffsetSerializeWrapper")
        dataVersion = try fields.body("dataVersion")
        offsetTable = try fields.offsets(of: try fields.table("offsetTable"))
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("dataVersion", dataVersion?.json), ("offsetTable", .offsets(offsetTable))) }
}

extension BodyFields {
    func offsets(of table: JSONObject) throws(BodyError) -> [Int32: Int64] {
        var offsets: [Int32: Int64] = [:]
        for member in table {
            let queue = try unwrap(member.key.integer.flatMap { Int32(exactly: $0) }, "offsetTable")
            offsets[queue] = try unwrap(member.value.int64, "offsetTable")
        }
        return offsets
    }
}

extension JSON {
    static func offsets(_ offsets: [Int32: Int64]) -> JSON {
        let members = offsets.sorted { $0.key < $1.key }.map {
            (JSONKey.integer(Int64($0.key)), JSON.integer($0.value))
        }
        return .object(JSONObject(members))
    }
}
