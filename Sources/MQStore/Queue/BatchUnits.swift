import MQBase
import MQBytes
import MQSystem
import Synchronization

/// The units of a queue whose records hold several messages each (`queue.type=BatchCQ`), in files below
/// `batchconsumequeue`. Where a message is cannot be computed from its offset: it is looked for.
///
/// Units are counted from the queue's beginning, also when old files are gone: unit n lies at byte 46 n. Written under the
/// queue's `writing` lock, read by all.
final class BatchUnits: Sendable {
    let folder: String
    private let fileByteCount: Int
    private let files: Lock<[QueueFile]>
    /// Units added and not written yet; the dispatch thread's, or of who holds `writing` when a topic is deleted.
    let pending = Lock<[BatchUnit]>([])
    /// One more than the last unit that can be read.
    private let end: Atomic<Int64>
    /// The unit that was found last: readers come back for the next one.
    private let found = Atomic<Int64>(0)
    private let synced: Lock<Synced>
    private let openFiles: OpenFiles<QueueFile>

    private struct Synced {
        var end: Int64
        var hasNewFile = false
        /// How often everything was forgotten: what a sync that began before brought to the disk are other units.
        var life = 0
    }

    /// - Parameters:
    ///   - fileByteCount: a multiple of 46.
    ///   - files: what is on the disk, without holes, oldest first.
    ///   - end: one more than the number of the last unit that was written.
    init(folder: String, fileByteCount: Int, files: [QueueFile], end: Int64, open: OpenFiles<QueueFile>) {
        self.folder = folder
        self.fileByteCount = fileByteCount
        self.files = Lock(files)
        self.end = Atomic(end)
        synced = Lock(Synced(end: end))
        openFiles = open
    }

    private static let unitByteCount = Int64(BatchUnit.byteCount)

    /// The number of the first unit there is a file for.
    var firstUnit: Int64 { files.withLock { ($0.first?.start ?? 0) / Self.unitByteCount } }
    /// One more than the number of the last unit.
    var endUnit: Int64 { end.load(ordering: .acquiring) }

    // MARK: - Reading

    /// How a reader gets at units.
    enum Access {
        case mayWait, inMemory
    }

    /// Appends raw units from number `first` on, at most `count` and not past the end of one file.
    /// - Returns: how many; `nil` if it would have to wait for the disk and may not.
    func read(
        from first: Int64, count: Int, _ access: Access, into buffer: inout ByteBuffer
    ) throws(SystemError) -> Int? {
        guard let place = place(of: first, count: count) else { return 0 }
        let byteCount: Int? =
            switch access {
            case .mayWait: try place.file.read(place.byteCount, at: place.inFile, into: &buffer)
            case .inMemory: try place.file.readIfInMemory(place.byteCount, at: place.inFile, into: &buffer)
            }
        return byteCount.map { $0 / BatchUnit.byteCount }
    }

    /// Begins to read the units behind the one with the message `offset` into memory, if that one is known. A hint.
    func readAhead(near offset: Int64, byteCount: Int) {
        guard case .unit(let first)? = try? find(offset, .inMemory),  // a hint that fails is none
            let place = place(of: first, count: byteCount / BatchUnit.byteCount)
        else { return }
        place.file.readAhead(place.inFile..<place.inFile + place.byteCount)
    }

    private func place(of first: Int64, count: Int) -> (file: QueueFile, inFile: Int, byteCount: Int)? {
        let available = endUnit - first
        guard first >= 0, available > 0, count > 0 else { return nil }
        let position = first * Self.unitByteCount
        let file = files.withLock { files -> QueueFile? in
            guard let oldest = files.first, position >= oldest.start else { return nil }
            let index = Int((position - oldest.start) / Int64(fileByteCount))
            return index < files.count ? files[index] : nil
        }
        guard let file else { return nil }
        let inFile = Int(position - file.start)
        let fits = (fileByteCount - inFile) / BatchUnit.byteCount
        return (file, inFile, Int(min(available, Int64(min(count, fits)))) * BatchUnit.byteCount)
    }

