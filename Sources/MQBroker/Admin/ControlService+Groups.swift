import MQObserve
import MQProtocol
import MQRemoting
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
        if request.bool("cleanOffset") || request.bool("removeOffset") { offsets.remove(group: name) }
        return whenSaved(GroupTable.fileName, reply)
    }

    /// `GET_SUBSCRIPTIONGROUP_CONFIG` (352).
    func groupConfig(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let name = try request.required("group")
        guard let group = groups.existing(name) else {
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
        var names = offsets.topics(of: group)
        if let topic = request["topic"], !topic.isEmpty {
            names = [topic]
        } else if let list = request["topicList"], !list.isEmpty {
            names = list.split(separator: ";").map(String.init)
        }
        if let present, !present.subscriptions.isEmpty {
            // Java leaves out what the group consumed once and wants no more.
            names = names.filter { present.subscriptions[$0] != nil }
        }
        let wanted = names.compactMap { topics.config(of: $0) }
        let broker = config.current.identity.brokerName
        return try inBackground(reply) { [store, offsets] () throws(Refusal) in
            var stats = ConsumeStats()
            for topic in wanted {
                let progress = offsets.offsets(group: group, topic: topic.topicName)
                for queue in 0..<topic.readQueueNums {
                    let end = store.offsets(topic: topic.topicName, queueID: queue)?.max ?? 0
                    let offset = max(0, progress[Int32(queue)] ?? 0)
                    let last =
                        offset > 0
                        ? store.storeTimestamp(topic: topic.topicName, queueID: queue, offset: offset - 1) : nil
                    stats.offsetTable[MessageQueue(topic: topic.topicName, brokerName: broker, queueID: queue)] =
                        ConsumeStats.OffsetWrapper(
                            brokerOffset: max(0, end), consumerOffset: offset, pullOffset: offset,
                            lastTimestamp: max(0, last ?? 0))
                }
            }
            return RemotingCommand(.success, body: stats.encoded())
        }
    }
}
