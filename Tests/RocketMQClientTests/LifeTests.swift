import MQBase
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import RocketMQClient

/// Goal: whatever is started ends in order: in time, with its progress told, and with nothing left running.
@Suite(.timeLimit(.minutes(1))) struct LifeTests {
    private func pushConsumer(
        _ cluster: FakeCluster, _ change: (inout ConsumerOptions) -> Void = { _ in }
    ) async throws -> PushConsumer {
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        options.handlersMax = 4
        change(&options)
        let consumer = try PushConsumer(
            group: "g", options: options, client: ClientOptions(nameServers: cluster.address))
        try await consumer.subscribe("t")
        return consumer
    }

    private func fill(_ cluster: FakeCluster, _ count: Int) {
        for index in 0..<count { cluster.append(topic: "t", queueID: 0, body: [UInt8(index)], properties: "") }
    }

    private func seconds(since begun: Instant) -> Double {
        Double(SystemClock.now().milliseconds(since: begun)) / 1000
    }

    // MARK: - Sends

    @Test func `a silent name server costs a send no more than it was allowed`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let relay = try Relay(to: try #require(cluster.address.split(separator: ":").last.flatMap { Int($0) }))
        let producer = try Producer(group: "p", client: ClientOptions(nameServers: relay.address))
        try await producer.start()
        relay.set(.frozen)
        let begun = SystemClock.now()
        await #expect(throws: ClientError.self) {
            try await producer.send(Message(topic: "t", body: [1]), timeout: .milliseconds(100))
        }
        #expect(seconds(since: begun) < 1.5)
        let waiting = Task { try await producer.send(Message(topic: "t", body: [1]), timeout: .seconds(60)) }
        waiting.cancel()
        await #expect(throws: ClientError.cancelled) { try await waiting.value }
        #expect(seconds(since: begun) < 2.5)
        await producer.shutdown()
        relay.stop()
        cluster.stop()
    }

    @Test func `one-way sends to a broker that takes nothing end by their deadline`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let relay = try Relay(to: try #require(cluster.address.split(separator: ":").last.flatMap { Int($0) }))
        cluster.state.withLock { $0.advertised = relay.address }
        var options = Producer.Options()
        options.compressFrom = nil
        let producer = try Producer(group: "p", options: options, client: ClientOptions(nameServers: cluster.address))
        try await producer.start()
        try await producer.send(Message(topic: "t", body: [1]))
        relay.set(.frozen)
        let begun = SystemClock.now()
        let failures = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let message = Message(topic: "t", body: [UInt8](repeating: 7, count: 3 << 20))
                    // All first ones may go into the connection together; then it is full.
                    for _ in 0..<2 {
                        if (try? await producer.sendOneWay(message, timeout: .milliseconds(300))) == nil { return true }
                    }
                    return false
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(failures > 0)
        #expect(seconds(since: begun) < 20)
        relay.set(.open)
        relay.hangUp()
        await producer.shutdown()
        relay.stop()
        cluster.stop()
    }

    @Test func `no timeout is too long`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try Producer(group: "p", client: ClientOptions(nameServers: cluster.address))
        try await producer.start()
        try await producer.send(Message(topic: "t", body: [1]), timeout: .seconds(Int64.max))
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `a shutdown waits for sends with more time than usual, cancelled or not`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        var options = Producer.Options()
        options.sendTimeout = .milliseconds(50)
        let producer = try Producer(group: "p", options: options, client: ClientOptions(nameServers: cluster.address))
        try await producer.start()
        try await producer.send(Message(topic: "t", body: [1]), timeout: .seconds(20))
        cluster.state.withLock { $0.holdsAnswers = true }
        let sending = Task { try await producer.send(Message(topic: "t", body: [2]), timeout: .seconds(20)) }
        try await eventually("the broker has it") { cluster.count("t") == 2 }
        let ending = Task { await producer.shutdown() }
        ending.cancel()
        _ = await pause(.milliseconds(200))
        cluster.answerHeld()
        #expect(try await sending.value.status == .sendOK)
        await ending.value
        cluster.stop()
    }

    @Test func `offsets that would overflow are refused, not computed with`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try Producer(group: "p", client: ClientOptions(nameServers: cluster.address))
        try await producer.start()
        for offset in [String(Int64.max), "-1"] {
            let answer = RemotingCommand(.success, ["msgId": "00", "queueId": "0", "queueOffset": offset])
            cluster.script(.sendBatchMessage, answer)
            await #expect(throws: ClientError.self) {
                try await producer.send([Message(topic: "t", body: [1]), Message(topic: "t", body: [2])])
            }
        }
        await producer.shutdown()
        cluster.stop()
    }

    // MARK: - Push consumers

    @Test func `leaving the loop after the first delivery gives nothing back and loses no progress`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        fill(cluster, 10)
        let consumer = try await pushConsumer(cluster)
        for try await delivery in consumer.deliveries() {
            delivery.finish()
            if delivery.message.queueOffset == 0 { break }
        }
        await consumer.shutdown()  // waits for the one that leaving the loop began
        #expect(cluster.requests(.consumerSendMessageBack).isEmpty)
        #expect(cluster.requests(.unregisterClient).contains { $0["consumerGroup"] == "g" })
        try await eventually("the first one's end was told") {
            (cluster.state.withLock { $0.offsets["g t 0"] } ?? 0) >= 1
        }
        cluster.stop()
    }

    @Test func `a delivery that is kept and forgotten does not hold the shutdown`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        fill(cluster, 4)
        let consumer = try await pushConsumer(cluster) { $0.shutdownWait = .milliseconds(100) }
        var kept: [Delivery] = []
        for try await delivery in consumer.deliveries() {
            kept.append(delivery)
            if kept.count == 2 { break }
        }
        await consumer.shutdown()
        for delivery in kept { delivery.finish() }  // too late, and harmless
        #expect(cluster.requests(.consumerSendMessageBack).isEmpty)
        cluster.stop()
    }

    @Test func `progress that could not be told is told again`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        let link = try ClusterLink(ClientOptions(nameServers: cluster.address))
        let core = ConsumerCore(
            group: "g", options: ConsumerOptions(), link: link, subscriptions: [:], handler: { _, _ in .success })
        let worker = QueueWorker(MessageQueue(topic: "t", brokerName: "b", queueID: 0), start: 7, consumer: core)
        #expect(worker.uncommitted == 7 && worker.uncommitted == 7)
        worker.committed(7)
        #expect(worker.uncommitted == nil)
        cluster.stop()
    }

    @Test func `a shutdown of a cancelled task commits all the same`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "%RETRY%g": 1])
        fill(cluster, 8)
        let consumer = try await pushConsumer(cluster)
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            return .success
        }
        await seen.wait(for: 8)
        let ending = Task {
            while !Task.isCancelled { await Task.yield() }
            await consumer.shutdown()
        }
        ending.cancel()
        await ending.value
        #expect(cluster.state.withLock { $0.offsets["g t 0"] } == 8)
        #expect(cluster.requests(.unregisterClient).contains { $0["consumerGroup"] == "g" })
        cluster.stop()
    }

    @Test func `a topic that is wanted no longer is not pulled, and its progress is told`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "u": 1, "%RETRY%g": 1])
        fill(cluster, 3)
        let consumer = try await pushConsumer(cluster)
        try await consumer.subscribe("u")
        let seen = Collector()
        try await consumer.start { message, _ in
            seen.add(message)
            return .success
        }
        await seen.wait(for: 3)
        try await eventually("the last handler has ended") { await consumer.progress(in: "t").values.first == 3 }
        await consumer.unsubscribe("t")
        #expect(await consumer.queues.allSatisfy { $0.topic != "t" })
        try await eventually("progress is told") { cluster.state.withLock { $0.offsets["g t 0"] } == 3 }
        cluster.append(topic: "t", queueID: 0, body: [9], properties: "")
        cluster.append(topic: "u", queueID: 0, body: [10], properties: "")
        await seen.wait(for: 4)
        #expect(seen.messages.last?.topic == "u")
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `nothing runs on behind a shutdown`() async throws {
        let cluster = try FakeCluster(topics: ["t": 2, "%RETRY%g": 1])
        fill(cluster, 8)
        let link = try ClusterLink(ClientOptions(nameServers: cluster.address))
        var options = ConsumerOptions()
        options.consumeFromWhere = .firstOffset
        let consumer = try PushConsumer(group: "g", options: options, link: link)
        try await consumer.subscribe("t")
        let seen = Collector()
        // Sending back fails, so that messages wait to be tried here again.
        for _ in 0..<100 { cluster.script(.consumerSendMessageBack, RemotingCommand(.systemError, remark: "no")) }
        try await consumer.start { message, _ in
            seen.add(message)
            return .later()
        }
        await seen.wait(for: 8)
        for _ in 0..<5 { cluster.hangUp() }
        try await eventually("the loss is seen") { link.losses.withLock { $0 } > 0 }
        let core = try #require(await consumer.core)
        #expect(core.side.count > 3)
        await consumer.shutdown()
        #expect(core.side.count == 0)
        await link.shutdown()
        #expect(link.side.count == 0 && link.openCallCount == 0)
        cluster.stop()
    }

    // MARK: - Pull consumers

    @Test func `topics that do not exist are asked for ever more rarely`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let consumer = try LitePullConsumer(group: "g", client: ClientOptions(nameServers: cluster.address))
        for topic in ["t", "u", "v"] { try await consumer.subscribe(topic) }
        try await consumer.start()
        _ = await pause(.milliseconds(3500))
        // After 250, 500, 1000 ms, and twice at the start.
        #expect(cluster.requests(.getRouteInfoByTopic).count { $0["topic"] == "u" } <= 6)
        await consumer.shutdown()
        cluster.stop()
    }

    @Test func `a pull consumer's shutdown ends its fetches and cannot be undone`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        fill(cluster, 2)
        var options = LitePullConsumer.Options()
        options.consumeFromWhere = .firstOffset
        let consumer = try LitePullConsumer(
            group: "g", options: options, client: ClientOptions(nameServers: cluster.address))
        try await consumer.subscribe("t")
        try await consumer.start()
        #expect(try await consumer.poll().count == 2)
        #expect(try await consumer.poll(timeout: .milliseconds(1)).isEmpty)
        let side = try #require(await consumer.side)
        #expect(side.count >= 2)
        let ending = Task { await consumer.shutdown() }
        ending.cancel()
        await consumer.shutdown()
        await ending.value
        #expect(side.count == 0)
        #expect(cluster.state.withLock { $0.offsets["g t 0"] } == 2)
        await #expect(throws: ClientError.self) { try await consumer.start() }
        cluster.stop()
    }

    @Test func `tasks of the link's executor send, are cancelled and shut down`() async throws {
        let cluster = try FakeCluster(topics: ["t": 2])
        let client = ClientOptions(nameServers: cluster.address)
        let producer = try Producer(group: "p", client: client)
        try await producer.start()
        let executor = producer.link.executor
        let sent = await withTaskGroup(of: Int.self) { group in
            for task in 0..<50 {
                group.addTask(executorPreference: executor) {
                    var count = 0
                    for index in 0..<20 {
                        let body = [UInt8](repeating: UInt8(task), count: 4000 + index)  // early writes as well
                        if (try? await producer.send(Message(topic: "t", body: body)))?.status == .sendOK { count += 1 }
                    }
                    return count
                }
            }
            return await group.reduce(0, +)
        }
        #expect(sent == 1000)
        let stored = cluster.state.withLock { $0.queues["t"]?.map(\.count).reduce(0, +) }
        #expect(stored == 1000)

        cluster.state.withLock { $0.holdsAnswers = true }
        let waiting = Task(executorPreference: executor) { try await producer.send(Message(topic: "t", body: [1])) }
        while cluster.state.withLock({ $0.held.isEmpty }) { await Task.yield() }
        waiting.cancel()
        await #expect(throws: ClientError.cancelled) { try await waiting.value }
        // From a task of the loop that this stops.
        await Task(executorPreference: executor) { await producer.shutdown() }.value
        await #expect(throws: ClientError.self) { try await producer.send(Message(topic: "t", body: [1])) }
        cluster.stop()
    }

    // MARK: - Plain values

    @Test func `a number is not given out again while an answer to its first owner may come`() throws {
        var slots = SendSlots<String>(limit: 200)
        var kept: [Int32] = []
        for index in 0..<100 {
            let number = slots.add("kept \(index)", deadline: Instant(nanoseconds: Int64(index)))
            kept.append(try #require(number))
        }
        var seen = Set(kept)
        for _ in 0..<20_000 {
            let added = slots.add("short", deadline: Instant(nanoseconds: .max))
            let number = try #require(added)
            #expect(seen.insert(number).inserted)
            let first = slots.take(number)
            #expect(first == "short")
            let second = slots.take(number)
            #expect(second == nil)
        }
        let due = slots.takeAll { $1 < Instant(nanoseconds: 50) ? "\($0) is due" : nil }
        #expect(due.map(\.waiter) == (0..<50).map { "kept \($0)" })
        #expect(due.map(\.reason) == (0..<50).map { "kept \($0) is due" })
        for index in 50..<100 {
            let waiter = slots.take(kept[index])
            #expect(waiter == "kept \(index)")
        }
        #expect(slots.count == 0)
    }

    @Test func `slots end at their limit, while numbers go round`() {
        var slots = SendSlots<Int>(limit: 70, last: 1 << 30 - 5)
        let numbers = (0..<70).compactMap { slots.add($0, deadline: Instant(nanoseconds: 0)) }
        #expect(Set(numbers).count == 70 && numbers.allSatisfy { (0..<(1 << 30)).contains($0) })
        let beyond = slots.add(70, deadline: Instant(nanoseconds: 0))
        #expect(beyond == nil)
        let first = slots.take(numbers[0])
        #expect(first == 0 && slots.count == 69)
        let again = slots.add(71, deadline: Instant(nanoseconds: 0))
        #expect(again != nil)
    }

    @Test func `rebalances run one at a time and come back ever more rarely`() {
        var turns = RebalanceTurns()
        let isFirst = turns.begin()
        #expect(isFirst)
        let isSecond = turns.begin()
        #expect(!isSecond)
        let ended = turns.end(isComplete: false)
        #expect(ended == (true, nil))
        for delay: Int64 in [250, 500, 1000, 2000, 4000, 8000, 16_000, 16_000] {
            let failed = turns.end(isComplete: false)
            #expect(failed == (false, delay))
            let isNext = turns.begin()
            #expect(isNext)
            let failedAgain = turns.end(isComplete: false)
            #expect(failedAgain == (false, nil))  // one retry is under way
            turns.retry()
            let isRetry = turns.begin()
            #expect(isRetry)
        }
        let done = turns.end(isComplete: true)
        #expect(done == (false, nil))
        let begins = turns.begin()
        #expect(begins)
        let anew = turns.end(isComplete: false)
        #expect(anew == (false, 250))
    }
}
