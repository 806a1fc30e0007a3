import Foundation
import MQBase
import MQBytes
import MQJSON
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Pop consumption against a whole broker.
@Suite struct BrokerPopTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker()
        peer = try running.connect()
    }

    @Test func `a pop brings messages once, and an ack is the end of them`() throws {
        try peer.fill("t", ["a", "b", "c"])
        let answer = try peer.ask(.pop("t", queue: 0))
        #expect(answer.responseCode == .success && answer.remark == "FOUND")
        #expect(
            answer.names == ["popTime", "invisibleTime", "reviveQid", "restNum", "startOffsetInfo", "msgOffsetInfo"])
        #expect(answer["startOffsetInfo"] == "0 0 0" && answer["msgOffsetInfo"] == "0 0 0,1,2")
        #expect(answer["invisibleTime"] == "60000" && answer["restNum"] == "0")
        let messages = try Popped.all(answer, topic: "t")
        #expect(messages.map(\.text) == ["a", "b", "c"])
        #expect(try peer.pop(.pop("t", queue: 0)).isEmpty)
        try peer.ackAll([messages[1]])
        #expect(try peer.ask(.progress("t")).int64("offset") == 0)
        try peer.ackAll([messages[0]])
        #expect(try peer.ask(.progress("t")).int64("offset") == 2)
        try peer.ackAll([messages[2]])
        #expect(try peer.ask(.progress("t")).int64("offset") == 3)
        // The group can go on pulling from there.
        try peer.fill("t", ["d"])
        let pulled = try peer.ask(.pull("t", from: 3, group: "g"))
        #expect(try Pulled.all(pulled).map(\.text) == ["d"])
    }

    @Test func `without a queue a pop walks all of them, and several groups do not meet`() throws {
        for queue in 0..<4 { try peer.fill("t", ["q\(queue)"], queue: queue) }
        for group in ["g", "h"] {
            let first = try peer.pop(.pop("t", group: group, max: 3))
            let second = try peer.pop(.pop("t", group: group))
            #expect(first.count == 3 && second.count == 1)
            #expect(Set((first + second).map(\.text)) == ["q0", "q1", "q2", "q3"])
        }
        let answer = try peer.ask(.pop("t"))
        #expect(answer.responseCode == .pollingTimeout && answer.remark == "NO_MESSAGE_IN_QUEUE")
        #expect(answer["restNum"] == "0")
    }

    @Test func `a message that is not acknowledged comes again from the retry topic, and then the dead letters`() throws
    {
        var group = SubscriptionGroupConfig(groupName: "g")
        group.retryMaxTimes = 2
        _ = try peer.ask(RemotingCommand(.updateAndCreateSubscriptionGroup, body: group.encoded()))
        try peer.fill("t", ["a"], tag: "A")
        let first = try peer.pop(.pop("t", queue: 0, invisible: 50))
        #expect(first.map(\.times) == [0])
        let second = try peer.popSome(.pop("t", queue: 0, invisible: 50))
        try #require(second.map(\.times) == [1] && second[0].message.topic == "t" && second[0].text == "a")
        #expect(second[0].parts[4] == "1" && second[0].message.properties["TAGS"] == "A")
        #expect(second[0].message.properties["1ST_POP_TIME"] == first[0].parts[1])
        // An ack by the handle of the first attempt does not touch the second.
        try peer.ackAll(first)
        let third = try peer.popSome(.pop("t", queue: 0, invisible: 50))
        #expect(third.map(\.times) == [2])
        var dead: [Pulled] = []
        let deadline = ContinuousClock.now + .seconds(20)
        while dead.isEmpty, ContinuousClock.now < deadline {
            dead = try Pulled.all(try peer.ask(.pull("%DLQ%g", group: "g", wait: 200)))
        }
        try #require(dead.map(\.text) == ["a"] && dead[0].record.reconsumeTimes == 3)
        #expect(dead[0].properties["DLQ_ORIGIN_TOPIC"] == "t")
        #expect(try peer.pop(.pop("t", poll: 100)).isEmpty)
        while try peer.ask(.progress("%RETRY%g_t")).int64("offset") != 2, ContinuousClock.now < deadline {}
        #expect(try peer.ask(.progress("%RETRY%g_t")).int64("offset") == 2)
    }

    @Test func `with the second form of retry topics both are read`() throws {
        let other = try RunningBroker(["enableRetryTopicV2": "true", "popFromRetryProbability": "100"])
        let peer = try other.connect()
        try peer.fill("t", ["a"])
        _ = try peer.ask(.topic("%RETRY%g_t", queues: 1))
        _ = try peer.pop(.pop("t", invisible: 50))
        let again = try peer.popSome(.pop("t"))
        try #require(again.map(\.text) == ["a"] && again[0].parts[4] == "2")
        try peer.ackAll(again)
        #expect(try peer.ask(.progress("%RETRY%g+t")).int64("offset") == 1)
        try other.restart()
        let later = try other.connect()
        #expect(try later.ask(.progress("%RETRY%g+t")).int64("offset") == 1)
        #expect(try later.pop(.pop("t")).isEmpty)
        #expect(
            try later.ask(RemotingCommand(.getTopicConfig, ["topic": "%RETRY%g+t"])).responseCode == .success)
    }

    @Test func `a changed invisible time gives a new handle; the old one does nothing`() throws {
        try peer.fill("t", ["a", "b"])
        let messages = try peer.pop(.pop("t", queue: 0, invisible: 1500))
        try #require(messages.count == 2)
        let changed = try peer.ask(.change(messages[0], to: 60_000))
        #expect(changed.responseCode == .success && changed.names == ["popTime", "invisibleTime", "reviveQid"])
        #expect(changed["invisibleTime"] == "60000")
        try peer.ackAll([messages[0]])
        let again = try peer.popSome(.pop("t"))
        #expect(again.map(\.text) == ["b"])
        try peer.ackAll(again)
        #expect(try peer.ask(.progress("t")).int64("offset") == 0)
        var fresh = messages[0]
        fresh.handle =
            (["0", changed["popTime"]!, "60000"] + messages[0].parts[3...]).joined(separator: " ")
        try peer.ackAll([fresh])
        #expect(try peer.ask(.progress("t")).int64("offset") == 2)
        // Given back at once, it comes again at once.
        try peer.fill("t", ["c"])
        let third = try peer.pop(.pop("t", queue: 0))
        try #require(third.count == 1)
        _ = try peer.ask(.change(third[0], to: 0))
        #expect(try peer.popSome(.pop("t")).map(\.text) == ["c"])
    }

    @Test func `what is asked for is checked with Java's codes and texts`() throws {
        try peer.fill("t", ["a"])
        _ = try peer.ask(.topic("writeonly", perm: 2))
        let cases: [(RemotingCommand, ResponseCode, String)] = [
            (.pop("none"), .topicNotExist, "topic[none] not exist, apply first please!"),
            (.pop("writeonly"), .noPermission, "the topic[writeonly] peeking message is forbidden"),
            (.pop("t", queue: 4), .invalidParameter, "queueId[4] is illegal, topic:[t] topicConfig.readQueueNums:[4]"),
            (.pop("t", max: 33), .invalidParameter, "the broker[127.0.0.1] pop message's num is greater than 32"),
            (
                .pop("t", with: ["bornTime": "1000", "pollTime": "10"]), .pollingTimeout,
                "the broker[127.0.0.1] pop message is timeout too much"
            ),
            (.pop("t", with: ["exp": "||"]), .subscriptionParseFailed, "parse the consumer's subscription failed"),
            (.pop("t", with: ["queueId": "x"]), .systemError, "bad pop header"),
            (.pop("t", with: ["invisibleTime": "-1"]), .invalidParameter, "invisibleTime -1"),
            (.pop("t", with: ["consumerGroup": "a b"]), .systemError, "the specified group contains illegal"),
            (.pop("t", group: String(repeating: "g", count: 250)), .invalidParameter, "group and topic are too long"),
        ]
        for (request, code, remark) in cases {
            let answer = try peer.ask(request)
            #expect(answer.responseCode == code && answer.remark?.hasPrefix(remark) == true, "\(request) \(answer)")
        }
        #expect(try peer.pop(.pop("t")).count == 1)
    }

    @Test func `bad, foreign and mangled handles are answered and change nothing`() throws {
        try peer.fill("t", ["a", "b"])
        let message = try #require(try peer.pop(.pop("t", queue: 0)).first)
        let parts = message.parts
        let cases: [([String: String?], ResponseCode, String?)] = [
            (["extraInfo": nil], .systemError, "split extraInfo is null"),
            (["extraInfo": ""], .systemError, nil), (["extraInfo": "x"], .systemError, nil),
            (["extraInfo": "0 1 2 3"], .systemError, "getBrokerName fail, extraInfoStrs length 4"),
            (["extraInfo": parts.reversed().joined(separator: " ")], .systemError, nil),
            (["extraInfo": "0 99999999999999999999 1 0 0 broker-a 0 0"], .systemError, nil),
            (["extraInfo": String(repeating: "1 ", count: 600)], .systemError, nil),
            (["offset": "3"], .noMessage, "offset is illegal, key:t@0, commit:3, store:0~2"),
            (["offset": "-1"], .noMessage, "offset is illegal, key:t@0, commit:-1, store:0~2"),
            (["queueId": "7"], .messageIllegal, nil), (["queueId": "-1"], .messageIllegal, nil),
            (["topic": "none"], .topicNotExist, nil),
            // Well formed, but of no message that is on its way.
            (["extraInfo": "0 5 60000 0 0 broker-a 0 0"], .success, nil),
            (["extraInfo": "0 \(parts[1]) 60000 0 0 other 0 0", "queueId": "1"], .success, nil),
            (["consumerGroup": "other"], .success, nil), (["offset": "2"], .success, nil),
        ]
        for (changes, code, remark) in cases {
            let answer = try peer.ask(.ack(message, with: changes))
            #expect(answer.responseCode == code, "\(changes) \(answer)")
            if let remark { #expect(answer.remark == remark) }
            var change = RemotingCommand.change(message, to: 10)
            for (name, value) in changes { change[name] = value }
            if code != .success { #expect(try peer.ask(change).responseCode != .success, "\(changes)") }
        }
        #expect(try peer.ask(.progress("t")).int64("offset") == 0)
        try peer.ackAll([message])
        #expect(try peer.ask(.progress("t")).int64("offset") == 1)
    }

    @Test func `many are acknowledged with one request`() throws {
        try peer.fill("t", (0..<20).map { "m\($0)" })
        let messages = try peer.pop(.pop("t", queue: 0))
        try #require(messages.count == 20)
        var body = try BatchAckBody(json: ["brokerName": "broker-a", "acks": []])
        var ack = try BatchAckBody.Ack(
            json: [
                "c": "g", "t": "t", "r": "0", "so": 0, "q": 0, "rq": 0, "pt": .string(messages[0].parts[1]),
                "it": 60_000, "b": "/wcO",
            ])
        #expect((Int64(-1)..<40).filter(ack.names) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 18, 19])
        body.acks = [ack]
        let request = RemotingCommand(.batchAckMessage, body: body.encoded())
        #expect(try peer.ask(request).responseCode == .success)
        #expect(try peer.ask(.progress("t")).int64("offset") == 11)
        ack.retry = "7"
        body.acks = [ack]
        #expect(try peer.ask(RemotingCommand(.batchAckMessage, body: body.encoded())).responseCode == .systemError)
        body.acks = []
        for empty in [RemotingCommand(.batchAckMessage, body: body.encoded()), RemotingCommand(.batchAckMessage)] {
            let refused = try peer.ask(empty)
            #expect(refused.responseCode == .noMessage && refused.remark == "the batch ack names no message")
        }
        #expect(try peer.ask(RemotingCommand(.batchAckMessage, body: Array("{".utf8))).responseCode == .systemError)
    }

    @Test func `a pop that waits is answered by the message, and one message wakes one of them`() throws {
        try peer.fill("t", ["a"])
        try peer.ackAll(try peer.pop(.pop("t")))
        let waiters = try (0..<3).map { _ in try running.connect() }
        for waiter in waiters { waiter.post(.pop("t", poll: 15_000)) }
        while try peer.ask(
            RemotingCommand(.pollingInfo, ["consumerGroup": "g", "topic": "t", "queueId": "-1"])
        ).int64("pollingNum") != 3 {}
        for body in ["b", "c", "d"] { _ = try peer.ask(.put("t", body, queue: 1)) }
        var found: [String] = []
        for waiter in waiters { found += try Popped.all(try waiter.receive(), topic: "t").map(\.text) }
        // One of them may have found several; then another goes on waiting until there is more.
        #expect(Set(found).isSubset(of: ["b", "c", "d"]) && found.count == Set(found).count)
    }

    @Test func `a pop that nothing ends is answered in time, and one that came too late at once`() throws {
        try peer.fill("t", ["a"])
        try peer.ackAll(try peer.pop(.pop("t")))
        let started = ContinuousClock.now
        let answer = try peer.ask(.pop("t", poll: 300))
        #expect(answer.responseCode == .pollingTimeout && answer.remark == "NO_MESSAGE_IN_QUEUE")
        let waited = ContinuousClock.now - started
        #expect(waited >= .milliseconds(250) && waited < .seconds(10))
    }

    @Test func `a pop waits for what comes again, too`() throws {
        try peer.fill("t", ["a"])
        _ = try peer.pop(.pop("t", invisible: 300))
        let again = try peer.ask(.pop("t", poll: 20_000))
        #expect(again.responseCode == .success)
        #expect(try Popped.all(again, topic: "t").map(\.times) == [1])
    }

    @Test func `tags choose, and what is not wanted does not come to others of the group`() throws {
        try peer.fill("t", ["a1", "a2"], tag: "A")
        try peer.fill("t", ["b1"], tag: "B")
        try peer.fill("t", ["a3"], tag: "A")
        let found = try peer.ask(.pop("t", queue: 0, with: ["exp": "B || C"]))
        #expect(try Popped.all(found, topic: "t").map(\.text) == ["b1"])
        #expect(found["startOffsetInfo"] == "0 0 0" && found["msgOffsetInfo"] == "0 0 2")
        try peer.ackAll(try Popped.all(found, topic: "t"))
        #expect(try peer.pop(.pop("t", queue: 0, with: ["exp": "B"])).isEmpty)
        #expect(try peer.ask(.progress("t")).int64("offset") == 4)
        let sql = try peer.ask(.pop("t", with: ["expType": "SQL92", "exp": "a > 1"]))
        #expect(sql.responseCode == .systemError)
    }

    @Test func `SQL92 expressions choose, and wrong ones are refused`() throws {
        let other = try RunningBroker(["enablePropertyFilter": "true"])
        let peer = try other.connect()
        for (body, value) in [("a", 1), ("b", 5), ("c", 9)] {
            _ = try peer.ask(.put("t", body, queue: 0, properties: "price\u{1}\(value)\u{2}"))
        }
        func chosen(_ expression: String) -> RemotingCommand {
            .pop("t", queue: 0, with: ["expType": "SQL92", "exp": expression])
        }
        #expect(try peer.popSome(chosen("price > 4 AND price < 8")).map(\.text) == ["b"])
        let bad = try peer.ask(chosen("price >"))
        #expect(bad.responseCode == .subscriptionParseFailed)
        #expect(bad.remark?.hasPrefix("parse the consumer's subscription failed") == true, "\(bad)")
    }

    @Test func `a new group begins at the start or at the end`() throws {
        let other = try RunningBroker(["initPopOffsetByCheckMsgInMem": "false"])
        let peer = try other.connect()
        try peer.fill("t", ["a", "b", "c"])
        #expect(try peer.pop(.pop("t", queue: 0, group: "first")).map(\.text) == ["a", "b", "c"])
        #expect(try peer.pop(.pop("t", queue: 0, group: "last", fromStart: false)).map(\.text) == ["c"])
        // While all of it is recent, the end counts as the start.
        try self.peer.fill("t", ["a", "b", "c"])
        #expect(try self.peer.pop(.pop("t", queue: 0, group: "last", fromStart: false)).count == 3)
    }

    @Test func `a progress that is set anew is where the next pop begins`() throws {
        try peer.fill("t", ["a", "b", "c"])
        let old = try peer.pop(.pop("t", queue: 0))
        try peer.ackAll(Array(old[..<2]))
        func set(_ offset: Int) throws {
            let request = RemotingCommand(
                .updateConsumerOffset,
                ["consumerGroup": "g", "topic": "t", "queueId": "0", "commitOffset": String(offset)])
            #expect(try peer.ask(request).responseCode == .success)
        }
        try set(1)
        let again = try peer.pop(.pop("t", queue: 0))
        #expect(again.map(\.text) == ["b", "c"])
        try peer.ackAll([old[2]])
        #expect(try peer.ask(.progress("t")).int64("offset") == 1)
        try peer.ackAll(again)
        try set(0)
        #expect(try peer.pop(.pop("t", queue: 0)).map(\.text) == ["a", "b", "c"])
    }

    @Test func `the number of messages on their way can be bounded`() throws {
        let other = try RunningBroker(["enablePopMessageThreshold": "true", "popInflightMessageThreshold": "2"])
        let peer = try other.connect()
        try peer.fill("t", ["a", "b", "c"])
        let first = try peer.pop(.pop("t", queue: 0, max: 2))
        let full = try peer.ask(.pop("t", queue: 0, max: 2))
        #expect(full.responseCode == .pollingTimeout && full["restNum"] == "1")
        try peer.ackAll([first[1]])
        #expect(try peer.pop(.pop("t", queue: 0)).map(\.text) == ["c"])
    }

    @Test func `so can those who wait`() throws {
        let other = try RunningBroker(["popPollingSize": "2", "maxPopPollingSize": "3"])
        let peer = try other.connect()
        _ = try peer.ask(.put("t", "x"))
        _ = try peer.ask(.put("u", "x"))
        try peer.fill("t", ["a"])
        try peer.ackAll(try peer.pop(.pop("t")))
        try peer.fill("u", ["a"])
        try peer.ackAll(try peer.pop(.pop("u")))
        let waiter = try other.connect()
        waiter.post(.pop("t", poll: 20_000))
        waiter.post(.pop("t", poll: 20_000))
        let full = try {
            waiter.post(.pop("t", poll: 20_000)); return try waiter.receive()
        }()
        #expect(full.responseCode == .pollingFull && full.remark == "NO_MESSAGE_IN_QUEUE")
        let second = try other.connect()
        second.post(.pop("u", poll: 20_000))
        let all = try {
            second.post(.pop("u", poll: 20_000)); return try second.receive()
        }()
        #expect(all.responseCode == .pollingFull)
        // Those whose connections are gone make room.
        waiter.hangUp()
        let third = try other.connect()
        for _ in 0..<200 {
            if try third.ask(.pop("u", poll: 10)).responseCode == .pollingTimeout { return }
        }
        Issue.record("who hung up still waits")
    }

    @Test func `peeking changes nothing, and a notification only tells`() throws {
        try peer.fill("t", ["a", "b"])
        var peek = RemotingCommand.pop("t")
        peek.code = RequestCode.peekMessage.rawValue
        for _ in 0..<2 {
            let answer = try peer.ask(peek)
            #expect(answer.responseCode == .success && answer.remark == "FOUND")
            #expect(try Pulled.all(answer).map(\.text) == ["a", "b"])
        }
        var notify = RemotingCommand.pop("t")
        notify.code = RequestCode.notification.rawValue
        #expect(try peer.ask(notify)["hasMsg"] == "true")
        try peer.ackAll(try peer.pop(.pop("t")))
        #expect(try peer.ask(peek).responseCode == .pullNotFound)
        let nothing = try peer.ask(notify)
        #expect(nothing["hasMsg"] == "false" && nothing["pollingFull"] == "false")
        let waiter = try running.connect()
        notify["pollTime"] = "15000"
        waiter.post(notify)
        _ = try peer.ask(.put("t", "c", queue: 2))
        #expect(try waiter.receive()["hasMsg"] == "true")
    }

    @Test func `what is on its way and what is acknowledged survives a restart`() throws {
        try peer.fill("t", (0..<8).map { "m\($0)" })
        let messages = try peer.pop(.pop("t", queue: 0, max: 6))
        try #require(messages.count == 6)
        try peer.ackAll([messages[0], messages[3]])
        let short = try peer.ask(.change(messages[1], to: 300))
        #expect(short.responseCode == .success)
        try running.restart()
        let later = try running.connect()
        #expect(try later.ask(.progress("t")).int64("offset") == 1)
        try later.ackAll([messages[2]])
        var found: [Popped] = []
        while found.count < 3 { found += try later.popSome(.pop("t", queue: 0)) }
        #expect(Set(found.map(\.text)) == ["m6", "m7", "m1"])
        try later.ackAll([messages[4], messages[5]])
        #expect(try later.ask(.progress("t")).int64("offset") == 6)
    }

    @Test func `with synchronous flush answers come when the journal is on the disk`() throws {
        let other = try RunningBroker(["flushDiskType": "SYNC_FLUSH"])
        let peer = try other.connect()
        try peer.fill("t", ["a", "b", "c"])
        let messages = try peer.pop(.pop("t", queue: 0))
        try #require(messages.count == 3)
        try peer.ackAll([messages[0]])
        #expect(try peer.ask(.change(messages[1], to: 60_000)).responseCode == .success)
        try other.restart()
        let later = try other.connect()
        #expect(try later.ask(.progress("t")).int64("offset") == 1)
        #expect(try later.pop(.pop("t", queue: 0)).isEmpty)
        try later.ackAll([messages[2]])
    }

    @Test func `a request for pops on the fast port is refused, an ack is not`() throws {
        try peer.fill("t", ["a"])
        let messages = try peer.pop(.pop("t"))
        let fast = try RemotingPeer(port: running.port - 2)
        #expect(try fast.ask(.pop("t")).responseCode == .requestCodeNotSupported)
        try fast.ackAll(messages)
        #expect(try peer.ask(.progress("t")).int64("offset") == 1)
    }
}
