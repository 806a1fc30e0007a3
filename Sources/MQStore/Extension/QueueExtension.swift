import MQBytes
import MQSystem

/// The extension units of one consume queue, in files of their own (`consumequeue_ext`). The dispatch thread writes it
/// before the queue's units that point to it; all threads read.
///
/// Java takes an address for a hash code when its `enableConsumeQueueExt` is off; here what is there is always read.
final class QueueExtension: Sendable {
    private struct ExtensionFile: Sendable {
        let byteCount: Int
        let file: QueueFile

        /// Bytes from the extension's beginning.
        var start: Int64 { file.start }
        var end: Int64 { start + Int64(byteCount) }
    }

    private struct State: Sendable {
        /// Oldest first; older ones may be missing.
        var files: [ExtensionFile]
        /// Where the next unit goes; before it everything can be read.
        var end: Int64
        /// Units that are not written yet, from `end` on, with what ends a file between them.
        var pending: [UInt8] = []
        var synced: Int64 = 0
        var hasNewFile = false
        /// How often everything was removed: what a sync that began before brought to the disk are other units.
        var life = 0
    }

    /// Whether new units get an extension (`enableConsumeQueueExt`).
    let isWritten: Bool
    private let folder: String
    private let fileByteCount: Int
    private let openFiles: OpenFiles<QueueFile>
    private let state: Lock<State>

    /// Finds the files in `folder`, which need not exist. ``settle(behind:wasClean:)`` comes before the first write.
    /// - Throws: a file of another length than configured; where nothing is written, any length is read.
    init(
        folder: String, fileByteCount: Int, isWritten: Bool, open: OpenFiles<QueueFile>
    ) throws(StoreOpenError) {
        self.folder = folder
        self.fileByteCount = fileByteCount
        self.isWritten = isWritten
        openFiles = open
        let files = try Self.load(folder, isWritten ? fileByteCount : nil, open)
        state = Lock(State(files: files, end: files.last?.end ?? 0))
    }

    /// One for a queue that has none on the disk.
    init(emptyIn folder: String, fileByteCount: Int, open: OpenFiles<QueueFile>) {
        self.folder = folder
        self.fileByteCount = fileByteCount
        isWritten = true
        openFiles = open
        state = Lock(State(files: [], end: 0))
    }

    private static func load(
        _ folder: String, _ wanted: Int?, _ open: OpenFiles<QueueFile>
    ) throws(StoreOpenError) -> [ExtensionFile] {
        var files: [ExtensionFile] = []
        let names = try StoreOpenError.wrap { () throws(SystemError) in try Directory.names(in: folder) }
        for name in names {
            guard name.utf8.count == 20, let start = Int64(name), start >= 0 else { continue }
            let path = folder + "/" + name
            let byteCount = try StoreOpenError.wrap { () throws(SystemError) in try Directory.byteCount(path) }
            if byteCount == 0 { continue }  // it was being made when the machine stopped
            guard wanted == nil || byteCount == wanted, start <= .max - Int64(byteCount) else {
                throw .wrongLength(path: path, byteCount: byteCount, expected: wanted ?? byteCount)
            }
            files.append(ExtensionFile(byteCount: byteCount, file: QueueFile(path, start: start, open: open)))
        }
        return files
    }

    // MARK: - Reading

    /// Bytes that one read of the file brought: units that follow one another are taken from them.
    struct Cursor: ~Copyable {
        fileprivate var bytes = ByteBuffer()
        fileprivate var start: Int64 = -1

        /// Bytes read at once.
        fileprivate static let chunkByteCount = 4096

        init() {}
    }

    /// The tags code that the unit at `address` holds; `nil` if no unit is there, because a crash of the machine lost it or
    /// the address lies. May wait for the disk as long as reading the queue's own units does.
    func tagsCode(at address: Int64, _ cursor: inout Cursor) throws(SystemError) -> Int64? {
        let position = ExtensionAddress.position(address)
        guard position >= 0 else { return nil }
        let known = position - cursor.start
        if cursor.start >= 0, known >= 0, known <= Int64(cursor.bytes.count - ExtensionUnit.byteCountMin) {
            return ExtensionUnit.tagsCode(cursor.bytes.span, at: Int(known))
        }
        cursor.start = position
        try read(Cursor.chunkByteCount, at: position, into: &cursor.bytes)
        return ExtensionUnit.tagsCode(cursor.bytes.span, at: 0)
    }

    /// The whole unit at `address`.
    func unit(at address: Int64) throws(SystemError) -> ExtensionUnit? {
        var bytes = ByteBuffer()
        try read(ExtensionUnit.byteCountMax, at: ExtensionAddress.position(address), into: &bytes)
        return ExtensionUnit(bytes.span, at: 0)
    }

    /// Up to `byteCount` of what was written, within one file; nothing if no file has it.
    private func read(_ byteCount: Int, at position: Int64, into bytes: inout ByteBuffer) throws(SystemError) {
        bytes.removeAll()
        let (file, end) = state.withLock { state in (state.files.last { $0.start <= position }, state.end) }
        guard let file, position < min(file.end, end) else { return }
        let available = Int(min(Int64(byteCount), min(file.end, end) - position))
        _ = try file.file.read(available, at: Int(position - file.start), into: &bytes)
    }

    // MARK: - Writing

