import MQBytes
import MQObserve
public import MQSystem

/// The timer log: units of waiting messages in the order they came, in files named by where they begin. Beyond its end
/// there are zeroes. Owned by one thread.
/// Source: `TimerLog.java`, RocketMQ 5.3.
final class TimerLog {
    /// One file.
    private final class LogFile {
        let start: Int64
        let path: String
        let file: File
        /// The last slot a unit of it waits in; `nil` if it was not written by this process alone.
        var lastSlot: Int64?
        private var mapped: Mapping?

        init(_ path: String, start: Int64, file: File, lastSlot: Int64? = nil) {
            self.path = path
            self.start = start
            self.file = file
            self.lastSlot = lastSlot
        }

        func mapping(_ byteCount: Int64) throws(SystemError) -> Mapping {
            if let mapped { return mapped }
            let mapping = try Mapping(file, byteCount: Int(byteCount))
            mapped = mapping
            return mapping
        }
    }

    let layout: TimerLogLayout
    private let folder: String
    private var files: [LogFile] = []
    /// Where the next unit goes, but for a blank before it.
    private(set) var end: Int64 = 0
    /// Files written to since they were asked for.
    private var dirty: [LogFile] = []
    /// A file was made since the folder was asked for.
    private(set) var hasNewFile = false

    /// Where the oldest file begins; the end if there is none.
    var start: Int64 { files.first?.start ?? end }
    /// Where the newest file ends.
    private var limit: Int64 { files.last.map { $0.start + layout.fileByteCount } ?? 0 }
    var isEmpty: Bool { files.isEmpty }

    /// Opens the files in `folder`, which need not be there. The end is not known yet: ``truncate(to:)`` says it.
    /// - Throws: ``TimerOpenError/files`` if a file has another size than `layout` says.
    init(folder: String, layout: TimerLogLayout) throws(TimerOpenError) {
        self.folder = folder
        self.layout = layout
        let starts = try TimerOpenError.wrap { () throws(SystemError) in try Self.starts(in: folder) }
        for (index, start) in starts.enumerated() {
            let path = Self.path(folder, start)
            let file = try TimerOpenError.wrap { () throws(SystemError) in try File(path, .readWrite) }
            let byteCount = try TimerOpenError.wrap { () throws(SystemError) in try file.byteCount() }
            if index == starts.count - 1, byteCount < layout.fileByteCount {  // a crash found it being made
                try TimerOpenError.wrap { () throws(SystemError) in try file.truncate(to: Int(layout.fileByteCount)) }
            } else if byteCount != layout.fileByteCount || start % layout.fileByteCount != 0 {
                throw .files(path: path, byteCount: byteCount, expected: Int(layout.fileByteCount))
            }
            // What is not followed without a gap is left of a file that could not be removed.
            if let last = files.last, last.start + layout.fileByteCount != start { files.removeAll() }
            files.append(LogFile(path, start: start, file: file))
        }
        end = start
    }

    private static func starts(in folder: String) throws(SystemError) -> [Int64] {
        try Directory.names(in: folder).compactMap { $0.utf8.count == 20 ? Int64($0) : nil }.filter { $0 >= 0 }.sorted()
    }

    private static func path(_ folder: String, _ start: Int64) -> String { folder + "/" + Segment.name(start) }

    // MARK: - Reading

    /// Whether the log's files reach from their first byte to `position`.
    func reaches(_ position: Int64) -> Bool { !files.isEmpty && start <= position && position <= limit }

    /// The unit at `position`; `nil` if none is there.
    func unit(at position: Int64) throws(SystemError) -> TimerUnit? {
        guard layout.isPlace(position), let file = file(at: position) else { return nil }
        let mapping = try file.mapping(layout.fileByteCount)
        let offset = Int(position - file.start)
        return TimerUnit(mapping.bytes(offset..<(offset + TimerUnit.byteCount)), at: 0)
    }

    private func file(at position: Int64) -> LogFile? {
        guard let first = files.first, position >= first.start else { return nil }
        let index = Int((position - first.start) / layout.fileByteCount)
        return index < files.count ? files[index] : nil
    }

    /// Calls `body` with every unit from `position` on, up to the end.
    /// - Precondition: a unit can begin at `position`.
    func forEachUnit(from position: Int64, _ body: (Int64, TimerUnit) -> Void) throws(SystemError) {
        var position = max(position, start)
        while position < end {
            position = layout.place(at: position)
            if position < end, let unit = try unit(at: position) { body(position, unit) }
            position += Int64(TimerUnit.byteCount)
        }
    }

    // MARK: - Writing

    /// Units that are written together: positions are given out before the bytes are written.
    struct Pieces: ~Copyable {
        /// Bytes that lie together in a file: where, and where they begin in `bytes`.
        fileprivate var runs: [(position: Int64, start: Int, lastSlot: Int64)] = []
        fileprivate var bytes = ByteBuffer()
        fileprivate var end: Int64
        private let layout: TimerLogLayout

        fileprivate init(_ layout: TimerLogLayout, end: Int64) {
            self.layout = layout
            self.end = end
        }

