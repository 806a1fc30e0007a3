import MQJSON
import MQProtocol
import MQSystem
import RocketMQClient

let topicUpdateCommands: [Command] = [
    Command(
        "updateTopic", "Update or create topic.",
        CommandOption.target("create topic to which broker", "create topic to which cluster") + [
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
        "updateTopicList", "create or update topic in batch",
        CommandOption.target("create topic to which broker", "create topic to which cluster") + [
            .value("f", "filename", "Path to a file with list of TopicConfig in json format", required: true)
        ]
    ) { arguments, admin, output in
        let topics: [TopicConfig] = try bodies(inFile: try arguments.text("f"))
        for address in try await admin.masters(arguments) {
            try await admin.update(topics, at: address)
            output.print(
                "submit batch of topic config to %s success, please check the result later.%n", address)
        }
    },
    Command(
        "updateTopicPerm", "Update topic perm.",
        CommandOption.target("update perm at which broker", "update perm in which cluster") + [
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
        "updateOrderConf", "Create or update or delete order conf.",
        [
            .value("t", "topic", "topic name", required: true),
            .value("v", "orderConf", "set order conf [eg. brokerName1:num;brokerName2:num]"),
            .value("m", "method", "option type [eg. put|get|delete", required: true),
        ], run: updateOrder),
]

/// Most bytes of a file that an option names.
private let fileByteCountMax = 64 << 20

/// The values of a JSON list in a file.
/// - Throws: `invalid` if there is no such file, or it holds something else.
func bodies<Body: JSONBody>(inFile path: String) throws(ClientError) -> [Body] {
    do {
        guard let bytes = try File.contents(of: path, limit: fileByteCountMax) else {
            throw ClientError.invalid("the file path \(path) does not exists")
        }
        guard let list = try JSON(parsing: bytes).array else {
            throw ClientError.invalid("\(path) does not hold a JSON list")
        }
        return try list.map { try Body(json: $0) }
    } catch let error as ClientError {
        throw error
    } catch {
        throw .invalid("\(path) cannot be used: \(error)")
    }
}

@Sendable private func updateOrder(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let topic = try arguments.text("t")
    let namespace = "ORDER_TOPIC_CONFIG"
    switch try arguments.text("m") {
    case "get":
        let order = try await admin.value(of: topic, namespace: namespace)
        output.value(
            "orderConf", .string(order), "get orderConf success. topic=[%s], orderConf=[%s] %n", topic, order)
    case "put":
        guard let order = arguments["v"], !order.isEmpty else {
            throw ClientError.invalid("please set orderConf with option -v.")
        }
        try await admin.setOrder(order, ofTopic: topic)
        output.print("update orderConf success. topic=[%s], orderConf=[%s]%n", topic, order)
    case "delete":
        try await admin.setValue(nil, of: topic, namespace: namespace)
        output.print("delete orderConf success. topic=[%s]%n", topic)
    case let other: throw ClientError.invalid("option -m expects put, get or delete, not \(other)")
    }
}

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
        let isOne = arguments.has("b")
        guard data.perm != wanted || !isOne else {
            return output.print("new perm equals to the old one!%n")
        }
        let topic = TopicConfig(
            topicName: name, readQueueNums: data.readQueueNums, writeQueueNums: data.writeQueueNums, perm: wanted,
            topicSysFlag: data.topicSysFlag)
        try await admin.update(topic, at: address)
        await admin.waitForRoute(of: topic, at: [address])
        output.print(
            "update topic perm from %s to %s in %s success.%n", data.perm.rawValue, wanted.rawValue, address)
        if isOne { output.print("%s.%n", topic.description) }
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
    try await admin.deleteTopic(topic, atBrokers: try await admin.masters(ofCluster: cluster))
    output.print("delete topic [%s] from cluster [%s] success.%n", topic, cluster)
    try await admin.deleteTopic(topic, atNameServersFor: cluster)
    output.print("delete topic [%s] from NameServer success.%n", topic)
}
