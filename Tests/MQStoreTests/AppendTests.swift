import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: what is appended lies where RocketMQ puts it and is found through queues and index.
/// Method: stores with small files; the log's bytes are read back from the files.
@Suite struct AppendTests {
    private func bytes(_ store: TestStore, _ start: Int) throws -> [UInt8] {
        Array(try Data(contentsOf: store.logFile(start)))
    }

    @Test func `a file ends with a blank and the next record begins the next file`() throws {
        let store = try TestStore()
        let size = 1 << 16
        let entries = try store.append((0..<8).map { TestMessage(body: [UInt8](repeating: UInt8($0), count: 20_000)) })
        let record = entries[0].byteCount
        #expect(record == 91 + 1 + 20_000)
        #expect(entries.map(\.physicalOffset) == (0..<8).map { Int64($0 / 3 * size + $0 % 3 * record) })
        let first = try bytes(store, 0)
        #expect(first.count == size)
        let blank = 3 * record
        var expected = ByteBuffer()
        expected.append(bigEndian: Int32(size - blank))
        expected.append(bigEndian: RecordLayout.magicBlank)
        #expect(Array(first[blank..<(blank + 8)]) == expected.toArray())
        #expect(first[(blank + 8)...].allSatisfy { $0 == 0 })
        #expect(store.store.writtenOffset.rawValue == entries[7].physicalOffset + Int64(record))
        try store.settle()
        #expect(try store.bodies().map(\.first) == (0..<8).map { UInt8($0) })
    }

    @Test func `a record that leaves just the blank's eight bytes still fits`() throws {
        let store = try TestStore()
        let size = 1 << 16
        let full = try store.append(TestMessage(body: [UInt8](repeating: 1, count: size - 92 - 8)))
        #expect(full.byteCount == size - 8)
        let next = try store.append(TestMessage(body: [2]))
        #expect(next.physicalOffset == Int64(size))
        let end = try bytes(store, 0).suffix(8)
        #expect(Array(end) == [0, 0, 0, 8, 0xCB, 0xD4, 0x31, 0x94])
        #expect(store.store.recordByteCountMax == size - 8)
        try store.settle()
        #expect(try store.bodies().count == 2)
    }

    @Test func `offsets count in each queue, and half messages take none`() throws {
        let store = try TestStore()
        let entries = try store.append([
            TestMessage(queueID: 0, body: [0]), TestMessage(queueID: 1, body: [1]),
            TestMessage(queueID: 0, body: [2], sysFlag: .transactionPrepared),
            TestMessage(queueID: 0, body: [3], sysFlag: .transactionRollback),
            TestMessage(queueID: 0, body: [4], sysFlag: .transactionCommit),
            TestMessage(topic: "U", queueID: 0, body: [5]),
        ])
        #expect(entries.map(\.queueOffset) == [0, 0, 0, 0, 1, 0])
        try store.settle()
        #expect(try store.bodies("T", 0) == [[0], [4]])
        #expect(try store.bodies("T", 1) == [[1]])
        #expect(try store.bodies("U", 0) == [[5]])
        try store.close()
        try store.open()
        #expect(try store.append(TestMessage(queueID: 0)).queueOffset == 2)
    }

