import MQBase
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import Synchronization

/// Moving groups: where they go on, by order of an administrator.
///
/// Source: `AdminBrokerProcessor.java` `resetOffset`, `cloneGroupOffset`, `queryCorrectionOffset`, `Broker2Client.java`,
/// RocketMQ 5.3.
extension ControlService {
    /// What an order names.
    private struct Order {
        let group: String
        let topic: String
        let timestamp: Int64
        /// Above 0: only this queue.
        let queueID: Int?
        let offset: Int64?
        let isForced: Bool

        init(_ request: RemotingCommand, queueIDMax: Int32) throws(Refusal) {
            group = try request.required("group")
            topic = try request.required("topic")
            timestamp = try request.number("timestamp", default: -1, in: Int64.min...Int64.max)
            let queue = try request.number("queueId", default: -1, in: Int64(Int32.min)...Int64(queueIDMax))
            queueID = queue < 0 ? nil : Int(queue)
            let wanted = try request.number("offset", default: -1, in: Int64.min...Int64.max)
            offset = wanted == -1 ? nil : wanted
            isForced = request.bool("isForce")
        }
    }

    /// `INVOKE_BROKER_TO_RESET_OFFSET` (222): by offset for one queue, else by timestamp; -1 is the end, so that what is
    /// there is skipped.
    func resetOffsets(
        _ request: RemotingCommand, from peer: String, reply: Reply
    ) throws(Refusal) -> RemotingCommand? {
        let order = try Order(request, queueIDMax: limits.queueIDMax)
        log.info("offset reset ordered", ["group": order.group, "topic": order.topic, "by": peer])
        let isAtServer = config.current.groups.resetsAtServer
        return try inBackground(reply) { [self] () throws(Refusal) in
            isAtServer ? try resetHere(order, reply) : try resetAtClients(order)
        }
    }

    /// The broker's offsets are moved, and consumers hear of it with their next pull or pop. Answered when that is on the
    /// disk: pop's own state, which knows of it at once, must not win over it after a restart.
    private func resetHere(_ order: Order, _ reply: Reply) throws(Refusal) -> RemotingCommand? {
        guard let topic = topics.config(of: order.topic) else {
            throw Refusal(.topicNotExist, "Topic \(order.topic) does not exist")
        }
        guard groups.existing(order.group) != nil else {
            throw Refusal(.subscriptionGroupNotExist, "Group \(order.group) does not exist")
        }
        var table: [MessageQueue: Int64] = [:]
        for id in order.queueID.map({ [$0] }) ?? Array(0..<max(0, topic.readQueueNums)) {
            let ends = store.offsets(topic: order.topic, queueID: id) ?? (0, 0)
            var offset = target(order, queueID: id, ends)
            if order.queueID != nil, let wanted = order.offset {
                guard wanted >= ends.min, wanted <= ends.max + 1 else {
                    throw Refusal(
                        .systemError,
                        "Target offset \(wanted) not in consume queue range [\(ends.min)-\(ends.max)]")
                }
                offset = min(wanted, ends.max)
            }
            table[MessageQueue(topic: order.topic, brokerName: config.current.identity.brokerName, queueID: id)] =
                offset
        }
        guard !table.isEmpty else { throw Refusal(.systemError, "No queues to reset.") }
        for (queue, offset) in table.sorted(by: { $0.key < $1.key }) {
            let isTaken = offsets.reset(
                group: order.group, topic: order.topic, queueID: Int32(queue.queueID), to: offset)
            guard isTaken else { throw Refusal(.systemBusy, "this broker keeps no more offsets, or no more resets") }
        }
        offsets.announceResets()
        files.save(OffsetTable.fileName) { [table] error in
            if let error { return reply.send(RemotingCommand(.systemError, remark: error.description)) }
            reply.send(RemotingCommand(.success, body: ResetOffsetBody(offsetTable: table).encoded()))
        }
        return nil
    }

    /// Where a timestamp lies in a queue.
    private func target(_ order: Order, queueID: Int, _ ends: (min: Int64, max: Int64)) -> Int64 {
        if order.timestamp < 0 { return ends.max }
        let found = store.searchOffset(
            topic: order.topic, queueID: queueID, timestamp: order.timestamp, upper: false)
        return max(0, found ?? 0)
    }

