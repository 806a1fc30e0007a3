import MQJSON
import MQProtocol
import RocketMQClient

let offsetCommands: [Command] = [
    Command(
        "resetOffsetByTime", "Reset consumer offset by timestamp(without client restart).",
        [
            .value("g", "group", "set the consumer group", required: true),
            .value("t", "topic", "set the topic", required: true),
            .value(
                "s", "timestamp", "set the timestamp[now|currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]", required: true),
            .value("f", "force", "set the force rollback by timestamp switch[true|false]. Deprecated."),
            .value("b", "broker", "broker addr"), .value("q", "queue", "queue id"),
            .value("o", "offset", "Expect queue offset, not support old version broker"), .cluster,
            .flag("cplus", "cplus", "reset c++ client offset. Deprecated: clients of all languages are told alike"),
        ], run: resetByTime),
    Command(
        "skipAccumulatedMessage", "Skip all messages that are accumulated (not consumed) currently.",
        [
            .value("g", "group", "set the consumer group", required: true),
            .value("t", "topic", "set the topic", required: true),
            .value("f", "force", "set the force rollback by timestamp switch[true|false]"), .cluster,
        ]
    ) { arguments, admin, output in
        let reset = try Reset(arguments, to: -1)
        try await run(reset, admin, output, lastTitle: "#rollbackOffset") { _ in }
    },
    Command(
        "cloneGroupOffset", "Clone offset from other group.",
        [
            .value("s", "srcGroup", "set source consumer group", required: true),
            .value("d", "destGroup", "set destination consumer group", required: true),
            .value("t", "topic", "set the topic", required: true),
            .value("o", "offline", "the group or the topic is offline"),
        ]
    ) { arguments, admin, output in
        let (source, destination) = (try arguments.text("s"), try arguments.text("d"))
        let topic = try arguments.text("t")
        let count = try await admin.cloneOffsets(from: source, to: destination, topic: topic)
        guard count > 0 else {
            throw ClientError.invalid("the group \(source) has no progress in the topic \(topic); nothing was cloned")
        }
        output.print(
            "clone group offset success. srcGroup[%s], destGroup=[%s], topic[%s]%n", source, destination, topic)
    },
]

/// What is to be reset.
private struct Reset {
    let group: String
    let topic: String
    /// -1: to the end.
    let timestamp: Int64
    let force: Bool
    let cluster: String?

    init(_ arguments: CommandArguments, to timestamp: Int64) throws(ClientError) {
        group = try arguments.text("g")
        topic = try arguments.text("t")
        self.timestamp = timestamp
        force = try arguments.bool("f") ?? true
        cluster = arguments["c"]
    }
}

@Sendable private func resetByTime(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let (group, topic, spelled) = (try arguments.text("g"), try arguments.text("t"), try arguments.text("s"))
    let timestamp = spelled == "-1" ? -1 : try moment(spelled)
    let queueID = try arguments.integer("q")
    if let address = arguments["b"], let queueID {
        output.print(
            "start reset consumer offset by specified, group[%s], topic[%s], queueId[%s], broker[%s], "
                + "timestamp(string)[%s], timestamp(long)[%s]%n", group, topic, queueID, address, spelled, timestamp)
        let queue = MessageQueue(topic: topic, brokerName: "", queueID: Int(clamping: queueID))
        let offset: Int64
        if let given = try arguments.integer("o") {
            offset = given
        } else if timestamp == -1 {
            offset = try await admin.link.maxOffset(of: queue, at: address)
        } else {
            offset = try await admin.link.offset(in: queue, storedAt: timestamp, at: address)
        }
        try await admin.resetOffset(of: group, topic: topic, queueID: queue.queueID, to: offset, at: address)
        return output.value("offset", .integer(offset), "reset consumer offset to %d%n", offset)
    }
    guard arguments["b"] == nil, queueID == nil, arguments["o"] == nil else {
        throw ClientError.invalid("options -b and -q belong together, and -o to them: one queue of one broker")
    }
    let reset = try Reset(arguments, to: timestamp)
    try await run(reset, admin, output, lastTitle: "#resetOffset") { isOld in
        output.print(
            isOld
                ? "reset consumer offset by specified consumerGroup[%s], topic[%s], force[%s], timestamp(string)[%s], "
                    + "timestamp(long)[%s]%n"
                : "start reset consumer offset by specified, group[%s], topic[%s], force[%s], timestamp(string)[%s], "
                    + "timestamp(long)[%s]%n", group, topic, reset.force, spelled, timestamp)
    }
}

/// Resets at the brokers, or by itself if they want a member of the group and none is there.
/// - Parameter announce: prints what is done, before the table; gets whether it was done by itself.
private func run(
    _ reset: Reset, _ admin: Admin, _ output: Output, lastTitle: String, _ announce: (Bool) -> Void
) async throws(ClientError) {
    let table: [MessageQueue: Int64]
    do throws(ClientError) {
        table = try await admin.resetOffsets(
            of: reset.group, topic: reset.topic, to: reset.timestamp, force: reset.force, via: reset.cluster)
    } catch {
        guard case .refused(_, ResponseCode.consumerNotOnline.rawValue, _) = error else { throw error }
        return try await runByItself(reset, admin, output, lastTitle, announce)
    }
    announce(false)
    let rows = output.table(
        "queues", header: "%-40s  %-40s  %-40s%n", row: "%-40s  %-40d  %-40d%n",
        ["#brokerName": "brokerName", "#queueId": "queueId", "#offset": "offset"])
    for (queue, offset) in table.sorted(by: { $0.key < $1.key }) {
        rows.row(shown(queue.brokerName, 32), queue.queueID, offset)
    }
}

private func runByItself(
    _ reset: Reset, _ admin: Admin, _ output: Output, _ lastTitle: String, _ announce: (Bool) -> Void
) async throws(ClientError) {
    let rollbacks = try await admin.rollBack(
        reset.group, topic: reset.topic, to: reset.timestamp, force: reset.force, via: reset.cluster)
    announce(true)
    let pattern = "%-20s  %-20s  %-20s  %-20s  %-20s  %-20s%n"
    let titles: KeyValuePairs = [
        "#brokerName": "brokerName", "#queueId": "queueId", "#brokerOffset": "brokerOffset",
        "#consumerOffset": "consumerOffset", "#timestampOffset": "timestampOffset", lastTitle: "resetOffset",
    ]
    let rows = output.table("queues", header: pattern, row: pattern, titles)
    for rollback in rollbacks {
        rows.row(
            shown(rollback.queue.brokerName, 32), rollback.queue.queueID, rollback.brokerOffset,
            rollback.consumerOffset, rollback.timestampOffset, rollback.resetOffset)
    }
}
