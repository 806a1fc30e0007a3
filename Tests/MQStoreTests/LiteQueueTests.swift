import Foundation
import MQBytes
import MQMessage
import MQTestKit
import Synchronization
import Testing

@testable import MQStore

/// Goal: a message stands once in the log and in each lite queue that it names, in the order it was stored, and so it stays
/// over stops, kills and damage.
@Suite struct LiteQueueTests {
    private static func config(_ config: inout StoreConfig) { config.servesLiteQueues = true }

    private static func message(_ number: Int, _ queues: String, topic: String = "T", also: String? = nil)
        -> TestMessage
    {
        var properties = [("INNER_MULTI_DISPATCH", queues), ("TAGS", "tag")]
        if let also { properties.append(("INNER_MULTI_QUEUE_OFFSET", also)) }
        return TestMessage(topic: topic, body: Array("m\(number)".utf8), properties: properties)
    }

    private func texts(_ store: TestStore, _ topic: String) throws -> [String] {
        try store.bodies(topic).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func `messages stand in their own queue and in those they name`() throws {
        let store = try TestStore(Self.config)
        try store.append(Self.message(0, "%LMQ%a,%LMQ%b"))
        try store.append([Self.message(1, "%LMQ%b"), Self.message(2, "%LMQ%a,%LMQ%b,%LMQ%a")])
        try store.settle()
        #expect(try texts(store, "T") == ["m0", "m1", "m2"])
        #expect(try texts(store, "%LMQ%a") == ["m0", "m2"])
        #expect(try texts(store, "%LMQ%b") == ["m0", "m1", "m2"])
        let unit = try #require(try store.store.existingQueue("%LMQ%b", 0)?.unit(at: 2))
        #expect(unit.tagsCode == Int64(javaHashCode(Array("tag".utf8).span)))
        let text = store.store.withRecord(at: unit.physicalOffset) { record, bytes in
            bytes.extracting(record.properties).toString()
        }
        let offsets = "INNER_MULTI_QUEUE_OFFSET\u{1}0000000000000000001,0000000000000000002\u{2}"
        #expect(
            text?.hasSuffix("INNER_MULTI_DISPATCH\u{1}%LMQ%a,%LMQ%b\u{2}" + offsets) == true,
            "each name once: \(text ?? "")")
    }

    @Test func `what a message says of its places counts nothing`() throws {
        let store = try TestStore(Self.config)
        try store.append(Self.message(0, "%LMQ%a", also: "77"))
        var bare = TestMessage(body: [1])
        bare.properties = [("INNER_MULTI_QUEUE_OFFSET", "5")]
        try store.append(bare)
        // No lite queue: no prefix, a way out of the folder, too long, nothing.
        for name in ["a", "%LMQ%../x", "%LMQ%a/b", "%LMQ%" + String(repeating: "x", count: 251), "%LMQ%\u{7f}", ""] {
            try store.append(Self.message(1, name))
        }
        try store.settle()
        #expect(try texts(store, "%LMQ%a") == ["m0"])
        #expect(store.store.topicsWithQueues.sorted() == ["%LMQ%a", "T"])
    }

    @Test(arguments: ["%RETRY%g", "SCHEDULE_TOPIC_XXXX", "rmq_sys_wheel_timer"])
    func `messages that wait for something stand in no lite queue`(topic: String) throws {
        let store = try TestStore(Self.config)
        try store.append(Self.message(0, "%LMQ%a", topic: topic, also: "0"))
        var half = Self.message(1, "%LMQ%a")
        half.sysFlag = .transactionPrepared
        try store.append(half)
        try store.append(Self.message(2, "%LMQ%a"))
        try store.settle()
        #expect(try texts(store, "%LMQ%a") == ["m2"])
    }

    @Test func `a store without lite queues leaves the properties alone`() throws {
        let store = try TestStore()
        try store.append(Self.message(0, "%LMQ%a", also: "0"))
        try store.settle()
        #expect(store.store.topicsWithQueues == ["T"])
    }

