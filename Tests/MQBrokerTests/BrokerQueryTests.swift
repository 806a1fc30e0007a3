import Foundation
import MQBase
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Queries by key, id and time against a whole broker whose queues keep their tags in extensions.
@Suite struct BrokerQueryTests {
    private let running: RunningBroker
    private let peer: RemotingPeer

    init() throws {
        running = try RunningBroker(["enableConsumeQueueExt": "true", "mappedFileSizeConsumeQueueExt": "65536"])
        peer = try running.connect()
    }

    private func query(_ key: String, _ changes: [String: String] = [:]) throws -> RemotingCommand {
        var request = RemotingCommand(
            .queryMessage,
            [
                "topic": "t", "key": key, "maxNum": "64", "beginTimestamp": "0",
                "endTimestamp": "9223372036854775807", "_UNIQUE_KEY_QUERY": "false",
            ])
        for (name, value) in changes { request[name] = value }
        return try peer.ask(request)
    }

    /// Sends messages and returns the answers when all of them can be read.
    private func send(_ count: Int, properties: (Int) -> String) throws -> [RemotingCommand] {
        let answers = try (0..<count).map { try peer.ask(.put("t", "m\($0)", properties: properties($0))) }
        var seen = 0
        while seen < count {
            let answer = try peer.ask(.pull("t", from: Int64(seen), wait: 10_000))
            try #require(answer.responseCode == .success)
            seen += try Pulled.all(answer).count
        }
        return answers
    }

    @Test func `a query brings the newest messages that carry the key, as many as are allowed`() throws {
        _ = try send(80) { "KEYS\u{1}k n\($0)\u{2}UNIQ_KEY\u{1}U\($0)\u{2}" }
        let found = try Pulled.all(query("k")).map(\.text)
        #expect(found == (16..<80).map { "m\($0)" })
        #expect(try Pulled.all(query("k", ["maxNum": "3"])).map(\.text) == ["m77", "m78", "m79"])
        #expect(try Pulled.all(query("k", ["maxNum": "100000"])).count == 64)
        // A unique key is asked for with the broker's own number.
        let unique = ["_UNIQUE_KEY_QUERY": "true", "maxNum": "1"]
        #expect(try Pulled.all(query("k", unique)).count == 32)
        #expect(try Pulled.all(query("U5", unique)).map(\.text) == ["m5"])
        let none = try query("U5", ["endTimestamp": "5"])
        #expect(none.responseCode == .queryNotFound)
        #expect(none["indexLastUpdateTimestamp"] != nil && none["indexLastUpdatePhyoffset"] != nil)
        #expect(none.remark == "can not find message, maybe time range not correct")
        #expect(try query("absent").responseCode == .queryNotFound)
        #expect(try query("").responseCode == .systemError)
    }

    @Test func `an offset id brings its message, and a mad offset a sentence`() throws {
        let sent = try send(3) { _ in "" }
        for (number, answer) in sent.enumerated() {
            let place = try #require(MessageID.decodeOffsetID(answer["msgId"] ?? ""))
            let view = RemotingCommand(.viewMessageByID, ["offset": String(place.offset.rawValue), "topic": "t"])
            #expect(try Pulled.all(peer.ask(view)).map(\.text) == ["m\(number)"])
        }
        for offset in ["1", "-1", "9223372036854775807", "-9223372036854775808", "123456"] {
            let answer = try peer.ask(RemotingCommand(.viewMessageByID, ["offset": offset]))
            #expect(answer.responseCode == .systemError)
            #expect(answer.remark == "can not find message by the offset, \(offset)")
        }
        for offset in ["", "x", "99999999999999999999"] {
            let answer = try peer.ask(RemotingCommand(.viewMessageByID, ["offset": offset]))
            #expect(answer.responseCode == .systemError && answer.remark?.contains("not a number") == true)
        }
    }

    @Test func `an offset is searched from either side`() throws {
        _ = try send(5) { _ in "" }
        let all = try Pulled.all(peer.ask(.pull("t", wait: 10_000)))
        func search(_ time: Int64, _ boundary: String?) throws -> String? {
            var request = RemotingCommand(
                .searchOffsetByTimestamp, ["topic": "t", "queueId": "0", "timestamp": String(time)])
            request["boundaryType"] = boundary
            return try peer.ask(request)["offset"]
        }
        let first = try #require(all.first).record.storeTimestamp.rawValue
        for boundary in ["LOWER", nil, "nonsense"] {
            #expect(try search(0, boundary) == "0")
            #expect(try search(first, boundary) == "0")
            #expect(try search(.max, boundary) == "5")
        }
        #expect(try search(0, "UPPER") == "0")
        #expect(try search(.max, "upper") == "4")
    }

    @Test func `tags that lie in an extension filter pulls`() throws {
        _ = try send(20) { "TAGS\u{1}\($0 % 5 == 0 ? "A" : "B")\u{2}" }
        #expect(try Pulled.all(peer.ask(.pull("t", tags: "A"))).map(\.text) == ["m0", "m5", "m10", "m15"])
        #expect(try Pulled.all(peer.ask(.pull("t", tags: "A || B"))).count == 20)
        #expect(try peer.ask(.pull("t", tags: "C")).responseCode == .pullRetryImmediately)
        try running.restart()
        #expect(try Pulled.all(running.connect().ask(.pull("t", tags: "A"))).count == 4)
        let folder = running.folder.appending(path: "consumequeue_ext/t/0")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)
    }

    @Test func `a delayed message whose time lies in an extension waits until it is due`() throws {
        let started = ContinuousClock.now
        #expect(try peer.ask(.put("later", properties: "DELAY\u{1}1\u{2}")).responseCode == .success)
        #expect(try Pulled.all(peer.ask(.pull("later", wait: 15_000))).count == 1)
        #expect(ContinuousClock.now - started >= .milliseconds(990))
    }
}
