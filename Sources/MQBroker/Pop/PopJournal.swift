import MQBytes
import MQSystem
import Synchronization

/// Pop's journal, `<root>/pop/<20 digits>`: what happened to ``PopTable``, in frames with a checksum, appended with one
/// write a wake-up. A file's name is the position of its first byte. When the last file is large, a new one is begun with
/// the whole state in it, and the others go. Until then it continues the one before it, and counts only if that one is whole: a
/// machine that stops may keep the new one and lose the old one's end. docs/formats/store.md shows the bytes.
final class PopJournal: Sendable {
    /// A file over this is left for a new one.
    static let fileByteCountMax = 32 << 20
    private static let magic: StaticString = "APUSPOP1"
    /// Of a file that was begun while another one was written to.
    private static let magicContinued: StaticString = "APUSPOP+"
    private static let headByteCount = 16

    /// The file that is written, and what is not written yet.
    struct Tail {
        /// `nil` before the first write of a store that never popped: no folder, and nothing to sync at a start.
        fileprivate var file: File?
        /// Files before it that may not be on the disk yet.
        fileprivate var before: [File] = []
        /// Whether the name of `file` is on the disk.
        fileprivate var isNamed = false
        /// The position of its first byte.
        fileprivate var start: Int64
        fileprivate var byteCount: Int
        /// Frames that could not be written; tried again before anything else.
        fileprivate var pending: [UInt8] = []
        /// Records on their way into a frame.
        var records: [UInt8] = []
    }

    private let folder: String
    private let tail: Lock<Tail>
    private let syncedTo: Atomic<Int64>

    /// Positions before it are on the disk.
    var synced: Int64 { syncedTo.load(ordering: .acquiring) }

    // MARK: - Opening

    /// Reads what is in `folder` and hands every record to `body`, oldest first. Blocks; before any thread runs.
    /// - Returns: the position behind all of it, and whether the end of a file was damaged, as a crash leaves it.
    /// - Throws: ``PopJournalError`` if a file cannot be read, or another version wrote it.
    static func replay(
        _ folder: String, _ body: (PopRecord) -> Void
    ) throws(PopJournalError) -> (end: Int64, isTorn: Bool) {
        var (end, isTorn) = (Int64(0), false)
        /// Where a file must begin that continues the one before it; `nil`: nothing is before it.
        var wholeTo: Int64?
        for (start, path) in try files(in: folder) {
            let bytes: [UInt8]
            do throws(SystemError) { bytes = try File(path, .read).readAll(limit: 1 << 30) } catch {
                throw PopJournalError("cannot \(error)")
            }
            end = max(end, start + Int64(max(bytes.count, headByteCount)))
            if bytes.span.starts(with: magicContinued), let wholeTo, wholeTo != start {
                isTorn = true
                continue
            }
            let good = try replay(bytes.span, path, body)
            if good < bytes.count { isTorn = true }
            wholeTo = start + Int64(good)
        }
        return (end, isTorn)
    }

    private static func files(in folder: String) throws(PopJournalError) -> [(start: Int64, path: String)] {
        guard Directory.exists(folder) else { return [] }
        do throws(SystemError) {
            return try Directory.names(in: folder).sorted().compactMap { name in
                name.utf8.count == 20 ? Int64(name).map { ($0, folder + "/" + name) } : nil
            }
        } catch {
            throw PopJournalError("cannot \(error)")
        }
    }

    /// - Returns: how many bytes are sound.
    private static func replay(
        _ bytes: Span<UInt8>, _ path: String, _ body: (PopRecord) -> Void
    ) throws(PopJournalError) -> Int {
        guard bytes.count >= headByteCount else { return 0 }
        // Its length was on the disk, and nothing else.
        if (0..<headByteCount).allSatisfy({ bytes[$0] == 0 }) { return 0 }
        guard bytes.starts(with: magic) || bytes.starts(with: magicContinued) else {
            throw PopJournalError("\(path) is not a pop journal of this version")
        }
        var position = headByteCount
        while bytes.count - position >= 8 {
            let count = Int(UInt32(bitPattern: bytes.int32(at: position)))
            guard count > 0, count <= bytes.count - position - 8 else { break }
            let frame = bytes.extracting((position + 8)..<(position + 8 + count))
            guard CRC32.value(of: frame) == UInt32(bitPattern: bytes.int32(at: position + 4)) else { break }
            var reader = WireReader(frame)
            while reader.remaining > 0 {
                do throws(WireError) { body(try PopRecord(&reader, frame)) } catch {
                    throw PopJournalError("\(path) at \(position): \(error)")
                }
            }
            position += 8 + count
        }
        return position
    }

