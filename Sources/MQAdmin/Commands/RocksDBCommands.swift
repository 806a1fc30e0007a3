import MQJSON
import MQProtocol
import RocketMQClient

/// Requests about what a broker keeps in RocksDB. A broker that keeps it in files, as ours do, has nothing to do and says so.
let rocksDBCommands: [Command] = [
    Command(
        "exportPopRecord", "Export pop consumer record",
        CommandOption.target("choose one broker to export", "choose one cluster to export") + [
            .value("d", "dryRun", "no actual changes will be made")
        ], run: exportPopRecords),
    Command(
        "checkRocksdbCqWriteProgress", "check if rocksdb cq is same as file cq",
        [
            .value("c", "cluster", "cluster name", required: true), .value("t", "topic", "topic name"),
            .value("cf", "checkFrom", "check from time, milliseconds since 1970; 30 days ago by itself"),
        ], run: checkQueues),
    Command(
        "rocksDBConfigToJson",
        "Convert RocksDB kv config (topics/subscriptionGroups/consumerOffsets) to json, at the brokers: -p, a folder here, "
            + "needs RocksDB.",
        [
            .value(
                "t", "configType",
                "topics, subscriptionGroups or consumerOffsets, or some with ; between; all if absent"),
            .value("c", "cluster", "Cluster name"), .value("b", "brokerAddr", "Broker address"),
            .value("p", "configPath", "[local mode] Absolute path to the metadata config directory"),
            .value("e", "exportFile", "[local mode] Absolute file path for exporting"),
            .value("j", "jsonEnable", "[local mode] Json format enable, Default: true"),
        ], run: exportConfigs),
]

@Sendable private func exportPopRecords(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    // Java's command takes -d false for a dry run, and -d true for none.
    let isDry = try arguments.bool("d") ?? false
    var brokers: [(name: String, address: String)] = []
    if let address = arguments["b"] {
        let name = try await admin.configuration(at: address).first { $0.key == "brokerName" }?.value ?? "null"
        brokers = [(name, address)]
    } else {
        for broker in try await admin.brokers(ofCluster: try arguments.text("c")) {
            brokers += broker.brokerAddrs.values.sorted().map { (broker.brokerName, $0) }
        }
    }
    for (name, address) in brokers {
        if !isDry { try await admin.link.ask(RemotingCommand(.popRollback), at: address, timeout: .seconds(30)) }
        output.print("Export broker records, brokerName=%s, brokerAddr=%s, dryRun=%s%n", name, address, isDry)
    }
}

@Sendable private func checkQueues(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let from = try arguments.time("cf") ?? moment("now") - 30 * 86_400_000
    for broker in try await admin.brokers(ofCluster: try arguments.text("c")) {
        guard let address = broker.brokerAddrs[0] else { continue }
        let request = RemotingCommand(
            .checkRocksDBQueueProgress, ["topic": arguments["t"] ?? "", "checkStoreTime": String(from)])
        let answer = try await admin.link.ask(request, at: address)
        let result: JSON
        do { result = try JSON(parsing: answer.body) } catch {
            throw ClientError.badAnswer(from: address, "\(error)")
        }
        if result["checkStatus"].int64 == 3 {
            let reason = result["checkResult"].string ?? "no reason given"
            throw ClientError.refused(
                by: address, code: 3, remark: "check error, please check log... errInfo: \(reason)")
        }
        output.print("%s check doing, please wait and get the result from log... %n", broker.brokerName)
    }
}

@Sendable private func exportConfigs(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let known = ["topics", "subscriptionGroups", "consumerOffsets"]
    let types = try (arguments["t"]?.split(separator: ";").map(String.init) ?? known).map { word in
        guard let type = known.first(where: { $0.lowercased() == trimmed(word).lowercased() }) else {
            throw ClientError.invalid(
                "Invalid configType: \(word) please input topics/subscriptionGroups/consumerOffsets")
        }
        return type
    }
    guard arguments["p"] == nil else {
        throw ClientError.invalid("option -p: this release has no RocksDB; -c or -b has brokers convert their own")
    }
    let (addresses, whom): ([String], String)
    if let cluster = arguments["c"] {
        (addresses, whom) = (try await admin.masters(ofCluster: cluster), "all brokers in cluster")
    } else if let address = arguments["b"] {
        (addresses, whom) = ([address], "broker")
    } else {
        throw ClientError.invalid("Missing required option: -c (cluster) or -b (brokerAddr)")
    }
    let list = types.map { $0 + ";" }.joined()
    for address in addresses {
        let request = RemotingCommand(.exportRocksDBConfigToJSON, ["configType": list])
        try await admin.link.ask(request, at: address, timeout: .seconds(30))
    }
    output.print("Use [rpc mode] call %s to export to json file %n", whom)
    output.print("broker export done.%n")
}
