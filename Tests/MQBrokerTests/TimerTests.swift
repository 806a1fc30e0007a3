import Foundation
import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQProtocol
import MQStore
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// Messages with a time of delivery, against a whole broker.
@Suite struct TimerTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker(["recallMessageEnable": "true", "timerPrecisionMs": "200"])
        peer = try running.connect()
    }

    private static func now() -> Int64 { SystemClock.wall().rawValue }

    private func messages(_ topic: String, from start: Int = 0, count: Int) throws -> [Pulled] {
        var found: [Pulled] = []
        while found.count < count {
            let answer = try peer.ask(.pull(topic, from: Int64(start + found.count), wait: 10_000))
            try #require(answer.responseCode == .success, "\(answer)")
            found += try Pulled.all(answer)
        }
        return found
    }

    private func size(_ topic: String) throws -> Int64? {
        try peer.ask(RemotingCommand(.getMaxOffset, ["topic": topic, "queueId": "0"])).int64("offset")
    }

    @Test(arguments: [SerializeType.json, .rocketMQ])
    func `a message comes at its time as it was sent`(type: SerializeType) throws {
        let sent = Self.now()
        let answer = try peer.ask(
            .put("timed", "later", properties: "TAGS\u{1}A\u{2}UNIQ_KEY\u{1}K1\u{2}TIMER_DELAY_MS\u{1}700\u{2}"),
            as: type)
        #expect(answer.responseCode == .success)
        #expect(answer["queueOffset"] == "0" && answer["queueId"] == "0" && answer["transactionId"] == "K1")
        let handle = try #require(RecallHandle(answer["recallHandle"] ?? ""))
        #expect(handle.topic == "timed" && handle.brokerName == "broker-a" && handle.uniqueKey == "K1")
        let got = try #require(messages("timed", count: 1).first)
        #expect(Self.now() >= sent + 700)
        #expect(got.text == "later" && got.topic == "timed" && got.record.bornTimestamp.rawValue == 1_795_241_524_644)
        #expect(got.record.storeTimestamp.rawValue >= sent + 700)
        let out = try #require(got.properties["TIMER_OUT_MS"].flatMap { Int64($0) })
        #expect(out + 1 == Int64(handle.time) && out % 200 == 0)
        #expect(got.properties["TAGS"] == "A" && got.properties["TIMER_DELAY_MS"] == "700")
        #expect(got.properties["REAL_TOPIC"] == "timed" && got.properties["REAL_QID"] == "0", "as Java")
        #expect(got.properties["TIMER_ENQUEUE_MS"] != nil && got.properties["TIMER_DEQUEUE_MS"] != nil)
    }

    @Test func `a delay level wins over a time`() throws {
        let answer = try peer.ask(
            .put("timed", properties: "DELAY\u{1}1\u{2}TIMER_DELAY_SEC\u{1}3600\u{2}TIMER_DELAY_MS\u{1}x\u{2}"))
        #expect(answer.responseCode == .success && answer["recallHandle"] == nil)
        let got = try #require(messages("timed", count: 1).first)
        #expect(got.properties["TIMER_DELAY_SEC"] == nil && got.properties["TIMER_DELAY_MS"] == nil)
    }

    @Test func `a time that has come is now, and one that cannot be is refused`() throws {
        let now = try peer.ask(.put("timed", properties: "TIMER_DELIVER_MS\u{1}5\u{2}"))
        #expect(now.responseCode == .success && now["recallHandle"] == nil)
        #expect(try messages("timed", count: 1).first?.properties["TIMER_OUT_MS"] == nil)
        let bad = try peer.ask(.put("timed", properties: "TIMER_DELAY_SEC\u{1}259201\u{2}"))
        #expect(bad.responseCode == .messageIllegal && bad.remark?.hasPrefix("timer message illegal") == true)
        #expect(try size("timed") == 1)
    }

    @Test func `a message that is taken back does not come, and others do`() throws {
        func send(_ key: String) throws -> String {
            let answer = try peer.ask(
                .put("timed", key, properties: "UNIQ_KEY\u{1}\(key)\u{2}TIMER_DELAY_MS\u{1}1500\u{2}"))
            return try #require(answer["recallHandle"])
        }
        let handles = try ["A", "B", "C"].map(send)
        func recall(_ handle: String, topic: String = "timed") throws -> RemotingCommand {
            try peer.ask(
                RemotingCommand(
                    .recallMessage, ["producerGroup": "p", "topic": topic, "recallHandle": handle]))
        }
        let answer = try recall(handles[1])
        #expect(answer.responseCode == .success && answer["msgId"] == "B")
        #expect(try recall(handles[1], topic: "nowhere").remark == "recall failed, the topic[nowhere] not exist")
        _ = try peer.ask(.put("other"))
        #expect(try recall(handles[1], topic: "other").remark == "recall failed, topic not match")
        #expect(try recall("x").remark == "recall handle is invalid")
        let foreign = RecallHandle.text(
            topic: Array("timed".utf8), brokerName: Array("else".utf8), out: Self.now() + 9000,
            uniqueKey: Array("A".utf8).span)
        #expect(
            try recall(String(decoding: foreign, as: UTF8.self)).remark
                == "recall failed, broker service not available")
        let late = RecallHandle.text(
            topic: Array("timed".utf8), brokerName: Array("broker-a".utf8), out: Self.now() - 9000,
            uniqueKey: Array("A".utf8).span)
        let refused = try recall(String(decoding: late, as: UTF8.self))
        #expect(refused.responseCode == .illegalOperation && refused.remark == "recall failed, timestamp invalid")
        let got = try messages("timed", count: 2)
        #expect(Set(got.map(\.text)) == ["A", "C"])
        _ = try peer.ask(.put("timed", "end", properties: "TIMER_DELAY_MS\u{1}300\u{2}"))
        #expect(try messages("timed", from: 2, count: 1).first?.text == "end")
    }

    @Test func `taking back must be allowed`() throws {
        let other = try RunningBroker()
        let answer = try other.connect().ask(
            RemotingCommand(.recallMessage, ["producerGroup": "p", "topic": "t", "recallHandle": "x"]))
        #expect(answer.responseCode == .noPermission && answer.remark == "recall failed, operation is forbidden")
    }

    @Test func `what waits is told and survives a restart`() throws {
        for index in 0..<20 {
            let delay = index < 10 ? "900" : "3600000"
            let answer = try peer.ask(.put("timed", "m\(index)", properties: "TIMER_DELAY_MS\u{1}\(delay)\u{2}"))
            #expect(answer.responseCode == .success)
        }
        try running.restart()
        let peer = try running.connect()
        var found: [Pulled] = []
        while found.count < 10 {
            let answer = try peer.ask(.pull("timed", from: Int64(found.count), wait: 10_000))
            found += try Pulled.all(answer)
        }
        #expect(found.map(\.text).sorted() == (0..<10).map { "m\($0)" }.sorted())
        let info = try KVTable(parsing: peer.ask(RemotingCommand(.getBrokerRuntimeInfo)).body)
        #expect(info.table["timerOffsetBehind"] == "0" && info.table["timerReadBehind"] == "0")
        #expect(try peer.ask(RemotingCommand(.getTimerCheckpoint)).body.count == 56)
        let counts = try peer.ask(RemotingCommand(.getTimerMetrics))
        #expect(String(decoding: counts.body, as: UTF8.self).contains("\"timingCount\":{\"timed\":{\"count\":10"))
    }

    @Test func `a restart delivers nothing twice and what came due meanwhile`() throws {
        for index in 0..<10 {
            _ = try peer.ask(.put("timed", "m\(index)", properties: "TIMER_DELAY_MS\u{1}400\u{2}"))
        }
        #expect(try messages("timed", count: 10).count == 10)
        for _ in 0..<3 { try running.restart() }
        let peer = try running.connect()
        _ = try peer.ask(.put("timed", "end", properties: "TIMER_DELAY_MS\u{1}1\u{2}"))
        let answer = try peer.ask(.pull("timed", from: 10, wait: 10_000))
        #expect(try Pulled.all(answer).map(\.text) == ["end"])
    }

    @Test func `lost files of the timer are built again`() throws {
        for index in 0..<20 {
            let delay = index < 10 ? "300" : "2500"
            _ = try peer.ask(.put("timed", "m\(index)", properties: "TIMER_DELAY_MS\u{1}\(delay)\u{2}"))
        }
        #expect(try messages("timed", count: 10).count == 10)
        running.stop()
        for name in ["timerwheel", "timerlog"] {
            try FileManager.default.removeItem(at: running.folder.appending(path: name))
        }
        try running.restart()
        let peer = try running.connect()
        let answer = try peer.ask(.pull("timed", from: 10, wait: 10_000))
        #expect(try Pulled.all(answer).first?.text == "m10")
    }

    @Test func `messages that are none of the timer's harm nothing`() throws {
        for properties in [
            "", "TIMER_OUT_MS\u{1}x", "TIMER_OUT_MS\u{1}5\u{2}",
            "TIMER_OUT_MS\u{1}5\u{2}REAL_TOPIC\u{1}../x\u{2}REAL_QID\u{1}0",
            "TIMER_OUT_MS\u{1}9223372036854775807\u{2}REAL_TOPIC\u{1}timed\u{2}REAL_QID\u{1}0",
        ] {
            #expect(try peer.ask(.put(TimerWorker.topic, properties: properties)).responseCode == .success)
        }
        _ = try peer.ask(.put("timed", "good", properties: "TIMER_DELAY_MS\u{1}300\u{2}"))
        #expect(try messages("timed", count: 1).first?.text == "good")
    }

    @Test func `a batch holds no timed messages`() throws {
        var batch = ByteBuffer()
        let properties = Array("TIMER_DELAY_MS\u{1}500".utf8)
        batch.append(bigEndian: Int32(4 + 4 + 4 + 4 + 4 + 1 + 2 + properties.count))
        for number: Int32 in [0, 0, 0, 1] { batch.append(bigEndian: number) }
        batch.append(UInt8(ascii: "x"))
        batch.append(bigEndian: Int16(properties.count))
        batch.append(properties)
        var request = RemotingCommand.put("timed", with: ["m": "true"])
        request.body = batch.toArray()
        let answer = try peer.ask(request)
        #expect(answer.responseCode == .messageIllegal && answer.remark == "a batch cannot hold delayed messages")
    }

    @Test func `a broker that gets no timed message makes no files`() throws {
        _ = try peer.ask(.put("plain"))
        running.stop()
        let names = try Directory.names(in: running.folder.path)
        #expect(!names.contains("timerwheel") && !names.contains("timerlog"))
        #expect(try !Directory.names(in: running.folder.path + "/config").contains("timercheck"))
    }
}
