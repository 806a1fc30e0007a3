import MQProtocol
import MQSystem
import RocketMQClient

/// Sends 1000 messages `Hello RocketMQ <i>` (or as many as asked for) and prints each answer.
func quickstartProducer(_ arguments: [String]) async throws(ClientError) {
    try await withProducer("please_rename_unique_group_name") { producer throws(ClientError) in
        for index in 0..<(arguments.limit ?? 1000) {
            let message = Message(topic: "TopicTest", tags: "TagA", body: Array("Hello RocketMQ \(index)".utf8))
            ThisProcess.say("\(try await producer.send(message))")
        }
    }
}

/// Prints every message of `TopicTest` until SIGTERM or SIGINT, or until as many as asked for have come.
func quickstartConsumer(_ arguments: [String]) async throws(ClientError) {
    var options = ConsumerOptions()
    options.consumeFromWhere = .firstOffset
    let consumer = try PushConsumer(group: "please_rename_unique_group_name_4", options: options)
    try await consumer.subscribe("TopicTest")
    try await printMessages(of: consumer, limit: arguments.limit)
}