    /// What a look at one unit brings.
    enum Found {
        case unit(BatchUnit)
        /// None is there, or no longer.
        case nothing
        /// It may not be in memory.
        case cold
    }

    func look(at number: Int64, _ access: Access) throws(SystemError) -> Found {
        var buffer = ByteBuffer(capacity: BatchUnit.byteCount)
        guard let count = try read(from: number, count: 1, access, into: &buffer) else { return .cold }
        return count == 1 ? .unit(BatchUnit(buffer.span, at: 0)) : .nothing
    }

    /// The unit `number`; `nil` if there is none.
    func unit(_ number: Int64) throws(SystemError) -> BatchUnit? {
        if case .unit(let unit) = try look(at: number, .mayWait) { unit } else { nil }
    }

    /// Where the search for an offset ended.
    enum Place: Equatable {
        /// The number of the unit that holds it, or of the first one behind it.
        case unit(Int64)
        case cold
    }

    /// Looks for the unit that holds `offset`: first where the last search ended, because readers go on from there.
    func find(_ offset: Int64, _ access: Access) throws(SystemError) -> Place {
        let guess = found.load(ordering: .relaxed)
        if guess >= firstUnit {
            for number in guess...guess + 1 {
                if case .unit(let unit) = try look(at: number, access), unit.isUsed,
                    (unit.baseOffset..<unit.endOffset).contains(offset)
                {
                    found.store(number, ordering: .relaxed)
                    return .unit(number)
                }
            }
        }
        guard case .unit(var number) = try search(access, passesUnused: true, { $0.endOffset <= offset }) else {
            return .cold
        }
        for _ in 0..<Self.unusedMax where number + 1 < endUnit {
            guard case .unit(let unit) = try look(at: number, access), !unit.isUsed else { break }
            number += 1
        }
        found.store(number, ordering: .relaxed)
        return .unit(number)
    }

    /// Units side by side that a disk made none, which do not lead a search astray.
    private static let unusedMax: Int64 = 16

    /// The first unit for which `isBefore` is false, by bisection; ``endUnit`` if there is none. A unit that is none counts
    /// as behind: what a crash left unwritten.
    /// - Parameter passesUnused: a few units that are none, which a disk made so, do not lead astray.
    func search(
        _ access: Access, passesUnused: Bool = false, _ isBefore: (BatchUnit) -> Bool
    ) throws(SystemError) -> Place {
        var low = firstUnit
        var high = endUnit
        while low < high {
            var middle = low + (high - low) / 2
            var seen = try look(at: middle, access)
            let limit = passesUnused ? min(high, middle + Self.unusedMax) : middle
            while case .unit(let unit) = seen, !unit.isUsed, middle + 1 < limit {
                middle += 1
                seen = try look(at: middle, access)
            }
            switch seen {
            case .cold: return .cold
            case .nothing: low = middle + 1  // its file was removed meanwhile
            case .unit(let unit): if unit.isUsed, isBefore(unit) { low = middle + 1 } else { high = middle }
            }
        }
        return .unit(low)
    }

    /// As ``search(_:_:)`` for who may wait.
    func first(behind isBefore: (BatchUnit) -> Bool) throws(SystemError) -> Int64 {
        if case .unit(let number) = try search(.mayWait, isBefore) { number } else { endUnit }
    }

    // MARK: - Writing

    /// Writes the pending units to the files, where readers do not see them before ``show(_:)``.
    /// - Returns: what `show` is to be told.
    func write() throws(SystemError) -> Int64 {
        let units = pending.withLock { $0 }
        var bytes = ByteBuffer(capacity: units.count * BatchUnit.byteCount)
        for unit in units { unit.append(to: &bytes) }
        var position = endUnit * Self.unitByteCount
        while !bytes.isEmpty {
            let start = position / Int64(fileByteCount) * Int64(fileByteCount)
            let inFile = Int(position - start)
            let byteCount = min(bytes.count, fileByteCount - inFile)
            try fileForWriting(start).write(bytes.span.extracting(0..<byteCount), at: inFile)
            bytes.removeFirst(byteCount)
            position += Int64(byteCount)
        }
        return position / Self.unitByteCount
    }

