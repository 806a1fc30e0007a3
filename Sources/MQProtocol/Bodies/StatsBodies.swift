public import MQJSON

/// A topic's ends at one broker: answer of `GET_TOPIC_STATS_INFO` (202).
///
/// Source: `TopicStatsTable.java`, `TopicOffset.java`, RocketMQ 5.3; 4.9 has no `topicPutTps`.
public struct TopicStatsTable: JSONBody {
    /// One queue's ends.
    public struct TopicOffset: JSONBody {
        /// The smallest offset that can be read.
        public var minOffset: Int64
        /// The offset of the next message.
        public var maxOffset: Int64
        /// Store time of the last message, milliseconds since 1970; 0 if there is none.
        public var lastUpdateTimestamp: Int64

        /// Ends of a queue.
        public init(minOffset: Int64, maxOffset: Int64, lastUpdateTimestamp: Int64) {
            self.minOffset = minOffset
            self.maxOffset = maxOffset
            self.lastUpdateTimestamp = lastUpdateTimestamp
        }

        /// Reads the members; see ``JSONBody``.
        public init(json: JSON) throws(BodyError) {
            let fields = try BodyFields(json, "TopicOffset")
            minOffset = try fields.int64("minOffset", default: 0)
            maxOffset = try fields.int64("maxOffset", default: 0)
            lastUpdateTimestamp = try fields.int64("lastUpdateTimestamp", default: 0)
        }

        /// The members as Java writes them.
        public var json: JSON {
            .members(
                ("lastUpdateTimestamp", .integer(lastUpdateTimestamp)), ("maxOffset", .integer(maxOffset)),
                ("minOffset", .integer(minOffset)))
        }
    }

    /// Queue → its ends.
    public var offsetTable: [MessageQueue: TopicOffset]
    /// Messages a second put lately.
    public var topicPutTps: Double?

    /// Ends of queues.
    public init(offsetTable: [MessageQueue: TopicOffset] = [:], topicPutTps: Double? = nil) {
        self.offsetTable = offsetTable
        self.topicPutTps = topicPutTps
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "TopicStatsTable")
        offsetTable = try fields.queueTable("offsetTable")
        topicPutTps = try fields.double("topicPutTps")
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(("offsetTable", .queueTable(offsetTable)), ("topicPutTps", topicPutTps.map(JSON.number)))
    }
}

/// A group's progress at one broker: answer of `GET_CONSUME_STATS` (208).
///
/// Source: `ConsumeStats.java`, `OffsetWrapper.java`, RocketMQ 5.3; 4.9 has no `pullOffset`.
public struct ConsumeStats: JSONBody {
    /// One queue's progress.
    public struct OffsetWrapper: JSONBody {
        /// The offset of the queue's next message.
        public var brokerOffset: Int64
        /// The next offset the group will consume.
        public var consumerOffset: Int64
        /// The next offset the group has asked for; 0 if unknown.
        public var pullOffset: Int64
        /// Store time of the last consumed message, milliseconds since 1970; 0 if there is none.
        public var lastTimestamp: Int64

        /// Progress in a queue.
        public init(brokerOffset: Int64, consumerOffset: Int64, pullOffset: Int64, lastTimestamp: Int64) {
            self.brokerOffset = brokerOffset
            self.consumerOffset = consumerOffset
            self.pullOffset = pullOffset
            self.lastTimestamp = lastTimestamp
        }

        /// Reads the members; see ``JSONBody``.
        public init(json: JSON) throws(BodyError) {
            let fields = try BodyFields(json, "OffsetWrapper")
            brokerOffset = try fields.int64("brokerOffset", default: 0)
            consumerOffset = try fields.int64("consumerOffset", default: 0)
            pullOffset = try fields.int64("pullOffset", default: 0)
            lastTimestamp = try fields.int64("lastTimestamp", default: 0)
        }

        /// The members as Java writes them.
        public var json: JSON {
            .members(
                ("brokerOffset", .integer(brokerOffset)), ("consumerOffset", .integer(consumerOffset)),
                ("lastTimestamp", .integer(lastTimestamp)), ("pullOffset", .integer(pullOffset)))
        }
    }

    /// Queue → the group's progress in it.
    public var offsetTable: [MessageQueue: OffsetWrapper]
    /// Messages a second consumed lately.
    public var consumeTps: Double

    /// Progress.
    public init(offsetTable: [MessageQueue: OffsetWrapper] = [:], consumeTps: Double = 0) {
        self.offsetTable = offsetTable
        self.consumeTps = consumeTps
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "ConsumeStats")
        offsetTable = try fields.queueTable("offsetTable")
        consumeTps = try fields.double("consumeTps") ?? 0
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(("consumeTps", .number(consumeTps)), ("offsetTable", .queueTable(offsetTable)))
    }
}
