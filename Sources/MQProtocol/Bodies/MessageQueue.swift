public import MQJSON

/// One queue of a topic at one broker. Travels as a member's *key* too: `{{"brokerName":…}:…}`.
///
/// Source: `MessageQueue.java`, RocketMQ 5.3.
public struct MessageQueue: JSONBody, Hashable, Comparable {
    /// The topic.
    public var topic: String
    /// The broker (its name, shared by master and slaves).
    public var brokerName: String
    /// The queue, from 0; -1 means all of a broker's in pop assignments.
    public var queueID: Int

    /// A queue.
    public init(topic: String, brokerName: String, queueID: Int) {
        self.topic = topic
        self.brokerName = brokerName
        self.queueID = queueID
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "MessageQueue")
        topic = try fields.text("topic")
        brokerName = try fields.text("brokerName")
        queueID = try fields.int("queueId", default: 0)
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(("brokerName", .string(brokerName)), ("queueId", JSON(queueID)), ("topic", .string(topic)))
    }

    /// By topic, broker, queue: the order in which clients share out queues.
    public static func < (left: Self, right: Self) -> Bool {
        (left.topic, left.brokerName, left.queueID) < (right.topic, right.brokerName, right.queueID)
    }
}

extension BodyFields {
    /// A table with queues as keys.
    func queueTable<Body: JSONBody>(_ name: String) throws(BodyError) -> [MessageQueue: Body] {
        var table: [MessageQueue: Body] = [:]
        for member in try self.table(name) {
            let key = try MessageQueue(json: .object(try unwrap(member.key.object, name)))
            table[key] = try Body(json: member.value)
        }
        return table
    }
}

extension JSON {
    static func queueTable(_ table: [MessageQueue: some JSONBody]) -> JSON {
        let members: [(JSONKey, JSON)] = table.sorted { $0.key < $1.key }.compactMap { queue, body in
            queue.json.object.map { (.object($0), body.json) }
        }
        return .object(JSONObject(members))
    }
}
