import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// A store, and the retention of it with a clock and disks that the test moves.
struct Retaining {
    static let hour: Int64 = 3_600_000

    let store: TestStore
    var settings = RetentionSettings()
    var worker: RetentionWorker
    /// The hour 4 of some day, local time.
    var time: Int64
    var now = Instant(nanoseconds: 1 << 40)

    init(
        _ store: TestStore, percent: @escaping () -> UInt64 = { 20 },
        mayDelete: @escaping (PhysicalOffset, Bool) -> Bool = { _, _ in true }
    ) {
        self.store = store
        let noon = SystemClock.wall().rawValue
        time = noon + (4 - Int64(SystemClock.local(Timestamp(rawValue: noon)).hour)) * Self.hour
        var parts = store.store.retentionParts
        parts.usage = { _ in DiskUsage(used: percent(), available: 100 - percent()) }
        parts.mayDelete = mayDelete
        worker = RetentionWorker(parts)
    }

    /// Sets the modification time of the first `count` log files back behind what is kept.
    func age(_ count: Int) throws {
        let old = Date(timeIntervalSince1970: Double(time) / 1000 - 73 * 3600)
        for segment in store.store.log.files.prefix(count) {
            try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: segment.path)
        }
    }

    /// One round; `steps` pauses go by before it is stopped.
    mutating func round(steps: Int = .max) {
        var left = steps
        worker.round(settings, time: Timestamp(rawValue: time), now: now) { _ in
            left -= 1
            return left > 0
        }
        now = now.advanced(byMilliseconds: 10_000)
    }
}

/// Goal: what is expired goes, nothing else does, readers are never shown what is gone, and a store that was interrupted
/// anywhere is sound. Method: stores with small files, modification times set back, rounds by hand.
@Suite struct RetentionTests {
    /// 60 messages of 10 kB, six a file; some keys; a second queue that ends early.
    private func filled(_ count: Int = 60) throws -> TestStore {
        let store = try TestStore()
        for number in 0..<count {
            let queue = number < 8 && number % 2 == 1 ? 1 : 0
            try store.append(
                TestMessage(
                    queueID: queue, body: [UInt8](repeating: UInt8(number), count: 10_000),
                    properties: [("KEYS", "k\(number) all")]))
        }
        try store.settle()
        return store
    }

