import MQProtocol
import MQTestKit
import Testing

/// Goal: groups of Apache's C++ client divide, filter and repeat messages as RocketMQ promises.
@Suite(.serialized, .whereReady, .timeLimit(.minutes(5))) struct ConsumeTests {
    @Test func `a tag expression lets its tags through and nothing else`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            for tag in ["TagA", "TagB", "TagC"] {
                try await producer.sendOK((0..<20).map { "\(tag) \($0)" }, to: "TagTopic", tags: tag)
            }
            let consumer = try await cluster.consumer(
                group: "tag-group", topic: "TagTopic", expression: "TagA || TagC")
            let wanted = ["TagA", "TagC"].flatMap { tag in (0..<20).map { "\(tag) \($0)" } }
            try await consumer.waitFor(wanted)
            // A last message of a wanted tag, to each queue: whatever stood before it has been decided upon.
            let last = (0..<16).map { "TagA last \($0)" }
            try await producer.sendOK(last, to: "TagTopic", tags: "TagA")
            try await consumer.waitFor(last)
            #expect(Set(consumer.bodies) == Set(wanted + last))
        }
    }

    @Test func `two consumers of a group share the queues, and every message goes to one of them`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            try await producer.sendOK(["warm up"], to: "SharedTopic")
            let first = try await cluster.consumer(group: "shared-group", topic: "SharedTopic")
            try await first.waitFor(["warm up"])
            let second = try await cluster.consumer(group: "shared-group", topic: "SharedTopic")

            // The two have divided the queues when a round of messages reaches both.
            var sent: [String] = []
            try await cluster.untilShared(first, second) { round in
                let bodies = (0..<16).map { "round \(round) \($0)" }
                sent += bodies
                try await producer.sendOK(bodies, to: "SharedTopic")
            }
            let settled = (0..<80).map { "settled \($0)" }
            try await producer.sendOK(settled, to: "SharedTopic")
            let wanted = Set(sent + settled)
            try await eventually("all \(wanted.count) messages arrive") {
                wanted.isSubset(of: Set(first.bodies + second.bodies))
            }
            let both = first.messages + second.messages
            let settledSeen = both.filter { $0.body?.hasPrefix("settled") == true }
            #expect(settledSeen.count == 80, "after the queues are divided nothing is delivered twice")
            let queues = [first, second].map { client in
                Set(client.messages.filter { $0.body?.hasPrefix("settled") == true }.compactMap(\.queueId))
            }
            #expect(queues[0].isDisjoint(with: queues[1]) && !queues[0].isEmpty && !queues[1].isEmpty)
        }
    }

    @Test func `a compacted topic brings the last message of each key, and failed ones again`() async throws {
        let settings = [
            "compactionScheduleInternal": "200", "flushIntervalCommitLog": "50", "flushCommitLogLeastPages": "0",
        ]
        try await Cluster.run(settings) { cluster in
            let admin = try RemotingPeer(port: cluster.broker.port)
            let topic = RemotingCommand(
                .updateAndCreateTopic,
                [
                    "topic": "StateTopic", "defaultTopic": "TBW102", "readQueueNums": "1", "writeQueueNums": "1",
                    "perm": "6", "topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false",
                    "attributes": "+cleanup.policy=COMPACTION",
                ])
            #expect(try admin.ask(topic).responseCode == .success)
            let producer = try await cluster.producer()
            for key in 0..<4 {
                try await producer.sendOK((0..<5).map { "k\(key) is \($0)" }, to: "StateTopic", keys: "k\(key)")
            }
            let keyless = try await producer.send(["no key"], to: "StateTopic")
            #expect(keyless.map(\.event) == ["failed"], "\(keyless)")
            let pull = RemotingCommand(
                .pullMessage,
                [
                    "consumerGroup": "TOOLS_CONSUMER", "topic": "StateTopic", "queueId": "0", "queueOffset": "0",
                    "maxMsgNums": "32", "sysFlag": "4", "commitOffset": "0", "suspendTimeoutMillis": "0",
                    "subscription": "*", "subVersion": "0", "expressionType": "TAG",
                ])
            try await eventually("the topic is compacted") {
                let text = try String(decoding: admin.ask(pull).body, as: UTF8.self)
                return text.contains("k3 is 4") && !text.contains(" is 3")
            }
            let consumer = try await cluster.consumer(group: "state-group", topic: "StateTopic", failures: 1)
            let last = Set((0..<4).map { "k\($0) is 4" })
            // The client gives several back when one fails, so that some come more often.
            try await eventually("all are consumed", within: .seconds(120)) {
                Set(consumer.messages.filter { $0.succeeds == true }.compactMap(\.body)) == last
            }
            #expect(Set(consumer.bodies) == last)
            #expect(consumer.messages.allSatisfy { $0.succeeds == false || ($0.reconsumeTimes ?? 0) > 0 })
        }
    }

    @Test func `in broadcasting mode every consumer gets every message`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            try await producer.sendOK((0..<16).map { "warm up \($0)" }, to: "BroadcastTopic")
            let consumers = [
                try await cluster.consumer(group: "all-group", topic: "BroadcastTopic", model: "broadcasting"),
                try await cluster.consumer(group: "all-group", topic: "BroadcastTopic", model: "broadcasting"),
            ]
            // A broadcasting consumer starts at the end of each queue: it is ready when it gets what is sent now.
            for (index, consumer) in consumers.enumerated() {
                var round = 0
                while consumer.messages.isEmpty, round < 60 {
                    round += 1
                    try await producer.sendOK((0..<16).map { "probe \(index) \(round) \($0)" }, to: "BroadcastTopic")
                    try? await eventually("", within: .seconds(1)) { !consumer.messages.isEmpty }
                }
            }
            let bodies = (0..<40).map { "broadcast \($0)" }
            try await producer.sendOK(bodies, to: "BroadcastTopic")
            for consumer in consumers { try await consumer.waitFor(bodies) }
        }
    }

    @Test func `a message answered with RECONSUME_LATER comes again and says how often`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            try await producer.sendOK(["again"], to: "RetryTopic", tags: "TagR", keys: "key-r")
            let consumer = try await cluster.consumer(
                group: "retry-group", topic: "RetryTopic", failures: 2,
                properties: ["RETRY_TOPIC", "ORIGIN_MESSAGE_ID"])
            try await eventually("the message is delivered three times", within: .seconds(120)) {
                consumer.messages.count >= 3
            }
            #expect(consumer.messages.map(\.reconsumeTimes) == [0, 1, 2])
            #expect(consumer.messages.allSatisfy { $0.body == "again" && $0.tags == "TagR" && $0.keys == "key-r" })
            #expect(consumer.messages.map(\.succeeds) == [false, false, true])
        }
    }
}
