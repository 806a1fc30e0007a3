import Foundation
import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: a read brings what its limits allow, says where to go on, and takes no offset from a peer at its word.
@Suite struct ReadTests {
    private func filled(_ count: Int = 100, byteCount: Int = 100) throws -> TestStore {
        let store = try TestStore { $0.commitLogFileByteCount = 1 << 20 }
        for number in 0..<count {
            let body = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: byteCount)
            try store.append(
                TestMessage(body: body, properties: [("TAGS", number % 10 == 0 ? "TagA" : "TagB")]),
                at: 1000 + Int64(number / 2))
        }
        try store.settle()
        return store
    }

    private func read(
        _ store: TestStore, from offset: Int64, _ limits: ReadLimits = ReadLimits(), tag: String? = nil
    ) throws -> ReadResult {
        let code = tag.map { Int64(javaHashCode(Array($0.utf8).span)) }
        return try read(store, store.store.queue("T", 0), from: offset, limits) { code == nil || $0 == code }
    }

    private func read(
        _ store: TestStore, _ queue: ConsumeQueue, from offset: Int64, _ limits: ReadLimits = ReadLimits(),
        matches: ((Int64) -> Bool)? = nil
    ) throws -> ReadResult {
        var units = ByteBuffer()
        var result = ReadResult()
        try store.store.read(
            queue, from: offset, limits: limits, access: .waiting, units: &units, into: &result, matches: matches)
        return result
    }

    private func firstBytes(_ result: ReadResult) throws -> [UInt8] {
        let copy = result.ranges.copy()
        #expect(copy.count == result.byteCount)
        var bytes: [UInt8] = []
        var position = 0
        while position < copy.count {
            let span = copy.span.extracting(position..<copy.count)
            let record = try MessageRecord(span)
            bytes.append(span[record.body.lowerBound])
            position += record.byteCount
        }
        return bytes
    }

    @Test func `a read ends at its count`() throws {
        let store = try filled()
        let result = try read(store, from: 5, ReadLimits(messageCount: 10))
        #expect(result.status == .found)
        #expect(result.nextOffset == 15)
        #expect(try firstBytes(result) == (5..<15).map { UInt8($0) })
        #expect(result.ranges.runs.count == 10)  // each is looked at before it is served
        var units = ByteBuffer()
        var hot = ReadResult()
        try store.store.read(
            store.store.queue("T", 0), from: 5, limits: ReadLimits(messageCount: 10),
            access: .inMemory(knownFrom: .zero),
            units: &units, into: &hot, matches: nil)
        #expect(hot.ranges.runs.count == 1)  // they lie together
        #expect((result.minOffset, result.maxOffset) == (0, 100))
    }

    @Test func `a read ends at its bytes, but brings one message however large`() throws {
        let store = try filled(10, byteCount: 5000)
        let size = 91 + 1 + 5000 + 10
        #expect(try read(store, from: 0, ReadLimits(byteCount: 3 * size)).messageCount == 3)
        #expect(try read(store, from: 0, ReadLimits(byteCount: 3 * size - 1)).messageCount == 2)
        let one = try read(store, from: 4, ReadLimits(byteCount: 10))
        #expect(one.messageCount == 1)
        #expect(one.nextOffset == 5)
        #expect(one.byteCount == size)
    }

    @Test func `a filter passes over what does not match and says how far it looked`() throws {
        let store = try filled()
        let found = try read(store, from: 1, ReadLimits(messageCount: 3), tag: "TagA")
        #expect(try firstBytes(found) == [10, 20, 30])
        #expect(found.ranges.runs.count == 3)
        #expect(found.nextOffset >= 31 && found.nextOffset <= 40)
        let none = try read(store, from: 1, ReadLimits(unitCount: 50), tag: "TagC")
        #expect(none.status == .noMatchedMessage)
        #expect(none.nextOffset == 51)
        let rest = try read(store, from: 91, tag: "TagA")
        #expect(rest.status == .noMatchedMessage)
        #expect(rest.nextOffset == 100)
    }

    @Test func `an offset outside the queue is answered as RocketMQ does`() throws {
        let store = try filled(10)
        #expect(try read(store, from: 10).status == .offsetOverflowOne)
        #expect(try read(store, from: 10).nextOffset == 10)
        #expect(try read(store, from: 11).status == .offsetOverflowBadly)
        #expect(try read(store, from: 11).nextOffset == 10)
        #expect(try read(store, from: -1).status == .offsetTooSmall)
        #expect(try read(store, from: .max).status == .offsetOverflowBadly)
        #expect(try read(store, from: .min).status == .offsetTooSmall)
        let empty = try read(store, store.store.queue("T", 1), from: 5)
        #expect(empty.status == .noMessageInQueue)
        #expect(empty.nextOffset == 0)
    }

    @Test func `offsets of peers never trap`() throws {
        let store = try filled(10)
        let queue = store.store.queue("T", 0)
        for offset in [Int64.min, -1, 10, .max / 20, .max] {
            #expect(try queue.unit(at: offset) == nil)
            #expect(try store.store.storeTimestamp(queue, at: offset) == nil)
            #expect(store.store.withRecord(at: offset) { _, _ in true } == nil)
        }
        let end = store.store.writtenOffset.rawValue
        for offset in 1..<200 {
            #expect(store.store.withRecord(at: Int64(offset)) { record, _ in record.queueOffset } != 0)
        }
        #expect(store.store.withRecord(at: end) { _, _ in true } == nil)
        #expect(store.store.withRecord(at: end - 1) { _, _ in true } == nil)
    }

    @Test func `an offset is found by time from both sides`() throws {
        let store = try filled(100)  // two messages a millisecond, 1000 to 1049
        let queue = store.store.queue("T", 0)
        func search(_ time: Int64, _ isUpper: Bool) throws -> Int64 {
            try store.store.searchOffset(queue, timestamp: time, isUpper: isUpper)
        }
        #expect(try search(1010, false) == 20)
        #expect(try search(1010, true) == 21)
        #expect(try search(0, false) == 0)
        #expect(try search(0, true) == 0)
        #expect(try search(1049, true) == 99)
        #expect(try search(5000, false) == 100)
        #expect(try search(5000, true) == 99)
        #expect(try search(.max, false) == 100)
        #expect(try search(.min, true) == 0)
        #expect(try store.store.searchOffset(store.store.queue("T", 9), timestamp: 5, isUpper: true) == 0)
    }

    @Test func `a unit that lies brings nothing`() throws {
        let store = try filled(3)
        let queue = store.store.queue("Liar", 0)
        let units: [QueueUnit] = [
            QueueUnit(physicalOffset: 5_000_000, size: 100, tagsCode: 0),
            QueueUnit(physicalOffset: 5_000_001, size: .max - 1, tagsCode: 0),
            QueueUnit(physicalOffset: .max - 1, size: 100, tagsCode: 0),
        ]
        for (offset, unit) in units.enumerated() { _ = try queue.add(unit, at: Int64(offset)) }
        try queue.publish()
        let result = try read(store, queue, from: 0)
        #expect(result.messageCount == 0)
        #expect(result.nextOffset == 3)
    }

    @Test func `tags that lie in an extension file of Java's are left to the consumer`() throws {
        let store = try filled(1)
        let queue = store.store.queue("Extended", 0)
        _ = try queue.add(QueueUnit(physicalOffset: 0, size: 50, tagsCode: .min + 20), at: 0)
        _ = try queue.add(QueueUnit(physicalOffset: 60, size: 50, tagsCode: Int64(Int32.min)), at: 1)
        try queue.publish()
        let result = try read(store, queue, from: 0) { _ in false }
        #expect(result.messageCount == 1)
    }

    // MARK: - By properties

    private func tagA(_ properties: Span<UInt8>) -> Bool {
        Properties.value(of: "TAGS", in: properties).map { properties.extracting($0).equals("TagA") } ?? false
    }

    private func look(
        _ store: TestStore, from offset: Int64, _ limits: ReadLimits = ReadLimits(), access: ReadAccess = .waiting,
        mayWant: ((Span<UInt8>, Int64) -> Bool)? = nil, _ choose: @escaping (Span<UInt8>) -> RecordChoice
    ) throws -> ReadResult {
        var units = ByteBuffer()
        var result = ReadResult()
        try store.store.read(
            store.store.queue("T", 0), from: offset, limits: limits, access: access, units: &units, into: &result,
            matches: nil, records: RecordLook(mayWant: mayWant, choose: choose))
        return result
    }

    @Test func `a reader that sees properties takes what it wants`() throws {
        let store = try filled()
        for access in [ReadAccess.waiting, .inMemory(knownFrom: PhysicalOffset(rawValue: 0))] {
            let found = try look(store, from: 1, ReadLimits(messageCount: 3), access: access) {
                tagA($0) ? .take : .leave
            }
            #expect(try firstBytes(found) == [10, 20, 30])
            #expect(found.status == .found && !found.isStopped && !found.needsDisk)
            let none = try look(store, from: 1, ReadLimits(unitCount: 50), access: access) { _ in .leave }
            #expect(none.status == .noMatchedMessage && none.nextOffset == 51 && !none.isStopped)
            #expect(try look(store, from: 100, access: access) { _ in .take }.status == .offsetOverflowOne)
        }
    }

    @Test func `a reader may stop before any record`() throws {
        let store = try filled()
        for (limit, wants) in [(25, true), (25, false), (0, true)] {
            var seen = 0
            let result = try look(store, from: 5) { properties in
                if seen == limit { return .stop }
                seen += 1
                return wants && tagA(properties) ? .take : .leave
            }
            #expect(result.isStopped && result.nextOffset == 5 + Int64(limit))
            #expect(result.status == (wants && limit > 0 ? .found : .noMatchedMessage))
            #expect(result.messageCount == (wants && limit > 0 ? 2 : 0))
        }
    }

    @Test func `bits of extension units spare the look at records`() throws {
        let folder = try TemporaryFolder()
        let golden = GoldenStore(version: "4.9.8", kind: "clean")
        let root = try golden.unpack(into: folder.url)
        let store = try MessageStore(golden.config(golden.manifest(), root: root), log: .silent)
        var (seen, marked) = (0, 0)
        for id in 0..<4 {
            guard let queue = store.existingQueue("gold_filter", id) else { continue }
            var units = ByteBuffer()
            var result = ReadResult()
            let records = RecordLook(mayWant: { bits, stored in
                #expect(bits.count == 14 && stored > 1_700_000_000_000)
                let isMarked = [89, 15, 53].allSatisfy { bits[$0 / 8] & 1 << UInt8($0 % 8) != 0 }
                marked += isMarked ? 1 : 0
                return isMarked
            }) { properties in
                seen += 1
                // The recorded group wants `a > 50 AND region = 'eu'`.
                let region = Properties.value(of: "region", in: properties) ?? 0..<0
                let isWanted = properties.extracting(region).equals("eu")
                #expect(isWanted)
                return .take
            }
            try store.read(
                queue, from: 0, limits: ReadLimits(messageCount: 100, unitCount: 1000), access: .waiting, units: &units,
                into: &result, matches: nil, records: records)
        }
        #expect(seen == 12 && marked == 12)
    }
}
