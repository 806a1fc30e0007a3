import MQBase
import MQJSON
import MQProtocol
import MQSystem
import RocketMQClient

let clientCommands: [Command] = [
    .listing(
        "consumerStatus", "Query consumer's internal data structure.",
        [
            .value("g", "consumerGroup", "consumer group name", required: true),
            .value("i", "clientId", "The consumer's client id"), .value("b", "brokerAddr", "broker address"),
            .flag("s", "jstack", "Run jstack command in the consumer progress"),
        ]
    ) { arguments, admin, output in
        let group = try arguments.text("g")
        guard let clientID = arguments["i"] else {
            return try await showStatus(
                group, arguments, admin, output,
                StatusForm(
                    header: "%-10s %-40s %-20s %s%n", row: "%-10d %-40s %-20s %s%n"))
        }
        let info = try await admin.runningInfo(
            ofClient: clientID, group: group, withStacks: arguments.has("s"), at: arguments["b"])
        output.value("runningInfo", info.json, "%s", info.text)
    },
    .listing(
        "consumer", "Query consumer's connection, status, etc.",
        [
            .value("g", "consumerGroup", "consumer group name", required: true),
            .flag("s", "jstack", "Run jstack command in the consumer progress"),
        ]
    ) { arguments, admin, output in
        try await showStatus(
            try arguments.text("g"), arguments, admin, output,
            StatusForm(header: nil, row: "%03d  %-40s %-20s %s%n"))
    },
    .listing(
        "producer", "Query producer's instances, connection, status, etc.",
        [.value("b", "broker", "broker address", required: true)]
    ) { arguments, admin, output in
        let table = try await admin.producers(at: try arguments.text("b"))
        output.list("producers")
        for (group, producers) in table.data.sorted(by: { $0.key < $1.key }) {
            guard !producers.isEmpty else {
                output.decorate("producer group (%s) instances are empty%n", group)
                continue
            }
            for producer in producers {
                var object = producer.json.object ?? JSONObject()
                object.set("producerGroup", .string(group))
                output.item(
                    "producers", .object(object), "producer group (%s) instance : %s%n", group, text(of: producer))
            }
        }
    },
]

/// As Java prints it.
private func text(of producer: ProducerTableInfo.Producer) -> String {
    "clientId=\(producer.clientID),remoteIP=\(producer.remoteIP), language=\(producer.language), "
        + "version=\(producer.version), lastUpdateTimestamp=\(producer.lastUpdateTimestamp)"
}

/// How the members are listed.
private struct StatusForm {
    let header: String?
    let row: String
}

/// Asks every member, writes what each says to a file below a folder named after the time, and compares them.
private func showStatus(
    _ group: String, _ arguments: CommandArguments, _ admin: Admin, _ output: Output, _ form: StatusForm
) async throws {
    let consumers = try await admin.consumers(of: group, at: arguments["b"])
    let now = SystemClock.wall().rawValue
    let table = output.table(
        "clients", header: form.header, row: form.row,
        [
            "#Index": "index", "#ClientId": "clientId", "#Version": "version",
            "#ConsumerRunningInfoFile": "runningInfoFile",
        ])
    var infos: [(clientID: String, info: RunningInfo)] = []
    var silent: ClientError?
    for connection in consumers.connectionSet {
        let info: RunningInfo
        do throws(ClientError) {
            info = try await admin.runningInfo(
                ofClient: connection.clientID, group: group, withStacks: arguments.has("s"), at: arguments["b"])
        } catch {
            silent = error  // the others are shown first
            continue
        }
        infos.append((connection.clientID, info))
        let path = try save(info.text, folder: String(now), name: connection.clientID)
        table.row(
            infos.count, connection.clientID, ProtocolVersion.text(Int32(clamping: connection.version)), path)
    }
    if !infos.isEmpty { compare(infos, now, output) }
    if let silent { throw silent }
}

private func compare(_ infos: [(clientID: String, info: RunningInfo)], _ now: Int64, _ output: Output) {
    let isSame = Set(infos.map(\.info.subscriptions)).count == 1
    guard isSame else {
        output.value(
            "sameSubscription", false, "%n%nWARN: Different subscription in the same group of consumer!!!%n")
        return
    }
    output.value("sameSubscription", true, "%n%nSame subscription in the same group of consumer")
    output.decorate("%n%nRebalance %s%n", "OK")
    output.list("complaints")
    for (clientID, info) in infos {
        for line in info.complaints(clientID: clientID, now: now) {
            output.item("complaints", .string(line), "%s%n", line)
        }
    }
}

/// Writes `text` to a file in a folder of the current one. A client's id is no path: what could make it one is replaced.
private func save(_ text: String, folder: String, name: String) throws(ClientError) -> String {
    let safe = String(name.map { $0 == "/" || $0 == "\0" ? "_" : $0 }.prefix(200))
    let path = "\(folder)/\(safe == "." || safe == ".." ? "_" : safe)"
    do throws(SystemError) {
        try Directory.create(folder)
        try File(path, .replace).write(Array(text.utf8).span, at: 0)
        return path
    } catch {
        throw .system(error.description)
    }
}
