import MQJSON
import MQProtocol
import RocketMQClient

let topicCommands: [Command] = [
    Command(
        "updateTopic", "Update or create topic.",
        [
            .value("b", "brokerAddr", "create topic to which broker", group: "target"),
            .value("c", "clusterName", "create topic to which cluster", group: "target"),
            .value("t", "topic", "topic name", required: true),
            .value("r", "readQueueNums", "set read queue nums"),
            .value("w", "writeQueueNums", "set write queue nums"),
            .value("p", "perm", "set topic's permission(2|4|6), intro[2:W 4:R; 6:RW]"),
            .value("o", "order", "set topic's order(true|false)"),
            .value("u", "unit", "is unit topic (true|false)"),
            .value("s", "hasUnitSub", "has unit sub (true|false)"),
            .value("a", "attributes", "attribute(+a=b,+c=d,-e)"),
        ], run: updateTopic),
    Command(
        "updateTopicPerm", "Update topic perm.",
        [
            .value("b", "brokerAddr", "update perm at which broker", group: "target"),
            .value("c", "clusterName", "update perm in which cluster", group: "target"),
            .value("t", "topic", "topic name", required: true),
            .value("p", "perm", "set topic's permission(2|4|6), intro[2:W; 4:R; 6:RW]", required: true),
        ], run: updatePermission),
    Command(
        "deleteTopic", "Delete topic from broker and NameServer.",
        [
            .value("t", "topic", "topic name", required: true),
            .value("c", "clusterName", "delete topic from which cluster", required: true),
        ], run: deleteTopic),
    Command(
        "topicList", "Fetch all topic list from name server.",
        [.flag("c", "clusterModel", "clusterModel")], run: topicList),
    Command(
        "topicRoute", "Examine topic route info.",
        [.value("t", "topic", "topic name", required: true), .flag("l", "list", "Use list format")], run: topicRoute),
    Command(
        "topicStatus", "Examine topic Status info.",
        [
            .value("t", "topic", "topic name", required: true),
            .value("c", "cluster", "cluster name or lmq parent topic, lmq is used to find the route."),
        ], run: topicStatus),
    Command(
        "topicClusterList", "Get cluster info for topic.", [.value("t", "topic", "topic name", required: true)]
    ) { arguments, admin, output in
        let route = try await admin.link.route(of: try arguments.text("t"))
        for cluster in Set(route.brokerDatas.map(\.cluster)).sorted() { output.print("%s%n", cluster) }
    },
]

@Sendable private func updateTopic(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    var topic = TopicConfig(topicName: try arguments.text("t"), readQueueNums: 8, writeQueueNums: 8)
    if let count = try arguments.integer("r") { topic.readQueueNums = Int(clamping: count) }
    if let count = try arguments.integer("w") { topic.writeQueueNums = Int(clamping: count) }
    if let perm = try arguments.integer("p") { topic.perm = TopicPermission(rawValue: Int(clamping: perm)) }
    let isUnit = try arguments.bool("u") ?? false
    let hasUnitSub = try arguments.bool("s") ?? false
    topic.topicSysFlag = (isUnit ? 1 : 0) | (hasUnitSub ? 2 : 0)
    topic.order = try arguments.bool("o") ?? false
    let attributes = arguments["a"] ?? ""
    let addresses = try await admin.masters(arguments)
    for address in addresses {
        try await admin.update(topic, attributes: attributes, at: address)
        output.print("create topic to %s success.%n", address)
    }
    await admin.waitForRoute(of: topic, at: addresses)
    if topic.order {
        let names = try await orderedBrokers(arguments, admin)
        let order = names.map { "\($0):\(topic.writeQueueNums)" }.joined(separator: ";")
        try await admin.setOrder(order, ofTopic: topic.topicName)
        output.print(
            "set %s orderConf. isOrder=%s, orderConf=[%s]%n", arguments.has("b") ? "broker" : "cluster", true, order)
    }
    topic.attributes = parsedAttributes(attributes)
    output.print("%s%n", topic.description)
}

@Sendable private func updatePermission(
    _ arguments: CommandArguments, _ admin: Admin, _ output: Output
) async throws {
    let name = try arguments.text("t")
    let route = try await admin.link.route(of: name)
    let wanted = TopicPermission(rawValue: Int(clamping: try arguments.integer("p") ?? 6))
    for address in try await admin.masters(arguments) {
        let broker = route.brokerDatas.first { $0.brokerAddrs[0] == address }?.brokerName
        guard let data = route.queueDatas.first(where: { $0.brokerName == broker }) else {
            guard arguments.has("b") else { continue }
            throw ClientError.invalid("the topic \(name) is not at the broker \(address), or that is no master")
        }
        guard data.perm != wanted else {
            output.print("new perm equals to the old one!%n")
            continue
        }
        let topic = TopicConfig(
            topicName: name, readQueueNums: data.readQueueNums, writeQueueNums: data.writeQueueNums, perm: wanted,
            topicSysFlag: data.topicSysFlag)
        try await admin.update(topic, at: address)
        await admin.waitForRoute(of: topic, at: [address])
        output.print(
            "update topic perm from %s to %s in %s success.%n", data.perm.rawValue, wanted.rawValue, address)
        output.print("%s.%n", topic.description)
    }
}

