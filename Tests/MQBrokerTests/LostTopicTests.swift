import Foundation
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: a message that was acknowledged can be consumed, also when the broker was killed before the table with its topic
/// was durable and the message still waited under a topic of the broker's own.
@Suite struct LostTopicTests {
    /// Takes every topic called `names` out of the stored table, as if it had never been written.
    private func forget(_ names: [String], in folder: URL) throws {
        let file = folder.appending(path: "config/topics.json")
        var table = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        var topics = try #require(table["topicConfigTable"] as? [String: Any])
        for name in names { try #require(topics.removeValue(forKey: name) != nil, "\(name) was not stored") }
        table["topicConfigTable"] = topics
        try JSONSerialization.data(withJSONObject: table).write(to: file)
        try? FileManager.default.removeItem(at: file.appendingPathExtension("bak"))
    }

    private func config(_ topic: String) -> RemotingCommand { RemotingCommand(.getTopicConfig, ["topic": topic]) }

    @Test func `half, delayed and timed messages bring their topics back`() throws {
        let running = try RunningBroker([
            "messageDelayLevel": "1s", "timerPrecisionMs": "100", "transactionCheckInterval": "3600000",
        ])
        var peer = try running.connect()
        let half = try peer.ask(.half("half", "a"))
        #expect(try peer.ask(.put("level", "b", queue: 2, properties: "DELAY\u{1}1\u{2}")).responseCode == .success)
        #expect(
            try peer.ask(.put("timed", "c", queue: 3, properties: "TIMER_DELAY_MS\u{1}600\u{2}")).responseCode
                == .success)
        running.stop()
        try forget(["half", "level", "timed"], in: running.folder)
        try running.restart()
        peer = try running.connect()
        #expect(try peer.ask(.end(half)).responseCode == .success)
        for (topic, queue, body) in [("half", 0, "a"), ("level", 2, "b"), ("timed", 3, "c")] {
            try eventuallyNow("\(topic) is there") {
                try peer.ask(RemotingCommand(.getMaxOffset, ["topic": topic, "queueId": String(queue)])).int64("offset")
                    == 1
            }
            let answer = try peer.ask(.pull(topic, queue: queue, wait: 10_000))
            #expect(try Pulled.all(answer).map(\.text) == [body], "\(answer)")
            let config = String(decoding: try peer.ask(self.config(topic)).body, as: UTF8.self)
            #expect(config.contains("\"readQueueNums\":8") && config.contains("\"writeQueueNums\":8"), "\(config)")
        }
    }

    @Test func `a message that was sent back brings its retry topic back, with the queue it had`() throws {
        let running = try RunningBroker(["messageDelayLevel": "1s"])
        var peer = try running.connect()
        #expect(try peer.ask(.put("t", "a")).responseCode == .success)
        #expect(try peer.ask(.heartbeat(group: "g", topic: "t")).responseCode == .success)
        #expect(try peer.ask(.sendBack(0, group: "g", level: 1)).responseCode == .success)
        running.stop()
        try forget(["%RETRY%g"], in: running.folder)
        try running.restart()
        peer = try running.connect()
        try eventuallyNow("it is there") {
            try peer.ask(RemotingCommand(.getMaxOffset, ["topic": "%RETRY%g", "queueId": "0"])).int64("offset") == 1
        }
        #expect(try Pulled.all(peer.ask(.pull("%RETRY%g", group: "g", wait: 10_000))).map(\.text) == ["a"])
        let config = String(decoding: try peer.ask(self.config("%RETRY%g")).body, as: UTF8.self)
        #expect(config.contains("\"readQueueNums\":1,") && config.contains("\"writeQueueNums\":1"), "\(config)")
        // What is sent back from now on is where the group's consumers look for it.
        for _ in 0..<8 {
            #expect(try peer.ask(.sendBack(0, group: "g", level: 1)).responseCode == .success)
        }
        #expect(try peer.pulled("%RETRY%g", count: 9).map(\.text) == Array(repeating: "a", count: 9))
    }

    @Test(arguments: [true, false])
    func `a message that was popped and not acknowledged comes again without its retry topic's entry`(
        isStored: Bool
    ) throws {
        let running = try RunningBroker(["popFromRetryProbability": "100"])
        var peer = try running.connect()
        try peer.fill("t", ["a", "b"])
        #expect(try peer.popSome(.pop("t", group: "g", max: 1, invisible: 500, poll: 0)).map(\.text) == ["a"])
        let end = RemotingCommand(.getMaxOffset, ["topic": "%RETRY%g_t", "queueId": "0"])
        if isStored {
            try eventuallyNow("it lies in the retry topic") {
                try peer.ask(end).int64("offset") == 1
            }
        }
        running.stop()
        if isStored { try forget(["%RETRY%g_t"], in: running.folder) }
        try running.restart()
        peer = try running.connect()
        var found: [Popped] = []
        try eventuallyNow("both come") {
            found += try peer.pop(.pop("t", group: "g", max: 8, invisible: 60_000, poll: 200))
            return found.count >= 2
        }
        #expect(found.map(\.text).sorted() == ["a", "b"])
        #expect(found.first { $0.text == "a" }?.message.record.reconsumeTimes == 1)
    }

    @Test func `a message for a topic that was deleted does not bring it back`() throws {
        let running = try RunningBroker(["messageDelayLevel": "1s"])
        let peer = try running.connect()
        #expect(try peer.ask(.put("gone", "a")).responseCode == .success)
        #expect(try peer.ask(.put("gone", "b", properties: "DELAY\u{1}1\u{2}")).responseCode == .success)
        #expect(try peer.ask(RemotingCommand(.deleteTopicInBroker, ["topic": "gone"])).responseCode == .success)
        #expect(try peer.ask(.put("other", "c", properties: "DELAY\u{1}1\u{2}")).responseCode == .success)
        try eventuallyNow("what was sent after it is delivered") {
            try peer.ask(RemotingCommand(.getMaxOffset, ["topic": "other", "queueId": "0"])).int64("offset") == 1
        }
        #expect(try peer.ask(config("gone")).responseCode == .topicNotExist)
    }
}
