import MQBase
import MQBytes
import MQSystem

/// All index files of a store, oldest first; found by key and time.
final class MessageIndex: Sendable {
    private let folder: String
    private let slotCount: Int
    private let entryCount: Int
    private let files: Lock<[IndexFile]>
    /// From where the log must be dispatched again for the index to be complete; `nil`: it is.
    let rebuildFrom: Int64?
    /// Files that could not be trusted.
    let removed: [String]

    /// Names of all that is to go before anything is written; see ``repair()``.
    private let stale: [String]
    /// The newest file goes back to it.
    private let rewind: RecoveryPoint.Index?
    /// What ``IndexEvidence`` tells of whole files holds up to this store time with the files that are kept.
    let fullUntil: Int64
    /// Whether the files that the recovery point tells of are kept.
    let holdsSynced: Bool

    /// Opens what can be trusted in `folder`. If ``rebuildFrom`` says that something is missing, ``repair()`` comes before the
    /// first entry.
    init(folder: String, slotCount: Int, entryCount: Int, evidence: IndexEvidence) throws(SystemError) {
        self.folder = folder
        self.slotCount = slotCount
        self.entryCount = entryCount
        let found = try IndexInventory(
            folder: folder, slotCount: slotCount, entryCount: entryCount, evidence: evidence)
        rebuildFrom = found.rebuildFrom
        removed = found.removed
        stale = found.stale
        rewind = found.rewind
        fullUntil = found.fullUntil
        holdsSynced = found.holdsSynced
        if evidence.wasClean { for file in found.kept { file.setSynced() } }
        files = Lock(found.kept)
    }

    /// Removes what cannot be trusted, newest first and durably, and takes back what came behind the last sync. What
    /// checkpoint and recovery point tell of files that are not kept has been withdrawn before, durably: files that are
    /// built now and reach the disk in part must never be taken for them. Recovery only.
    func repair() throws(SystemError) {
        for path in stale { try Directory.removeFile(path) }
        if !stale.isEmpty { try Directory.synchronize(folder) }
        if let rewind { try files.withLock { $0.last }?.rewind(to: rewind) }
    }

    /// Whether anything was ever indexed and is still there.
    var hasFiles: Bool { files.withLock { !$0.isEmpty } }

    /// The physical offset of the last record that was indexed; -1 if there is none.
    var endOffset: Int64 { files.withLock { $0.last { $0.indexCount > 1 }?.endOffset ?? -1 } }
    /// The time of the last record that was indexed.
    var endTimestamp: Int64 { files.withLock { $0.last?.endTimestamp ?? 0 } }

    /// Whether there is an entry for the record under `topic#key`.
    func holds(hash: Int32, physicalOffset: Int64) -> Bool {
        var offsets: [Int64] = []
        for file in files.withLock({ $0 }).reversed() where file.endOffset >= physicalOffset {
            file.collect(keyHash: IndexFile.keyHash(hash), time: 0...(.max - 999), limit: .max, into: &offsets)
        }
        return offsets.contains(physicalOffset)
    }

    /// The file that takes the next entry; made if there is none, or none with room. Dispatch thread only.
    /// - Parameter now: names a new file.
    func fileForWriting(_ now: Timestamp) throws(SystemError) -> IndexFile {
        if let last = files.withLock({ $0.last }), !last.isFull { return last }
        if !Directory.exists(folder) { try Directory.createDurably(folder) }
        var time = now
        while Directory.exists(folder + "/" + Self.name(time)) { time.rawValue += 1 }
        let path = folder + "/" + Self.name(time)
        do throws(SystemError) {
            let file = try IndexFile(path, slotCount: slotCount, entryCount: entryCount)
            files.withLock { $0.append(file) }
            return file
        } catch {
            try? Directory.removeFile(path)  // half a file on a full disk would be one more each time it is tried
            throw error
        }
    }

    /// The oldest file if all its records lie before `logStart`; never the last file. Retention.
    func oldFile(before logStart: PhysicalOffset) -> IndexFile? {
        files.withLock { files in
            guard files.count > 1, files[0].endOffset < logStart.rawValue else { return nil }
            return files[0]
        }
    }

    /// Takes a file out. Queries that hold it go on.
    func remove(_ file: IndexFile) { files.withLock { $0.removeAll { $0 === file } } }

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

    /// Makes all files durable.
    /// - Parameter all: nobody writes the newest file any more.
    /// - Returns: the store time up to which whole files are on the disk then, and how far the newest one is.
    func synchronize(all: Bool) throws(SystemError) -> (fullUntil: Int64, newest: RecoveryPoint.Index) {
        var fullUntil: Int64 = 0
        var newest = RecoveryPoint.Index()
        for file in files.withLock({ $0 }) {
            let state = file.state  // before the sync: the dispatch thread may add to it meanwhile
            if state.entries > 1 { newest = state }
            if all || file.isFull { fullUntil = file.endTimestamp }
            try file.synchronize()
        }
        if fullUntil != 0 || newest.entries != 0 { try Directory.synchronize(folder) }
        return (fullUntil, newest)
    }
}
