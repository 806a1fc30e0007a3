import MQJSON
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// Topics: made, changed, removed, looked at.
///
/// Source: `AdminBrokerProcessor.java`, RocketMQ 5.3.
extension ControlService {
    /// `UPDATE_AND_CREATE_TOPIC` (17). Answered when the table is durable and the name servers have it: whoever asked
    /// finds its route.
    func putTopic(
        _ request: RemotingCommand, from channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        let name = try request.required("topic")
        if topics.isLiteQueue(name) { return RemotingCommand(.success) }  // as it is, as in Java
        let queues = 0...Int64(limits.queuesPerTopicMax)
        let wanted = TopicConfig(
            topicName: name, readQueueNums: Int(try request.number("readQueueNums", default: 16, in: queues)),
            writeQueueNums: Int(try request.number("writeQueueNums", default: 16, in: queues)),
            perm: TopicPermission(rawValue: Int(try request.number("perm", default: 6, in: 0...15))),
            topicFilterType: request["topicFilterType"] ?? "SINGLE_TAG",
            topicSysFlag: Int(try request.number("topicSysFlag", default: 0, in: 0...Int64(Int32.max))),
            order: request.bool("order"))
        let topic = try checked(wanted, changes: request["attributes"] ?? "")
        log.info("topic ordered", ["topic": name, "by": channel.connection.peer.description])
        if topics.config(of: name) == topic { return RemotingCommand(.success) }
        try put(topic)
        return whenSaved(TopicTable.fileName, reply, isAnnounced: true)
    }

    /// `UPDATE_AND_CREATE_TOPIC_LIST` (18): none if one of them is refused. Answered as 17.
    func putTopics(
        _ request: RemotingCommand, from channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        let list: CreateTopicListRequestBody = try body(of: request)
        var wanted: [TopicConfig] = []
        for topic in list.topics {
            let changes = topic.attributes.map { key, value in
                // A plain name means what is to be; `+name` and `-name` are changes, as in 17.
                key.hasPrefix("+") ? "\(key)=\(value)" : key.hasPrefix("-") ? key : "+\(key)=\(value)"
            }
            wanted.append(try checked(topic, changes: changes.sorted().joined(separator: ",")))
        }
        log.info("topics ordered", ["count": String(wanted.count), "by": channel.connection.peer.description])
        for topic in wanted where topics.config(of: topic.topicName) != topic { try put(topic) }
        return whenSaved(TopicTable.fileName, reply, isAnnounced: true)
    }

    /// `topic` as it will be: with the attributes it has already, and `changes`.
    private func checked(_ topic: TopicConfig, changes: String) throws(Refusal) -> TopicConfig {
        let name = try changeable(topic: topic.topicName)
        let queues = 0...limits.queuesPerTopicMax
        guard queues.contains(topic.readQueueNums), queues.contains(topic.writeQueueNums),
            (0...15).contains(topic.perm.rawValue)
        else {
            throw Refusal(
                .invalidParameter, "\(name): queue counts lie in 0...\(limits.queuesPerTopicMax), perm in 0...15")
        }
        guard ["SINGLE_TAG", "MULTI_TAG"].contains(topic.topicFilterType) else {
            throw Refusal(.invalidParameter, "topicFilterType is not SINGLE_TAG or MULTI_TAG")
        }
        let known = topics.config(of: name)
        var topic = topic
        topic.attributes = try TopicAttributes.apply(changes, to: known?.attributes ?? [:], isNew: known == nil)
        guard !topic.isCompacted || !topic.holdsBatches else {
            throw Refusal(.invalidParameter, "cleanup.policy=COMPACTION needs queue.type=SimpleCQ")
        }
        return topic
    }

    private func put(_ topic: TopicConfig) throws(Refusal) {
        store.setHoldsBatches(topic.topicName, topic.holdsBatches)  // before anybody can send to it
        try topics.put(topic)
    }

