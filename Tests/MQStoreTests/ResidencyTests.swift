import Glibc
import MQBase
import MQBytes
import MQSystem
import Testing

@testable import MQStore

/// What is not in memory is not touched by a read that may not wait. The pages are dropped as the system drops them under
/// pressure: unmapped, written out, given up.
@Suite struct ResidencyTests {
    private func evict(_ segment: Segment) throws {
        let start = try segment.mapping.address(0)
        #expect(madvise(UnsafeMutableRawPointer(mutating: start), segment.byteCount, MADV_DONTNEED) == 0)
        try evict(segment.file)
    }

    private func evict(_ file: File) throws {
        try file.synchronizeData()
        #expect(posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
    }

    private func filled() throws -> TestStore {
        let store = try TestStore()
        for number in 0..<200 {
            try store.append(TestMessage(body: [UInt8](repeating: UInt8(number), count: 2000)), at: 1000)
        }
        try store.settle()
        return store
    }

    private func read(_ store: TestStore, _ access: ReadAccess, from offset: Int64 = 0) throws -> ReadResult {
        var units = ByteBuffer()
        var result = ReadResult()
        try store.store.read(
            store.store.queue("T", 0), from: offset, limits: ReadLimits(), access: access, units: &units, into: &result,
            matches: nil)
        return result
    }

    private let looking = ReadAccess.inMemory(knownFrom: PhysicalOffset(rawValue: .max))

    @Test func `records that were given up need the disk, and are there again when they were read`() throws {
        let store = try filled()
        #expect(try !read(store, looking).needsDisk)
        #expect(store.store.isInMemory(0))
        try evict(#require(store.store.log.files.first))
        guard try read(store, looking).needsDisk else { return }  // this file system keeps everything
        #expect(!store.store.isInMemory(0))
        let found = try read(store, .waiting)
        #expect(!found.needsDisk && found.messageCount == 32)
        #expect(found.ranges.copy().count == found.byteCount)
        let again = try read(store, looking)
        #expect(!again.needsDisk && again.messageCount == 32)
        #expect(store.store.isInMemory(0))
    }

    @Test func `records that were given up are shown only to a reader that may wait`() throws {
        let store = try filled()
        try evict(#require(store.store.log.files.first))
        func look(_ access: ReadAccess) throws -> (result: ReadResult, seen: Int) {
            var units = ByteBuffer()
            var result = ReadResult()
            var seen = 0
            let records = RecordLook { _ in
                seen += 1
                return .take
            }
            try store.store.read(
                store.store.queue("T", 0), from: 0, limits: ReadLimits(), access: access, units: &units, into: &result,
                matches: nil, records: records)
            return (result, seen)
        }
        let first = try look(looking)
        guard first.result.needsDisk else { return }  // this file system keeps everything
        #expect(first.seen == 0)
        #expect(try look(.waiting).seen == 32)
        let again = try look(looking)
        #expect(!again.result.needsDisk && again.seen == 32 && again.result.messageCount == 32)
    }

    @Test func `units that were given up need the disk`() throws {
        let store = try filled()
        try evict(File(store.store.config.root + "/consumequeue/T/0/" + Segment.name(0), .readWrite))
        guard try read(store, looking).needsDisk else { return }
        #expect(try read(store, .waiting).messageCount == 32)
        #expect(try !read(store, looking).needsDisk)
    }

    @Test func `what was written a moment ago is not asked about`() throws {
        let store = try filled()
        try evict(#require(store.store.log.files.first))
        #expect(try !read(store, .inMemory(knownFrom: .zero)).needsDisk)
    }

    @Test func `no offset of a peer's makes a look touch what is not there`() throws {
        let store = try filled()
        let end = store.store.writtenOffset.rawValue
        for offset in [Int64.min, -1, end - 1, end, end + 1, .max] { #expect(store.store.isInMemory(offset)) }
        for offset in stride(from: Int64(1), to: 3000, by: 7) { _ = store.store.isInMemory(offset) }
    }

    @Test func `the recent tail is what was written within the last second and a half`() {
        func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
        func offset(_ value: Int64) -> PhysicalOffset { PhysicalOffset(rawValue: value) }
        var tail = RecentTail(now: at(0), written: offset(100))
        #expect(tail.start(now: at(10), written: offset(150)) == offset(100))
        #expect(tail.start(now: at(600), written: offset(200)) == offset(100))  // written since 0
        #expect(tail.start(now: at(1000), written: offset(300)) == offset(100))
        #expect(tail.start(now: at(1100), written: offset(400)) == offset(200))  // since 600
        #expect(tail.start(now: at(5000), written: offset(500)) == offset(500))  // nobody looked: who knows
        let far = offset(1 << 30)
        #expect(tail.start(now: at(5100), written: far) == offset(1 << 30 - 16 << 20))
    }
}
