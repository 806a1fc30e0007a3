import Foundation
import MQBase
import MQMessage
import MQProtocol
import MQRemoting
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: lite message queues as RocketMQ's clients use them: messages for many at once, pulls, offsets and groups without any
/// preparation, and limits on what names may cost.
@Suite struct BrokerLiteQueueTests {
    private static let keys = ["enableLmq": "true", "enableMultiDispatch": "true"]

    private static func put(_ body: String, _ queues: String, topic: String = "parent") -> RemotingCommand {
        .put(topic, body, properties: "INNER_MULTI_DISPATCH\u{1}\(queues)\u{2}")
    }

    private func texts(_ peer: RemotingPeer, _ queue: String, group: String = "%LMQ%g", count: Int) throws -> [String] {
        var found: [String] = []
        var offset: Int64 = 0
        while found.count < count {
            let answer = try peer.ask(.pull(queue, from: offset, group: group, wait: 10_000))
            guard answer.responseCode == .success || answer.responseCode == .pullOffsetMoved else { break }
            offset = try #require(answer.int64("nextBeginOffset"))
            found += try Pulled.all(answer).map(\.text)
        }
        return found
    }

    @Test func `a message comes to all who wait on the lite queues that it names, over a restart, too`() throws {
        let running = try RunningBroker(Self.keys)
        let (sender, first, second) = (try running.connect(), try running.connect(), try running.connect())
        first.post(.pull("%LMQ%a", group: "%LMQ%g", wait: 15_000))
        second.post(.pull("%LMQ%b/c".replacingOccurrences(of: "/", with: "%"), group: "%LMQ%h", wait: 15_000))
        #expect(try sender.ask(Self.put("one", "%LMQ%a,%LMQ%b%c")).responseCode == .success)
        for peer in [first, second] {
            let answer = try peer.receive()
            let message = try #require(try Pulled.all(answer).first)
            #expect(message.text == "one" && message.topic == "parent" && answer["nextBeginOffset"] == "1")
        }
        #expect(try sender.ask(Self.put("two", "%LMQ%a")).responseCode == .success)
        let commit = RemotingCommand(
            .updateConsumerOffset,
            ["consumerGroup": "%LMQ%g", "topic": "%LMQ%a", "queueId": "0", "commitOffset": "2"])
        #expect(try sender.ask(commit).responseCode == .success)
        try running.restart()
        let peer = try running.connect()
        #expect(try texts(peer, "%LMQ%a", count: 2) == ["one", "two"])
        #expect(try peer.ask(Self.put("three", "%LMQ%b%c,%LMQ%a")).responseCode == .success)
        #expect(try texts(peer, "%LMQ%a", count: 3) == ["one", "two", "three"])
        #expect(try texts(peer, "%LMQ%b%c", count: 2) == ["one", "three"])
        let query = RemotingCommand(
            .queryConsumerOffset, ["consumerGroup": "%LMQ%g", "topic": "%LMQ%a", "queueId": "0"])
        #expect(try peer.ask(query)["offset"] == "2")
        #expect(try peer.ask(RemotingCommand(.getMaxOffset, ["topic": "%LMQ%a", "queueId": "0"]))["offset"] == "3")
    }

    @Test func `offsets are kept as Java keeps them, and an administrator who turns lite queues off rewinds nobody`()
        throws
    {
        let running = try RunningBroker(Self.keys)
        let peer = try running.connect()
        _ = try peer.ask(Self.put("one", "%LMQ%a"))
        _ = try peer.ask(.heartbeat(group: "plain", topic: "parent"))
        for (group, topic) in [("%LMQ%g", "%LMQ%a"), ("plain", "parent")] {
            _ = try peer.ask(
                RemotingCommand(
                    .updateConsumerOffset,
                    ["consumerGroup": group, "topic": topic, "queueId": "0", "commitOffset": "1"]))
        }
        running.stop()
        let file = running.folder.appendingPathComponent("config/lmqConsumerOffset.json")
        let table = try String(contentsOf: file, encoding: .utf8)
        #expect(table.contains("parent@plain") && table.contains("lmqOffsetTable"))
        #expect(table.filter { !$0.isWhitespace }.contains("\"%LMQ%a@%LMQ%g\":1"), "\(table)")
        let groups = try String(
            contentsOf: running.folder.appendingPathComponent("config/subscriptionGroup.json"), encoding: .utf8)
        let topics = try String(
            contentsOf: running.folder.appendingPathComponent("config/topics.json"), encoding: .utf8)
        #expect(!groups.contains("%LMQ%") && !topics.contains("%LMQ%"), "names of lite queues are in no table")
        let other = try RunningBroker([:], adopting: running.folder)
        let query = RemotingCommand(
            .queryConsumerOffset, ["consumerGroup": "plain", "topic": "parent", "queueId": "0"])
        #expect(try other.connect().ask(query)["offset"] == "1")
    }

