import MQProtocol
import MQSystem
import Testing

@testable import RocketMQClient

/// Goal: a cancelled task waits for nobody. Method: the thread of the connections stands still, so that only the cancellation
/// itself can end the waiting.
@Suite(.timeLimit(.minutes(1))) struct CancellationTests {
    private func producer(_ cluster: FakeCluster) async throws -> Producer {
        var options = Producer.Options()
        options.sendTimeout = .seconds(60)
        let producer = try Producer(group: "p", options: options, client: ClientOptions(nameServers: cluster.address))
        try await producer.start()
        try await producer.send(Message(topic: "t", body: [0]))  // the route and the connection are there
        return producer
    }

    /// Runs `body` while the link's thread does nothing.
    private func whileStill(_ link: ClusterLink, _ body: () async throws -> Void) async throws {
        let (begun, gate) = (Lock(false), Monitor(false))
        let still = Task(executorPreference: link.executor) {
            begun.withLock { $0 = true }
            _ = gate.wait { $0 ? true : nil }
        }
        defer {
            gate.signal {
                $0 = true
                return true
            }
        }
        while !begun.withLock({ $0 }) { await Task.yield() }
        try await body()
        _ = still
    }

    @Test func `a cancelled send ends at once, whatever the connection does`() async throws {
        let cluster = try FakeCluster(topics: ["t": 2])
        let producer = try await producer(cluster)
        try await whileStill(producer.link) {
            for _ in 0..<3 {
                let waiting = Task { try await producer.send(Message(topic: "t", body: [1])) }
                while producer.permits.inFlight == 0 { await Task.yield() }
                waiting.cancel()
                await #expect(throws: ClientError.cancelled) { try await waiting.value }
            }
            // Whoever is cancelled before it waits does not wait.
            let never = Task {
                while !Task.isCancelled { await Task.yield() }
                try await producer.send(Message(topic: "t", body: [2]))
            }
            never.cancel()
            await #expect(throws: ClientError.cancelled) { try await never.value }
            #expect(producer.permits.inFlight == 0)
        }
        // What waited beside it still gets its answer, and later ones do too.
        #expect(try await producer.send(Message(topic: "t", body: [3])).status == .sendOK)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `a cancelled send takes nobody else's place`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster)
        cluster.state.withLock { $0.holdsAnswers = true }
        let tasks = (0..<20).map { index in Task { try await producer.send(Message(topic: "t", body: [UInt8(index)])) }
        }
        while cluster.state.withLock({ $0.held.count }) < 20 { await Task.yield() }
        for task in tasks[5..<15] { task.cancel() }
        for task in tasks[5..<15] { await #expect(throws: ClientError.cancelled) { try await task.value } }
        cluster.answerHeld()
        for task in tasks[..<5] + tasks[15...] { #expect(try await task.value.status == .sendOK) }
        #expect(producer.permits.inFlight == 0)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `a cancelled one-way send ends at once`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let producer = try await producer(cluster)
        try await whileStill(producer.link) {
            let waiting = Task { try await producer.sendOneWay(Message(topic: "t", body: [1])) }
            while producer.permits.inFlight == 0 { await Task.yield() }
            waiting.cancel()
            await #expect(throws: ClientError.cancelled) { try await waiting.value }
            #expect(producer.permits.inFlight == 0)
        }
        try await producer.sendOneWay(Message(topic: "t", body: [2]))
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `with very many on their way a cancelled send ends by the look at the deadlines`() async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        cluster.state.withLock { $0.holdsAnswers = true }
        let tasks = (0..<200).map { _ in Task { try await producer.send(Message(topic: "t", body: [1])) } }
        while cluster.state.withLock({ $0.held.count }) < 200 { await Task.yield() }
        for task in tasks { task.cancel() }
        for task in tasks { await #expect(throws: ClientError.cancelled) { try await task.value } }
        #expect(producer.permits.inFlight == 0)
        await producer.shutdown()
        cluster.stop()
    }
}
