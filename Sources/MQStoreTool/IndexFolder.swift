import MQBytes
import MQStore
import MQSystem

/// One entry of an index file.
struct IndexEntry: Equatable {
    let keyHash: Int32
    let physicalOffset: Int64
    /// After the file's first entry was stored.
    let seconds: Int32
    /// The next older entry of the chain; 0 for none.
    let previous: Int32

    init(_ bytes: Span<UInt8>, at offset: Int) {
        keyHash = bytes.int32(at: offset)
        physicalOffset = bytes.int64(at: offset + 4)
        seconds = bytes.int32(at: offset + 12)
        previous = bytes.int32(at: offset + 16)
    }
}

/// One index file as its header tells it.
struct IndexFileFacts: Equatable {
    let path: String
    /// From the store's folder.
    let name: String
    let slotCount: Int
    let entryCountMax: Int
    let beginTimestamp: Int64
    let endTimestamp: Int64
    let beginOffset: Int64
    let endOffset: Int64
    /// Slots in use.
    let slotsUsed: Int32
    /// Entries used, plus one.
    let indexCount: Int32

    init(path: String, name: String, slotCount: Int, entryCountMax: Int, header: Span<UInt8>) {
        self.path = path
        self.name = name
        self.slotCount = slotCount
        self.entryCountMax = entryCountMax
        beginTimestamp = header.int64(at: 0)
        endTimestamp = header.int64(at: 8)
        beginOffset = header.int64(at: 16)
        endOffset = header.int64(at: 24)
        slotsUsed = header.int32(at: 32)
        indexCount = header.int32(at: 36)
    }

    /// Entries from 1 to here, exclusive.
    var entryEnd: Int { min(max(Int(indexCount), 1), entryCountMax) }

    /// Where entry `number` lies in the file.
    func position(of number: Int) -> Int {
        IndexFile.headerByteCount + slotCount * 4 + number * IndexFile.entryByteCount
    }

    /// Where the slot of a hash lies.
    func slotPosition(_ keyHash: Int32) -> Int { IndexFile.headerByteCount + slot(keyHash) * 4 }

    /// The slot of a hash; a negative one, which no writer makes, counts by its magnitude.
    func slot(_ keyHash: Int32) -> Int { Int(keyHash.magnitude) % slotCount }

    /// Why the header cannot be one; `nil` if it can.
    var flaw: String? {
        let limit: Int64 = 1 << 60
        if indexCount < 1 || Int(indexCount) > entryCountMax {
            return "the header counts \(indexCount) entries, of at most \(entryCountMax)"
        }
        guard indexCount > 1 else { return nil }
        if !(0..<limit).contains(beginTimestamp) || !(0..<limit).contains(endTimestamp) {
            return "the header's times are \(beginTimestamp) and \(endTimestamp)"
        }
        if !(0..<limit).contains(beginOffset) || endOffset < beginOffset || endOffset >= limit {
            return "the header's offsets are \(beginOffset) and \(endOffset)"
        }
        return nil
    }
}

/// How an index file is divided.
struct Geometry: Equatable {
    let slots: Int
    let entries: Int

    /// `nil` if no file can be divided so.
    fileprivate var checked: Geometry? {
        slots > 0 && slots <= IndexFolder.slotCountMax && entries > 1 && entries < 1 << 31 ? self : nil
    }
}

/// The index files of a folder, in the order of what they hold.
struct IndexFolder {
    /// Slots of one file that are kept in memory to follow its chains (4 bytes each).
    static let slotCountMax = 1 << 26

    private(set) var files: [IndexFileFacts] = []
    /// Slots and entries of every file; `nil` if nothing tells them.
    private(set) var geometry: Geometry?
    /// Bytes of all files that are read.
    private(set) var byteCount = 0

    /// Reads every header; what cannot be an index file is reported and left out.
    init(_ folder: StoreFolder, _ report: FindingReport, wasKilled: Bool) throws(ToolError) {
        geometry = Self.geometry(folder.settings, [])
        guard let status = FileStatus(folder.indexPath) else { return }
        guard status.kind == .folder else {
            report.add(.indexFileName, "index", "is no folder")
            return
        }
        let names = try StoreFolder.names(in: folder.indexPath)
        let sizes = names.compactMap { name -> Int? in
            Self.isName(name) ? FileStatus(folder.indexPath + "/" + name)?.byteCount : nil
        }
        let geometry = Self.geometry(folder.settings, sizes)
        self.geometry = geometry
        for name in names {
            let (path, label) = (folder.indexPath + "/" + name, "index/" + name)
            guard Self.isName(name), let status = FileStatus(path), status.kind == .file else {
                report.add(.indexFileName, .note, label, "is no index file")
                continue
            }
            guard let geometry else {
                report.add(
                    .indexFileLength, label,
                    "has \(status.byteCount) bytes, which tell no number of slots and entries: "
                        + "say --index-slots and --index-entries")
                continue
            }
            let wanted = IndexFile.byteCount(slots: geometry.slots, entries: geometry.entries)
            guard status.byteCount == wanted else {
                // A broker throws it away and builds it again, where a killed one left it.
                report.add(
                    .indexFileLength, wasKilled ? .recovery : .error, label,
                    "has \(status.byteCount) bytes, not \(wanted): the next start throws it away")
                continue
            }
            do throws(SystemError) {
                var bytes = ByteBuffer()
                try File(path, .read).read(IndexFile.headerByteCount, at: 0, into: &bytes)
                guard bytes.count == IndexFile.headerByteCount else { continue }
                let facts = IndexFileFacts(
                    path: path, name: label, slotCount: geometry.slots, entryCountMax: geometry.entries,
                    header: bytes.span)
                if let flaw = facts.flaw {
                    report.add(.indexHeader, label, at: 0, flaw)
                } else {
                    files.append(facts)
                    byteCount += facts.position(of: facts.entryEnd)
                }
            } catch {
                report.add(.unreadable, label, "\(error)")
            }
        }
        files.sort { ($0.beginOffset, $0.name) < ($1.beginOffset, $1.name) }
    }

    private static func isName(_ name: String) -> Bool { name.utf8.allSatisfy { (48...57).contains($0) } }

    /// How many slots and entries a file has: as configured, or four entries a slot, as RocketMQ's defaults are.
    private static func geometry(_ settings: StoreSettings, _ sizes: [Int]) -> Geometry? {
        if let slots = settings.indexSlotCount, let entries = settings.indexEntryCount {
            return Geometry(slots: slots, entries: entries).checked
        }
        var votes: [Int: Int] = [:]
        for size in sizes { votes[size, default: 0] += 1 }
        guard let size = votes.max(by: { ($0.value, $0.key) < ($1.value, $1.key) })?.key else { return nil }
        let rest = size - IndexFile.headerByteCount
        var slots = settings.indexSlotCount ?? 0
        var entries = settings.indexEntryCount ?? 0
        if slots == 0, entries == 0, rest % 84 == 0 { (slots, entries) = (rest / 84, rest / 84 * 4) }
        if slots == 0 { slots = (rest - entries * IndexFile.entryByteCount) / 4 }
        if entries == 0 { entries = (rest - slots * 4) / IndexFile.entryByteCount }
        return Geometry(slots: slots, entries: entries).checked
    }
}
