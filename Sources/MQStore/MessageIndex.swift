import MQBase
import MQBytes
import MQSystem

/// One index file, a hash table of chains. Big-endian:
/// ```
/// header 40: | beginTimestamp i64 | endTimestamp i64 | beginPhyOffset i64 | endPhyOffset i64 | hashSlotCount i32 | indexCount i32 |
/// slots:     number of the newest entry of the chain, i32 each; 0 is empty
/// entries:   | keyHash i32 | phyOffset i64 | seconds since beginTimestamp i32 | previous entry of the chain i32 |
/// ```
/// `indexCount` begins at 1: entry 0 is never used. Source: `IndexFile.java`, `IndexHeader.java`, RocketMQ 5.3.
final class IndexFile: Sendable {
    static let headerByteCount = 40
    static let entryByteCount = 20

    let path: String
    private let file: File
    private let mapping: Mapping
    private let slotCount: Int
    private let entryCount: Int

    static func byteCount(slots: Int, entries: Int) -> Int { headerByteCount + slots * 4 + entries * entryByteCount }

    /// Opens or makes the file; a new one takes room only where it is written.
    init(_ path: String, slotCount: Int, entryCount: Int) throws(SystemError) {
        self.path = path
        self.slotCount = slotCount
        self.entryCount = entryCount
        file = try File(path, .create)
        let wanted = Self.byteCount(slots: slotCount, entries: entryCount)
        if try file.byteCount() < wanted { try file.truncate(to: wanted) }
        mapping = try Mapping(file, byteCount: wanted, writable: true)
        if indexCount == 0 { mapping.store(bigEndian: Int32(1), at: 36) }
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
    func put(keyHash: Int32, physicalOffset: Int64, storeTimestamp: Int64) {
        let count = indexCount
        precondition(count < entryCount, "index file \(path) is full")
        let slotAt = Self.headerByteCount + Int(keyHash) % slotCount * 4
        var newest = mapping.int32(at: slotAt)
        if newest <= 0 || Int(newest) > count { newest = 0 }
        if count <= 1 {
            mapping.store(bigEndian: storeTimestamp, at: 0)
            mapping.store(bigEndian: physicalOffset, at: 16)
        }
        let seconds = min(max((storeTimestamp - beginTimestamp) / 1000, 0), Int64(Int32.max))
        let at = entryAt(count)
        mapping.store(bigEndian: keyHash, at: at)
        mapping.store(bigEndian: physicalOffset, at: at + 4)
        mapping.store(bigEndian: Int32(seconds), at: at + 12)
        mapping.store(bigEndian: newest, at: at + 16)
        mapping.store(bigEndian: Int32(count), at: slotAt)
        if newest == 0 { mapping.store(bigEndian: mapping.int32(at: 32) + 1, at: 32) }
        mapping.store(bigEndian: Int32(count + 1), at: 36)
        mapping.store(bigEndian: storeTimestamp, at: 8)
        mapping.store(bigEndian: physicalOffset, at: 24)
    }

    /// Adds the offsets stored under `keyHash` within `time`, newest first, up to `limit` in all.
    func collect(keyHash: Int32, time: ClosedRange<Int64>, limit: Int, into offsets: inout [Int64]) {
        var number = Int(mapping.int32(at: Self.headerByteCount + Int(keyHash) % slotCount * 4))
        let count = min(indexCount, entryCount)
        var steps = 0
        while number > 0, number < count, offsets.count < limit, steps < entryCount {
            let at = entryAt(number)
            let seconds = mapping.int32(at: at + 12)
            guard seconds >= 0 else { return }
            let stored = beginTimestamp + Int64(seconds) * 1000
            if mapping.int32(at: at) == keyHash, time.lowerBound <= stored + 999, stored <= time.upperBound {
                offsets.append(mapping.int64(at: at + 4))
            }
            let previous = Int(mapping.int32(at: at + 16))
            guard previous != number, stored + 999 >= time.lowerBound else { return }
            number = previous
            steps += 1
        }
    }

    private func entryAt(_ number: Int) -> Int {
        Self.headerByteCount + slotCount * 4 + number * Self.entryByteCount
    }

    func synchronize() throws(SystemError) { try mapping.synchronize() }
}

/// All index files of a store, oldest first; found by key and time.
final class MessageIndex: Sendable {
    private let folder: String
    private let slotCount: Int
    private let entryCount: Int
    private let files: Lock<[IndexFile]>

    /// Opens what is in `folder`. After a crash, files that end later than `trustedUntil` (milliseconds) are removed and
    /// will be built again.
    init(folder: String, slotCount: Int, entryCount: Int, trustedUntil: Int64?) throws(SystemError) {
        self.folder = folder
        self.slotCount = slotCount
        self.entryCount = entryCount
        var files: [IndexFile] = []
        for name in try Directory.names(in: folder) where name.utf8.allSatisfy({ (48...57).contains($0) }) {
            let path = folder + "/" + name
            let file = try IndexFile(path, slotCount: slotCount, entryCount: entryCount)
            if let trustedUntil, file.endTimestamp > trustedUntil {
                try Directory.removeFile(path)
            } else {
                files.append(file)
            }
        }
        self.files = Lock(files)
    }

    /// The physical offset of the last record that was indexed; -1 if there is none.
    var endOffset: Int64 { files.withLock { $0.last.map { $0.indexCount > 1 ? $0.endOffset : -1 } ?? -1 } }
    /// The time of the last record that was indexed.
    var endTimestamp: Int64 { files.withLock { $0.last?.endTimestamp ?? 0 } }

    /// Adds an entry for `topic#key`. Dispatch thread only.
    /// - Parameter now: names a new file.
    func put(hash: Int32, physicalOffset: Int64, storeTimestamp: Int64, now: Timestamp) throws(SystemError) {
        let file = try fileForWriting(now)
        file.put(
            keyHash: IndexFile.keyHash(hash), physicalOffset: physicalOffset, storeTimestamp: storeTimestamp)
    }

    private func fileForWriting(_ now: Timestamp) throws(SystemError) -> IndexFile {
        if let last = files.withLock({ $0.last }), !last.isFull { return last }
        try Directory.create(folder)
        let path = folder + "/" + Self.name(now)
        let file = try IndexFile(path, slotCount: slotCount, entryCount: entryCount)
        files.withLock { $0.append(file) }
        return file
    }

    /// `yyyyMMddHHmmssSSS` in local time.
    static func name(_ now: Timestamp) -> String {
        let digits = SystemClock.localText(now).utf8.filter { (48...57).contains($0) }
        return String(decoding: digits, as: UTF8.self)
    }

    /// Offsets of records that may carry `topic#key` (hashes collide: compare), newest first, `limit` at most.
    func offsets(topic: String, key: String, time: ClosedRange<Int64>, limit: Int) -> [Int64] {
        let keyHash = IndexFile.keyHash(javaHashCode(Array("\(topic)#\(key)".utf8).span))
        var offsets: [Int64] = []
        for file in files.withLock({ $0 }).reversed() where offsets.count < limit {
            guard file.indexCount > 1, file.beginTimestamp <= time.upperBound,
                file.endTimestamp + 999 >= time.lowerBound
            else { continue }
            file.collect(keyHash: keyHash, time: time, limit: limit, into: &offsets)
        }
        return offsets
    }

    func synchronize() throws(SystemError) {
        if let last = files.withLock({ $0.last }) { try last.synchronize() }
    }

    /// Removes all files; they are built again from the log.
    func removeAll() throws(SystemError) {
        let all = files.withLock { files in
            let all = files
            files = []
            return all
        }
        for file in all { try Directory.removeFile(file.path) }
    }
}
