import MQMessage
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import RocketMQClient

/// What a producer of transactions sends, against ``FakeCluster``. Being asked is tested against the real broker.
@Suite(.timeLimit(.minutes(1))) struct TransactionTests {
    private func producer(_ cluster: FakeCluster) async throws -> TransactionProducer {
        let producer = try TransactionProducer(group: "p", client: ClientOptions(nameServers: cluster.address)) { _ in
            .unknown
        }
        try await producer.start()
        return producer
    }

    /// The answer to a half message that lies at offset 0x1F of the log and is the fifth in its queue.
    private func answer(_ code: ResponseCode = .success) -> RemotingCommand {
        RemotingCommand(
            code, ["msgId": "7F00000100002A9F000000000000001F", "queueId": "1", "queueOffset": "4"])
    }

    @Test func `the end of a transaction is traced`() async throws {
        let cluster = try FakeCluster(topics: ["t": 1, "RMQ_SYS_TRACE_TOPIC": 1])
        var options = Producer.Options()
        options.trace = TraceOptions()
        let producer = try TransactionProducer(
            group: "p", options: options, client: ClientOptions(nameServers: cluster.address)
        ) { _ in .unknown }
        try await producer.start()
        cluster.script(.sendMessageV2, answer())
        cluster.script(.endTransaction, RemotingCommand(.success))
        let result = try await producer.send(Message(topic: "t", keys: ["order"], body: [1])) { _, _ in .commit }
        await producer.shutdown()
        let traced = cluster.state.withLock { $0.queues["RMQ_SYS_TRACE_TOPIC"]?.flatMap(\.self) ?? [] }
        let records = try traced.flatMap { TraceRecord.all(in: try MessageExt($0.span).body) }
        #expect(records.map(\.kind) == [.sent, .ended] && records.first?.messageKind == .half)
        let end = try #require(records.last)
        #expect(end.messageID == result.transactionID && end.transactionID == result.transactionID)
        #expect(end.transactionState == "COMMIT_MESSAGE" && end.messageKind == .commit && !end.isFromCheck)
        #expect(end.group == "p" && end.topic == "t" && end.keys == "order" && end.storeHost == cluster.address)
        cluster.stop()
    }

    @Test(arguments: TransactionState.allCases)
    func `a half message is sent, and what became of it told`(state: TransactionState) async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        cluster.script(.sendMessageV2, answer())
        cluster.script(.endTransaction, RemotingCommand(.success))
        var message = Message(topic: "t", body: [1])
        message.delayLevel = 3
        let seen = Lock<(Message, String)?>(nil)
        let result = try await producer.send(message) { message, id in
            seen.withLock { $0 = (message, id) }
            return state
        }
        #expect(result.state == state && result.notTold == nil && result.sent.queueOffset == 4)
        let executed = try #require(seen.withLock { $0 })
        #expect(
            executed.1 == result.transactionID && executed.0.properties["__transactionId__"] == result.transactionID)
        #expect(result.transactionID == result.sent.messageID && result.transactionID.utf8.count == 32)
        let sent = try #require(cluster.requests(.sendMessageV2).first)
        #expect(sent["f"] == "4", "the flag of half messages")
        let properties = MessageProperties(stored: Array((sent["i"] ?? "").utf8).span)
        #expect(properties["TRAN_MSG"] == "true" && properties["PGROUP"] == "p" && properties["DELAY"] == nil)
        try await eventually("the end arrives") { !cluster.requests(.endTransaction).isEmpty }
        let end = try #require(cluster.requests(.endTransaction).first)
        let wanted = [
            "topic": "t", "producerGroup": "p", "tranStateTableOffset": "4", "commitLogOffset": "31",
            "commitOrRollback": ["COMMIT_MESSAGE": "8", "ROLLBACK_MESSAGE": "12", "UNKNOW": "0"][state.rawValue],
            "fromTransactionCheck": "false", "msgId": result.transactionID, "transactionId": result.transactionID,
            "bname": "broker-a",
        ]
        for (name, value) in wanted { #expect(end[name] == value, "\(name)") }
        #expect(end.isOneWay == (state == .unknown))
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `what is not known to be stored is rolled back without being executed`() async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        cluster.script(.sendMessageV2, answer(.flushDiskTimeout))
        cluster.script(.endTransaction, RemotingCommand(.success))
        let wasRun = Lock(false)
        let result = try await producer.send(Message(topic: "t", body: [1])) { _, _ in
            wasRun.withLock { $0 = true }
            return .commit
        }
        #expect(result.state == .rollback && !wasRun.withLock { $0 })
        #expect(cluster.requests(.endTransaction).first?["commitOrRollback"] == "12")
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `an executor that throws leaves the transaction open and says why`() async throws {
        struct Trouble: Error {}
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        cluster.script(.sendMessageV2, answer())
        let result = try await producer.send(Message(topic: "t", body: [1])) { _, _ in throw Trouble() }
        #expect(result.state == .unknown)
        try await eventually("the end arrives") { !cluster.requests(.endTransaction).isEmpty }
        let end = try #require(cluster.requests(.endTransaction).first)
        #expect(end["commitOrRollback"] == "0")
        #expect(end.remark?.hasPrefix("executeLocalTransactionBranch exception: ") == true)
        await producer.shutdown()
        cluster.stop()
    }

    @Test func `an end that the broker refuses is told beside the result`() async throws {
        let cluster = try FakeCluster(topics: ["t": 4])
        let producer = try await producer(cluster)
        cluster.script(.sendMessageV2, answer())
        cluster.script(.endTransaction, RemotingCommand(.systemError, remark: "The producer group wrong"))
        let result = try await producer.send(Message(topic: "t", body: [1])) { _, _ in .commit }
        #expect(
            result.notTold == .refused(by: cluster.address, code: 1, remark: "The producer group wrong"))
        cluster.script(.sendMessageV2, RemotingCommand(.noPermission, remark: "no"))
        for _ in 0..<2 { cluster.script(.sendMessageV2, RemotingCommand(.noPermission, remark: "no")) }
        let wasRun = Lock(false)
        await #expect(throws: ClientError.refused(by: cluster.address, code: 16, remark: "no")) {
            try await producer.send(Message(topic: "t", body: [1])) { _, _ in
                wasRun.withLock { $0 = true }
                return .commit
            }
        }
        #expect(!wasRun.withLock { $0 }, "what was not sent is not executed")
        await producer.shutdown()
        cluster.stop()
    }

    @Test(arguments: Golden.versions)
    func `what Java brokers ask is understood`(version: String) throws {
        let asked = try Golden.frames(version: version).filter { $0.code == 39 && $0.kind == "oneway" }
        #expect(!asked.isEmpty)
        for frame in asked {
            let command = try RemotingCommand(frame: frame.bytes.span)
            let message = try MessageExt(command.body.span)
            #expect(message.messageID == command["msgId"] && message.properties["PGROUP"] == "gold_tx")
            #expect(message.commitLogOffset == command.int64("commitLogOffset"))
            #expect(message.queueOffset == command.int64("tranStateTableOffset"))
        }
    }
}
