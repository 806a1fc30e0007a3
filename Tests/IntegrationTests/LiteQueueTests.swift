import Foundation
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQTestKit
import Testing

@testable import RocketMQClient

/// Goal: lite message queues between the real executables and the Swift client's producer: what was acknowledged stands in
/// every queue that it names, once and in order, also when the broker is killed in the middle.
@Suite(.serialized, .enabled(if: RunningCluster.isBuilt), .timeLimit(.minutes(3))) struct LiteQueueTests {
    private static let keys = ["enableLmq": "true", "enableMultiDispatch": "true"]

    @Test func `one send comes to many queues, and a killed broker loses none of them`() async throws {
        try await RunningCluster.run(Self.keys) { cluster in
            var options = Producer.Options()
            options.sendTimeout = .seconds(10)
            let producer = try Producer(group: "producers", options: options, client: cluster.client)
            try await producer.start()
            try await send(0..<100, producer)
            try await cluster.killBroker()
            try await cluster.startBroker()
            try await send(100..<200, producer)
            await producer.shutdown()
            let port = try #require(Int(cluster.brokerAddress.split(separator: ":").last ?? ""))
            let load = CrashLoad(port: port)
            for device in 0..<10 {
                let wanted = (0..<200).filter { $0 % 10 == device || $0 % 50 == 0 }
                var numbers: [Int] = []
                // Queues are a moment behind the answers to sends.
                for attempt in 0..<50 where numbers.count < wanted.count {
                    if attempt > 0 { _ = await pause(.milliseconds(100)) }
                    var seen: Set<String> = []  // a send that is tried again may stand twice
                    numbers = try await pull("%LMQ%device\(device)", load)
                        .filter { seen.insert($0).inserted }.compactMap { Int($0) }
                }
                #expect(numbers == wanted, "device \(device)")
            }
        }
    }

    /// Sends to one device each, and each fiftieth to all.
    private func send(_ numbers: Range<Int>, _ producer: Producer) async throws {
        for number in numbers {
            let devices = number % 50 == 0 ? Array(0..<10) : [number % 10]
            var message = Message(topic: "parent", body: Array(String(number).utf8))
            message.properties["INNER_MULTI_DISPATCH"] = devices.map { "%LMQ%device\($0)" }.joined(separator: ",")
            for attempt in 0... {
                do {
                    _ = try await producer.send(message)
                    break
                } catch {
                    if attempt > 60 { throw error }
                    _ = await pause(.milliseconds(250))
                }
            }
        }
    }

    private func pull(_ queue: String, _ load: CrashLoad) async throws -> [String] {
        let ends = try await load.ask(RemotingCommand(.getMaxOffset, ["topic": queue, "queueId": "0"]))
        let end = try #require(ends.int64("offset"))
        var bodies: [String] = []
        var offset: Int64 = 0
        while offset < end {
            let answer = try await load.pull(0, offset, topic: queue, group: "%LMQ%reader")
            offset = try #require(answer.int64("nextBeginOffset"))
            var rest = answer.body
            while !rest.isEmpty {
                let record = try MessageRecord(rest.span)
                #expect(String(decoding: rest[record.topic], as: UTF8.self) == "parent")
                bodies.append(String(decoding: rest[record.body], as: UTF8.self))
                rest.removeFirst(record.byteCount)
            }
        }
        return bodies
    }
}
