import RocketMQClient

/// Three orders, each with its steps in order: messages of one order go to one queue, and are read as they stand there.
@main struct Ordered {
    static func main() async throws {
        let producer = try Producer(group: "ordered-producers")
        try await producer.withRunning { producer in
            for step in ["created", "paid", "shipped"] {
                for order in 1...3 {
                    let message = Message(topic: "Orders", keys: ["\(order)"], body: Array("order \(order) \(step)".utf8))
                    try await producer.send(message, by: .hash(of: order))
                }
            }
        }

        var options = LitePullConsumer.Options()
        options.consumeFromWhere = .firstOffset
        let consumer = try LitePullConsumer(group: "ordered-consumers", options: options)
        try await consumer.subscribe("Orders")
        try await consumer.withRunning { consumer in
            var count = 0
            for try await message in consumer.messages {
                print(String(decoding: message.body, as: UTF8.self))
                count += 1
                if count == 9 { break }
            }
            try await consumer.commit()
        }
    }
}
