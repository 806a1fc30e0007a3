import MQBase
import MQJSON
import MQProtocol
import MQSystem
import RocketMQClient

private let times: [CommandOption] = [
    .value("b", "beginTimestamp", "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
    .value("e", "endTimestamp", "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
]

let printCommands: [Command] = [
    .listing(
        "printMsg", "Print Message Detail.",
        times + [
            .value("t", "topic", "topic name", required: true),
            .value("c", "charsetName", "CharsetName, only UTF-8"),
            .value("s", "subExpression", "Subscribe Expression eg: TagA || TagB"),
            .value("d", "printBody", "print body. eg: true | false(default)"),
            .value("l", "lmqParentTopic", "Lmq parent topic, lmq is used to find the route."),
        ], run: printMessages),
    .listing(
        "printMsgByQueue", "Print Message Detail by queueId.",
        times + [
            .value("t", "topic", "topic name", required: true),
            .value("a", "brokerName", "broker name", required: true),
            .value("i", "queueId", "queue id", required: true), .value("c", "charsetName", "CharsetName, only UTF-8"),
            .value("s", "subExpression", "Subscribe Expression(eg: TagA || TagB)"),
            .value("p", "print msg", "print msg. eg: true | false(default)"),
            .value("d", "printBody", "print body. eg: true | false(default)"),
            .value("f", "calculate", "calculate by tag. eg: true | false(default)"),
        ], run: printQueueMessages),
    .listing(
        "consumeMessage", "Consume message.",
        [
            .value("t", "topic", "Topic name", required: true), .value("b", "brokerName", "Broker name"),
            .value("i", "queueId", "Queue Id"), .value("o", "offset", "Queue offset"),
            .value("g", "consumerGroup", "Consumer group name"),
            .value("s", "beginTimestamp", "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
            .value("e", "endTimestamp", "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
            .value("c", "MessageNumber", "Number of message to be consumed"),
        ], run: consumeMessages),
]

/// Part of a queue that is to be read.
private struct QueuePart {
    let queue: MessageQueue
    let address: String
    var offsets: Range<Int64>

    /// The part between two moments; all of the queue without them.
    init(
        _ queue: MessageQueue, at address: String, from begin: Int64?, to end: Int64?, _ admin: Admin
    ) async throws(ClientError) {
        self.queue = queue
        self.address = address
        var first = max(0, try await admin.link.minOffset(of: queue, at: address))
        var last = try await admin.link.maxOffset(of: queue, at: address)
        if let begin { first = max(first, try await admin.link.offset(in: queue, storedAt: begin, at: address)) }
        if let end { last = min(last, try await admin.link.offset(in: queue, storedAt: end, at: address)) }
        offsets = first..<max(first, last)
    }
}

/// The queue that options name, at its broker.
private func queue(
    _ topic: String, _ broker: String, _ queueID: Int64, _ admin: Admin
) async throws(ClientError) -> (queue: MessageQueue, address: String) {
    let route = try await admin.link.route(of: topic)
    guard let address = route.brokerDatas.first(where: { $0.brokerName == broker })?.anyAddress else {
        throw .brokerNotFound(broker)
    }
    return (MessageQueue(topic: topic, brokerName: broker, queueID: Int(clamping: queueID)), address)
}

/// Calls `body` with the messages of a part, in order, as many at a time as one pull brings, and `orNothing` with a pull
/// that brought none.
private func read(
    _ part: QueuePart, group: String = Admin.toolsGroup, expression: String? = nil, _ admin: Admin,
    orNothing: (PullResult) -> Void = { _ in }, _ body: ([MessageExt]) -> Void
) async throws(ClientError) {
    var next = part.offsets.lowerBound
    while next < part.offsets.upperBound {
        var request = PullRequest(group: group, queue: part.queue, offset: next)
        request.messagesMax = Int(clamping: min(32, part.offsets.upperBound - next))
        request.subscription = SubscriptionData(topic: part.queue.topic, subString: expression ?? "*")
        let result = try await admin.link.pull(request, at: part.address)
        let messages = result.messages.filter { $0.queueOffset < part.offsets.upperBound }
        if result.status == .found { body(messages) } else { orNothing(result) }
        guard result.status != .nothingNew, result.next > next else { return }
        next = result.next
    }
}

private func show(_ message: MessageExt, showsBody: Bool, _ output: Output) {
    let body = showsBody ? String(decoding: message.body, as: UTF8.self) : "NOT PRINT BODY"
    guard output.isJSON else {
        return output.print("MSGID: %s %s BODY: %s%n", message.messageID, message.description, body)
    }
    output.item(
        "messages",
        [
            "msgId": .string(message.messageID), "brokerName": .string(message.brokerName),
            "queueId": .integer(Int64(message.queueID)), "queueOffset": .integer(message.queueOffset),
            "storeTimestamp": .integer(message.storeTimestamp.rawValue), "tags": JSON(message.tags),
            "keys": JSON(message.keys), "body": showsBody ? .string(body) : .null,
        ], "")
}

private func checkCharset(_ arguments: CommandArguments) throws(ClientError) {
    guard let name = arguments["c"], name.uppercased() != "UTF-8" else { return }
    throw .invalid("option -c: bodies are printed as UTF-8 only, not as \(name)")
}

@Sendable private func printMessages(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    try checkCharset(arguments)
    let (begin, end) = (try arguments.time("b"), try arguments.time("e"))
    let showsBody = try arguments.bool("d") ?? false
    output.list("messages")
    for (queue, address) in try await admin.readableQueues(of: try arguments.text("t"), via: arguments["l"]) {
        let part = try await QueuePart(queue, at: address, from: begin, to: end, admin)
        output.decorate(
            "minOffset=%s, maxOffset=%s, %s%n", part.offsets.lowerBound, part.offsets.upperBound, javaText(of: queue))
        try await read(part, expression: arguments["s"], admin) { result in
            output.decorate(
                "%s %s. status=%s, offset=%s%n", javaText(of: queue),
                result.status == .noMatch ? "no matched msg" : "print msg finished", result.status.rawValue,
                result.next)
        } _: { messages in
            for message in messages { show(message, showsBody: showsBody, output) }
            output.flush()
        }
        output.decorate("%s%n", String(repeating: "-", count: 56))
    }
}

@Sendable private func printQueueMessages(
    _ arguments: CommandArguments, _ admin: Admin, _ output: Output
) async throws {
    try checkCharset(arguments)
    let (queue, address) = try await queue(
        try arguments.text("t"), try arguments.text("a"), try arguments.integer("i") ?? 0, admin)
    let part = try await QueuePart(
        queue, at: address, from: try arguments.time("b"), to: try arguments.time("e"), admin)
    let printsMessages = try arguments.bool("p") ?? false
    let showsBody = try arguments.bool("d") ?? false
    let countsTags = try arguments.bool("f") ?? false
    var counts: [String: Int64] = [:]
    if printsMessages { output.list("messages") }
    try await read(part, expression: arguments["s"], admin) { messages in
        for message in messages {
            if let tag = message.tags, !trimmed(tag).isEmpty { counts[tag, default: 0] += 1 }
            if printsMessages { show(message, showsBody: showsBody, output) }
        }
        if printsMessages { output.flush() }
    }
    guard countsTags else { return }
    let table = output.table("tags", header: nil, row: "Tag: %-30s Count: %s%n", ["Tag": "tag", "Count": "count"])
    for (tag, count) in counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) { table.row(tag, count) }
}

@Sendable private func consumeMessages(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let topic = try arguments.text("t")
    let count = try arguments.integer("c") ?? 128
    guard count > 0 else { throw ClientError.invalid("Please input a positive messageNumber!") }
    let (begin, end) = (try arguments.time("s"), try arguments.time("e"))
    let now = SystemClock.wall().rawValue
    if let begin, begin > now { throw ClientError.invalid("Please set the beginTimestamp before now!") }
    if let end, end > now { throw ClientError.invalid("Please set the endTimestamp before now!") }
    if let begin, let end, begin > end {
        throw ClientError.invalid(
            "Please make sure that the beginTimestamp is less than or equal to the endTimestamp")
    }
    let parts = try await parts(arguments, topic, from: begin, to: end, admin)
    var left = count
    output.list("messages")
    for var part in parts where left > 0 {
        let available = part.offsets.upperBound - part.offsets.lowerBound
        if available > left {
            output.decorate(
                arguments.has("i")
                    ? "The oldler %d message will be provided%n"
                    : "The older %d message of the %d queue will be provided%n", left, part.queue.queueID)
            part.offsets = part.offsets.lowerBound..<part.offsets.lowerBound + left
        }
        left -= min(available, left)
        try await read(part, group: arguments["g"] ?? Admin.toolsGroup, admin) { messages in
            output.decorate("Consume ok%n")
            for message in messages { show(message, showsBody: true, output) }
            output.flush()
        }
    }
}

/// What is to be consumed: all queues of a topic, one broker's, or one queue from an offset on.
private func parts(
    _ arguments: CommandArguments, _ topic: String, from begin: Int64?, to end: Int64?, _ admin: Admin
) async throws(ClientError) -> [QueuePart] {
    let offset = try arguments.integer("o")
    guard let queueID = try arguments.integer("i") else {
        guard offset == nil else { throw .invalid("Please set queueId before offset!") }
        var parts: [QueuePart] = []
        for (queue, address) in try await admin.readableQueues(of: topic)
        where arguments["b"] == nil || arguments["b"] == queue.brokerName {
            parts.append(try await QueuePart(queue, at: address, from: begin, to: end, admin))
        }
        if parts.isEmpty, let broker = arguments["b"] { throw .brokerNotFound(broker) }
        return parts
    }
    guard let broker = arguments["b"] else { throw .invalid("Please set the brokerName before queueId!") }
    let (queue, address) = try await queue(topic, broker, queueID, admin)
    var part = try await QueuePart(queue, at: address, from: begin, to: end, admin)
    if let offset {
        guard offset <= part.offsets.upperBound else {
            throw .invalid("\(javaText(of: queue)) no matched msg, offset=\(offset)")
        }
        part.offsets = max(part.offsets.lowerBound, offset)..<part.offsets.upperBound
    }
    return [part]
}
