import Foundation
import MQBase
import MQProtocol
import MQRemoting
import MQSystem
import MQTestKit
import Testing

@testable import RocketMQClient

/// Goal: a client keeps working when the wire does not, loses nothing it was promised, and leaves nothing behind.
/// Method: ``Relay`` between the clients and a ``FakeCluster``, as broker or as name server.
@Suite(.serialized, .timeLimit(.minutes(15))) struct TroubleTests {
    private func options(_ cluster: FakeCluster, _ nameServers: String? = nil) -> ClientOptions {
        var options = ClientOptions(nameServers: nameServers ?? cluster.address)
        options.heartbeatInterval = .milliseconds(200)
        options.routeRefreshInterval = .milliseconds(200)
        options.requestTimeout = .milliseconds(500)
        return options
    }

    /// A cluster whose broker is reached through a relay.
    private func relayed(_ topics: [String: Int]) throws -> (FakeCluster, Relay) {
        let cluster = try FakeCluster(topics: topics)
        let relay = try Relay(to: try #require(cluster.address.split(separator: ":").last.flatMap { Int($0) }))
        cluster.state.withLock { $0.advertised = relay.address }
        return (cluster, relay)
    }

    private func producer(
        _ client: ClientOptions, _ change: (inout Producer.Options) -> Void = { _ in }
    ) async throws -> Producer {
        var options = Producer.Options()
        change(&options)
        let producer = try Producer(group: "p", options: options, client: client)
        try await producer.start()
        return producer
    }

    private func text(_ message: MessageExt) -> String { String(decoding: message.body, as: UTF8.self) }

    @Test func `a frozen broker costs a deadline, and is there again when it thaws`() async throws {
        let (cluster, relay) = try relayed(["t": 1])
        var client = options(cluster)
        client.heartbeatInterval = .seconds(60)  // one without an answer would end the connection
        let producer = try await producer(client) { $0.retries = 0 }
        try await producer.send(Message(topic: "t", body: [1]))
        relay.set(.frozen)
        let begun = SystemClock.now()
        do {
            try await producer.send(Message(topic: "t", body: [2]), timeout: .milliseconds(200))
            Issue.record("answered")
        } catch {
            guard case ClientError.noAnswer(_, .timedOut) = error else { throw error }
        }
        #expect(SystemClock.now().milliseconds(since: begun) < 5000)
        relay.set(.open)
        #expect(try await producer.send(Message(topic: "t", body: [3]), timeout: .seconds(20)).status == .sendOK)
        await producer.shutdown()
        relay.stop()
        cluster.stop()
    }

    @Test func `a connection that died without a word is given up and made anew`() async throws {
        let (cluster, relay) = try relayed(["t": 1])
        let producer = try await producer(options(cluster)) { $0.retries = 0 }
        try await producer.send(Message(topic: "t", body: [1]))
        let before = relay.connectionCount
        relay.set(.swallowing)
        var failures = 0
        while relay.connectionCount == before {  // heartbeats or silent sends find out
            do {
                try await producer.send(Message(topic: "t", body: [2]), timeout: .milliseconds(100))
            } catch {
                failures += 1
            }
        }
        #expect(failures > 0)
        relay.set(.open)
        relay.hangUp()
        try await eventually("sends work again") {
            (try? await producer.send(Message(topic: "t", body: [3]), timeout: .seconds(1))) != nil
        }
        await producer.shutdown()
        relay.stop()
        cluster.stop()
    }

    @Test func `without a name server known topics go on, and unknown ones say why`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1])
        let relay = try Relay(to: try #require(cluster.address.split(separator: ":").last.flatMap { Int($0) }))
        let producer = try await producer(options(cluster, relay.address))
        try await producer.send(Message(topic: "t", body: [1]))
        relay.set(.cut)
        for index in 0..<20 { try await producer.send(Message(topic: "t", body: [UInt8(index)])) }
        do {
            try await producer.send(Message(topic: "u", body: [1]))
            Issue.record("sent")
        } catch {
            guard case ClientError.nameServersUnreachable = error else { throw error }
        }
        cluster.state.withLock { $0.queues["u"] = [[]] }
        relay.set(.open)
        try await eventually("the new topic is found") {
            (try? await producer.send(Message(topic: "u", body: [1]))) != nil
        }
        await producer.shutdown()
        relay.stop()
        cluster.stop()
    }

    @Test func `a route that changes is followed`() async throws {
        let (cluster, relay) = try relayed(["t": 1])
        let producer = try await producer(options(cluster))
        try await producer.send(Message(topic: "t", body: [1]))
        cluster.state.withLock { state in
            state.queues["t"]?.append([])
            state.advertised = nil  // the broker has moved
        }
        relay.set(.cut)
        try await eventually("sends go to the new place, and to the new queue") {
            let result = try? await producer.send(Message(topic: "t", body: [1]))
            return result?.queue.queueID == 1
        }
        await producer.shutdown()
        relay.stop()
        cluster.stop()
    }

    @Test func `what was acknowledged arrives, whatever the wire does, and nothing is left over`() async throws {
        let seconds = ThisProcess.environment("MQ_TROUBLE_SECONDS").flatMap { Int($0) } ?? 10
        weak var forgotten: ClusterLink?
        try await troubled(seconds: seconds) { forgotten = $0 }
        try await eventually("the link is let go of") { forgotten == nil }
    }

    /// Memory of this process.
    private static var residentByteCount: Int {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
        return (pages.flatMap { $0.count > 1 ? Int($0[1]) : nil } ?? 0) * 4096
    }

    /// Producers and a consumer while the relay cuts, freezes and delays.
    private func troubled(seconds: Int, _ note: (ClusterLink) -> Void) async throws {
        let (cluster, relay) = try relayed(["t": 4, "%RETRY%g": 1])
        cluster.state.withLock { $0.forgetsRequests = true }
        let producer = try await producer(options(cluster)) { $0.sendTimeout = .seconds(1) }
        note(producer.link)
        var consuming = ConsumerOptions()
        consuming.consumeFromWhere = .firstOffset
        consuming.rebalanceInterval = .milliseconds(500)
        consuming.commitInterval = .milliseconds(200)
        let consumer = try PushConsumer(group: "g", options: consuming, client: options(cluster))
        try await consumer.subscribe("t")
        let seen = Lock(Set<String>())
        try await consumer.start { message, _ in
            _ = seen.withLock { $0.insert(String(decoding: message.body, as: UTF8.self)) }
            return .success
        }
        let acknowledged = Lock(Set<String>())
        let isOver = Lock(false)
        var atHalf: (byteCount: Int, acknowledged: Int)?
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    var index = 0
                    while !isOver.withLock({ $0 }) {
                        let body = "\(task)-\(index)"
                        index += 1
                        let message = Message(topic: "t", body: Array(body.utf8))
                        if (try? await producer.send(message)) != nil {
                            _ = acknowledged.withLock { $0.insert(body) }
                        }
                        _ = await pause(.milliseconds(2))
                    }
                }
            }
            let end = SystemClock.now().advanced(byMilliseconds: Int64(seconds) * 1000)
            let half = SystemClock.now().advanced(byMilliseconds: Int64(seconds) * 500)
            var random = SystemRandomNumberGenerator()
            while SystemClock.now() < end {
                if atHalf == nil, SystemClock.now() >= half {
                    atHalf = (Self.residentByteCount, acknowledged.withLock { $0.count })
                }
                switch Int.random(in: 0..<5, using: &random) {
                case 0: relay.hangUp()
                case 1: relay.set(.cut)
                case 2: relay.set(.frozen)
                case 3: relay.delay(by: 0.005)
                default: relay.set(.swallowing)
                }
                _ = await pause(.milliseconds(Int.random(in: 20...200, using: &random)))
                relay.set(.open)
                relay.delay(by: 0)
                relay.hangUp()  // what was swallowed or frozen in the middle of a frame would never go on
                _ = await pause(.milliseconds(Int.random(in: 20...400, using: &random)))
            }
            isOver.withLock { $0 = true }
            await group.waitForAll()
        }
        let promised = acknowledged.withLock { $0 }
        #expect(promised.count > 100)
        // This process keeps every message several times; what the client keeps beside that must not grow.
        let (before, now) = (try #require(atHalf), Self.residentByteCount)
        let grown = now - before.byteCount
        let messages = promised.count - before.acknowledged
        #expect(grown < messages * 2048 + 32 << 20, "\(grown) bytes more after \(messages) messages")
        if seconds > 60 { print("\(promised.count) acknowledged; \(grown >> 10) KiB more after the last \(messages)") }
        try await eventually("all \(promised.count) acknowledged messages have come", within: .seconds(60)) {
            seen.withLock { promised.isSubset(of: $0) }
        }
        #expect(producer.permits.inFlight == 0)
        await consumer.shutdown()
        await producer.shutdown()
        #expect(producer.link.openCallCount == 0)
        relay.stop()
        cluster.stop()
    }
}