    /// Consumers are told where to go on (220), and commit it themselves.
    private func resetAtClients(_ order: Order) throws(Refusal) -> RemotingCommand {
        guard let topic = topics.config(of: order.topic) else {
            throw Refusal(
                .systemError, "[reset-offset] reset offset failed, no topic in this broker. topic=\(order.topic)")
        }
        var table: [MessageQueue: Int64] = [:]
        for id in 0..<max(0, topic.writeQueueNums) {
            guard let known = offsets.query(group: order.group, topic: order.topic, queueID: Int32(id)) else {
                throw Refusal(.systemError, "THe consumer group <\(order.group)> not exist")
            }
            let ends = store.offsets(topic: order.topic, queueID: id) ?? (0, 0)
            let offset = target(order, queueID: id, ends)
            let queue = MessageQueue(topic: order.topic, brokerName: config.current.identity.brokerName, queueID: id)
            table[queue] = order.isForced || offset < known ? offset : known
        }
        let members = clients.members(ofConsumerGroup: order.group)
        guard !members.isEmpty else {
            throw Refusal(
                .consumerNotOnline,
                "Consumer not online, so can not reset offset, Group: \(order.group) Topic: \(order.topic) "
                    + "Timestamp: \(order.timestamp)")
        }
        let body = ResetOffsetBody(offsetTable: table)
        for (member, target) in members {
            var push = RemotingCommand(
                .resetConsumerClientOffset,
                [
                    "topic": order.topic, "group": order.group, "timestamp": String(order.timestamp),
                    "isForce": order.isForced ? "true" : "false",
                ], body: member.language == .cpp ? body.encodedForC : body.encoded())
            push.opaque = nextOpaque()
            push.isOneWay = true
            clients.send(push, to: [target])
        }
        return RemotingCommand(.success, body: body.encoded())
    }

    // MARK: - Others

    /// `INVOKE_BROKER_TO_GET_CONSUMER_STATUS` (223): asks the group's members (221) how far they are.
    func consumerStatus(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let group = try request.required("group")
        let topic = try request.required("topic")
        let wanted = request["clientAddr"] ?? ""
        let all = clients.members(ofConsumerGroup: group)
        guard !all.isEmpty else {
            throw Refusal(.systemError, "No Any Consumer online in the consumer group: [\(group)]")
        }
        let members = all.filter { wanted.isEmpty || $0.0.clientID == wanted }
        let gathered = StatusGathering(awaited: members.count, reply)
        for (member, target) in members {
            let ask = RemotingCommand(.getConsumerStatusFromClient, ["topic": topic, "group": group])
            clients.ask(ask, target, timeoutMilliseconds: 5000) { result in
                gathered.take(member.clientID, result)
            }
        }
        return nil
    }

    /// `CLONE_GROUP_OFFSET` (314): a group begins where another is.
    func cloneOffsets(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let (from, to) = (try request.required("srcGroup"), try request.required("destGroup"))
        if let refusal = NameRules.refusal(ofGroup: to) { throw Refusal(.invalidParameter, refusal) }
        let only = request["topic"].flatMap { $0.isEmpty ? nil : $0 }
        let source = clients.consumerGroup(from)
        for topic in only.map({ [$0] }) ?? offsets.topics(of: from) {
            guard topics.config(of: topic) != nil else { continue }
            if !request.bool("offline"), let source, source.subscriptions[topic] == nil { continue }
            for (queueID, offset) in offsets.offsets(group: from, topic: topic) {
                guard offsets.commit(group: to, topic: topic, queueID: queueID, offset: offset) != .full else {
                    throw Refusal(.systemBusy, "this broker keeps at most \(limits.offsetsMax) offsets")
                }
            }
        }
        return RemotingCommand(.success)
    }

    /// `QUERY_CORRECTION_OFFSET` (308): how far the slowest of all groups is in each queue of a topic. Where the group to
    /// compare with is behind it, there is nothing to correct: the largest number.
    func correctionOffsets(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let topic = try request.required("topic")
        let compared = try request.required("compareGroup")
        let left = Set((request["filterGroups"] ?? "").split(separator: ",").map(String.init))
        var slowest: [Int32: Int64] = [:]
        for group in offsets.groups(of: topic) where !left.contains(group) {
            for (queueID, offset) in offsets.offsets(group: group, topic: topic) {
                // What is behind the queue's beginning says nothing: its messages are gone.
                guard offset >= store.offsets(topic: topic, queueID: Int(queueID))?.min ?? 0 else { continue }
                slowest[queueID] = min(offset, slowest[queueID] ?? .max)
            }
        }
        for (queueID, offset) in offsets.offsets(group: compared, topic: topic) {
            if (slowest[queueID] ?? .max) > offset { slowest[queueID] = .max }
        }
        return RemotingCommand(.success, body: QueryCorrectionOffsetBody(correctionOffsets: slowest).encoded())
    }
}

/// The answers of a group's members, until all are there.
private final class StatusGathering: Sendable {
    private let state: Lock<(body: GetConsumerStatusBody, awaited: Int)>
    private let reply: Reply

    init(awaited: Int, _ reply: Reply) {
        state = Lock((GetConsumerStatusBody(), awaited))
        self.reply = reply
        if awaited == 0 { reply.send(RemotingCommand(.success, body: GetConsumerStatusBody().encoded())) }
    }

    /// A member that does not answer, or not what it should, is left out.
    func take(_ clientID: String, _ result: Result<RemotingCommand, RemotingError>) {
        var table: [MessageQueue: Int64]?
        if case .success(let answer) = result, answer.responseCode == .success {
            table = (try? GetConsumerStatusBody(parsing: answer.body))?.messageQueueTable
        }
        let done = state.withLock { state -> GetConsumerStatusBody? in
            if let table { state.body.consumerTable[clientID] = table }
            state.awaited -= 1
            return state.awaited == 0 ? state.body : nil
        }
        if let done { reply.send(RemotingCommand(.success, body: done.encoded())) }
    }
}
