import RocketMQClient

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
for try await delivery in consumer.deliveries() {
    print(String(decoding: delivery.message.body, as: UTF8.self))
    delivery.finish()
}
