import MQJSON
import MQProtocol
import RocketMQClient

let groupCommands: [Command] = [
    Command(
        "updateSubGroup", "Update or create subscription group.",
        [
            .value("b", "brokerAddr", "create subscription group to which broker", group: "target"),
            .value("c", "clusterName", "create subscription group to which cluster", group: "target"),
            .value("g", "groupName", "consumer group name", required: true),
            .value("s", "consumeEnable", "consume enable"),
            .value("m", "consumeFromMinEnable", "from min offset"),
            .value("d", "consumeBroadcastEnable", "broadcast"),
            .value("o", "consumeMessageOrderly", "consume message orderly"),
            .value("q", "retryQueueNums", "retry queue nums"),
            .value("r", "retryMaxTimes", "retry max times"),
            .value("p", "groupRetryPolicy", "the json string of retry policy"),
            .value("i", "brokerId", "consumer from which broker id"),
            .value("w", "whichBrokerWhenConsumeSlowly", "which broker id when consume slowly"),
            .value("a", "notifyConsumerIdsChanged", "notify consumerId changed"),
        ], run: updateGroup),
    Command(
        "deleteSubGroup", "Delete subscription group from broker.",
        [
            .value("b", "brokerAddr", "delete subscription group from which broker", group: "target"),
            .value("c", "clusterName", "delete subscription group from which cluster", group: "target"),
            .value("g", "groupName", "subscription group name", required: true),
            .value("r", "removeOffset", "remove offset"),
        ], run: deleteGroup),
    Command(
        "consumerProgress", "Query consumer's progress, speed.",
        [
            .value("g", "groupName", "consumer group name"), .value("t", "topicName", "topic name"),
            .value("s", "showClientIP", "Show Client IP per Queue"),
            .value("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        ]
    ) { arguments, admin, output in
        if let group = arguments["g"] {
            try await oneProgress(group, arguments, admin, output)
        } else {
            try await allProgress(admin, output)
        }
    },
]

@Sendable private func updateGroup(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let addresses = try await admin.masters(arguments)
    let name = try arguments.text("g")
    for address in addresses {
        // What is not given stays as it is at that broker.
        var group = try await admin.group(name, at: address) ?? newGroup(name)
        try change(&group, arguments)
        try await admin.update(group, at: address)
        output.print("create subscription group to %s success.%n", address)
        if address == addresses.last { output.print("%s%n", group.javaText) }
    }
}

/// A new group, with the command's own defaults.
private func newGroup(_ name: String) -> SubscriptionGroupConfig {
    var group = SubscriptionGroupConfig(groupName: name)
    group.consumeBroadcastEnable = false
    group.consumeFromMinEnable = false
    return group
}

private func change(_ group: inout SubscriptionGroupConfig, _ arguments: CommandArguments) throws(ClientError) {
    group.consumeEnable = try arguments.bool("s") ?? group.consumeEnable
    group.consumeFromMinEnable = try arguments.bool("m") ?? group.consumeFromMinEnable
    group.consumeBroadcastEnable = try arguments.bool("d") ?? group.consumeBroadcastEnable
    group.consumeMessageOrderly = try arguments.bool("o") ?? group.consumeMessageOrderly
    group.notifyConsumerIdsChangedEnable = try arguments.bool("a") ?? group.notifyConsumerIdsChangedEnable
    if let count = try arguments.integer("q") { group.retryQueueNums = Int(clamping: count) }
    if let count = try arguments.integer("r") { group.retryMaxTimes = Int(clamping: count) }
    if let id = try arguments.integer("i") { group.brokerID = id }
    if let id = try arguments.integer("w") { group.whichBrokerWhenConsumeSlowly = id }
    guard let policy = arguments["p"] else { return }
    do throws(JSONError) {
        group.groupRetryPolicy = try JSON(parsing: policy)
    } catch {
        throw .invalid("option -p expects the JSON text of a retry policy: \(error)")
    }
}

extension SubscriptionGroupConfig {
    /// As Java prints it; the retry policy as JSON.
    var javaText: String {
        let attributes = self.attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return "SubscriptionGroupConfig{groupName=\(groupName), consumeEnable=\(consumeEnable), "
            + "consumeFromMinEnable=\(consumeFromMinEnable), consumeBroadcastEnable=\(consumeBroadcastEnable), "
            + "consumeMessageOrderly=\(consumeMessageOrderly), retryQueueNums=\(retryQueueNums), "
            + "retryMaxTimes=\(retryMaxTimes), groupRetryPolicy=\(groupRetryPolicy), brokerId=\(brokerID), "
            + "whichBrokerWhenConsumeSlowly=\(whichBrokerWhenConsumeSlowly), "
            + "notifyConsumerIdsChangedEnable=\(notifyConsumerIdsChangedEnable), groupSysFlag=\(groupSysFlag), "
            + "consumeTimeoutMinute=\(consumeTimeoutMinute), subscriptionDataSet=\(subscriptionDataSet ?? .null), "
            + "attributes={\(attributes.joined(separator: ", "))}}"
    }
}

@Sendable private func deleteGroup(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let group = try arguments.text("g")
    let cleanOffset = try arguments.bool("r") ?? false
    if let address = arguments["b"] {
        try await admin.deleteGroup(group, cleanOffset: cleanOffset, at: address)
        output.print("delete subscription group [%s] from broker [%s] success.%n", group, address)
        return
    }
    let cluster = try arguments.text("c")
    for address in try await admin.masters(ofCluster: cluster) {
        try await admin.deleteGroup(group, cleanOffset: cleanOffset, at: address)
        output.print(
            "delete subscription group [%s] from broker [%s] in cluster [%s] success.%n", group, address, cluster)
    }
    try await deleteTopic(Admin.retryPrefix + group, cluster, admin, output)
    try await deleteTopic(Admin.deadLetterPrefix + group, cluster, admin, output)
}

// MARK: - Progress

private func oneProgress(
    _ group: String, _ arguments: CommandArguments, _ admin: Admin, _ output: Output
) async throws {
    let showsIP = try arguments.bool("s") ?? false
    let stats = try await admin.progress(of: group, topic: arguments["t"])
    let clients = showsIP ? await clientsByQueue(group, admin) : [:]
    let ipColumn = showsIP ? "%-20s " : ""
    var header: [any JavaFormattable] = ["#Topic", "#Broker Name", "#QID", "#Broker Offset", "#Consumer Offset"]
    if showsIP { header.append("#Client IP") }
    header += ["#Diff", "#Inflight", "#LastTime"] as [any JavaFormattable]
    output.put(javaFormat("%-64s  %-32s  %-4s  %-20s  %-20s  \(ipColumn)%-20s %-20s%s%n", header))
    var diffTotal: Int64 = 0
    var inflightTotal: Int64 = 0
    for (queue, progress) in stats.offsetTable.sorted(by: { $0.key < $1.key }) {
        if let topic = arguments["t"], queue.topic != topic { continue }
        let diff = progress.brokerOffset - progress.consumerOffset
        let inflight = progress.pullOffset - progress.consumerOffset
        diffTotal += diff
        inflightTotal += inflight
        var row: [any JavaFormattable] = [
            shortened(queue.topic, 64), shortened(queue.brokerName, 32), queue.queueID, progress.brokerOffset,
            progress.consumerOffset,
        ]
        if showsIP { row.append(clients[queue] ?? "N/A") }
        row +=
            [diff, inflight, progress.lastTimestamp > 0 ? secondsText(progress.lastTimestamp) : "N/A"]
            as [any JavaFormattable]
        output.put(javaFormat("%-64s  %-32s  %-4d  %-20d  %-20d  \(ipColumn)%-20d %-20d %s%n", row))
    }
    output.print("%n")
    output.print("Consume TPS: %.2f%n", stats.consumeTps)
    output.print("Consume Diff Total: %d%n", diffTotal)
    output.print("Consume Inflight Total: %d%n", inflightTotal)
}

/// Which client's address holds which queue. A client that does not answer leaves `N/A`.
private func clientsByQueue(_ group: String, _ admin: Admin) async -> [MessageQueue: String] {
    var clients: [MessageQueue: String] = [:]
    for connection in (try? await admin.consumers(of: group))?.connectionSet ?? [] {
        let ip = String(connection.clientID.prefix { $0 != "@" })
        for queue in (try? await admin.queues(ofClient: connection.clientID, group: group)) ?? [] {
            clients[queue] = ip
        }
    }
    return clients
}

private func allProgress(_ admin: Admin, _ output: Output) async throws {
    output.print(
        "%-64s  %-6s  %-24s %-5s  %-14s  %-7s  %s%n", "#Group", "#Count", "#Version", "#Type", "#Model", "#TPS",
        "#Diff Total")
    for topic in try await admin.topics().sorted() where topic.hasPrefix(Admin.retryPrefix) {
        let group = String(topic.dropFirst(Admin.retryPrefix.count))
        let consumers = try? await admin.consumers(of: group)  // nobody connected: shown as OFFLINE
        guard let stats = try? await admin.progress(of: group) else { continue }  // its broker is away
        let diff = stats.offsetTable.values.reduce(0) { $0 + $1.brokerOffset - $1.consumerOffset }
        let connections = consumers?.connectionSet ?? []
        let version = connections.map(\.version).min().map { ProtocolVersion.text(Int32(clamping: $0)) } ?? "OFFLINE"
        let isPush = consumers.map { $0.consumeType == .passively } ?? false
        output.print(
            "%-64s  %-6d  %-24s %-5s  %-14s  %-7d  %d%n", shortened(group, 64), connections.count, version,
            connections.isEmpty ? "" : isPush ? "PUSH" : "PULL",
            connections.isEmpty || !isPush ? "" : consumers?.messageModel.rawValue ?? "", Int(stats.consumeTps), diff)
    }
}
