import Foundation
import MQBase
import MQBytes
import MQMessage
import MQTestKit
import Testing

@testable import MQStore

/// Goal: of a compacted queue the last message of each key is left, under its own offset, over restarts and the end of its
/// log; a file that is not whole costs nothing but another compaction.
@Suite struct CompactionTests {
    private static func message(_ key: String, _ text: String, tag: String = "t") -> TestMessage {
        TestMessage(
            topic: "C", body: Array(text.utf8), properties: [("KEYS", key), ("TAGS", tag)].filter { !$0.1.isEmpty })
    }

    private func compact(_ store: TestStore, keysMax: Int = 1000) throws -> Compaction.Outcome? {
        try store.settle()
        let queue = try #require(store.store.existingQueue("C", 0))
        return try store.store.compaction.compact(queue, of: store.store, keysMax: keysMax)
    }

    /// Offset and text of what is left from `offset` on.
    private func read(
        _ store: TestStore, from offset: Int64 = 0, limits: ReadLimits = ReadLimits(), tag: String? = nil
    ) throws -> (result: ReadResult, texts: [String])? {
        let queue = store.store.queue("C", 0)
        let code = tag.map { Int64(javaHashCode(Array($0.utf8).span)) }
        let found = try store.store.compaction.read(
            queue, from: offset, limits: limits, matches: code.map { code in { $0 == code } })
        guard var (result, bytes) = found else { return nil }
        var texts: [String] = []
        while !bytes.isEmpty {
            let record = try MessageRecord(bytes.span)
            texts.append("\(record.queueOffset) \(String(decoding: bytes[record.body], as: UTF8.self))")
            bytes.removeFirst(record.byteCount)
        }
        result.releaseFiles()
        return (result, texts)
    }

