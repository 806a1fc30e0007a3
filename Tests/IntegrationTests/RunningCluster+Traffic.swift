import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

extension RunningCluster {
    /// Sends `count` messages with tag A and key `k` to topic `t`, and consumes them in group `g`.
    func withTraffic(
        count: Int, _ body: (PushConsumer, Producer, SendResult) async throws -> Void
    ) async throws {
        try await admin("updateTopic", "-c", "DefaultCluster", "-t", "t", "-r", "2", "-w", "2")
        let producer = try Producer(group: "p", client: client)
        try await producer.start()
        var last: SendResult?
        for index in 0..<count {
            last = try await producer.send(
                Message(topic: "t", tags: index % 2 == 0 ? "A" : "B", keys: ["k"], body: Array("body \(index)".utf8)))
        }
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: "g", options: options, client: client)
        try await consumer.subscribe("t")
        let seen = Lines()
        try await consumer.start { _, _ in
            seen.add("x")
            return .success
        }
        try await eventually("all arrive") { seen.all.count >= count }
        // Name servers hear of the group's retry topic soon, not at once.
        try await eventually("the group has its route") {
            try await admin("consumerConnection", "-g", "g").code == 0
        }
        try await body(consumer, producer, try #require(last))
        await consumer.shutdown()
        await producer.shutdown()
    }
}
