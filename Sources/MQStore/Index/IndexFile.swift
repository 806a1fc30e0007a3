import MQBase
import MQBytes
import MQSystem
import Synchronization

/// One index file, a hash table of chains. Big-endian:
/// ```
/// header 40: | beginTimestamp i64 | endTimestamp i64 | beginPhyOffset i64 | endPhyOffset i64 | hashSlotCount i32 | indexCount i32 |
/// slots:     number of the newest entry of the chain, i32 each; 0 is empty
/// entries:   | keyHash i32 | phyOffset i64 | seconds since beginTimestamp i32 | previous entry of the chain i32 |
/// ```
/// `indexCount` begins at 1: entry 0 is never used. Source: `IndexFile.java`, `IndexHeader.java`, RocketMQ 5.3.
package final class IndexFile: Sendable {
    /// Bytes of the header.
    package static let headerByteCount = 40
    /// Bytes of an entry.
    package static let entryByteCount = 20

    let path: String
    let file: File
    let mapping: Mapping
    let slotCount: Int
    let entryCount: Int
    /// Entries that have room on the disk: a store into a mapped hole of a full disk would kill the process.
    private let reserved = Atomic<Int>(0)
    /// ``indexCount`` when the file was last synced.
    private let syncedCount = Atomic<Int>(0)
    private static let reserveStep = 1 << 18

    /// Bytes of a file with so many slots and entries.
    package static func byteCount(slots: Int, entries: Int) -> Int {
        headerByteCount + slots * 4 + entries * entryByteCount
    }

    /// Opens or makes the file; a new one takes room as it is written.
    init(_ path: String, slotCount: Int, entryCount: Int) throws(SystemError) {
        self.path = path
        self.slotCount = slotCount
        self.entryCount = entryCount
        file = try File(path, .create)
        let wanted = Self.byteCount(slots: slotCount, entries: entryCount)
        if try file.byteCount() < wanted {
            try file.truncate(to: wanted)
            // Before the mapping is touched: on some file systems even a read of a hole takes room.
            try Self.reserve(Self.byteCount(slots: slotCount, entries: 1), of: file)
        }
        mapping = try Mapping(file, byteCount: wanted, writable: true)
        guard !isFull else { return }
        try reserve(max(indexCount, 1))
        if indexCount == 0 { mapping.store(bigEndian: Int32(1), at: 36) }
    }

    /// Makes sure that entry `number` and everything before it has room.
    func reserve(_ number: Int) throws(SystemError) {
        guard number >= reserved.load(ordering: .relaxed) else { return }
        let count = min((number / Self.reserveStep + 1) * Self.reserveStep, entryCount)
        try Self.reserve(Self.byteCount(slots: slotCount, entries: count), of: file)
        reserved.store(count, ordering: .relaxed)
    }

    private static func reserve(_ byteCount: Int, of file: File) throws(SystemError) {
        do throws(SystemError) {
            try file.allocate(byteCount: byteCount)
        } catch {
            if error.isNoSpace { throw error }  // else: a file system that cannot reserve
        }
    }

    /// Whether the header can be one: a file that was not written to the end when the machine stopped is no index.
    var isSound: Bool {
        let limit: Int64 = 1 << 60
        return indexCount >= 0 && indexCount <= entryCount && (0..<limit).contains(beginTimestamp)
            && (0..<limit).contains(endTimestamp) && (0..<limit).contains(beginOffset)
            && (beginOffset..<limit).contains(endOffset)
    }

    var beginTimestamp: Int64 { mapping.int64(at: 0) }
    var endTimestamp: Int64 { mapping.int64(at: 8) }
    var beginOffset: Int64 { mapping.int64(at: 16) }
    var endOffset: Int64 { mapping.int64(at: 24) }
    /// Entries used, plus one.
    var indexCount: Int { Int(mapping.int32(at: 36)) }
    var isFull: Bool { indexCount >= entryCount }

    /// The hash an entry carries: Java's `Math.abs(hashCode)`, with the smallest integer as 0.
    static func keyHash(_ hash: Int32) -> Int32 { hash == .min ? 0 : abs(hash) }

    /// Adds an entry. Dispatch thread only.
    /// - Precondition: the file is not full.
    func put(keyHash: Int32, physicalOffset: Int64, storeTimestamp: Int64) throws(SystemError) {
        let count = indexCount
        precondition(count < entryCount, "index file \(path) is full")
        try reserve(count)
        let slotAt = slotAt(keyHash)
        let newest = newestEntry(slotAt)
        if count <= 1 {
            mapping.store(bigEndian: storeTimestamp, at: 0)
            mapping.store(bigEndian: physicalOffset, at: 16)
        }
        let (milliseconds, overflow) = storeTimestamp.subtractingReportingOverflow(beginTimestamp)
        let seconds = overflow ? 0 : min(max(milliseconds / 1000, 0), Int64(Int32.max))
        let at = entryAt(count)
        mapping.store(bigEndian: keyHash, at: at)
        mapping.store(bigEndian: physicalOffset, at: at + 4)
        mapping.store(bigEndian: Int32(seconds), at: at + 12)
        mapping.store(bigEndian: Int32(newest), at: at + 16)
        mapping.store(bigEndian: Int32(count), at: slotAt)
        if newest == 0 { mapping.store(bigEndian: mapping.int32(at: 32) &+ 1, at: 32) }
        mapping.store(bigEndian: storeTimestamp, at: 8)
        mapping.store(bigEndian: physicalOffset, at: 24)
        mapping.store(bigEndian: Int32(count + 1), at: 36)  // last: a sync covers what it counts
    }

    private func slotAt(_ keyHash: Int32) -> Int { Self.headerByteCount + Int(keyHash) % slotCount * 4 }

    /// The newest entry of a slot's chain; 0 for none. A process that died between slot and count left a slot that
    /// names the entry that never counted: the chain goes on behind it.
    private func newestEntry(_ slotAt: Int) -> Int {
        let count = indexCount
        var newest = Int(mapping.int32(at: slotAt))
        if newest == count, count < entryCount { newest = Int(mapping.int32(at: entryAt(count) + 16)) }
        return newest > 0 && newest < count ? newest : 0
    }

    /// Adds the offsets stored under `keyHash` within `time`, newest first, up to `limit` in all.
    func collect(keyHash: Int32, time: ClosedRange<Int64>, limit: Int, into offsets: inout [Int64]) {
        let count = min(indexCount, entryCount)
        var number = newestEntry(slotAt(keyHash))
        while number > 0, number < count, offsets.count < limit {
            let at = entryAt(number)
            let seconds = mapping.int32(at: at + 12)
            guard seconds >= 0 else { return }
            let stored = beginTimestamp + Int64(seconds) * 1000
            let isInTime = time.lowerBound <= stored + 999 && stored <= time.upperBound
            if mapping.int32(at: at) == keyHash, isInTime {
                let offset = mapping.int64(at: at + 4)
                if offsets.last != offset { offsets.append(offset) }  // a message may name a key twice
            }
            let previous = Int(mapping.int32(at: at + 16))
            // A chain goes back only; in a damaged file it could go round for ever.
            guard previous < number, stored + 999 >= time.lowerBound else { return }
            number = previous
        }
    }

    /// Where entry `number` lies in the file.
    func entryAt(_ number: Int) -> Int {
        Self.headerByteCount + slotCount * 4 + number * Self.entryByteCount
    }

    /// What is in the file now. The dispatch thread may add to it meanwhile: the number is read first.
    var state: RecoveryPoint.Index {
        let entries = indexCount
        guard entries > 1 else { return RecoveryPoint.Index() }
        let last = entryAt(entries - 1)
        return RecoveryPoint.Index(
            beginOffset: beginOffset, endOffset: mapping.int64(at: last + 4),
            endTimestamp: beginTimestamp + Int64(max(0, mapping.int32(at: last + 12))) * 1000 + 999,
            entries: Int64(entries))
    }

    /// Says that the entries are durable, because the last run left them so.
    func setSynced() { syncedCount.store(indexCount, ordering: .relaxed) }

    /// Makes the entries durable that were there when it was called. The dispatch thread may add to them meanwhile.
    func synchronize() throws(SystemError) {
        let count = indexCount
        guard syncedCount.load(ordering: .relaxed) != count else { return }
        try mapping.synchronize()
        syncedCount.store(count, ordering: .relaxed)
    }
}
