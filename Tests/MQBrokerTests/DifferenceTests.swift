import Foundation
import MQMessage
import MQNameServer
import MQProtocol
import MQRemoting
import MQConfig
import MQTestKit
import MQTransport
import Testing

@testable import MQBroker

/// Goal: what comparisons with Java RocketMQ 5.3.3 showed to be otherwise is as there.
@Suite struct DifferenceTests {
    @Test func `every answer to a producer names region and trace`() throws {
        let running = try RunningBroker(["regionId": "R"])
        let peer = try running.connect()
        for request in [
            RemotingCommand.put("t"), .put("t", with: ["b": "bad.name"]), .put("t", queue: 99),
            .put("SCHEDULE_TOPIC_XXXX"), .put("t", String(repeating: "x", count: (4 << 20) + 1)),
        ] {
            let answer = try peer.ask(request)
            #expect(
                answer["MSG_REGION"] == "R" && answer["TRACE_ON"] == "true", "\(answer.code): \(answer.remark ?? "")")
        }
    }

    @Test
    func `a group without progress in an empty queue is not found, and begins at 0 in one with its first message`()
        throws
    {
        let running = try RunningBroker()
        let peer = try running.connect()
        _ = try peer.ask(.topic("t"))
        func query() throws -> RemotingCommand {
            try peer.ask(
                RemotingCommand(.queryConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "0"]))
        }
        let empty = try query()
        #expect(empty.responseCode == .queryNotFound)
        #expect(empty.remark == "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first")
        _ = try peer.ask(.put("t"))
        _ = try peer.ask(.pull("t", wait: 10_000))
        #expect(try query()["offset"] == "0")
    }

    @Test func `a timed message keeps the names of its topic and queue`() throws {
        let running = try RunningBroker()
        let peer = try running.connect()
        _ = try peer.ask(.topic("t"))
        let sent = try peer.ask(.put("t", queue: 2, properties: "TIMER_DELAY_MS\u{1}1000\u{2}"))
        #expect(sent.responseCode == .success, "\(sent.remark ?? "")")
        let message = try #require(try Pulled.all(peer.ask(.pull("t", queue: 2, wait: 15_000))).first)
        #expect(message.properties["REAL_TOPIC"] == "t" && message.properties["REAL_QID"] == "2")
    }

    @Test func `a group may be forbidden a topic, over a restart, too`() throws {
        let running = try RunningBroker()
        func forbid(_ peer: RemotingPeer, _ readable: String?, topic: String = "t") throws -> RemotingCommand {
            var request = RemotingCommand(.updateAndGetGroupForbidden, ["group": "g", "topic": topic])
            if let readable { request["readable"] = readable }
            return try peer.ask(request)
        }
        var peer = try running.connect()
        _ = try peer.ask(.put("t"))
        _ = try peer.ask(.heartbeat(group: "g", topic: "t"))
        let plain = RemotingCommand.pull("t", group: "g", wait: 1, with: ["sysFlag": "2", "subscription": nil])
        #expect(
            String(decoding: try forbid(peer, nil).body, as: UTF8.self) == #"{"group":"g","readable":true,"topic":"t"}"#
        )
        #expect(String(decoding: try forbid(peer, "false").body, as: UTF8.self).contains(#""readable":false"#))
        let refused = try peer.ask(plain)
        #expect(refused.responseCode == .noPermission)
        #expect(refused.remark == "the consumer group[g] is forbidden for topic[t]")
        #expect(refused["forbiddenType"] == "5")
        try running.restart()
        peer = try running.connect()
        _ = try peer.ask(.heartbeat(group: "g", topic: "t"))
        #expect(try peer.ask(plain).responseCode == .noPermission)
        _ = try forbid(peer, "false", topic: "u")
        _ = try forbid(peer, "true")
        #expect(try peer.ask(plain).responseCode != .noPermission)
        #expect(String(decoding: try forbid(peer, nil, topic: "u").body, as: UTF8.self).contains(#""readable":false"#))
        #expect(try forbid(peer, "maybe").responseCode == .invalidParameter)
        #expect(try forbid(peer, "true", topic: "../t").responseCode == .invalidParameter)
    }

    @Test func `topics that sends make reach the name servers at once, one after the other`() throws {
        var values = ConfigValues(.nameServer, on: ConfigMachine(home: "/nowhere"))
        try values.set("listenPort", to: "0")
        try values.set("bindAddress", to: "127.0.0.1")
        let nameServer = try NameServer(config: values)
        nameServer.start()
        defer { nameServer.stop() }
        let port = nameServer.address.port
        let running = try RunningBroker(["namesrvAddr": "127.0.0.1:\(port)"])
        let (peer, names) = (try running.connect(), try RemotingPeer(port: port))
        let clock = ContinuousClock()
        var waits: [Duration] = []
        for number in 0..<10 {
            #expect(try peer.ask(.put("made\(number)")).responseCode == .success)
            let begun = clock.now
            let request = RemotingCommand(.getRouteInfoByTopic, ["topic": "made\(number)"])
            while try names.ask(request).responseCode != .success, clock.now - begun < .seconds(20) {}
            waits.append(clock.now - begun)
        }
        // It was 100 ms for all but the first.
        #expect(waits.sorted()[4] < .milliseconds(60), "\(waits)")
        running.stop()
    }
}
