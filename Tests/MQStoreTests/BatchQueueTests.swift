import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: a queue of batches counts messages, finds the batch that holds an offset, and is found again after every end of
/// a store. Method: a model of what was sent beside it.
@Suite struct BatchQueueTests {
    /// What was sent to one queue.
    struct Model {
        struct Sent {
            let base: Int64
            let count: Int64
            let place: Int64
            let time: Int64
        }

        var sent: [Sent] = []
        var end: Int64 { sent.last.map { $0.base + $0.count } ?? 0 }
    }

    private func send(_ count: Int16, to store: TestStore, _ model: inout Model, queue: Int = 0, size: Int = 20) throws
    {
        let time = store.now
        let body = [UInt8](repeating: 65, count: size)
        let message =
            count == 1 && model.sent.count % 2 == 0
            ? TestMessage(topic: "B", queueID: queue, body: body) : .batch("B", of: count, body, queue: queue)
        let entry = try store.append(message)
        #expect(entry.queueOffset == model.end)
        model.sent.append(.init(base: model.end, count: Int64(count), place: entry.physicalOffset, time: time))
    }

    private func check(_ store: TestStore, _ model: Model, queue: Int = 0, from first: Int = 0) throws {
        let found = try #require(store.store.existingQueue("B", queue))
        #expect(found.holdsBatches)
        #expect((found.minOffset, found.maxOffset) == (model.sent[first...].first?.base ?? model.end, model.end))
        for sent in model.sent[first...] {
            for offset in sent.base..<sent.base + sent.count {
                let unit = try found.batch(at: offset)
                #expect(unit?.baseOffset == sent.base && unit.map { Int64($0.messageCount) } == sent.count, "\(offset)")
                #expect(unit?.unit.physicalOffset == sent.place && unit?.storeTimestamp == sent.time)
            }
        }
        #expect(try found.unit(at: model.end) == nil)
    }

    private func filled(_ count: Int = 40, seed: UInt64 = 5) throws -> (TestStore, Model) {
        let store = try TestStore(batchTopics: ["B"])
        var model = Model()
        var random = SeededRandom(seed: seed)
        for _ in 0..<count { try send(.random(in: 1...9, using: &random), to: store, &model) }
        try store.settle()
        return (store, model)
    }

    @Test func `a unit is the forty-six bytes that Java reads`() {
        let unit = BatchUnit(
            unit: QueueUnit(physicalOffset: 258, size: 3, tagsCode: -2), storeTimestamp: 1, baseOffset: 772,
            messageCount: 515)
        var buffer = ByteBuffer()
        unit.append(to: &buffer)
        let expected: [UInt8] =
            [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3] + [UInt8](repeating: 255, count: 7) + [254]
            + [0, 0, 0, 0, 0, 0, 0, 1] + [0, 0, 0, 0, 0, 0, 3, 4] + [2, 3] + [255, 255, 255, 255, 0, 0, 0, 0]
        #expect(buffer.toArray() == expected)
        #expect(BatchUnit(buffer.span, at: 0) == unit)
    }

    @Test func `a record carries the offset of its first message, in digits that its length allowed for`() throws {
        let store = try TestStore(batchTopics: ["B"]) { $0.appendsChecksum = true }
        try store.append(.batch("B", of: 12))
        // A base and a checksum that came with the message do not count.
        var forged = TestMessage.batch("B", of: 3, .text("x"))
        forged.properties += [("INNER_BASE", "7"), ("__CRC32#", "1234567890")]
        let entry = try store.append(forged)
        try store.settle()
        let text = store.store.withRecord(at: entry.physicalOffset) { record, bytes -> String? in
            let isWhole = record.hasIntactWhole(bytes)
            #expect(isWhole && record.queueOffset == 12)
            let batch = InnerBatch(bytes.extracting(record.properties), queueOffset: 0)
            #expect(batch?.baseOffset == 12 && batch?.messageCount == 3)
            return bytes.extracting(record.properties).toString()
        }
        #expect(text??.contains("INNER_BASE\u{1}0000000000000000012\u{2}") == true)
        #expect(store.store.existingQueue("B", 0)?.maxOffset == 15)
    }

    @Test(arguments: [
        "INNER_NUM\u{1}0\u{2}INNER_BASE\u{1}1\u{2}", "INNER_NUM\u{1}2\u{2}INNER_BASE\u{1}-1\u{2}",
        "INNER_NUM\u{1}40000\u{2}INNER_BASE\u{1}1\u{2}", "INNER_NUM\u{1}x\u{2}INNER_BASE\u{1}1\u{2}",
    ])
    func `numbers that can be none of a queue are no batch`(text: String) {
        let bytes = Array(text.utf8)
        #expect(InnerBatch(bytes.span, queueOffset: 4) == nil)
    }

