import Foundation
import MQBase
import MQMessage
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// Half messages and their ends against a whole broker: what is answered, what is stored, what consumers see.
@Suite struct TransactionTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        // No checks, and ends are written down when the broker stops.
        running = try RunningBroker(["transactionCheckInterval": "3600000", "transactionOpBatchInterval": "60000"])
        peer = try running.connect()
    }

    private func messages(_ topic: String, queue: Int = 0, count: Int = 1) throws -> [Pulled] {
        try peer.pulled(topic, queue: queue, count: count)
    }

    @Test func `a half message waits where no consumer sees it`() throws {
        let sent = try peer.ask(.half("t", "hello", queue: 2, properties: "TAGS\u{1}A\u{2}UNIQ_KEY\u{1}K1\u{2}"))
        #expect(sent.responseCode == .success && sent["queueId"] == "2" && sent["queueOffset"] == "0")
        #expect(sent["transactionId"] == "K1")
        let stored = try #require(messages("RMQ_SYS_TRANS_HALF_TOPIC").first)
        #expect(stored.text == "hello" && stored.record.queueID == 0 && stored.record.sysFlag.transaction == [])
        #expect(
            stored.properties == [
                "TAGS": "A", "UNIQ_KEY": "K1", "TRAN_MSG": "true", "PGROUP": "producers", "REAL_TOPIC": "t",
                "REAL_QID": "2", "__transactionId__": "K1", "MSG_REGION": "DefaultRegion", "TRACE_ON": "true",
                "CLUSTER": "DefaultCluster",
            ])
        #expect(try peer.ask(.pull("t", queue: 2)).responseCode == .pullNotFound)
    }

    @Test func `a commit brings the message to its queue as Java stores it`() throws {
        let sent = try peer.ask(.half("t", "hello", queue: 2, properties: "TAGS\u{1}A\u{2}", with: ["h": "7"]))
        let answer = try peer.ask(.end(sent))
        #expect(answer.responseCode == .success && answer.fields.isEmpty)
        let half = try #require(messages("RMQ_SYS_TRANS_HALF_TOPIC").first)
        let final = try #require(messages("t", queue: 2).first)
        #expect(final.text == "hello" && final.record.flag == 7 && final.record.queueOffset == 0)
        #expect(final.record.sysFlag.transaction == .transactionCommit)
        #expect(final.record.preparedTransactionOffset == half.record.physicalOffset)
        #expect(final.record.bornTimestamp == half.record.bornTimestamp)
        #expect(final.properties == half.properties, "Java clears REAL_TOPIC and TRAN_MSG in memory only")
    }

    @Test func `a rollback delivers nothing`() throws {
        let sent = try peer.ask(.half("t", "undone"))
        #expect(try peer.ask(.end(sent, 12)).responseCode == .success)
        _ = try peer.ask(.put("t", "after"))
        #expect(try messages("t").map(\.text) == ["after"])
    }

    @Test(arguments: [(8, 8), (8, 12), (12, 8), (12, 12)])
    func `a second end changes nothing`(first: Int, second: Int) throws {
        let sent = try peer.ask(.half("t", "once"))
        #expect(try peer.ask(.end(sent, first)).responseCode == .success)
        let again = try peer.ask(.end(sent, second))
        #expect(again.responseCode == .illegalOperation && again.remark?.hasPrefix("the transaction is over") == true)
        _ = try peer.ask(.put("t", "after"))
        #expect(
            try messages("t", count: first == 8 ? 2 : 1).map(\.text) == (first == 8 ? ["once", "after"] : ["after"]))
    }

    @Test func `two ends in one packet deliver once`() throws {
        let sent = try peer.ask(.half("t", "once"))
        var frames: [UInt8] = []
        for opaque: Int32 in [1001, 1002, 1003] {
            var end = RemotingCommand.end(sent)
            end.opaque = opaque
            frames += end.frame()
        }
        peer.send(frames)
        let answers = try (0..<3).map { _ in try peer.receive() }
        #expect(answers.filter { $0.responseCode == .success }.count == 1)
        #expect(answers.filter { $0.responseCode == .illegalOperation }.count == 2)
        _ = try peer.ask(.put("t", "after"))
        #expect(try messages("t", count: 2).map(\.text) == ["once", "after"])
    }

    @Test func `not knowing is not answered and leaves the message open`() throws {
        let sent = try peer.ask(.half("t", "later"))
        for kind in [0, 4, 99, -1] { peer.post(.end(sent, kind)) }
        #expect(try peer.ask(.end(sent)).responseCode == .success, "this is the first answer")
        #expect(try messages("t").map(\.text) == ["later"])
    }

    @Test func `an end must name its message exactly`() throws {
        let sent = try peer.ask(.half("t", "guarded"))
        let other = try peer.ask(.put("t", "ordinary"))
        func remark(_ changes: [String: String?]) throws -> String? {
            var end = RemotingCommand.end(sent)
            for (name, value) in changes { end[name] = value }
            let answer = try peer.ask(end)
            #expect(answer.responseCode == .systemError)
            return answer.remark
        }
        #expect(try remark(["producerGroup": "strangers"]) == "The producer group wrong")
        #expect(try remark(["producerGroup": "producer"]) == "The producer group wrong")
        #expect(try remark(["tranStateTableOffset": "1"]) == "The transaction state table offset wrong")
        #expect(
            try remark(["tranStateTableOffset": "-9223372036854775808"]) == "The transaction state table offset wrong")
        let missing = "Find prepared transaction message failed"
        for offset in ["1", "-1", "9223372036854775807", "1000000", other.offset] {
            #expect(try remark(["commitLogOffset": offset]) == missing)
        }
        for name in ["producerGroup", "tranStateTableOffset", "commitLogOffset", "commitOrRollback"] {
            #expect(try remark([name: nil])?.contains("are needed") == true)
            if name != "producerGroup" { #expect(try remark([name: "x"])?.contains("are needed") == true) }
        }
        #expect(try peer.ask(.end(sent)).responseCode == .success, "all of it has changed nothing")
    }

    @Test func `an end behind the message's own immunity is refused unless it was asked for`() throws {
        // Immunity is at least transactionTimeOut, so the birthday lies before it.
        let properties = "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}7\u{2}"
        let born = String(SystemClock.wall().rawValue - 7500)
        let sent = try peer.ask(.half("t", "late", properties: properties, with: ["g": born]))
        #expect(try peer.ask(.end(sent)).responseCode == .illegalOperation)
        var asked = RemotingCommand.end(sent)
        asked["fromTransactionCheck"] = "true"
        #expect(try peer.ask(asked).responseCode == .success)
    }

    @Test func `a half message keeps to the rules of the topic it is for`() throws {
        #expect(try peer.ask(.half("t", "x", queue: 99)).responseCode == .invalidParameter)
        #expect(try peer.ask(.half("RMQ_SYS_TRANS_HALF_TOPIC", "x")).responseCode == .noPermission)
        #expect(try peer.ask(.half("bad name", "x")).responseCode == .invalidParameter)
        let anonymous = try peer.ask(.put("t", properties: "TRAN_MSG\u{1}true\u{2}"))
        #expect(anonymous.responseCode == .messageIllegal && anonymous.remark?.contains("PGROUP") == true)
        let flagOnly = try peer.ask(.put("t", properties: "PGROUP\u{1}producers\u{2}", with: ["f": "4"]))
        #expect(flagOnly.responseCode == .success && flagOnly["queueOffset"] == "0")
        #expect(try messages("RMQ_SYS_TRANS_HALF_TOPIC").count == 1, "what was refused is not stored")
    }

    @Test func `a half message with properties up to the limit can still be asked about, one with more is refused`()
        throws
    {
        let long = "x\u{1}" + String(repeating: "y", count: 32_300) + "\u{2}"
        #expect(try peer.ask(.half("t", "x", properties: long)).responseCode == .success)
        let longer = "x\u{1}" + String(repeating: "y", count: 32_560) + "\u{2}"
        #expect(try peer.ask(.half("t", "x", properties: longer)).responseCode == .messageIllegal)
    }

    @Test func `a batch holds no half messages`() throws {
        var body: [UInt8] = []
        let buffer = MQBytesBuffer()
        buffer.append("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}p\u{2}", to: &body)
        var send = RemotingCommand.put("t", with: ["m": "true"])
        send.code = RequestCode.sendBatchMessage.rawValue
        send.body = body
        let answer = try peer.ask(send)
        #expect(answer.responseCode == .messageIllegal && answer.remark == "a batch cannot hold half messages")
    }

    @Test func `what a producer says of checks does not count`() throws {
        let properties =
            "TRAN_PREPARED_QUEUE_OFFSET\u{1}0\u{2}TRANSACTION_CHECK_TIMES\u{1}15\u{2}REAL_TOPIC\u{1}other\u{2}REAL_QID\u{1}77\u{2}"
        let first = try peer.ask(.half("t", "first"))
        let second = try peer.ask(.half("t", "second", queue: 1, properties: properties))
        #expect(try peer.ask(.end(second)).responseCode == .success)
        #expect(try peer.ask(.end(first)).responseCode == .success, "the second is no copy of the first")
        let stored = try #require(messages("t", queue: 1).first)
        #expect(stored.properties["REAL_TOPIC"] == "t" && stored.properties["TRANSACTION_CHECK_TIMES"] == nil)
    }

    @Test func `a delayed retry that carries TRAN_MSG along is no half message`() throws {
        _ = try peer.ask(RemotingCommand.heartbeat(group: "g", topic: "t"))
        let retry = try peer.ask(
            .put(
                "%RETRY%g", "again",
                properties: "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}p\u{2}DELAY\u{1}1\u{2}REAL_QID\u{1}9\u{2}",
                with: ["j": "1"]))
        #expect(retry.responseCode == .success, "\(retry)")
        #expect(try messages("%RETRY%g").map(\.text) == ["again"])
    }

    @Test func `half messages can be forbidden while the broker runs`() throws {
        let change = RemotingCommand(.updateBrokerConfig, body: Array("rejectTransactionMessage=true".utf8))
        #expect(try peer.ask(change).responseCode == .success)
        let refused = try peer.ask(.half("t", "x"))
        #expect(refused.responseCode == .noPermission)
        #expect(refused.remark == "the broker[127.0.0.1] sending transaction message is forbidden")
        #expect(try peer.ask(.put("t")).responseCode == .success)
    }

    @Test func `ends are written down together when the broker stops, and known after its start`() throws {
        let sent = try (0..<6).map { try peer.ask(.half("t", "m\($0)")) }
        for index in [0, 1, 3] { _ = try peer.ask(.end(sent[index], index == 1 ? 12 : 8)) }
        try running.restart()
        let fresh = try running.connect()
        let operations = try fresh.pulled("RMQ_SYS_TRANS_OP_HALF_TOPIC")
        #expect(operations.map(\.text) == ["0,1,3,"])
        #expect(operations.first?.properties == ["TAGS": "d", "WAIT": "true"])
        for index in [0, 1, 3] { #expect(try fresh.ask(.end(sent[index])).responseCode == .illegalOperation) }
        for index in [2, 4, 5] { #expect(try fresh.ask(.end(sent[index])).responseCode == .success) }
        #expect(try fresh.pulled("t", count: 5).map(\.text) == ["m0", "m3", "m2", "m4", "m5"])
    }

    @Test func `what is over is written in messages of the size that is set`() throws {
        let small = try RunningBroker([
            "transactionCheckInterval": "3600000", "transactionOpBatchInterval": "60000",
            "transactionOpMsgMaxSize": "10",
        ])
        let one = try small.connect()
        for index in 0..<12 { _ = try one.ask(.end(try one.ask(.half("t", "m\(index)")))) }
        let first = try one.pulled("RMQ_SYS_TRANS_OP_HALF_TOPIC").first
        #expect(first?.text == "0,1,2,3,4,", "without waiting for the interval")
        small.stop()
    }

    @Test func `progress is kept as the offsets of RocketMQ's own group`() throws {
        let sent = try (0..<3).map { try peer.ask(.half("t", "m\($0)")) }
        _ = try peer.ask(.end(sent[0]))
        try running.restart()
        let fresh = try running.connect()
        func offset(_ topic: String) throws -> Int64? {
            try fresh.ask(
                RemotingCommand(
                    .queryConsumerOffset,
                    ["consumerGroup": "CID_RMQ_SYS_TRANS", "topic": topic, "queueId": "0"])
            ).int64("offset")
        }
        var half: Int64?
        for _ in 0..<200 where half != 1 {
            half = try offset("RMQ_SYS_TRANS_HALF_TOPIC")
            SystemClock.sleep(milliseconds: 20)
        }
        #expect(half == 1)
        #expect(try offset("RMQ_SYS_TRANS_OP_HALF_TOPIC") == 1)
    }
}

/// One message in the form of a batch.
private struct MQBytesBuffer {
    func append(_ properties: String, to body: inout [UInt8]) {
        let text = Array(properties.utf8)
        func big(_ value: Int, _ count: Int) -> [UInt8] {
            (0..<count).reversed().map { UInt8(value >> ($0 * 8) & 255) }
        }
        body += big(22 + 1 + text.count, 4) + big(0, 8) + big(0, 4) + big(1, 4) + [65] + big(text.count, 2) + text
    }
}

extension RemotingPeer {
    /// The messages of a queue from its beginning on, `count` of them at least.
    func pulled(_ topic: String, queue: Int = 0, count: Int = 1) throws -> [Pulled] {
        var found: [Pulled] = []
        for _ in 0..<1000 where found.count < count {
            let answer = try ask(.pull(topic, queue: queue, from: Int64(found.count), wait: 10_000))
            if answer.responseCode == .success {
                found += try Pulled.all(answer)
            } else {
                SystemClock.sleep(milliseconds: 10)  // the topic is not there yet, or its queue is behind the log
            }
        }
        return found
    }
}

extension RemotingCommand {
    /// A half message of the group `producers`, born now.
    static func half(
        _ topic: String, _ body: String, queue: Int = 0, properties: String = "", with changes: [String: String?] = [:]
    ) -> RemotingCommand {
        let own = "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}producers\u{2}"
        let now: [String: String?] = ["f": "4", "g": String(SystemClock.wall().rawValue)]
        return .put(topic, body, queue: queue, properties: own + properties, with: now.merging(changes) { $1 })
    }

    /// The end of the half message that `sent` answered; 8 commits, 12 rolls back.
    static func end(_ sent: RemotingCommand, _ kind: Int = 8) -> RemotingCommand {
        RemotingCommand(
            .endTransaction,
            [
                "producerGroup": "producers", "tranStateTableOffset": sent["queueOffset"] ?? "",
                "commitLogOffset": sent.offset, "commitOrRollback": String(kind), "fromTransactionCheck": "false",
                "msgId": sent["transactionId"] ?? "", "transactionId": sent["transactionId"] ?? "",
            ])
    }

    /// Where the message of a send's answer lies in the log.
    var offset: String { String(Int64((self["msgId"] ?? "").suffix(16), radix: 16) ?? -7) }
}
