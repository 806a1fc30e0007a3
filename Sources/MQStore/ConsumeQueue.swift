import MQBase
public import MQBytes
public import MQSystem
import Synchronization

/// One entry of a consume queue, 20 bytes, big-endian: `| physicalOffset i64 | size i32 | tagsCode i64 |`.
/// Source: `ConsumeQueue.java`, RocketMQ 5.3.
public struct QueueUnit: Equatable, Sendable {
    public static let byteCount = 20
    /// What fills a file before its first real unit.
    static let preBlankSize: Int32 = 0x7FFF_FFFF

    public let physicalOffset: Int64
    public let size: Int32
    /// Java's `hashCode` of the tags; in `SCHEDULE_TOPIC_XXXX` the time a message is due.
    public let tagsCode: Int64

    init(physicalOffset: Int64, size: Int32, tagsCode: Int64) {
        self.physicalOffset = physicalOffset
        self.size = size
        self.tagsCode = tagsCode
    }

    init(_ bytes: Span<UInt8>, at offset: Int) {
        physicalOffset = bytes.int64(at: offset)
        size = bytes.int32(at: offset + 8)
        tagsCode = bytes.int64(at: offset + 12)
    }

    func append(to bytes: inout ByteBuffer) {
        bytes.append(bigEndian: physicalOffset)
        bytes.append(bigEndian: size)
        bytes.append(bigEndian: tagsCode)
    }
}

/// The order of one queue's messages: where each lies in the log. Written by the dispatch thread, read by all.
public final class ConsumeQueue: Sendable {
    /// The topic it belongs to.
    public let topic: String
    /// Its number in the topic, >= 0.
    public let queueID: Int

    private let folder: String
    private let fileByteCount: Int
    private let files: Lock<[QueueFile]>
    private let pending = Lock<[QueueUnit]>([])
    /// Offset the next record gets; changed under the append lock only.
    private let next: Atomic<Int64>
    private let minimum: Atomic<Int64>
    private let maximum: Atomic<Int64>
    /// One bit for each loop that has a parked pull on this queue.
    private let waiting = Atomic<UInt64>(0)
    private let isDirty = Atomic<Bool>(false)

    private struct QueueFile: Sendable {
        let start: Int64  // bytes from the queue's beginning
        let file: File
    }

    /// - Parameters:
    ///   - files: what is on the disk, oldest first, each of `fileByteCount` bytes.
    ///   - count: one more than the offset of the last valid unit.
    init(
        topic: String, queueID: Int, folder: String, fileByteCount: Int, files: [(start: Int64, file: File)],
        minimum: Int64, count: Int64
    ) {
        self.topic = topic
        self.queueID = queueID
        self.folder = folder
        self.fileByteCount = fileByteCount
        self.files = Lock(files.map { QueueFile(start: $0.start, file: $0.file) })
        next = Atomic(count)
        self.minimum = Atomic(minimum)
        maximum = Atomic(count)
    }

    /// The first offset that can be read.
    public var minOffset: Int64 { minimum.load(ordering: .acquiring) }
    /// One more than the last offset that can be read.
    public var maxOffset: Int64 { maximum.load(ordering: .acquiring) }

    /// The offset of the next record of this queue. Append lock only.
    func takeOffset() -> Int64 {
        let offset = next.load(ordering: .relaxed)
        next.store(offset + 1, ordering: .relaxed)
        return offset
    }

    /// Sets what the next record gets; recovery only.
    func setNextOffset(_ offset: Int64) { next.store(offset, ordering: .relaxed) }

    func setMinOffset(_ offset: Int64) { minimum.store(offset, ordering: .releasing) }

    // MARK: - Waiters

    /// Says that `loop` has a parked pull here. Compare ``maxOffset`` again afterwards: a message may have come between.
    public func addWaiter(loop: Int) {
        waiting.bitwiseOr(1 << UInt64(loop), ordering: .sequentiallyConsistent)
    }

    /// Says that `loop` has none any more.
    public func removeWaiter(loop: Int) {
        waiting.bitwiseAnd(~(1 << UInt64(loop)), ordering: .sequentiallyConsistent)
    }

    /// The loops with parked pulls, a bit each.
    public var waiters: UInt64 { waiting.load(ordering: .sequentiallyConsistent) }

    // MARK: - Writing (dispatch thread)

    /// Adds the unit for `offset`; it can be read after ``publish()``. A unit that is there already is passed over.
    /// - Returns: whether it was new.
    func add(_ unit: QueueUnit, at offset: Int64) -> Bool {
        pending.withLock { pending in
            let expected = maximum.load(ordering: .relaxed) + Int64(pending.count)
            guard offset >= expected else { return false }
            // A hole can only come from a log that lost records: readers skip units of size 0.
            if offset > expected, pending.isEmpty, expected == 0 || expected == minimum.load(ordering: .relaxed) {
                maximum.store(offset, ordering: .relaxed)
                minimum.store(offset, ordering: .relaxed)
            } else {
                for _ in 0..<(offset - expected) {
                    pending.append(QueueUnit(physicalOffset: 0, size: 0, tagsCode: 0))
                }
            }
            pending.append(unit)
            return true
        }
    }