    @Test func `the last message of each key is left, one without a body takes its key away`() throws {
        let store = try TestStore()
        for (key, text) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("", "5"), ("c", "")] {
            try store.append(Self.message(key, text))
        }
        #expect(try compact(store) == Compaction.Outcome(kept: 2, end: 6))
        #expect(try read(store)?.texts == ["1 2", "2 3"])
        #expect(try compact(store) == nil, "nothing is new")
        try store.append(Self.message("b", "7"))
        try store.append(Self.message("d", "8"))
        #expect(try compact(store) == Compaction.Outcome(kept: 3, end: 8))
        #expect(try read(store)?.texts == ["2 3", "6 7", "7 8"])
        #expect(try read(store, from: 3)?.texts == ["6 7", "7 8"])
        #expect(try read(store, from: 8) == nil, "the log goes on there")
        let names = try FileManager.default.contentsOfDirectory(
            atPath: store.root.appending(path: "compacted/C/0").path)
        #expect(names == ["00000000000000000008"])
    }

    @Test func `what of it lies in old files of the log and is not copied is known`() throws {
        let store = try TestStore()
        for number in 0..<3 { try store.append(Self.message("k\(number)", "\(number)")) }
        try store.settle()
        let queue = try #require(store.store.existingQueue("C", 0))
        let places = try (0..<3).map { try #require(try queue.unit(at: $0)).physicalOffset }
        func lacks(_ logOffset: Int64) throws -> Bool {
            try store.store.compaction.lacks(queue, before: PhysicalOffset(rawValue: logOffset))
        }
        #expect(try [places[0], places[0] + 1, places[2], 1 << 20].map(lacks) == [false, true, true, true])
        _ = try compact(store)
        #expect(try [places[0] + 1, 1 << 20].map(lacks) == [false, false])
        try store.append(Self.message("k9", "9"))
        try store.settle()
        #expect(try [places[2] + 1, 1 << 20].map(lacks) == [false, true])
    }

    @Test func `reads keep to their limits and go on where they stopped`() throws {
        let store = try TestStore()
        for number in 0..<300 {
            try store.append(Self.message("k\(number)", "\(number)", tag: number % 3 == 0 ? "x" : "y"))
        }
        _ = try compact(store)
        var (offset, texts) = (Int64(0), [String]())
        while let (result, found) = try read(store, from: offset, limits: ReadLimits(messageCount: 7), tag: "x") {
            #expect(result.messageCount <= 7 && result.nextOffset > offset)
            #expect(result.status.name.description == (found.isEmpty ? "NO_MATCHED_MESSAGE" : "FOUND"))
            texts += found
            offset = result.nextOffset
        }
        #expect(offset == 300)
        #expect(texts == (0..<300).filter { $0 % 3 == 0 }.map { "\($0) \($0)" })
    }

    @Test func `keys for which there is no room wait for the next time`() throws {
        let store = try TestStore()
        for number in 0..<10 { try store.append(Self.message("k\(number % 4)", "\(number)")) }
        #expect(try compact(store, keysMax: 3) == Compaction.Outcome(kept: 3, end: 3))
        var last: Compaction.Outcome?
        while let outcome = try compact(store, keysMax: 3) { last = outcome }
        #expect(last == Compaction.Outcome(kept: 4, end: 10))
        #expect(try read(store)?.texts == ["6 6", "7 7", "8 8", "9 9"])
    }

    @Test(arguments: ["stop", "kill"])
    func `what is left is found again after`(how: String) throws {
        let store = try TestStore()
        for number in 0..<20 { try store.append(Self.message("k\(number % 4)", "\(number)")) }
        _ = try compact(store)
        if how == "stop" { try store.close() } else { store.crash() }
        try Data("half a file".utf8).write(to: store.root.appending(path: "compacted/C/0/new"))
        try store.open()
        #expect(try read(store)?.texts == ["16 16", "17 17", "18 18", "19 19"])
        #expect(!FileManager.default.fileExists(atPath: store.root.appending(path: "compacted/C/0/new").path))
        try store.append(Self.message("k1", "20"))
        #expect(try compact(store)?.kept == 4)
        store.crash()
    }

    @Test(arguments: [0, 1, 2, 3])
    func `a file that was damaged is made again, or serves what is whole`(part: Int) throws {
        let store = try TestStore()
        for number in 0..<20 { try store.append(Self.message("k\(number % 4)", "\(number)")) }
        _ = try compact(store)
        try store.close()
        let file = store.root.appending(path: "compacted/C/0/00000000000000000020")
        var bytes = try Data(contentsOf: file)
        switch part {
        case 0: bytes.removeLast(7)
        case 1: bytes[bytes.count - 20] ^= 1
        case 2: bytes[88] ^= 0xFF  // the body of the first record
        default: bytes[bytes.count - CompactedFile.footerByteCount - 46 + 3] ^= 0xFF  // the last unit
        }
        try bytes.write(to: file)
        try store.open()
        if part < 2 {
            #expect(try read(store) == nil)
            #expect(try compact(store) == Compaction.Outcome(kept: 4, end: 20))
            #expect(try read(store)?.texts.count == 4)
        } else {
            #expect(try read(store)?.texts.count == 3)
        }
        store.crash()
    }

    @Test func `a topic that is deleted leaves nothing, and one made again begins anew`() throws {
        let store = try TestStore()
        for number in 0..<5 { try store.append(Self.message("k", "\(number)")) }
        _ = try compact(store)
        try store.store.deleteQueues(of: "C")
        #expect(try read(store) == nil)
        #expect(!FileManager.default.fileExists(atPath: store.root.appending(path: "compacted/C").path))
        try store.append(Self.message("k", "new"))
        #expect(try compact(store) == Compaction.Outcome(kept: 1, end: 1))
        #expect(try read(store)?.texts == ["0 new"])
    }

    @Test func `what is not on the disk is not compacted`() throws {
        let store = try TestStore()
        try store.append(Self.message("k", "0"))
        try store.settle()
        try store.append(Self.message("k", "1"))
        try store.store.dispatcher.catchUp { _ in }
        let queue = try #require(store.store.existingQueue("C", 0))
        #expect(queue.maxOffset == 2)
        let outcome = try store.store.compaction.compact(queue, of: store.store, keysMax: 10)
        #expect(outcome == Compaction.Outcome(kept: 1, end: 1))
    }
}
