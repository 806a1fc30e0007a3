import Foundation
import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

/// Goal: an operator learns what became of a message: who has it, who does not want it, who has not got it yet, and when it was
/// sent and consumed; and is told of groups whose members want different things.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct WhoConsumedTests {
    private func consumer(
        _ cluster: RunningCluster, _ group: String, tags: String = "*", traced: Bool = false,
        model: MessageModel = .clustering, then outcome: @escaping @Sendable () -> ConsumeOutcome = { .success }
    ) async throws -> PushConsumer {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        options.messageModel = model
        options.trace = traced ? TraceOptions() : nil
        options.commitInterval = .seconds(1)
        options.rebalanceInterval = .seconds(1)
        var client = cluster.client
        client.heartbeatInterval = .seconds(1)  // so that a broker that was killed soon knows its members again
        let consumer = try PushConsumer(group: group, options: options, client: client)
        try await consumer.subscribe("t", tags)
        try await consumer.start { _, _ in outcome() }
        return consumer
    }

    private func tracks(_ cluster: RunningCluster, _ command: String, _ id: String) async throws -> [String: String] {
        let output = try await cluster.admin(command, "-t", "t", "-i", id).output
        var found: [String: String] = [:]
        for line in output.split(separator: "\n") where line.hasPrefix("MessageTrack [") {
            let fields = line.dropFirst("MessageTrack [".count).split(separator: ", ").map { $0.split(separator: "=") }
            found[String(fields[0][1])] = String(fields[1][1])
        }
        return found
    }

    @Test func `each group says how it stands to a message, over a kill of the broker, too`() async throws {
        try await RunningCluster.run(["flushConsumerOffsetInterval": "500"]) { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-r", "1", "-w", "1")
            let producer = try Producer(group: "p", client: cluster.client)
            try await producer.start()
            let sent = try await producer.send(Message(topic: "t", tags: "A", body: [1]))
            let all = try await consumer(cluster, "all")
            let others = try await consumer(cluster, "others", tags: "B")
            let everybody = try await consumer(cluster, "everybody", model: .broadcasting)
            let gone = try await consumer(cluster, "gone")
            try await eventually("the one that leaves has it") {
                try await tracks(cluster, "queryMsgById", sent.offsetMessageID)["gone"] == "CONSUMED"
            }
            await gone.shutdown()
            let wanted = [
                "all": "CONSUMED", "others": "CONSUMED_BUT_FILTERED", "everybody": "CONSUME_BROADCASTING",
                "gone": "NOT_ONLINE",
            ]
            func compare() async throws {
                var found: [String: String] = [:]
                try await eventually("all groups are told of: \(found)", within: .seconds(70)) {
                    _ = await pause(.milliseconds(200))
                    found = try await tracks(cluster, "queryMsgById", sent.offsetMessageID)
                    return wanted.allSatisfy { found[$0.key] == $0.value }
                }
                let byKey = try await tracks(cluster, "queryMsgByUniqueKey", sent.messageID)
                #expect(wanted.allSatisfy { byKey[$0.key] == $0.value }, "\(byKey)")
            }
            try await compare()
            let shown = try await cluster.admin("queryMsgById", "-t", "t", "-i", sent.offsetMessageID).output
            #expect(
                shown.contains(
                    "[consumerGroup=gone, trackType=NOT_ONLINE, "
                        + "exceptionDesc=CODE:206 DESC:the consumer group[gone] not online]"), "\(shown)")
            // Offsets are written now and then; nothing but its offset tells of a group that is not there.
            let offsets = cluster.folder.appending(path: "store/config/consumerOffset.json")
            try await eventually("the offset of who left is written") {
                try String(contentsOf: offsets, encoding: .utf8).contains("t@gone")
            }
            try await cluster.killBroker()
            try await cluster.startBroker()
            try await compare()
            for consumer in [all, others, everybody] { await consumer.shutdown() }
            await producer.shutdown()
        }
    }

    @Test func `a trace tells when a message was sent and consumed, by whom, and what came of it`() async throws {
        try await RunningCluster.run(["traceTopicEnable": "true"]) { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-r", "1", "-w", "1")
            var options = Producer.Options()
            options.trace = TraceOptions()
            let producer = try Producer(group: "traced", options: options, client: cluster.client)
            try await producer.start()
            let sent = try await producer.send(Message(topic: "t", tags: "A", keys: ["k"], body: [1]))
            let tries = Lines()
            let first = try await consumer(cluster, "one", traced: true)
            let second = try await consumer(
                cluster, "two", traced: true,
                then: {
                    tries.add("x")
                    return tries.all.count == 1 ? .later() : .success
                })
            var shown: [[String]] = []
            try await eventually("both groups are in the trace", within: .seconds(40)) {
                let output = try await cluster.admin("queryMsgTraceById", "-i", sent.messageID).output
                shown = output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
                return shown.contains { $0.first == "Pub" && $0[1] == "traced" && $0.last == "success" }
                    && shown.contains { $0.first == "Sub" && $0[1] == "one" && $0.last == "success" }
                    && shown.contains { $0.first == "Sub" && $0[1] == "two" && $0.last == "failed" }
                    && shown.contains { $0.first == "Sub" && $0[1] == "two" && $0.last == "success" }
            }
            #expect(shown.filter { $0.first == "Pub" }.count == 1, "\(shown)")
            for consumer in [first, second] { await consumer.shutdown() }
            await producer.shutdown()
        }
    }

    /// What the command says of the group, which also writes a file for each member where it runs.
    private func status(_ cluster: RunningCluster) async throws -> String {
        let output = cluster.folder.appending(path: "status-\(UUID().uuidString)")
        let process = try cluster.launch(
            "mqadmin", ["consumerStatus", "-g", "torn", "-n", cluster.nameServers], output: output)
        try await eventually("mqadmin has ended") { !process.isRunning }
        return try String(contentsOf: output, encoding: .utf8)
    }

    @Test func `members of a group that want different things are noticed and told of`() async throws {
        try await RunningCluster.run { cluster in
            try await cluster.admin("updateTopic", "-c", "DefaultCluster", "-t", "t")
            let first = try await consumer(cluster, "torn", tags: "A")
            let alike = try await consumer(cluster, "torn", tags: "A")
            try await eventually("the two are alike") {
                try await status(cluster).contains("Same subscription in the same group of consumer")
            }
            let warning = "members of a group subscribe to different things"
            #expect(!cluster.brokerLogs.contains(warning))
            let other = try await consumer(cluster, "torn", tags: "B")
            try await eventually("the broker says so") {
                cluster.brokerLogs.contains(warning)
            }
            try await eventually("an operator sees it") {
                try await status(cluster).contains("WARN: Different subscription in the same group of consumer!!!")
            }
            for consumer in [first, alike, other] { await consumer.shutdown() }
        }
    }

    @Test func `a topic for one type of messages takes those of a client, and says why it takes no others`()
        async throws
    {
        try await RunningCluster.run(["enableTopicMessageTypeCheck": "true"]) { cluster in
            for type in ["NORMAL", "DELAY", "TRANSACTION"] {
                let made = try await cluster.admin(
                    "updateTopic", "-c", "DefaultCluster", "-t", type, "-a", "+message.type=\(type)")
                #expect(made.code == 0 && made.output.contains("message.type=\(type)"), "\(made)")
            }
            let producer = try TransactionProducer(group: "p", client: cluster.client) { _ in .commit }
            try await producer.start()
            func refusal(_ body: () async throws -> Void) async -> String? {
                do {
                    try await body()
                    return nil
                } catch { return "\(error)" }
            }
            for topic in ["NORMAL", "DELAY", "TRANSACTION"] {
                let plain = await refusal { _ = try await producer.producer.send(Message(topic: topic, body: [1])) }
                var later = Message(topic: topic, body: [2])
                later.delay = .seconds(1)
                let delayed = await refusal { [later] in _ = try await producer.producer.send(later) }
                let half = await refusal {
                    _ = try await producer.send(Message(topic: topic, body: [3])) { _, _ in .commit }
                }
                for (kind, refusal) in [("NORMAL", plain), ("DELAY", delayed), ("TRANSACTION", half)] {
                    guard kind != topic else {
                        #expect(refusal == nil, "\(kind) to \(topic)")
                        continue
                    }
                    #expect(
                        refusal?.contains("the expected type is \(topic), but actual type is \(kind)") == true,
                        "\(kind) to \(topic): \(refusal ?? "taken")")
                }
            }
            await producer.shutdown()
        }
    }
}
