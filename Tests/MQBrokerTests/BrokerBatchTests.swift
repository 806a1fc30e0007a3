import Foundation
import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Topics of type BatchCQ against a whole broker: made, sent to and pulled from with the frames of clients.
@Suite struct BrokerBatchTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker(["enablePropertyFilter": "true"])
        peer = try running.connect()
    }

    private func make(_ topic: String, type: String = "BatchCQ") throws -> RemotingCommand {
        var command = RemotingCommand.topic(topic, queues: 2)
        command["attributes"] = "+queue.type=\(type)"
        return try peer.ask(command)
    }

    private func body(_ texts: [String]) -> [UInt8] {
        var body = ByteBuffer()
        for text in texts {
            MessageBatch.append(
                flag: 7, body: Array(text.utf8).span, properties: Array("UNIQ_KEY\u{1}key-\(text)\u{2}".utf8).span,
                to: &body)
        }
        return body.toArray()
    }

    /// What `DefaultMQProducer.send(Collection)` of 5.x sends.
    private func batch(_ topic: String, _ texts: [String], key: String? = "U0") -> RemotingCommand {
        let properties = "WAIT\u{1}true\u{2}" + (key.map { "UNIQ_KEY\u{1}\($0)\u{2}" } ?? "")
        var send = RemotingCommand.put(topic, with: ["m": "true", "i": properties])
        send.code = RequestCode.sendBatchMessage.rawValue
        send.body = body(texts)
        return send
    }

    private func offsets(_ topic: String) throws -> (min: String?, max: String?) {
        let fields: KeyValuePairs = ["topic": topic, "queueId": "0"]
        return (
            try peer.ask(RemotingCommand(.getMinOffset, fields))["offset"],
            try peer.ask(RemotingCommand(.getMaxOffset, fields))["offset"]
        )
    }

    /// Waits until consumers see the queue's first `count` messages.
    private func wait(_ topic: String, for count: Int64) throws {
        let started = ContinuousClock.now
        let fields: KeyValuePairs = ["topic": topic, "queueId": "0"]
        while try peer.ask(RemotingCommand(.getMaxOffset, fields))["offset"] != String(count) {
            try #require(ContinuousClock.now - started < .seconds(20), "\(topic) never had \(count) messages")
        }
    }

    /// The messages of a pull as a client unpacks them: number in the queue and body.
    private func unpacked(_ answer: RemotingCommand) throws -> [(offset: Int64, text: String)] {
        try Pulled.all(answer).flatMap { pulled -> [(offset: Int64, text: String)] in
            guard pulled.record.sysFlag.contains([.innerBatch, .needUnwrap]) else {
                return [(pulled.record.queueOffset, pulled.text)]
            }
            let items = try MessageBatch.items(pulled.body.span)
            #expect(pulled.properties["INNER_NUM"] == String(items.count))
            #expect(pulled.properties["INNER_BASE"].flatMap(Int64.init) == pulled.record.queueOffset)
            return items.enumerated().map { index, item in
                (pulled.record.queueOffset + Int64(index), String(decoding: pulled.body[item.body], as: UTF8.self))
            }
        }
    }

    @Test func `a batch is one record, counted in messages, and outlives a restart`() throws {
        #expect(try make("b").responseCode == .success)
        let answer = try peer.ask(batch("b", ["a", "b", "c"], key: "U1"))
        #expect(answer.responseCode == .success && answer["queueOffset"] == "0" && answer["batchUniqId"] == "U1")
        #expect(answer["msgId"]?.count == 32 && answer["transactionId"] == "U1")
        let single = try peer.ask(.put("b", "d"))
        #expect(single["queueOffset"] == "3" && single["batchUniqId"] == nil)
        #expect(try peer.ask(batch("b", ["e", "f"]))["queueOffset"] == "4")
        try wait("b", for: 6)
        for round in 0..<2 {
            let peer = round == 0 ? self.peer : try running.connect()
            let all = try peer.ask(.pull("b"))
            #expect(all.responseCode == .success && all["nextBeginOffset"] == "6", "\(all)")
            let found = try unpacked(all)
            #expect(found.map(\.text) == ["a", "b", "c", "d", "e", "f"])
            #expect(found.map(\.offset) == [0, 1, 2, 3, 4, 5])
            if round == 0 { try running.restart() }
        }
        let again = try running.connect()
        #expect(try again.ask(batch("b", ["g"]))["queueOffset"] == "6")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: running.folder.path + "/batchconsumequeue") == ["b"])
        #expect(!FileManager.default.fileExists(atPath: running.folder.path + "/consumequeue/b"))
    }

    @Test func `a pull may begin in the middle of a batch and takes whole ones up to its limit`() throws {
        _ = try make("b")
        for number in 0..<4 { _ = try peer.ask(batch("b", (0..<3).map { "\(number)\($0)" })) }
        try wait("b", for: 12)
        let middle = try peer.ask(.pull("b", from: 4, with: ["maxMsgNums": "4"]))
        #expect(try unpacked(middle).map(\.text) == ["10", "11", "12"] && middle["nextBeginOffset"] == "6")
        let two = try peer.ask(.pull("b", from: 4, with: ["maxMsgNums": "6"]))
        #expect(try unpacked(two).map(\.offset) == [3, 4, 5, 6, 7, 8] && two["nextBeginOffset"] == "9")
        let one = try peer.ask(.pull("b", from: 11, with: ["maxMsgNums": "1"]))
        #expect(try unpacked(one).count == 3 && one["nextBeginOffset"] == "12")
        #expect(try offsets("b") == ("0", "12"))
        #expect(try peer.ask(.pull("b", from: 13)).responseCode == .pullOffsetMoved)
    }

    @Test func `a parked pull gets the batch that comes`() throws {
        _ = try make("b")
        _ = try peer.ask(batch("b", ["a", "b"]))
        try wait("b", for: 2)
        let other = try running.connect()
        _ = other.post(.pull("b", from: 2, wait: 15_000))
        _ = try peer.ask(batch("b", ["c", "d"]))
        #expect(try unpacked(other.receive()).map(\.text) == ["c", "d"])
    }

    @Test func `tags and expressions decide about a batch by its own properties, not those of the messages in it`()
        throws
    {
        _ = try make("b")
        func put(_ texts: [String], _ properties: String) throws {
            var send = batch("b", texts)
            send["i"] = "UNIQ_KEY\u{1}U\u{2}" + properties
            #expect(try peer.ask(send).responseCode == .success)
        }
        try put(["a", "b"], "color\u{1}red\u{2}TAGS\u{1}A\u{2}")
        try put(["c"], "")
        #expect(try peer.ask(.put("b", "d", properties: "color\u{1}red\u{2}")).responseCode == .success)
        try put(["e", "f"], "color\u{1}blue\u{2}TAGS\u{1}A\u{2}")
        try wait("b", for: 6)
        func pull(_ expression: String, type: String = "SQL92") throws -> [String] {
            let answer = try peer.ask(.pull("b", tags: expression, with: ["expressionType": type]))
            #expect(answer["nextBeginOffset"] == "6")
            return try unpacked(answer).map(\.text)
        }
        #expect(try pull("color = 'red'") == ["a", "b", "d"])
        #expect(try pull("color IS NULL") == ["c"])
        #expect(try pull("TAGS = 'A' AND color <> 'red'") == ["e", "f"])
        #expect(try pull("UNIQ_KEY = 'key-a'").isEmpty)
        #expect(try pull("A", type: "TAG") == ["a", "b", "e", "f"])
    }

    @Test func `a producer may pack its batch itself`() throws {
        _ = try make("b")
        var send = RemotingCommand.put(
            "b", properties: "UNIQ_KEY\u{1}U\u{2}INNER_NUM\u{1}3\u{2}", with: ["f": "192"])
        send.body = body(["x", "y", "z"])
        #expect(try peer.ask(send)["queueOffset"] == "0")
        #expect(try peer.ask(.put("b", "w"))["queueOffset"] == "3")
        try wait("b", for: 4)
        #expect(try unpacked(peer.ask(.pull("b", from: 1))).map(\.text).prefix(3) == ["x", "y", "z"])
    }

    @Test func `a batch without a key becomes as many records as messages, as before`() throws {
        _ = try make("b")
        let answer = try peer.ask(batch("b", ["a", "b"], key: nil))
        #expect(answer["batchUniqId"] == nil && answer["msgId"]?.split(separator: ",").count == 2)
        try wait("b", for: 2)
        let pulled = try Pulled.all(peer.ask(.pull("b", from: 1)))
        #expect(pulled.map(\.text) == ["b"] && pulled.map(\.record.queueOffset) == [1])
    }

    @Test func `what can be no inner batch is refused with a sentence`() throws {
        _ = try make("b")
        _ = try make("s", type: "SimpleCQ")
        let cases: [(String, RemotingCommand)] = [
            ("hold no batches", .put("s", properties: "INNER_NUM\u{1}2\u{2}", with: ["f": "192"])),
            ("is no inner batch", .put("s", properties: "INNER_NUM\u{1}2\u{2}")),
            ("is no inner batch", .put("b", properties: "INNER_NUM\u{1}2\u{2}")),
            ("not 0", .put("b", properties: "INNER_NUM\u{1}0\u{2}", with: ["f": "192"])),
            ("not 32768", .put("b", properties: "INNER_NUM\u{1}32768\u{2}", with: ["f": "192"])),
            ("not 0", .put("b", properties: "INNER_NUM\u{1}many\u{2}", with: ["f": "192"])),
            ("cannot be delayed", .put("b", properties: "INNER_NUM\u{1}2\u{2}DELAY\u{1}1\u{2}", with: ["f": "192"])),
        ]
        for (part, send) in cases {
            let answer = try peer.ask(send)
            #expect(answer.responseCode == .messageIllegal && answer.remark?.contains(part) == true, "\(answer)")
        }
        #expect(try offsets("b") == ("0", "0"))
    }

    @Test func `a queue type cannot change but with a new topic`() throws {
        _ = try make("b")
        #expect(try make("b", type: "SimpleCQ").responseCode == .systemError)
        #expect(try make("x", type: "ListCQ").responseCode == .systemError)
        _ = try peer.ask(batch("b", ["a", "b"]))
        #expect(try peer.ask(RemotingCommand(.deleteTopicInBroker, ["topic": "b"])).responseCode == .success)
        #expect(try make("b", type: "SimpleCQ").responseCode == .success)
        #expect(try peer.ask(batch("b", ["c", "d"]))["msgId"]?.split(separator: ",").count == 2)
        try wait("b", for: 2)
        #expect(try Pulled.all(peer.ask(.pull("b"))).map(\.text) == ["c", "d"])
    }

    @Test func `a delayed message comes to a queue of batches when it is due`() throws {
        _ = try make("b")
        #expect(try peer.ask(.put("b", "late", properties: "DELAY\u{1}1\u{2}")).responseCode == .success)
        let pulled = try Pulled.all(peer.ask(.pull("b", wait: 15_000)))
        #expect(pulled.map(\.text) == ["late"])
        #expect(!FileManager.default.fileExists(atPath: running.folder.path + "/consumequeue/b"))
    }
}
