import RocketMQClient

/// Three payments, of which the second is turned down: consumers hear of a payment if, and only if, it was made.
@main struct Transactions {
    static func main() async throws {
        // Asked by the broker when a process died between the payment and its word to the broker: look it up.
        let producer = try TransactionProducer(group: "payment-producers") { message in
            message.keys == ["2"] ? .rollback : .commit
        }
        try await producer.start()
        for payment in 1...3 {
            let message = Message(topic: "Payments", keys: ["\(payment)"], body: Array("payment \(payment)".utf8))
            let result = try await producer.send(message) { message, _ in
                pay(message) ? .commit : .rollback
            }
            print("payment \(payment):", result.state)
        }
        await producer.shutdown()

        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: "payment-consumers", options: options)
        try await consumer.subscribe("Payments")
        var count = 0
        for try await delivery in consumer.deliveries() {
            print("heard of", String(decoding: delivery.message.body, as: UTF8.self))
            delivery.finish()
            count += 1
            if count == 2 { break }
        }
        await consumer.shutdown()
    }

    /// The local transaction.
    static func pay(_ message: Message) -> Bool { message.keys != ["2"] }
}
