import MQTestKit
import Testing

/// Goal: what was acknowledged before a broker ends is there after it starts again, and clients go on by themselves.
@Suite(.serialized, .whereReady, .timeLimit(.minutes(5))) struct RestartTests {
    @Test(arguments: ["TERM", "KILL"])
    func `messages and progress survive a broker that ends by`(signal: String) async throws {
        try await Cluster.run(["flushConsumerOffsetInterval": "500"]) { cluster in
            let producer = try await cluster.producer()
            let read = (0..<30).map { "read before \($0)" }
            try await producer.sendOK(read, to: "RestartTopic")
            let early = try await cluster.consumer(group: "restart-group", topic: "RestartTopic")
            try await early.waitFor(read)
            try await cluster.stop(early)
            try await cluster.waitForCommittedOffsets(sum: read.count, group: "restart-group", topic: "RestartTopic")
            let unread = (0..<30).map { "unread before \($0)" }
            try await producer.sendOK(unread, to: "RestartTopic")

            if signal == "TERM" { try await cluster.broker.stop() } else { try await cluster.broker.kill() }
            try await cluster.broker.start()

            let fresh = (0..<30).map { "after \($0)" }
            try await producer.sendOKAfterRestart(fresh, to: "RestartTopic")
            let late = try await cluster.consumer(group: "restart-group", topic: "RestartTopic")
            try await late.waitFor(unread + fresh)
            #expect(Set(late.bodies).isDisjoint(with: read), "what the group had committed is not delivered again")

            let everything = try await cluster.consumer(group: "second-group", topic: "RestartTopic")
            try await everything.waitFor(read + unread + fresh)
            for (_, queue) in Dictionary(grouping: everything.messages, by: \.queueId) {
                let offsets = Set(queue.compactMap(\.queueOffset))
                #expect(offsets == Set(0..<offsets.count), "queue offsets go on where they stopped")
            }
        }
    }

    @Test func `a consumer that lives through a restart goes on`() async throws {
        try await Cluster.run { cluster in
            let producer = try await cluster.producer()
            try await producer.sendOK(["before"], to: "LivingTopic")
            let consumer = try await cluster.consumer(group: "living-group", topic: "LivingTopic")
            try await consumer.waitFor(["before"])
            try await cluster.broker.stop()
            try await cluster.broker.start()
            let bodies = (0..<20).map { "after \($0)" }
            try await producer.sendOKAfterRestart(bodies, to: "LivingTopic")
            try await consumer.waitFor(bodies, within: .seconds(120))
        }
    }
}
