import MQJSON
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// Groups: made, changed, removed, looked at.
///
/// Source: `AdminBrokerProcessor.java`, RocketMQ 5.3.
extension ControlService {
    /// `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP` (200). Answered when the table is durable.
    func putGroup(
        _ request: RemotingCommand, from channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        let group: SubscriptionGroupConfig = try body(of: request)
        log.info("group ordered", ["group": group.groupName, "by": channel.connection.peer.description])
        guard (0...limits.queuesPerTopicMax).contains(group.retryQueueNums) else {
            throw Refusal(.invalidParameter, "retryQueueNums is not in 0...\(limits.queuesPerTopicMax)")
        }
        try groups.put(group)
        return whenSaved(GroupTable.fileName, reply)
    }

    /// `DELETE_SUBSCRIPTIONGROUP` (207); with `cleanOffset` (4.9: `removeOffset`) its progress too.
    func deleteGroup(
        _ request: RemotingCommand, from channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        let name = try request.required("groupName")
        log.info("group deletion ordered", ["group": name, "by": channel.connection.peer.description])
        groups.remove(name)
        let cleansOffsets = request.bool("cleanOffset") || request.bool("removeOffset")
        return try inBackground(reply) { [self] () throws(Refusal) in
            stats.topics.forget(group: name)
            if cleansOffsets { offsets.remove(group: name) }
            return whenSaved(GroupTable.fileName, reply)
        }
    }

    /// `GET_SUBSCRIPTIONGROUP_CONFIG` (352). A group that may come to be by itself does, as by a heartbeat.
    func groupConfig(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let name = try request.required("group")
        guard let group = groups.config(of: name) else {
            throw Refusal(.subscriptionGroupNotExist, "No group in this broker. group: " + name)
        }
        return RemotingCommand(.success, body: group.encoded())
    }

    /// `GET_CONSUME_STATS` (208).
    func consumeStats(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let group = try request.required("consumerGroup")
        let present = clients.consumerGroup(group)
        if present?.messageModel == .broadcasting {
            throw Refusal(.broadcastConsumption, "the consumer group[\(group)] is consumed by broadcast mode")
        }
        var asked: [String]?
        if let topic = request["topic"], !topic.isEmpty {
            asked = [topic]
        } else if let list = request["topicList"], !list.isEmpty {
            asked = list.split(separator: ";").map(String.init)
        }
        let broker = config.current.identity.brokerName
        return try inBackground(reply) { [self, asked] () throws(Refusal) in
            var names = asked ?? offsets.topics(of: group)
            if let present, !present.subscriptions.isEmpty {
                // Java leaves out what the group consumed once and wants no more.
                names = names.filter { present.subscriptions[$0] != nil }
            }
            var all = ConsumeStats()
            for topic in names.compactMap({ topics.config(of: $0) }) {
                let queues = ProgressTopic(name: topic.topicName, queueCount: topic.readQueueNums)
                let part = progress(of: group, in: queues, broker: broker)
                all.offsetTable.merge(part.offsetTable) { $1 }
                all.consumeTps += part.consumeTps
            }
            return RemotingCommand(.success, body: all.encoded())
        }
    }

    /// `UPDATE_AND_GET_GROUP_FORBIDDEN` (353): whether a group may read a topic. Set with `readable`, answered then when the
    /// table is durable.
    func groupForbidden(
        _ request: RemotingCommand, from channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        let (group, topic) = (try request.required("group"), try request.required("topic"))
        var hasChanged = false
        if let wanted = request["readable"] {
            guard let isReadable = Bool(wanted.lowercased()) else {
                throw Refusal(.invalidParameter, "readable is not true or false: \(wanted.prefix(64))")
            }
            log.info(
                "reading ordered",
                [
                    "group": group, "topic": topic, "readable": wanted,
                    "by": channel.connection.peer.description,
                ])
            hasChanged = try groups.setReadable(isReadable, group: group, topic: topic)
        }
        let state = JSON.object([
            "group": .string(group), "readable": .bool(groups.mayRead(group: group, topic: topic)),
            "topic": .string(topic),
        ])
        let answer = RemotingCommand(.success, remark: "", body: Array(state.text().utf8))
        guard hasChanged else { return answer }
        files.save(GroupTable.fileName) { error in
            reply.send(error.map { RemotingCommand(.systemError, remark: $0.description) } ?? answer)
        }
        return nil
    }
}