private func orderedBrokers(_ arguments: CommandArguments, _ admin: Admin) async throws(ClientError) -> [String] {
    let info = try await admin.clusterInfo()
    if let cluster = arguments["c"] { return info.clusterAddrTable[cluster]?.sorted() ?? [] }
    return info.brokerAddrTable.values.filter { $0.brokerAddrs.values.contains(arguments["b"] ?? "") }.map(\.brokerName)
}

/// `+a=b,+c=d,-e` as a table of what is set.
private func parsedAttributes(_ text: String) -> [String: String] {
    var table: [String: String] = [:]
    for item in text.split(separator: ",") where item.contains("=") {
        let parts = item.split(separator: "=", maxSplits: 1)
        if parts.count == 2 { table[String(parts[0])] = String(parts[1]) }
    }
    return table
}

@Sendable private func deleteTopic(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let topic = try arguments.text("t")
    let cluster = try arguments.text("c")
    try await deleteTopic(topic, cluster, admin, output)
}

/// Removes a topic from a cluster's masters and from the name servers.
func deleteTopic(_ topic: String, _ cluster: String, _ admin: Admin, _ output: Output) async throws(ClientError) {
    try await admin.deleteTopic(topic, atBrokers: try await admin.masters(ofCluster: cluster))
    output.print("delete topic [%s] from cluster [%s] success.%n", topic, cluster)
    try await admin.deleteTopic(topic, atNameServersFor: cluster)
    output.print("delete topic [%s] from NameServer success.%n", topic)
}

@Sendable private func topicList(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    guard arguments.has("c") else {
        for topic in try await admin.topics().sorted() { output.print("%s%n", topic) }
        return
    }
    output.print("%-20s  %-48s  %-48s%n", "#Cluster Name", "#Topic", "#Consumer Group")
    let info = try await admin.clusterInfo()
    for cluster in info.clusterAddrTable.keys.sorted() {
        for topic in try await admin.topics(ofCluster: cluster).sorted() {
            if topic.hasPrefix(Admin.retryPrefix) || topic.hasPrefix(Admin.deadLetterPrefix) { continue }
            let groups = (try? await admin.groups(consuming: topic)) ?? []  // a topic without a broker has none
            for group in groups.isEmpty ? [""] : groups.sorted() {
                output.print(
                    "%-20s  %-64s  %-64s%n", shortened(cluster, 20), shortened(topic, 64), shortened(group, 64))
            }
        }
    }
}

/// At most `count` characters. Source: `UtilAll.frontStringAtLeast`.
func shortened(_ text: String, _ count: Int) -> String { String(text.prefix(count)) }

@Sendable private func topicRoute(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let route = try await admin.link.route(of: try arguments.text("t"))
    guard arguments.has("l") else {
        output.print("%s%n", route.json.text(.pretty))
        return
    }
    let pattern = "%-45s %-32s %-50s %-10s %-11s %-5s%n"
    output.print(pattern, "#ClusterName", "#BrokerName", "#BrokerAddrs", "#ReadQueue", "#WriteQueue", "#Perm")
    var readCount = 0
    var writeCount = 0
    for data in route.queueDatas.sorted(by: { $0.brokerName < $1.brokerName }) {
        guard let broker = route.brokerDatas.first(where: { $0.brokerName == data.brokerName }) else { continue }
        let addresses = broker.brokerAddrs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        output.print(
            pattern, broker.cluster, broker.brokerName, "{" + addresses.joined(separator: ", ") + "}",
            data.readQueueNums, data.writeQueueNums, data.perm.rawValue)
        readCount += data.readQueueNums
        writeCount += data.writeQueueNums
    }
    output.print("%s%n", String(repeating: "-", count: 158))
    output.print(pattern, "Total:", Set(route.queueDatas.map(\.brokerName)).count, "", readCount, writeCount, "")
}

@Sendable private func topicStatus(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let stats = try await admin.stats(ofTopic: try arguments.text("t"))
    output.print(
        "%-32s  %-4s  %-20s  %-20s    %s%n", "#Broker Name", "#QID", "#Min Offset", "#Max Offset", "#Last Updated")
    for (queue, ends) in stats.offsetTable.sorted(by: { $0.key < $1.key }) {
        output.print(
            "%-32s  %-4d  %-20d  %-20d    %s%n", shortened(queue.brokerName, 32), queue.queueID, ends.minOffset,
            ends.maxOffset, ends.lastUpdateTimestamp > 0 ? timeText(ends.lastUpdateTimestamp) : "")
    }
    output.print("%n")
    output.print("Topic Put TPS: %s%n", JSON.number(stats.topicPutTps ?? 0).description)
}
