import MQJSON
import MQProtocol
import RocketMQClient

let groupCommands: [Command] = [
    Command(
        "updateSubGroup", "Update or create subscription group.",
        CommandOption.target("create subscription group to which broker", "create subscription group to which cluster")
            + [
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
        "updateSubGroupList", "Update or create subscription group in batch",
        CommandOption.target("create groups to which broker", "create groups to which cluster") + [
            .value(
                "f", "filename", "Path to a file with list of SubscriptionGroupConfig in json format", required: true)
        ]
    ) { arguments, admin, output in
        let groups: [SubscriptionGroupConfig] = try bodies(inFile: try arguments.text("f"))
        for address in try await admin.masters(arguments) {
            try await admin.update(groups, at: address)
            output.print(
                arguments.has("b")
                    ? "submit batch of group config to %s success, please check the result later.%n"
                    : "submit batch of subscription group config to %s success, please check the result later.%n",
                address)
        }
    },
    Command(
        "deleteSubGroup", "Delete subscription group from broker.",
        CommandOption.target(
            "delete subscription group from which broker", "delete subscription group from which cluster") + [
                .value("g", "groupName", "subscription group name", required: true),
                .value("r", "removeOffset", "remove offset"),
            ], run: deleteGroup),
    .listing(
        "getConsumerConfig", "Get consumer config by subscription group name.",
        [.value("g", "groupName", "subscription group name", required: true)], run: showGroup),
    Command(
        "setConsumeMode", "Set consume message mode. pull/pop etc.",
        CommandOption.target("create subscription group to which broker", "create subscription group to which cluster")
            + [
                .value("t", "topicName", "topic name", required: true),
                .value("g", "groupName", "consumer group name", required: true),
                .value("m", "mode", "consume mode. PULL/POP", required: true),
                .value("q", "popShareQueueNum", "num of queue which share in pop mode"),
            ]
    ) { arguments, admin, output in
        let (topic, group, mode) = (try arguments.text("t"), try arguments.text("g"), try arguments.text("m"))
        guard mode == "PULL" || mode == "POP" else {
            throw ClientError.invalid("option -m expects PULL or POP, not \(mode)")
        }
        let count = Int(clamping: try arguments.integer("q") ?? 0)
        for address in try await admin.masters(arguments) {
            try await admin.setRequestMode(mode, of: group, topic: topic, shareCount: count, at: address)
            output.print("set consume mode to %s success.%n", address)
        }
        output.print(
            "topic[%s] group[%s] consume mode[%s] popShareQueueNum[%d]%n", topic, group, mode, count)
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
    /// As Java prints it.
    var javaText: String {
        let attributes = self.attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return "SubscriptionGroupConfig{groupName=\(groupName), consumeEnable=\(consumeEnable), "
            + "consumeFromMinEnable=\(consumeFromMinEnable), consumeBroadcastEnable=\(consumeBroadcastEnable), "
            + "consumeMessageOrderly=\(consumeMessageOrderly), retryQueueNums=\(retryQueueNums), "
            + "retryMaxTimes=\(retryMaxTimes), groupRetryPolicy=\(retryPolicyText(groupRetryPolicy)), brokerId=\(brokerID), "
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
    let masters = try await admin.masters(ofCluster: cluster)
    for topic in [Admin.retryPrefix + group, Admin.deadLetterPrefix + group] {
        try await admin.deleteTopic(topic, atBrokers: masters)
        try await admin.deleteTopic(topic, atNameServersFor: cluster)
    }
}

/// A retry policy as Java prints it. Source: `GroupRetryPolicy.java`, `ExponentialRetryPolicy.java`,
/// `CustomizedRetryPolicy.java`.
func retryPolicyText(_ policy: JSON) -> String {
    func text(_ value: JSON) -> String {
        if let list = value.array { return "[" + list.map(text).joined(separator: ", ") + "]" }
        return value.string ?? "null"
    }
    func members(_ name: String, _ kind: String, _ keys: [String]) -> String {
        guard policy[name].object != nil else { return "null" }
        return "\(kind){" + keys.map { "\($0)=\(text(policy[name][$0]))" }.joined(separator: ", ") + "}"
    }
    let exponential = members("exponentialRetryPolicy", "ExponentialRetryPolicy", ["initial", "max", "multiplier"])
    let customized = members("customizedRetryPolicy", "CustomizedRetryPolicy", ["next"])
    return "GroupRetryPolicy{type=\(text(policy["type"])), exponentialRetryPolicy=\(exponential), "
        + "customizedRetryPolicy=\(customized)}"
}

// MARK: - Showing

@Sendable private func showGroup(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let name = try arguments.text("g")
    let info = try await admin.clusterInfo()
    var isFound = false
    output.list("groups")
    for broker in info.brokerAddrTable.values.sorted(by: { $0.brokerName < $1.brokerName }) {
        guard let address = broker.anyAddress, let group = try await admin.group(name, at: address) else { continue }
        isFound = true
        let place: JSON = [
            "clusterName": .string(broker.cluster), "brokerName": .string(broker.brokerName), "config": group.json,
        ]
        let line = String(repeating: "=", count: 29)
        output.item("groups", place, "%s%s:%s%s%n%s", line, broker.cluster, broker.brokerName, line, listing(of: group))
    }
    guard isFound else { throw ClientError.invalid("group unknown: no broker has the group \(name)") }
}

/// A line for each setting, in Java's order.
private func listing(of group: SubscriptionGroupConfig) -> String {
    let rows: [(String, String)] = [
        ("groupName", group.groupName), ("consumeEnable", "\(group.consumeEnable)"),
        ("consumeFromMinEnable", "\(group.consumeFromMinEnable)"),
        ("consumeBroadcastEnable", "\(group.consumeBroadcastEnable)"),
        ("consumeMessageOrderly", "\(group.consumeMessageOrderly)"), ("retryQueueNums", "\(group.retryQueueNums)"),
        ("retryMaxTimes", "\(group.retryMaxTimes)"), ("groupRetryPolicy", retryPolicyText(group.groupRetryPolicy)),
        ("brokerId", "\(group.brokerID)"), ("whichBrokerWhenConsumeSlowly", "\(group.whichBrokerWhenConsumeSlowly)"),
        ("notifyConsumerIdsChangedEnable", "\(group.notifyConsumerIdsChangedEnable)"),
        ("groupSysFlag", "\(group.groupSysFlag)"), ("consumeTimeoutMinute", "\(group.consumeTimeoutMinute)"),
        ("subscriptionDataSet", group.subscriptionDataSet?.text() ?? ""),
        (
            "attributes",
            "{" + group.attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
                + "}"
        ),
    ]
    return rows.map { javaFormat("%-40s=  %s%n", [$0.0, $0.1]) }.joined()
}
