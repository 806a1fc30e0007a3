import MQJSON
import MQProtocol
import RocketMQClient

let progressCommands: [Command] = [
    .listing(
        "consumerProgress", "Query consumer's progress, speed.",
        [
            .value("g", "groupName", "consumer group name"), .value("t", "topicName", "topic name"),
            .value("s", "showClientIP", "Show Client IP per Queue"), .cluster,
        ]
    ) { arguments, admin, output in
        if let group = arguments["g"] {
            try await oneProgress(group, arguments, admin, output)
        } else {
            try await allProgress(admin, output)
        }
    },
    .listing(
        "brokerConsumeStats", "Fetch broker consume stats data.",
        [
            .value("b", "brokerAddr", "Broker address", required: true),
            .value("t", "timeoutMillis", "request timeout Millis"),
            .value("l", "level", "threshold of print diff"), .value("o", "order", "order topic"),
        ], run: brokerProgress),
]

/// The columns that have a queue's progress; the client's address among them if it is wanted.
private func progressTable(_ output: Output, showsIP: Bool) -> TableOutput {
    guard showsIP else {
        return output.table(
            "queues", header: "%-64s  %-32s  %-4s  %-20s  %-20s  %-20s %-20s%s%n",
            row: "%-64s  %-32s  %-4d  %-20d  %-20d  %-20d %-20d %s%n",
            [
                "#Topic": "topic", "#Broker Name": "brokerName", "#QID": "queueId", "#Broker Offset": "brokerOffset",
                "#Consumer Offset": "consumerOffset", "#Diff": "diff", "#Inflight": "inflight",
                "#LastTime": "lastTimestamp",
            ])
    }
    return output.table(
        "queues", header: "%-64s  %-32s  %-4s  %-20s  %-20s  %-20s %-20s %-20s%s%n",
        row: "%-64s  %-32s  %-4d  %-20d  %-20d  %-20s %-20d %-20d %s%n",
        [
            "#Topic": "topic", "#Broker Name": "brokerName", "#QID": "queueId", "#Broker Offset": "brokerOffset",
            "#Consumer Offset": "consumerOffset", "#Client IP": "clientIP", "#Diff": "diff", "#Inflight": "inflight",
            "#LastTime": "lastTimestamp",
        ])
}

private func oneProgress(
    _ group: String, _ arguments: CommandArguments, _ admin: Admin, _ output: Output
) async throws(ClientError) {
    let showsIP = try arguments.bool("s") ?? false
    let stats = try await admin.progress(of: group, topic: arguments["t"], via: arguments["c"])
    let clients = showsIP ? try await clientsByQueue(group, admin) : [:]
    let table = progressTable(output, showsIP: showsIP)
    var diffTotal: Int64 = 0
    var inflightTotal: Int64 = 0
    for (queue, progress) in stats.offsetTable.sorted(by: { $0.key < $1.key }) {
        if let topic = arguments["t"], queue.topic != topic { continue }
        let diff = progress.brokerOffset.minus(progress.consumerOffset)
        let inflight = progress.pullOffset.minus(progress.consumerOffset)
        diffTotal = diffTotal.plus(diff)
        inflightTotal = inflightTotal.plus(inflight)
        let last = time(progress.lastTimestamp, secondsText, none: "N/A")
        let (topic, broker) = (shown(queue.topic, 64), shown(queue.brokerName, 32))
        if showsIP {
            table.row(
                topic, broker, queue.queueID, progress.brokerOffset, progress.consumerOffset, clients[queue] ?? "N/A",
                diff, inflight, last)
        } else {
            table.row(
                topic, broker, queue.queueID, progress.brokerOffset, progress.consumerOffset, diff, inflight, last)
        }
    }
    output.decorate("%n")
    output.value("consumeTps", .number(stats.consumeTps), "Consume TPS: %.2f%n", stats.consumeTps)
    output.value("diffTotal", .integer(diffTotal), "Consume Diff Total: %d%n", diffTotal)
    output.value("inflightTotal", .integer(inflightTotal), "Consume Inflight Total: %d%n", inflightTotal)
}

