import MQBase
import MQJSON
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
    .listing(
        "queryMsgById", "Query Message by Id.",
        [
            .value("t", "topic", "Topic name", required: true),
            .value("i", "msgId", "Message Id, several separated by commas", required: true),
            .value("g", "consumerGroup", "consumer group name"), .value("d", "clientId", "The consumer's client id"),
            .value("s", "sendMessage", "resend message"), .value("u", "unitName", "unit name"),
            .value("f", "bodyFormat", "print message body by the specified format, only UTF-8"), .cluster,
        ], run: queryByID),
    .listing(
        "queryMsgByKey", "Query Message by Key.",
        [
            .value("t", "topic", "Topic name", required: true), .value("k", "msgKey", "Message Key", required: true),
            .value("b", "beginTimestamp", "Begin timestamp(ms). default:0, eg:1676730526212"),
            .value("e", "endTimestamp", "End timestamp(ms). default:Long.MAX_VALUE, eg:1676730526212"),
            .value("m", "maxNum", "The maximum number of messages returned by the query, default:64"), .cluster,
        ], run: queryByKey),
    .listing(
        "queryMsgByUniqueKey", "Query Message by Unique key.",
        [
            .value("t", "topic", "The topic of msg", required: true),
            .value("i", "msgId", "Message Id", required: true),
            .value("g", "consumerGroup", "consumer group name"), .value("d", "clientId", "The consumer's client id"),
            .flag("a", "showAll", "Print all message, the limit is 32"), .cluster,
        ], run: queryByUniqueKey),
    .listing(
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
    var options = Producer.Options()
    if try arguments.bool("m") ?? false { options.trace = TraceOptions() }
    let producer = try Producer(group: "\(SystemClock.now().nanoseconds)", options: options, link: admin.link)
    let result = try await producer.withRunning { [message] producer in
        guard let broker = arguments["b"] else { return try await producer.send(message) }
        var queue = queueID.map { MessageQueue(topic: topic, brokerName: broker, queueID: Int(clamping: $0)) }
        if queue == nil {
            queue = try await producer.queues(of: topic).filter { $0.brokerName == broker }.randomElement()
        }
        guard let queue else { throw ClientError.brokerNotFound(broker) }
        return try await producer.send(message, to: queue)
    }
    let table = output.table(
        "sends", header: "%-32s  %-4s  %-20s    %s%n", row: "%-32s  %-4s  %-20s    %s%n",
        ["#Broker Name": "brokerName", "#QID": "queueId", "#Send Result": "sendStatus", "#MsgId": "msgId"])
    table.row(result.queue.brokerName, result.queue.queueID, result.status.rawValue, result.messageID)
}

@Sendable private func queryByID(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let topic = try arguments.text("t")
    let ids = try arguments.text("i").split(separator: ",").map { trimmed(String($0)) }
    let resends = try arguments.bool("s") ?? false
    let member = try member(arguments)
    output.list("messages")
    for id in ids {
        let message = try await admin.message(id: id, topic: topic, via: arguments["c"])
        if let member {
            try await push(message, to: member, admin, output)
        } else if resends {
            try await resend(message, admin, output)
        } else {
            try await show(message, arguments, admin, output)
        }
    }
}

private typealias Member = (group: String, clientID: String)

/// The member that `-g` and `-d` name together.
private func member(_ arguments: CommandArguments) throws(ClientError) -> Member? {
    switch (arguments["g"], arguments["d"]) {
    case (nil, nil): return nil
    case (let group?, let clientID?): return (group, clientID)
    default: throw .invalid("options -g and -d belong together: the group, and its member that is to consume")
    }
}

/// Has one member of a group consume the message now.
private func push(
    _ message: MessageExt, to member: Member, _ admin: Admin, _ output: Output
) async throws(ClientError) {
    let (group, clientID) = member
    let info = try await admin.runningInfo(ofClient: clientID, group: group)
    guard info.isPush else {
        throw .invalid("this \(clientID) client is not push consumer ,not support direct push")
    }
    let result = try await admin.consumeDirectly(
        offsetID: message.offsetMessageID, topic: message.topic, group: group, clientID: clientID,
        at: message.storeHost.description)
    func text(_ name: String) -> String { result[name].string ?? "null" }
    output.item(
        "results", result,
        "ConsumeMessageDirectlyResult [order=%s, autoCommit=%s, consumeResult=%s, remark=%s, spentTimeMills=%s]%n",
        text("order"), text("autoCommit"), text("consumeResult"), text("remark"), text("spentTimeMills"))
}

