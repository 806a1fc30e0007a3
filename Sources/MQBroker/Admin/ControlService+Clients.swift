import MQBase
import MQJSON
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQTransport

/// Heartbeats and who is there.
///
/// Source: `ClientManageProcessor.java`, `ConsumerManageProcessor.java`, RocketMQ 5.3.
extension ControlService {
    private static let clientIDByteCountMax = 1024

    /// `HEART_BEAT` (34).
    func heartbeat(_ request: RemotingCommand, on channel: RemotingChannel) throws(Refusal) -> RemotingCommand {
        let heartbeat: HeartbeatData = try body(of: request)
        guard (1...Self.clientIDByteCountMax).contains(heartbeat.clientID.utf8.count) else {
            throw Refusal(.invalidParameter, "the clientID is blank or longer than \(Self.clientIDByteCountMax) bytes")
        }
        for group in heartbeat.producerGroups + heartbeat.consumerDataSet.map(\.groupName) {
            if let refusal = NameRules.refusal(ofGroup: group) { throw Refusal(.invalidParameter, refusal) }
        }
        if !heartbeat.withoutSub {
            for consumer in heartbeat.consumerDataSet {
                createRetryTopic(for: consumer)
                // Before its pulls can ask for it.
                filters.register(group: consumer.groupName, consumer.subscriptionDataSet)
            }
        }
        let (membership, refusal) = clients.register(
            heartbeat, on: channel, language: request.language, version: request.version)
        tell(membership)
        for pair in membership.differing {
            log.warn(
                "members of a group subscribe to different things",
                ["group": pair.group, "client": pair.clientID, "other": pair.other])
        }
        if let refusal { throw refusal }
        let isOther = heartbeat.heartbeatFingerprint == 0 || !heartbeat.withoutSub || membership.needsSubscriptions
        return RemotingCommand(
            .success, ["IS_SUPPORT_HEART_BEAT_V2": "true", "IS_SUB_CHANGE": isOther ? "true" : "false"])
    }

    private func createRetryTopic(for consumer: ConsumerData) {
        guard let group = groups.config(of: consumer.groupName), group.retryQueueNums > 0 else { return }
        do throws(Refusal) {
            let queues = min(group.retryQueueNums, limits.queuesPerTopicMax)
            try topics.createRetryTopic(group: group.groupName, queueCount: queues, isUnit: consumer.unitMode)
        } catch {
            log.warn("no retry topic", ["group": group.groupName, "reason": error.remark])
        }
    }

    /// `UNREGISTER_CLIENT` (35).
    func unregister(_ request: RemotingCommand, on channel: RemotingChannel) throws(Refusal) -> RemotingCommand {
        let membership = clients.unregister(
            clientID: try request.required("clientID"), producerGroup: request["producerGroup"],
            consumerGroup: request["consumerGroup"], on: channel)
        tell(membership)
        return RemotingCommand(.success)
    }

    /// `GET_CONSUMER_LIST_BY_GROUP` (38).
    func consumerList(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let group = try request.required("consumerGroup")
        guard let ids = clients.consumerIDs(of: group) else {
            throw Refusal(.systemError, "no consumer for this group, " + group)
        }
        return RemotingCommand(.success, body: ConsumerIDList(consumerIDList: ids).encoded())
    }

    /// `CHECK_CLIENT_CONFIG` (46).
    func checkClient(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let asked: CheckClientRequestBody = try body(of: request)
        if let wanted = asked.subscriptionData, !wanted.expressionType.isEmpty, wanted.expressionType != "TAG" {
            _ = try clients.expressions.filter(
                wanted.subString, type: wanted.expressionType, isEnabled: config.current.pull.enablePropertyFilter,
                else: .subscriptionParseFailed)
        }
        return RemotingCommand(.success)
    }

    /// `GET_CONSUMER_CONNECTION_LIST` (203).
    func consumerConnections(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let name = try request.required("consumerGroup")
        guard let group = clients.consumerGroup(name) else {
            throw Refusal(.consumerNotOnline, "the consumer group[\(name)] not online")
        }
        let body = ConsumerConnection(
            connectionSet: group.members.map(\.connection), subscriptionTable: group.subscriptions,
            consumeType: group.consumeType, messageModel: group.messageModel, consumeFromWhere: group.consumeFromWhere)
        return RemotingCommand(.success, body: body.encoded())
    }

    /// `GET_PRODUCER_CONNECTION_LIST` (204).
    func producerConnections(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let name = try request.required("producerGroup")
        guard let members = clients.producers(of: name) else {
            throw Refusal(.systemError, "the producer group[\(name)] not exist")
        }
        return RemotingCommand(
            .success, body: ProducerConnection(connectionSet: members.map(\.connection)).encoded())
    }

    /// `LOCK_BATCH_MQ` (41). Source: `AdminBrokerProcessor.java` `lockBatchMQ`.
    func lockQueues(_ request: RemotingCommand, now: Instant) throws(Refusal) -> RemotingCommand {
        let wanted: LockBatchRequestBody = try body(of: request)
        let held = locks.lock(
            wanted.mqSet, group: wanted.consumerGroup, clientID: wanted.clientID, now: ClientTable.milliseconds(now))
        return RemotingCommand(.success, body: LockBatchResponseBody(lockOKMQSet: held).encoded())
    }

    /// `UNLOCK_BATCH_MQ` (42).
    func unlockQueues(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let wanted: LockBatchRequestBody = try body(of: request)
        locks.unlock(wanted.mqSet, group: wanted.consumerGroup, clientID: wanted.clientID)
        return RemotingCommand(.success)
    }

    /// The request's body as JSON of one class.
    func body<Body: JSONBody>(of request: RemotingCommand) throws(Refusal) -> Body {
        do throws(BodyError) {
            return try Body(parsing: request.body, limits: bodyLimits)
        } catch {
            throw Refusal(error)
        }
    }
}
