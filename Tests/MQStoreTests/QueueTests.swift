import Foundation
import MQBase
import MQBytes
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: a queue's files hold its units in order whatever offsets arrive, and are found again.
@Suite struct QueueTests {
    private let folder: TemporaryFolder
    private let table: QueueTable

    init() throws {
        folder = try TemporaryFolder()
        table = QueueTable(root: folder.url.path, fileByteCount: 6000)
    }

    private func reopened() throws -> ConsumeQueue? {
        let table = QueueTable(root: folder.url.path, fileByteCount: 6000)
        #expect(try table.load().isEmpty)
        return table.existing("T", 0)
    }

    private func unit(_ offset: Int64) -> QueueUnit { QueueUnit(physicalOffset: offset, size: 10, tagsCode: 7) }

    private func add(_ queue: ConsumeQueue, _ pairs: [(offset: Int64, physical: Int64)]) throws {
        for pair in pairs { _ = try queue.add(unit(pair.physical), at: pair.offset) }
        try queue.publish()
    }

    private func content(_ queue: ConsumeQueue) throws -> [Int64?] {
        try (queue.minOffset..<queue.maxOffset).map { try queue.unit(at: $0)?.physicalOffset }
    }

    @Test func `a unit is the twenty bytes that Java reads`() {
        var buffer = ByteBuffer()
        QueueUnit(physicalOffset: 258, size: 3, tagsCode: -2).append(to: &buffer)
        let expected: [UInt8] = [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3] + [UInt8](repeating: 255, count: 7) + [254]
        #expect(buffer.toArray() == expected)
        #expect(QueueUnit(buffer.span, at: 0) == QueueUnit(physicalOffset: 258, size: 3, tagsCode: -2))
    }

    @Test func `what was dispatched before is passed over`() throws {
        let queue = table.queue("T", 0)
        try add(queue, [(0, 0), (1, 10), (2, 20)])
        try add(queue, [(0, 0), (1, 10), (2, 20), (3, 30)])
        #expect(try content(queue) == [0, 10, 20, 30])
        #expect(try queue.add(unit(30), at: 3) == false)
    }

    @Test func `a queue may begin late, in the middle of a file`() throws {
        let queue = table.queue("T", 0)
        try add(queue, [(450, 4500), (451, 4510)])
        #expect((queue.minOffset, queue.maxOffset) == (450, 452))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path + "/T/0") == [Segment.name(6000)])
        let again = try #require(try reopened())
        #expect((again.minOffset, again.maxOffset) == (450, 452))
        #expect(try content(again) == [4500, 4510])
    }

    @Test func `a small gap is filled with blanks that readers and searches pass over`() throws {
        let queue = table.queue("T", 0)
        try add(queue, [(0, 0), (1, 10), (5, 50), (6, 60)])
        #expect(try content(queue) == [0, 10, 0, 0, 0, 50, 60])
        let again = try #require(try reopened())
        #expect((again.minOffset, again.maxOffset) == (0, 7))
        for (start, first) in [(0, 0), (5, 1), (10, 1), (11, 5), (50, 5), (55, 6), (61, 7)] as [(Int64, Int64)] {
            let queue = try #require(try reopened())
            try queue.correctMinimum(PhysicalOffset(rawValue: start))
            #expect(queue.minOffset == first, "log begins at \(start)")
        }
        for (end, count) in [(0, 0), (10, 1), (50, 5), (60, 6), (61, 7)] as [(Int64, Int64)] {
            let queue = try #require(try reopened())
            try queue.truncate(to: PhysicalOffset(rawValue: end), wasClean: false)
            #expect(queue.maxOffset == count, "log ends at \(end)")
            try add(queue, [(7, 70)])  // mends what was cut with blanks for the next round
            let whole = try #require(try reopened())
            try whole.truncate(to: PhysicalOffset(rawValue: 0), wasClean: false)
            try add(whole, [(0, 0), (1, 10), (5, 50), (6, 60)])
        }
    }

