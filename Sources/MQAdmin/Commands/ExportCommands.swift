import MQBase
import MQJSON
import MQProtocol
import MQSystem
import RocketMQClient

private let folderOption = CommandOption.value("f", "filePath", "folder of the file | default /tmp/rocketmq/export")

let exportCommands: [Command] = [
    Command(
        "exportConfigs", "Export configs.",
        [.value("c", "clusterName", "choose a cluster to export", required: true), folderOption]
    ) { arguments, admin, output in
        let json = try await admin.exportedConfigs(ofCluster: try arguments.text("c"))
        try export(json, to: "configs.json", arguments, output)
    },
    Command(
        "exportMetadata", "Export metadata.",
        CommandOption.target("choose a broker to export", "choose a cluster to export") + [
            folderOption, .flag("t", "topic", "only export topic metadata"),
            .flag("g", "subscriptionGroup", "only export subscriptionGroup metadata"),
            .flag("s", "specialTopic", "need retryTopic and dlqTopic"),
        ], run: exportMetadata),
    Command(
        "exportMetrics", "Export metrics.",
        [.value("c", "clusterName", "choose a cluster to export", required: true), folderOption]
    ) { arguments, admin, output in
        let json = try await admin.exportedMetrics(ofCluster: try arguments.text("c"))
        try export(json, to: "metrics.json", arguments, output)
    },
]

/// Writes a document into the folder of `-f`.
private func export(
    _ json: JSON, to name: String, _ arguments: CommandArguments, _ output: Output
) throws(ClientError) {
    let folder = arguments["f"] ?? "/tmp/rocketmq/export"
    let path = "\(folder)/\(name)"
    do throws(SystemError) {
        try Directory.create(folder)
        try File.replace(path, with: json.encoded(.pretty))
    } catch {
        throw .system(error.description)
    }
    output.value("path", .string(path), "export %s success%n", path)
}

@Sendable private func exportMetadata(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let (onlyTopics, onlyGroups, withSpecial) = (arguments.has("t"), arguments.has("g"), arguments.has("s"))
    if let address = arguments["b"] {
        guard onlyTopics != onlyGroups else {
            throw ClientError.invalid("with -b either -t (topics) or -g (groups) says what is to be exported")
        }
        let json: JSON
        if onlyTopics {
            let table = try await admin.userTopics(at: address, withSpecial: withSpecial).json
            // Without the mappings of static topics, as Java's.
            json = ["dataVersion": table["dataVersion"], "topicConfigTable": table["topicConfigTable"]]
        } else {
            json = try await admin.userGroups(at: address).json
        }
        return try export(json, to: onlyTopics ? "topic.json" : "subscriptionGroup.json", arguments, output)
    }
    let (topics, groups) = try await admin.exportedMetadata(
        ofCluster: try arguments.text("c"), withSpecial: withSpecial)
    var members: [(String, JSON)] = []
    if onlyTopics || !onlyGroups { members.append(("topicConfigTable", topics)) }
    if !onlyTopics { members.append(("subscriptionGroupTable", groups)) }
    members.append(("exportTime", .integer(SystemClock.wall().rawValue)))
    let name = onlyTopics ? "topic.json" : onlyGroups ? "subscriptionGroup.json" : "metadata.json"
    try export(.members(members), to: name, arguments, output)
}