    @Test(arguments: seeds)
    func `every message is found in its batch, across files, stops and crashes`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let store = try TestStore(batchTopics: ["B"])
        var models = [Model(), Model()]
        for _ in 0..<12 {
            for _ in 0..<Int.random(in: 0...30, using: &random) {
                let queue = Int.random(in: 0..<2, using: &random)
                try send(
                    Int16.random(in: 1...(Bool.random(using: &random) ? 1 : 40), using: &random), to: store,
                    &models[queue], queue: queue, size: Int.random(in: 0...900, using: &random))
                if Int.random(in: 0..<6, using: &random) == 0 { try store.settle() }
            }
            switch Int.random(in: 0..<3, using: &random) {
            case 0: try store.settle()
            case 1:
                try store.close()
                try store.open()
            default:
                store.crash()
                try store.open()
            }
            for queue in 0..<2 where !models[queue].sent.isEmpty { try check(store, models[queue], queue: queue) }
        }
    }

    @Test(arguments: seeds)
    func `a read begins with the batch that holds the offset and counts its messages`(seed: UInt64) throws {
        let (store, model) = try filled(60, seed: seed)
        let queue = try #require(store.store.existingQueue("B", 0))
        var random = SeededRandom(seed: seed)
        var units = ByteBuffer()
        for _ in 0..<200 {
            let offset = Int64.random(in: 0..<model.end, using: &random)
            let wanted = Int.random(in: 1...32, using: &random)
            let result = try store.store.read(
                queue, from: offset, limits: ReadLimits(messageCount: wanted), units: &units, matches: { _ in true })
            let first = try #require(model.sent.firstIndex { $0.base + $0.count > offset })
            var (next, count) = (first, 0)
            while next < model.sent.count, count == 0 || count + Int(model.sent[next].count) <= wanted {
                count += Int(model.sent[next].count)
                next += 1
            }
            #expect(result.status == .found && result.messageCount == count)
            #expect(result.nextOffset == model.sent[next - 1].base + model.sent[next - 1].count)
            let places = result.ranges.files.flatMap { result.ranges.runs[$0.runs].map(\.count) }.reduce(0, +)
            #expect(places == result.byteCount)
        }
    }

    @Test func `a loop reads a batch queue from memory`() throws {
        let (store, model) = try filled()
        let queue = try #require(store.store.existingQueue("B", 0))
        var units = ByteBuffer()
        var result = ReadResult()
        try store.store.read(
            queue, from: model.end - 1, limits: ReadLimits(), access: .inMemory(knownFrom: .zero), units: &units,
            into: &result, matches: nil)
        #expect(!result.needsDisk && result.nextOffset == model.end)
    }

    @Test func `the offset for a time is a batch's first message, or its last`() throws {
        let (store, model) = try filled()
        let queue = try #require(store.store.existingQueue("B", 0))
        let sent = model.sent[17]
        #expect(try store.store.searchOffset(queue, timestamp: sent.time, isUpper: false) == sent.base)
        #expect(try store.store.searchOffset(queue, timestamp: sent.time, isUpper: true) == sent.base + sent.count - 1)
    }

    @Test(arguments: [true, false])
    func `an expression over properties decides about each batch and message`(mayWait: Bool) throws {
        let store = try TestStore(batchTopics: ["B"])
        for number in 0..<40 {
            var message = TestMessage(topic: "B", body: [UInt8(number)])
            if number % 3 == 0 { message = .batch("B", of: Int16(1 + number % 5), [UInt8(number)]) }
            message.properties.append(("a", number % 4 < 2 ? "yes" : "no"))
            try store.append(message)
        }
        try store.settle()
        let queue = try #require(store.store.existingQueue("B", 0))
        let look = RecordLook { properties in properties.toString().contains("a\u{1}yes") ? .take : .leave }
        var units = ByteBuffer()
        var result = ReadResult()
        var found: [UInt8] = []
        var offset: Int64 = 0
        while offset < queue.maxOffset {
            try store.store.read(
                queue, from: offset, limits: ReadLimits(messageCount: 5),
                access: mayWait ? .waiting : .inMemory(knownFrom: .zero), units: &units, into: &result, matches: nil,
                records: look)
            #expect(!result.needsDisk)
            #expect(result.nextOffset > offset)
            for file in result.ranges.files {
                for run in result.ranges.runs[file.runs] {
                    var at = run.lowerBound
                    while at < run.upperBound {
                        let bytes = file.mapping.bytes(at..<run.upperBound)
                        let record = try MessageRecord(bytes)
                        found += bytes.extracting(record.body).toArray()
                        at += record.byteCount
                    }
                }
            }
            offset = result.nextOffset
        }
        let wanted = [UInt8](0..<40).filter { $0 % 4 < 2 }
        #expect(found == wanted)
    }

    @Test func `an inner batch is in the index once, under its own keys`() throws {
        let store = try TestStore(batchTopics: ["B"])
        var message = TestMessage.batch("B", of: 5)
        message.properties += [("UNIQ_KEY", "U"), ("KEYS", "a b")]
        let entry = try store.append(message)
        try store.settle()
        for key in ["U", "a", "b"] { #expect(store.indexed("B", key) == [entry.physicalOffset]) }
    }

    @Test func `retention removes files whose messages are all gone, and keeps the offsets`() throws {
        let store = try TestStore(batchTopics: ["B"])
        var model = Model()
        for _ in 0..<60 { try send(3, to: store, &model, size: 10_000) }
        try store.settle()
        var retaining = Retaining(store)
        try retaining.age(4)
        retaining.round()
        let first = try #require(model.sent.firstIndex { $0.place >= store.store.minOffset.rawValue })
        #expect(first > 16)
        try check(store, model, from: first)
        let folder = store.root.appending(path: "batchconsumequeue/B/0").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(names.first == Segment.name(Int64(first / 8 * 8 * 46)))
        try store.close()
        try store.open()
        try check(store, model, from: first)
        try send(2, to: store, &model)
        try store.settle()
        try check(store, model, from: first)
    }

    @Test(arguments: ["missing", "short", "zeroed", "elsewhere"])
    func `a damaged queue of batches is built again from the log`(damage: String) throws {
        let (store, model) = try filled()
        try store.close()
        let folder = store.root.appending(path: "batchconsumequeue/B/0").path
        let last = folder + "/" + Segment.name(Int64(model.sent.count - 1) / 8 * 8 * 46)
        switch damage {
        case "missing": try Directory.removeTree(folder)
        case "short": try File(last, .readWrite).truncate(to: 100)
        case "zeroed": try File(last, .readWrite).zero(0..<46 * 8)
        default: try File(last, .readWrite).write([0, 0, 0, 0, 0, 0, 9].span, at: (model.sent.count - 1) % 8 * 46)
        }
        try store.open()
        try check(store, model)
    }

    @Test func `a unit that a disk made none is passed over`() throws {
        let (store, model) = try filled()
        let queue = try #require(store.store.existingQueue("B", 0))
        let path = store.root.appending(path: "batchconsumequeue/B/0/" + Segment.name(46 * 8)).path
        try File(path, .readWrite).zero(46 * 3..<46 * 4)  // the unit 11
        #expect(try queue.batch(at: model.sent[11].base) == nil)
        for index in [3, 10, 12, 13, 30] {
            #expect(try queue.batch(at: model.sent[index].base)?.baseOffset == model.sent[index].base)
        }
        var units = ByteBuffer()
        let result = try store.store.read(
            queue, from: model.sent[11].base, limits: ReadLimits(messageCount: 1), units: &units, matches: { _ in true }
        )
        #expect(result.nextOffset == model.sent[12].base + model.sent[12].count)
    }

    @Test func `a deleted topic may come back with queues of the other kind`() throws {
        let (store, _) = try filled()
        store.store.setHoldsBatches("B", false)
        try store.store.deleteQueues(of: "B")
        #expect(!FileManager.default.fileExists(atPath: store.root.appending(path: "batchconsumequeue/B").path))
        let entry = try store.append(TestMessage(topic: "B"))
        #expect(entry.queueOffset == 0 && !entry.queue.holdsBatches)
        try store.settle()
        #expect(store.store.existingQueue("B", 0)?.maxOffset == 1)
        store.store.setHoldsBatches("B", true)  // not while it has messages
        #expect(!store.store.queue("B", 0).holdsBatches)
        try store.store.deleteQueues(of: "B")
        #expect(store.store.queue("B", 0).holdsBatches)
        #expect(try store.append(.batch("B", of: 4)).queueOffset == 0)
        #expect(try store.append(.batch("B", of: 4)).queueOffset == 4)
        try store.settle()
        #expect(store.store.existingQueue("B", 0)?.maxOffset == 8)
    }

    @Test func `what was not dispatched when a topic was deleted does not decide what it holds next`() throws {
        let store = try TestStore(batchTopics: ["B"])
        try store.append(.batch("B", of: 5))
        store.store.setHoldsBatches("B", false)
        try store.store.deleteQueues(of: "B")
        let entry = try store.append(TestMessage(topic: "B"))
        #expect(entry.queueOffset == 0 && !entry.queue.holdsBatches)
        try store.settle()
        let queue = try #require(store.store.existingQueue("B", 0))
        #expect(queue.maxOffset == 1 && !queue.holdsBatches)
        #expect(try queue.unit(at: 0)?.physicalOffset == entry.physicalOffset)
    }

    @Test func `what a topic held before its deletion does not come back`() throws {
        let (store, _) = try filled()
        try store.store.deleteQueues(of: "B")
        var model = Model()
        let entry = try store.append(.batch("B", of: 3))
        #expect(entry.queueOffset == 0)
        model.sent.append(.init(base: 0, count: 3, place: entry.physicalOffset, time: store.now - 1))
        try store.settle()
        try check(store, model)
        store.crash()
        try store.open()
        try check(store, model)
    }

    @Test func `an inner batch proves what its queue holds when the topic table is lost`() throws {
        let store = try TestStore(batchTopics: ["B"])
        var model = Model()
        for count: Int16 in [5, 1, 1, 7, 1] { try send(count, to: store, &model) }
        try store.settle()
        store.crash()
        try Directory.removeTree(store.root.appending(path: "batchconsumequeue").path)
        store.batchTopics = []
        try store.open()
        try check(store, model)
    }
}
