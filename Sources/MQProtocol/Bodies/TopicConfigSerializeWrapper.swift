public import MQJSON

/// A broker's topics: in a registration, as the answer of `GET_ALL_TOPIC_CONFIG` (21), and `topics.json`.
///
/// The tables of logical queues (static topics) are carried along unread; `nil` leaves them out.
///
/// Source: `TopicConfigSerializeWrapper.java`, `TopicConfigAndMappingSerializeWrapper.java`, RocketMQ 5.3.
public struct TopicConfigSerializeWrapper: JSONBody {
    /// The table's version.
    public var dataVersion: DataVersion
    /// Topic → its configuration.
    public var topicConfigTable: [String: TopicConfig]
    /// The version of the tables below; 5.x only.
    public var mappingDataVersion: DataVersion?
    /// Topic → `TopicQueueMappingDetail`; 5.x only.
    public var topicQueueMappingDetailMap: JSONObject?
    /// Topic → `TopicQueueMappingInfo`; 5.x only.
    public var topicQueueMappingInfoMap: JSONObject?

    /// A table without logical queues.
    public init(dataVersion: DataVersion, topicConfigTable: [String: TopicConfig]) {
        self.dataVersion = dataVersion
        self.topicConfigTable = topicConfigTable
    }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "TopicConfigSerializeWrapper")
        dataVersion = try fields.body("dataVersion") ?? DataVersion()
        topicConfigTable = try fields.bodyTable("topicConfigTable")
        mappingDataVersion = try fields.body("mappingDataVersion")
        topicQueueMappingDetailMap = fields.value("topicQueueMappingDetailMap")?.object
        topicQueueMappingInfoMap = fields.value("topicQueueMappingInfoMap")?.object
    }

    /// The members as Java writes them.
    public var json: JSON {
        .members(
            ("dataVersion", dataVersion.json), ("mappingDataVersion", mappingDataVersion?.json),
            ("topicConfigTable", .table(topicConfigTable)),
            ("topicQueueMappingDetailMap", topicQueueMappingDetailMap.map(JSON.object)),
            ("topicQueueMappingInfoMap", topicQueueMappingInfoMap.map(JSON.object)))
    }
}
