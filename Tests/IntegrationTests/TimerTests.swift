import Foundation
import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQTestKit
import RocketMQClient
import Testing

/// Goal: messages with a time of delivery are all delivered, and none before its time, whatever happens to the broker's process.
/// Method: a real broker, killed again and again while messages wait; the times that the store wrote are compared.
@Suite(.whereBuilt, .timeLimit(.minutes(3))) struct TimerTests {
    private struct Arrival {
        let number: Int
        let storedAt: Int64
    }

    private func send(_ number: Int, _ deliver: Int64, _ peer: RemotingPeer) throws -> Bool {
        let request = RemotingCommand(
            .sendMessageV2,
            [
                "a": "producers", "b": "TimedTopic", "c": "TBW102", "d": "1", "e": "0", "f": "0", "g": "1", "h": "0",
                "i": "TIMER_DELIVER_MS\u{1}\(deliver)\u{2}", "j": "0", "k": "false", "m": "false",
            ], body: Array(String(number).utf8))
        return try peer.ask(request).responseCode == .success
    }

    private func arrivals(_ port: Int, from start: Int64 = 0) throws -> [Arrival] {
        let peer = try RemotingPeer(port: port)
        var found: [Arrival] = []
        while true {
            let answer = try peer.ask(
                RemotingCommand(
                    .pullMessage,
                    [
                        "consumerGroup": "g", "topic": "TimedTopic", "queueId": "0",
                        "queueOffset": String(start + Int64(found.count)), "maxMsgNums": "32", "sysFlag": "4",
                        "commitOffset": "0", "suspendTimeoutMillis": "0", "subscription": "*", "subVersion": "0",
                        "expressionType": "TAG",
                    ]))
            guard answer.responseCode == .success else { return found }
            var rest = answer.body
            while !rest.isEmpty {
                let record = try MessageRecord(rest.span)
                let number = try #require(Int(String(decoding: rest[record.body], as: UTF8.self)))
                found.append(Arrival(number: number, storedAt: record.storeTimestamp.rawValue))
                rest.removeFirst(record.byteCount)
            }
        }
    }

    private static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    @Test(arguments: ["ASYNC_FLUSH", "SYNC_FLUSH"])
    func `kills lose no timed message and none is early`(flush: String) async throws {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker(
                [nameServer], ["flushDiskType": flush, "timerPrecisionMs": "200", "mappedFileSizeTimerLog": "8192"])
            var wanted: [Int: Int64] = [:]
            var random = SystemRandomNumberGenerator()
            for round in 0..<5 {
                let peer = try RemotingPeer(port: broker.port)
                for index in 0..<150 {
                    let deliver = Self.now + .random(in: 100...4000, using: &random)
                    let number = round * 1000 + index
                    if try send(number, deliver, peer) { wanted[number] = deliver }
                }
                try await broker.kill()
                try await broker.start()
            }
            #expect(wanted.count == 750)
            let expected = Set(wanted.keys)
            try await eventually("every timed message has come") {
                guard let found = try? arrivals(broker.port) else { return false }
                return Set(found.map(\.number)) == expected
            }
            for arrival in try arrivals(broker.port) {
                let deliver = try #require(wanted[arrival.number])
                #expect(arrival.storedAt >= deliver, "message \(arrival.number) is early")
            }
        }
    }

    @Test func `a stop in order delivers each message once`() async throws {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker([nameServer], ["timerPrecisionMs": "200"])
            for round in 0..<3 {
                let peer = try RemotingPeer(port: broker.port)
                for index in 0..<100 {
                    #expect(try send(round * 100 + index, Self.now + Int64(index * 20 + 100), peer))
                }
                try await broker.stop()
                try await broker.start()
            }
            try await eventually("every timed message has come") { (try? arrivals(broker.port))?.count ?? 0 >= 300 }
            #expect(try arrivals(broker.port).map(\.number).sorted() == Array(0..<300))
        }
    }

    @Test func `the Swift client delays a message`() async throws {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker([nameServer], ["timerPrecisionMs": "200"])
            let link = try ClusterLink(ClientOptions(nameServers: nameServer.address))
            link.start()
            let producer = try Producer(group: "p", link: link)
            try await producer.start()
            let began = Self.now
            var message = Message(topic: "TimedTopic", body: Array("7".utf8))
            message.delay = .milliseconds(600)
            let result = try await producer.send(message)
            #expect(result.status == .sendOK && result.recallHandle != nil)
            await producer.shutdown()
            await link.shutdown()
            try await eventually("the message has come") {
                (try? found(broker.port, "TimedTopic", queues: 4))?.isEmpty == false
            }
            #expect(try found(broker.port, "TimedTopic", queues: 4).allSatisfy { $0 >= began + 600 })
        }
    }

    @Test func `the Swift client takes a delayed message back`() async throws {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let broker = try await running.broker(
                [nameServer], ["timerPrecisionMs": "200", "recallMessageEnable": "true"])
            let port = broker.port
            let queue = MessageQueue(topic: "TimedTopic", brokerName: "broker-a", queueID: 0)
            let producer = try Producer(group: "p", client: ClientOptions(nameServers: nameServer.address))
            try await producer.withRunning { producer in
                var handles: [String] = []
                for number in 0..<2 {
                    var message = Message(topic: "TimedTopic", body: Array("\(number)".utf8))
                    message.delay = .seconds(3)
                    let sent = try await producer.send(message, to: queue)
                    handles.append(try #require(sent.recallHandle))
                    if number == 0 {
                        #expect(try await producer.recall(handles[0], topic: "TimedTopic") == sent.messageID)
                    }
                }
                for (handle, topic, words) in [
                    ("nonsense", "TimedTopic", "recall handle is invalid"), (handles[1], "bad topic", "illegal"),
                    (handles[1], "OtherTopic", "topic"),
                ] {
                    await #expect { try await producer.recall(handle, topic: topic) } throws: {
                        "\($0)".contains(words)
                    }
                }
                try await eventually("the other message has come") { (try? arrivals(port))?.isEmpty == false }
                #expect(try arrivals(port).map(\.number) == [1])
                await #expect { try await producer.recall(handles[1], topic: "TimedTopic") } throws: {
                    guard case ClientError.refused = $0 else { return false }
                    return true
                }
            }
        }
    }

    /// Store times of what lies in a topic's queues.
    private func found(_ port: Int, _ topic: String, queues: Int) throws -> [Int64] {
        let peer = try RemotingPeer(port: port)
        return try (0..<queues).flatMap { queue -> [Int64] in
            let answer = try peer.ask(
                RemotingCommand(.getEarliestMessageStoreTime, ["topic": topic, "queueId": String(queue)]))
            return answer.int64("timestamp").map { $0 > 0 ? [$0] : [] } ?? []
        }
    }
}