    /// Begins a new file at `end`, which holds `state` alone; the files before it are removed when that is on the disk.
    init(_ folder: String, end: Int64, state: [UInt8]) throws(PopJournalError) {
        self.folder = folder
        let old = try Self.files(in: folder)
        var tail = Tail(file: nil, start: end, byteCount: Self.headByteCount)
        tail.records = state
        do throws(SystemError) {
            if !old.isEmpty { tail.file = try Self.begin(folder, at: end, Self.magic) }
            try Self.write(&tail, folder)
            try tail.file?.synchronizeData()
            if !old.isEmpty {
                try Directory.synchronize(folder)
                tail.isNamed = true
            }
            for (start, path) in old where start < end { try Directory.removeFile(path) }
            syncedTo = Atomic(tail.start + Int64(tail.byteCount))
            self.tail = Lock(tail)
        } catch {
            throw PopJournalError("cannot \(error)")
        }
    }

    private static func begin(_ folder: String, at start: Int64, _ magic: StaticString) throws(SystemError) -> File {
        let digits = String(start)
        let name = String(repeating: "0", count: 20 - digits.utf8.count) + digits
        let file = try File(folder + "/" + name, .replace)
        var head = ByteBuffer(capacity: headByteCount)
        head.append(magic)
        head.append(bigEndian: start)
        try file.write(head.span, at: 0)
        return file
    }

    // MARK: - Writing

    /// Writes what `take` puts into the records, as one frame. Any thread; one at a time.
    /// - Parameter patience: how long to wait for another's write, ms; asked only if there is one.
    /// - Returns: the position behind it: reached by ``synced`` when it is on the disk. `nil` if another's write took too
    ///   long; nothing was taken then.
    /// - Throws: if it could not be written; it is kept and tried again with the next call.
    func append(patience: () -> Int64 = { .max }, _ take: (inout [UInt8]) -> Void) throws(SystemError) -> Int64? {
        try tail.withLock(within: patience) { tail throws(SystemError) in
            take(&tail.records)
            try Self.write(&tail, folder)
            return tail.start + Int64(tail.byteCount)
        }
    }

    private static func write(_ tail: inout Tail, _ folder: String) throws(SystemError) {
        if !tail.records.isEmpty {
            tail.pending.append(bigEndian: UInt32(tail.records.count))
            tail.pending.append(bigEndian: CRC32.value(of: tail.records.span))
            tail.pending.append(contentsOf: tail.records)
            tail.records.removeAll(keepingCapacity: tail.records.capacity <= 1 << 20)
        }
        guard !tail.pending.isEmpty else { return }
        let file: File
        if let open = tail.file {
            file = open
        } else {
            try Directory.create(folder)
            file = try begin(folder, at: tail.start, magic)
            tail.file = file
        }
        try file.write(tail.pending.span, at: tail.byteCount)
        tail.byteCount += tail.pending.count
        tail.pending.removeAll(keepingCapacity: tail.pending.capacity <= 1 << 20)
    }

    /// Makes what was written durable. Blocks on the disk; not on a loop.
    func synchronize() throws(SystemError) {
        let tail = tail.withLock { $0 }
        let end = tail.start + Int64(tail.byteCount)
        guard let file = tail.file, end > synced else { return }
        for file in tail.before { try file.synchronizeData() }
        try file.synchronizeData()
        if !tail.isNamed {
            try Directory.createDurably(folder)
            try Directory.synchronize(folder)
            self.tail.withLock { now in
                // It may have been left meanwhile, or somebody else was as fast.
                now.before.removeAll { known in tail.before.contains { $0 === known } }
                if now.file === file { now.isNamed = true }
            }
        }
        raise(to: end)
    }

    private func raise(to end: Int64) {
        var known = synced
        while known < end {
            let (done, now) = syncedTo.compareExchange(expected: known, desired: end, ordering: .acquiringAndReleasing)
            if done { return }
            known = now
        }
    }

    /// Whether the file is large enough to be left.
    var isLarge: Bool { tail.withLock { $0.byteCount > Self.fileByteCountMax } }

    /// Begins a new file. Whoever appends waits while it is made, and not for the disk.
    func turn() throws(SystemError) {
        try tail.withLock { tail throws(SystemError) in
            try Self.write(&tail, folder)
            guard let old = tail.file else { return }
            let end = tail.start + Int64(tail.byteCount)
            tail.file = try Self.begin(folder, at: end, Self.magicContinued)
            tail.before.append(old)
            tail.isNamed = false
            tail.start = end
            tail.byteCount = Self.headByteCount
        }
    }

    /// Removes the files before the present one, which holds the whole state by now.
    func dropOldFiles() throws(SystemError) {
        try synchronize()
        let start = tail.withLock { $0.start }
        for name in try Directory.names(in: folder).sorted() where name.utf8.count == 20 {
            if let other = Int64(name), other < start { try Directory.removeFile(folder + "/" + name) }
        }
    }
}

/// Why pop's journal cannot be used; stop the start with it.
struct PopJournalError: Error, Equatable, CustomStringConvertible {
    /// The sentence.
    let description: String

    init(_ description: String) { self.description = description }
}
