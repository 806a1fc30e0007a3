import MQBase
import MQMessage
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: a half message with a delay is delivered that long behind its commit, never without one, never early.
@Suite struct TransactionDelayTests {
    private static let keys = [
        "transactionCheckInterval": "3600000", "timerPrecisionMs": "100", "messageDelayLevel": "1s 2s",
    ]

    private static func now() -> Int64 { SystemClock.wall().rawValue }

    private func size(_ peer: RemotingPeer, _ topic: String) throws -> Int64? {
        try peer.ask(RemotingCommand(.getMaxOffset, ["topic": topic, "queueId": "0"])).int64("offset")
    }

    @Test(arguments: [
        ("TIMER_DELAY_MS\u{1}1200\u{2}", 1200), ("TIMER_DELAY_SEC\u{1}1\u{2}", 1000),
        ("DELAY\u{1}1\u{2}TIMER_DELAY_SEC\u{1}3600\u{2}", 1000), ("DELAY\u{1}9\u{2}", 2000),
    ])
    func `a committed message comes when its delay has passed, over a restart between half and end`(
        properties: String, delay: Int64
    ) throws {
        let running = try RunningBroker(Self.keys)
        var peer = try running.connect()
        _ = try peer.ask(.put("t", "first"))
        let half = try peer.ask(.half("t", "later", properties: "TAGS\u{1}A\u{2}" + properties))
        #expect(half.responseCode == .success && half["queueOffset"] == "0" && half["recallHandle"] == nil)
        try running.restart()
        peer = try running.connect()
        let committed = Self.now()
        #expect(try peer.ask(.end(half)).responseCode == .success)
        #expect(try peer.ask(.end(half)).responseCode == .illegalOperation)
        #expect(try size(peer, "t") == 1)
        let got = try #require(peer.pulled("t", count: 2).last)
        #expect(got.text == "later" && got.properties["TAGS"] == "A")
        #expect(got.record.storeTimestamp.rawValue >= committed + delay)
        #expect((got.properties["TIMER_OUT_MS"] == nil) == properties.hasPrefix("DELAY"))
        #expect(got.record.sysFlag.transaction == .transactionCommit, "as without a delay")
        _ = try peer.ask(.heartbeat(group: "g", topic: "t"))
        #expect(try peer.ask(.sendBack(got.record.physicalOffset, group: "g", level: 1)).responseCode == .success)
        let again = try #require(peer.pulled("%RETRY%g").first)
        #expect(again.record.sysFlag.transaction == .transactionCommit && again.record.reconsumeTimes == 1)
    }

    @Test func `a moment that passes before the commit is no delay any more`() throws {
        let running = try RunningBroker(Self.keys)
        let peer = try running.connect()
        let moment = Self.now() + 600
        let half = try peer.ask(.half("t", "then", properties: "TIMER_DELIVER_MS\u{1}\(moment)\u{2}"))
        let late = try peer.ask(.half("t", "past", properties: "TIMER_DELIVER_MS\u{1}\(moment - 500_000)\u{2}"))
        #expect(try peer.ask(.end(late)).responseCode == .success)
        #expect(try peer.ask(.end(half)).responseCode == .success)
        let got = try peer.pulled("t", count: 2)
        try #require(got.map(\.text) == ["past", "then"])
        #expect(got[0].properties["TIMER_OUT_MS"] == nil && got[1].record.storeTimestamp.rawValue >= moment)
    }

    @Test func `what is rolled back never comes, and what cannot be delayed is refused at once`() throws {
        let running = try RunningBroker(Self.keys)
        let peer = try running.connect()
        let undone = try peer.ask(.half("t", "undone", properties: "TIMER_DELAY_MS\u{1}200\u{2}"))
        #expect(try peer.ask(.end(undone, 12)).responseCode == .success)
        for time in ["TIMER_DELAY_SEC\u{1}999999999\u{2}", "TIMER_DELAY_MS\u{1}soon\u{2}"] {
            let refused = try peer.ask(.half("t", "x", properties: time))
            #expect(refused.responseCode == .messageIllegal)
            #expect(refused.remark?.hasPrefix("timer message illegal") == true)
        }
        let done = try peer.ask(.half("t", "done", properties: "TIMER_DELAY_MS\u{1}500\u{2}"))
        #expect(try peer.ask(.end(done)).responseCode == .success)
        #expect(try peer.pulled("t").map(\.text) == ["done"])
        #expect(try size(peer, "t") == 1)
    }

    @Test func `an end that answers a check delays, too`() throws {
        let running = try RunningBroker(
            Self.keys.merging(["transactionTimeOut": "100", "transactionCheckInterval": "200"]) { $1 })
        let peer = try running.connect()
        #expect(try peer.ask(.heartbeat("c@1", producers: ["producers"])).responseCode == .success)
        _ = try peer.ask(.half("t", "asked", properties: "TIMER_DELAY_MS\u{1}900\u{2}"))
        let check = try peer.nextNotice()
        var end = RemotingCommand.end(check)
        for name in ["tranStateTableOffset", "commitLogOffset"] { end[name] = check[name] }
        end["fromTransactionCheck"] = "true"
        let committed = Self.now()
        #expect(try peer.ask(end).responseCode == .success)
        let got = try #require(peer.pulled("t").first)
        #expect(got.text == "asked" && got.record.storeTimestamp.rawValue >= committed + 900)
        #expect(got.properties["TRANSACTION_CHECK_TIMES"] != nil)
    }

    @Test func `a broker without a timer refuses times at the half message, not levels`() throws {
        let running = try RunningBroker(Self.keys.merging(["timerWheelEnable": "false"]) { $1 })
        let peer = try running.connect()
        let refused = try peer.ask(.half("t", "x", properties: "TIMER_DELAY_MS\u{1}500\u{2}"))
        #expect(refused.responseCode == .systemError && refused.remark?.contains("timerWheelEnable is false") == true)
        let half = try peer.ask(.half("t", "level", properties: "DELAY\u{1}1\u{2}"))
        #expect(try peer.ask(.end(half)).responseCode == .success)
        #expect(try peer.pulled("t").map(\.text) == ["level"])
    }
}
