import Foundation
import MQBytes
import MQMessage
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Whatever a peer sends, the broker goes on and others are served.
@Suite struct BrokerHostileTests {
    private let running: RunningBroker

    init() throws { running = try RunningBroker() }

    /// An ordinary client, after everything else.
    private func expectService(_ comment: Comment? = nil) throws {
        let peer = try running.connect()
        let topic = "ordinary"
        let sent = try peer.ask(.put(topic, "still here"))
        #expect(sent.responseCode == .success, comment)
        let offset = try #require(sent.int64("queueOffset"))
        // The dispatcher may be behind: a pull past the end is answered at once, so wait from the start.
        var next: Int64 = 0
        var last: Pulled?
        while next <= offset {
            let answer = try peer.ask(.pull(topic, from: next, wait: 10_000))
            next = try #require(answer.int64("nextBeginOffset"))
            last = try Pulled.all(answer).last ?? last
        }
        #expect(last?.text == "still here", comment)
    }

    /// Numbers that are at the edge, beyond it, or none.
    private static let numbers = [
        "-1", "0", "1", "2147483647", "-2147483648", "2147483648", "9223372036854775807", "-9223372036854775808",
        "9223372036854775808", "9223372036854774809", "", "x", "1.5", "NaN", "00", "-0", "+1", " 1", "0x10",
    ]

