import Foundation
import MQBytes
import MQJSON
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Numbers, names and lists that no client of RocketMQ sends: they are answered, cost little, and change nothing.
@Suite struct BrokerPopHostileTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker()
        peer = try running.connect()
    }

    @Test func `an ordered handle with any pop time is answered`() throws {
        try peer.fill("t", ["a", "b"])
        _ = try peer.pop(.pop("t", order: true))
        for time in ["-9223372036854775808", "9223372036854775807", "0"] {
            let request = RemotingCommand(
                .changeMessageInvisibleTime,
                [
                    "consumerGroup": "g", "topic": "t", "queueId": "0", "offset": "0", "invisibleTime": "1000",
                    "extraInfo": "0 \(time) 1000 999 0 broker-a 0 0",
                ])
            #expect(try peer.ask(request).responseCode == .success)
        }
    }

    @Test func `a group whose progress lies behind the end gets what comes next`() throws {
        try peer.fill("t", ["a", "b"])
        _ = try peer.pop(.pop("t", queue: 1))
        let far = RemotingCommand(
            .updateConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "0", "commitOffset": "100"])
        #expect(try peer.ask(far).responseCode == .success)
        #expect(try peer.pop(.pop("t", queue: 0)).isEmpty)
        try peer.fill("t", ["c"])
        let found = try peer.popSome(.pop("t", queue: 0), tries: 10)
        #expect(found.map(\.text) == ["c"])
        try peer.ackAll(found)
        #expect(try peer.ask(.progress("t")).int64("offset") == 3)
    }

    @Test(arguments: [RequestCode.invokeBrokerToResetOffset, .updateConsumerOffset])
    func `a progress that is set before a restart is where pops begin behind it`(code: RequestCode) throws {
        try peer.fill("t", (0..<10).map { "m\($0)" })
        let found = try peer.pop(.pop("t", queue: 0))
        #expect(found.count == 10)
        try peer.ackAll(found)
        let order = RemotingCommand(
            code,
            [
                "group": "g", "consumerGroup": "g", "topic": "t", "queueId": "0", "offset": "7", "commitOffset": "7",
                "timestamp": "-1",
            ])
        #expect(try peer.ask(order).responseCode == .success)
        try running.restart()
        #expect(try running.connect().pop(.pop("t", queue: 0)).map(\.text) == ["m7", "m8", "m9"])
    }

    @Test(.timeLimit(.minutes(1))) func `an ack of millions of messages costs what its pop holds`() throws {
        try peer.fill("t", (0..<40).map { "m\($0)" })
        let popped = try peer.pop(.pop("t", queue: 0))
        #expect(popped.count == 32)
        let parts = popped[0].parts
        // 1 MiB of text, five million offsets.
        let bits = Base64.encode([UInt8](repeating: 0xFF, count: 700_000))
        let ack = PopBody.object([
            ("b", .string(bits)), ("c", .string("g")), ("it", .integer(60_000)),
            ("pt", .integer(Int64(parts[1]) ?? 0)), ("q", .integer(0)), ("r", .string("0")), ("rq", .integer(0)),
            ("so", .integer(0)), ("t", .string("t")),
        ])
        let body = PopBody.object([("acks", .array([ack])), ("brokerName", .string("broker-a"))]).encoded(.compact)
        #expect(try peer.ask(RemotingCommand(.batchAckMessage, body: body)).responseCode == .success)
        #expect(try peer.ask(.progress("t")).int64("offset") == 32)
    }

    @Test func `no name that a topic cannot have is asked about or kept`() throws {
        for topic in [String(repeating: "x", count: 100_000), "", "a/b"] {
            let body = PopBody.object([
                ("topic", .string(topic)), ("consumerGroup", .string("g")), ("clientId", .string("me")),
                ("strategyName", .string("AVG")), ("messageModel", .string("CLUSTERING")),
            ]).encoded(.compact)
            let answer = try peer.ask(RemotingCommand(.queryAssignment, body: body))
            #expect(answer.responseCode == .invalidParameter, "\(answer)")
        }
    }

    @Test func `a file of ordered pops with any numbers is read`() throws {
        func pops(_ members: String) throws -> [(PopQueueKey, OrderedPop)] {
            OrderInfoFile.pops(
                try JSON(parsing: Array("{\"table\":{\"t@g\":{0:{\"popTime\":1,\"i\":1,\(members)}}}}".utf8).span))
        }
        #expect(try pops("\"o\":[9223372036854775807],\"cm\":1").isEmpty)
        #expect(try pops("\"o\":[1152921504606846976]").isEmpty)
        var pop = try #require(try pops("\"o\":[5],\"oc\":{5:9223372036854775807}").first?.1)
        let previous = pop
        pop.inherit(from: previous)
        #expect(pop.consumedCounts[5] == Int(Int32.max))
    }

    @Test func `a progress in the revive topic that cannot be stops nothing`() throws {
        let topic = "rmq_sys_REVIVE_LOG_DefaultCluster"
        try peer.fill("t", ["first"])
        #expect(try peer.ask(.put(topic, "{}", properties: "TAGS\u{1}ck\u{2}")).responseCode == .success)
        running.stop()
        let file = running.folder.appending(path: "config/consumerOffset.json")
        for offset in ["9223372036854775807", "-9223372036854775808"] {
            let text = "{\"offsetTable\":{\"\(topic)@CID_RMQ_SYS_REVIVE_GROUP\":{0:\(offset)},\"t@g\":{0:\(offset)}}}"
            try text.write(to: file, atomically: true, encoding: .utf8)
            try running.restart()
            let peer = try running.connect()
            _ = try peer.pop(.pop("t", queue: 0))
            #expect(try peer.ask(.put("t", "x")).responseCode == .success)
            _ = try peer.popSome(.pop("t", queue: 0), tries: 10)
            running.stop()
        }
    }
}
