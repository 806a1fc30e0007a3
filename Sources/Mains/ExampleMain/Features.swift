import MQBase
import MQProtocol
import MQSystem
import RocketMQClient

// MARK: - Order

/// Messages of ten orders, those of one order in one queue.
func orderedProducer(_ arguments: [String]) async throws(ClientError) {
    let tags = ["TagA", "TagB", "TagC", "TagD", "TagE"]
    try await withProducer("please_rename_unique_group_name") { producer throws(ClientError) in
        for index in 0..<(arguments.limit ?? 100) {
            let message = Message(
                topic: "TopicTest", tags: tags[index % tags.count], keys: ["KEY\(index)"],
                body: Array("Hello RocketMQ \(index)".utf8))
            ThisProcess.say("\(try await producer.send(message, by: .hash(of: index % 10)))")
        }
    }
}

func orderedConsumer(_ arguments: [String]) async throws(ClientError) {
    var options = ConsumerOptions()
    options.consumeFromWhere = .firstOffset
    options.isOrderly = true
    let consumer = try PushConsumer(group: "please_rename_unique_group_name_3", options: options)
    try await consumer.subscribe("TopicTest", "TagA || TagC || TagD")
    try await printMessages(of: consumer, limit: arguments.limit)
}

// MARK: - Time

func scheduledProducer(_ arguments: [String]) async throws(ClientError) {
    try await withProducer("ExampleProducerGroup") { producer throws(ClientError) in
        for index in 0..<(arguments.limit ?? 100) {
            var message = Message(topic: "TestTopic", body: Array("Hello scheduled message \(index)".utf8))
            message.delayLevel = 3  // 10 seconds by the broker's default messageDelayLevel
            ThisProcess.say("\(try await producer.send(message))")
        }
    }
}

func scheduledConsumer(_ arguments: [String]) async throws(ClientError) {
    let consumer = try PushConsumer(group: "ExampleConsumer")
    try await consumer.subscribe("TestTopic")
    try await printMessages(of: consumer, limit: arguments.limit) { message, _ in
        let late = SystemClock.wall().rawValue - message.storeTimestamp.rawValue
        return "Receive message[msgId=\(message.messageID) \(late)  ms later]"
    }
}

func timerProducer(_ arguments: [String]) async throws(ClientError) {
    try await withProducer("TimerMessageProducerGroup") { producer throws(ClientError) in
        for index in 0..<(arguments.limit ?? 10) {
            var message = Message(topic: "TimerTopic", body: Array("Hello timer message \(index)".utf8))
            message.deliveryTimestamp = SystemClock.wall().rawValue + 10_000
            ThisProcess.say("\(try await producer.send(message))")
        }
    }
}

func timerConsumer(_ arguments: [String]) async throws(ClientError) {
    let consumer = try PushConsumer(group: "TimerMessageConsumerGroup")
    try await consumer.subscribe("TimerTopic")
    try await printMessages(of: consumer, limit: arguments.limit) { message, _ in
        let late = SystemClock.wall().rawValue - message.bornTimestamp.rawValue
        return "Receive message[msgId=\(message.messageID) \(late)  ms later]"
    }
}

// MARK: - Batches

func simpleBatchProducer(_ arguments: [String]) async throws(ClientError) {
    try await withProducer("BatchProducerGroupName") { producer throws(ClientError) in
        let messages = (0..<3).map { index in
            Message(
                topic: "BatchTest", tags: "TagA", keys: ["OrderID00\(index + 1)"],
                body: Array("Hello world \(index)".utf8))
        }
        for result in try await producer.send(messages) { ThisProcess.say("\(result)") }
    }
}

/// Many messages in requests of at most a million bytes.
func splitBatchProducer(_ arguments: [String]) async throws(ClientError) {
    var options = Producer.Options()
    options.bodyByteCountMax = 1_000_000
    try await withProducer("BatchProducerGroupName", options) { producer throws(ClientError) in
        let messages = (0..<(arguments.limit ?? 100_000)).map { index in
            Message(
                topic: "BatchTest", tags: "Tag", keys: ["OrderID\(index)"], body: Array("Hello world \(index)".utf8))
        }
        let results = try await producer.send(messages)
        var last: Int64 = -2
        for result in results {  // one line for each request, as Java prints them
            if result.queueOffset != last + 1 { ThisProcess.say("\(result)") }
            last = result.queueOffset
        }
    }
}

// MARK: - Broadcasting and filters

func broadcastConsumer(_ arguments: [String]) async throws(ClientError) {
    var options = ConsumerOptions()
    options.consumeFromWhere = .firstOffset
    options.messageModel = .broadcasting
    let consumer = try PushConsumer(group: "please_rename_unique_group_name_1", options: options)
    try await consumer.subscribe("TopicTest", "TagA || TagC || TagD")
    try await printMessages(of: consumer, limit: arguments.limit, started: "Broadcast Consumer Started.")
}

func tagFilterProducer(_ arguments: [String]) async throws(ClientError) {
    let tags = ["TagA", "TagB", "TagC"]
    try await withProducer("please_rename_unique_group_name") { producer throws(ClientError) in
        for index in 0..<(arguments.limit ?? 60) {
            let message = Message(
                topic: "TagFilterTest", tags: tags[index % tags.count], body: Array("Hello world".utf8))
            ThisProcess.say("\(try await producer.send(message))")
        }
    }
}

func tagFilterConsumer(_ arguments: [String]) async throws(ClientError) {
    let consumer = try PushConsumer(group: "please_rename_unique_group_name")
    try await consumer.subscribe("TagFilterTest", "TagA || TagC")
    try await printMessages(of: consumer, limit: arguments.limit)
}

func sqlFilterProducer(_ arguments: [String]) async throws(ClientError) {
    let tags = ["TagA", "TagB", "TagC"]
    try await withProducer("please_rename_unique_group_name") { producer throws(ClientError) in
        for index in 0..<(arguments.limit ?? 10) {
            var message = Message(
                topic: "SqlFilterTest", tags: tags[index % tags.count], body: Array("Hello RocketMQ \(index)".utf8))
            message.properties["a"] = String(index)
            ThisProcess.say("\(try await producer.send(message))")
        }
    }
}

func sqlFilterConsumer(_ arguments: [String]) async throws(ClientError) {
    let consumer = try PushConsumer(group: "please_rename_unique_group_name")
    try await consumer.subscribe(
        "SqlFilterTest",
        sql: "(TAGS is not null and TAGS in ('TagA', 'TagB')) and (a is not null and a between 0 and 3)")
    try await printMessages(of: consumer, limit: arguments.limit)
}

// MARK: - Trace

func traceProducer(_ arguments: [String]) async throws(ClientError) {
    var options = Producer.Options()
    options.trace = TraceOptions()
    try await withProducer("ProducerGroupName", options) { producer throws(ClientError) in
        for _ in 0..<(arguments.limit ?? 128) {
            let message = Message(
                topic: "TopicTest", tags: "TagA", keys: ["OrderID188"], body: Array("Hello world".utf8))
            ThisProcess.say("\(try await producer.send(message))")
        }
    }
}

func traceConsumer(_ arguments: [String]) async throws(ClientError) {
    var options = ConsumerOptions()
    options.consumeFromWhere = .firstOffset
    options.trace = TraceOptions()
    let consumer = try PushConsumer(group: "CID_JODIE_1", options: options)
    try await consumer.subscribe("TopicTest")
    try await printMessages(of: consumer, limit: arguments.limit)
}