    @Test func `names that no lite queue may have, and more than there may be, are refused`() throws {
        let running = try RunningBroker(Self.keys.merging(["maxLmqConsumeQueueNum": "2"]) { $1 })
        let peer = try running.connect()
        for name in ["a", "%LMQ%a/../b", "%LMQ%a,,%LMQ%b", "%LMQ%" + String(repeating: "x", count: 300)] {
            let refused = try peer.ask(Self.put("x", name))
            #expect(refused.responseCode == .messageIllegal, "\(name): \(refused.remark ?? "")")
        }
        #expect(try peer.ask(Self.put("x", "%LMQ%a,%LMQ%b")).responseCode == .success)
        let full = try peer.ask(Self.put("x", "%LMQ%c"))
        #expect(full.responseCode == .systemError)
        #expect(full.remark?.hasPrefix("[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]") == true)
        let pull = try peer.ask(.pull("%LMQ%d", group: "%LMQ%g"))
        #expect(pull.responseCode == .systemError && pull.remark == full.remark)
        #expect(try peer.ask(.put("%LMQ%e")).responseCode == .systemError)
        #expect(try peer.ask(Self.put("y", "%LMQ%b")).responseCode == .success)
        #expect(try texts(peer, "%LMQ%b", count: 2) == ["x", "y"])
    }

    @Test func `a consumer that makes up names takes neither producers nor other consumers their room`() throws {
        let running = try RunningBroker(Self.keys.merging(["maxLmqConsumeQueueNum": "20"]) { $1 })
        let refusal = "[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]"
        func ask(_ peer: RemotingPeer, _ name: String) throws -> RemotingCommand {
            try peer.ask(.pull("%LMQ%\(name)", group: "%LMQ%g"))
        }
        let hostile = try running.connect()
        for number in 0..<2 { #expect(try ask(hostile, "h\(number)").responseCode == .pullNotFound) }
        for number in 2..<50 {
            let refused = try ask(hostile, "h\(number)")
            #expect(refused.responseCode == .systemError && refused.remark?.hasPrefix(refusal) == true)
        }
        #expect(try hostile.ask(.pop("%LMQ%p", group: "g")).remark?.hasPrefix(refusal) == true)
        #expect(try ask(hostile, "h1").responseCode == .pullNotFound, "what it has it keeps")
        let peer = try running.connect()
        #expect(try ask(peer, "mine").responseCode == .pullNotFound)
        // With many connections it gets half of the places, and no more.
        let others = try (0..<8).map { _ in try running.connect() }
        for (index, other) in others.enumerated() {
            for number in 0..<2 { _ = try ask(other, "o\(index).\(number)") }
        }
        #expect(try ask(others[7], "late").remark?.hasPrefix(refusal) == true)
        for number in 0..<10 {
            #expect(try peer.ask(Self.put("x", "%LMQ%new\(number)")).responseCode == .success)
        }
        #expect(try peer.ask(Self.put("x", "%LMQ%new10")).responseCode == .systemError)
        // A name that got a message is no burden any more.
        #expect(try peer.ask(Self.put("y", "%LMQ%mine")).responseCode == .success)
        #expect(try texts(peer, "%LMQ%mine", count: 1) == ["y"])
        #expect(try texts(peer, "%LMQ%new3", count: 1) == ["x"])
    }

    @Test func `room comes back when names are used`() {
        let room = LiteQueueRoom(countMax: 20)
        func take(_ name: String, _ asker: String, at second: Int64, used: Set<String> = []) -> Bool {
            room.take(name, for: asker, now: Instant(nanoseconds: second * 1_000_000_000)) { used.contains($0) }
        }
        #expect(take("a", "x", at: 1) && take("b", "x", at: 1) && take("a", "x", at: 1))
        #expect(!take("c", "x", at: 1) && take("c", "y", at: 1))
        #expect(!take("d", "x", at: 1, used: ["a"]), "it was looked in this second")
        #expect(take("d", "x", at: 3, used: ["a"]) && !take("e", "x", at: 5))
        for asker in ["1", "2", "3", "4"] { _ = (take("p" + asker, asker, at: 5), take("q" + asker, asker, at: 5)) }
        #expect(!take("z", "last", at: 5) && take("z", "last", at: 9, used: ["b", "d"]))
    }

    @Test func `a delayed message stands in lite queues when it is delivered, and one that is retried does not again`()
        throws
    {
        let running = try RunningBroker(Self.keys)
        let peer = try running.connect()
        let delayed = RemotingCommand.put(
            "parent", "late", properties: "INNER_MULTI_DISPATCH\u{1}%LMQ%a\u{2}DELAY\u{1}1\u{2}")
        #expect(try peer.ask(delayed).responseCode == .success)
        #expect(try texts(peer, "%LMQ%a", count: 1) == ["late"])
        let offset = try #require(try Pulled.all(peer.ask(.pull("%LMQ%a", group: "%LMQ%g"))).first).record
            .physicalOffset
        _ = try peer.ask(.heartbeat(group: "g", topic: "parent"))
        #expect(try peer.ask(.sendBack(offset, group: "g", level: 1)).responseCode == .success)
        #expect(try Pulled.all(peer.ask(.pull("%RETRY%g", group: "g", wait: 15_000))).count == 1)
        #expect(try peer.ask(RemotingCommand(.getMaxOffset, ["topic": "%LMQ%a", "queueId": "0"]))["offset"] == "1")
    }

    @Test func `without enableLmq such names are ordinary ones`() throws {
        let running = try RunningBroker()
        let peer = try running.connect()
        #expect(try peer.ask(Self.put("one", "%LMQ%a")).responseCode == .success)
        #expect(try peer.ask(.pull("%LMQ%a", group: "g")).responseCode == .topicNotExist)
    }
}