    /// Takes a unit; it is written with ``publish()``. Dispatch thread.
    /// - Returns: its address.
    func add(_ unit: ExtensionUnit) -> Int64 {
        state.withLock { state in
            let inFile = Int((state.end + Int64(state.pending.count)) % Int64(fileByteCount))
            let room = fileByteCount - inFile
            if unit.byteCount > room - ExtensionUnit.blankByteCount {
                // A file may come with units up to its last bytes, where the mark has no room.
                let mark = [UInt8](repeating: 0xFF, count: min(2, room))
                state.pending += mark + [UInt8](repeating: 0, count: room - mark.count)
            }
            let position = state.end + Int64(state.pending.count)
            unit.append(to: &state.pending)
            return ExtensionAddress.address(position)
        }
    }

    /// Writes what was taken. Under the queue's `writing` lock.
    func publish() throws(SystemError) {
        var (position, bytes) = state.withLock { ($0.end, $0.pending[...]) }
        guard !bytes.isEmpty else { return }
        while !bytes.isEmpty {
            let start = position / Int64(fileByteCount) * Int64(fileByteCount)
            let inFile = Int(position - start)
            let part = bytes.prefix(fileByteCount - inFile)
            try fileForWriting(start).write(Array(part).span, at: inFile)
            bytes = bytes.dropFirst(part.count)
            position += Int64(part.count)
        }
        state.withLock { [position] state in
            state.end = position
            state.pending.removeAll(keepingCapacity: true)
        }
    }

    private func fileForWriting(_ start: Int64) throws(SystemError) -> QueueFile {
        if let known = state.withLock({ $0.files.last { $0.start == start } }) { return known.file }
        try Directory.create(folder)
        let path = folder + "/" + Segment.name(start)
        let fresh = try File(path, .replace)
        try fresh.truncate(to: fileByteCount)
        let file = QueueFile(path, start: start, open: openFiles, file: fresh)
        state.withLock { state in
            state.files.append(ExtensionFile(byteCount: fileByteCount, file: file))
            state.hasNewFile = true
        }
        return file
    }

    /// Makes what was written durable; before the queue's own units are. The `keep` thread calls it.
    func synchronize() throws(SystemError) {
        let (files, end, hasNewFile, life) = state.withLock { state in
            let found = (state.files.filter { $0.end > state.synced }, state.end, state.hasNewFile, state.life)
            state.hasNewFile = false
            return found
        }
        guard isWritten, hasNewFile || state.withLock({ $0.synced < end }) else { return }
        for file in files { try file.file.synchronizeData() }
        if hasNewFile { try QueueFile.synchronizeNames(above: folder) }
        state.withLock { if $0.life == life { $0.synced = max($0.synced, end) } }
    }

    // MARK: - Recovery and removal

    /// Finds out where the next unit goes and cuts what lies behind. Recovery only.
    /// - Parameters:
    ///   - last: the address in the queue's last unit that has one. New units must never get an address that the queue
    ///     knows already, whatever was lost of the unit there: it would be another message's tags.
    ///   - wasClean: the last run ended in order.
    func settle(behind last: Int64?, wasClean: Bool) throws(SystemError) {
        guard isWritten else { return }
        var position = state.withLock { $0.files.last?.start ?? 0 }
        if let last, (0..<(1 << 60)).contains(ExtensionAddress.position(last)) {
            position = ExtensionAddress.position(last)
            let start = position / Int64(fileByteCount) * Int64(fileByteCount)
            // Lost: the rest of that file stays unused.
            position = if let unit = try unit(at: last) { position + Int64(unit.byteCount) } else { start }
            if position == start { position += Int64(fileByteCount) }
        }
        if wasClean || last == nil { position = try walk(from: position) }
        let later = state.withLock { [position] state in
            let later = state.files.filter { $0.start > position || ($0.start == position && last != nil) }
            state.files.removeAll { file in later.contains { $0.start == file.start } }
            state.end = position
            state.synced = wasClean ? position : 0
            state.hasNewFile = !wasClean && !state.files.isEmpty  // its name may be in the page cache only
            return later
        }
        try remove(later)
        guard let file = state.withLock({ $0.files.last }), position < file.end else { return }
        // Never of another length, or the next start would refuse it.
        try file.file.discard(Int(position - file.start)..<fileByteCount)
    }

    /// The end of the units that follow one another from `start` on in its file; the file's end if it is full.
    private func walk(from start: Int64) throws(SystemError) -> Int64 {
        var position = start
        var bytes = ByteBuffer()
        while true {
            try read(1 << 18, at: position, into: &bytes)
            var at = 0
            while let size = ExtensionUnit.byteCount(bytes.span, at: at) { at += size }
            if at == 0 || bytes.isEmpty { break }
            position += Int64(at)
        }
        let isFull = bytes.count >= 2 && bytes.span.int16(at: 0) == ExtensionUnit.endMark
        let size = Int64(fileByteCount)
        return isFull ? position / size * size + size : position
    }

    /// Removes files whose units all lie before the one at `address`. Recovery and retention, under the queue's `writing`
    /// lock.
    func removeFiles(before address: Int64) throws(SystemError) {
        let position = ExtensionAddress.position(address)
        let old = state.withLock { state in
            let old = state.files.dropLast().filter { $0.end <= position }
            state.files.removeAll { file in old.contains { $0.start == file.start } }
            return old
        }
        try remove(Array(old))
    }

    private func remove(_ files: [ExtensionFile]) throws(SystemError) {
        for file in files {
            file.file.retire()
            try Directory.removeFile(file.file.path)
        }
    }

    /// Empties the extension and removes its files, because its queue starts anew. Under the queue's `writing` lock.
    func clear() throws(SystemError) {
        let old = state.withLock { state in
            let old = state.files
            state = State(files: [], end: 0, life: state.life + 1)
            return old
        }
        try remove(old)
        try Directory.removeTree(folder)
    }
}
