import Foundation
import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Pulls, long polls, offsets and queries against a whole broker.
@Suite struct BrokerPullTests {
    private static let fields: Set = [
        "suggestWhichBrokerId", "nextBeginOffset", "minOffset", "maxOffset", "topicSysFlag", "groupSysFlag",
    ]

    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker()
        peer = try running.connect()
    }

    /// Puts messages into queue 0 and waits until they can be pulled.
    private func fill(_ topic: String, _ bodies: [String], tags: [String] = []) throws {
        for (index, body) in bodies.enumerated() {
            let tag = tags.isEmpty ? "" : "TAGS\u{1}\(tags[index])\u{2}"
            #expect(try peer.ask(.put(topic, body, properties: tag)).responseCode == .success)
        }
        var next: Int64 = 0
        while next < Int64(bodies.count) {
            next = try #require(try peer.ask(.pull(topic, from: next, wait: 10_000)).int64("nextBeginOffset"))
        }
    }

    private func expect(
        _ answer: RemotingCommand, _ code: ResponseCode, _ remark: String, next: Int64, min: Int64 = 0, max: Int64
    ) {
        #expect(answer.responseCode == code && answer.remark == remark, "\(answer)")
        #expect(answer.names == Self.fields)
        #expect(answer.int64("nextBeginOffset") == next, "\(answer)")
        #expect(answer.int64("minOffset") == min && answer.int64("maxOffset") == max, "\(answer)")
        #expect(answer["suggestWhichBrokerId"] == "0" && answer["topicSysFlag"] == "0" && answer["groupSysFlag"] == "0")
        if code != .success { #expect(answer.body.isEmpty) }
    }

    @Test(arguments: [SerializeType.json, .rocketMQ])
    func `every answer has Java's code, remark and fields`(type: SerializeType) throws {
        try fill("t", ["a", "b", "c"], tags: ["A", "B", "A"])
        func ask(_ pull: RemotingCommand) throws -> RemotingCommand { try peer.ask(pull, as: type) }
        expect(try ask(.pull("t")), .success, "FOUND", next: 3, max: 3)
        expect(try ask(.pull("t", with: ["maxMsgNums": "1"])), .success, "FOUND", next: 1, max: 3)
        expect(try ask(.pull("t", from: 3)), .pullNotFound, "OFFSET_OVERFLOW_ONE", next: 3, max: 3)
        expect(try ask(.pull("t", from: 4)), .pullOffsetMoved, "OFFSET_OVERFLOW_BADLY", next: 3, max: 3)
        expect(try ask(.pull("t", from: .max)), .pullOffsetMoved, "OFFSET_OVERFLOW_BADLY", next: 3, max: 3)
        expect(try ask(.pull("t", from: -1)), .pullOffsetMoved, "OFFSET_TOO_SMALL", next: 0, max: 3)
        expect(try ask(.pull("t", from: .min)), .pullOffsetMoved, "OFFSET_TOO_SMALL", next: 0, max: 3)
        expect(try ask(.pull("t", tags: "NONE")), .pullRetryImmediately, "NO_MATCHED_MESSAGE", next: 3, max: 3)
        expect(try ask(.pull("t", queue: 1)), .pullNotFound, "NO_MESSAGE_IN_QUEUE", next: 0, max: 0)
        expect(try ask(.pull("t", queue: 1, from: 7)), .pullOffsetMoved, "NO_MESSAGE_IN_QUEUE", next: 0, max: 0)
    }

    @Test func `what was pulled and not committed is told as on its way`() throws {
        try fill("t", ["a", "b", "c"])
        _ = try peer.ask(
            RemotingCommand(
                .updateConsumerOffset,
                ["consumerGroup": "consumers", "topic": "t", "queueId": "0", "commitOffset": "1"]))
        let answer = try peer.ask(
            RemotingCommand(.getConsumeStats, ["consumerGroup": "consumers", "topic": "t"]))
        let stats = try ConsumeStats(parsing: answer.body)
        let queue = stats.offsetTable[MessageQueue(topic: "t", brokerName: "broker-a", queueID: 0)]
        #expect(queue?.brokerOffset == 3 && queue?.pullOffset == 3 && queue?.consumerOffset == 1, "\(answer)")
        _ = try peer.ask(.pull("t", with: ["maxMsgNums": "2"]))
        let again = try ConsumeStats(
            parsing: try peer.ask(RemotingCommand(.getConsumeStats, ["consumerGroup": "consumers", "topic": "t"])).body)
        #expect(again.offsetTable[MessageQueue(topic: "t", brokerName: "broker-a", queueID: 0)]?.pullOffset == 2)
    }

    @Test func `what a pull may ask for is checked in Java's order`() throws {
        try fill("t", ["a"])
        _ = try peer.ask(.topic("writeonly", perm: 2))
        let cases: [(RemotingCommand, ResponseCode, String)] = [
            (.pull("no_such_topic"), .topicNotExist, "topic[no_such_topic] not exist, apply first please!"),
            (.pull("writeonly"), .noPermission, "the topic[writeonly] pulling message is forbidden"),
            (
                .pull("t", queue: 4), .invalidParameter,
                "queueId[4] is illegal, topic:[t] topicConfig.readQueueNums:[4] consumer:["
            ),
            (.pull("t", queue: -1), .invalidParameter, "queueId[-1] is illegal"),
            (.pull("t", with: ["sysFlag": "0"]), .subscriptionNotExist, "the consumer's group info not exist"),
            (.pull("t", tags: "||"), .subscriptionParseFailed, "parse the consumer's subscription failed"),
            (
                .pull("t", with: ["expressionType": "SQL92"]), .systemError,
                "The broker does not support consumer to filter message by SQL92"
            ),
            (.pull("t", with: ["maxMsgNums": "many"]), .systemError, "bad pull header"),
        ]
        for (pull, code, remark) in cases {
            let answer = try peer.ask(pull)
            #expect(answer.responseCode == code && answer.remark?.hasPrefix(remark) == true, "\(answer)")
        }
        for type in ["", "TAG"] {
            #expect(try peer.ask(.pull("t", with: ["expressionType": type])).responseCode == .success)
        }
        #expect(try peer.ask(.pull("t", with: ["expressionType": nil])).responseCode == .success)
        for group in ["", "../x", "a b"] {
            #expect(try peer.ask(.pull("t", group: group)).responseCode != .success)
        }
    }

    @Test func `groups may be closed, and need not be made on the way`() throws {
        var closed = SubscriptionGroupConfig(groupName: "closed")
        closed.consumeEnable = false
        _ = try peer.ask(RemotingCommand(.updateAndCreateSubscriptionGroup, body: closed.encoded()))
        try fill("t", ["a"])
        let answer = try peer.ask(.pull("t", group: "closed"))
        #expect(answer.responseCode == .noPermission && answer.remark == "subscription group no permission, closed")
        #expect(answer["forbiddenType"] == "2")
        _ = try peer.ask(.topic("writeonly", perm: 2))
        #expect(try peer.ask(.pull("writeonly"))["forbiddenType"] == "3")
        let strict = try RunningBroker(["autoCreateSubscriptionGroup": "false"])
        let other = try strict.connect()
        _ = try other.ask(.put("t"))
        let refused = try other.ask(.pull("t", group: "unheard"))
        #expect(refused.responseCode == .subscriptionGroupNotExist)
        #expect(refused.remark?.hasPrefix("subscription group [unheard] does not exist, ") == true)
        #expect(try other.ask(.pull("t", group: "CID_RMQ_SYS_X")).responseCode != .subscriptionGroupNotExist)
        _ = try other.ask(RemotingCommand(.updateBrokerConfig, body: Array("enableCreateSysGroup=false".utf8)))
        #expect(try other.ask(.pull("t", group: "CID_RMQ_SYS_Y")).responseCode == .subscriptionGroupNotExist)
    }

    @Test func `without its own subscription a pull uses the heartbeat's`() throws {
        try fill("t", ["a", "b", "c"], tags: ["A", "B", "A"])
        #expect(try peer.ask(.heartbeat(group: "g", topic: "t", tags: "A", version: 10)).responseCode == .success)
        let found = try peer.ask(
            .pull("t", group: "g", with: ["sysFlag": "0", "subVersion": "10", "subscription": nil]))
        #expect(try Pulled.all(found).map(\.text) == ["a", "c"])
        let newer = try peer.ask(.pull("t", group: "g", with: ["sysFlag": "0", "subVersion": "11"]))
        #expect(
            newer.responseCode == .subscriptionNotLatest && newer.remark == "the consumer's subscription not latest")
        try fill("u", ["x"])
        let other = try peer.ask(.pull("u", group: "g", with: ["sysFlag": "0", "subVersion": "0"]))
        #expect(other.responseCode == .subscriptionNotExist)
        #expect(other.remark?.hasPrefix("the consumer's subscription not exist") == true)
    }

    @Test func `a long poll is answered by the message it waits for`() throws {
        try fill("t", ["a"])
        let waiter = try running.connect()
        let opaque = waiter.post(.pull("t", from: 1, wait: 15_000))
        _ = try waiter.ask(RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"]))
        let started = ContinuousClock.now
        _ = try peer.ask(.put("t", "b"))
        let answer = try waiter.receive()
        #expect(answer.opaque == opaque && ContinuousClock.now - started < .seconds(5))
        expect(answer, .success, "FOUND", next: 2, max: 2)
        #expect(try Pulled.all(answer).map(\.text) == ["b"])
    }

    @Test func `a long poll that nothing ends is answered in time`() throws {
        try fill("t", ["a"])
        let started = ContinuousClock.now
        expect(try peer.ask(.pull("t", from: 1, wait: 300)), .pullNotFound, "OFFSET_OVERFLOW_ONE", next: 1, max: 1)
        let waited = ContinuousClock.now - started
        #expect(waited >= .milliseconds(290) && waited < .seconds(10), "\(waited)")
        expect(try peer.ask(.pull("t", queue: 1, wait: 100)), .pullNotFound, "NO_MESSAGE_IN_QUEUE", next: 0, max: 0)
        // An offset that is wrong is answered at once, however long it would wait.
        expect(
            try peer.ask(.pull("t", from: 5, wait: 15_000)), .pullOffsetMoved, "OFFSET_OVERFLOW_BADLY", next: 1, max: 1)
        expect(
            try peer.ask(.pull("t", queue: 1, from: 5, wait: 15_000)), .pullOffsetMoved, "NO_MESSAGE_IN_QUEUE", next: 0,
            max: 0)
    }

    @Test func `a long poll sleeps through messages of other tags`() throws {
        try fill("t", ["a"], tags: ["A"])
        let waiter = try running.connect()
        waiter.post(.pull("t", from: 1, wait: 15_000, tags: "B || C"))
        _ = try waiter.ask(RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"]))
        for tag in ["A", "D", "", "A", "C"] {
            _ = try peer.ask(.put("t", "tag \(tag)", properties: tag.isEmpty ? "" : "TAGS\u{1}\(tag)\u{2}"))
        }
        let answer = try waiter.receive()
        #expect(try Pulled.all(answer).map(\.text) == ["tag C"])
        #expect(answer.int64("nextBeginOffset") == 6)
    }

    @Test func `a long poll that saw only other tags says where to go on`() throws {
        try fill("t", ["a"], tags: ["A"])
        let waiter = try running.connect()
        waiter.post(.pull("t", from: 1, wait: 1500, tags: "B"))
        _ = try waiter.ask(RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"]))
        _ = try peer.ask(.put("t", "x", properties: "TAGS\u{1}A\u{2}"))
        let answer = try waiter.receive()
        #expect([ResponseCode.pullRetryImmediately, .pullNotFound].contains(answer.responseCode), "\(answer)")
        #expect(answer.int64("nextBeginOffset") == (answer.responseCode == .pullRetryImmediately ? 2 : 1), "\(answer)")
    }

    @Test func `many waiters of one queue are all answered`() throws {
        try fill("t", ["a"])
        let waiters = try (0..<20).map { _ in try running.connect() }
        for waiter in waiters {
            for _ in 0..<50 { waiter.post(.pull("t", from: 1, wait: 15_000)) }
            _ = try waiter.ask(RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"]))
        }
        _ = try peer.ask(.put("t", "b"))
        for waiter in waiters {
            for _ in 0..<50 { #expect(try Pulled.all(waiter.receive()).map(\.text) == ["b"]) }
        }
    }

    @Test func `waiters whose connection is gone are forgotten`() throws {
        try fill("t", ["a"])
        for _ in 0..<50 {
            let gone = try running.connect()
            gone.post(.pull("t", from: 1, wait: 15_000))
        }
        _ = try peer.ask(.put("t", "b"))
        #expect(try Pulled.all(peer.ask(.pull("t", from: 1, wait: 10_000))).map(\.text) == ["b"])
    }

    @Test func `a pull brings what fits, and always something`() throws {
        let large = String(repeating: "x", count: 200_000)
        try fill("t", [large, large, "small"])
        var answer = try peer.ask(.pull("t"))
        #expect(try Pulled.all(answer).count == 1 && answer.int64("nextBeginOffset") == 1)
        answer = try peer.ask(.pull("t", with: ["maxMsgBytes": "1"]))
        #expect(try Pulled.all(answer).count == 1)
        for count in ["0", "-1", "-2147483648"] {
            #expect(try Pulled.all(peer.ask(.pull("t", from: 2, with: ["maxMsgNums": count]))).count == 1)
        }
        #expect(
            try Pulled.all(
                peer.ask(.pull("t", from: 1, with: ["maxMsgNums": "2147483647", "maxMsgBytes": "2147483647"]))
            ).count == 2)
    }

    @Test func `a pull takes progress along`() throws {
        try fill("t", ["a", "b"])
        func progress() throws -> String? {
            try peer.ask(
                RemotingCommand(.queryConsumerOffset, ["consumerGroup": "consumers", "topic": "t", "queueId": "0"]))[
                    "offset"]
        }
        _ = try peer.ask(.pull("t", from: 2, with: ["sysFlag": "4", "commitOffset": "1"]))
        #expect(try progress() == "0")
        _ = try peer.ask(.pull("t", from: 2, with: ["sysFlag": "5", "commitOffset": "1"]))
        #expect(try progress() == "1")
        _ = try peer.ask(.pull("t", from: 2, with: ["sysFlag": "5", "commitOffset": "-1"]))
        #expect(try progress() == "1")
    }

    @Test func `offsets are kept, asked for and survive a restart`() throws {
        try fill("t", ["a", "b", "c"])
        let queue: [String: String] = ["consumerGroup": "g", "topic": "t", "queueId": "0"]
        func ask(_ code: RequestCode, _ more: [String: String] = [:]) throws -> RemotingCommand {
            var command = RemotingCommand(code)
            for (name, value) in queue.merging(more, uniquingKeysWith: { $1 }) { command[name] = value }
            return try peer.ask(command)
        }
        _ = try peer.ask(.heartbeat(group: "g", topic: "t"))
        #expect(try ask(.queryConsumerOffset)["offset"] == "0")
        #expect(try ask(.queryConsumerOffset, ["setZeroIfNotFound": "false"]).responseCode == .queryNotFound)
        #expect(try ask(.updateConsumerOffset, ["commitOffset": "2"]).responseCode == .success)
        #expect(try ask(.queryConsumerOffset)["offset"] == "2")
        #expect(try ask(.getMaxOffset)["offset"] == "3" && ask(.getMinOffset)["offset"] == "0")
        #expect(try ask(.getMaxOffset, ["queueId": "3"])["offset"] == "0")
        #expect(try ask(.searchOffsetByTimestamp, ["timestamp": "0"])["offset"] == "0")
        for timestamp in ["9223372036854775807", "99999999999999"] {
            #expect(try ask(.searchOffsetByTimestamp, ["timestamp": timestamp])["offset"] == "3")
        }
        #expect(try ask(.searchOffsetByTimestamp, ["timestamp": "-9223372036854775808"])["offset"] == "0")
        #expect(try ask(.updateConsumerOffset, ["consumerGroup": "unheard"]).responseCode != .success)
        #expect(
            try ask(.updateConsumerOffset, ["topic": "unheard", "commitOffset": "1"]).responseCode == .topicNotExist)
        running.stop()
        try running.restart()
        let after = try running.connect()
        let answer = try after.ask(
            RemotingCommand(.queryConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "0"]))
        #expect(answer["offset"] == "2")
        #expect(try Pulled.all(after.ask(.pull("t"))).map(\.text) == ["a", "b", "c"])
    }

    @Test func `messages are found by key and by id`() throws {
        let id = "7F00000100004F250000000000000001"
        let sent = try peer.ask(.put("t", "wanted", properties: "KEYS\u{1}k1 k2\u{2}UNIQ_KEY\u{1}\(id)\u{2}"))
        _ = try peer.ask(.put("t", "other", properties: "KEYS\u{1}k3\u{2}"))
        _ = try peer.ask(.put("u", "elsewhere", properties: "KEYS\u{1}k1\u{2}"))
        _ = try peer.ask(.pull("u", wait: 10_000))
        func query(_ key: String, _ begin: Int64 = 0, _ end: Int64 = .max, unique: Bool = false, max: String = "32")
            throws -> RemotingCommand
        {
            try peer.ask(
                RemotingCommand(
                    .queryMessage,
                    [
                        "topic": "t", "key": key, "maxNum": max, "beginTimestamp": String(begin),
                        "endTimestamp": String(end),
                        "_UNIQUE_KEY_QUERY": String(unique),
                    ]))
        }
        for key in ["k1", "k2", id] {
            let answer = try query(key, unique: key == id)
            #expect(try Pulled.all(answer).map(\.text) == ["wanted"])
            #expect(answer.names == ["indexLastUpdateTimestamp", "indexLastUpdatePhyoffset"])
        }
        let missing = try query("nothing")
        #expect(
            missing.responseCode == .queryNotFound
                && missing.remark == "can not find message, maybe time range not correct")
        for (begin, end) in [
            (Int64.max, Int64.max), (.min, .max), (.min, .min), (.max, .min), (.max - 1, .max), (5, 1),
        ] {
            _ = try query("k1", begin, end)
        }
        for max in ["0", "-1", "2147483647", "x"] { #expect(try Pulled.all(query("k1", max: max)).count == 1) }
        let offset = try #require(sent["msgId"].flatMap { Int64($0.suffix(16), radix: 16) })
        let viewed = try peer.ask(RemotingCommand(.viewMessageByID, ["offset": String(offset)]))
        #expect(viewed.responseCode == .success && viewed.fields.isEmpty)
        #expect(try Pulled.all(viewed).map(\.text) == ["wanted"])
        for offset in [Int64.min, -1, 1, 1 << 50, .max] {
            let answer = try peer.ask(RemotingCommand(.viewMessageByID, ["offset": String(offset)]))
            #expect(
                answer.responseCode == .systemError && answer.remark == "can not find message by the offset, \(offset)")
        }
    }

    @Test func `the fast port takes sends and no pulls`() throws {
        let fast = try RemotingPeer(port: running.port - 2)
        #expect(try fast.ask(.put("t", "quick")).responseCode == .success)
        #expect(try fast.ask(.pull("t")).responseCode == .requestCodeNotSupported)
        #expect(try Pulled.all(peer.ask(.pull("t", wait: 10_000))).map(\.text) == ["quick"])
    }
}
