import MQJSON
import MQProtocol
import RocketMQClient

private func group(_ help: String) -> CommandOption { .value("g", "consumerGroup", help, required: true) }

let coldDataCommands: [Command] = [
    .listing(
        "getColdDataFlowCtrInfo", "Get cold data flow ctr info.",
        CommandOption.target("get from which broker", "get from which cluster")
    ) { arguments, admin, output in
        output.list("brokers")
        for broker in try await titledBrokers(arguments, admin) {
            output.decorate(" %s%n", broker.title)
            show(try await admin.coldShares(at: broker.address), of: broker.address, output)
        }
    },
    Command(
        "updateColdDataFlowCtrGroupConfig", "Add or update cold data flow ctr group config.",
        CommandOption.target("update which broker", "update which cluster") + [
            group("specific consumerGroup"),
            .value("v", "threshold", "cold read threshold value, bytes in 5 s", required: true),
        ]
    ) { arguments, admin, output in
        let (group, share) = (try arguments.text("g"), try arguments.integer("v") ?? 0)
        for address in try await admin.masters(arguments) {
            try await admin.setColdShare(share, of: group, at: address)
            output.print("updateColdDataFlowCtrGroupConfig success, %s%n", address)
        }
    },
    Command(
        "removeColdDataFlowCtrGroupConfig", "Remove consumer from cold ctr config.",
        CommandOption.target("update which broker", "update which cluster") + [
            group("the consumer group will remove from the config")
        ]
    ) { arguments, admin, output in
        for address in try await admin.masters(arguments) {
            try await admin.removeColdShare(of: try arguments.text("g"), at: address)
            output.print("remove broker cold read threshold success, %s%n", address)
        }
    },
    Command(
        "setCommitLogReadAheadMode", "Set read ahead mode for all commitlog files.",
        CommandOption.target("set which broker", "set which cluster") + [
            .value(
                "m", "commitLogReadAheadMode", "set the CommitLog read ahead mode; 0 is default, 1 random read",
                required: true)
        ]
    ) { arguments, admin, output in
        let mode = try arguments.text("m")
        guard mode == "0" || mode == "1" else {
            throw ClientError.invalid("set the read mode error; 0 is default, 1 random read")
        }
        for broker in try await titledBrokers(arguments, admin) {
            let words = try await admin.setReadAhead(mode == "0", at: broker.address)
            output.decorate(" %s%n", broker.title)
            output.print("commitLog set readAhead mode rstStr%s%n", words ?? "null")
        }
    },
]

/// The broker of `-b`, or all of `-c`, slaves behind their masters, each with Java's title.
private func titledBrokers(
    _ arguments: CommandArguments, _ admin: Admin
) async throws(ClientError) -> [(title: String, address: String)] {
    if let address = arguments["b"] { return [("============\(address)============", address)] }
    return try await admin.brokers(ofCluster: try arguments.text("c")).flatMap { broker in
        let master = broker.brokerAddrs[0] ?? "none"
        return broker.brokerAddrs.sorted { $0.key < $1.key }.map { id, address in
            id == 0
                ? ("============Master: \(address)============", address)
                : ("============My Master: \(master)=====Slave: \(address)============", address)
        }
    }
}

private func show(_ shares: JSON?, of address: String, _ output: Output) {
    guard !output.isJSON else {
        return output.item("brokers", ["address": .string(address), "shares": shares ?? .null], "")
    }
    guard let shares else { return output.decorate("Broker[%s] has no cold ctr table !%n", address) }
    output.decorate("%s%n", readable(shares).text(.pretty))
}

/// With moments as people read them.
func readable(_ shares: JSON) -> JSON {
    var readers: [(JSONKey, JSON)] = []
    for member in shares["runtimeTable"].object ?? JSONObject() {
        let reader = member.value
        func moment(_ name: String) -> JSON { .string(secondsText(reader[name].int64 ?? 0)) }
        readers.append(
            (
                member.key,
                [
                    "coldAcc": reader["coldAcc"], "createTimeFormat": moment("createTimeMills"),
                    "lastColdReadTimeFormat": moment("lastColdReadTimeMills"),
                ]
            ))
    }
    return [
        "globalAcc": shares["globalAcc"], "cgColdReadThreshold": shares["cgColdReadThreshold"],
        "configTable": shares["configTable"], "globalColdReadThreshold": shares["globalColdReadThreshold"],
        "runtimeTable": .object(JSONObject(readers)),
    ]
}
