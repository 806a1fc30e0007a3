import Foundation
import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

/// The Swift client against the real executables.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct RealClientTests {
    private func producer(_ cluster: RunningCluster) async throws -> Producer {
        let producer = try Producer(group: "producers", client: cluster.client)
        try await producer.start()
        return producer
    }

    private func consumer(
        _ cluster: RunningCluster, _ group: String, _ tags: String = "*",
        _ change: (inout ConsumerOptions) -> Void = { _ in }
    ) async throws -> PushConsumer {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        change(&options)
        let consumer = try PushConsumer(group: group, options: options, client: cluster.client)
        try await consumer.subscribe("t", tags)
        return consumer
    }

    private func text(_ message: MessageExt) -> String { String(decoding: message.body, as: UTF8.self) }

    @Test func `the quickstart programs send and receive a thousand messages`() async throws {
        try await RunningCluster.run { cluster in
            let sent = cluster.folder.appending(path: "producer.out")
            let producer = try cluster.launch(
                "mqexample", ["org.apache.rocketmq.example.quickstart.Producer"], output: sent)
            try await eventually("the producer ends") { !producer.isRunning }
            #expect(producer.terminationStatus == 0)
            let results = try String(contentsOf: sent, encoding: .utf8).split(separator: "\n")
            #expect(results.count == 1000)
            #expect(results.allSatisfy { $0.hasPrefix("SendResult [sendStatus=SEND_OK, msgId=") })

            let seen = cluster.folder.appending(path: "consumer.out")
            let consumer = try cluster.launch(
                "mqexample", ["org.apache.rocketmq.example.quickstart.Consumer"], output: seen)
            try await eventually("a thousand messages arrive") {
                try String(contentsOf: seen, encoding: .utf8).split(separator: "\n").count >= 1001
            }
            consumer.terminate()
            try await eventually("the consumer ends") { !consumer.isRunning }
            #expect(consumer.terminationStatus == 0)
            let lines = try String(contentsOf: seen, encoding: .utf8).split(separator: "\n")
            #expect(lines[0] == "Consumer Started.")
            let start = "ConsumeMessageThread_please_rename_unique_group_name_4_"
            #expect(
                lines.dropFirst().allSatisfy {
                    $0.hasPrefix(start) && $0.contains(" Receive New Messages: [MessageExt [")
                })
            #expect(lines.count == 1001)
            let progress = try await cluster.admin("consumerProgress", "-g", "please_rename_unique_group_name_4")
            #expect(progress.output.contains("Consume Diff Total: 0\n"))
        }
    }

    @Test func `tags, large bodies and one-way messages arrive`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await producer(cluster)
            let seen = Lines()
            let consumer = try await consumer(cluster, "tagged", "A || C")
            for tag in ["A", "B", "C"] {
                for index in 0..<10 {
                    try await producer.send(Message(topic: "t", tags: tag, body: Array("\(tag)\(index)".utf8)))
                }
            }
            try await producer.send(Message(topic: "t", tags: "A", body: [UInt8](repeating: 65, count: 200_000)))
            try await producer.sendOneWay(Message(topic: "t", tags: "A", body: Array("one way".utf8)))
            try await consumer.start { message, _ in
                seen.add(message.body.count > 100 ? "large \(message.body.count)" : text(message))
                return .success
            }
            try await eventually("22 messages arrive") { seen.all.count >= 22 }
            await consumer.shutdown()
            let wanted = ["A", "C"].flatMap { tag in (0..<10).map { "\(tag)\($0)" } } + ["large 200000", "one way"]
            #expect(Set(seen.all) == Set(wanted) && seen.all.count == 22)
            await producer.shutdown()
        }
    }

    @Test func `failed messages come again and end in the dead letter topic`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await producer(cluster)
            let seen = Lines()
            let consumer = try await consumer(cluster, "failing") { $0.maxReconsumeTimes = 2 }
            try await producer.send(Message(topic: "t", body: Array("x".utf8)))
            try await consumer.start { message, _ in
                seen.add("\(message.topic) \(message.reconsumeTimes)")
                return .later()
            }
            try await eventually("three tries") { seen.all.count >= 3 }
            try await eventually("the dead letter topic is there") {
                try await cluster.admin("topicStatus", "-t", "%DLQ%failing").code == 0
            }
            await consumer.shutdown()
            #expect(seen.all == ["t 0", "t 1", "t 2"])
            await producer.shutdown()
        }
    }

    @Test func `members share the queues when they come and go`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await producer(cluster)
            try await producer.send(Message(topic: "t", body: [1]))
            let first = try await consumer(cluster, "shared")
            let second = try await consumer(cluster, "shared")
            func count(_ consumer: PushConsumer) async -> Int { await consumer.queues.filter { $0.topic == "t" }.count }
            try await first.start { _, _ in .success }
            try await eventually("the first has all") { await count(first) == 4 }
            try await second.start { _, _ in .success }
            try await eventually("both have two", within: .seconds(10)) {
                let counts = (await count(first), await count(second))
                return counts == (2, 2)
            }
            await second.shutdown()
            try await eventually("the first has all again", within: .seconds(10)) { await count(first) == 4 }
            await first.shutdown()
            await producer.shutdown()
        }
    }

    @Test func `a new group begins at the first message, behind the last, or at a time`() async throws {
        // With 0 nothing counts as recent, else a group that never was there gets all of a young queue, as in RocketMQ.
        try await RunningCluster.run(["accessMessageInMemoryMaxRatio": "0"]) { cluster in
            func now() -> Int64 { Int64(Date().timeIntervalSince1970 * 1000) }
            let producer = try await producer(cluster)
            func send(_ text: String) async throws {
                for _ in 0..<8 { try await producer.send(Message(topic: "t", body: Array(text.utf8))) }
            }
            try await send("old")
            let time = now() + 1
            try await eventually("a moment has passed") { now() > time }
            try await send("new")
            var seen: [ConsumeFromWhere: Lines] = [:]
            var consumers: [PushConsumer] = []
            for (place, group) in [(.firstOffset, "a"), (.lastOffset, "b"), (ConsumeFromWhere.timestamp, "c")] {
                let lines = Lines()
                seen[place] = lines
                let consumer = try await consumer(cluster, group) { options in
                    options.consumeFromWhere = place
                    options.consumeTimestamp = time
                }
                try await consumer.start { message, _ in
                    lines.add(text(message))
                    return .success
                }
                consumers.append(consumer)
            }
            try await eventually("all get what comes from now on", within: .seconds(30)) {
                try await send("later")
                return seen.values.allSatisfy { $0.all.contains("later") }
            }
            func count(_ text: String, _ place: ConsumeFromWhere) -> Int {
                seen[place]?.all.filter { $0 == text }.count ?? 0
            }
            try await eventually("what each is to get has come", within: .seconds(30)) {
                count("old", .firstOffset) == 8 && count("new", .firstOffset) == 8 && count("new", .timestamp) == 8
            }
            #expect(count("old", .timestamp) == 0)
            #expect(Set(seen[.lastOffset]?.all ?? []) == ["later"])
            for consumer in consumers { await consumer.shutdown() }
            await producer.shutdown()
        }
    }

    @Test func `every broadcasting member gets everything`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await producer(cluster)
            let seen = [Lines(), Lines()]
            var consumers: [PushConsumer] = []
            for index in 0..<2 {
                var client = cluster.client
                client.instanceName = "broadcast-\(UUID().uuidString)"
                var options = ConsumerOptions()
                options.messageModel = .broadcasting
                options.consumeFromWhere = .firstOffset
                let consumer = try PushConsumer(group: "everyone", options: options, client: client)
                try await consumer.subscribe("t")
                let lines = seen[index]
                try await consumer.start { message, _ in
                    lines.add(text(message))
                    return .success
                }
                consumers.append(consumer)
            }
            for index in 0..<20 { try await producer.send(Message(topic: "t", body: Array("\(index)".utf8))) }
            try await eventually("both see twenty") { seen.allSatisfy { $0.all.count >= 20 } }
            for consumer in consumers {
                await consumer.shutdown()
                let offsets = NSHomeDirectory() + "/.rocketmq_offsets/" + consumer.link.clientID
                #expect(FileManager.default.fileExists(atPath: offsets + "/everyone/offsets.json"))
                try? FileManager.default.removeItem(atPath: offsets)
            }
            #expect(seen.allSatisfy { Set($0.all) == Set((0..<20).map(String.init)) })
            await producer.shutdown()
        }
    }

    @Test func `nothing acknowledged is lost over a broker's death`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await producer(cluster)
            let acknowledged = Lines()
            let seen = Lines()
            let consumer = try await consumer(cluster, "surviving")
            try await consumer.start { message, _ in
                seen.add(text(message))
                return .success
            }
            let sending = Task {
                var index = 0
                while !Task.isCancelled {
                    let body = "m\(index)"
                    if (try? await producer.send(Message(topic: "t", body: Array(body.utf8)))) != nil {
                        acknowledged.add(body)
                    }
                    index += 1
                }
            }
            try await eventually("a hundred are sent") { acknowledged.all.count >= 100 }
            try await cluster.killBroker()
            try await cluster.startBroker()
            let before = acknowledged.all.count
            try await eventually("sending goes on") { acknowledged.all.count >= before + 100 }
            sending.cancel()
            await sending.value
            try await eventually("everything acknowledged arrives") { Set(acknowledged.all).isSubset(of: seen.all) }
            // The broker forgot its clients; they tell it again by themselves.
            try await eventually("the broker knows the consumer again") {
                try await cluster.admin("consumerConnection", "-g", "surviving").code == 0
            }
            await consumer.shutdown()
            await producer.shutdown()
        }
    }
}
