import RocketMQClient

/// Sends ten messages, and receives them. `NAMESRV_ADDR` says where the name server is.
@main struct Quickstart {
    static func main() async throws {
        let producer = try Producer(group: "quickstart-producers")
        try await producer.withRunning { producer in
            for number in 1...10 {
                let message = Message(topic: "Quickstart", body: Array("Hello \(number)".utf8))
                print(try await producer.send(message))
            }
        }

        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: "quickstart-consumers", options: options)
        try await consumer.subscribe("Quickstart")
        var count = 0
        for try await delivery in consumer.deliveries() {
            print("received", String(decoding: delivery.message.body, as: UTF8.self))
            delivery.finish()  // the group will not see it again
            count += 1
            if count == 10 { break }
        }
        await consumer.shutdown()
    }
}
