import MQTestKit
import Testing

/// Goal: Apache's C++ client consumes in order from this broker, and takes part in what it locks and filters.
@Suite(.serialized, .whereReady, .timeLimit(.minutes(5))) struct OrderlyTests {
    @Test func `an orderly consumer gets each queue in order, also behind a restart`() async throws {
        try await Cluster.run { cluster in
            func send(_ numbers: Range<Int>) async throws {
                // One for each half: one that lived through the restart was seen to end without its last word.
                let producer = try await cluster.producer(orderly: true)
                for number in numbers {
                    for key in ["a", "b", "c"] {
                        // While the broker comes back a send may fail: again, so that nothing is sent before it.
                        for attempt in 0..<100 {
                            let sent = try await producer.send(
                                ["\(key) \(number)"], to: "OrderTopic", mode: "orderly", shardingKey: key)
                            if sent.first?.status == "OK" { break }
                            #expect(attempt < 99, "\(sent)")
                        }
                    }
                }
                try await cluster.stop(producer)
            }
            try await send(0..<20)
            let consumer = try await cluster.consumer(group: "order-group", topic: "OrderTopic", orderly: true)
            let first = ["a", "b", "c"].flatMap { key in (0..<20).map { "\(key) \($0)" } }
            try await consumer.waitFor(first)
            try await cluster.broker.stop()
            try await cluster.broker.start()
            try await send(20..<30)
            let all = ["a", "b", "c"].flatMap { key in (0..<30).map { "\(key) \($0)" } }
            try await consumer.waitFor(all)
            for key in ["a", "b", "c"] {
                var numbers: [Int] = []
                for body in consumer.bodies where body.hasPrefix(key) {
                    let number = Int(body.dropFirst(2)) ?? -1
                    if !numbers.contains(number) { numbers.append(number) }
                }
                #expect(numbers == Array(0..<30), "of \(key)")
            }
        }
    }
}
