import MQMessage
import MQProtocol
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: a topic that was made for one kind of messages takes those and no others; names with a namespace are names.
@Suite struct MessageTypeTests {
    private static let kinds: [(type: String, properties: String)] = [
        ("NORMAL", "KEYS\u{1}k\u{2}"), ("FIFO", "__SHARDINGKEY\u{1}s\u{2}"), ("DELAY", "DELAY\u{1}1\u{2}"),
    ]

    @Test func `a topic takes the messages of its type`() throws {
        let running = try RunningBroker(["enableTopicMessageTypeCheck": "true"])
        let peer = try running.connect()
        for type in ["NORMAL", "FIFO", "DELAY", "TRANSACTION", "MIXED", "UNSPECIFIED"] {
            var topic = RemotingCommand.topic("of_\(type)")
            topic["attributes"] = "+message.type=\(type)"
            #expect(try peer.ask(topic).responseCode == .success)
            for (kind, properties) in Self.kinds {
                let answer = try peer.ask(.put("of_\(type)", properties: properties))
                if type == kind || ["MIXED", "UNSPECIFIED"].contains(type) {
                    #expect(answer.responseCode == .success, "\(kind) to \(type): \(answer.remark ?? "")")
                } else {
                    #expect(answer.responseCode == .messageIllegal, "\(kind) to \(type)")
                    #expect(
                        answer.remark
                            == "TopicMessageType validate failed, the expected type is \(type), but actual type is \(kind)"
                    )
                }
            }
        }
        for (_, properties) in Self.kinds {
            #expect(try peer.ask(.put("of_nothing", properties: properties)).responseCode == .success)
        }
    }

    @Test func `topics and groups with a namespace are served like others`() throws {
        let running = try RunningBroker()
        let peer = try running.connect()
        #expect(try peer.ask(.put("ns%t", "x")).responseCode == .success)
        _ = try peer.ask(.heartbeat(group: "ns%g", topic: "ns%t"))
        let pulled = try peer.ask(.pull("ns%t", group: "ns%g", wait: 10_000))
        let offset = try #require(Pulled.all(pulled).first).record.physicalOffset
        #expect(try peer.ask(.sendBack(offset, group: "ns%g", level: 1)).responseCode == .success)
        let retried = try peer.ask(.pull("%RETRY%ns%g", group: "ns%g", wait: 15_000))
        #expect(try Pulled.all(retried).first?.properties["RETRY_TOPIC"] == "ns%t")
    }

    @Test func `the trace topic takes traces where it is enabled`() throws {
        let running = try RunningBroker(["traceTopicEnable": "true"])
        let peer = try running.connect()
        let body = ["Pub", "1795241524644", "DefaultRegion", "p", "t", "id"].joined(separator: "\u{1}") + "\u{2}"
        #expect(try peer.ask(.put("RMQ_SYS_TRACE_TOPIC", body)).responseCode == .success)
        #expect(try Pulled.all(peer.ask(.pull("RMQ_SYS_TRACE_TOPIC", wait: 10_000))).first?.text == body)
    }

    @Test func `members that subscribe to different things are noticed once`() throws {
        let control = try RunningControl()
        let peer = try control.connect()
        let table = control.clients
        _ = try peer.ask(.heartbeat("one", consumers: [.group("g", "t")]))
        let second = try control.connect()
        _ = try second.ask(.heartbeat("two", consumers: [.group("g", "t")]))
        let third = try control.connect()
        _ = try third.ask(.heartbeat("three", consumers: [.group("g", "t", "u")]))
        let (two, three) = (try #require(Self.member(table, "two")), try #require(Self.member(table, "three")))
        #expect(two.subscriptionHash != three.subscriptionHash)
        var changed = two
        changed.subscriptionHash = three.subscriptionHash
        let other = table.state.withLock { $0.memberDiffering(from: changed, in: "g") }
        #expect(other == "one")
        let again = table.state.withLock { $0.memberDiffering(from: three, in: "g") }
        #expect(again == nil, "it was told when it began")
    }

    private static func member(_ table: ClientTable, _ clientID: String) -> ClientTable.Member? {
        table.consumerGroup("g")?.members.first { $0.clientID == clientID }
    }
}
