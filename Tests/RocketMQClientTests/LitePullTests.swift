import MQProtocol
import MQSystem
import Testing

@testable import RocketMQClient

@Suite(.timeLimit(.minutes(1))) struct LitePullTests {
    private func consumer(
        _ cluster: FakeCluster, _ change: (inout LitePullConsumer.Options) -> Void = { _ in }
    ) throws -> LitePullConsumer {
        var options = LitePullConsumer.Options()
        options.consumeFromWhere = .firstOffset
        change(&options)
        return try LitePullConsumer(
            group: "g", options: options, client: ClientOptions(nameServers: cluster.address))
    }

    private func fill(_ cluster: FakeCluster, _ count: Int, queueID: Int = 0) {
        for index in 0..<count {
            cluster.append(topic: "t", queueID: queueID, body: Array("\(queueID)-\(index)".utf8), properties: "")
        }
    }

    private func text(_ message: MessageExt) -> String { String(decoding: message.body, as: UTF8.self) }
    private let queue = MessageQueue(topic: "t", brokerName: "broker-a", queueID: 0)

    @Test func `a subscriber polls everything once, each queue in order`() async throws {
        let cluster = try FakeCluster(topics: ["t": 2])
        fill(cluster, 25)
        fill(cluster, 25, queueID: 1)
        let consumer = try consumer(cluster)
        try await consumer.subscribe("t")
        try await consumer.start()
        var seen: [String] = []
        while seen.count < 50 { seen += try await consumer.poll().map(text) }
        #expect(seen.filter { $0.hasPrefix("0-") } == (0..<25).map { "0-\($0)" })
        #expect(seen.filter { $0.hasPrefix("1-") } == (0..<25).map { "1-\($0)" })
        #expect(try await consumer.poll(timeout: .milliseconds(10)).isEmpty)
        try await consumer.commit()
        await consumer.shutdown()
        #expect(cluster.state.withLock { $0.offsets["g t 0"] } == 25)
        #expect(cluster.requests(.litePullMessage).count > 2 && cluster.requests(.pullMessage).isEmpty)
        let data = cluster.state.withLock { $0.heartbeats.last { !$0.consumerDataSet.isEmpty } }
        #expect(data?.consumerDataSet[0].consumeType == .actively)
        await #expect(throws: ClientError.notRunning("the consumer g")) { try await consumer.poll() }
        cluster.stop()
    }

    @Test func `what the last poll handed out is not committed before the next one`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        fill(cluster, 20)
        let consumer = try consumer(cluster)
        try await consumer.assign([queue])
        try await consumer.start()
        var seen = 0
        while seen < 10 { seen += try await consumer.poll().count }
        await consumer.shutdown()
        #expect(cluster.state.withLock { $0.offsets["g t 0"] ?? 0 } < 10)
        cluster.stop()
    }

    @Test func `of assigned queues only what the filter wants is handed out`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        for index in 0..<20 {
            let tag = index % 3 == 0 ? "A" : "B"
            cluster.append(topic: "t", queueID: 0, body: Array("\(index)".utf8), properties: "TAGS\u{1}\(tag)\u{2}")
        }
        let consumer = try consumer(cluster)
        try await consumer.assign([queue], filters: ["t": "A || C"])
        try await consumer.start()
        var seen: [String] = []
        while seen.count < 7 { seen += try await consumer.poll().map(text) }
        #expect(seen == ["0", "3", "6", "9", "12", "15", "18"])
        try await consumer.assign([queue], filters: ["t": "A || C"])  // the same again
        let fixed = ClientError.invalid("the messages of t are fetched already: their filter cannot change")
        await #expect(throws: fixed) { try await consumer.assign([queue]) }
        await #expect(throws: ClientError.self) { try await consumer.assign([queue], filters: ["t": "A ||"]) }
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `seeking goes anywhere and drops what was fetched`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        fill(cluster, 30)
        let consumer = try consumer(cluster)
        try await consumer.assign([queue])
        try await consumer.start()
        #expect(try await consumer.poll().first.map(text) == "0-0")
        try await consumer.seek(queue, to: 20)
        #expect(try await consumer.poll().first.map(text) == "0-20")
        try await consumer.seekToBegin(queue)
        #expect(try await consumer.poll().first.map(text) == "0-0")
        try await consumer.seekToEnd(queue)
        #expect(try await consumer.poll(timeout: .milliseconds(20)).isEmpty)
        cluster.append(topic: "t", queueID: 0, body: Array("late".utf8), properties: "")
        #expect(try await consumer.poll().map(text) == ["late"])
        await #expect(throws: ClientError.self) { try await consumer.seek(self.queue, to: 99) }
        let other = MessageQueue(topic: "t", brokerName: "broker-a", queueID: 7)
        await #expect(throws: ClientError.self) { try await consumer.seek(other, to: 0) }
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `an administrator's order moves it, and its queues alone`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        fill(cluster, 30)
        let consumer = try consumer(cluster)
        try await consumer.assign([queue])
        try await consumer.start()
        #expect(try await consumer.poll().first.map(text) == "0-0")
        let member = try #require(consumer.link.members.consumer("g"))
        let other = MessageQueue(topic: "t", brokerName: "broker-a", queueID: 7)
        await consumer.reset("t", to: [queue: 20, other: 3])
        #expect(await member.offsets(in: "t") == [queue: 20])
        #expect(await member.offsets(in: "u") == [:])
        #expect(try await consumer.committed(queue) == 20)
        #expect(try await consumer.poll().first.map(text) == "0-20")
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `a paused queue hands nothing out until it is resumed`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let consumer = try consumer(cluster)
        try await consumer.assign([queue])
        try await consumer.start()
        await consumer.pause([queue])
        fill(cluster, 5)
        #expect(try await consumer.poll(timeout: .milliseconds(20)).isEmpty)
        await consumer.resume([queue])
        #expect(try await consumer.poll().first.map(text) == "0-0")
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `messages are a sequence that ends with its task`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        fill(cluster, 12)
        let consumer = try consumer(cluster)
        try await consumer.subscribe("t")
        try await consumer.start()
        let seen = Collector()
        let task = Task {
            for try await message in consumer.messages { seen.add(message) }
        }
        await seen.wait(for: 12)
        task.cancel()
        try await task.value
        #expect(seen.messages.map(text) == (0..<12).map { "0-\($0)" })
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `no more is fetched ahead than allowed`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        fill(cluster, 100)
        let consumer = try consumer(cluster) {
            $0.messagesPerQueueMax = 20
            $0.pullBatchSize = 10
        }
        try await consumer.assign([queue])
        try await consumer.start()
        while cluster.requests(.litePullMessage).count < 2 { await Task.yield() }
        #expect(try await !consumer.poll().isEmpty)
        #expect(cluster.requests(.litePullMessage).count <= 4)
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `subscribing and assigning exclude each other`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let consumer = try consumer(cluster)
        await #expect(throws: ClientError.self) { try await consumer.start() }
        try await consumer.assign([queue])
        await #expect(throws: ClientError.invalid("Subscribe and assign are mutually exclusive.")) {
            try await consumer.subscribe("t")
        }
        await consumer.shutdown()
        cluster.stop()
    }
}
