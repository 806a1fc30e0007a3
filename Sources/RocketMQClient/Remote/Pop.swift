import MQBase
import MQBytes
import MQJSON
import MQMessage
import MQProtocol
import MQSystem

/// One pop of a queue, or of all queues of a topic at a broker.
struct PopRequest: Sendable {
    var group: String
    var topic: String
    var brokerName: String
    /// -1: all.
    var queueID: Int
    var messagesMax: Int
    var invisibleTime: Duration
    /// How long the broker keeps a pop that finds nothing.
    var pollTime: Duration
    /// Where a group begins that has no progress: at the end, or at the start.
    var beginsAtEnd: Bool
    var subscription: SubscriptionData

    var command: RemotingCommand {
        RemotingCommand(
            .popMessage,
            [
                "consumerGroup": group, "topic": topic, "queueId": String(queueID), "maxMsgNums": String(messagesMax),
                "invisibleTime": String(invisibleTime.milliseconds), "pollTime": String(pollTime.milliseconds),
                "bornTime": String(SystemClock.wall().rawValue), "initMode": beginsAtEnd ? "1" : "0",
                "expType": subscription.expressionType, "exp": subscription.subString, "order": "false",
                "bname": brokerName,
            ])
    }
}

/// Which queues a broker gives a client, and how it is to take them.
struct QueueAssignment: Equatable, Sendable {
    var queue: MessageQueue
    var isPopped: Bool

    /// The answer to QUERY_ASSIGNMENT; `nil`: the broker does not say, keep what you have.
    static func all(in json: JSON) throws(BodyError) -> [QueueAssignment]? {
        guard let list = json["messageQueueAssignments"].array else { return nil }
        var all: [QueueAssignment] = []
        for entry in list {
            let queue = try MessageQueue(json: entry["messageQueue"])
            all.append(QueueAssignment(queue: queue, isPopped: entry["mode"].string == "POP"))
        }
        return all
    }
}

extension ClusterLink {
    /// Asks the broker at `address` which queues of `topic` are this client's.
    /// - Returns: `nil` to keep what it has.
    /// - Throws: `refused` with code 3 by brokers before RocketMQ 5.
    func assignments(
        of topic: String, group: String, strategy: String, at address: String
    ) async throws(ClientError) -> [QueueAssignment]? {
        let body: JSON = [
            "clientId": .string(clientID), "consumerGroup": .string(group), "messageModel": "CLUSTERING",
            "strategyName": .string(strategy), "topic": .string(topic),
        ]
        let request = RemotingCommand(.queryAssignment, body: body.encoded(.compact))
        let answer = try await ask(request, at: address)
        do {
            return try QueueAssignment.all(in: try JSON(parsing: answer.body))
        } catch {
            throw .badAnswer(from: address, "\(error)")
        }
    }

    /// Pops once. Each message carries its handle as `POP_CK`, its first pop's time as `1ST_POP_TIME`, and the topic that
    /// was asked for.
    /// - Returns: no messages if none came in time. A broker with too many pops that wait refuses (209).
    func pop(_ request: PopRequest, at address: String) async throws(ClientError) -> [MessageExt] {
        let answer = try await answer(to: request.command, at: address, timeout: request.pollTime + .seconds(10))
        switch answer.responseCode {
        case .success: break
        case .pollingTimeout, .pullNotFound: return []
        default:
            throw .refused(by: address, code: answer.code, remark: answer.remark ?? "no reason given")
        }
        let said = try PopAnswer(answer, from: address)
        var messages: [MessageExt]
        do throws(WireError) {
            messages = try MessageExt.all(in: answer.body)
        } catch {
            throw .badAnswer(from: address, error.description)
        }
        var firsts: [String: Int64] = [:]
        for index in messages.indices {
            messages[index].brokerName = request.brokerName
            let message = messages[index]
            let first = firsts["\(message.topic) \(message.queueID)", default: message.queueOffset]
            firsts["\(message.topic) \(message.queueID)"] = first
            guard let handle = said.handle(of: message, first: first), PopHandle(handle) != nil else {
                throw .badAnswer(from: address, "a popped message without a handle")
            }
            messages[index].properties["POP_CK"] = handle
            if message.properties["1ST_POP_TIME"] == nil {
                messages[index].properties["1ST_POP_TIME"] = String(said.popTime)
            }
            messages[index].topic = request.topic
        }
        return messages
    }

    /// Says that a popped message is done with.
    func acknowledge(
        _ handle: PopHandle, of topic: String, group: String, at address: String
    ) async throws(ClientError) {
        let request = RemotingCommand(
            .ackMessage,
            [
                "consumerGroup": group, "topic": handle.topic(for: topic, group: group),
                "queueId": String(handle.queueID), "extraInfo": handle.text, "offset": String(handle.offset),
                "bname": handle.brokerName,
            ])
        try await ask(request, at: address)
    }

    /// Lets a popped message come again after `delay`, in place of what was said when it was popped.
    func postpone(
        _ handle: PopHandle, by delay: Duration, of topic: String, group: String, at address: String
    ) async throws(ClientError) {
        let request = RemotingCommand(
            .changeMessageInvisibleTime,
            [
                "consumerGroup": group, "topic": handle.topic(for: topic, group: group),
                "queueId": String(handle.queueID), "extraInfo": handle.text, "offset": String(handle.offset),
                "invisibleTime": String(delay.milliseconds), "bname": handle.brokerName,
            ])
        try await ask(request, at: address)
    }
}