    @Test func `an absurd offset costs nothing`() throws {
        let queue = table.queue("T", 0)
        try add(queue, [(0, 0), (1, 10)])
        for offset in [Int64.max, -1, .min, .max / 20] { #expect(try queue.add(unit(20), at: offset) == false) }
        try add(queue, [(2, 20)])
        #expect(try content(queue) == [0, 10, 20])
        try add(queue, [(1 << 40, 30)])
        #expect((queue.minOffset, queue.maxOffset) == (1 << 40, 1 << 40 + 1))
        #expect(try #require(try reopened()).maxOffset == 1 << 40 + 1)
    }

    @Test func `a queue that counts from zero again starts anew`() throws {
        let queue = table.queue("T", 0)
        try add(queue, (0..<700).map { ($0, $0 * 10) })
        try add(queue, [(0, 10_000), (1, 10_010)])
        #expect(try content(queue) == [10_000, 10_010])
        #expect(try content(#require(try reopened())) == [10_000, 10_010])
        // The same within one round, before anything was written.
        for offset in 2..<10 { _ = try queue.add(unit(11_000 + Int64(offset)), at: Int64(offset)) }
        try add(queue, [(0, 20_000)])
        #expect(try content(queue) == [20_000])
    }

    @Test(arguments: [0, 1, 299, 300, 301, 599, 600, 700])
    func `cutting leaves the units before the end, whichever file it falls into`(count: Int64) throws {
        let queue = table.queue("T", 0)
        try add(queue, (0..<700).map { ($0, $0 * 10) })
        try queue.truncate(to: PhysicalOffset(rawValue: count * 10), wasClean: false)
        #expect(queue.maxOffset == count)
        #expect(try #require(try reopened()).maxOffset == count)
        try add(queue, [(count, 9000)])
        let again = try #require(try reopened())
        #expect(try content(again) == (0..<count).map { $0 * 10 } + [9000])
    }

    @Test(arguments: [1, 199, 200, 201, 299, 300, 301, 599, 600, 700])
    func `the end is found from wherever it was known to be`(count: Int64) throws {
        let queue = table.queue("T", 0)
        try add(queue, (0..<count).map { ($0, $0 * 10) })
        for known in [0, 1, 2, 100, 298, 299, 300, 301, 500, 600, 699, 700, 900, 901, .max] as [Int64] {
            let table = QueueTable(root: folder.url.path, fileByteCount: 6000)
            let point = RecoveryPoint.Queue(topic: "T", queueID: 0, end: known, lastRecord: 0)
            #expect(try table.load(known: [point.key: point]).isEmpty)
            let found = try #require(table.existing("T", 0))
            #expect(found.maxOffset == count, "known to end at \(known)")
        }
    }

    @Test(arguments: [0, 1, 250, 299, 300, 450, 599])
    func `what a killed process wrote stays in the files until it is written again`(count: Int64) throws {
        let queue = table.queue("T", 0)
        try add(queue, (0..<600).map { ($0, $0 * 10) })
        let end = PhysicalOffset(rawValue: count * 10)
        for known in [nil, 0, count] as [Int64?] {
            let again = try #require(try reopened())
            try again.truncate(to: end, wasClean: false, isCacheIntact: true, known: known)
            #expect(again.maxOffset == count)
            try add(again, (0..<600).map { ($0, $0 * 10) })
            try again.clearRest()
            #expect(try content(again) == (0..<600).map { $0 * 10 })
        }
        // The log had no more for it: nobody may take the rest for units.
        let short = try #require(try reopened())
        try short.truncate(to: end, wasClean: false, isCacheIntact: true)
        try add(short, [(count, 9000)])
        try short.clearRest()
        #expect(try content(#require(try reopened())) == (0..<count).map { $0 * 10 } + [9000])
    }

    @Test func `a piece of a unit that a killed process left is no unit's beginning`() throws {
        let queue = table.queue("T", 0)
        try add(queue, [(0, 0), (1, 10)])
        let file = try File(folder.url.path + "/T/0/" + Segment.name(0), .readWrite)
        try file.write([UInt8](repeating: 1, count: 8).span, at: 40)
        let again = try #require(try reopened())
        try again.truncate(to: PhysicalOffset(rawValue: 10), wasClean: false, isCacheIntact: true)
        #expect(again.maxOffset == 1)
        var bytes = ByteBuffer()
        try file.read(100, at: 20, into: &bytes)
        #expect(bytes.toArray() == [UInt8](repeating: 0, count: 100))
    }

    @Test func `ten folders more than one thread takes are all loaded`() throws {
        for queueID in 0..<300 { try add(table.queue("T", queueID), (0...Int64(queueID % 7)).map { ($0, $0 * 10) }) }
        try File(folder.url.path + "/T/250/" + Segment.name(0), .readWrite).truncate(to: 100)
        let table = QueueTable(root: folder.url.path, fileByteCount: 6000)
        #expect(try table.load().map(\.queueID) == [250])
        for queueID in 0..<300 where queueID != 250 {
            #expect(table.existing("T", queueID)?.maxOffset == Int64(queueID % 7 + 1))
        }
    }

    @Test func `a queue that lost all its units still knows where it goes on`() throws {
        let queue = table.queue("T", 0)
        try add(queue, (0..<700).map { ($0, $0 * 10) })
        try FileManager.default.removeItem(atPath: folder.url.path + "/T/0/" + Segment.name(0))
        try FileManager.default.removeItem(atPath: folder.url.path + "/T/0/" + Segment.name(6000))
        let part = try #require(try reopened())
        #expect(part.minOffset == 600)
        try part.truncate(to: PhysicalOffset(rawValue: 10), wasClean: false)
        #expect((part.minOffset, part.maxOffset) == (600, 600))
        #expect(try #require(try reopened()).maxOffset == 600)
    }

    @Test func `a cleared queue leaves nothing behind and counts from zero again`() throws {
        let queue = table.queue("T", 0)
        try add(queue, [(0, 0), (1, 10)])
        _ = try queue.add(unit(20), at: 2)
        try table.clear("T", before: PhysicalOffset(rawValue: 50))
        #expect(table.queue("T", 0) === queue)
        try add(queue, [(3, 30), (4, 49)])  // the old topic's last records
        #expect(!FileManager.default.fileExists(atPath: folder.url.path + "/T"))
        #expect((queue.minOffset, queue.maxOffset) == (0, 0))
        #expect(table.topics == [])
        try queue.synchronize()
        try add(queue, [(0, 50)])
        #expect(try content(#require(try reopened())) == [50])
        #expect(table.topics == ["T"])
    }

    @Test func `a queue that is emptied while it is synced is synced again`() throws {
        let watch = DuringSync(below: folder.url.path)
        defer { watch.end() }
        let queue = table.queue("T", 0)
        try add(queue, (0..<10).map { ($0, $0 * 10) })
        let table = self.table
        watch.next { try? table.clear("T", before: PhysicalOffset(rawValue: 100)) }
        try queue.synchronize()
        try add(queue, [(0, 100)])
        try queue.synchronize()
        let before = watch.count
        try add(queue, [(1, 110)])
        try queue.synchronize()
        #expect(watch.count == before + 1)
    }

    @Test(arguments: ["", ".", "..", "../T", "/", "T/0"])
    func `a name that leads elsewhere removes nothing`(name: String) throws {
        let queue = table.queue("T", 0)
        try add(queue, [(0, 0), (1, 10)])
        try table.clear(name, before: .zero)
        #expect(try content(#require(try reopened())) == [0, 10])
    }

    @Test func `older files behind a hole are not reached`() throws {
        let queue = table.queue("T", 0)
        try add(queue, (0..<1000).map { ($0, $0 * 10) })
        try FileManager.default.removeItem(atPath: folder.url.path + "/T/0/" + Segment.name(6000))
        let again = try #require(try reopened())
        #expect((again.minOffset, again.maxOffset) == (600, 1000))
    }

    @Test(arguments: seeds)
    func `units that come in order are all there, whatever happens between`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let queue = table.queue("T", 0)
        var model: [Int64] = []
        var physical: Int64 = 0
        for _ in 0..<60 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0:  // part of the log is dispatched again
                let from = Int.random(in: 0...model.count, using: &random)
                try add(queue, model[from...].enumerated().map { (Int64(from + $0.offset), $0.element) })
            case 1:
                let count = Int.random(in: 0...model.count, using: &random)
                let end = count < model.count ? model[count] : physical + 1  // behind the last record
                try queue.truncate(to: PhysicalOffset(rawValue: end), wasClean: false)
                model.removeSubrange(count...)
            default:
                let new = (0..<Int.random(in: 1...200, using: &random)).map { _ -> Int64 in
                    physical += Int64.random(in: 1...5000, using: &random)
                    return physical
                }
                try add(queue, new.enumerated().map { (Int64(model.count + $0.offset), $0.element) })
                model += new
            }
            #expect(try content(queue) == model)
            #expect(try content(try reopened() ?? queue) == model)
        }
    }
}
