import MQCompression
import MQMessage
import MQProtocol
import MQRemoting
import MQSystem
import Testing

@testable import RocketMQClient

/// What a producer does beyond sending one message after the other, against ``FakeCluster``.
@Suite(.timeLimit(.minutes(1))) struct ProducerTests {
    private func producer(
        _ cluster: FakeCluster, namespace: String? = nil, _ change: (inout Producer.Options) -> Void = { _ in }
    ) async throws -> Producer {
        var options = Producer.Options()
        options.sendTimeout = .seconds(60)  // other tests may keep every thread busy
        change(&options)
        var client = ClientOptions(nameServers: cluster.address)
        client.namespace = namespace
        let producer = try Producer(group: "p", options: options, client: client)
        try await producer.start()
        return producer
    }

    /// A record of the topic `t`.
    private func stored(_ cluster: FakeCluster, at index: Int) throws -> MessageExt {
        let record = try #require(cluster.state.withLock { $0.queues["t"]?[0][index] })
        return try MessageExt(record.span)
    }

    private func bodies(_ cluster: FakeCluster, _ topic: String) throws -> [String] {
        try cluster.state.withLock { $0.queues[topic] ?? [] }.joined().map {
            String(decoding: try MessageExt($0.span).body, as: UTF8.self)
        }
    }

    @Test func `a batch is stored in order with an id for each message`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster) { $0.bodyByteCountMax = 400 }
        let messages = (0..<9).map { Message(topic: "t", body: Array("message \($0)".utf8)) }
        let results = try await producer.send(messages)
        #expect(results.map(\.queueOffset) == Array(0..<9))
        #expect(Set(results.map(\.messageID)).count == 9)
        #expect(results.map(\.offsetMessageID) == (0..<9).map { "id-\($0)" })
        #expect(try bodies(cluster, "t") == (0..<9).map { "message \($0)" })
        let requests = cluster.requests(.sendBatchMessage)
        #expect(requests.count > 1 && requests.allSatisfy { $0["m"] == "true" })
        #expect(try stored(cluster, at: 4).messageID == results[4].messageID)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `a batch that stops midway says how much is stored`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster) { $0.bodyByteCountMax = 400 }
        let messages = (0..<20).map { Message(topic: "t", body: Array("message \($0)".utf8)) }
        let size = try MessageBatches(messages, byteCountMax: 400, makeID: { producer.nextID(at: SystemClock.wall()) })
            .batches[0].ids.count
        cluster.script(.sendBatchMessage, RemotingCommand(.systemBusy, remark: "busy"))
        cluster.script(
            .sendBatchMessage,
            RemotingCommand(.success, ["msgId": "", "queueId": "0", "queueOffset": "0"]))
        cluster.script(.sendBatchMessage, RemotingCommand(.messageIllegal, remark: "bad"))
        do {
            try await producer.send(messages)
            Issue.record("sent")
        } catch {
            guard case ClientError.batchFailed(let stored, let count, _) = error else { throw error }
            #expect(stored == size && count == 20)
        }
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `messages of one key stay in one queue and are not tried elsewhere`() async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        var queues: Set<Int> = []
        for index in 0..<10 {
            let message = Message(topic: "t", body: [UInt8(index)])
            queues.insert(try await producer.send(message, by: .hash(of: "order-7")).queue.queueID)
        }
        #expect(queues.count == 1)
        let last = try await producer.send(
            Message(topic: "t", body: [1]), by: QueueSelector { _, all in all.count - 1 })
        #expect(last.queue.queueID == 3)
        cluster.script(.sendMessageV2, RemotingCommand(.systemBusy, remark: "busy"))
        await #expect(throws: ClientError.refused(by: cluster.address, code: 2, remark: "busy")) {
            try await producer.send(Message(topic: "t", body: [1]), by: .hash(of: "order-7"))
        }
        await #expect(throws: ClientError.invalid("the selector chose no queue of the 4 of t")) {
            try await producer.send(Message(topic: "t", body: [1]), by: QueueSelector { _, all in all.count })
        }
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `no more are on their way than allowed`() async throws {
        let cluster = try FakeCluster(topics: ["t": 2])
        let producer = try await producer(cluster) { $0.inFlightMax = 3 }
        try await producer.send(Message(topic: "t", body: [0]))  // the route is known
        cluster.state.withLock { $0.holdsAnswers = true }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 1...10 {
                group.addTask { try await producer.send(Message(topic: "t", body: [UInt8(index)])) }
            }
            while cluster.state.withLock({ $0.held.count }) < 3 { await Task.yield() }
            #expect(producer.permits.inFlight == 3)
            await #expect(throws: ClientError.tooBusy(inFlightMax: 3, byteCountMax: 100 << 20)) {
                try await producer.send(Message(topic: "t", body: [99]), timeout: .milliseconds(20))
            }
            #expect(cluster.count("t") == 4, "nothing beyond the three was sent")
            cluster.answerHeld()
            try await group.waitForAll()
        }
        #expect(cluster.count("t") == 11)
        #expect(producer.permits.inFlight == 0)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `a send ends at its deadline and with its task, and later answers do no harm`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster) { $0.retries = 0 }
        try await producer.send(Message(topic: "t", body: [0]))
        cluster.state.withLock { $0.holdsAnswers = true }
        do {
            try await producer.send(Message(topic: "t", body: [1]), timeout: .milliseconds(300))
            Issue.record("answered")
        } catch {
            guard case ClientError.noAnswer(_, .timedOut) = error else { throw error }
        }
        let task = Task { try await producer.send(Message(topic: "t", body: [2])) }
        while cluster.state.withLock({ $0.held.count }) < 2 { await Task.yield() }
        task.cancel()
        await #expect(throws: ClientError.cancelled) { try await task.value }
        cluster.answerHeld()
        #expect(try await producer.send(Message(topic: "t", body: [3])).queueOffset == 3)
        #expect(producer.permits.inFlight == 0)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `a lost connection fails what waits, and the next send connects again`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster) { $0.retries = 0 }
        cluster.state.withLock { $0.holdsAnswers = true }
        let task = Task { try await producer.send(Message(topic: "t", body: [1])) }
        while cluster.state.withLock({ $0.held.count }) < 1 { await Task.yield() }
        cluster.hangUp()
        do {
            _ = try await task.value
            Issue.record("answered")
        } catch {
            guard case ClientError.noAnswer(_, .connectionLost) = error else { throw error }
        }
        cluster.state.withLock { $0.holdsAnswers = false }
        #expect(try await producer.send(Message(topic: "t", body: [2])).queueOffset == 1)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `one-way sends arrive without an answer`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster)
        for index in 0..<20 { try await producer.sendOneWay(Message(topic: "t", body: [UInt8(index)])) }
        try await producer.send(Message(topic: "t", body: [99]))
        #expect(cluster.count("t") == 21)
        #expect(cluster.requests(.sendMessageV2).count { $0.isOneWay } == 20)
        await producer.shutdown()
        cluster.stop()
    }

    @Test(arguments: CompressionCodecs.all)
    func `bodies travel in the codec that was chosen`(codec: CompressionCodecs) async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster) { $0.compression = codec.codec }
        let body = [UInt8](repeating: 9, count: 50_000)
        try await producer.send(Message(topic: "t", body: body))
        let request = cluster.requests(.sendMessageV2)[0]
        #expect(request["f"] == codec.flag && request.body.count < 2000)
        #expect(try stored(cluster, at: 0).body == body)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `delays and times are properties brokers know`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster)
        var message = Message(topic: "t", body: [1])
        message.delayLevel = 3
        message.deliveryTimestamp = 1_900_000_000_000
        message.delay = .milliseconds(1500)
        try await producer.send(message)
        let properties = cluster.requests(.sendMessageV2)[0]["i"] ?? ""
        for wanted in ["DELAY\u{1}3\u{2}", "TIMER_DELIVER_MS\u{1}1900000000000\u{2}", "TIMER_DELAY_MS\u{1}1500\u{2}"] {
            #expect(properties.contains(wanted))
        }
        #expect(message.deliveryTimestamp == 1_900_000_000_000 && message.delay == .milliseconds(1500))
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `in a namespace brokers see wrapped names and the application its own`() async throws {
        let cluster = try FakeCluster(topics: ["ns%t": 1, "%RETRY%ns%g": 1])
        let producer = try await producer(cluster, namespace: "ns")
        let result = try await producer.send(Message(topic: "t", body: Array("x".utf8)))
        #expect(result.queue.topic == "t" && cluster.count("ns%t") == 1)
        #expect(cluster.requests(.sendMessageV2)[0]["a"] == "ns%p")
        var client = ClientOptions(nameServers: cluster.address)
        client.namespace = "ns"
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: "g", options: options, client: client)
        try await consumer.subscribe("t")
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            return message.reconsumeTimes == 0 ? .later() : .success
        }
        await seen.wait(for: 2)
        #expect(seen.messages.map(\.topic) == ["t", "t"])
        #expect(cluster.requests(.pullMessage).allSatisfy { $0["consumerGroup"] == "ns%g" })
        await consumer.shutdown()
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `sends and handlers are traced, successes and failures`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1, "RMQ_SYS_TRACE_TOPIC": 1])
        let producer = try await producer(cluster) {
            $0.trace = TraceOptions()
            $0.retries = 0
        }
        // First of all: no trace can get the answer that is meant for it.
        cluster.script(.sendMessageV2, RemotingCommand(.messageIllegal, remark: "bad"))
        _ = try? await producer.send(Message(topic: "t", body: [2]))
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        options.trace = TraceOptions()
        let consumer = try PushConsumer(
            group: "g", options: options, client: ClientOptions(nameServers: cluster.address))
        try await consumer.subscribe("t")
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            return .success
        }
        let sent = try await producer.send(Message(topic: "t", keys: ["order"], body: [1]))
        await seen.wait(for: 1)
        await consumer.shutdown()
        await producer.shutdown()
        let records = try bodies(cluster, "RMQ_SYS_TRACE_TOPIC").joined().split(separator: "\u{2}").map {
            $0.split(separator: "\u{1}", omittingEmptySubsequences: false).map(String.init)
        }
        let published = records.filter { $0[0] == "Pub" }
        #expect(published.map { $0[13] } == ["false", "true"])
        #expect(published[1][5] == sent.messageID && published[1][7] == "order" && published[1][4] == "t")
        let (before, after) = (records.first { $0[0] == "SubBefore" }, records.first { $0[0] == "SubAfter" })
        #expect(before?[5] == sent.messageID && before?[3] == "g")
        #expect(after?[1] == before?[4] && after?[4] == "true")
        let requests = cluster.requests(.sendMessageV2).filter { $0["b"] == "RMQ_SYS_TRACE_TOPIC" }
        #expect(requests.contains { $0["i"]?.contains("\(sent.messageID)") == true })
        cluster.stop()
    }

    // MARK: - Consumers as services and as sequences

    private func consumer(_ cluster: FakeCluster) async throws -> PushConsumer {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        options.handlersMax = 4
        let consumer = try PushConsumer(
            group: "g", options: options, client: ClientOptions(nameServers: cluster.address))
        try await consumer.subscribe("t")
        return consumer
    }

    @Test func `a service that is cancelled finishes what runs, commits and says goodbye`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        for index in 0..<8 { cluster.append(topic: "t", queueID: 0, body: [UInt8(index)], properties: "") }
        let consumer = try await consumer(cluster)
        let seen = Collector()
        let finished = Lock(0)
        let service = Task {
            try await consumer.run { message, _ in
                seen.add(message)
                await Task.yield()
                finished.withLock { $0 += 1 }
                return .success
            }
        }
        await seen.wait(for: 8)
        service.cancel()
        try await service.value
        #expect(finished.withLock { $0 } == 8)
        #expect(cluster.state.withLock { $0.offsets["g t 0"] } == 8)
        #expect(cluster.requests(.unregisterClient).contains { $0["consumerGroup"] == "g" })
        cluster.stop()
    }

    @Test func `deliveries come until the loop is left, and each waits for its word`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        for index in 0..<10 { cluster.append(topic: "t", queueID: 0, body: [UInt8(index)], properties: "") }
        let consumer = try await consumer(cluster)
        var bodies: Set<UInt8> = []
        for try await delivery in consumer.deliveries() {
            bodies.insert(delivery.message.body[0])
            delivery.finish()
            delivery.finish(.later())  // the first word counts
            if bodies.count == 10 { break }
        }
        await consumer.shutdown()
        #expect(bodies == Set(0..<10))
        #expect(cluster.requests(.consumerSendMessageBack).isEmpty)
        cluster.stop()
    }

    @Test func `a loop whose task is cancelled ends in order`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        cluster.append(topic: "t", queueID: 0, body: [1], properties: "")
        let consumer = try await consumer(cluster)
        let seen = Collector()
        let task = Task {
            for try await delivery in consumer.deliveries() {
                delivery.finish()
                seen.add(delivery.message)
            }
        }
        await seen.wait(for: 1)
        task.cancel()
        try await task.value
        #expect(cluster.requests(.unregisterClient).contains { $0["consumerGroup"] == "g" })
        cluster.stop()
    }
}

/// Codecs with the system flags they make.
struct CompressionCodecs: Sendable, CustomTestStringConvertible {
    let codec: CompressionCodec
    let flag: String
    var testDescription: String { codec.rawValue }

    static let all = [
        CompressionCodecs(codec: .zlib, flag: "769"), CompressionCodecs(codec: .lz4, flag: "257"),
        CompressionCodecs(codec: .zstd, flag: "513"),
    ]
}
