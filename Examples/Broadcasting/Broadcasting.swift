import RocketMQClient

/// Two members of a group that both get every message. Their progress is kept on this machine, one file for each member.
@main struct Broadcasting {
    static func main() async throws {
        let producer = try Producer(group: "broadcasting-producers")
        try await producer.withRunning { producer in
            for number in 1...3 {
                try await producer.send(Message(topic: "Broadcasting", body: Array("news \(number)".utf8)))
            }
        }

        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in ["first", "second"] {
                group.addTask { try await listen(as: name) }
            }
            try await group.waitForAll()
        }
    }

    static func listen(as name: String) async throws {
        var options = ConsumerOptions()
        options.messageModel = .broadcasting
        options.consumeFromWhere = .firstOffset
        var client = ClientOptions()
        client.instanceName = name  // the progress is found again by it
        let consumer = try PushConsumer(group: "broadcasting-consumers", options: options, client: client)
        try await consumer.subscribe("Broadcasting")
        var count = 0
        for try await delivery in consumer.deliveries() {
            print(name, "heard", String(decoding: delivery.message.body, as: UTF8.self))
            delivery.finish()
            count += 1
            if count == 3 { break }
        }
        await consumer.shutdown()
    }
}
