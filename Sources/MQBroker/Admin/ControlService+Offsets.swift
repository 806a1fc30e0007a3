import MQProtocol
import MQRemoting

/// How far groups and queues are.
///
/// Source: `ConsumerManageProcessor.java`, `AdminBrokerProcessor.java`, RocketMQ 5.3.
extension ControlService {
    /// A queue that a request names.
    private struct Queue {
        let topic: String
        let id: Int

        init(_ request: RemotingCommand, max: Int32) throws(Refusal) {
            topic = try request.required("topic")
            id = Int(try request.number("queueId", in: 0...Int64(max)))
        }
    }

    /// `UPDATE_CONSUMER_OFFSET` (15).
    func commitOffset(_ request: RemotingCommand, from peer: String) throws(Refusal) -> RemotingCommand {
        let group = try request.required("consumerGroup")
        let queue = try Queue(request, max: limits.queueIDMax)
        let offset = try request.number("commitOffset", in: 0...Int64.max)
        guard groups.existing(group) != nil else {
            throw Refusal(.subscriptionGroupNotExist, "Group \(group) not exist!")
        }
        guard topics.config(of: queue.topic) != nil else {
            throw Refusal(.topicNotExist, "Topic \(queue.topic) not exist!")
        }
        let end = store.assignedEnd(topic: queue.topic, queueID: queue.id)
        switch offsets.consumed(
            group: group, topic: queue.topic, queueID: Int32(queue.id), offset: offset, end: end, by: peer)
        {
        case .moved, .unchanged, .wentBack: return RemotingCommand(.success)
        case .isReset: return RemotingCommand(.success, remark: "Offset has been previously reset")
        case .full: throw Refusal(.systemBusy, "this broker keeps at most \(limits.offsetsMax) offsets")
        }
    }

    /// `QUERY_CONSUMER_OFFSET` (14). A group that has never said where it is begins at 0 if everything is still there
    /// and recent; else its client decides by `consumeFromWhere`.
    func queryOffset(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let group = try request.required("consumerGroup")
        let queue = try Queue(request, max: limits.queueIDMax)
        if let offset = offsets.query(group: group, topic: queue.topic, queueID: Int32(queue.id)) {
            return RemotingCommand(.success, ["offset": String(offset)])
        }
        if request["setZeroIfNotFound"]?.lowercased() == "false" {
            throw Refusal(.queryNotFound, "Not found, do not set to zero, maybe this group boot first")
        }
        guard let ends = store.offsets(topic: queue.topic, queueID: queue.id), ends.min <= 0, ends.max > 0 else {
            throw Self.firstBoot  // an empty queue, too
        }
        return try inBackground(reply) { [store] () throws(Refusal) in
            guard !store.isOnDisk(topic: queue.topic, queueID: queue.id, offset: 0) else { throw Self.firstBoot }
            return RemotingCommand(.success, ["offset": "0"])
        }
    }

    private static let firstBoot = Refusal(
        .queryNotFound, "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first")

    /// `GET_MAX_OFFSET` (30), `GET_MIN_OFFSET` (31). 0 for a queue that nothing was written to.
    func endOffset(
        _ request: RemotingCommand, _ end: ((min: Int64, max: Int64)) -> Int64
    ) throws(Refusal) -> RemotingCommand {
        let queue = try Queue(request, max: limits.queueIDMax)
        let offset = store.offsets(topic: queue.topic, queueID: queue.id).map(end) ?? 0
        return RemotingCommand(.success, ["offset": String(offset)])
    }

    /// `SEARCH_OFFSET_BY_TIMESTAMP` (29).
    func searchOffset(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let queue = try Queue(request, max: limits.queueIDMax)
        let timestamp = try request.number("timestamp", in: Int64.min...Int64.max)
        let isUpper = request["boundaryType"]?.lowercased() == "upper"
        return try inBackground(reply) { [store] () throws(Refusal) in
            let offset = store.searchOffset(
                topic: queue.topic, queueID: queue.id, timestamp: timestamp, upper: isUpper)
            return RemotingCommand(.success, ["offset": String(offset ?? 0)])
        }
    }

    /// `GET_EARLIEST_MSG_STORETIME` (32). -1 if there is no message.
    func earliestTime(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let queue = try Queue(request, max: limits.queueIDMax)
        return try inBackground(reply) { [store] () throws(Refusal) in
            let timestamp = store.earliestStoreTimestamp(topic: queue.topic, queueID: queue.id) ?? -1
            return RemotingCommand(.success, ["timestamp": String(timestamp)])
        }
    }
}
