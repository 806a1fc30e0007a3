import Foundation
import MQConfig
import MQProtocol
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: the number of I/O loops is what the configuration says, and nobody can tell from the answers.
@Suite struct LoopCountTests {
    @Test(arguments: [
        ("", 1, 1), ("", 3, 1), ("", 4, 2), ("", 64, 2), ("flushDiskType=SYNC_FLUSH", 64, 1),
        ("serverSelectorThreads=3", 1, 3),
        ("flushDiskType=SYNC_FLUSH\nserverSelectorThreads=4", 1, 4),
    ])
    func `flush type and processors decide, unless the key does`(
        text: String, processors: Int, expected: Int
    ) throws {
        let (values, _) = try ConfigTable.broker.load(
            text: text, fileName: "broker.conf", on: ConfigMachine(home: "/tmp"))
        #expect(try BrokerConfig(values).loopCount(processors: processors) == expected)
    }

    @Test(arguments: ["ASYNC_FLUSH", "SYNC_FLUSH"])
    func `producers on several loops and one queue: every message once, each producer's in its order`(
        flush: String
    ) throws {
        let running = try RunningBroker(["serverSelectorThreads": "4", "flushDiskType": flush])
        let peers = try (0..<12).map { _ in try running.connect() }
        let count = 50
        for message in 0..<count {
            for (index, peer) in peers.enumerated() { peer.post(.put("t", "\(index) \(message)")) }
        }
        var offsets = Set<String>()
        for peer in peers {
            for _ in 0..<count {
                let answer = try peer.receive()
                try #require(answer.responseCode == .success, "\(answer)")
                offsets.insert(try #require(answer["queueOffset"]))
            }
        }
        #expect(offsets == Set((0..<peers.count * count).map(String.init)))
        var next = [Int](repeating: 0, count: peers.count)
        var from: Int64 = 0
        while from < Int64(peers.count * count) {
            // Whichever loop asks.
            let answer = try peers[Int(from) % peers.count].ask(.pull("t", from: from, wait: 10_000))
            let found = try Pulled.all(answer)
            try #require(!found.isEmpty, "\(answer)")
            for message in found {
                let parts = message.text.split(separator: " ").compactMap { Int($0) }
                #expect(next[parts[0]] == parts[1])
                next[parts[0]] += 1
            }
            from += Int64(found.count)
        }
        #expect(next.allSatisfy { $0 == count })
    }
}