    @Test(arguments: ["stop", "kill", "power", "queues lost", "damaged"])
    func `queues go on where they were after`(how: String) throws {
        let store = try TestStore(Self.config)
        for number in 0..<400 {
            try store.append(Self.message(number, number.isMultiple(of: 2) ? "%LMQ%a,%LMQ%b" : "%LMQ%b"))
        }
        switch how {
        case "stop": try store.close()
        case "kill": store.crash()
        case "power":
            try store.settle()
            try store.crashMachine()
        case "queues lost":
            try store.settle()
            store.crash()
            try FileManager.default.removeItem(at: store.root.appending(path: "consumequeue"))
        default:
            try store.close()
            let file = store.root.appending(path: "consumequeue/%LMQ%a/0/00000000000000000000")
            try FileManager.default.removeItem(at: file)
            try Data(repeating: 7, count: 33).write(to: file)
        }
        try store.open()
        try store.append(Self.message(400, "%LMQ%a,%LMQ%b"))
        try store.settle()
        #expect(try texts(store, "%LMQ%a") == (0...400).filter { $0.isMultiple(of: 2) }.map { "m\($0)" })
        #expect(try texts(store, "%LMQ%b") == (0...400).map { "m\($0)" })
        try store.close()
    }

    @Test func `an append that fails gives places in lite queues back`() throws {
        guard let disk = SmallDisk(kilobytes: 400) else { return }
        let store = try TestStore {
            Self.config(&$0)
            $0.commitLogPath = disk.path + "/log"
        }
        try store.append(Self.message(0, "%LMQ%a"))
        let blocker = disk.path + "/blocker"
        try? Data(repeating: 1, count: 390 << 10).write(to: URL(filePath: blocker))
        var large = Self.message(1, "%LMQ%a,%LMQ%b")
        large.body = [UInt8](repeating: 1, count: 60_000)
        #expect(throws: AppendError.self) { for _ in 0..<8 { try store.append([large, large]) } }
        let taken = try #require(store.store.existingQueue("T", 0)).next.load(ordering: .relaxed)
        #expect(store.store.existingQueue("%LMQ%a", 0)?.next.load(ordering: .relaxed) == taken)
        #expect(store.store.existingQueue("%LMQ%b", 0)?.next.load(ordering: .relaxed) == taken - 1)
        try? FileManager.default.removeItem(atPath: blocker)
        try store.append(Self.message(2, "%LMQ%a"))
        try store.settle()
        #expect(try texts(store, "%LMQ%a").last == "m2")
        #expect(try texts(store, "%LMQ%a").count == Int(taken) + 1)
    }

    @Test func `over the limit no lite queue is made, and messages stand in those there are`() throws {
        let store = try TestStore {
            Self.config(&$0)
            $0.liteQueueCountMax = 2
        }
        try store.append(Self.message(0, "%LMQ%a,%LMQ%b,%LMQ%c"))
        try store.append(Self.message(1, "%LMQ%c"))
        try store.append(Self.message(2, "%LMQ%b"))
        try store.settle()
        #expect(try texts(store, "%LMQ%b") == ["m0", "m2"])
        #expect(store.store.topicsWithQueues.sorted() == ["%LMQ%a", "%LMQ%b", "T"])
        #expect(!store.store.hasRoomForLiteQueue)
    }

    @Test func `a deleted lite queue begins anew`() throws {
        let store = try TestStore(Self.config)
        for number in 0..<3 { try store.append(Self.message(number, "%LMQ%a")) }
        try store.settle()
        try store.store.deleteQueues(of: "%LMQ%a")
        try store.append(Self.message(3, "%LMQ%a"))
        try store.settle()
        #expect(try texts(store, "%LMQ%a") == ["m3"])
        store.crash()
        try store.open()
        #expect(try texts(store, "%LMQ%a") == ["m3"])
    }

    @Test func `records of lite queues pass the check of reads that wait for the disk`() throws {
        let store = try TestStore(Self.config)
        for number in 0..<3 { try store.append(Self.message(number, "%LMQ%a")) }
        try store.close()
        try store.open()
        let queue = try #require(store.store.existingQueue("%LMQ%a", 0))
        var result = ReadResult()
        var units = ByteBuffer()
        try store.store.read(
            queue, from: 0, limits: ReadLimits(), access: .waiting, units: &units, into: &result,
            matches: nil)
        let bytes = store.store.copy(&result, of: queue)
        #expect(result.messageCount == 3 && !bytes.isEmpty && store.store.damagedReads == 0)
    }
}
