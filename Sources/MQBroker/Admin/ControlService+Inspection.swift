import MQBase
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// Looks into the broker: a queue's units, who produces, who subscribes; and topics and groups made many at once.
///
/// Source: `AdminBrokerProcessor.java`, RocketMQ 5.3.
extension ControlService {
    /// Units of one answer to 321; Java has no bound.
    private static let unitsMax: Int64 = 10_000

    /// `QUERY_CONSUME_QUEUE` (321).
    func consumeQueue(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let topic = try request.required("topic")
        let queueID = Int(try request.number("queueId", in: 0...Int64(limits.queueIDMax)))
        let index = try request.number("index", in: 0...Int64.max)
        let count = min(try request.number("count", in: 0...Int64(Int32.max)), Self.unitsMax)
        guard let ends = store.offsets(topic: topic, queueID: queueID) else {
            throw Refusal(.systemError, "\(queueID)@\(topic) is not exist!")
        }
        var body = QueryConsumeQueueResponseBody(units: [], minIndex: ends.min, maxIndex: ends.max)
        if let group = request["consumerGroup"], !group.isEmpty {
            body.subscription = clients.subscription(group: group, topic: topic)
            body.filterData = body.subscription == nil ? "\(group)@\(topic) is not online!" : "null"
        }
        guard index >= ends.min, index < ends.max else {
            let remark = "Index \(index) of \(queueID)@\(topic) is not exist!"
            return RemotingCommand(.success, remark: remark, body: body.encoded())
        }
        return try inBackground(reply) { [store, body] () throws(Refusal) in
            var body = body
            let end = min(ends.max, index + count)
            body.units = store.units(topic: topic, queueID: queueID, offsets: index..<max(index, end))
            return RemotingCommand(.success, body: body.encoded())
        }
    }

    /// `GET_ALL_PRODUCER_INFO` (328).
    func allProducers() -> RemotingCommand {
        // Heartbeats are kept by the monotonic clock.
        let (now, wall) = (ClientTable.milliseconds(SystemClock.now()), SystemClock.wall().rawValue)
        let data = clients.allProducers().mapValues { members in
            members.map { member in
                ProducerTableInfo.Producer(
                    clientID: member.clientID, remoteIP: "/" + member.address,
                    language: member.language.name.description,
                    version: Int(member.version), lastUpdateTimestamp: wall - (now - member.lastUpdate))
            }
        }
        return RemotingCommand(.success, body: ProducerTableInfo(data: data).encoded())
    }

    /// `QUERY_SUBSCRIPTION_BY_CONSUMER` (345).
    func subscription(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let group = try request.required("group")
        let topic = try request.required("topic")
        let subscription = clients.subscription(group: group, topic: topic)
        let body = QuerySubscriptionResponseBody(group: group, topic: topic, subscription: subscription)
        return RemotingCommand(.success, body: body.encoded())
    }

    /// `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST` (225): all of them, or none if one is refused.
    func putGroups(
        _ request: RemotingCommand, from channel: RemotingChannel, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        let list: SubscriptionGroupList = try body(of: request)
        for group in list.groups {
            if let refusal = NameRules.refusal(ofGroup: group.groupName) { throw Refusal(.invalidParameter, refusal) }
            guard (0...limits.queuesPerTopicMax).contains(group.retryQueueNums) else {
                throw Refusal(
                    .invalidParameter, "\(group.groupName): retryQueueNums is not in 0...\(limits.queuesPerTopicMax)")
            }
        }
        log.info(
            "groups ordered", ["count": String(list.groups.count), "by": channel.connection.peer.description])
        for group in list.groups { try groups.put(group) }
        return whenSaved(GroupTable.fileName, reply)
    }
}
