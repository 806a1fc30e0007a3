import MQJSON
import MQProtocol
import RocketMQClient

let brokerCommands: [Command] = [
    .listing(
        "brokerStatus", "Fetch broker runtime status data.", CommandOption.target("Broker address", "which cluster")
    ) { arguments, admin, output in
        for address in try await admin.masters(arguments) {
            let figures = try await admin.runtimeInfo(at: address).sorted { $0.key < $1.key }
            if output.isJSON {
                let members = figures.map { (JSONKey.string($0.key), JSON.string($0.value)) }
                output.item("brokers", ["address": .string(address), "status": .object(JSONObject(members))], "")
            }
            for (key, value) in figures {
                if arguments.has("c") {
                    output.decorate("%-24s %-32s: %s%n", address, key, value)
                } else {
                    output.decorate("%-32s: %s%n", key, value)
                }
            }
        }
    },
    Command(
        "updateBrokerConfig", "Update broker's config.",
        CommandOption.target("update which broker", "update which cluster") + [
            .value("a", "updateAllBroker", "update all brokers include slave"),
            .value("k", "key", "config key", required: true), .value("v", "value", "config value", required: true),
        ]
    ) { arguments, admin, output in
        var addresses: [String] = []
        if let cluster = arguments["c"], try arguments.bool("a") ?? false {
            addresses = try await admin.brokers(ofCluster: cluster).flatMap(\.brokerAddrs.values).sorted()
        } else {
            addresses = try await admin.masters(arguments)
        }
        for address in addresses {
            try await admin.setConfiguration(try arguments.text("k"), try arguments.text("v"), at: address)
            output.print("update broker config success, %s%n", address)
        }
    },
    .listing(
        "getBrokerConfig", "Get broker config by cluster or special broker.",
        CommandOption.target("get which broker", "get which cluster")
    ) { arguments, admin, output in
        if let address = arguments["b"] {
            try await printConfiguration(address, "============\(address)============", admin, output)
            return
        }
        for broker in try await admin.brokers(ofCluster: try arguments.text("c")) {
            for (id, address) in broker.brokerAddrs.sorted(by: { $0.key < $1.key }) {
                let role = id == 0 ? "Master" : "My Slave"
                try await printConfiguration(address, "============\(role): \(address)============", admin, output)
            }
        }
    },
    Command(
        "cleanExpiredCQ", "Clean expired ConsumeQueue on broker.",
        [.value("b", "brokerAddr", "Broker address"), .value("c", "cluster", "clustername")]
    ) { arguments, admin, output in
        for address in try await admin.addresses(arguments) { try await admin.cleanExpiredQueues(at: address) }
        output.print("success")
    },
    Command(
        "cleanUnusedTopic", "Clean unused topic on broker.",
        [.value("b", "brokerAddr", "Broker address"), .value("c", "cluster", "cluster name")]
    ) { arguments, admin, output in
        for address in try await admin.addresses(arguments) { try await admin.cleanUnusedTopics(at: address) }
        output.print("success")
    },
    Command(
        "deleteExpiredCommitLog", "Delete expired CommitLog files.",
        [.value("b", "brokerAddr", "Broker address"), .value("c", "cluster", "clustername")]
    ) { arguments, admin, output in
        for address in try await admin.addresses(arguments) { try await admin.deleteExpiredFiles(at: address) }
        output.print("success")
    },
]

private func printConfiguration(
    _ address: String, _ title: String, _ admin: Admin, _ output: Output
) async throws(ClientError) {
    show(try await admin.configuration(at: address), of: address, title, output)
    output.decorate("%n")
}

/// Keys and values under a title.
func show(_ entries: [(key: String, value: String)], of address: String, _ title: String, _ output: Output) {
    output.decorate("%s%n", title)
    for (key, value) in entries { output.decorate("%-50s=  %s%n", key, value) }
    guard output.isJSON else { return }
    let members = entries.map { (JSONKey.string($0.key), JSON.string($0.value)) }
    output.item("configurations", ["address": .string(address), "config": .object(JSONObject(members))], "")
}
