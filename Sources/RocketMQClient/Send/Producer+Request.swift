import MQBase
import MQMessage
import MQProtocol
import MQRemoting
import MQSystem

/// Request and reply: a message whose consumer answers the one who sent it.
///
/// Source: `DefaultMQProducerImpl.java` `request`, `MessageUtil.java`, RocketMQ 5.3.
extension Producer {
    /// Sends `message` and waits until a consumer of it replies (``Message/reply(to:body:)``).
    /// - Parameter timeout: for both.
    /// - Throws: what ``Producer/send(_:timeout:)-(Message,_)`` throws; `noAnswer` if no reply came in time: a consumer may have handled it
    ///   all the same.
    public func request(_ message: Message, timeout: Duration = .seconds(3)) async throws(ClientError) -> MessageExt {
        var message = message
        let id = makeID()
        message.properties[PropertyName.correlationID] = id
        message.properties[PropertyName.replyToClient] = link.clientID
        message.properties[PropertyName.timeToLive] = String(timeout.milliseconds)
        let deadline = SystemClock.now().advanced(byMilliseconds: timeout.milliseconds)
        _ = try await plan(of: namespace.wrap(message.topic), before: deadline)
        await introduce(to: message.topic)
        link.requests.expect(id)
        defer { link.requests.end(id) }
        func left() -> Duration { .milliseconds(max(0, deadline.milliseconds(since: SystemClock.now()))) }
        try await send(message, timeout: left())
        guard let reply = await link.requests.reply(to: id, within: left()) else {
            if Task.isCancelled { throw .cancelled }
            throw .noAnswer(from: "the consumers of \(message.topic)", .timedOut(milliseconds: timeout.milliseconds))
        }
        return reply
    }

    /// Brokers push a reply to those only they know: those of a topic that was not sent to before hear of us first.
    private func introduce(to topic: String) async {
        let isNew = introduced.withLock { $0.insert(topic).inserted }
        if isNew { _ = await link.heartbeat() }
    }
}

extension Message {
    /// The reply to a request, to be sent with any producer.
    /// - Throws: `invalid` if `request` is no request.
    public static func reply(to request: MessageExt, body: [UInt8]) throws(ClientError) -> Message {
        guard let cluster = request.properties[PropertyName.cluster] else {
            throw .invalid("create reply message fail, requestMessage error, property[CLUSTER] is null.")
        }
        guard let id = request.properties[PropertyName.correlationID],
            let client = request.properties[PropertyName.replyToClient]
        else { throw .invalid("the message \(request.messageID) is not a request: nobody waits for a reply") }
        var reply = Message(topic: cluster + "_REPLY_TOPIC", body: body)
        reply.properties[PropertyName.messageType] = Message.replyType
        reply.properties[PropertyName.correlationID] = id
        reply.properties[PropertyName.replyToClient] = client
        reply.properties[PropertyName.timeToLive] = request.properties[PropertyName.timeToLive]
        return reply
    }

    /// What MSG_TYPE says of a reply.
    static let replyType = "reply"

    /// Whether it is a reply, which goes to the broker with a request code of its own.
    var isReply: Bool { properties[PropertyName.messageType] == Self.replyType }
}