    /// `DELETE_TOPIC_IN_BROKER` (215): its configuration, its queues, and what groups have consumed of it; with it the
    /// topics that groups in pop mode retry it in.
    func deleteTopic(
        _ request: RemotingCommand, from channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        let name = try changeable(topic: try request.required("topic"))
        log.info("topic deletion ordered", ["topic": name, "by": channel.connection.peer.description])
        topics.remove(name)  // at once: what comes behind this request finds no topic
        return try inBackground(reply) { [self] () throws(Refusal) in
            let groups = config.current.topics.clearsRetryTopics ? offsets.groups(of: name) : []
            let retried = groups.flatMap { ["%RETRY%\($0)_\(name)", "%RETRY%\($0)+\(name)"] }
            for name in [name] + retried.filter({ topics.config(of: $0) != nil }) {
                topics.remove(name)
                store.setHoldsBatches(name, false)
                offsets.remove(topic: name)
                filters.remove(topic: name)
                store.deleteQueues(of: name)
            }
            return whenSaved(TopicTable.fileName, reply)
        }
    }

    /// `name`, if administrators may change a topic of that name.
    func changeable(topic name: String) throws(Refusal) -> String {
        if let refusal = NameRules.refusal(ofTopic: name) { throw Refusal(.invalidParameter, refusal) }
        guard !topics.isSystem(name) else {
            throw Refusal(.invalidParameter, "The topic[\(name)] is conflict with system topic.")
        }
        return name
    }

    /// `GET_ALL_TOPIC_CONFIG` (21).
    func allTopics() -> RemotingCommand {
        var table = topics.wrapper()
        table.mappingDataVersion = DataVersion()
        table.topicQueueMappingDetailMap = [:]
        table.topicQueueMappingInfoMap = [:]
        return RemotingCommand(.success, body: table.encoded())
    }

    /// `GET_TOPIC_CONFIG` (351).
    func topicConfig(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let name = try request.required("topic")
        guard let topic = topics.config(of: name) else {
            throw Refusal(.topicNotExist, "No topic in this broker. topic: " + name)
        }
        return RemotingCommand(.success, body: topic.encoded())
    }

    /// `GET_TOPIC_STATS_INFO` (202).
    func topicStats(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let name = try request.required("topic")
        guard let topic = topics.config(of: name) else {
            throw Refusal(.topicNotExist, "topic[\(name)] not exist")
        }
        let broker = config.current.identity.brokerName
        return try inBackground(reply) { [store, stats] () throws(Refusal) in
            var table = TopicStatsTable(topicPutTps: stats.topics.putRate(name))
            for queue in 0..<max(topic.readQueueNums, topic.writeQueueNums) {
                let ends = store.offsets(topic: name, queueID: queue) ?? (0, 0)
                let last = ends.max > 0 ? store.storeTimestamp(topic: name, queueID: queue, offset: ends.max - 1) : nil
                table.offsetTable[MessageQueue(topic: name, brokerName: broker, queueID: queue)] =
                    TopicStatsTable.TopicOffset(
                        minOffset: max(0, ends.min), maxOffset: max(0, ends.max), lastUpdateTimestamp: last ?? 0)
            }
            return RemotingCommand(.success, body: table.encoded())
        }
    }

    /// `QUERY_TOPIC_CONSUME_BY_WHO` (300).
    func groupsOfTopic(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let topic = try request.required("topic")
        return try inBackground(reply) { [clients, offsets] in
            let names = Set(clients.groups(subscribedTo: topic)).union(offsets.groups(of: topic))
            return RemotingCommand(.success, body: GroupList(groupList: names.sorted()).encoded())
        }
    }

    /// `QUERY_TOPICS_BY_CONSUMER` (343).
    func topicsOfGroup(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        // Java's header calls it `group`.
        let group = try request.required(request["group"] == nil ? "consumerGroup" : "group")
        let address = config.current.identity.address
        return try inBackground(reply) { [offsets] in
            let list = TopicList(topicList: offsets.topics(of: group), brokerAddr: address)
            return RemotingCommand(.success, body: list.encoded())
        }
    }

    /// `CLEAN_EXPIRED_CONSUMEQUEUE` (306): queues that no topic has any more and whose records are gone. Java also takes
    /// those of topics that are in use, which then count from 0 again under consumers that are further.
    func cleanExpiredQueues(from channel: RemotingChannel, reply: Reply) throws(Refusal) -> RemotingCommand? {
        log.info("cleaning of expired queues ordered", ["by": channel.connection.peer.description])
        return try inBackground(reply) { [store, topics] () throws(Refusal) in
            store.deleteExpiredQueues { topic, queueID in
                if topics.isSystem(topic) { return true }
                guard let config = topics.config(of: topic) else { return false }
                return queueID < max(config.readQueueNums, config.writeQueueNums)
            }
            return RemotingCommand(.success)
        }
    }

