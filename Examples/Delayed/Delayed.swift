import RocketMQClient

/// A message that arrives a second after it was sent.
@main struct Delayed {
    static func main() async throws {
        let producer = try Producer(group: "delayed-producers")
        try await producer.withRunning { producer in
            var message = Message(topic: "Delayed", body: Array("better late".utf8))
            message.delayLevel = 1  // one second by the broker's messageDelayLevel
            try await producer.send(message)
        }

        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: "delayed-consumers", options: options)
        try await consumer.subscribe("Delayed")
        for try await delivery in consumer.deliveries() {
            let message = delivery.message
            let late = message.storeTimestamp.rawValue - message.bornTimestamp.rawValue
            print(String(decoding: message.body, as: UTF8.self), "after \(late) ms")
            delivery.finish()
            break
        }
        await consumer.shutdown()
    }
}
