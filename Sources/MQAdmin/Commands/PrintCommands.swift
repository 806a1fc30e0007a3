import MQProtocol
import RocketMQClient

let printCommands: [Command] = [
    Command(
        "printMsg", "Print Message Detail.",
        [
            .value("t", "topic", "topic name", required: true),
            .value("s", "subExpression", "Subscribe Expression eg: TagA || TagB"),
            .value("b", "beginTimestamp", "Begin timestamp(ms)"),
            .value("e", "endTimestamp", "End timestamp(ms)"),
            .value("d", "printBody", "print body. eg: true | false(default)"),
        ], run: printMessages)
]

@Sendable private func printMessages(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let topic = try arguments.text("t")
    let route = try await admin.link.route(of: topic)
    let begin = try arguments.integer("b")
    let end = try arguments.integer("e")
    let showsBody = try arguments.bool("d") ?? false
    for data in route.queueDatas.sorted(by: { $0.brokerName < $1.brokerName }) where data.perm.contains(.read) {
        guard let address = route.brokerDatas.first(where: { $0.brokerName == data.brokerName })?.anyAddress else {
            continue
        }
        for queueID in 0..<max(0, data.readQueueNums) {
            let queue = MessageQueue(topic: topic, brokerName: data.brokerName, queueID: queueID)
            var first = try await admin.link.minOffset(of: queue, at: address)
            var last = try await admin.link.maxOffset(of: queue, at: address)
            if let begin { first = max(first, try await admin.link.offset(in: queue, storedAt: begin, at: address)) }
            if let end { last = min(last, try await admin.link.offset(in: queue, storedAt: end, at: address)) }
            output.print("minOffset=%s, maxOffset=%s, %s%n", first, last, text(of: queue))
            try await printQueue(queue, first..<max(first, last), address, arguments["s"], showsBody, admin, output)
        }
    }
}

private func text(of queue: MessageQueue) -> String {
    "MessageQueue [topic=\(queue.topic), brokerName=\(queue.brokerName), queueId=\(queue.queueID)]"
}

private func printQueue(
    _ queue: MessageQueue, _ offsets: Range<Int64>, _ address: String, _ expression: String?, _ showsBody: Bool,
    _ admin: Admin, _ output: Output
) async throws(ClientError) {
    var next = offsets.lowerBound
    while next < offsets.upperBound {
        var request = PullRequest(group: Admin.toolsGroup, queue: queue, offset: next)
        request.subscription = SubscriptionData(topic: queue.topic, subString: expression ?? "*")
        let result = try await admin.link.pull(request, at: address)
        for message in result.messages where message.queueOffset < offsets.upperBound {
            let body = showsBody ? String(decoding: message.body, as: UTF8.self) : "NOT PRINT BODY"
            output.print("MSGID: %s %s BODY: %s%n", message.messageID, message.description, body)
        }
        guard result.status != .nothingNew, result.next > next else { return }
        next = result.next
    }
}