    @Test func `the tags code is Java's hash of the tags`() throws {
        let store = try TestStore()
        let tags = ["TagA", "", "标签", "polygenelubricants"]
        for tag in tags { try store.append(TestMessage(properties: [("TAGS", tag)])) }
        try store.append(TestMessage())
        try store.settle()
        let queue = store.store.queue("T", 0)
        let codes = try (0..<5).map { try #require(try queue.unit(at: $0)).tagsCode }
        #expect(codes == [2_598_919, 0, 857_175, Int64(Int32.min), 0])
    }

    @Test func `a delayed message's code is when it is due`() throws {
        let store = try TestStore()
        for level in ["3", "18", "99", "0", "-1", "x"] {
            try store.append(
                TestMessage(topic: ScheduleTopic.name, properties: [("DELAY", level), ("TAGS", "TagA")]), at: 5000)
        }
        try store.append(TestMessage(topic: "Other", properties: [("DELAY", "3"), ("TAGS", "TagA")]), at: 5000)
        try store.settle()
        let queue = store.store.queue(ScheduleTopic.name, 0)
        let codes = try (0..<6).map { try #require(try queue.unit(at: $0)).tagsCode }
        #expect(codes == [15_000, 7_205_000, 7_205_000, 2_598_919, 2_598_919, 2_598_919])
        #expect(try store.store.queue("Other", 0).unit(at: 0)?.tagsCode == 2_598_919)
    }

    @Test func `a queue rolls over its files and is found again`() throws {
        let store = try TestStore()
        for start in stride(from: 0, to: 1000, by: 50) {
            try store.append((start..<(start + 50)).map { TestMessage(body: .text("\($0)")) })
            if start % 150 == 0 { try store.settle() }
        }
        try store.settle()
        let wanted: [[UInt8]] = (0..<1000).map { .text("\($0)") }
        #expect(try store.bodies() == wanted)
        let folder = store.root.appending(path: "consumequeue/T/0")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(
            files == ["00000000000000000000", "00000000000000006000", "00000000000000012000", "00000000000000018000"])
        try store.close()
        try store.open()
        #expect(try store.bodies() == wanted)
        #expect(try store.append(TestMessage()).queueOffset == 1000)
        store.crash()
        try store.open()
        #expect(try store.bodies().count == 1001)
    }

    @Test func `a message larger than a dispatch round is dispatched`() throws {
        let store = try TestStore { $0.commitLogFileByteCount = 12 << 20 }
        let large = [UInt8](repeating: 9, count: 5 << 20)
        for _ in 0..<4 { try store.append([TestMessage(body: [1]), TestMessage(body: large), TestMessage(body: [2])]) }
        try store.settle()
        #expect(
            try store.bodies().map(\.count) == [
                1, large.count, 1, 1, large.count, 1, 1, large.count, 1, 1, large.count, 1,
            ])
        #expect(store.store.dispatchedOffset == store.store.writtenOffset)
    }

    @Test func `a failed append gives the offsets back and leaves nothing behind`() throws {
        let store = try TestStore()
        try store.append(TestMessage(body: [1]))
        let end = store.store.writtenOffset
        // A folder in the place of the next file: it cannot be made.
        let obstacle = store.logFile(1 << 16)
        try FileManager.default.createDirectory(at: obstacle, withIntermediateDirectories: true)
        let batch = AppendBatch()
        for number in 0..<5 {
            let head = RecordHead(
                queueID: 0, flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 0),
                bornHost: MessageHost(ip: [1, 2, 3, 4], port: 1), storeHost: MessageHost(ip: [1, 2, 3, 4], port: 1))
            let body = [UInt8](repeating: UInt8(number), count: 20_000)
            let topic: [UInt8] = .text("T")
            try batch.stage(head, topic: topic.span, body: body.span, in: store.store.queue("T", 0)) { _ in }
        }
        #expect(throws: SystemError.self) { try store.store.log.append(batch, at: Timestamp(rawValue: 1)) }
        #expect(store.store.writtenOffset == end)
        let file = try bytes(store, 0)
        #expect(file[Int(end.rawValue)...].allSatisfy { $0 == 0 })
        try FileManager.default.removeItem(at: obstacle)
        let entry = try store.append(TestMessage(body: [2]))
        #expect(entry.queueOffset == 1)
        #expect(entry.physicalOffset == end.rawValue)
        try store.settle()
        #expect(try store.bodies() == [[1], [2]])
    }

