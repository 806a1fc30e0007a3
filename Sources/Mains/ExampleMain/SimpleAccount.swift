import MQProtocol
import MQSystem
import RocketMQClient

/// Sends, consumes and pulls as the account that RocketMQ's example has; brokers without access control do not mind. A number
/// behind the name is how many messages are sent, and consumed before the queues are pulled.
func accountClient(_ arguments: [String]) async throws(ClientError) {
    var client = ClientOptions()
    client.credentials = Credentials(accessKey: "RocketMQ", secretKey: "1234567")
    try await withProducer("ProducerGroupName", client: client) { producer throws(ClientError) in
        for _ in 0..<(arguments.limit ?? 128) {
            let message = Message(
                topic: "TopicTest", tags: "TagA", keys: ["OrderID188"], body: Array("Hello world".utf8))
            ThisProcess.say("\(try await producer.send(message))")
        }
    }
    var options = ConsumerOptions()
    options.consumeFromWhere = .firstOffset
    let consumer = try PushConsumer(group: "please_rename_unique_group_name_5", options: options, client: client)
    try await consumer.subscribe("TopicTest")
    try await printMessages(of: consumer, limit: arguments.limit ?? 128) { message, context in
        "\(context.workerName) Receive New Messages: [\(message)] \n" + bodyLine(message)
    }
    try await pullEveryQueue(ClusterLink(client), group: "please_rename_unique_group_name_6")
}

/// Goes through all queues from their first message to their last.
private func pullEveryQueue(_ link: ClusterLink, group: String) async throws(ClientError) {
    link.start()
    do throws(ClientError) {
        for broker in try await link.route(of: "TopicTest").brokerDatas {
            guard let address = broker.brokerAddrs[0] else { continue }
            for data in try await link.route(of: "TopicTest").queueDatas where data.brokerName == broker.brokerName {
                for number in 0..<data.readQueueNums {
                    let queue = MessageQueue(topic: "TopicTest", brokerName: broker.brokerName, queueID: number)
                    ThisProcess.say("Consume from the queue: \(queue.text)")
                    try await pullToEnd(queue, at: address, link, group)
                }
            }
        }
    } catch {
        await link.shutdown()
        throw error
    }
    await link.shutdown()
}

private func pullToEnd(
    _ queue: MessageQueue, at address: String, _ link: ClusterLink, _ group: String
) async throws(ClientError) {
    var request = PullRequest(group: group, queue: queue, offset: 0)
    while true {
        let result = try await link.pull(request, at: address)
        ThisProcess.say("\(result)")
        for message in result.messages { ThisProcess.say(bodyLine(message)) }
        if result.status == .nothingNew { return }
        request.offset = result.next
    }
}

private func bodyLine(_ message: MessageExt) -> String {
    "msgId : \(message.messageID)  body : \(String(decoding: message.body, as: UTF8.self))  "
}
