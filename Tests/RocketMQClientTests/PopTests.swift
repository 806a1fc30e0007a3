import MQBase
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import RocketMQClient

@Suite(.timeLimit(.minutes(1))) struct PopTests {
    private func consumer(
        _ cluster: FakeCluster, _ change: (inout ConsumerOptions) -> Void = { _ in }
    ) async throws -> PushConsumer {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        options.assignment = .broker
        change(&options)
        let consumer = try PushConsumer(
            group: "g", options: options, client: ClientOptions(nameServers: cluster.address))
        try await consumer.subscribe("t", "a")
        return consumer
    }

    @Test func `what the broker lets it pop is acknowledged, handed back or given up, each by its handle`() async throws
    {
        let cluster = try FakeCluster(topics: ["t": 2, "%RETRY%g": 1])
        cluster.state.withLock { $0.popped = ["t": [0, 0]] }
        for (index, tag) in ["a", "a", "b", "a", "a"].enumerated() {
            cluster.append(
                topic: "t", queueID: index % 2, body: [UInt8(index)], properties: "TAGS\u{1}\(tag)\u{2}",
                reconsumeTimes: index == 4 ? 16 : Int32(index))
        }
        let consumer = try await consumer(cluster)
        let seen = Collector()
        try await consumer.start { message, context in
            seen.add(message)
            #expect(context.queue.queueID == Int(message.queueID) && message.topic == "t")
            switch message.body[0] {
            case 0: return .success
            case 1: return .later()
            case 3: return .later(delayLevel: 5)
            default: throw ClientError.cancelled
            }
        }
        await seen.wait(for: 4)
        try await eventually("all is told") {
            cluster.requests(.ackMessage).count == 3 && cluster.requests(.changeMessageInvisibleTime).count == 2
        }
        #expect(await consumer.queues.contains(MessageQueue(topic: "t", brokerName: "broker-a", queueID: -1)))
        let acknowledged = Set(cluster.requests(.ackMessage).map { "\($0["queueId"] ?? "") \($0["offset"] ?? "")" })
        #expect(acknowledged == ["0 0", "0 1", "0 2"])  // success, not wanted, given up
        let handle = try #require(cluster.requests(.ackMessage).first?["extraInfo"].flatMap { PopHandle($0) })
        #expect(handle.text.hasPrefix("0 \(handle.popTime) 60000 3 0 broker-a 0 "))
        let postponed = cluster.requests(.changeMessageInvisibleTime).map {
            "\($0["offset"] ?? "") \($0["invisibleTime"] ?? "")"
        }
        #expect(Set(postponed) == ["0 30000", "1 240000"])
        #expect(cluster.requests(.consumerSendMessageBack).map { $0["delayLevel"] } == ["-1"])
        let request = try #require(cluster.requests(.popMessage).first)
        #expect(request["queueId"] == "-1" && request["exp"] == "a" && request["initMode"] == "0")
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `a broker that cannot assign leaves it to the members`() async throws {
        let cluster = try FakeCluster(topics: ["t": 2, "%RETRY%g": 1])
        for index in 0..<4 { cluster.append(topic: "t", queueID: index % 2, body: [1], properties: "TAGS\u{1}a\u{2}") }
        let consumer = try await consumer(cluster)
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            return .success
        }
        await seen.wait(for: 4)
        #expect(cluster.requests(.popMessage).isEmpty)
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `no more is popped than may wait, and a shutdown leaves the rest to come again`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        cluster.state.withLock { $0.popped = ["t": [0]] }
        for _ in 0..<10 { cluster.append(topic: "t", queueID: 0, body: [1], properties: "TAGS\u{1}a\u{2}") }
        let consumer = try await consumer(cluster) { options in
            options.handlersMax = 1
            options.pop.messagesMax = 5
            options.shutdownWait = .milliseconds(50)
        }
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            try await Task.sleep(for: .seconds(3600))
            return .success
        }
        await seen.wait(for: 1)
        cluster.append(topic: "t", queueID: 0, body: [2], properties: "TAGS\u{1}a\u{2}")
        _ = await pause(.milliseconds(200))
        #expect(cluster.requests(.popMessage).count == 1)
        await consumer.shutdown()
        #expect(cluster.requests(.ackMessage).isEmpty)
        #expect(cluster.requests(.changeMessageInvisibleTime).isEmpty)
        cluster.stop()
    }

    // MARK: - Plain values

    @Test func `handles are made as Java makes them, and damaged ones are none`() throws {
        let handle = try #require(PopHandle("5 1700000000000 60000 3 1 broker-a 2 7"))
        #expect(handle.kind == 1 && handle.queueID == 2 && handle.offset == 7 && handle.endsAt == 1_700_000_060_000)
        #expect(handle.topic(for: "t", group: "g") == "%RETRY%g_t")
        #expect(PopHandle("5 1 2 3 2 b 0 7")?.topic(for: "t", group: "g") == "%RETRY%g+t")
        for text in ["", "5 1 2 3 0 b 0", "5 x 2 3 0 b 0 7", "5 1 2 3 9 b 0 7", "5 1 2 3 0 b 0 99999999999999999999"] {
            #expect(PopHandle(text) == nil, "\(text)")
        }
        #expect(PopHandle("5 \(Int64.max) \(Int64.max) 3 0 b 0 7")?.endsAt != nil)
    }

    @Test func `a pop's answer that does not add up is refused`() {
        let good = ["popTime": "1", "invisibleTime": "2", "reviveQid": "3"]
        for missing in good.keys {
            var answer = RemotingCommand(.success)
            for (key, value) in good where key != missing { answer[key] = value }
            #expect(throws: ClientError.self) { try PopAnswer(answer, from: "b") }
        }
        for text in ["0 1", "0 1 x", "0 1 2 3", "a;b"] {
            var answer = RemotingCommand(.success)
            for (key, value) in good { answer[key] = value }
            answer["startOffsetInfo"] = text
            #expect(throws: ClientError.self) { try PopAnswer(answer, from: "b") }
        }
    }

    @Test func `delays follow the level asked for, or the tries`() {
        #expect(PopWorker.delay(level: 0, tries: 0) == .seconds(10))
        #expect(PopWorker.delay(level: 0, tries: 3) == .seconds(120))
        #expect(PopWorker.delay(level: 2, tries: 9) == .seconds(60))
        #expect(PopWorker.delay(level: 99, tries: 0) == .seconds(7200))
        #expect(PopWorker.delay(level: 0, tries: .max) == .seconds(7200))
    }
}
