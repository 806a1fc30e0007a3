import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// SEND_REPLY_MESSAGE (324) and SEND_REPLY_MESSAGE_V2 (325): a consumer's reply to a request is pushed to the producer that
/// waits for it (326), whose answer decides the replier's, and stored like any message where
/// `storeReplyMessageEnable` says so. One per loop, loop only.
///
/// Source: `ReplyMessageProcessor.java`, RocketMQ 5.3.
final class ReplyHandler {
    /// How long the requester may take to answer.
    private static let waitMilliseconds: Int64 = 10_000

    private let clients: ClientTable
    private let topics: TopicTable
    private let sends: SendHandler
    private let storeHost: MessageHost
    private let bodyByteCountMax: Int
    private var watch: ConfigWatch
    private var isStored: Bool
    /// What every message gets that comes in.
    private let marks: [(name: String, value: String)]

    init(
        clients: ClientTable, topics: TopicTable, sends: SendHandler, config: LiveConfig, settings: SendHandler.Settings
    ) {
        self.clients = clients
        self.topics = topics
        self.sends = sends
        storeHost = settings.storeHost
        bodyByteCountMax = settings.bodyByteCountMax
        watch = ConfigWatch(config)
        isStored = config.current.send.storesReplies
        marks = [
            (PropertyName.messageRegion.description, String(decoding: settings.regionID, as: UTF8.self)),
            (PropertyName.traceOn.description, settings.isTraceOn ? "true" : "false"),
        ]
    }

    /// Pushes the reply on, and stages it in `batch` if replies are stored. `reply` is answered when the requester has.
    /// - Throws: ``Refusal``; then nothing was pushed or staged.
    func handle(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel,
        _ reply: Reply, into batch: SendBatch
    ) throws(Refusal) {
        if watch.hasChanged() { isStored = watch.config.current.send.storesReplies }
        let request: SendMessageRequest
        do throws(WireError) {
            request =
                header.code == RequestCode.sendReplyMessage.rawValue
                ? try SendMessageRequest(long: header, in: bytes) : try SendMessageRequest(short: header, in: bytes)
        } catch {
            throw Refusal(.systemError, "bad send header: \(error)")
        }
        let topic = request.topic.string(in: bytes)
        if isStored {
            try sends.stage(header, frame, in: bytes, on: channel, into: batch, isAnswered: false)
        } else {
            guard let config = topics.config(of: topic), config.perm.contains(.write) else {
                throw Refusal(.topicNotExist, "topic[\(topic)] not exist, apply first please! \(Refusal.topicHelp)")
            }
            guard frame.body.count <= bodyByteCountMax else {
                throw Refusal(.messageIllegal, "the reply's body is over \(bodyByteCountMax) bytes")
            }
        }
        push(request, topic, bytes.extracting(frame.body).toArray(), in: bytes, on: channel, reply)
    }

    private func push(
        _ request: SendMessageRequest, _ topic: String, _ body: [UInt8], in bytes: Span<UInt8>,
        on channel: RemotingChannel, _ reply: Reply
    ) {
        var properties = Properties.list(Array(request.properties.string(in: bytes).utf8).span)
        let name = PropertyName.replyToClient.description
        guard let client = properties.first(where: { $0.name == name })?.value else {
            return reply.send(Self.failure("reply message properties[REPLY_TO_CLIENT] is null"))
        }
        guard let target = clients.producerTarget(ofClient: client) else {
            return reply.send(Self.failure("push reply message fail, channel of <\(client)> not found."))
        }
        for (name, value) in marks where !properties.contains(where: { $0.name == name }) {
            properties.append((name, value))
        }
        properties.append((PropertyName.pushReplyTime.description, String(channel.connection.loop.wall.rawValue)))
        let now = String(channel.connection.loop.wall.rawValue)
        let push = RemotingCommand(
            .pushReplyMessageToClient,
            [
                "producerGroup": request.producerGroup.string(in: bytes), "topic": topic,
                "defaultTopic": request.defaultTopic.string(in: bytes),
                "defaultTopicQueueNums": String(request.defaultTopicQueueNums), "queueId": String(request.queueID),
                "sysFlag": String(request.sysFlag.rawValue), "bornTimestamp": String(request.bornTimestamp),
                "flag": String(request.flag),
                "properties": String(decoding: Properties.encode(properties), as: UTF8.self),
                "reconsumeTimes": String(request.reconsumeTimes), "unitMode": "false",
                "bornHost": channel.connection.peer.description, "storeHost": storeHost.description,
                "storeTimestamp": now,
            ], body: body)
        let queueID = String(max(0, request.queueID))
        clients.ask(push, target, timeoutMilliseconds: Self.waitMilliseconds) { result in
            if case .success(let answer) = result, answer.responseCode == .success {
                // Where it is stored, if it is, tells the replier nothing: Java answers so too where it is not.
                let fields: KeyValuePairs = ["msgId": "0", "queueId": queueID, "queueOffset": "0"]
                return reply.send(RemotingCommand(.success, fields))
            }
            reply.send(Self.failure("push reply message to \(client)fail."))
        }
    }

    private static func failure(_ remark: String) -> RemotingCommand { RemotingCommand(.systemError, remark: remark) }
}
