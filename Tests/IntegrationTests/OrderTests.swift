import Foundation
import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

/// Goal: order, filters, resets and replies hold between the Swift client and the real executables, also when the broker is
/// killed in the middle.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct OrderTests {
    private func consumer(
        _ cluster: RunningCluster, _ group: String, topic: String = "t",
        _ change: (inout ConsumerOptions) -> Void = { _ in }
    ) async throws -> PushConsumer {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        options.isOrderly = true
        options.suspendCurrentQueue = .milliseconds(50)
        change(&options)
        let consumer = try PushConsumer(group: group, options: options, client: cluster.client)
        try await consumer.subscribe(topic)
        return consumer
    }

    private func producer(_ cluster: RunningCluster) async throws -> Producer {
        var options = Producer.Options()
        options.sendTimeout = .seconds(10)
        let producer = try Producer(group: "producers", options: options, client: cluster.client)
        try await producer.start()
        return producer
    }

    /// Sends `numbers` of each queue in order, one after the other.
    private func send(_ numbers: Range<Int>, to topic: String, _ producer: Producer) async throws {
        let queues = try await producer.queues(of: topic)
        for number in numbers {
            for queue in queues {
                let message = Message(topic: topic, body: Array("\(queue.queueID) \(number)".utf8))
                try await retrying { try await producer.send(message, to: queue) }
            }
        }
    }

    private func retrying(_ body: () async throws -> Void) async throws {
        for _ in 0..<60 {
            do { return try await body() } catch { _ = await pause(.milliseconds(250)) }
        }
        try await body()
    }

    /// The numbers that each queue brought, first deliveries only, in the order they came.
    private func byQueue(_ lines: [String]) -> [Int: [Int]] {
        var table: [Int: [Int]] = [:]
        for line in lines {
            let parts = line.split(separator: " ").compactMap { Int($0) }
            if table[parts[0]]?.contains(parts[1]) != true { table[parts[0], default: []].append(parts[1]) }
        }
        return table
    }

    private func text(_ message: MessageExt) -> String { String(decoding: message.body, as: UTF8.self) }

    @Test func `each queue keeps its order while handlers fail, and the broker is killed`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await producer(cluster)
            try await retrying { try await producer.send(Message(topic: "t", body: Array("0 -1".utf8))) }
            let done = Lines()
            let failed = Lines()
            let consumer = try await consumer(cluster, "ordered")
            try await consumer.start { message, _ in
                let body = text(message)
                // Each seventh message fails twice.
                if let number = body.split(separator: " ").last.flatMap({ Int($0) }), number % 7 == 3,
                    message.reconsumeTimes < 2
                {
                    failed.add(body)
                    return .later()
                }
                done.add(body)
                return .success
            }
            try await send(0..<20, to: "t", producer)
            try await eventually("the first half is consumed", within: .seconds(30)) { done.all.count >= 40 }
            try await cluster.killBroker()
            try await cluster.startBroker()
            try await send(20..<40, to: "t", producer)
            try await eventually("all is consumed", within: .seconds(60)) {
                byQueue(done.all).values.allSatisfy { $0.contains(39) } && byQueue(done.all).count == 4
            }
            await consumer.shutdown()
            for (queue, numbers) in byQueue(done.all) {
                #expect(numbers.filter { $0 >= 0 } == Array(0..<40), "queue \(queue)")
            }
            #expect(failed.all.count >= 4 * 2 * 5)
            await producer.shutdown()
        }
    }

    @Test func `one queue is one order for the whole topic, whoever has it`() async throws {
        try await RunningCluster.run { cluster in
            let made = try await cluster.admin(
                "updateTopic", "-b", cluster.brokerAddress, "-t", "one", "-r", "1", "-w", "1")
            #expect(made.code == 0)
            let producer = try await producer(cluster)
            let done = Lines()
            let first = try await consumer(cluster, "global", topic: "one")
            let second = try await consumer(cluster, "global", topic: "one")
            try await retrying { _ = try await producer.queues(of: "one") }
            for consumer in [first, second] {
                try await consumer.start { message, _ in
                    done.add(text(message))
                    return .success
                }
            }
            try await send(0..<50, to: "one", producer)
            try await eventually("fifty", within: .seconds(30)) { done.all.count >= 50 }
            var owners = 0
            for consumer in [first, second] where await consumer.queues.contains(where: { $0.topic == "one" }) {
                owners += 1
            }
            #expect(owners == 1)
            // The owner leaves in the middle; the other takes over behind it.
            let owner = await first.queues.contains { $0.topic == "one" } ? first : second
            try await send(50..<60, to: "one", producer)
            await owner.shutdown()
            try await send(60..<100, to: "one", producer)
            try await eventually("a hundred", within: .seconds(60)) { byQueue(done.all)[0]?.count == 100 }
            #expect(byQueue(done.all)[0] == Array(0..<100))
            #expect(done.all.count == 100, "a clean hand-over repeats nothing")
            await first.shutdown()
            await second.shutdown()
            await producer.shutdown()
        }
    }

    @Test func `a message that fails too often in order becomes a dead letter, and the queue goes on`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await producer(cluster)
            try await retrying { try await producer.send(Message(topic: "t", body: Array("0 0".utf8))) }
            let queue = try #require(try await producer.queues(of: "t").first)
            for number in 1..<4 {
                try await producer.send(Message(topic: "t", body: Array("9 \(number)".utf8)), to: queue)
            }
            let seen = Lines()
            let consumer = try await consumer(cluster, "stubborn") { $0.maxReconsumeTimes = 2 }
            try await consumer.start { message, _ in
                seen.add("\(text(message)) \(message.reconsumeTimes)")
                return text(message) == "9 2" ? .later() : .success
            }
            try await eventually("the last one", within: .seconds(30)) { seen.all.contains("9 3 0") }
            let nines = seen.all.filter { $0.hasPrefix("9") }
            #expect(nines == ["9 1 0", "9 2 0", "9 2 1", "9 2 2", "9 3 0"])
            try await eventually("a dead letter") {
                try await cluster.admin("topicStatus", "-t", "%DLQ%stubborn").code == 0
            }
            await consumer.shutdown()
            await producer.shutdown()
        }
    }

    @Test(arguments: [true, false])
    func `an administrator's reset brings messages again`(isAtServer: Bool) async throws {
        try await RunningCluster.run(["useServerSideResetOffset": isAtServer ? "true" : "false"]) { cluster in
            let producer = try await producer(cluster)
            try await retrying { try await producer.send(Message(topic: "t", body: Array("0 -1".utf8))) }
            try await send(0..<5, to: "t", producer)
            let seen = Lines()
            let consumer = try await consumer(cluster, "moved") { $0.isOrderly = isAtServer }
            try await consumer.start { message, _ in
                seen.add(text(message))
                return .success
            }
            try await eventually("all once", within: .seconds(30)) { Set(seen.all).count == 21 }
            let link = try ClusterLink(cluster.client)
            link.start()
            // Progress of all queues must be known before consumers can be told where to go on.
            try await eventually("the reset is taken", within: .seconds(30)) {
                let answer = try await link.answer(
                    to: RemotingCommand(
                        .invokeBrokerToResetOffset,
                        ["group": "moved", "topic": "t", "timestamp": "0", "isForce": "true"]),
                    at: cluster.brokerAddress)
                return answer.responseCode == .success
            }
            try await eventually("all twice", within: .seconds(30)) {
                Set(seen.all).allSatisfy { body in seen.all.filter { $0 == body }.count >= 2 }
            }
            let status = try await link.ask(
                RemotingCommand(.invokeBrokerToGetConsumerStatus, ["group": "moved", "topic": "t"]),
                at: cluster.brokerAddress)
            #expect(try GetConsumerStatusBody(parsing: status.body).consumerTable.values.first?.count == 4)
            await link.shutdown()
            await consumer.shutdown()
            await producer.shutdown()
        }
    }

    @Test func `SQL92 subscriptions bring what they want, also behind a restart`() async throws {
        try await RunningCluster.run([
            "enablePropertyFilter": "true", "enableConsumeQueueExt": "true", "enableCalcFilterBitMap": "true",
        ]) { cluster in
            let producer = try await producer(cluster)
            @Sendable func message(_ number: Int) -> Message {
                var message = Message(topic: "t", body: Array("\(number)".utf8))
                message.properties["price"] = String(number)
                return message
            }
            try await retrying { try await producer.send(message(0)) }
            // Without a route nobody can be asked whether an expression is right.
            try await eventually("the topic is registered") { try await producer.link.fetchRoute(of: "t") != nil }
            let wrong = try PushConsumer(group: "wrong", client: cluster.client)
            try await wrong.subscribe("t", sql: "price >")
            await #expect(throws: ClientError.self) { try await wrong.start { _, _ in .success } }
            var options = ConsumerOptions()
            options.consumeFromWhere = .firstOffset
            let consumer = try PushConsumer(group: "sql", options: options, client: cluster.client)
            try await consumer.subscribe("t", sql: "price BETWEEN 10 AND 19 OR price > 38")
            let seen = Lines()
            try await consumer.start { message, _ in
                seen.add(text(message))
                return .success
            }
            for number in 1..<20 { try await producer.send(message(number)) }
            try await eventually("ten") { Set(seen.all).count == 10 }
            try await cluster.killBroker()
            try await cluster.startBroker()
            for number in 20..<41 { try await retrying { try await producer.send(message(number)) } }
            try await eventually("twelve", within: .seconds(60)) { Set(seen.all).count == 12 }
            #expect(Set(seen.all) == Set((10...19).map(String.init) + ["39", "40"]))
            await consumer.shutdown()
            await producer.shutdown()
        }
    }

    @Test func `a request gets its reply, or says that none came`() async throws {
        try await RunningCluster.run { cluster in
            let producer = try await producer(cluster)
            try await retrying { try await producer.send(Message(topic: "t", body: Array("warm up".utf8))) }
            let replier = try Producer(group: "repliers", client: cluster.client)
            try await replier.start()
            let answered = Lines()
            let consumer = try await consumer(cluster, "servers") { $0.isOrderly = false }
            try await consumer.start { message, _ in
                let body = text(message)
                guard body.hasPrefix("ask") else { return .success }
                try await replier.send(Message.reply(to: message, body: Array("answer to \(body)".utf8)))
                answered.add(body)
                return .success
            }
            for number in 0..<20 {
                let reply = try await producer.request(
                    Message(topic: "t", body: Array("ask \(number)".utf8)), timeout: .seconds(20))
                #expect(text(reply) == "answer to ask \(number)")
            }
            let missing = Message(topic: "t", body: Array("no one answers this".utf8))
            await #expect(throws: ClientError.self) { try await producer.request(missing, timeout: .milliseconds(500)) }
            await consumer.shutdown()
            await replier.shutdown()
            await producer.shutdown()
        }
    }
}