private func resend(_ message: MessageExt, _ admin: Admin, _ output: Output) async throws {
    var copy = Message(topic: message.topic, body: message.body)
    copy.flag = message.flag
    copy.properties = message.properties
    output.print("prepare resend msg. originalMsgId=%s%n", message.offsetMessageID)
    let producer = try Producer(group: "ReSendMsgById", link: admin.link)
    let result = try await producer.withRunning { [copy] producer in try await producer.send(copy) }
    output.print("%s%n", text(of: result))
}

@Sendable private func queryByKey(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let messages = try await admin.messages(
        topic: try arguments.text("t"), key: try arguments.text("k"), begin: try arguments.integer("b") ?? 0,
        end: try arguments.integer("e") ?? .max, max: try arguments.integer("m") ?? 64, via: arguments["c"])
    guard !messages.isEmpty else {
        throw ClientError.invalid("query message by key finished, but no message.")
    }
    let table = output.table(
        "messages", header: "%-50s %4s %40s%n", row: "%-50s %4d %40d%n",
        ["#Message ID": "msgId", "#QID": "queueId", "#Offset": "queueOffset"])
    for message in messages { table.row(message.messageID, message.queueID, message.queueOffset) }
}

@Sendable private func queryByUniqueKey(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let id = try arguments.text("i")
    let topic = try arguments.text("t")
    let member = try member(arguments)
    let messages = try await admin.messages(topic: topic, key: id, isUnique: true, max: 32, via: arguments["c"])
    guard let newest = messages.first else {
        throw ClientError.invalid("no message with the unique key \(id) in topic \(topic)")
    }
    if let member { return try await push(newest, to: member, admin, output) }
    for message in arguments.has("a") ? messages : [newest] {
        try await show(message, arguments, admin, output, withOffsetID: false)
    }
}

// MARK: - Showing a message

/// Prints a message and how its groups stand to it. The body goes to a file, or to the screen with `-f`.
private func show(
    _ message: MessageExt, _ arguments: CommandArguments, _ admin: Admin, _ output: Output, withOffsetID: Bool = true
) async throws {
    if output.isJSON {
        let tracks = ((try? await admin.tracks(of: message)) ?? []).map { track in  // see below
            JSON.members([
                ("consumerGroup", .string(track.group)), ("trackType", .string(track.type.rawValue)),
                ("reason", JSON(track.reason)),
            ])
        }
        return output.item("messages", json(of: message, tracks), "")
    }
    // Java's query by unique key leaves the first line out.
    for (name, value) in fields(of: message).dropFirst(withOffsetID ? 0 : 1) { output.print("%-20s %s%n", name, value) }
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
            "MessageTrack [consumerGroup=%s, trackType=%s, exceptionDesc=%s]%n", track.group, track.type.rawValue,
            track.reason ?? "null")
    }
}

private func json(of message: MessageExt, _ tracks: [JSON]) -> JSON {
    .members([
        ("msgId", .string(message.messageID)), ("offsetMsgId", .string(message.offsetMessageID)),
        ("topic", .string(message.topic)), ("tags", JSON(message.tags)), ("keys", JSON(message.keys)),
        ("queueId", .integer(Int64(message.queueID))), ("queueOffset", .integer(message.queueOffset)),
        ("commitLogOffset", .integer(message.commitLogOffset)),
        ("reconsumeTimes", .integer(Int64(message.reconsumeTimes))),
        ("bornTimestamp", .integer(message.bornTimestamp.rawValue)),
        ("storeTimestamp", .integer(message.storeTimestamp.rawValue)),
        ("bornHost", .string(message.bornHost.description)), ("storeHost", .string(message.storeHost.description)),
        ("sysFlag", .integer(Int64(message.sysFlag.rawValue))),
        ("properties", .members(message.properties.entries.map { ($0.name, .string($0.value)) })),
        ("body", .string(String(decoding: message.body, as: UTF8.self))), ("tracks", .array(tracks)),
    ])
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
        ("Properties:", message.shownProperties.description),
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
