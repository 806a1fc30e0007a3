import Foundation
import MQBase
import MQBytes
import MQMessage
import MQTestKit
import Testing

@testable import MQStore

/// Goal: a message is found by its key and by its time, whatever else has the same hash or the same time.
/// Method: every answer is compared with a walk over all messages; Java's folders with what Java answered.
@Suite struct QueryTests {
    private let always: ClosedRange<Int64> = 0...(.max / 2)

    private func offsets(
        _ store: TestStore, _ key: String, topic: String = "T", time: ClosedRange<Int64>? = nil, limit: Int = 64
    ) -> [Int64] {
        store.store.records(topic: topic, key: key, time: time ?? always, limit: limit).offsets
    }

    @Test(arguments: GoldenStore.all)
    func `a key finds in a folder of Java's what Java answered`(golden: GoldenStore) throws {
        let manifest = try golden.manifest()
        let folder = try TemporaryFolder()
        let root = try golden.unpack(into: folder.url)
        let store = try TestStore(golden.config(manifest, root: root), in: folder)
        for query in manifest.queryByKey + manifest.queryByUniqKey {
            let expected = (query.queueId_queueOffset_physicalOffset ?? []).map { $0[2] }
            #expect(offsets(store, query.key, topic: query.topic, limit: query.maxNum) == expected, "\(query.key)")
            #expect(expected.isEmpty == (query.code == 22))
        }
        let bounds = store.store.records(topic: "gold_normal", key: "absent", time: always, limit: 1)
        #expect(bounds.offsets == [] && bounds.lastTimestamp > 1_700_000_000_000 && bounds.lastOffset > 0)
    }

