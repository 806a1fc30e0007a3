import MQBytes
import MQSystem
import Synchronization

/// One file of a consume queue, opened when it is needed: a broker has more of them than it may have descriptors.
/// Any thread.
final class QueueFile: Sendable, Reopenable {
    private struct Opened {
        var file: File?
        var isRemoved = false
    }

    /// Bytes from the queue's beginning; also the file's name, in 20 digits.
    let start: Int64
    let path: String
    private let opened: Lock<Opened>
    private let files: OpenFiles<QueueFile>
    private let usedAt = Atomic<Int>(0)
    private let dirty = Atomic<Bool>(false)

    /// The file at `path`. Nothing is opened.
    /// - Parameters:
    ///   - open: bounds how many are open.
    ///   - file: it, if it is open already.
    init(_ path: String, start: Int64, open files: OpenFiles<QueueFile>, file: File? = nil) {
        self.path = path
        self.start = start
        self.files = files
        opened = Lock(Opened(file: file))
        usedAt.store(files.now, ordering: .relaxed)
        if file != nil { files.add(self) }
    }

    var lastUse: Int { usedAt.load(ordering: .relaxed) }
    /// What was written and not synced: a descriptor that stays hears of a failed write for certain.
    var isBusy: Bool { dirty.load(ordering: .relaxed) }
    var isKept: Bool { false }

    func close() { opened.withLock { $0.file = nil } }

    /// Says that the file goes: nobody opens it any more.
    func retire() {
        opened.withLock { $0 = Opened(isRemoved: true) }
        files.remove(self)
    }

    /// The file, opened on first use; `nil` if it went away.
    private func open() throws(SystemError) -> File? {
        let (file, isNew) = try opened.withLock { (opened) throws(SystemError) -> (File?, Bool) in
            if let file = opened.file { return (file, false) }
            guard !opened.isRemoved else { return (nil, false) }
            let file = try File(path, .readWrite)
            opened.file = file
            return (file, true)
        }
        usedAt.store(files.now, ordering: .relaxed)
        if isNew { files.add(self) }
        return file
    }

    /// As `File.read`; 0 if the file went away, which a reader sees who looked at the queue before that.
    func read(_ byteCount: Int, at offset: Int, into buffer: inout ByteBuffer) throws(SystemError) -> Int {
        guard let file = try open() else { return 0 }
        return try file.read(byteCount, at: offset, into: &buffer)
    }

    /// As `File.readIfInMemory`; `nil` also if the file is not open now, because to open it may wait for the disk.
    func readIfInMemory(_ byteCount: Int, at offset: Int, into buffer: inout ByteBuffer) throws(SystemError) -> Int? {
        let (file, isRemoved) = opened.withLock { ($0.file, $0.isRemoved) }
        guard let file else { return isRemoved ? 0 : nil }
        usedAt.store(files.now, ordering: .relaxed)
        return try file.readIfInMemory(byteCount, at: offset, into: &buffer)
    }

    /// As `File.readAhead`, if the file is open.
    func readAhead(_ range: Range<Int>) { opened.withLock { $0.file }?.readAhead(range) }

    /// - Precondition: the file was not retired; the queue's `writing` lock is held.
    func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
        guard let file = try open() else { preconditionFailure("\(path) is written and was removed") }
        dirty.store(true, ordering: .relaxed)
        try file.write(bytes, at: offset)
    }

    /// Makes what was written durable. A file that went away has nothing to make durable.
    func synchronizeData() throws(SystemError) {
        guard let file = try open() else { return }
        dirty.store(false, ordering: .relaxed)
        try file.synchronizeData()
    }

    /// Zeroes `range` and gives its room back. Recovery only: nobody reads there.
    func discard(_ range: Range<Int>) throws(SystemError) {
        guard let file = try open() else { return }
        try file.discard(range)
    }
}

extension QueueFile {
    /// Removes the files that begin behind `position`, and zeroes what the last one holds there: no reader takes it for
    /// units, and the file keeps its length, or the next start would refuse it. Recovery only.
    static func cut(_ files: Lock<[QueueFile]>, behind position: Int64, fileByteCount: Int) throws(SystemError) {
        let later = files.withLock { files in
            let later = files.filter { $0.start > position }
            files.removeAll { $0.start > position }
            return later
        }
        for file in later {
            file.retire()
            try Directory.removeFile(file.path)
        }
        guard let last = files.withLock({ $0.last }) else { return }
        let inFile = Int(position - last.start)
        guard inFile >= 0, inFile < fileByteCount else { return }
        try last.discard(inFile..<fileByteCount)
    }
}
