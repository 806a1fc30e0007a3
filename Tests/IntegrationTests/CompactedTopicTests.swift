import Foundation
import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

/// Goal: consumers of a compacted topic get the last message of each key, whether they pull or pop, over kills of the broker, and
/// what is newer as it comes.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct CompactedTopicTests {
    private static let settings = [
        "compactionScheduleInternal": "200", "flushIntervalCommitLog": "50", "flushCommitLogLeastPages": "0",
    ]

    private func consume(
        _ cluster: RunningCluster, _ group: String
    ) async throws -> (consumer: PushConsumer, seen: Lines) {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        options.assignment = group == "popping" ? .broker : options.assignment
        let consumer = try PushConsumer(group: group, options: options, client: cluster.client)
        try await consumer.subscribe("states")
        let seen = Lines()
        try await consumer.start { message, _ in
            seen.add(String(decoding: message.body, as: UTF8.self))
            return .success
        }
        return (consumer, seen)
    }

    @Test func `new groups get the state of each key, pulled or popped, and then its changes`() async throws {
        try await RunningCluster.run(Self.settings) { cluster in
            let made = try await cluster.admin(
                "updateTopic", "-c", "DefaultCluster", "-t", "states", "-r", "1", "-w", "1", "-a",
                "+cleanup.policy=COMPACTION")
            #expect(made.code == 0, "\(made.errors)")
            let producer = try Producer(group: "p", client: cluster.client)
            try await producer.start()
            for number in 0..<40 {
                let body = Array("k\(number % 4) is \(number)".utf8)
                try await producer.send(Message(topic: "states", keys: ["k\(number % 4)"], body: body))
            }
            await #expect { try await producer.send(Message(topic: "states", body: [1])) } throws: {
                "\($0)".contains("Required message key is missing")
            }
            let states = (36..<40).map { "k\($0 % 4) is \($0)" }
            // A group that comes before the compaction gets more.
            try await eventually("the topic is compacted", within: .seconds(30)) {
                cluster.brokerLogs.contains("queue compacted") && cluster.brokerLogs.contains("messages=4")
            }
            let modes = try await cluster.admin(
                "setConsumeMode", "-c", "DefaultCluster", "-t", "states", "-g", "popping", "-m", "POP", "-q", "8")
            #expect(modes.code == 0, "\(modes.errors)")
            let pulling = try await consume(cluster, "pulling")
            let popping = try await consume(cluster, "popping")
            for (consumer, seen) in [pulling, popping] {
                try await eventually("\(consumer.group) has all states", within: .seconds(30)) { seen.all.count >= 4 }
                #expect(seen.all.sorted() == states)
            }
            try await cluster.killBroker()
            try await cluster.startBroker()
            for _ in 0..<60 {
                let change = Message(topic: "states", keys: ["k1"], body: Array("k1 is new".utf8))
                do {
                    try await producer.send(change)
                    break
                } catch { _ = await pause(.milliseconds(250)) }
            }
            for (consumer, seen) in [pulling, popping] {
                try await eventually("\(consumer.group) hears of the change", within: .seconds(60)) {
                    seen.all.contains("k1 is new")
                }
                #expect(Set(seen.all) == Set(states + ["k1 is new"]))
                await consumer.shutdown()
            }
            await producer.shutdown()
        }
    }
}