    /// `DELETE_EXPIRED_COMMITLOG` (329): expired files go now, whatever the hour.
    func deleteExpiredFiles(from channel: RemotingChannel) -> RemotingCommand {
        log.info("deletion of expired files ordered", ["by": channel.connection.peer.description])
        store.deleteExpiredFiles()
        return RemotingCommand(.success)
    }

    /// `CLEAN_UNUSED_TOPIC` (316).
    func cleanUnusedTopics(reply: Reply) throws(Refusal) -> RemotingCommand? {
        try inBackground(reply) { [store, topics] () throws(Refusal) in
            store.deleteQueues { topics.isSystem($0) || LiteQueue.isName($0) || topics.config(of: $0) != nil }
            return RemotingCommand(.success)
        }
    }
}

/// Attributes of a topic: `+message.type=FIFO,-cleanup.policy`.
///
/// Source: `AttributeParser.java`, `AttributeUtil.java`, `TopicAttributes.java`, RocketMQ 5.3.
enum TopicAttributes {
    /// What each may be. What Java knows beyond it is not served yet.
    private static let allowed: [String: Set<String>] = [
        "queue.type": ["SimpleCQ", "BatchCQ"], "cleanup.policy": ["DELETE", "COMPACTION"],
        "message.type": ["UNSPECIFIED", "NORMAL", "FIFO", "DELAY", "TRANSACTION", "MIXED"],
    ]
    /// What cannot change once a topic is there.
    private static let immutable: Set<String> = ["queue.type", "cleanup.policy"]

    /// `current` after the changes in `text`. Remarks are Java's words; it lists what is allowed in no order.
    static func apply(_ text: String, to current: [String: String], isNew: Bool) throws(Refusal) -> [String: String] {
        var attributes = current
        var seen: Set<String> = []
        for change in text.split(separator: ",") {
            let parts = change.dropFirst().split(separator: "=", maxSplits: 1).map(String.init)
            guard let sign = change.first, sign == "+" || sign == "-", let key = parts.first, !key.contains("+"),
                !key.contains("-")
            else {
                throw Refusal(.systemError, "kv string format wrong: \(change.prefix(128))")
            }
            guard seen.insert(key).inserted else {
                throw Refusal(.systemError, "alter duplication key. key: \(key.prefix(128))")
            }
            guard key == "reserve.time" || allowed[key] != nil else {
                throw Refusal(.systemError, "unsupported key: \(key.prefix(128))")
            }
            guard isNew || !immutable.contains(key) else {
                throw Refusal(.systemError, "attempt to update an unchangeable attribute. key: \(key)")
            }
            if sign == "-" {
                try checkRemoval(of: key, from: current, isNew: isNew)
                attributes[key] = nil
                continue
            }
            guard parts.count == 2 else {
                throw Refusal(.systemError, "delete attribute format is wrong: \(change.prefix(128))")
            }
            try check(parts[1], for: key)
            attributes[key] = parts[1]
        }
        return attributes
    }

    private static func checkRemoval(
        of key: String, from current: [String: String], isNew: Bool
    ) throws(Refusal) {
        guard !isNew else {
            throw Refusal(.systemError, "only add attribute is supported while creating topic. key: \(key)")
        }
        guard current[key] != nil else {
            throw Refusal(.systemError, "attempt to delete a nonexistent key: \(key)")
        }
    }

    private static func check(_ value: String, for key: String) throws(Refusal) {
        guard key != "reserve.time" else {
            guard let hours = Int64(value), hours >= -1 else {
                throw Refusal(.systemError, "value is not in range(-1, \(Int64.max))")
            }
            return
        }
        let values = allowed[key] ?? []
        guard values.contains(value) else {
            throw Refusal(.systemError, "value is not in set: [\(values.sorted().joined(separator: ", "))]")
        }
    }
}
