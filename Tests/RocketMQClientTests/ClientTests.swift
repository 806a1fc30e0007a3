import MQProtocol
import MQSystem
import Testing

@testable import RocketMQClient

/// Producer and consumer over real sockets against ``FakeCluster``. Whatever waits has the suite's time limit.
@Suite(.timeLimit(.minutes(1))) struct ClientTests {
    private func options(_ cluster: FakeCluster, _ more: String = "") -> ClientOptions {
        ClientOptions(nameServers: more + cluster.address)
    }

    private func producer(_ cluster: FakeCluster, _ change: (inout Producer.Options) -> Void = { _ in }) async throws
        -> Producer
    {
        var options = Producer.Options()
        change(&options)
        let producer = try Producer(group: "p", options: options, client: self.options(cluster))
        try await producer.start()
        return producer
    }

    private func text(_ message: MessageExt) -> String { String(decoding: message.body, as: UTF8.self) }

    @Test func `messages go round the queues and name their place`() async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        var results: [SendResult] = []
        for index in 0..<8 {
            results.append(try await producer.send(Message(topic: "t", tags: "A", body: Array("m\(index)".utf8))))
        }
        #expect(Set(results.map(\.queue.queueID)) == [0, 1, 2, 3])
        #expect(Set(results.map(\.messageID)).count == 8)
        #expect(results.allSatisfy { $0.messageID.utf8.count == 32 && $0.status == .sendOK })
        await producer.shutdown()
        #expect(cluster.requests(.unregisterClient).first?["producerGroup"] == "p")
        cluster.stop()
    }

    @Test func `a refusal is retried elsewhere and a final one is not`() async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        cluster.script(.sendMessageV2, RemotingCommand(.systemBusy, remark: "busy"))
        cluster.script(.sendMessageV2, RemotingCommand(.systemError, remark: "again"))
        #expect(try await producer.send(Message(topic: "t", body: [1])).status == .sendOK)
        #expect(cluster.requests(.sendMessageV2).count == 3)
        cluster.script(.sendMessageV2, RemotingCommand(.messageIllegal, remark: "too bad"))
        await #expect(throws: ClientError.refused(by: cluster.address, code: 13, remark: "too bad")) {
            try await producer.send(Message(topic: "t", body: [1]))
        }
        #expect(cluster.requests(.sendMessageV2).count == 4)
        for _ in 0..<3 { cluster.script(.sendMessageV2, RemotingCommand(.systemBusy, remark: "busy")) }
        await #expect(throws: ClientError.refused(by: cluster.address, code: 2, remark: "busy")) {
            try await producer.send(Message(topic: "t", body: [1]))
        }
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `stored less safely is told and not sent again`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster)
        let fields: KeyValuePairs = ["msgId": "1", "queueId": "0", "queueOffset": "5"]
        cluster.script(.sendMessageV2, RemotingCommand(.flushDiskTimeout, fields))
        #expect(try await producer.send(Message(topic: "t", body: [1])).status == .flushDiskTimeout)
        #expect(cluster.count("t") == 0)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `an unknown topic is sent after the default topic's queues`() async throws {
        let cluster = try FakeCluster(topics: ["TBW102": 8])
        let producer = try await producer(cluster)
        #expect(try await producer.queues(of: "new").count == 4)
        try await producer.send(Message(topic: "new", body: [1]))
        #expect(cluster.count("new") == 1)
        let bare = try FakeCluster(topics: [:])
        let other = try await self.producer(bare)
        await #expect(throws: ClientError.topicNotFound("new")) {
            try await other.send(Message(topic: "new", body: [1]))
        }
        await producer.shutdown()
        await other.shutdown()
        cluster.stop()
        bare.stop()
    }

    @Test func `a name server that is away is passed over`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try Producer(group: "p", client: options(cluster, "127.0.0.1:1;"))
        try await producer.start()
        #expect(try await producer.send(Message(topic: "t", body: [1])).status == .sendOK)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `nothing goes out of a producer that does not run`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try Producer(group: "p", client: options(cluster))
        await #expect(throws: ClientError.notRunning("the producer p")) {
            try await producer.send(Message(topic: "t", body: [1]))
        }
        #expect(throws: ClientError.noNameServer) { try Producer(group: "p", client: ClientOptions(nameServers: "")) }
        cluster.stop()
    }

    @Test func `no call waits for ever when its link is shut down meanwhile`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        for _ in 0..<20 {
            let link = try ClusterLink(options(cluster))
            link.start()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<20 {
                    group.addTask { _ = try? await link.fetchRoute(of: "t") }
                    group.addTask { try? await link.tell(RemotingCommand(.heartBeat), to: cluster.address) }
                }
                group.addTask { await link.shutdown() }
            }
        }
        cluster.stop()
    }

    @Test func `many tasks send at once`() async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<500 {
                group.addTask {
                    (try? await producer.send(Message(topic: "t", body: Array("\(index)".utf8)))) != nil
                }
            }
            var sent = 0
            for await isSent in group where isSent { sent += 1 }
            #expect(sent == 500)
        }
        #expect(cluster.count("t") == 500)
        #expect(cluster.requests(.getRouteInfoByTopic).count < 10)  // most wait for the first answer
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `an answer is given once to callers that are not async`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster)
        let result = await withCheckedContinuation { continuation in
            producer.send(Message(topic: "t", body: [1])) { continuation.resume(returning: $0) }
        }
        #expect(try result.get().queueOffset == 0)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `a producer that is forgotten leaves nothing behind`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        weak var link: ClusterLink?
        do {
            let producer = try await producer(cluster)
            try await producer.send(Message(topic: "t", body: [1]))
            link = producer.link
        }
        while link != nil { await Task.yield() }  // a heartbeat may hold it for a moment
        cluster.stop()
    }

    // MARK: - Consuming

    private func consumer(
        _ cluster: FakeCluster, _ tags: String = "*", _ change: (inout ConsumerOptions) -> Void = { _ in }
    ) async throws -> PushConsumer {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        change(&options)
        let consumer = try PushConsumer(group: "g", options: options, client: self.options(cluster))
        try await consumer.subscribe("t", tags)
        return consumer
    }

    @Test func `everything sent before and after the start arrives once`() async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        let consumer = try await consumer(cluster)
        let seen = Collector()
        for index in 0..<100 { try await producer.send(Message(topic: "t", body: Array("\(index)".utf8))) }
        try await consumer.start { message, _ in
            seen.add(message)
            return .success
        }
        for index in 100..<200 { try await producer.send(Message(topic: "t", body: Array("\(index)".utf8))) }
        await seen.wait(for: 200)
        await consumer.shutdown()
        #expect(Set(seen.messages.map(text)) == Set((0..<200).map(String.init)))
        #expect(seen.messages.count == 200)
        let committed = cluster.state.withLock { state in (0..<4).map { state.offsets["g t \($0)"] ?? 0 } }
        #expect(committed.reduce(0, +) == 200)
        #expect(cluster.requests(.unregisterClient).contains { $0["consumerGroup"] == "g" })
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `large bodies travel compressed`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster)
        let consumer = try await consumer(cluster)
        let body = [UInt8](repeating: 7, count: 100_000)
        try await producer.send(Message(topic: "t", body: body))
        #expect(cluster.requests(.sendMessageV2)[0].body.count < 1000)
        #expect(cluster.requests(.sendMessageV2)[0]["f"] == "769")
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            return .success
        }
        await seen.wait(for: 1)
        #expect(seen.messages[0].body == body)
        await consumer.shutdown()
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `what the broker lets through too much is filtered here`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster)
        let consumer = try await consumer(cluster, "A || B")
        for tag in ["A", "C", "B", "C"] {
            try await producer.send(Message(topic: "t", tags: tag, body: Array(tag.utf8)))
        }
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            return .success
        }
        await seen.wait(for: 2)
        await consumer.shutdown()
        #expect(Set(seen.messages.map(text)) == ["A", "B"])
        #expect(cluster.state.withLock { $0.offsets["g t 0"] } == 4)
        #expect(cluster.requests(.pullMessage)[0]["subscription"] != nil)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `an SQL92 expression is asked about before the start and goes along with pulls`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster)
        try await producer.send(Message(topic: "t", tags: "X", body: Array("x".utf8)))
        let consumer = try await consumer(cluster)
        try await consumer.subscribe("t", sql: "a > AND")
        let reason = "Invalid MessageSelector. At character 5"
        cluster.script(.checkClientConfig, RemotingCommand(.subscriptionParseFailed, remark: reason))
        await #expect {
            try await consumer.start { _, _ in .success }
        } throws: {
            guard case ClientError.refused(_, code: 23, let remark) = $0 else { return false }
            return remark == reason
        }
        // The broker of the second attempt does not know the question: an old one.
        let second = try await self.consumer(cluster)
        try await second.subscribe("t", sql: "a > 3")
        let seen = Collector()
        try await second.start { message, _ in
            seen.add(message)
            return .success
        }
        await seen.wait(for: 1)
        cluster.script(.checkClientConfig, RemotingCommand(.systemError, remark: "off"))
        await #expect(throws: ClientError.self) { try await second.subscribe("t", sql: "a > 4") }
        await second.shutdown()
        let asked = try #require(cluster.requests(.checkClientConfig).last)
        let body = try CheckClientRequestBody(parsing: asked.body)
        #expect(body.group == "g" && body.subscriptionData?.subString == "a > 4")
        let pulled = cluster.requests(.pullMessage)
        #expect(pulled.allSatisfy { $0["expressionType"] == "SQL92" && $0["subscription"] == "a > 3" })
        #expect(!pulled.isEmpty)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `a failed message comes again under its first topic`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        let producer = try await producer(cluster)
        let consumer = try await consumer(cluster) { $0.maxReconsumeTimes = 3 }
        try await producer.send(Message(topic: "t", body: Array("x".utf8)))
        let seen = Collector()
        struct Failure: Error {}
        try await consumer.start { message, _ in
            seen.add(message)
            if message.reconsumeTimes == 0 { throw Failure() }
            return .success
        }
        await seen.wait(for: 2)
        await consumer.shutdown()
        #expect(seen.messages.map(\.topic) == ["t", "t"])
        #expect(seen.messages.map(\.reconsumeTimes) == [0, 1])
        let back = try #require(cluster.requests(.consumerSendMessageBack).first)
        #expect(back["group"] == "g" && back["delayLevel"] == "0" && back["maxReconsumeTimes"] == "3")
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `two members share the queues and the leaver's are taken over`() async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let first = try await consumer(cluster)
        let second = try await consumer(cluster)
        try await first.start { _, _ in .success }
        #expect(await first.queues.filter { $0.topic == "t" }.count == 4)
        try await second.start { _, _ in .success }
        await first.rebalance()
        let (one, two) = (await first.queues.filter { $0.topic == "t" }, await second.queues.filter { $0.topic == "t" })
        #expect(one.count == 2 && two.count == 2 && Set(one).isDisjoint(with: two))
        await second.shutdown()
        await first.rebalance()
        #expect(await first.queues.filter { $0.topic == "t" }.count == 4)
        await first.shutdown()
        cluster.stop()
    }

    @Test func `an offset that is gone is moved`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        for index in 0..<10 { cluster.append(topic: "t", queueID: 0, body: [UInt8(index)], properties: "") }
        cluster.state.withLock { $0.firstOffset = 6 }
        let consumer = try await consumer(cluster)
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            return .success
        }
        await seen.wait(for: 4)
        await consumer.shutdown()
        #expect(Set(seen.messages.map(\.queueOffset)) == [6, 7, 8, 9])
        #expect(cluster.state.withLock { $0.offsets["g t 0"] } == 10)
        cluster.stop()
    }

    @Test func `handlers run side by side up to their bound`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        for index in 0..<40 { cluster.append(topic: "t", queueID: 0, body: [UInt8(index)], properties: "") }
        let consumer = try await consumer(cluster) { $0.handlersMax = 3 }
        let seen = Collector()
        let running = Lock((now: 0, most: 0))
        let names = Lock(Set<String>())
        try await consumer.start { message, context in
            running.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            _ = names.withLock { $0.insert(context.workerName) }
            for _ in 0..<10 { await Task.yield() }
            running.withLock { $0.now -= 1 }
            seen.add(message)
            return .success
        }
        await seen.wait(for: 40)
        #expect(running.withLock { $0.most } <= 3)
        #expect(names.withLock { $0 } == Set((1...3).map { "ConsumeMessageThread_g_\($0)" }))
        await consumer.shutdown()
        cluster.stop()
    }
}
