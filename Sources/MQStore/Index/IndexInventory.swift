import MQBase
import MQSystem

/// What is known of an index before its files are looked at.
struct IndexEvidence {
    /// The last run indexed everything, and all of it is on the disk.
    var wasClean: Bool
    /// What the last run wrote can be read, whether it is on the disk or not.
    var isCacheIntact: Bool
    /// Store time up to which full files were on the disk, says the checkpoint.
    var fullUntil: Int64 = 0
    /// The newest file as far as it was on the disk, says the recovery point; `nil` if there is none.
    var synced: RecoveryPoint.Index?
    /// Where the log ends; an index that knows more is none of this log.
    var end: PhysicalOffset

    /// Nothing is known to be missing.
    static func complete(end: PhysicalOffset) -> IndexEvidence {
        IndexEvidence(wasClean: true, isCacheIntact: true, end: end)
    }
}

/// The files of an index: which of them can be trusted, and from where the log must be dispatched again for the rest. Looks
/// only.
///
/// Files are trusted from the oldest on, up to the first that is not. After a crash of the machine a recovery point tells how
/// far: files before the one that it names were full then. Without one the checkpoint's time does, as in Java, which tells
/// nothing of files that were built again since; so it is lowered before that is done.
struct IndexInventory {
    /// What is trusted, oldest first.
    private(set) var kept: [IndexFile] = []
    /// The last of them goes back to it; `nil`: it stays as it is.
    private(set) var rewind: RecoveryPoint.Index?
    /// What goes, the newest first.
    private(set) var stale: [String] = []
    /// Those of ``stale`` that nobody had to expect.
    private(set) var removed: [String] = []
    /// `nil`: the index is complete.
    private(set) var rebuildFrom: Int64?

    private let evidence: IndexEvidence

    init(folder: String, slotCount: Int, entryCount: Int, evidence: IndexEvidence) throws(SystemError) {
        self.evidence = evidence
        let wanted = IndexFile.byteCount(slots: slotCount, entries: entryCount)
        var files: [IndexFile] = []
        var unused: [String] = []
        var isBroken = false  // from here on, in the order of the names
        for name in try Directory.names(in: folder) where name.utf8.allSatisfy({ (48...57).contains($0) }) {
            let path = folder + "/" + name
            if !isBroken, try Directory.byteCount(path) == wanted {
                let file = try IndexFile(path, slotCount: slotCount, entryCount: entryCount)
                isBroken = !file.isSound
                if file.isSound, file.indexCount > 1 { files.append(file) }
                if file.isSound, file.indexCount <= 1 { unused.append(path) }  // made, and nothing was put in
            } else {
                isBroken = true
            }
            if isBroken { removed.append(path) }
        }
        // By what they hold: names follow the clock, which may have been set back.
        files.sort { ($0.beginOffset, $0.path) < ($1.beginOffset, $1.path) }
        kept = Array(files.prefix { isTrusted($0) })
        let others = files[kept.count...].map(\.path)
        let isComplete = evidence.wasClean && removed.isEmpty && others.isEmpty && isAsClosed
        stale = others.reversed() + removed.reversed() + unused
        if evidence.wasClean { removed += others }  // after a crash it is what was to be expected
        guard !isComplete else { return }
        if !evidence.isCacheIntact, let synced = evidence.synced, kept.last.map({ isNewest($0, synced) }) == true {
            rewind = synced
        }
        // With no file left nobody knows where the index began, unless a recovery point tells that there was none: a
        // rebuilding may have been interrupted.
        let known = evidence.synced.flatMap { $0.entries == 1 ? $0.endOffset : nil } ?? 0
        rebuildFrom = rewind?.endOffset ?? kept.last?.endOffset ?? known
    }

    /// The file that the recovery point tells of, with all that it had then.
    private func isNewest(_ file: IndexFile, _ synced: RecoveryPoint.Index) -> Bool {
        synced.entries > 1 && file.beginOffset == synced.beginOffset && file.indexCount >= synced.entries
    }

    private func isTrusted(_ file: IndexFile) -> Bool {
        if evidence.isCacheIntact { return file.endOffset < evidence.end.rawValue }
        guard let synced = evidence.synced, synced.entries > 0 else {
            return file.isFull && file.endTimestamp <= evidence.fullUntil && file.endOffset < evidence.end.rawValue
        }
        let isOlder = synced.entries > 1 && file.isFull && file.endOffset <= synced.beginOffset
        return (isOlder || isNewest(file, synced)) && synced.endOffset < evidence.end.rawValue
    }

    /// Whether the index is as the recovery point of a clean stop tells: a repair may have been interrupted before anything
    /// else was changed.
    private var isAsClosed: Bool {
        guard let synced = evidence.synced, synced.entries > 0 else { return true }
        guard synced.entries > 1 else { return kept.isEmpty }
        return kept.last.map { isNewest($0, synced) && $0.indexCount == synced.entries } ?? false
    }

    /// Whether the files that the recovery point tells of are kept; so are those before them then.
    var holdsSynced: Bool {
        guard let synced = evidence.synced, synced.entries > 1 else { return true }
        return kept.contains { isNewest($0, synced) }
    }

    /// Store time up to which full files are kept.
    var fullUntil: Int64 {
        let count = rewind == nil ? kept.count : kept.count - 1
        return kept.prefix(count).last { $0.isFull }?.endTimestamp ?? 0
    }
}