    @Test func `keys whose hashes collide are told apart`() throws {
        let store = try TestStore()
        // Java's hash of "Aa" and "BB" is the same, and so it is of every text made of them.
        let twins = ["AaAa", "AaBB", "BBAa", "BBBB"]
        #expect(Set(twins.map { javaHashCode(Array($0.utf8).span) }).count == 1)
        var places: [String: [Int64]] = [:]
        for number in 0..<400 {
            let key = number == 3 || number == 7 ? "BBBB" : twins[number % 3]
            let property = number % 2 == 0 ? "KEYS" : "UNIQ_KEY"
            places[key, default: []].append(try store.append(TestMessage(properties: [(property, key)])).physicalOffset)
        }
        try store.settle()
        for key in twins { #expect(offsets(store, key, limit: 1000) == places[key], "\(key)") }
        // Both lie behind hundreds of others in the chain, more than are asked for.
        #expect(offsets(store, "BBBB", limit: 2) == places["BBBB"])
        #expect(offsets(store, "AaAa", limit: 5) == places["AaAa"]?.suffix(5))
        #expect(offsets(store, "Aa") == [])
    }

    @Test func `a topic that has the same hash as another keeps its messages to itself`() throws {
        let store = try TestStore()
        let mine = try store.append(TestMessage(topic: "TAa", properties: [("KEYS", "k")])).physicalOffset
        let other = try store.append(TestMessage(topic: "TBB", properties: [("KEYS", "k")])).physicalOffset
        try store.settle()
        #expect(offsets(store, "k", topic: "TAa") == [mine])
        #expect(offsets(store, "k", topic: "TBB") == [other])
        #expect(offsets(store, "k", topic: "T") == [])
    }

    @Test func `index files are read by what they hold, whatever they are called`() throws {
        let store = try TestStore()
        let all = try (0..<1000).map { number in
            try store.append(TestMessage(properties: [("KEYS", "k n\(number)")])).physicalOffset
        }
        try store.close()
        let folder = store.root.appending(path: "index")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names.count > 3)
        for (number, name) in names.enumerated() {  // a clock that was set back between them
            try FileManager.default.moveItem(
                at: folder.appending(path: name), to: folder.appending(path: "2020010100000\(9000 - number)"))
        }
        try store.open()
        #expect(offsets(store, "k", limit: 10_000) == all)
        #expect(offsets(store, "k", limit: 10) == Array(all.suffix(10)))
        for number in stride(from: 0, to: 1000, by: 77) { #expect(offsets(store, "n\(number)") == [all[number]]) }
        let next = try store.append(TestMessage(properties: [("KEYS", "k")])).physicalOffset
        try store.settle()
        #expect(offsets(store, "k", limit: 2) == [all[999], next])
    }

    @Test func `a time range is kept to the second, count and bytes to the letter`() throws {
        let store = try TestStore()
        let start: Int64 = 1_700_000_000_000
        let all = try (0..<100).map { number in
            try store.append(
                TestMessage(body: [UInt8](repeating: 1, count: 1000), properties: [("KEYS", "k")]),
                at: start + Int64(number) * 1000
            ).physicalOffset
        }
        try store.settle()
        #expect(offsets(store, "k", time: (start + 10_000)...(start + 19_000)) == Array(all[10...19]))
        #expect(offsets(store, "k", time: (start + 10_001)...(start + 18_999)) == Array(all[10...18]))
        #expect(offsets(store, "k", time: 0...(start - 1)) == [])
        #expect(offsets(store, "k", time: (start + 101_000)...(.max - 999)) == [])
        #expect(offsets(store, "k", time: always, limit: 0) == [])
        let few = store.store.records(topic: "T", key: "k", time: always, limit: 64, byteCountMax: 5000)
        #expect(few.offsets == Array(all.suffix(4)))
        let one = store.store.records(topic: "T", key: "k", time: always, limit: 64, byteCountMax: 10)
        #expect(one.offsets == [all[99]])
    }

    // MARK: - By time

    /// What a search must answer, by looking at every message.
    private func expected(_ times: [Int64], from first: Int64, _ timestamp: Int64, isUpper: Bool) -> Int64 {
        if isUpper { return first + Int64(max(0, (times.lastIndex { $0 <= timestamp } ?? 0))) }
        return first + Int64(times.firstIndex { $0 >= timestamp } ?? times.count)
    }

    @Test(arguments: seeds)
    func `an offset is found by time as by a walk over all messages`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let store = try TestStore()
        var times: [[Int64]] = [[], [], []]
        var time: Int64 = 1_700_000_000_000
        for _ in 0..<700 {
            time += [0, 0, 0, 1, 2, 500].randomElement(using: &random) ?? 0  // many at the same millisecond
            let queue = Int.random(in: 0..<3, using: &random)
            try store.append(TestMessage(queueID: queue, body: [UInt8](repeating: 0, count: 100)), at: time)
            times[queue].append(time)
        }
        try store.settle()
        for round in 0..<2 {
            for id in 0..<3 {
                let queue = store.store.queue("T", id)
                let known = Array(times[id].dropFirst(Int(queue.minOffset)))
                for timestamp in probes(known) {
                    for isUpper in [false, true] {
                        let found = try store.store.searchOffset(queue, timestamp: timestamp, isUpper: isUpper)
                        let wanted = expected(known, from: queue.minOffset, timestamp, isUpper: isUpper)
                        #expect(found == wanted, "queue \(id) \(timestamp) \(isUpper) round \(round)")
                    }
                }
                // The second round: the log's first messages are gone, and some have not been noticed yet.
                try queue.correctMinimum(PhysicalOffset(rawValue: 20_000))
            }
        }
    }

    private func probes(_ times: [Int64]) -> Set<Int64> {
        var all: Set<Int64> = [.min, 0, .max]
        for time in times { all.formUnion([time - 1, time, time + 1]) }
        return all
    }

    @Test(arguments: GoldenStore.all)
    func `a folder of Java's is searched by time`(golden: GoldenStore) throws {
        let manifest = try golden.manifest()
        let folder = try TemporaryFolder()
        let root = try golden.unpack(into: folder.url)
        let store = try TestStore(golden.config(manifest, root: root), in: folder)
        for (topic, entry) in manifest.topics {
            for (id, messages) in entry.queues ?? [:] {
                let queue = try #require(store.store.existingQueue(topic, Int(id) ?? -1))
                let times = messages.messages.map(\.storeTimestamp)
                for timestamp in probes(times) {
                    for isUpper in [false, true] {
                        let found = try store.store.searchOffset(queue, timestamp: timestamp, isUpper: isUpper)
                        let wanted = expected(times, from: queue.minOffset, timestamp, isUpper: isUpper)
                        #expect(found == wanted, "\(topic) \(id) \(timestamp) \(isUpper)")
                    }
                }
            }
        }
    }
}
