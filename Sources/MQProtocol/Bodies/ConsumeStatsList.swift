public import MQJSON

/// The progress of all groups at one broker: answer of `GET_BROKER_CONSUME_STATS` (317).
///
/// Source: `ConsumeStatsList.java`, RocketMQ 5.3; 4.9 has no `totalInflightDiff`.
public struct ConsumeStatsList: JSONBody {
    /// One group's progress, a part for each topic.
    public struct Group: Equatable, Sendable {
        /// The group.
        public var name: String
        /// Its topics.
        public var stats: [ConsumeStats]

        /// A group.
        public init(name: String, stats: [ConsumeStats]) {
            self.name = name
            self.stats = stats
        }
    }

    /// The broker.
    public var brokerAddr: String
    /// The groups.
    public var groups: [Group]
    /// Messages that are not consumed yet.
    public var totalDiff: Int64
    /// Messages that are being consumed.
    public var totalInflightDiff: Int64

    /// Progress.
    public init(brokerAddr: String, groups: [Group], totalDiff: Int64, totalInflightDiff: Int64) {
        self.brokerAddr = brokerAddr
        self.groups = groups
        self.totalDiff = totalDiff
        self.totalInflightDiff = totalInflightDiff
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "ConsumeStatsList")
        brokerAddr = try fields.optionalText("brokerAddr") ?? ""
        totalDiff = try fields.int64("totalDiff", default: 0)
        totalInflightDiff = try fields.int64("totalInflightDiff", default: 0)
        groups = []
        for element in try fields.list("consumeStatsList") {
            for member in try fields.unwrap(element.object, "consumeStatsList") {
                var stats: [ConsumeStats] = []
                for part in try fields.unwrap(member.value.array, "consumeStatsList") {
                    stats.append(try ConsumeStats(json: part))
                }
                groups.append(Group(name: try fields.unwrap(member.key.string, "consumeStatsList"), stats: stats))
            }
        }
    }

    /// The members as Java writes them: each group an object of its own.
    public var json: JSON {
        let list = groups.map { JSON.object(JSONObject([(.string($0.name), .list($0.stats))])) }
        return .members(
            ("brokerAddr", .string(brokerAddr)), ("consumeStatsList", .array(list)), ("totalDiff", .integer(totalDiff)),
            ("totalInflightDiff", .integer(totalInflightDiff)))
    }
}

/// Between which times a topic's queues lie, and where a group stands: answer of `QUERY_CONSUME_TIME_SPAN` (303).
///
/// Source: `QueryConsumeTimeSpanBody.java`, `QueueTimeSpan.java`, RocketMQ 5.3.
public struct QueryConsumeTimeSpanBody: JSONBody {
    /// One queue; times in milliseconds since 1970, -1 for no message.
    public struct Span: JSONBody {
        /// The queue.
        public var queue: MessageQueue
        /// When its first message was stored.
        public var minTimestamp: Int64
        /// When its last one was stored.
        public var maxTimestamp: Int64
        /// When the last consumed one was stored.
        public var consumeTimestamp: Int64
        /// How long the next one has been waiting, milliseconds; 0 if there is none.
        public var delayMilliseconds: Int64

        /// A queue.
        public init(
            queue: MessageQueue, minTimestamp: Int64, maxTimestamp: Int64, consumeTimestamp: Int64,
            delayMilliseconds: Int64
        ) {
            self.queue = queue
            self.minTimestamp = minTimestamp
            self.maxTimestamp = maxTimestamp
            self.consumeTimestamp = consumeTimestamp
            self.delayMilliseconds = delayMilliseconds
        }

        /// Reads the members; see ``JSONBody``.
        public init(json: JSON) throws(BodyError) {
            let fields = try BodyFields(json, "QueueTimeSpan")
            queue = try fields.unwrap(try fields.body("messageQueue"), "messageQueue")
            minTimestamp = try fields.int64("minTimeStamp", default: -1)
            maxTimestamp = try fields.int64("maxTimeStamp", default: -1)
            consumeTimestamp = try fields.int64("consumeTimeStamp", default: -1)
            delayMilliseconds = try fields.int64("delayTime", default: 0)
        }

        /// The members as Java writes them.
        public var json: JSON {
            .members(
                ("consumeTimeStamp", .integer(consumeTimestamp)), ("delayTime", .integer(delayMilliseconds)),
                ("maxTimeStamp", .integer(maxTimestamp)), ("messageQueue", queue.json),
                ("minTimeStamp", .integer(minTimestamp)))
        }
    }

    /// The queues.
    public var spans: [Span]

    /// Queues.
    public init(spans: [Span]) { self.spans = spans }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        spans = try BodyFields(json, "QueryConsumeTimeSpanBody").bodies("consumeTimeSpanSet")
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("consumeTimeSpanSet", .list(spans))) }
}