    @Test func `an append gives up on another one that lasts too long, and nothing of it is stored`() throws {
        let store = try TestStore()
        try store.append(TestMessage(body: [1]))
        try store.close()
        let disk = StuckDisk()
        DiskWatch.begin(store.config.commitLogPath, disk)
        defer { DiskWatch.end(store.config.commitLogPath) }
        try store.open()
        let opened = store.store
        disk.hold(true)
        let other = Thread("other") {
            let batch = opened.makeBatch()
            let isStored = Result { try Self.stage(in: batch, opened) }.flatMap { _ in
                Result { try opened.append(batch, at: Timestamp(rawValue: 1_700_000_000_010)) }
            }
            #expect(throws: Never.self) { try isStored.get() }
        }
        disk.waitUntilStuck()
        let batch = opened.makeBatch()
        try Self.stage(in: batch, opened)
        let end = opened.writtenOffset
        for _ in 0..<2 {
            #expect {
                try opened.append(batch, at: Timestamp(rawValue: 1_700_000_000_010)) { 30 }
            } throws: {
                guard case AppendError.busy(let milliseconds) = $0 else { return false }
                return milliseconds >= 30
            }
        }
        #expect(opened.writtenOffset == end && opened.fenceReason == nil)
        disk.hold(false)
        other.join()
        try opened.append(batch, at: Timestamp(rawValue: 1_700_000_000_011)) { 10_000 }
        #expect(batch.entries.map(\.queueOffset) == [2])
        try store.settle()
        #expect(try store.bodies().count == 3)
    }

    private static func stage(in batch: AppendBatch, _ store: MessageStore) throws {
        let host = MessageHost(ip: [1, 2, 3, 4], port: 1)
        let head = RecordHead(
            queueID: 0, flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 0), bornHost: host, storeHost: host)
        let (topic, body): ([UInt8], [UInt8]) = (.text("T"), [7])
        try batch.stage(head, topic: topic.span, body: body.span, in: store.queue("T", 0)) { _ in }
    }

    @Test func `no room on the disk is refused and appending goes on when there is`() throws {
        guard let disk = SmallDisk(kilobytes: 400) else { return }
        let store = try TestStore {
            $0.root = disk.path + "/store"
            $0.commitLogPath = $0.root + "/commitlog"
            $0.isIndexEnabled = false
        }
        try disk.fill(leaving: 200 << 10)
        var stored = 0
        #expect(throws: AppendError.diskFull) {
            while stored < 100 {
                try store.append(TestMessage(body: [UInt8](repeating: UInt8(stored), count: 10_000)))
                stored += 1
            }
        }
        #expect(stored >= 6)
        #expect(store.store.fenceReason == nil)
        try disk.empty()
        let entry = try store.append(TestMessage(body: [UInt8](repeating: UInt8(stored), count: 10_000)))
        #expect(entry.queueOffset == Int64(stored))
        try store.settle()
        #expect(try store.bodies().map(\.first) == (0...stored).map { UInt8($0) })
        store.crash()
        try store.open()
        #expect(try store.bodies().count == stored + 1)
        store.crash()
    }

    @Test func `store times do not go back across a restart, unless they were far ahead`() throws {
        func stored(_ store: TestStore, _ entry: AppendBatch.Entry) -> Int64? {
            store.store.withRecord(at: entry.physicalOffset) { record, _ in record.storeTimestamp.rawValue }
        }
        let store = try TestStore()
        let first = store.now + 5000
        try store.append(TestMessage(), at: first)
        for isClean in [true, false] {
            if isClean { try store.close() } else { store.crash() }
            try store.open()
            #expect(stored(store, try store.append(TestMessage(), at: first - 4000)) == first)
        }
        let ahead = SystemClock.wall().rawValue + 3_600_000
        #expect(stored(store, try store.append(TestMessage(), at: ahead)) == ahead)
        store.crash()
        try store.open()
        #expect(stored(store, try store.append(TestMessage(), at: first + 1)) == first + 1)
        store.crash()
    }
}

/// A disk whose writes below one folder take as long as a test wishes.
private final class StuckDisk: DiskObserver, Sendable {
    private let state = Monitor(false)
    private let entered = Monitor(false)

    func changed(_ change: DiskChange) {
        guard case .write = change, state.withLock({ $0 }) else { return }
        entered.signal {
            $0 = true
            return true
        }
        _ = state.wait(milliseconds: 20_000) { $0 ? nil : true }
    }

    func hold(_ holds: Bool) {
        state.signal {
            $0 = holds
            return true
        }
    }

    func waitUntilStuck() { _ = entered.wait(milliseconds: 20_000) { $0 ? true : nil } }
}
