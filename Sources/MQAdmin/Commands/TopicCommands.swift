import MQJSON
import MQProtocol
import RocketMQClient

let topicCommands: [Command] = [
    .listing(
        "topicList", "Fetch all topic list from name server.",
        [.flag("c", "clusterModel", "clusterModel")], run: topicList),
    .listing(
        "topicRoute", "Examine topic route info.",
        [.value("t", "topic", "topic name", required: true), .flag("l", "list", "Use list format")], run: topicRoute),
    .listing(
        "topicStatus", "Examine topic Status info.",
        [.value("t", "topic", "topic name", required: true), .cluster], run: topicStatus),
    .listing(
        "topicClusterList", "Get cluster info for topic.", [.value("t", "topic", "topic name", required: true)]
    ) { arguments, admin, output in
        let route = try await admin.link.route(of: try arguments.text("t"))
        output.list("clusters")
        for cluster in Set(route.brokerDatas.map(\.cluster)).sorted() {
            output.item("clusters", .string(cluster), "%s%n", cluster)
        }
    },
    .listing(
        "allocateMQ", "Allocate MQ.",
        [
            .value("t", "topic", "topic name", required: true),
            .value("i", "ipList", "ipList", required: true),
        ], run: allocateQueues),
]

@Sendable private func topicList(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    output.list("topics")
    guard arguments.has("c") else {
        for topic in try await admin.topics().sorted() { output.item("topics", .string(topic), "%s%n", topic) }
        return
    }
    let table = output.table(
        "topics", header: "%-20s  %-48s  %-48s%n", row: "%-20s  %-64s  %-64s%n",
        ["#Cluster Name": "clusterName", "#Topic": "topic", "#Consumer Group": "consumerGroup"])
    let info = try await admin.clusterInfo()
    for cluster in info.clusterAddrTable.keys.sorted() {
        for topic in try await admin.topics(ofCluster: cluster).sorted() {
            if topic.hasPrefix(Admin.retryPrefix) || topic.hasPrefix(Admin.deadLetterPrefix) { continue }
            let groups: [String]
            do throws(ClientError) {
                groups = try await admin.groups(consuming: topic)
            } catch {
                guard case .topicNotFound = error else { throw error }
                groups = []  // of the cluster, but without a broker now
            }
            for group in groups.isEmpty ? [""] : groups.sorted() {
                table.row(shown(cluster, 20), shown(topic, 64), shown(group, 64))
            }
        }
    }
}

/// At most `count` characters. Source: `UtilAll.frontStringAtLeast`.
func shortened(_ text: String, _ count: Int) -> String { String(text.prefix(count)) }

/// At most `count` characters in a column, all of it in JSON.
func shown(_ text: String, _ count: Int) -> Cell { Cell(shortened(text, count), .string(text)) }

@Sendable private func topicRoute(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let route = try await admin.link.route(of: try arguments.text("t"))
    guard arguments.has("l") else {
        return output.value("route", route.json, "%s%n", route.json.text(.pretty))
    }
    let pattern = "%-45s %-32s %-50s %-10s %-11s %-5s%n"
    let table = output.table(
        "brokers", header: pattern, row: pattern,
        [
            "#ClusterName": "clusterName", "#BrokerName": "brokerName", "#BrokerAddrs": "brokerAddrs",
            "#ReadQueue": "readQueueNums", "#WriteQueue": "writeQueueNums", "#Perm": "perm",
        ])
    var readCount = 0
    var writeCount = 0
    for data in route.queueDatas.sorted(by: { $0.brokerName < $1.brokerName }) {
        guard let broker = route.brokerDatas.first(where: { $0.brokerName == data.brokerName }) else { continue }
        let addresses = broker.brokerAddrs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        table.row(
            broker.cluster, broker.brokerName,
            Cell("{" + addresses.joined(separator: ", ") + "}", broker.json["brokerAddrs"]),
            data.readQueueNums, data.writeQueueNums, data.perm.rawValue)
        readCount = readCount.plus(data.readQueueNums)
        writeCount = writeCount.plus(data.writeQueueNums)
    }
    output.decorate("%s%n", String(repeating: "-", count: 158))
    output.decorate(
        pattern, "Total:", Set(route.queueDatas.map(\.brokerName)).count, "", readCount, writeCount, "")
}

@Sendable private func topicStatus(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let stats = try await admin.stats(ofTopic: try arguments.text("t"), via: arguments["c"])
    let table = output.table(
        "queues", header: "%-32s  %-4s  %-20s  %-20s    %s%n", row: "%-32s  %-4d  %-20d  %-20d    %s%n",
        [
            "#Broker Name": "brokerName", "#QID": "queueId", "#Min Offset": "minOffset", "#Max Offset": "maxOffset",
            "#Last Updated": "lastUpdateTimestamp",
        ])
    for (queue, ends) in stats.offsetTable.sorted(by: { $0.key < $1.key }) {
        table.row(
            shown(queue.brokerName, 32), queue.queueID, ends.minOffset, ends.maxOffset,
            time(ends.lastUpdateTimestamp, timeText, none: ""))
    }
    output.decorate("%n")
    let tps = JSON.number(stats.topicPutTps ?? 0)
    output.value("topicPutTps", tps, "Topic Put TPS: %s%n", tps.description)
}

/// A time in a column, milliseconds in JSON; `none` for no time.
func time(_ milliseconds: Int64, _ text: (Int64) -> String, none: String) -> Cell {
    Cell(milliseconds > 0 ? text(milliseconds) : none, .integer(milliseconds))
}

@Sendable private func allocateQueues(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let members = try arguments.text("i").split(separator: ",").map(String.init)
    guard !members.isEmpty, Set(members).count == members.count else {
        throw ClientError.invalid("option -i expects addresses with commas between them, each once")
    }
    let queues = try await admin.readableQueues(of: try arguments.text("t")).map(\.queue)
    // In the order of the list, as Java's command; consumers sort their ids.
    let result = members.enumerated().map { index, member in
        let share = QueueAllocation.share(of: queues, index: index, count: members.count)
        return (JSONKey.string(member), JSON.array(share.map(\.json)))
    }
    let json = JSON.object(["result": .object(JSONObject(result))])
    output.value("result", json["result"], "%s%n", json.text())
}
