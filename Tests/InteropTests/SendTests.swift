import MQTestKit
import Testing

/// Goal: what Apache's C++ client sends is acknowledged as RocketMQ does, and arrives as it was sent.
@Suite(.serialized, .whereReady, .timeLimit(.minutes(5))) struct SendTests {
    @Test func `synchronous sends to a new topic are acknowledged and arrive once each`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            let bodies = (0..<100).map { "sync \($0)" }
            let sent = try await producer.sendOK(bodies, to: "SyncTopic", tags: "TagA", keys: "k1 k2")
            #expect(Set(sent.compactMap(\.msgId)).count == 100)

            let consumer = try await cluster.consumer(group: "sync-group", topic: "SyncTopic")
            try await consumer.waitFor(bodies)
            #expect(consumer.messages.count == 100)
            #expect(consumer.messages.allSatisfy { $0.tags == "TagA" && $0.keys == "k1 k2" && $0.reconsumeTimes == 0 })
            for (_, queue) in Dictionary(grouping: consumer.messages, by: \.queueId) {
                #expect(queue.compactMap(\.queueOffset).sorted() == Array(0..<queue.count), "offsets have no gaps")
            }
        }
    }

    @Test func `one-way sends arrive`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            try await producer.sendOK(["first"], to: "OnewayTopic")
            let bodies = (0..<50).map { "oneway \($0)" }
            try await producer.send(bodies, to: "OnewayTopic", mode: "oneway")
            let consumer = try await cluster.consumer(group: "oneway-group", topic: "OnewayTopic")
            try await consumer.waitFor(bodies)
        }
    }

    @Test func `messages with one sharding key stay in one queue and in order`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer(orderly: true)
            for round in 0..<10 {
                for key in ["red", "green", "blue"] {
                    try await producer.send(["\(key) \(round)"], to: "OrderTopic", mode: "orderly", shardingKey: key)
                }
            }
            let consumer = try await cluster.consumer(group: "order-group", topic: "OrderTopic", orderly: true)
            for key in ["red", "green", "blue"] {
                let wanted = (0..<10).map { "\(key) \($0)" }
                try await consumer.waitFor(wanted)
                let seen = consumer.messages.filter { $0.body?.hasPrefix(key) == true }
                #expect(seen.compactMap(\.body) == wanted)
                #expect(Set(seen.compactMap(\.queueId)).count == 1)
            }
        }
    }

    @Test func `properties, text of many scripts and a body the client compresses arrive whole`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            let long = String(repeating: "compressible ", count: 8_000)
            let bodies = ["grüße, 消息, 🐎", "\"quoted\" \\ and\nbroken", long]
            try await producer.sendOK(bodies, to: "BodyTopic", properties: ["colour": "blau", "empty-ish": " "])
            let consumer = try await cluster.consumer(
                group: "body-group", topic: "BodyTopic", properties: ["colour", "empty-ish"])
            try await consumer.waitFor(bodies.map { String($0.prefix(200)) })
            #expect(consumer.messages.compactMap(\.byteCount).sorted() == bodies.map(\.utf8.count).sorted())
            #expect(consumer.messages.allSatisfy { $0.properties?["colour"] == "blau" })
        }
    }

    @Test func `a message with a delay level arrives, and not before its time`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            try await producer.sendOK(["warm up"], to: "DelayTopic")
            let consumer = try await cluster.consumer(group: "delay-group", topic: "DelayTopic")
            try await consumer.waitFor(["warm up"])
            let start = ContinuousClock.now
            try await producer.sendOK(["delayed"], to: "DelayTopic", delayLevel: 1)
            try await consumer.waitFor(["delayed"])
            #expect(ContinuousClock.now - start >= .milliseconds(900))
        }
    }

    @Test func `a message with a time of delivery arrives, and not before its time`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            try await producer.sendOK(["warm up"], to: "TimedTopic")
            let consumer = try await cluster.consumer(group: "timed-group", topic: "TimedTopic")
            try await consumer.waitFor(["warm up"])
            let start = ContinuousClock.now
            try await producer.sendOK(["timed"], to: "TimedTopic", properties: ["TIMER_DELAY_MS": "2500"])
            try await consumer.waitFor(["timed"])
            let passed = ContinuousClock.now - start
            #expect(passed >= .milliseconds(2500))
            #expect(passed < .seconds(8))
        }
    }
}
