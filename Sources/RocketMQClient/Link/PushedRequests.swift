import MQBytes
import MQJSON
import MQMessage
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// Answers what brokers ask of us over our own connections.
final class PushedRequests: RemotingService, Sendable {
    private let options: ClientOptions
    private let members: Members
    private let replies: OpenRequests
    private let listener = Lock(Listener())

    private struct Listener {
        var lostConnection: (@Sendable () -> Void)?
    }

    init(_ options: ClientOptions, members: Members, replies: OpenRequests) {
        self.options = options
        self.members = members
        self.replies = replies
    }

    func onLostConnection(_ action: @escaping @Sendable () -> Void) { listener.withLock { $0.lostConnection = action } }

    func handle(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) {
        let request = RemotingCommand(header, frame, in: bytes)
        let reply = channel.reply(to: header.opaque, isOneWay: header.isOneWay)
        switch request.requestCode {
        case .notifyConsumerIDsChanged:
            members.consumer(request["consumerGroup"] ?? "")?.rebalanceSoon()
            reply.send(RemotingCommand(.success))
        case .getConsumerRunningInfo: sendRunningInfo(request, reply)
        case .checkTransactionState: checkTransaction(request, on: channel)
        case .resetConsumerClientOffset: reset(request, reply)
        case .getConsumerStatusFromClient: sendStatus(request, reply)
        case .pushReplyMessageToClient: takeReply(request, reply)
        default: reply.send(.notSupported(request.code))
        }
    }

    /// Not answered: the member sends END_TRANSACTION. A message that is none, or of a group we have not, is passed over;
    /// the broker will ask somebody else.
    private func checkTransaction(_ request: RemotingCommand, on channel: RemotingChannel) {
        guard let message = try? MessageExt(request.body.span),
            let member = message.properties[PropertyName.producerGroup].flatMap({ members.transactions(of: $0) })
        else { return }
        let channel = LoopBound(channel, on: channel.connection.loop)
        member.check(message, for: request) { [options] end in
            let end = options.signed(end)
            channel.execute { $0.send(end) }
        }
    }

    private func reset(_ request: RemotingCommand, _ reply: Reply) {
        guard let consumer = members.consumer(request["group"] ?? ""), let topic = request["topic"],
            let body = try? ResetOffsetBody(parsing: request.body)  // the broker hears that nothing came of it
        else { return reply.send(RemotingCommand(.systemError, remark: "no such consumer, or no offsets")) }
        consumer.resetSoon(topic, to: body.offsetTable)
        reply.send(RemotingCommand(.success))
    }

    private func sendStatus(_ request: RemotingCommand, _ reply: Reply) {
        guard let consumer = members.consumer(request["group"] ?? ""), let topic = request["topic"] else {
            return reply.send(RemotingCommand(.success, body: GetConsumerStatusBody().encoded()))
        }
        Task {
            let body = GetConsumerStatusBody(messageQueueTable: await consumer.offsets(in: topic))
            reply.send(RemotingCommand(.success, body: body.encoded()))
        }
    }

    private func takeReply(_ request: RemotingCommand, _ reply: Reply) {
        guard let message = MessageExt(reply: request) else {
            return reply.send(RemotingCommand(.systemError, remark: "the reply has no readable message"))
        }
        replies.take(message)  // one that nobody waits for any more came too late
        reply.send(RemotingCommand(.success))
    }

    private func sendRunningInfo(_ request: RemotingCommand, _ reply: Reply) {
        let group = request["consumerGroup"] ?? ""
        guard let consumer = members.consumer(group) else {
            return reply.send(
                RemotingCommand(.systemError, remark: "The Consumer Group <\(group)> not exist in this consumer"))
        }
        Task { reply.send(RemotingCommand(.success, body: await consumer.runningInfo().encoded(.compact))) }
    }

    func closed(_ channel: RemotingChannel, because reason: CloseReason) {
        listener.withLock { $0.lostConnection }?()
    }
}