    private func names(_ store: TestStore, _ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: store.root.appending(path: path).path).sorted()
    }

    private func firsts(_ store: TestStore, _ queue: Int = 0) throws -> [UInt8] {
        try store.bodies("T", queue).compactMap(\.first)
    }

    @Test func `expired files go and queues follow`() throws {
        let store = try filled()
        var retaining = Retaining(store)
        try retaining.age(3)
        retaining.time += Retaining.hour  // five o'clock
        retaining.round()
        #expect(try names(store, "commitlog").count == 10)
        retaining.time -= Retaining.hour
        retaining.round()
        #expect(try names(store, "commitlog").first == Segment.name(3 << 16))
        #expect(store.store.minOffset == PhysicalOffset(rawValue: 3 << 16))
        #expect(try firsts(store) == (18..<60).map { UInt8($0) })
        let queue = store.store.queue("T", 0)
        #expect((queue.minOffset, queue.maxOffset) == (14, 56))
        let other = store.store.queue("T", 1)
        #expect((other.minOffset, other.maxOffset) == (4, 4))
        var units = ByteBuffer()
        let result = try store.store.read(queue, from: 3, limits: ReadLimits(), units: &units) { _ in true }
        #expect(result.status == .offsetTooSmall)
        #expect(result.nextOffset == 14)
        #expect(retaining.worker.retired.isEmpty)
        try store.close()
        try store.open()
        #expect(try firsts(store) == (18..<60).map { UInt8($0) })
        #expect(store.store.queue("T", 1).minOffset == 4)
        #expect(try store.append(TestMessage(queueID: 1, body: [99])).queueOffset == 4)
        store.crash()
        try store.open()
        #expect(try firsts(store, 1) == [99])
    }

    @Test func `the last file stays whatever its age, and what is not dispatched or not on the disk`() throws {
        let store = try filled(30)
        var retaining = Retaining(store)
        for number in 30..<60 { try store.append(TestMessage(body: [UInt8](repeating: UInt8(number), count: 10_000))) }
        try retaining.age(10)
        retaining.round()
        // Files up to the one that dispatch has reached: 30 messages, five files.
        #expect(store.store.minOffset == PhysicalOffset(rawValue: 4 << 16) || store.store.minOffset.rawValue == 5 << 16)
        try store.settle()
        #expect(try firsts(store).last == 59)
        retaining.round()
        #expect(try names(store, "commitlog") == [Segment.name(9 << 16)])
        #expect(try firsts(store) == (54..<60).map { UInt8($0) })
        retaining.round()
        #expect(try firsts(store).count == 6)
    }

    @Test func `files of queues and index that nothing needs go, the last ones stay`() throws {
        let store = try TestStore()
        for number in 0..<1000 {
            try store.append(
                TestMessage(
                    body: [UInt8](repeating: 7, count: 1000), properties: [("KEYS", "k\(number)")]))
        }
        try store.settle()
        #expect(try names(store, "consumequeue/T/0").count == 4)
        let indexed = try names(store, "index")
        #expect(indexed.count == 3)
        var retaining = Retaining(store)
        try retaining.age(100)
        retaining.round()
        retaining.round()
        let first = store.store.queue("T", 0).minOffset
        #expect(first >= 900)
        #expect(try names(store, "consumequeue/T/0") == [Segment.name(18_000)])
        #expect(try names(store, "index") == [indexed[2]])
        #expect(store.indexed("T", "k999").count == 1)
        #expect(try store.bodies().count == 1000 - Int(first))
        // What the index still has from before the log begins is no message.
        let gone = store.indexed("T", "k850")
        #expect(gone.allSatisfy { store.store.withRecord(at: $0) { _, _ in true } == nil })
        store.crash()
        try store.open()
        #expect(store.store.queue("T", 0).minOffset == first)
        #expect(store.indexed("T", "k999").count == 1)
    }

    @Test func `who reads a file that goes reads on, and its room comes back afterwards`() throws {
        let store = try filled()
        var retaining = Retaining(store)
        try retaining.age(1)
        let segment = store.store.log.files[0]
        let path = segment.path
        var mapping: Mapping? = try segment.mapping
        segment.close()  // as if it had not been read for long
        var later: Mapping? = try segment.mapping
        #expect(mapping !== later)
        retaining.round()
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(retaining.worker.retired.map(\.byteCount) == [1 << 16])
        #expect(mapping.map { $0.bytes(0..<4)[1] } == later.map { $0.bytes(0..<4)[1] })
        #expect(throws: SystemError.self) { _ = try segment.mapping }
        later = nil
        retaining.round()
        #expect(retaining.worker.retired.count == 1)
        mapping = nil
        retaining.round()
        #expect(retaining.worker.retired.isEmpty)
    }

    @Test func `what a read found stays readable when its file is deleted`() throws {
        let store = try TestStore { $0.hotByteCount = 100_000 }
        for number in 0..<30 { try store.append(TestMessage(body: [UInt8](repeating: UInt8(number), count: 10_000))) }
        try store.settle()
        var units = ByteBuffer()
        func read() throws -> ReadResult {
            try store.store.read(
                store.store.queue("T", 0), from: 0, limits: ReadLimits(coldMessageCount: 4), units: &units
            ) { _ in true }
        }
        let result = try read()
        #expect(result.messageCount == 4)
        let before = result.ranges.copy()
        var retaining = Retaining(store)
        try retaining.age(2)
        retaining.round()
        #expect(result.ranges.copy() == before)
        #expect(try read().status == .offsetTooSmall)
    }

    @Test(arguments: 1...14)
    func `an interruption at any step leaves a sound store that the next round finishes`(steps: Int) throws {
        let store = try TestStore { $0.consumeQueueFileByteCount = 200 }
        for number in 0..<60 {
            try store.append(
                TestMessage(
                    body: [UInt8](repeating: UInt8(number), count: 10_000),
                    properties: [("KEYS", "k\(number) a b c d e")]))
        }
        try store.settle()
        var retaining = Retaining(store)
        try retaining.age(6)
        retaining.round(steps: steps)
        if steps % 2 == 0 { store.crash() } else { try store.close() }
        try store.open()
        let min = store.store.minOffset.rawValue >> 16
        #expect(min >= 1 && min <= 6)
        #expect(try firsts(store) == (UInt8(min * 6)..<60).map { $0 })
        retaining = Retaining(store)
        retaining.round()
        #expect(store.store.minOffset.rawValue == 6 << 16)
        #expect(try firsts(store) == (36..<60).map { UInt8($0) })
        #expect(try names(store, "consumequeue/T/0").first == Segment.name(600))
        #expect(store.indexed("T", "k59").count == 1)
    }

    @Test func `a file that cannot be deleted holds those behind it`() throws {
        let store = try filled()
        var retaining = Retaining(store)
        try retaining.age(5)
        let path = store.store.log.files[1].path
        try FileManager.default.moveItem(atPath: path, toPath: path + ".kept")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try retaining.age(5)
        retaining.round()
        retaining.round()
        #expect(store.store.minOffset.rawValue == 1 << 16)
        #expect(FileManager.default.fileExists(atPath: store.logFile(2 << 16).path))
        try FileManager.default.removeItem(atPath: path)
        retaining.now = retaining.now.advanced(byMilliseconds: retaining.settings.retryMilliseconds)
        retaining.round()  // it is gone, whoever did that
        #expect(store.store.minOffset.rawValue == 5 << 16)
    }

    @Test func `a file that somebody needs holds those behind it, and is asked for again`() throws {
        let store = try filled()
        let limit = Lock<Int64>(2 << 16)
        let asked = Lock<[Bool]>([])
        let percent = Lock<UInt64>(86)
        var retaining = Retaining(store, percent: { percent.withLock { $0 } }) { end, isFull in
            asked.withLock { $0.append(isFull) }
            return end.rawValue <= limit.withLock { $0 }
        }
        retaining.round()
        retaining.round()
        #expect(store.store.minOffset.rawValue == 2 << 16)
        #expect(asked.withLock { $0 } == [false, false, false, false])  // three files, and the third again
        #expect(try firsts(store).first == 12)
        percent.withLock { $0 = 95 }
        limit.withLock { $0 = .max }
        retaining.round()
        #expect(asked.withLock { $0 }.suffix(7) == [Bool](repeating: true, count: 7))
        #expect(store.store.minOffset.rawValue == 9 << 16)
    }

    @Test func `a full disk refuses messages, shows what there is, and takes them again`() throws {
        let store = try filled()
        let percent = Lock<UInt64>(91)
        var retaining = Retaining(store) { percent.withLock { $0 } }
        retaining.settings.isForciblyEnabled = false
        #expect(!store.store.isDiskFull)
        retaining.round()
        #expect(store.store.isDiskFull)
        #expect(throws: AppendError.diskFull) { try store.append(TestMessage(body: [1])) }
        #expect(try firsts(store).count == 56)
        percent.withLock { $0 = 86 }
        retaining.round()
        #expect(throws: AppendError.diskFull) { try store.append(TestMessage(body: [1])) }
        percent.withLock { $0 = 85 }
        retaining.round()
        #expect(try store.append(TestMessage(body: [1])).queueOffset == 56)
        #expect(store.store.fenceReason == nil)
    }

    @Test func `a disk in need deletes by force, ten files a round, and never the last`() throws {
        let store = try filled(150)
        var retaining = Retaining(store) { 86 }
        retaining.round()
        #expect(try names(store, "commitlog").count == 15)
        retaining.round()
        #expect(try names(store, "commitlog").count == 5)
        retaining.round()
        #expect(try names(store, "commitlog") == [Segment.name(24 << 16)])
        #expect(try firsts(store) == (144..<150).map { UInt8($0) })
    }

    @Test func `a queue whose topic is made anew while old files go keeps its new messages`() throws {
        let store = try filled()
        var retaining = Retaining(store)
        try retaining.age(5)
        try store.store.deleteQueues(of: "T")
        try store.append(TestMessage(body: [77]))
        try store.settle()
        retaining.round()
        #expect(try firsts(store) == [77])
        #expect(store.store.queue("T", 0).minOffset == 0)
    }

    @Test func `expired queues that nobody wants are removed`() throws {
        let store = try filled()
        try store.append(TestMessage(topic: "U", body: [1]))
        try store.settle()
        var retaining = Retaining(store)
        try retaining.age(3)
        retaining.round()
        try store.store.removeExpiredQueues { _, _ in true }
        #expect(try names(store, "consumequeue/T") == ["0", "1"])
        try store.store.removeExpiredQueues { _, queueID in queueID == 7 }
        #expect(try names(store, "consumequeue/T") == ["0"])
        #expect(try names(store, "consumequeue/U") == ["0"])
        #expect(try store.append(TestMessage(queueID: 1, body: [5])).queueOffset == 0)
        try store.settle()
        #expect(try firsts(store, 1) == [5])
        try store.close()
        try store.open()
        #expect(try firsts(store, 1) == [5])
    }

    @Test func `an expired queue that was removed is not missed after a crash`() throws {
        let store = try filled()
        let point = try #require(try store.store.keep())
        #expect(try store.store.writePoint(point))
        var retaining = Retaining(store)
        try retaining.age(3)
        retaining.round()
        try store.store.removeExpiredQueues { _, _ in false }
        #expect(try names(store, "consumequeue/T") == ["0"])
        #expect(try store.store.writePoint(point))  // made before
        store.crash()
        try store.open()
        #expect(try firsts(store).first == 18)
        #expect(store.store.existingQueue("T", 1) == nil)
    }

    @Test(arguments: GoldenStore.all)
    func `a store of Java's loses all but its last file, with its queues and index`(golden: GoldenStore) throws {
        let folder = try TemporaryFolder()
        let store = try TestStore(golden.config(golden.manifest(), root: golden.unpack(into: folder.url)), in: folder)
        try store.settle()
        let size = store.config.commitLogFileByteCount
        let last = store.store.writtenOffset.rawValue / Int64(size) * Int64(size)
        let kept = try store.store.queues.all.map { queue in
            let units = try (queue.minOffset..<queue.maxOffset).compactMap { try queue.unit(at: $0) }
            return (queue, units.filter { $0.physicalOffset >= last })
        }
        let indexed = store.store.index?.endOffset
        var retaining = Retaining(store)
        retaining.time += 5 * 365 * 24 * Retaining.hour
        retaining.settings.deleteHours = Set(0..<24)
        retaining.round()
        retaining.round()
        #expect(try FileManager.default.contentsOfDirectory(atPath: store.logFolder.path) == [Segment.name(last)])
        for isCrash in [false, true] {
            for (queue, units) in kept {
                let queue = try #require(store.store.existingQueue(queue.topic, queue.queueID))
                #expect(try (queue.minOffset..<queue.maxOffset).map { try queue.unit(at: $0) } == units)
                #expect(try store.bodies(queue.topic, queue.queueID).count == units.count)
            }
            #expect(store.store.index?.endOffset == indexed)
            if isCrash { store.crash() } else { try store.close() }
            try store.open()
        }
        for (queue, units) in kept where !units.isEmpty {
            let again = try #require(store.store.existingQueue(queue.topic, queue.queueID))
            let entry = try store.append(TestMessage(topic: queue.topic, queueID: queue.queueID, body: [1]))
            #expect(entry.queueOffset == again.maxOffset)
        }
        try store.settle()
        store.forget()
    }

    @Test(arguments: seeds)
    func `whatever happens, every message from the log's beginning is there and none before it`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let store = try TestStore { $0.consumeQueueFileByteCount = 400 }
        var model: [[Int64]] = [[], [], []]  // physical offsets of each queue
        var retaining = Retaining(store)
        for _ in 0..<60 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1, 2:
                for _ in 0..<Int.random(in: 1...20, using: &random) {
                    let queue = Int.random(in: 0..<3, using: &random)
                    let size = Int.random(in: 0...20_000, using: &random)
                    let entry = try store.append(
                        TestMessage(queueID: queue, body: [UInt8](repeating: 1, count: size)))
                    #expect(entry.queueOffset == Int64(model[queue].count))
                    model[queue].append(entry.physicalOffset)
                }
                if Bool.random(using: &random) { try store.settle() }
            case 3, 4:
                try retaining.age(Int.random(in: 0...4, using: &random))
                retaining.round(steps: Int.random(in: 1...20, using: &random))
            default:
                if Bool.random(using: &random) { store.crash() } else { try store.close() }
                try store.open()
                retaining = Retaining(store)
            }
            try store.settle()
            let min = store.store.minOffset.rawValue
            for queue in 0..<3 {
                guard let found = store.store.existingQueue("T", queue) else { continue }
                #expect(found.maxOffset == Int64(model[queue].count))
                let first = model[queue].firstIndex { $0 >= min } ?? model[queue].count
                // An interrupted round may have raised the queue further than the log, until the next start.
                #expect(found.minOffset >= Int64(first))
                #expect(try store.bodies("T", queue).count == model[queue].count - Int(found.minOffset))
            }
        }
    }
}
