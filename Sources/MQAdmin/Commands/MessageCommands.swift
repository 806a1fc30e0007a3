import MQBase
import MQMessage
import MQProtocol
import MQSystem
import RocketMQClient

let messageCommands: [Command] = [
    Command(
        "sendMessage", "Send a message.",
        [
            .value("t", "topic", "Topic name", required: true),
            .value("p", "body", "UTF-8 string format of the message body", required: true),
            .value("k", "key", "Message keys"), .value("c", "tags", "Message tags"),
            .value("b", "broker", "Send message to target broker"),
            .value("i", "qid", "Send message to target queue"),
            .value("m", "msgTraceEnable", "Message Trace Enable, Default: false"),
        ], run: sendMessage),
    Command(
        "queryMsgById", "Query Message by Id.",
        [
            .value("t", "topic", "Topic name", required: true),
            .value("i", "msgId", "Message Id, several separated by commas", required: true),
            .value("f", "bodyFormat", "print message body by the specified format, only UTF-8"),
            .value("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        ]
    ) { arguments, admin, output in
        for id in try arguments.text("i").split(separator: ",") {
            let message = try await admin.message(offsetID: trimmed(String(id)), topic: try arguments.text("t"))
            try await show(message, arguments, admin, output)
        }
    },
    Command(
        "queryMsgByKey", "Query Message by Key.",
        [
            .value("t", "topic", "Topic name", required: true), .value("k", "msgKey", "Message Key", required: true),
            .value("b", "beginTimestamp", "Begin timestamp(ms). default:0, eg:1676730526212"),
            .value("e", "endTimestamp", "End timestamp(ms). default:Long.MAX_VALUE, eg:1676730526212"),
            .value("m", "maxNum", "The maximum number of messages returned by the query, default:64"),
            .value("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        ], run: queryByKey),
    Command(
        "queryMsgByUniqueKey", "Query Message by Unique key.",
        [
            .value("t", "topic", "The topic of msg", required: true),
            .value("i", "msgId", "Message Id", required: true),
            .flag("a", "showAll", "Print all message, the limit is 32"),
            .value("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        ], run: queryByUniqueKey),
    Command(
        "queryMsgByOffset", "Query Message by offset.",
        [
            .value("t", "topic", "Topic name", required: true),
            .value("b", "brokerName", "Broker Name", required: true),
            .value("i", "queueId", "Queue Id", required: true), .value("o", "offset", "Queue Offset", required: true),
            .value("f", "bodyFormat", "print message body by the specified format, only UTF-8"),
        ]
    ) { arguments, admin, output in
        let queue = MessageQueue(
            topic: try arguments.text("t"), brokerName: try arguments.text("b"),
            queueID: Int(clamping: try arguments.integer("i") ?? 0))
        let offset = try arguments.integer("o") ?? 0
        guard let message = try await admin.message(in: queue, at: offset) else {
            throw ClientError.invalid(
                "there is no message at offset \(offset) of queue \(queue.queueID) of \(queue.topic)")
        }
        try await show(message, arguments, admin, output)
    },
]

@Sendable private func sendMessage(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let topic = try arguments.text("t")
    var message = Message(topic: topic, body: Array(try arguments.text("p").utf8))
    message.tags = arguments["c"]
    message.properties[PropertyName.keys] = arguments["k"]
    let queueID = try arguments.integer("i")
    if queueID != nil, !arguments.has("b") {
        throw ClientError.invalid("Broker name must be set if the queue is chosen!")
    }
    let producer = try Producer(group: "\(SystemClock.now().nanoseconds)", link: admin.link)
    try await producer.start()
    let result: SendResult
    if let broker = arguments["b"], let queueID {
        let queue = MessageQueue(topic: topic, brokerName: broker, queueID: Int(clamping: queueID))
        result = try await producer.send(message, to: queue)
    } else if let broker = arguments["b"] {
        guard let queue = try await producer.queues(of: topic).filter({ $0.brokerName == broker }).randomElement()
        else {
            throw ClientError.brokerNotFound(broker)
        }
        result = try await producer.send(message, to: queue)
    } else {
        result = try await producer.send(message)
    }
    await producer.shutdown()
    output.print("%-32s  %-4s  %-20s    %s%n", "#Broker Name", "#QID", "#Send Result", "#MsgId")
    output.print(
        "%-32s  %-4s  %-20s    %s%n", result.queue.brokerName, result.queue.queueID, result.status.rawValue,
        result.messageID)
}

@Sendable private func queryByKey(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let messages = try await admin.messages(
        topic: try arguments.text("t"), key: try arguments.text("k"), begin: try arguments.integer("b") ?? 0,
        end: try arguments.integer("e") ?? .max, max: try arguments.integer("m") ?? 64)
    guard !messages.isEmpty else {
        throw ClientError.invalid("query message by key finished, but no message.")
    }
    output.print("%-50s %4s %40s%n", "#Message ID", "#QID", "#Offset")
    for message in messages {
        output.print("%-50s %4d %40d%n", message.messageID, message.queueID, message.queueOffset)
    }
}

@Sendable private func queryByUniqueKey(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let id = try arguments.text("i")
    let topic = try arguments.text("t")
    let messages = try await admin.messages(topic: topic, key: id, isUnique: true, max: 32)
    guard let newest = messages.first else {
        throw ClientError.invalid("no message with the unique key \(id) in topic \(topic)")
    }
    for message in arguments.has("a") ? messages : [newest] { try await show(message, arguments, admin, output) }
}

// MARK: - Showing a message

/// Prints a message and how its groups stand to it. The body goes to a file, or to the screen with `-f`.
private func show(_ message: MessageExt, _ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    for (name, value) in fields(of: message) { output.print("%-20s %s%n", name, value) }
    if arguments.has("f") {
        output.print("%-20s %s%n", "Message Body:", String(decoding: message.body, as: UTF8.self))
    } else {
        output.print("%-20s %s%n", "Message Body Path:", try saveBody(message))
    }
    // The message is shown even if its groups cannot be asked.
    let tracks = (try? await admin.tracks(of: message)) ?? []
    guard !tracks.isEmpty else {
        output.print("%n%nWARN: No Consumer%n")
        return
    }
    output.print("%n%n")
    for track in tracks {
        output.print(
            "MessageTrack [consumerGroup=%s, trackType=%s, exceptionDesc=null]%n", track.group, track.type.rawValue)
    }
}

/// What is printed of a message, in order.
func fields(of message: MessageExt) -> [(name: String, value: String)] {
    [
        ("OffsetID:", message.offsetMessageID), ("Topic:", message.topic), ("Tags:", "[\(message.tags ?? "null")]"),
        ("Keys:", "[\(message.properties[PropertyName.keys] ?? "null")]"), ("Queue ID:", String(message.queueID)),
        ("Queue Offset:", String(message.queueOffset)), ("CommitLog Offset:", String(message.commitLogOffset)),
        ("Reconsume Times:", String(message.reconsumeTimes)),
        ("Born Timestamp:", timeText(message.bornTimestamp.rawValue)),
        ("Store Timestamp:", timeText(message.storeTimestamp.rawValue)), ("Born Host:", message.bornHost.description),
        ("Store Host:", message.storeHost.description), ("System Flag:", String(message.sysFlag.rawValue)),
        ("Properties:", message.properties.description),
    ]
}

/// Saves the body under `/tmp/rocketmq/msgbodys` and returns the file's path, as Java's command does.
private func saveBody(_ message: MessageExt) throws(ClientError) -> String {
    let folder = "/tmp/rocketmq/msgbodys"
    // The id comes from a producer: only hexadecimal digits become part of a path.
    let id =
        message.messageID.utf8.allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
        ? message.messageID : message.offsetMessageID
    let path = "\(folder)/\(id)"
    do throws(SystemError) {
        try Directory.create(folder)
        try File(path, .replace).write(message.body.span, at: 0)
        return path
    } catch {
        throw .system(error.description)
    }
}