    private static let requests: [(RemotingCommand, [String])] = [
        (.put("t"), ["d", "e", "f", "g", "h", "j", "l", "m", "k"]),
        (
            .pull("t", wait: 50),
            [
                "queueId", "queueOffset", "maxMsgNums", "sysFlag", "commitOffset", "suspendTimeoutMillis",
                "subVersion", "maxMsgBytes",
            ]
        ),
        (.sendBack(0, group: "g", max: 3), ["offset", "delayLevel", "maxReconsumeTimes"]),
        (
            RemotingCommand(
                .queryMessage, ["topic": "t", "key": "k", "maxNum": "1", "beginTimestamp": "0", "endTimestamp": "1"]),
            ["maxNum", "beginTimestamp", "endTimestamp"]
        ),
        (RemotingCommand(.viewMessageByID, ["offset": "0"]), ["offset"]),
        (RemotingCommand(.queryConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "0"]), ["queueId"]),
        (
            RemotingCommand(
                .updateConsumerOffset, ["consumerGroup": "g", "topic": "t", "queueId": "0", "commitOffset": "0"]),
            ["queueId", "commitOffset"]
        ),
        (
            RemotingCommand(.searchOffsetByTimestamp, ["topic": "t", "queueId": "0", "timestamp": "0"]),
            ["queueId", "timestamp"]
        ),
        (RemotingCommand(.getMaxOffset, ["topic": "t", "queueId": "0"]), ["queueId"]),
        (RemotingCommand(.getMinOffset, ["topic": "t", "queueId": "0"]), ["queueId"]),
        (RemotingCommand(.getEarliestMessageStoreTime, ["topic": "t", "queueId": "0"]), ["queueId"]),
        (.topic("made"), ["readQueueNums", "writeQueueNums", "perm", "topicSysFlag"]),
    ]

    @Test func `numbers of every kind, everywhere, one after the other`() throws {
        let peer = try running.connect()
        _ = try peer.ask(.put("t"))
        _ = try peer.ask(.heartbeat(group: "g", topic: "t"))
        for (request, names) in Self.requests {
            for name in names {
                for number in Self.numbers {
                    var request = request
                    request[name] = number
                    let answer = try peer.ask(request)
                    #expect(
                        answer.responseCode == .success || answer.remark != nil, "\(request.code) \(name)=\(number)")
                }
                var missing = request
                missing[name] = nil
                _ = try peer.ask(missing)
            }
        }
        try expectService()
    }

    @Test func `progress beyond every message does not break statistics`() throws {
        let peer = try running.connect()
        _ = try peer.ask(.put("t"))
        _ = try peer.ask(.pull("t", wait: 10_000))
        _ = try peer.ask(.heartbeat(group: "g", topic: "t"))
        for offset in [Int64.max, Int64.max / 20 + 1, 1 << 40] {
            let update = RemotingCommand(
                .updateConsumerOffset,
                ["consumerGroup": "g", "topic": "t", "queueId": "0", "commitOffset": String(offset)])
            #expect(try peer.ask(update).responseCode == .success)
            #expect(try peer.ask(RemotingCommand(.getConsumeStats, ["consumerGroup": "g"])).responseCode == .success)
        }
        try expectService()
    }

    @Test func `requests without any fields or with bodies that are none are answered`() throws {
        let peer = try running.connect()
        let bodies: [[UInt8]] = [
            [], [0], Array("{".utf8), Array("null".utf8), Array("[[[[".utf8), [UInt8](repeating: 0xFF, count: 1000),
        ]
        for code in Array(Int32(0)...401) + Array(200_050...200_056) + [-1, 200_151, 32_767, 65_535, .max, .min] {
            for body in bodies {
                let answer = try peer.ask(RemotingCommand(RequestCode(rawValue: code), body: body))
                #expect(answer.responseCode == .success || answer.remark != nil, "\(code)")
            }
        }
        let unknown = try peer.ask(RemotingCommand(RequestCode(rawValue: 513)))
        #expect(
            unknown.responseCode == .requestCodeNotSupported && unknown.remark == " request type 513 not supported")
        try expectService()
    }

    @Test func `bodies deeper or larger than any real one are refused`() throws {
        let peer = try running.connect()
        let deep = Array(String(repeating: "{\"a\":", count: 100_000).utf8)
        let many = Array(
            ("{\"clientID\":\"c\",\"producerDataSet\":[" + String(repeating: "{},", count: 300_000) + "{}]}").utf8)
        for code in [
            RequestCode.heartBeat, .updateAndCreateSubscriptionGroup, .lockBatchMQ, .unlockBatchMQ, .checkClientConfig,
        ] {
            for body in [deep, many, [UInt8](repeating: 32, count: 8 << 20)] {
                #expect(try peer.ask(RemotingCommand(code, body: body)).responseCode != .success, "\(code)")
            }
        }
        try expectService()
    }

    @Test func `batches that lie about their lengths store nothing`() throws {
        let peer = try running.connect()
        var good = ByteBuffer()
        let body = Array("body".utf8)
        let properties = Array("UNIQ_KEY\u{1}u\u{2}".utf8)
        for _ in 0..<3 { MessageBatch.append(flag: 0, body: body.span, properties: properties.span, to: &good) }
        let bytes = good.toArray()
        func batch(_ body: [UInt8]) -> RemotingCommand {
            var send = RemotingCommand.put("batched", with: ["m": "true"])
            send.code = RequestCode.sendBatchMessage.rawValue
            send.body = body
            return send
        }
        for end in 0..<bytes.count where end % (bytes.count / 3) != 0 || end == 0 {
            #expect(try peer.ask(batch(Array(bytes[..<end]))).responseCode == .messageIllegal, "cut at \(end)")
        }
        for at in [0, 16, 24] {  // total size, body length, properties length of the first message
            for value in [UInt8(0x7F), 0x80, 0xFF] {
                var bad = bytes
                bad[at] = value
                #expect(try peer.ask(batch(bad)).responseCode == .messageIllegal, "\(value) at \(at)")
            }
        }
        var delayed = ByteBuffer()
        MessageBatch.append(flag: 0, body: body.span, properties: Array("DELAY\u{1}3".utf8).span, to: &delayed)
        #expect(try peer.ask(batch(delayed.toArray())).responseCode == .messageIllegal)
        #expect(try peer.ask(batch(bytes))["queueOffset"] == "0")
        try expectService()
    }

    @Test func `a batch of the smallest messages stays bounded`() throws {
        let peer = try running.connect()
        var body = ByteBuffer()
        while body.count < (4 << 20) - 22 { MessageBatch.append(flag: 0, body: Span(), properties: Span(), to: &body) }
        var send = RemotingCommand.put("tiny", with: ["m": "true"])
        send.code = RequestCode.sendBatchMessage.rawValue
        send.body = body.toArray()
        let answer = try peer.ask(send)
        #expect(answer.responseCode == .messageIllegal, "\(answer.code) \(answer.remark ?? "")")
        try expectService()
    }

    @Test(
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0], [0, 0, 0, 3], [0x16, 3, 1, 2], [0x7F, 0xFF, 0xFF, 0xFF],
            Array("GET / HTTP/1.1\r\n".utf8),
            [0, 0, 0, 8, 0, 0xFF, 0xFF, 0xFF], [0, 0, 0, 6, 9, 0, 0, 2, 0x7B, 0x7D], [0, 0, 0, 5, 0, 0, 0, 1, 0x7B],
            [0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, 0], Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8),
        ] as [[UInt8]])
    func `bytes that are no frame close the connection`(bytes: [UInt8]) throws {
        let peer = try running.connect()
        peer.send(RemotingCommand.put("before").frame())
        #expect(try peer.receive().responseCode == .success)
        peer.send(bytes + [UInt8](repeating: 0, count: 64))
        #expect(peer.isClosed())
        try expectService()
    }

    @Test func `a good request before a bad frame is still answered or at least stored once`() throws {
        let peer = try running.connect()
        peer.send(RemotingCommand.put("mixed").frame() + [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(peer.isClosed())
        let other = try running.connect()
        let next = try other.ask(.put("mixed"))
        #expect(next.responseCode == .success && ["0", "1"].contains(next["queueOffset"]))
    }

    @Test func `frames that never end cost what they have sent`() throws {
        var head = ByteBuffer()
        head.append(bigEndian: Int32(16 << 20))
        head.append(bigEndian: Int32(1 << 10))
        let before = try Self.residentByteCount()
        let peers = try (0..<400).map { _ in try running.connect() }
        for peer in peers { peer.send(head.toArray() + [UInt8](repeating: 0x20, count: 100)) }
        try expectService()
        // 400 claims of 16 MiB would be 6.25 GiB.
        #expect(try Self.residentByteCount() - before < 400 << 20)
        // One byte at a time is a frame too.
        let slow = try running.connect()
        for byte in RemotingCommand.put("slowly").frame() { slow.send([byte]) }
        #expect(try slow.receive().responseCode == .success)
    }

    @Test func `two thousand connections come and go`() throws {
        var peers: [RemotingPeer] = []
        for number in 0..<2000 {
            let peer = try running.connect()
            if number % 3 == 0 { peer.send([0, 0, 0]) }
            if number % 3 == 1 { peer.post(.pull("ordinary", wait: 15_000)) }
            peers.append(peer)
        }
        try expectService("with them")
        peers.removeAll()
        try expectService("without them")
    }

    @Test func `a peer that asks and never reads does not stop the others`() throws {
        let peer = try running.connect()
        for number in 0..<40 { _ = try peer.ask(.put("large", String(repeating: "x", count: 100_000 + number))) }
        _ = try peer.ask(.pull("large", wait: 10_000))
        let deaf = try running.connect()
        for _ in 0..<3000 { deaf.post(.pull("large")) }
        try expectService()
    }

    @Test func `topics of a flood are bounded by the configuration's limit, not by memory`() throws {
        let peer = try running.connect()
        for number in 0..<300 {
            #expect(try peer.ask(.put("flood\(number)", with: ["d": "2147483647"])).responseCode == .success)
        }
        try expectService()
    }

    private static func residentByteCount() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return (Int(text.split(separator: " ")[1]) ?? 0) * 4096
    }
}