/// Which client's address holds which queue. A client that does not answer leaves `N/A`.
private func clientsByQueue(_ group: String, _ admin: Admin) async throws(ClientError) -> [MessageQueue: String] {
    var clients: [MessageQueue: String] = [:]
    guard let consumers = try await present(group, admin) else { return [:] }
    for connection in consumers.connectionSet {
        let ip = String(connection.clientID.prefix { $0 != "@" })
        for queue in (try? await admin.queues(ofClient: connection.clientID, group: group)) ?? [] {
            clients[queue] = ip
        }
    }
    return clients
}

/// The group's members; `nil` if none is connected.
private func present(_ group: String, _ admin: Admin) async throws(ClientError) -> ConsumerConnection? {
    do throws(ClientError) {
        return try await admin.consumers(of: group)
    } catch {
        if case .refused(_, ResponseCode.consumerNotOnline.rawValue, _) = error { return nil }
        throw error
    }
}

private func allProgress(_ admin: Admin, _ output: Output) async throws(ClientError) {
    let table = output.table(
        "groups", header: "%-64s  %-6s  %-24s %-5s  %-14s  %-7s  %s%n",
        row: "%-64s  %-6d  %-24s %-5s  %-14s  %-7d  %d%n",
        [
            "#Group": "group", "#Count": "count", "#Version": "version", "#Type": "type", "#Model": "model",
            "#TPS": "tps", "#Diff Total": "diffTotal",
        ])
    for topic in try await admin.topics().sorted() where topic.hasPrefix(Admin.retryPrefix) {
        let group = String(topic.dropFirst(Admin.retryPrefix.count))
        let stats: ConsumeStats
        let consumers: ConsumerConnection?
        do throws(ClientError) {
            (stats, consumers) = (try await admin.progress(of: group), try await present(group, admin))
        } catch {
            // A group whose progress no broker keeps (it broadcasts, or its retry topic has no broker left) is left out.
            switch error {
            case .refused, .topicNotFound: continue
            default: throw error
            }
        }
        let diff = stats.offsetTable.values.map { $0.brokerOffset.minus($0.consumerOffset) }.sum
        let connections = consumers?.connectionSet ?? []
        let version = connections.map(\.version).min().map { ProtocolVersion.text(Int32(clamping: $0)) } ?? "OFFLINE"
        let isPush = consumers.map { $0.consumeType == .passively } ?? false
        table.row(
            shown(group, 64), connections.count, version, connections.isEmpty ? "" : isPush ? "PUSH" : "PULL",
            connections.isEmpty || !isPush ? "" : consumers?.messageModel.rawValue ?? "",
            Cell(String(Int64(bounding: stats.consumeTps)), .number(stats.consumeTps)), diff)
    }
}

@Sendable private func brokerProgress(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let timeout = Duration.milliseconds(try arguments.integer("t") ?? 50_000)
    let level = try arguments.integer("l") ?? 0
    let list = try await admin.consumeStats(
        at: try arguments.text("b"), onlyOrdered: try arguments.bool("o") ?? false, timeout: timeout)
    let table = output.table(
        "queues", header: "%-64s  %-64s  %-32s  %-4s  %-20s  %-20s  %-20s  %s%n",
        row: "%-64s  %-64s  %-32s  %-4d  %-20d  %-20d  %-20d  %s%n",
        [
            "#Topic": "topic", "#Group": "group", "#Broker Name": "brokerName", "#QID": "queueId",
            "#Broker Offset": "brokerOffset", "#Consumer Offset": "consumerOffset", "#Diff": "diff",
            "#LastTime": "lastTimestamp",
        ])
    for group in list.groups {
        for (queue, progress) in group.stats.flatMap({ $0.offsetTable.sorted { $0.key < $1.key } }) {
            let diff = progress.brokerOffset.minus(progress.consumerOffset)
            // Java's command shows what was consumed at least once, and so does this one.
            guard diff >= level, progress.lastTimestamp > 0 else { continue }
            table.row(
                shown(queue.topic, 64), group.name, shown(queue.brokerName, 32), queue.queueID, progress.brokerOffset,
                progress.consumerOffset, diff, time(progress.lastTimestamp, secondsText, none: "-"))
        }
    }
    output.value("diffTotal", .integer(list.totalDiff), "%nDiff Total: %d%n", list.totalDiff)
}
