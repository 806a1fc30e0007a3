import MQJSON
import MQBase
import MQProtocol
import MQSystem
import RocketMQClient

let latencyCommands: [Command] = [
    Command(
        "checkMsgSendRT", "Check message send response time.",
        [
            .value("t", "topic", "topic name", required: true),
            .value("a", "amount", "message amount | default 100"),
            .value("s", "size", "message size | default 128 Byte"),
        ], run: checkSends),
    Command(
        "clusterRT", "List All clusters Message Send RT.",
        [
            .value("a", "amount", "message amount | default 100"),
            .value("s", "size", "message size | default 128 Byte"),
            .value("c", "cluster", "cluster name | default display all cluster"),
            .value("p", "print log", "print as tlog | default false"),
            .value("m", "machine room", "machine room name | default noname"),
            .value("i", "interval", "print interval | default 10 seconds; 0 prints once"),
        ], run: checkClusters),
    Command(
        "sendMsgStatus", "Send msg to broker.",
        [
            .value(
                "b", "brokerName", "Broker Name e.g. clusterName_brokerName as DefaultCluster_broker-a", required: true),
            .value("s", "messageSize", "Message Size, Default: 128"),
            .value("c", "count", "send message count, Default: 50"),
        ], run: sendStatus),
]

/// A message of `a`s.
private func message(to topic: String, _ arguments: CommandArguments) throws(ClientError) -> Message {
    let byteCount = try arguments.integer("s") ?? 128
    guard (1...4 << 20).contains(byteCount) else { throw .invalid("option -s expects 1 to 4194304 bytes") }
    return Message(topic: topic, body: [UInt8](repeating: UInt8(ascii: "a"), count: Int(byteCount)))
}

/// Runs `body` with a producer that does not try again.
private func withProducer(
    _ group: String, _ admin: Admin, _ body: @Sendable (Producer) async throws -> Void
) async throws {
    var options = Producer.Options()
    options.retries = 0
    try await Producer(group: group, options: options, link: admin.link).withRunning(body)
}

/// Milliseconds a call took, and its error.
private func timed(_ body: () async throws(ClientError) -> Void) async -> (milliseconds: Int64, error: ClientError?) {
    let begun = SystemClock.now()
    do throws(ClientError) {
        try await body()
        return (SystemClock.now().milliseconds(since: begun), nil)
    } catch {
        return (SystemClock.now().milliseconds(since: begun), error)
    }
}

/// The mean of all but the first, which also opens the connection.
private func mean(_ times: [Int64]) -> Double {
    Double(times.dropFirst().reduce(0, +)) / Double(max(1, times.count - 1))
}

@Sendable private func checkSends(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let topic = try arguments.text("t")
    let amount = try arguments.integer("a") ?? 100
    let message = try message(to: topic, arguments)
    try await withProducer("\(SystemClock.now().nanoseconds)", admin) { producer in
        let queues = try await producer.queues(of: topic)
        guard !queues.isEmpty else { throw ClientError.noQueue(topic: topic, wanted: "written") }
        let table = output.table(
            "sends", header: "%-32s  %-4s  %-20s    %s%n", row: "%-32s  %-4s  %-20s    %s%n",
            ["#Broker Name": "brokerName", "#QID": "queueId", "#Send Result": "isSent", "#RT": "milliseconds"])
        var times: [Int64] = []
        var failure: ClientError?
        for index in 0..<Int(clamping: amount) {
            let queue = queues[index % queues.count]
            let (milliseconds, error) = await timed { () throws(ClientError) in
                _ = try await producer.send(message, to: queue)
            }
            times.append(milliseconds)
            failure = error ?? failure
            table.row(queue.brokerName, queue.queueID, error == nil, milliseconds)
        }
        output.value("averageMilliseconds", .number(mean(times)), "Avg RT: %.2f%n", mean(times))
        if let failure { throw failure }
    }
}

@Sendable private func checkClusters(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let interval = try arguments.integer("i") ?? 10
    let amount = Int(clamping: max(2, try arguments.integer("a") ?? 100))
    let asLog = try arguments.bool("p") ?? false
    let room = arguments["m"] ?? "noname"
    try await withProducer("\(SystemClock.now().nanoseconds)", admin) { producer in
        let table = output.table(
            "brokers", header: asLog ? nil : "%-24s  %-24s  %-4s  %-8s  %-8s%n",
            row: "%-24s  %-24s  %-8s  %-16s  %-16s%n",
            [
                "#Cluster Name": "clusterName", "#Broker Name": "brokerName", "#RT": "milliseconds",
                "#successCount": "successCount", "#failCount": "failCount",
            ])
        repeat {
            let info = try await admin.clusterInfo()
            for cluster in try chosenClusters(arguments["c"], info) {
                for name in (info.clusterAddrTable[cluster] ?? []).sorted() {
                    let message = try message(to: name, arguments)
                    var (times, failures): ([Int64], Int) = ([], 0)
                    for _ in 0..<amount {
                        let sent = await timed { () throws(ClientError) in _ = try await producer.send(message) }
                        times.append(sent.milliseconds)
                        if sent.error != nil { failures += 1 }
                    }
                    let mean = mean(times)
                    if asLog, !output.isJSON {
                        let now = secondsText(SystemClock.wall().rawValue)
                        output.print("%s|%s|%s|%s|%.0f%n", now, room, cluster, name, mean)
                    } else {
                        table.row(
                            cluster, name, Cell(javaFormat("%.2f", [mean]), .number(mean)), amount - failures, failures)
                    }
                }
            }
            guard interval > 0, !output.isJSON else { return }
            output.flush()
            try await Task.sleep(for: .seconds(interval))
        } while true
    }
}

@Sendable private func sendStatus(_ arguments: CommandArguments, _ admin: Admin, _ output: Output) async throws {
    let topic = try arguments.text("b")
    let message = try message(to: topic, arguments)
    let count = Int(clamping: try arguments.integer("c") ?? 50)
    try await withProducer("PID_SMSC", admin) { producer in
        _ = try await producer.send(Message(topic: topic, body: [UInt8](repeating: UInt8(ascii: "a"), count: 16)))
        for _ in 0..<count {
            let begun = SystemClock.now()
            let result = try await producer.send(message)
            output.print(
                "rt=%sms, SendResult=%s%n", SystemClock.now().milliseconds(since: begun), text(of: result))
        }
    }
}

/// As Java prints it.
func text(of result: SendResult) -> String {
    "SendResult [sendStatus=\(result.status.rawValue), msgId=\(result.messageID), "
        + "offsetMsgId=\(result.offsetMessageID), messageQueue=\(javaText(of: result.queue)), "
        + "queueOffset=\(result.queueOffset), recallHandle=null]"
}
