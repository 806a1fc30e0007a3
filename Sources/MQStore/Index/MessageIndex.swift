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

    /// Opens what is in `folder`, and removes what cannot be trusted: it is built again from the log.
    /// - Parameters:
    ///   - trustedUntil: store time up to which the files are on the disk; `nil`: all of them are.
    ///   - synced: how far the newest file that was synced is on the disk, if that is known.
    ///   - wasClean: the last run indexed everything.
    ///   - end: where the log ends; an index that knows more is none of this log.
    init(
        folder: String, slotCount: Int, entryCount: Int, trustedUntil: Int64?,
        synced: RecoveryPoint.Index? = nil, wasClean: Bool, end: PhysicalOffset
    ) throws(SystemError) {
        self.folder = folder
        self.slotCount = slotCount
        self.entryCount = entryCount
        let wanted = IndexFile.byteCount(slots: slotCount, entries: entryCount)
        var files: [IndexFile] = []
        var isBroken = false  // from here on, in the order of the names
        var removed: [String] = []
        for name in try Directory.names(in: folder) where name.utf8.allSatisfy({ (48...57).contains($0) }) {
            let path = folder + "/" + name
            if !isBroken, try File(path, .read).byteCount() == wanted {
                let file = try IndexFile(path, slotCount: slotCount, entryCount: entryCount)
                if file.isSound, file.indexCount > 1 { files.append(file) } else { isBroken = !file.isSound }
                if files.last === file { continue }
                if file.isSound {  // made, and nothing was put in
                    try Directory.removeFile(path)
                    continue
                }
            } else {
                isBroken = true
            }
            removed.append(path)
            try Directory.removeFile(path)
        }
        // By what they hold: names follow the clock, which may have been set back.
        files.sort { ($0.beginOffset, $0.path) < ($1.beginOffset, $1.path) }
        // The checkpoint is newer than the point sometimes: it vouches for full files, behind which the point's count is old.
        let isTrusted = { (file: IndexFile) in
            trustedUntil.map { file.isFull && file.endTimestamp <= $0 } ?? true
        }
        if let synced { for file in files where !isTrusted(file) { try file.rewind(to: synced) } }
        let kept = files.prefix { (isTrusted($0) || $0.isRewound) && $0.endOffset < end.rawValue }
        for file in files[kept.count...] {
            if wasClean { removed.append(file.path) }  // after a crash it is what was to be expected
            try Directory.removeFile(file.path)
        }
        let isComplete = wasClean && removed.isEmpty && kept.count == files.count
        // With no file left nobody knows where the index began, unless a recovery point tells that there was none: a
        // rebuilding may have been interrupted.
        let known = synced.flatMap { $0.entries == 1 ? $0.endOffset : nil } ?? 0
        rebuildFrom = isComplete ? nil : kept.last?.endOffset ?? known
        if wasClean { for file in kept { file.setSynced() } }
        self.removed = removed
        self.files = Lock(Array(kept))
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
            newest = file.state  // before the sync: the dispatch thread may add to it meanwhile
            if all || file.isFull { fullUntil = file.endTimestamp }
            try file.synchronize()
        }
        if fullUntil != 0 || newest.entries != 0 { try Directory.synchronize(folder) }
        return (fullUntil, newest)
    }
}
