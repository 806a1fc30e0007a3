import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: a unit's tags code is found where the unit says it is, is never another message's, and is laid down as Java reads it.
@Suite struct ExtensionTests {
    private let folder: TemporaryFolder
    /// Fewer than there are files: they are closed and opened again all the time.
    private let openFiles = OpenFiles<QueueFile>(max: 2)
    private var path: String { folder.url.path + "/T/0" }

    init() throws { folder = try TemporaryFolder() }

    /// Files of 100 bytes: four units and the blank behind them.
    private func opened(isWritten: Bool = true) throws -> QueueExtension {
        try QueueExtension(folder: path, fileByteCount: 100, isWritten: isWritten, open: openFiles)
    }

    private func settled(behind last: Int64?, wasClean: Bool = true) throws -> QueueExtension {
        let found = try opened()
        try found.settle(behind: last, wasClean: wasClean)
        return found
    }

    private func unit(_ number: Int64) -> ExtensionUnit {
        ExtensionUnit(tagsCode: number, storeTimestamp: 1000 + number)
    }

    private func add(_ codes: Range<Int64>, to target: QueueExtension) throws -> [Int64] {
        let addresses = codes.map { target.add(unit($0)) }
        try target.publish()
        return addresses
    }

    private func codes(_ addresses: [Int64], in target: QueueExtension) throws -> [Int64?] {
        var cursor = QueueExtension.Cursor()
        var codes: [Int64?] = []
        for address in addresses { codes.append(try target.tagsCode(at: address, &cursor)) }
        return codes
    }

    @Test func `a unit is the bytes that Java reads`() {
        var bytes: [UInt8] = []
        ExtensionUnit(tagsCode: -2, storeTimestamp: 258, bitMap: [0x80, 1]).append(to: &bytes)
        let expected: [UInt8] =
            [0, 22] + [UInt8](repeating: 255, count: 7) + [254, 0, 0, 0, 0, 0, 0, 1, 2, 0, 2, 0x80, 1]
        #expect(bytes == expected)
        #expect(ExtensionAddress.address(0) == .min)
        #expect(ExtensionAddress.isAddress(-2_147_483_649))
        #expect(!ExtensionAddress.isAddress(Int64(Int32.min)))
    }

