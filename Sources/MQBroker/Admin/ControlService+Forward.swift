import MQBase
import MQMessage
import MQProtocol
import MQRemoting

/// Requests that the broker passes on to a client, whose answer it passes back.
///
/// Source: `AdminBrokerProcessor.java` `callConsumer`, `consumeMessageDirectly`, RocketMQ 5.3.
extension ControlService {
    /// How long a client may take to answer.
    private static let waitMilliseconds: Int64 = 10_000
    /// An administrator's credentials are none of the client's business.
    private static let notPassedOn = ["AccessKey", "Signature", "SecurityToken"]

    /// `GET_CONSUMER_RUNNING_INFO` (307).
    func consumerRunningInfo(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        try forward(request, to: try consumer(of: request), reply)
        return nil
    }

    /// `CONSUME_MESSAGE_DIRECTLY` (309): the client gets the record of `msgId` as body.
    func consumeDirectly(_ request: RemotingCommand, reply: Reply) throws(Refusal) -> RemotingCommand? {
        let consumer = try consumer(of: request)
        let messageID = try request.required("msgId")
        guard let offset = MessageID.decodeOffsetID(messageID)?.offset else {
            throw Refusal(.systemError, "\(messageID.prefix(64)) is not the id of a stored message")
        }
        return try inBackground(reply) { [self] () throws(Refusal) in
            guard let record = store.record(at: offset.rawValue) else {
                throw Refusal(.systemError, "can not find message by the offset, \(offset.rawValue)")
            }
            var passed = request
            passed.body = record
            passed["brokerName"] = config.current.identity.brokerName
            if let topic = request["topic"].flatMap({ topics.config(of: $0) }) {
                passed["topicSysFlag"] = String(topic.topicSysFlag)
            }
            if let group = groups.existing(consumer.group) { passed["groupSysFlag"] = String(group.groupSysFlag) }
            try forward(passed, to: consumer, reply)
            return nil
        }
    }

    private func consumer(of request: RemotingCommand) throws(Refusal) -> (group: String, clientID: String) {
        (try request.required("consumerGroup"), try request.required("clientId"))
    }

    private func forward(
        _ request: RemotingCommand, to consumer: (group: String, clientID: String), _ reply: Reply
    ) throws(Refusal) {
        let name = "<\(consumer.group)> <\(consumer.clientID)>"
        guard let target = clients.target(of: consumer.clientID, in: consumer.group) else {
            throw Refusal(.systemError, "The Consumer \(name) not online")
        }
        var passed = request
        for field in Self.notPassedOn { passed[field] = nil }
        clients.ask(passed, target, timeoutMilliseconds: Self.waitMilliseconds) { result in
            switch result {
            case .success(let answer): reply.send(answer)
            case .failure(.timedOut):
                reply.send(RemotingCommand(.consumeMessageTimeout, remark: "consumer \(name) Timeout"))
            case .failure(let error):
                reply.send(RemotingCommand(.systemError, remark: "invoke consumer \(name) Exception: \(error)"))
            }
        }
    }
}
