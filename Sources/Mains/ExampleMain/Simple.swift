import MQProtocol
import MQSystem
import RocketMQClient

func simpleProducer(_ arguments: [String]) async throws(ClientError) {
    try await withProducer("ProducerGroupName") { producer throws(ClientError) in
        for _ in 0..<(arguments.limit ?? 128) {
            let message = Message(
                topic: "TopicTest", tags: "TagA", keys: ["OrderID188"], body: Array("Hello world".utf8))
            ThisProcess.say("\(try await producer.send(message))")
        }
    }
}

func oneWayProducer(_ arguments: [String]) async throws(ClientError) {
    try await withProducer("please_rename_unique_group_name") { producer throws(ClientError) in
        for index in 0..<(arguments.limit ?? 100) {
            let message = Message(topic: "TopicTest", tags: "TagA", body: Array("Hello RocketMQ \(index)".utf8))
            try await producer.sendOneWay(message)
        }
    }
}

/// Sends all at once and prints the answers as they come.
func asyncProducer(_ arguments: [String]) async throws(ClientError) {
    let count = arguments.limit ?? 100
    try await withProducer("Jodie_Daily_test") { producer throws(ClientError) in
        await withTaskGroup(of: String.self) { group in
            for index in 0..<count {
                group.addTask {
                    let number = String(index) + String(repeating: " ", count: max(0, 10 - String(index).count))
                    do throws(ClientError) {
                        let message = Message(
                            topic: "Jodie_topic_1023", tags: "TagA", keys: ["OrderID188"],
                            body: Array("Hello world".utf8))
                        return "\(number) OK \(try await producer.send(message).messageID) "
                    } catch {
                        return "\(number) Exception \(error) "
                    }
                }
            }
            for await line in group { ThisProcess.say(line) }
        }
    }
}

func simplePushConsumer(_ arguments: [String]) async throws(ClientError) {
    var options = ConsumerOptions()
    options.consumeFromWhere = .firstOffset
    let consumer = try PushConsumer(group: "CID_JODIE_1", options: options)
    try await consumer.subscribe("TopicTest")
    try await printMessages(of: consumer, limit: arguments.limit)
}

/// Goes through all queues of `TopicTest` once, from their first message to their last.
func pullConsumer(_ arguments: [String]) async throws(ClientError) {
    let consumer = try LitePullConsumer(group: "please_rename_unique_group_name_5")
    let queues = try await consumer.queues(of: "TopicTest")
    try await consumer.assign(queues)
    try await consumer.start()
    do throws(ClientError) {
        for queue in queues { try await consumer.seekToBegin(queue) }
        var messageCount = 0
        while true {
            let messages = try await consumer.poll(timeout: .seconds(1))
            if messages.isEmpty { break }
            for message in messages { ThisProcess.say("\(message)") }
            messageCount += messages.count
            if messageCount >= arguments.limit ?? .max { break }
        }
        try await consumer.commit()
    } catch {
        await consumer.shutdown()
        throw error
    }
    await consumer.shutdown()
}

func litePullSubscriber(_ arguments: [String]) async throws(ClientError) {
    var options = LitePullConsumer.Options()
    options.consumeFromWhere = .firstOffset
    options.pullBatchSize = 20
    let consumer = try LitePullConsumer(group: "lite_pull_consumer_test", options: options)
    try await consumer.subscribe("TopicTest")
    try await consumer.start()
    try await printPolls(of: consumer, limit: arguments.limit)
}

/// Takes the first half of the queues, and the first of them from its tenth message on.
func litePullAssigned(_ arguments: [String]) async throws(ClientError) {
    var options = LitePullConsumer.Options()
    options.commitsItself = false
    let consumer = try LitePullConsumer(group: "please_rename_unique_group_name", options: options)
    let queues = try await consumer.queues(of: "TopicTest")
    let half = Array(queues.prefix((queues.count + 1) / 2))
    try await consumer.assign(half)
    try await consumer.start()
    do throws(ClientError) {
        try await consumer.seek(half[0], to: 10)
    } catch {
        await consumer.shutdown()
        throw error
    }
    try await printPolls(of: consumer, limit: arguments.limit)
}

/// Takes all queues of two topics, of the first one only what has a certain tag, and that from the tenth message on.
func litePullFiltered(_ arguments: [String]) async throws(ClientError) {
    var options = LitePullConsumer.Options()
    options.commitsItself = false
    let consumer = try LitePullConsumer(group: "please_rename_unique_group_name", options: options)
    do throws(ClientError) {
        let queues = try await consumer.queues(of: "TopicTest")
        let others = try await consumer.queues(of: "TopicTest1")
        try await consumer.assign(queues + others, filters: ["TopicTest": "TagA"])
        try await consumer.start()
        try await consumer.seek(queues[0], to: 10)
    } catch {
        await consumer.shutdown()
        throw error
    }
    try await printPolls(of: consumer, limit: arguments.limit)
}

/// Prints batches as they are polled until SIGTERM or SIGINT, or until `limit` messages have come; commits and ends.
private func printPolls(of consumer: LitePullConsumer, limit: Int?) async throws(ClientError) {
    let stop = StopSignal()
    let task = Task {
        await stop.wait()
        await consumer.shutdown()
    }
    var left = limit ?? .max
    do throws(ClientError) {
        while left > 0 {
            let messages = try await consumer.poll()
            ThisProcess.say("[" + messages.map(\.description).joined(separator: ", ") + "]")
            left -= messages.count
        }
        try await consumer.commit()
    } catch .notRunning {
        return await task.value
    }
    stop.send()
    await task.value
}