    /// Writes what was added to the file and lets readers see it.
    func publish() throws(SystemError) {
        let units = pending.withLock { $0 }
        guard !units.isEmpty else { return }
        var position = maximum.load(ordering: .relaxed) * Int64(QueueUnit.byteCount)
        var bytes = ByteBuffer(capacity: units.count * QueueUnit.byteCount)
        for unit in units { unit.append(to: &bytes) }
        while !bytes.isEmpty {
            let fileStart = position / Int64(fileByteCount) * Int64(fileByteCount)
            let inFile = Int(position - fileStart)
            let byteCount = min(bytes.count, fileByteCount - inFile)
            let file = try fileForWriting(fileStart, firstUnitAt: inFile)
            try file.write(bytes.span.extracting(0..<byteCount), at: inFile)
            bytes.removeFirst(byteCount)
            position += Int64(byteCount)
        }
        isDirty.store(true, ordering: .releasing)
        maximum.store(position / Int64(QueueUnit.byteCount), ordering: .sequentiallyConsistent)
        pending.withLock { $0.removeAll(keepingCapacity: true) }
    }

    private func fileForWriting(_ start: Int64, firstUnitAt inFile: Int) throws(SystemError) -> File {
        if let last = files.withLock({ $0.last }), last.start == start { return last.file }
        try Directory.create(folder)
        let file = try File(folder + "/" + Segment.name(start), .create)
        try file.truncate(to: fileByteCount)
        if inFile > 0 { try preBlank(file, byteCount: inFile) }
        files.withLock { $0.append(QueueFile(start: start, file: file)) }
        return file
    }

    /// Units that stand for "before the queue's first": Java skips them by their size.
    private func preBlank(_ file: File, byteCount: Int) throws(SystemError) {
        var bytes = ByteBuffer(capacity: byteCount)
        for _ in 0..<(byteCount / QueueUnit.byteCount) {
            QueueUnit(physicalOffset: 0, size: QueueUnit.preBlankSize, tagsCode: 0).append(to: &bytes)
        }
        try file.write(bytes.span, at: 0)
    }

    /// Makes what was published durable. The `keep` thread calls it.
    func synchronize() throws(SystemError) {
        guard isDirty.exchange(false, ordering: .acquiring) else { return }
        for file in files.withLock({ $0.suffix(2) }) { try file.file.synchronizeData() }
    }

    // MARK: - Reading

    /// Appends the raw units from `offset` on, `count` at most and not past the end of one file, to `buffer`.
    /// - Returns: how many; 0 if the offset is not in the queue.
    public func readUnits(from offset: Int64, count: Int, into buffer: inout ByteBuffer) throws(SystemError) -> Int {
        let end = maxOffset
        // Offsets come from peers: compared before anything is calculated with them.
        guard offset >= minOffset, offset < end, count > 0 else { return 0 }
        let position = offset * Int64(QueueUnit.byteCount)
        let available = end - offset
        let file = files.withLock { files -> QueueFile? in
            guard let first = files.first, position >= first.start else { return nil }
            let index = Int((position - first.start) / Int64(fileByteCount))
            return index < files.count ? files[index] : nil
        }
        guard let file else { return 0 }
        let inFile = Int(position - file.start)
        let fits = (fileByteCount - inFile) / QueueUnit.byteCount
        let byteCount = Int(min(available, Int64(min(count, fits)))) * QueueUnit.byteCount
        return try file.file.read(byteCount, at: inFile, into: &buffer) / QueueUnit.byteCount
    }

    /// The unit at `offset`; `nil` if there is none.
    public func unit(at offset: Int64) throws(SystemError) -> QueueUnit? {
        var buffer = ByteBuffer(capacity: QueueUnit.byteCount)
        guard try readUnits(from: offset, count: 1, into: &buffer) == 1 else { return nil }
        return QueueUnit(buffer.span, at: 0)
    }

    // MARK: - Recovery and removal

    /// Drops every unit that points at or behind `end`. Recovery only.
    func truncate(to end: PhysicalOffset) throws(SystemError) {
        var count = maxOffset
        while count > minOffset {
            guard let last = try unit(at: count - 1) else { break }
            guard last.physicalOffset + Int64(last.size) > end.rawValue else { break }
            count -= 1
            maximum.store(count, ordering: .releasing)
        }
        next.store(count, ordering: .relaxed)
        try clearBehind(count)
    }

    /// Zeroes what lies behind the last unit in its file and removes later files, so that no reader takes it for units.
    private func clearBehind(_ count: Int64) throws(SystemError) {
        let position = count * Int64(QueueUnit.byteCount)
        let later = files.withLock { files in
            let later = files.filter { $0.start > position || ($0.start == position && $0.start > 0) }
            files.removeAll { file in later.contains { $0.start == file.start } }
            return later
        }
        for file in later { try Directory.removeFile(file.file.path) }
        guard let last = files.withLock({ $0.last }) else { return }
        let inFile = Int(position - last.start)
        guard inFile >= 0, inFile < fileByteCount else { return }
        try last.file.truncate(to: inFile)
        try last.file.truncate(to: fileByteCount)
    }

    /// Moves the first offset behind units whose records are gone. Recovery and retention.
    func correctMinimum(_ logStart: PhysicalOffset) throws(SystemError) {
        var low = minOffset
        var high = maxOffset
        while low < high {
            let middle = low + (high - low) / 2
            guard let unit = try unit(at: middle) else { return }
            if unit.physicalOffset < logStart.rawValue { low = middle + 1 } else { high = middle }
        }
        setMinOffset(low)
    }

    /// Where the last unit's record ends in the log; 0 for an empty queue.
    func lastRecordEnd() throws(SystemError) -> Int64 {
        guard maxOffset > minOffset, let last = try unit(at: maxOffset - 1) else { return 0 }
        return last.physicalOffset + Int64(last.size)
    }

    /// Removes the files. The queue must not be used any more.
    func remove() throws(SystemError) {
        files.withLock { $0.removeAll() }
        try Directory.removeTree(folder)
    }
}
