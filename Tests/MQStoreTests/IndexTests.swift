import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: every key finds its messages, in Java's order and once, after a stop and after a crash.
@Suite struct IndexTests {
    private func send(_ store: TestStore, _ count: Int, keys: (Int) -> String) throws -> [Int64] {
        try (0..<count).map { number in
            try store.append(TestMessage(properties: [("KEYS", keys(number)), ("UNIQ_KEY", "U\(number)")]))
                .physicalOffset
        }
    }

    @Test func `every word of KEYS and the unique key are found`() throws {
        let store = try TestStore()
        let entry = try store.append(
            TestMessage(properties: [("KEYS", " one  two 键 "), ("UNIQ_KEY", "unique id"), ("OTHER", "x")]))
        try store.append(TestMessage(topic: "U", properties: [("KEYS", "one")]))
        try store.settle()
        for key in ["one", "two", "键", "unique id"] { #expect(store.indexed("T", key) == [entry.physicalOffset]) }
        for key in ["", "x", "unique", "one  two"] { #expect(store.indexed("T", key) == []) }
    }

    @Test func `a half message is found and a rolled-back one is not`() throws {
        let store = try TestStore()
        let half = try store.append(TestMessage(properties: [("KEYS", "k")], sysFlag: .transactionPrepared))
        try store.append(TestMessage(properties: [("KEYS", "k")], sysFlag: .transactionRollback))
        let done = try store.append(TestMessage(properties: [("KEYS", "k")], sysFlag: .transactionCommit))
        try store.settle()
        #expect(store.indexed("T", "k") == [half.physicalOffset, done.physicalOffset])
    }

    @Test func `the newest are found in the log's order, across files, within a time`() throws {
        let store = try TestStore()
        let offsets = try send(store, 1000) { _ in "k" }
        try store.settle()
        #expect(try FileManager.default.contentsOfDirectory(atPath: store.root.path + "/index").count == 6)
        let newest = store.store.indexedOffsets(topic: "T", key: "k", time: 0...(.max / 2), limit: 300)
        #expect(newest.offsets == Array(offsets.suffix(300)))
        #expect(newest.lastOffset == offsets.last)
        #expect(newest.lastTimestamp == store.now - 1)
        let none = store.store.indexedOffsets(topic: "T", key: "k", time: 0...1_600_000_000_000, limit: 64)
        #expect(none.offsets == [])
    }

    @Test func `files are named by the clock, so that names go in the order in which files are made`() throws {
        let begun = MessageIndex.name(SystemClock.wall())
        let store = try TestStore()
        _ = try send(store, 1000) { _ in "k" }  // whose times are years ago
        try store.settle()
        let names = try FileManager.default.contentsOfDirectory(atPath: store.root.path + "/index").sorted()
        #expect(names.count == 6 && names.allSatisfy { $0 >= begun })
        let starts = try names.map { name in
            let bytes = try Data(contentsOf: store.root.appending(path: "index/" + name))
            return bytes[16..<24].reduce(Int64(0)) { $0 << 8 | Int64($1) }  // the first record's place
        }
        #expect(starts == starts.sorted())
    }

    @Test func `a key that a message names twice finds it once`() throws {
        let store = try TestStore()
        let offsets = try send(store, 3) { _ in "k k k" }
        try store.settle()
        #expect(store.indexed("T", "k") == offsets)
    }

    @Test func `a message with more keys than an index file holds`() throws {
        let store = try TestStore()
        let keys = (0..<2000).map { "key\($0)" }
        let entry = try store.append(TestMessage(properties: [("KEYS", keys.joined(separator: " "))]))
        try store.settle()
        for key in keys { #expect(store.indexed("T", key) == [entry.physicalOffset]) }
        try store.close()
        try store.open()
        for key in keys { #expect(store.indexed("T", key) == [entry.physicalOffset]) }
    }

    @Test(arguments: [false, true])
    func `nothing is indexed twice and nothing is missing after a crash`(ofMachine: Bool) throws {
        let store = try TestStore()
        var offsets: [Int64] = []
        for round in 0..<6 {
            offsets += try send(store, 100) { "k r\(round)n\($0)" }
            try store.settle()
            offsets += try send(store, 30) { "k r\(round)m\($0)" }
            if round % 3 == 2 { try store.close() } else { store.crash() }
            let abort = store.root.appending(path: "abort")
            if ofMachine, FileManager.default.fileExists(atPath: abort.path) {
                try Data("17".utf8).write(to: abort)  // as Java leaves it: nothing tells that the page cache survived
            }
            try store.open()
            let found = store.store.indexedOffsets(topic: "T", key: "k", time: 0...(.max / 2), limit: 10_000)
            #expect(found.offsets == offsets)
            #expect(Set(found.offsets).count == found.offsets.count)
            for old in 0...round { #expect(store.indexed("T", "r\(old)n5").count == 1) }
        }
    }

    @Test func `an index that is torn, cut or foreign is built again`() throws {
        let store = try TestStore()
        let offsets = try send(store, 500) { _ in "k" }
        try store.close()
        let folder = store.root.appending(path: "index")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names.count == 3)
        for (number, damage) in [0, 1, 2, 0, 1, 2].enumerated() {
            let name = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()[number % 3]
            let file = try File(folder.path + "/" + name, .readWrite)
            switch damage {
            case 0: try file.truncate(to: 100)
            case 1: try file.write([UInt8](repeating: 0xFF, count: 40).span, at: 0)
            default: try file.write([UInt8](repeating: 0x7F, count: 40).span, at: 0)
            }
            try store.open()
            let found = store.store.indexedOffsets(topic: "T", key: "k", time: 0...(.max / 2), limit: 10_000)
            #expect(found.offsets == offsets, "damage \(damage) of file \(number % 3)")
            try store.close()
        }
    }

    @Test func `a store without keys does not read its whole log again after a crash`() throws {
        let store = try TestStore()
        for _ in 0..<20 { try store.append(TestMessage()) }
        try store.settle()
        let point = try #require(try store.store.keep())
        #expect(try store.store.writePoint(point))
        #expect(point.index.entries == 1)
        let keyed = try store.append(TestMessage(properties: [("KEYS", "k")]))
        try store.crashMachine()
        try store.open()
        #expect(store.store.index?.rebuildFrom == point.record.range.lowerBound)
        #expect(store.indexed("T", "k") == [keyed.physicalOffset])
        // Where files tell how far the index was, they count.
        store.crash()
        try store.open()
        #expect(store.store.index?.rebuildFrom == keyed.physicalOffset)
        store.crash()
    }

    @Test func `noise in slots and entries is no reason to stop`() throws {
        let store = try TestStore()
        _ = try send(store, 100) { "k\($0)" }
        try store.close()
        let folder = store.root.appending(path: "index")
        let name = try FileManager.default.contentsOfDirectory(atPath: folder.path)[0]
        var random = SeededRandom(seed: 5)
        let noise = (0..<3000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        try File(folder.path + "/" + name, .readWrite).write(noise.span, at: 40)
        try store.open()
        for number in 0..<100 { _ = store.indexed("T", "k\(number)") }
        _ = try send(store, 100) { "n\($0)" }
        try store.settle()
    }

    /// An index of files of nine entries, one a message: message `n` lies at `n` and was stored at second `n`.
    private func smallIndex(
        _ folder: TemporaryFolder, fullUntil: Int64 = 0, synced: RecoveryPoint.Index? = nil, isNew: Bool = false
    ) throws -> MessageIndex {
        let index = try MessageIndex(
            folder: folder.path, slotCount: 7, entryCount: 10,
            evidence: IndexEvidence(
                wasClean: isNew, isCacheIntact: isNew, fullUntil: fullUntil, synced: synced,
                end: PhysicalOffset(rawValue: 1_000_000)))
        try index.repair()
        return index
    }

    private func put(_ numbers: Range<Int>, in index: MessageIndex) throws {
        let hash = javaHashCode(Array("T#k".utf8).span)
        for number in numbers {
            let time = Timestamp(rawValue: 1_700_000_000_000 + Int64(number) * 1000)
            try index.fileForWriting(time).put(
                keyHash: IndexFile.keyHash(hash), physicalOffset: Int64(number), storeTimestamp: time.rawValue)
        }
    }

    private func found(_ index: MessageIndex) -> [Int64] {
        index.offsets(topic: "T", key: "k", time: 0...(.max / 2), limit: 99).reversed()
    }

    @Test func `after a crash of the machine a recovery point tells how far the index was on the disk`() throws {
        let folder = try TemporaryFolder()
        try put(0..<25, in: try smallIndex(folder, isNew: true))
        // It was written when the second file had three entries; the checkpoint's time may be of any moment.
        let synced = RecoveryPoint.Index(beginOffset: 9, endOffset: 11, endTimestamp: 1_700_000_011_999, entries: 4)
        for fullUntil in [0, 1_700_000_030_000] as [Int64] {
            let opened = try smallIndex(folder, fullUntil: fullUntil, synced: synced)
            #expect(found(opened) == Array(0..<12))
            #expect(opened.rebuildFrom == 11 && opened.holdsSynced && opened.fullUntil == 1_700_000_008_000)
        }
        let full = RecoveryPoint.Index(beginOffset: 0, endOffset: 8, endTimestamp: 1_700_000_008_999, entries: 10)
        let opened = try smallIndex(folder, synced: full)
        #expect(found(opened) == Array(0..<9) && opened.rebuildFrom == 8)
    }

    @Test func `without a recovery point the checkpoint vouches for full files`() throws {
        let folder = try TemporaryFolder()
        try put(0..<25, in: try smallIndex(folder, isNew: true))
        let opened = try smallIndex(folder, fullUntil: 1_700_000_017_000)
        #expect(found(opened) == Array(0..<18))
        #expect(opened.rebuildFrom == 17 && opened.fullUntil == 1_700_000_017_000)
        #expect(found(try smallIndex(folder, fullUntil: 1_700_000_016_000)) == Array(0..<9))
    }

    private func all(_ store: TestStore) -> [Int64] {
        store.store.indexedOffsets(topic: "T", key: "k", time: 0...(.max / 2), limit: 10_000).offsets
    }

    @Test func `a file that is built again is not what was told of the one that went`() throws {
        let store = try TestStore()
        let offsets = try send(store, 450) { _ in "k" }  // two full files and more
        try store.settle()
        let point = try #require(try store.store.keep())
        #expect(try store.store.writePoint(point))
        try store.crashMachine()
        let folder = store.root.appending(path: "index").path
        try File(folder + "/" + Directory.names(in: folder)[0], .readWrite).truncate(to: 100)
        try store.open()
        #expect(all(store) == offsets)
        // Nothing that was built is synced.
        #expect(store.store.checkpoint.current.index == 0)
        #expect(try RecoveryPoint.read(RecoveryPoint.path(in: store.root.path))?.index.entries == 0)
        try store.crashMachine()
        for name in try Directory.names(in: folder) {  // the first pages are there, entries are not
            let file = try File(folder + "/" + name, .readWrite)
            try file.zero(4096..<(try file.byteCount()))
        }
        try store.open()
        #expect(all(store) == offsets)
    }

    @Test func `a damaged file that went before the start was interrupted is missed`() throws {
        let store = try TestStore()
        let offsets = try send(store, 450) { _ in "k" }
        try store.close()
        let folder = store.root.appending(path: "index").path
        try Directory.removeFile(folder + "/" + (try #require(try Directory.names(in: folder).last)))
        try store.open()
        #expect(all(store) == offsets)
    }

    @Test func `an entry that comes while the file is synced is synced with the next`() throws {
        let folder = try TemporaryFolder()
        let watch = DuringSync(below: folder.path)
        defer { watch.end() }
        let index = try MessageIndex(
            folder: folder.path, slotCount: 7, entryCount: 10, evidence: .complete(end: PhysicalOffset(rawValue: 1000)))
        func put(_ offset: Int64) throws {
            try index.fileForWriting(Timestamp(rawValue: 1000)).put(
                keyHash: 3, physicalOffset: offset, storeTimestamp: 1000)
        }
        try put(1)
        watch.next {
            try? index.fileForWriting(Timestamp(rawValue: 1000)).put(
                keyHash: 3, physicalOffset: 2, storeTimestamp: 1000)
        }
        #expect(try index.synchronize(all: false).newest.entries == 2)
        let before = watch.count
        #expect(try index.synchronize(all: false).newest.entries == 3)
        #expect(watch.count == before + 1)
        _ = try index.synchronize(all: false)
        #expect(watch.count == before + 1)
    }

    @Test func `a chain that goes round ends`() throws {
        let folder = try TemporaryFolder()
        let path = folder.url.appending(path: "1").path
        let file = try IndexFile(path, slotCount: 4, entryCount: 10)
        for number in 0..<4 { try file.put(keyHash: 8, physicalOffset: Int64(number * 100), storeTimestamp: 1) }
        let next: [UInt8] = [0, 0, 0, 4]  // behind the second entry comes the fourth
        try File(path, .readWrite).write(next.span, at: 40 + 16 + 2 * 20 + 16)
        var offsets: [Int64] = []
        file.collect(keyHash: 8, time: 0...1000, limit: .max, into: &offsets)
        #expect(offsets == [300, 200, 100])
    }

    @Test func `an index that knows more than the log is built again`() throws {
        let store = try TestStore()
        let offsets = try send(store, 50) { _ in "k" }
        try store.settle()
        try store.crashMachine()
        try store.overwriteLog([UInt8](repeating: 0, count: 1 << 15), at: Int(offsets[20]))
        try store.open()
        #expect(store.indexed("T", "k") == Array(offsets[..<20]))
        let entry = try store.append(TestMessage(properties: [("KEYS", "k")]))
        #expect(entry.physicalOffset == offsets[20])
        try store.settle()
        #expect(store.indexed("T", "k") == Array(offsets[...20]))
    }

    @Test func `a process that died between two stores into the file hurts no chain`() throws {
        let folder = try TemporaryFolder()
        let path = folder.url.appending(path: "1").path
        let file = try IndexFile(path, slotCount: 4, entryCount: 10)
        for number in 0..<3 { try file.put(keyHash: 8, physicalOffset: Int64(number * 100), storeTimestamp: 1) }
        // The entry and the slot are written, the count is not.
        let raw = try File(path, .readWrite)
        var entry = ByteBuffer()
        entry.append(bigEndian: Int32(8))
        entry.append(bigEndian: Int64(300))
        entry.append(bigEndian: Int32(0))
        entry.append(bigEndian: Int32(3))
        try raw.write(entry.span, at: 40 + 16 + 4 * 20)
        let slot: [UInt8] = [0, 0, 0, 4]
        try raw.write(slot.span, at: 40)
        let again = try IndexFile(path, slotCount: 4, entryCount: 10)
        func found() -> [Int64] {
            var offsets: [Int64] = []
            again.collect(keyHash: 8, time: 0...1000, limit: 10, into: &offsets)
            return offsets
        }
        #expect(found() == [200, 100, 0])
        try again.put(keyHash: 8, physicalOffset: 300, storeTimestamp: 1)
        #expect(found() == [300, 200, 100, 0])
    }

    @Test func `the header and an entry are the bytes that Java reads`() throws {
        let folder = try TemporaryFolder()
        let path = folder.url.appending(path: "1").path
        let file = try IndexFile(path, slotCount: 4, entryCount: 10)
        try file.put(keyHash: 6, physicalOffset: 258, storeTimestamp: 1000)
        try file.put(keyHash: 2, physicalOffset: 259, storeTimestamp: 3500)
        let bytes = Array(try Data(contentsOf: URL(filePath: path)))
        #expect(bytes.count == 40 + 4 * 4 + 10 * 20)
        var expected: [UInt8] = [0, 0, 0, 0, 0, 0, 3, 0xE8, 0, 0, 0, 0, 0, 0, 0xD, 0xAC]
        expected += [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 1, 3]
        expected += [0, 0, 0, 1, 0, 0, 0, 3]
        expected += [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
        expected += [UInt8](repeating: 0, count: 20)
        expected += [0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0]
        expected += [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 0, 2, 0, 0, 0, 1]
        #expect(Array(bytes[..<expected.count]) == expected)
        #expect(IndexFile.keyHash(.min) == 0)
        #expect(IndexFile.keyHash(-5) == 5)
    }
}
