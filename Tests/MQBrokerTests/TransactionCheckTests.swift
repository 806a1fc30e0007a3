import Foundation
import MQBase
import MQMessage
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// What becomes of half messages that stay open: checks with short times, against a whole broker.
@Suite struct TransactionCheckTests {
    private func broker(_ keys: [String: String] = [:]) throws -> RunningBroker {
        let short = [
            "transactionTimeOut": "100", "transactionCheckInterval": "200", "transactionOpBatchInterval": "100",
            "transactionCheckMax": "1000",
        ]
        return try RunningBroker(short.merging(keys) { $1 })
    }

    private func producer(_ running: RunningBroker, _ groups: [String] = ["producers"]) throws -> RemotingPeer {
        let peer = try running.connect()
        #expect(try peer.ask(.heartbeat("c@\(groups)", producers: groups)).responseCode == .success)
        return peer
    }

    private func answer(_ check: RemotingCommand, _ kind: Int) -> RemotingCommand {
        var end = RemotingCommand.end(check, kind)
        for name in ["tranStateTableOffset", "commitLogOffset", "msgId", "transactionId"] { end[name] = check[name] }
        end["fromTransactionCheck"] = "true"
        return end
    }

    @Test func `a producer is asked with the message as it was sent, and its answer counts`() throws {
        let running = try broker()
        let peer = try producer(running)
        let sent = try peer.ask(.half("t", "open", queue: 2, properties: "UNIQ_KEY\u{1}K1\u{2}TAGS\u{1}A\u{2}"))
        let check = try peer.nextNotice()
        #expect(check.requestCode == .checkTransactionState && check.isOneWay)
        #expect(check["topic"] == "RMQ_SYS_TRANS_HALF_TOPIC" && check["bname"] == "broker-a")
        #expect(check["msgId"] == "K1" && check["transactionId"] == "K1")
        let asked = try #require(try Pulled.all(check).first)
        #expect(asked.topic == "t" && asked.text == "open" && asked.record.queueID == 2)
        #expect(check["tranStateTableOffset"] == "1" && asked.record.queueOffset == 1)
        #expect(check["commitLogOffset"] == String(asked.record.physicalOffset))
        #expect(
            check["offsetMsgId"]?.hasSuffix(String(asked.record.physicalOffset, radix: 16, uppercase: true)) == true)
        #expect(asked.properties["TRANSACTION_CHECK_TIMES"] == "1" && asked.properties["PGROUP"] == "producers")
        let again = try peer.nextNotice()
        #expect(try Pulled.all(again).first?.properties["TRANSACTION_CHECK_TIMES"] == "2")
        #expect(try peer.ask(answer(check, 8)).responseCode == .success, "an answer to an older check counts too")
        #expect(try peer.ask(answer(again, 8)).responseCode == .illegalOperation)
        #expect(try peer.ask(.end(sent)).responseCode == .illegalOperation)
        let arrived = try peer.pulled("t", queue: 2)
        #expect(arrived.map(\.text) == ["open"] && arrived.first?.properties["TRANSACTION_CHECK_TIMES"] != nil)
    }

    @Test func `a producer that is late with its end need not wait to be asked`() throws {
        let running = try broker()
        let peer = try producer(running)
        let sent = try peer.ask(.half("t", "slow"))
        _ = try peer.nextNotice()
        #expect(try peer.ask(.end(sent)).responseCode == .success)
        _ = try peer.ask(.put("t", "after"))
        // Two more rounds: nobody asks again.
        let second = try peer.ask(.half("t", "second", queue: 1))
        let next = try peer.nextNotice()
        #expect(try Pulled.all(next).first?.text == "second")
        #expect(try peer.ask(.end(second, 12)).responseCode == .success)
        #expect(try peer.pulled("t", count: 2).map(\.text) == ["slow", "after"])
    }

    @Test func `a message that nobody can answer for is given up after so many checks`() throws {
        let running = try broker(["transactionCheckMax": "2"])
        let peer = try running.connect()
        let sent = try peer.ask(.half("t", "orphan"))
        let stored = try #require(try peer.pulled("TRANS_CHECK_MAX_TIME_TOPIC").first)
        #expect(stored.text == "orphan" && stored.properties["TRANSACTION_CHECK_TIMES"] == "2")
        #expect(stored.properties["REAL_TOPIC"] == "t" && stored.properties["REAL_QID"] == "0")
        #expect(try peer.ask(.end(sent)).responseCode == .illegalOperation)

        // An administrator has it asked about again, and there is a producer now.
        let asked = try producer(running)
        let id = RemotingCommand(
            .resumeCheckHalfMessage,
            [
                "topic": "t",
                "msgId": MessageID.offsetID(
                    host: stored.record.storeHost, offset: PhysicalOffset(rawValue: stored.record.physicalOffset)),
            ])
        #expect(try asked.ask(id).responseCode == .success)
        let check = try asked.nextNotice()
        #expect(try Pulled.all(check).first?.properties["TRANSACTION_CHECK_TIMES"] == "1")
        #expect(try asked.ask(answer(check, 8)).responseCode == .success)
        #expect(try peer.pulled("t").map(\.text) == ["orphan"])
    }

    @Test func `only a half message can be resumed`() throws {
        let running = try broker(["transactionCheckInterval": "3600000"])
        let peer = try running.connect()
        let ordinary = try peer.ask(.put("t"))["msgId"]
        for id in [
            "", "x", String(repeating: "F", count: 32), String(repeating: "0", count: 24) + "00ABCDEF", ordinary,
        ] {
            let answer = try peer.ask(RemotingCommand(.resumeCheckHalfMessage, ["topic": "t", "msgId": id ?? ""]))
            #expect(answer.responseCode == .systemError)
            #expect(
                answer.remark?.hasPrefix(
                    "Exception was thrown when putting message back to RMQ_SYS_TRANS_HALF_TOPIC.") == true)
        }
        #expect(try peer.ask(RemotingCommand(.resumeCheckHalfMessage)).responseCode == .systemError)
        // One that is open stays one message.
        let sent = try peer.ask(.half("t", "twice"))
        #expect(
            try peer.ask(RemotingCommand(.resumeCheckHalfMessage, ["msgId": sent["msgId"] ?? ""])).responseCode
                == .success)
        #expect(try peer.pulled("RMQ_SYS_TRANS_HALF_TOPIC", count: 2).count == 2)
        #expect(try peer.ask(.end(sent)).responseCode == .success)
        #expect(try peer.ask(.end(sent)).responseCode == .illegalOperation)
    }

    @Test func `an immune message does not keep others from being asked about`() throws {
        let running = try broker()
        let peer = try producer(running)
        _ = try peer.ask(.half("t", "immune", properties: "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}600\u{2}"))
        let sent = try peer.ask(.half("t", "open"))
        for _ in 0..<3 {
            let check = try peer.nextNotice()
            #expect(try Pulled.all(check).first?.text == "open")
        }
        #expect(try peer.ask(.end(sent)).responseCode == .success)
        let stored = try peer.pulled("RMQ_SYS_TRANS_HALF_TOPIC", count: 6)
        let copy = try #require(stored.last { $0.text == "immune" })
        #expect(copy.properties["TRAN_PREPARED_QUEUE_OFFSET"] == "0")
        #expect(copy.properties["TRANSACTION_CHECK_TIMES"] == nil)
    }

    @Test func `any producer of the group is asked, and one that left is not`() throws {
        let running = try broker()
        let first = try producer(running, ["producers", "others"])
        let stranger = try producer(running, ["strangers"])
        _ = try first.ask(.half("t", "open"))
        _ = try first.nextNotice()
        first.hangUp()
        let second = try producer(running)
        let check = try second.nextNotice()
        #expect(try second.ask(answer(check, 12)).responseCode == .success)
        #expect(try stranger.ask(.put("t", "last")).responseCode == .success)
        #expect(stranger.notices.isEmpty)
    }

    @Test func `many open messages are all asked about, and all ends count`() throws {
        let running = try broker(["transactionCheckInterval": "1000"])
        let peer = try producer(running)
        let count = 1000
        for index in 0..<count { peer.post(.half("t", "m\(index)")) }
        var open = Set<String>()
        var asked = Set<String>()
        while asked.count < count {
            let frame = try peer.receive()
            if frame.isResponse { continue }
            let text = try #require(try Pulled.all(frame).first?.text)
            guard asked.insert(text).inserted else { continue }
            let number = Int(text.dropFirst()) ?? 0
            if number % 2 == 0 { open.insert(text) }
            peer.post(answer(frame, number % 2 == 0 ? 8 : 12))
        }
        var seen: [String] = []
        let reader = try running.connect()
        while seen.count < open.count {
            let pulled = try reader.ask(.pull("t", from: Int64(seen.count), wait: 10_000))
            guard pulled.responseCode == .success else { break }
            seen += try Pulled.all(pulled).map(\.text)
        }
        #expect(seen.count == open.count && Set(seen) == open)
    }

    @Test func `a restart between checks forgets neither copies nor ends`() throws {
        let running = try broker()
        let peer = try producer(running)
        _ = try peer.ask(.half("t", "open"))
        let ended = try peer.ask(.half("t", "ended"))
        #expect(try peer.ask(.end(ended, 12)).responseCode == .success)
        _ = try peer.nextNotice()
        let last = try peer.nextNotice()
        try running.restart()
        let again = try producer(running)
        let check = try again.nextNotice()
        let asked = try #require(try Pulled.all(check).first)
        #expect(asked.text == "open" && (Int(asked.properties["TRANSACTION_CHECK_TIMES"] ?? "") ?? 0) > 2)
        #expect(asked.properties["TRAN_PREPARED_QUEUE_OFFSET"] == "0")
        let late = try again.ask(answer(last, 8))
        let now = try again.ask(answer(check, 8))
        #expect([late, now].filter { $0.responseCode == .success }.count == 1)
        #expect(try again.pulled("t").map(\.text) == ["open"])
    }
}
