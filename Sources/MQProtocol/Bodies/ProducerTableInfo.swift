public import MQJSON

/// All producers a broker knows: answer of `GET_ALL_PRODUCER_INFO` (328).
///
/// Source: `ProducerTableInfo.java`, `ProducerInfo.java`, RocketMQ 5.3.
public struct ProducerTableInfo: JSONBody {
    /// One producer.
    public struct Producer: JSONBody {
        /// `ip@instance`.
        public var clientID: String
        /// `ip:port` as the broker sees it.
        public var remoteIP: String
        /// `JAVA`, `CPP`, … (`LanguageCode`).
        public var language: String
        /// Ordinal of its RocketMQ version.
        public var version: Int
        /// Its last heartbeat, milliseconds since 1970.
        public var lastUpdateTimestamp: Int64

        /// A producer.
        public init(clientID: String, remoteIP: String, language: String, version: Int, lastUpdateTimestamp: Int64) {
            self.clientID = clientID
            self.remoteIP = remoteIP
            self.language = language
            self.version = version
            self.lastUpdateTimestamp = lastUpdateTimestamp
        }

        /// Reads the members; see ``JSONBody``.
        public init(json: JSON) throws(BodyError) {
            let fields = try BodyFields(json, "ProducerInfo")
            clientID = try fields.text("clientId")
            remoteIP = try fields.optionalText("remoteIP") ?? ""
            language = try fields.optionalText("language") ?? "OTHER"
            version = try fields.int("version", default: 0)
            lastUpdateTimestamp = try fields.int64("lastUpdateTimestamp", default: 0)
        }

        /// The members as Java writes them.
        public var json: JSON {
            .members(
                ("clientId", .string(clientID)), ("language", .string(language)),
                ("lastUpdateTimestamp", .integer(lastUpdateTimestamp)), ("remoteIP", .string(remoteIP)),
                ("version", JSON(version)))
        }
    }

    /// Group → its producers.
    public var data: [String: [Producer]]

    /// Producers.
    public init(data: [String: [Producer]]) { self.data = data }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        let fields = try BodyFields(json, "ProducerTableInfo")
        data = [:]
        for member in try fields.table("data") {
            var producers: [Producer] = []
            for element in try fields.unwrap(member.value.array, "data") {
                producers.append(try Producer(json: element))
            }
            data[try fields.unwrap(member.key.string, "data")] = producers
        }
    }

    /// The members as Java writes them.
    public var json: JSON {
        let table = data.sorted { $0.key < $1.key }.map { (JSONKey.string($0.key), JSON.list($0.value)) }
        return .members(("data", .object(JSONObject(table))))
    }
}

/// Topics to be made at once: body of `UPDATE_AND_CREATE_TOPIC_LIST` (18).
///
/// Source: `CreateTopicListRequestBody.java`, RocketMQ 5.3.
public struct CreateTopicListRequestBody: JSONBody {
    /// The topics.
    public var topics: [TopicConfig]

    /// Topics.
    public init(topics: [TopicConfig]) { self.topics = topics }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        topics = try BodyFields(json, "CreateTopicListRequestBody").bodies("topicConfigList")
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("topicConfigList", .list(topics))) }
}

/// Groups to be made at once: body of `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST` (225).
///
/// Source: `SubscriptionGroupList.java`, RocketMQ 5.3.
public struct SubscriptionGroupList: JSONBody {
    /// The groups.
    public var groups: [SubscriptionGroupConfig]

    /// Groups.
    public init(groups: [SubscriptionGroupConfig]) { self.groups = groups }

    /// Reads the members; see ``JSONBody``.
    public init(json: JSON) throws(BodyError) {
        groups = try BodyFields(json, "SubscriptionGroupList").bodies("groupConfigList")
    }

    /// The members as Java writes them.
    public var json: JSON { .members(("groupConfigList", .list(groups))) }
}
