import RocketMQClient
import Testing

/// What a program can say that imports this one module. That it compiles is most of the test.
@Suite struct ImportTests {
    @Test func `names and members of the API need no other import`() async throws {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        options.messageModel = .broadcasting
        let handler: MessageHandler = { message, context in
            let age = message.storeTimestamp.rawValue - message.bornTimestamp.rawValue
            return context.queue.queueID == 0 && age >= 0 && message.bodyText != nil ? .success : .later()
        }
        let queue = MessageQueue(topic: "t", brokerName: "b", queueID: 3)
        #expect(queue.queueID == 3 && queue.text == "MessageQueue [topic=t, brokerName=b, queueId=3]")
        var producer = Producer.Options()
        producer.compression = .zstd
        let client = ClientOptions(nameServers: "127.0.0.1:1")
        let consumer = try PushConsumer(group: "g", options: options, client: client)
        try await consumer.subscribe("t")
        do {
            try await consumer.start(handler)
            Issue.record("nobody is there")
        } catch ClientError.nameServersUnreachable(_, let last) {
            guard case .cannotConnect = last else { throw last }
        }
        #expect(Message(topic: "t", body: "text").body == Array("text".utf8))
    }
}