        /// Adds the unit that `make` makes of its place.
        /// - Returns: the place.
        mutating func add(_ make: (Int64) -> TimerUnit) -> Int64 {
            let place = layout.place(at: end)
            if place != end {
                runs.append((end, bytes.count, 0))
                TimerUnit.appendBlank(rest: Int(place - end), to: &bytes)
            }
            if place != end || runs.isEmpty { runs.append((place, bytes.count, 0)) }
            let unit = make(place)
            unit.append(to: &bytes)
            runs[runs.count - 1].lastSlot = max(runs[runs.count - 1].lastSlot, unit.slotTime)
            end = place + Int64(TimerUnit.byteCount)
            return place
        }
    }

    /// What is to be written behind the end.
    func pieces() -> Pieces { Pieces(layout, end: end) }

    /// Writes `pieces` to the page cache. After an error the log ends where it did before.
    func write(_ pieces: borrowing Pieces) throws(SystemError) {
        for (index, run) in pieces.runs.enumerated() {
            let next = index + 1 < pieces.runs.count ? pieces.runs[index + 1].start : pieces.bytes.count
            let file = try fileForWriting(run.position)
            try file.file.write(
                pieces.bytes.span.extracting(run.start..<next), at: Int(run.position - file.start))
            file.lastSlot = file.lastSlot.map { max($0, run.lastSlot) }
            if !dirty.contains(where: { $0 === file }) { dirty.append(file) }
        }
        end = pieces.end
    }

    private func fileForWriting(_ position: Int64) throws(SystemError) -> LogFile {
        if let file = file(at: position) { return file }
        let start = layout.fileStart(position)
        precondition(files.isEmpty || start == limit, "the timer log goes on at \(limit), not at \(start)")
        let path = Self.path(folder, start)
        try Directory.create(folder)
        let fresh = try File(path, .replace)
        try fresh.truncate(to: Int(layout.fileByteCount))
        let file = LogFile(path, start: start, file: fresh, lastSlot: 0)
        files.append(file)
        hasNewFile = true
        return file
    }

    /// Drops what lies behind `position`, which becomes the end. Recovery only.
    func truncate(to position: Int64) throws(SystemError) {
        while let last = files.last, last.start > position || (last.start == position && files.count > 1) {
            try Directory.removeFile(last.path)
            files.removeLast()
        }
        if let last = files.last {
            let inFile = Int(position - last.start)
            if inFile < Int(layout.fileByteCount) { try last.file.discard(inFile..<Int(layout.fileByteCount)) }
            dirty.append(last)
        }
        end = position
    }

    /// Drops everything and begins anew at 0.
    func removeAll() throws(SystemError) {
        for start in try Self.starts(in: folder) { try Directory.removeFile(Self.path(folder, start)) }
        files = []
        dirty = []
        end = 0
    }

    // MARK: - Syncing and cleaning

    /// The files to be synced, and the folder if a name in it is new; from now on they count as clean.
    func takeDirty() -> (files: [File], folder: String?) {
        defer {
            dirty.removeAll()
            hasNewFile = false
        }
        return (dirty.map(\.file), hasNewFile ? folder : nil)
    }

    /// Forgets old files that nobody needs any more and returns where they are: they are to be removed.
    /// - Parameters:
    ///   - recordStart: where the CommitLog begins.
    ///   - slot: every slot before it was emptied, and that is on the disk.
    func takeOld(before recordStart: Int64, emptiedTo slot: Int64) throws(SystemError) -> [String] {
        var paths: [String] = []
        while files.count > 1, try isOld(files[0], before: recordStart, emptiedTo: slot) {
            let old = files.removeFirst()
            dirty.removeAll { $0 === old }
            paths.append(old.path)
        }
        return paths
    }

    private func isOld(
        _ file: LogFile, before recordStart: Int64, emptiedTo slot: Int64
    ) throws(SystemError) -> Bool {
        if let last = file.lastSlot, last < slot { return true }
        let room = layout.fileByteCount - Int64(TimerUnit.blankByteCount)
        let last = file.start + (room / Int64(TimerUnit.byteCount) - 1) * Int64(TimerUnit.byteCount)
        guard let unit = try unit(at: last) else { return false }
        return unit.record < recordStart
    }
}

/// Why the timer's files cannot be opened: a sentence for the operator.
public enum TimerOpenError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The disk.
    case system(SystemError)
    /// A file of the timer log has another size than configured.
    case files(path: String, byteCount: Int, expected: Int)

    public var description: String {
        switch self {
        case .system(let error): "cannot open the timer's files: \(error)"
        case .files(let path, let byteCount, let expected):
            "\(path) has \(byteCount) bytes and mappedFileSizeTimerLog is \(expected): set the key to what the files were "
                + "made with, or remove the folder timerlog: it is built again from the log"
        }
    }

    static func wrap<R>(_ body: () throws(SystemError) -> R) throws(TimerOpenError) -> R {
        do throws(SystemError) { return try body() } catch { throw .system(error) }
    }
}
