import MQTestKit
import Testing

/// Goal: transactions of Apache's C++ client are held back, ended and asked about as RocketMQ does.
@Suite(.serialized, .whereReady, .timeLimit(.minutes(5))) struct TransactionTests {
    private let settings = [
        "transactionTimeOut": "500", "transactionCheckInterval": "1000", "transactionOpBatchInterval": "300",
        "transactionCheckMax": "1000",
    ]

    private func sent(_ client: CppClient, _ bodies: [String], _ state: String) async throws {
        let events = try await client.send(bodies, to: "TransactionTopic", mode: state, tags: "TagA", keys: "key")
        #expect(events.filter { $0.event == "sent" && $0.status == "OK" }.map(\.body) == bodies, "\(events)")
    }

    private func checked(_ client: CppClient) -> [String] {
        client.events.filter { $0.event == "checked" }.compactMap(\.body)
    }

    @Test func `what is committed arrives, what is rolled back does not`() async throws {
        try await Cluster.run(settings) { cluster in
            let producer = try await cluster.transactionProducer(check: "rollback")
            let committed = (0..<20).map { "committed \($0)" }
            try await sent(producer, committed, "commit")
            try await sent(producer, (0..<20).map { "rolled back \($0)" }, "rollback")
            let consumer = try await cluster.consumer(
                group: "transaction-group", topic: "TransactionTopic", properties: ["PGROUP", "TRAN_MSG"])
            try await consumer.waitFor(committed)
            // One of a later round of checks: whatever was open before has been asked about.
            try await sent(producer, ["open"], "unknown")
            try await eventually("it is asked about") { checked(producer).contains("open") }
            #expect(checked(producer).allSatisfy { $0 == "open" }, "what is over is not asked about")
            #expect(consumer.bodies.sorted() == committed.sorted())
            #expect(
                consumer.messages.allSatisfy {
                    $0.tags == "TagA" && $0.keys == "key" && $0.properties?["PGROUP"] == "interop-transactions"
                })
        }
    }

    @Test func `what has a time of delivery waits for it from its commit on, over a kill of the broker`() async throws {
        try await Cluster.run(settings) { cluster in
            let producer = try await cluster.transactionProducer(check: "commit")
            let consumer = try await cluster.consumer(
                group: "transaction-group", topic: "TransactionTopic", properties: ["TIMER_DELAY_MS", "PGROUP"])
            try await sent(producer, ["warm up"], "commit")
            try await consumer.waitFor(["warm up"])
            let begun = ContinuousClock.now
            for (body, state) in [("committed", "commit"), ("gone", "rollback"), ("open", "unknown")] {
                let events = try await producer.send(
                    [body], to: "TransactionTopic", mode: state, properties: ["TIMER_DELAY_MS": "3000"])
                #expect(events.map(\.status) == ["OK"], "\(events)")
            }
            try await eventually("what is open is asked about") { checked(producer).contains("open") }
            try await cluster.broker.kill()
            try await cluster.broker.start()
            try await consumer.waitFor(["committed", "open"], within: .seconds(120))
            #expect(ContinuousClock.now - begun >= .seconds(3))
            for message in consumer.messages where message.body != "warm up" {
                #expect(message.body != "gone" && message.properties?["TIMER_DELAY_MS"] == "3000")
                let waited = (message.storeTimestamp ?? 0) - (message.bornTimestamp ?? 0)
                #expect(waited >= 3000, "\(message)")
            }
        }
    }

    // At once, each with servers of its own: the client tells a broker that it is there every 30 s, and that is all they wait for.
    @Test func `what stays open is asked about and committed, whatever became of the broker`() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for signal in ["none", "TERM", "KILL"] {
                group.addTask { try await commitWhatStaysOpen(after: signal) }
            }
            try await group.waitForAll()
        }
    }

    private func commitWhatStaysOpen(after signal: String) async throws {
        try await Cluster.run(settings) { cluster in
            let producer = try await cluster.transactionProducer(check: "commit")
            let open = (0..<10).map { "open \($0)" }
            try await sent(producer, open, "unknown")
            switch signal {
            case "TERM": try await cluster.broker.stop()
            case "KILL": try await cluster.broker.kill()
            default: break
            }
            if signal != "none" { try await cluster.broker.start() }
            let consumer = try await cluster.consumer(group: "transaction-group", topic: "TransactionTopic")
            try await consumer.waitFor(open, within: .seconds(120))
            #expect(consumer.bodies.sorted() == open.sorted(), "after \(signal)")
        }
    }
}