    @Test(arguments: seeds)
    func `a unit reads back as it was written, and noise is none`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            let numbers: [Int64] = [.min, -1, 0, 1, .max, .random(in: .min ... .max, using: &random)]
            let count = [0, 1, 14, ExtensionUnit.byteCountMax - 20, Int.random(in: 0...500, using: &random)]
            let unit = ExtensionUnit(
                tagsCode: numbers.randomElement(using: &random) ?? 0,
                storeTimestamp: numbers.randomElement(using: &random) ?? 0,
                bitMap: (0..<(count.randomElement(using: &random) ?? 0)).map { _ in .random(in: 0...255, using: &random)
                })
            var bytes = [UInt8](repeating: 9, count: 3)
            unit.append(to: &bytes)
            #expect(ExtensionUnit(bytes.span, at: 3) == unit)
            #expect(ExtensionUnit(bytes.span.extracting(0..<(bytes.count - 1)), at: 3) == nil)
            let noise = (0..<40).map { _ in [0, 0, 0, 20, 22, 255, 127].randomElement(using: &random) ?? UInt8(0) }
            for at in 0...41 {
                if let found = ExtensionUnit(noise.span, at: at) { #expect(found.byteCount <= noise.count - at) }
                _ = ExtensionUnit.tagsCode(noise.span, at: at)
            }
        }
    }

    @Test func `units fill files, whose rest is marked, and are found by their addresses`() throws {
        let target = try settled(behind: nil)
        let addresses = try add(0..<10, to: target)
        #expect(addresses.map { ExtensionAddress.position($0) } == [0, 20, 40, 60, 100, 120, 140, 160, 200, 220])
        #expect(try codes(addresses, in: target) == (0..<10).map { Int64($0) })
        #expect(try codes(addresses.reversed(), in: target) == (0..<10).reversed().map { Int64($0) })
        let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        #expect(names == [0, 100, 200].map { Segment.name($0) })
        let first = Array(try Data(contentsOf: URL(filePath: path + "/" + names[0])))
        #expect(first.count == 100)
        #expect(Array(first[80...]) == [0xFF, 0xFF] + [UInt8](repeating: 0, count: 18))
        #expect(try target.unit(at: addresses[7]) == unit(7))
        for address in [Int64.min + 10, .min + 90, .min + 240, .min + 5000, -2_147_483_649, 0, .max] {
            #expect(try codes([address], in: target) == [nil], "\(address)")
        }
    }

    @Test(arguments: 0..<12)
    func `it goes on behind the last unit after a stop, and cuts what the queue does not know after a crash`(
        known: Int64
    ) throws {
        let addresses = try add(0..<12, to: settled(behind: nil))
        let last = known == 0 ? nil : addresses[Int(known) - 1]
        let after = try settled(behind: last, wasClean: false)
        let new = try add(100..<103, to: after)
        #expect(try codes(addresses.prefix(Int(known)) + new, in: after) == (0..<known).map { $0 } + [100, 101, 102])
        #expect(new[0] > last ?? .min - 0 || known == 0)
        let again = try settled(behind: new[2])
        #expect(try codes(try add(200..<201, to: again) + new, in: again) == [200, 100, 101, 102])
    }

    @Test func `a file that is full to its last bytes is gone on behind`() throws {
        for rest in [0, 1, 2, 3] {
            let folder = try TemporaryFolder()
            let path = folder.path + "/T/0"
            try Directory.create(path)
            var bytes: [UInt8] = []
            for number in 0..<3 { unit(Int64(number)).append(to: &bytes) }
            ExtensionUnit(tagsCode: 3, storeTimestamp: 1, bitMap: [UInt8](repeating: 1, count: 20 - rest)).append(
                to: &bytes)
            bytes += [UInt8](repeating: 0, count: rest)
            try Data(bytes).write(to: URL(filePath: path + "/" + Segment.name(0)))
            let target = try QueueExtension(folder: path, fileByteCount: 100, isWritten: true, open: openFiles)
            try target.settle(behind: nil, wasClean: true)
            let addresses = try add(7..<9, to: target)
            #expect(addresses.map(ExtensionAddress.position) == [100, 120])
            #expect(try codes(addresses, in: target) == [7, 8])
        }
    }

    @Test func `a lost unit's address is never given to another`() throws {
        let addresses = try add(0..<6, to: settled(behind: nil))
        let file = try File(path + "/" + Segment.name(100), .readWrite)
        try file.zero(0..<100)  // pages that never reached the disk
        let after = try settled(behind: addresses[5], wasClean: false)
        let new = try add(100..<102, to: after)
        #expect(new[0] > addresses[5])
        #expect(try codes(addresses + new, in: after) == [0, 1, 2, 3, nil, nil, 100, 101])
        // The same with nothing left at all.
        try Directory.removeTree(path)
        let empty = try settled(behind: new[1], wasClean: true)
        #expect(try add(7..<8, to: empty)[0] > new[1])
    }

    @Test func `files before the first unit go, the others stay`() throws {
        let target = try settled(behind: nil)
        let addresses = try add(0..<10, to: target)
        try target.removeFiles(before: addresses[4])
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).count == 2)
        #expect(try codes(addresses, in: target) == [nil, nil, nil, nil, 4, 5, 6, 7, 8, 9])
        let again = try opened(isWritten: false)
        #expect(try codes(addresses, in: again) == [nil, nil, nil, nil, 4, 5, 6, 7, 8, 9])
    }

    @Test func `a file of another length is refused where units are written, and read where not`() throws {
        let addresses = try add(0..<3, to: settled(behind: nil))
        let file = try File(path + "/" + Segment.name(0), .readWrite)
        try file.truncate(to: 90)
        #expect(throws: StoreOpenError.self) { try opened() }
        #expect(try codes(addresses, in: opened(isWritten: false)) == [0, 1, 2])
    }

    // MARK: - In a store

    private func read(_ store: TestStore, tag: String, _ topic: String = "T", _ id: Int = 0) throws -> [Int64] {
        let code = Int64(javaHashCode(Array(tag.utf8).span))
        var units = ByteBuffer()
        let queue = try #require(store.store.existingQueue(topic, id))
        let limits = ReadLimits(messageCount: 10_000, byteCount: 1 << 30, unitCount: 10_000)
        let result = try store.store.read(queue, from: queue.minOffset, limits: limits, units: &units) { $0 == code }
        var offsets: [Int64] = []
        let bytes = result.ranges.copy()
        var at = 0
        while at < bytes.count {
            let record = try MessageRecord(bytes.span.extracting(at..<bytes.count))
            offsets.append(record.queueOffset)
            at += record.byteCount
        }
        return offsets
    }

    @Test func `a filter looks at the tags code that lies in the extension`() throws {
        let store = try TestStore { $0.isExtensionWritten = true }
        for number in 0..<200 {
            try store.append(TestMessage(properties: [("TAGS", number % 10 == 3 ? "A" : "B")]))
        }
        try store.settle()
        let expected = stride(from: Int64(3), to: 200, by: 10).map { $0 }
        #expect(try read(store, tag: "A") == expected)
        #expect(try read(store, tag: "C") == [])
        try store.close()
        #expect(try StoreCheck.run(store.config).problems == [])
        store.config.isExtensionWritten = false
        try store.open()
        try store.append(TestMessage(properties: [("TAGS", "A")]))
        try store.settle()
        #expect(try read(store, tag: "A") == expected + [200])
        try store.close()
        store.config.isExtensionWritten = true
        try store.open()
        for _ in 0..<2 { try store.append(TestMessage(properties: [("TAGS", "A")])) }
        try store.settle()
        #expect(try read(store, tag: "A") == expected + [200, 201, 202])
        try store.close()
        let check = try StoreCheck.run(store.config)
        #expect(check.problems == [])
        #expect(check.extUnits == 202)
    }

    @Test func `a topic that is deleted takes its extension with it`() throws {
        let store = try TestStore { $0.isExtensionWritten = true }
        for number in 0..<100 { try store.append(TestMessage(queueID: number % 2, properties: [("TAGS", "A")])) }
        try store.settle()
        try store.store.deleteQueues(of: "T")
        #expect(!FileManager.default.fileExists(atPath: store.root.path + "/consumequeue_ext/T"))
        try store.append(TestMessage(properties: [("TAGS", "A")]))
        try store.settle()
        #expect(try read(store, tag: "A") == [0])
        try store.close()
        try store.open()
        #expect(try read(store, tag: "A") == [0])
    }

    @Test func `an extension that is gone leaves the filtering to the consumer`() throws {
        let store = try TestStore { $0.isExtensionWritten = true }
        for _ in 0..<5 { try store.append(TestMessage(properties: [("TAGS", "A")])) }
        try store.close()
        try FileManager.default.removeItem(at: store.root.appending(path: "consumequeue_ext"))
        try store.open()
        #expect(try read(store, tag: "B").count == 5)
        try store.append(TestMessage(properties: [("TAGS", "A")]))
        try store.settle()
        #expect(try read(store, tag: "B").count == 5)
    }

    @Test(arguments: ["clean", "crashed"])
    func `tags of Java's extension filter as Java's consumers were told`(state: String) throws {
        let golden = GoldenStore(version: "4.9.8", kind: state)
        let manifest = try golden.manifest()
        let folder = try TemporaryFolder()
        let root = try golden.unpack(into: folder.url)
        for isWritten in [false, true] {
            var config = golden.config(manifest, root: root)
            config.isExtensionWritten = isWritten
            let store = try TestStore(config, in: folder)
            var seen = 0
            for (topic, entry) in manifest.topics where topic != ScheduleTopic.name {
                for (id, queue) in entry.queues ?? [:] {
                    let tags = Dictionary(grouping: queue.messages) { $0.properties["TAGS"] ?? "" }
                    for (tag, messages) in tags {
                        let found = try read(store, tag: tag, topic, Int(id) ?? -1)
                        #expect(found == messages.map(\.queueOffset), "\(topic) \(id) \(tag)")
                        seen += found.count
                    }
                }
            }
            #expect(seen > 1000)
            try store.close()
        }
    }
}
