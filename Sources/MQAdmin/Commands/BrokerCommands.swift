import MQProtocol
import RocketMQClient

let brokerCommands: [Command] = [
    Command(
        "brokerStatus", "Fetch broker runtime status data.",
        [
            .value("b", "brokerAddr", "Broker address", group: "target"),
            .value("c", "clusterName", "which cluster", group: "target"),
        ]
    ) { arguments, admin, output in
        for address in try await admin.masters(arguments) {
            for (key, value) in try await admin.runtimeInfo(at: address).sorted(by: { $0.key < $1.key }) {
                if arguments.has("c") {
                    output.print("%-24s %-32s: %s%n", address, key, value)
                } else {
                    output.print("%-32s: %s%n", key, value)
                }
            }
        }
    },
    Command(
        "updateBrokerConfig", "Update broker's config.",
        [
            .value("b", "brokerAddr", "update which broker", group: "target"),
            .value("c", "clusterName", "update which cluster", group: "target"),
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
    Command(
        "getBrokerConfig", "Get broker config by cluster or special broker.",
        [
            .value("b", "brokerAddr", "get which broker", group: "target"),
            .value("c", "clusterName", "get which cluster", group: "target"),
        ]
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
    let entries = try await admin.configuration(at: address)
    output.print("%s%n", title)
    for (key, value) in entries { output.print("%-50s=  %s%n", key, value) }
    output.print("%n")
}