    /// Lets readers see what was written.
    func show(_ end: Int64) {
        self.end.store(end, ordering: .releasing)
        pending.withLock { $0.removeAll(keepingCapacity: true) }
    }

    private func fileForWriting(_ start: Int64) throws(SystemError) -> QueueFile {
        if let known = files.withLock({ $0.last { $0.start == start } }) { return known }
        let path = folder + "/" + Segment.name(start)
        let fresh = try QueueFile.make(path, in: folder)
        try fresh.truncate(to: fileByteCount)
        let file = QueueFile(path, start: start, open: openFiles, file: fresh)
        files.withLock { $0.append(file) }
        synced.withLock { $0.hasNewFile = true }
        return file
    }

    /// As ``ConsumeQueue/synchronize(leastPages:)``.
    func synchronize(leastPages: Int) throws(SystemError) {
        let count = endUnit
        let before: Synced? = synced.withLock { synced in
            let pages = (count - synced.end) * Self.unitByteCount / 4096
            guard pages >= Int64(leastPages), synced.end < count || synced.hasNewFile else { return nil }
            let before = synced
            synced.hasNewFile = false
            return before
        }
        guard let before else { return }
        let first = before.end * Self.unitByteCount - Int64(fileByteCount)
        for file in files.withLock({ $0 }) where file.start > first { try file.synchronizeData() }
        if before.hasNewFile { try QueueFile.synchronizeNames(above: folder) }
        synced.withLock { if $0.life == before.life { $0.end = max($0.end, count) } }
    }

    // MARK: - Recovery and removal

    /// Finds the last unit that was written: the rest of the last files reads as zero. Before the first reader.
    func settle() throws(SystemError) {
        let count = try first { _ in true }
        end.store(count, ordering: .releasing)
        synced.withLock { $0.end = count }
    }

    /// As ``ConsumeQueue/distrustSync(known:)``: the point knows offsets, not units.
    func distrustSync() {
        let hasFiles = files.withLock { !$0.isEmpty }
        synced.withLock { $0 = Synced(end: 0, hasNewFile: hasFiles, life: $0.life) }
    }

    /// Drops the units from number `count` on. Recovery only.
    func truncate(to count: Int64) throws(SystemError) {
        end.store(count, ordering: .releasing)
        synced.withLock { $0.end = min($0.end, count) }
        let position = count * Self.unitByteCount
        try QueueFile.cut(files, behind: position, fileByteCount: fileByteCount)
    }

    /// Whether a file begins behind the last unit: what a crash left.
    var hasLaterFile: Bool {
        let position = endUnit * Self.unitByteCount
        return files.withLock { $0.contains { $0.start > position } }
    }

    /// Forgets everything; `writing` is held, or nobody else runs.
    /// - Returns: the files that held it.
    func forgetAll() -> [QueueFile] {
        pending.withLock { $0.removeAll() }
        end.store(0, ordering: .releasing)
        synced.withLock { $0 = Synced(end: 0, life: $0.life + 1) }
        let old = files.withLock { files in
            let old = files
            files.removeAll()
            return old
        }
        for file in old { file.retire() }
        return old
    }

    /// As ``ConsumeQueue/removeOldFile()``, for messages before `offset`. `writing` is held.
    func removeOldFile(before offset: Int64) throws(SystemError) -> ConsumeQueue.OldFile {
        let (old, next) = files.withLock { $0.count > 1 ? ($0[0], $0[1]) : (nil, nil) }
        guard let old, let next, let first = try unit(next.start / Self.unitByteCount), first.isUsed,
            first.baseOffset <= offset
        else { return .none }
        guard synced.withLock({ $0.end }) * Self.unitByteCount > next.start else { return .needed }
        try Directory.removeFile(old.path)
        files.withLock { _ = $0.removeFirst() }
        old.retire()
        return .removed
    }
}
