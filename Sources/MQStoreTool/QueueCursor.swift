import MQBytes
import MQStore
import MQSystem

/// One consume queue of the folder, read from front to back as the walk through the log meets its records. Holds a
/// window of units and no open file. In a queue of batches an offset is the number of a unit. One owner.
final class QueueCursor {
    let kind: QueueKind
    let topic: String
    let queueID: Int
    /// From the store's folder.
    let name: String
    /// The files that can be reached by offset: without a hole, seen from the end.
    let files: [StoreFile]
    private let fileByteCount: Int
    private let windowUnits: Int
    private let unitByteCount: Int
    private var window = ByteBuffer()
    private var windowStart: Int64 = 0
    /// The first offset whose unit is no blank.
    private(set) var minOffset: Int64
    /// One more than the last offset, as a broker would find it.
    private(set) var count: Int64
    /// The offset of the next record.
    var next: Int64
    /// Whether a record of it was met.
    var isMet = false
    /// Findings that do not count if the topic turns out to be made anew later in the log.
    var pending: [Finding] = []
    var pendingMore: [FindingReport.Key: (finding: Finding, count: Int)] = [:]

    init(
        _ kind: QueueKind, topic: String, queueID: Int, name: String, files: [StoreFile], fileByteCount: Int,
        windowUnits: Int
    ) throws(SystemError) {
        self.kind = kind
        unitByteCount = kind.unitByteCount
        self.topic = topic
        self.queueID = queueID
        self.name = name
        self.fileByteCount = fileByteCount
        self.windowUnits = windowUnits
        var kept: [StoreFile] = []
        for file in files.reversed() {
            if let first = kept.last, first.start - file.start != Int64(fileByteCount) { break }
            kept.append(file)
        }
        self.files = kept.reversed()
        minOffset = (self.files.first?.start ?? 0) / Int64(unitByteCount)
        count = minOffset
        next = minOffset
        count = try countUnits()
        while minOffset < count, try unit(at: minOffset) == .blank { minOffset += 1 }
        next = minOffset
        window = ByteBuffer()  // what is read now may be old when the walk comes here
    }

    /// The offset behind the last byte of the last file.
    var capacity: Int64 { (files.last?.end ?? 0) / Int64(unitByteCount) }

    /// The file that holds the unit at `offset`, and where in it.
    func place(of offset: Int64) -> (file: StoreFile, position: Int)? {
        guard let first = files.first, offset >= 0 else { return nil }
        let (position, overflow) = offset.multipliedReportingOverflow(by: Int64(unitByteCount))
        guard !overflow, position >= first.start else { return nil }
        let index = (position - first.start) / Int64(fileByteCount)
        guard index < files.count else { return nil }
        let file = files[Int(index)]
        return (file, Int(position - file.start))
    }

    /// The unit at `offset`; `nil` where there is no file, or the file is too short.
    func unit(at offset: Int64) throws(SystemError) -> QueueUnit? {
        if let found = buffered(offset) { return found }
        guard let (file, position) = place(of: offset) else { return nil }
        window.removeAll()
        windowStart = offset
        let byteCount = min(windowUnits * unitByteCount, fileByteCount - position)
        try File(file.path, .read).read(byteCount, at: position, into: &window)
        return buffered(offset)
    }

    /// The offsets of its messages: in a queue of batches what its first and its last unit say.
    func messages() throws(SystemError) -> Range<Int64> {
        guard kind == .batch, count > minOffset else { return minOffset..<count }
        let first = try batch(at: minOffset)?.baseOffset ?? 0
        let last = try batch(at: count - 1)?.endOffset ?? first
        return first..<max(first, last)
    }

    /// The unit number `number` of a queue of batches.
    func batch(at number: Int64) throws(SystemError) -> BatchUnit? {
        guard try unit(at: number) != nil else { return nil }
        let at = Int(number - windowStart) * unitByteCount
        return window.withBytes(at..<(at + unitByteCount)) { BatchUnit($0, at: 0) }
    }

    private func buffered(_ offset: Int64) -> QueueUnit? {
        guard offset >= windowStart, offset - windowStart < Int64(window.count / unitByteCount) else {
            return nil
        }
        let at = Int(offset - windowStart) * unitByteCount
        return window.withBytes(at..<(at + unitByteCount)) { QueueUnit($0, at: 0) }
    }

    /// As ``unit(at:)``, without losing the window.
    func distantUnit(at offset: Int64) throws(SystemError) -> QueueUnit? {
        if let found = buffered(offset) { return found }
        guard let (file, position) = place(of: offset) else { return nil }
        return try unit(in: try File(file.path, .read), at: position)
    }

    private func unit(in file: File, at position: Int) throws(SystemError) -> QueueUnit? {
        var bytes = ByteBuffer(capacity: unitByteCount)
        guard try file.read(unitByteCount, at: position, into: &bytes) == unitByteCount else { return nil }
        return QueueUnit(bytes.span, at: 0)
    }

    /// As `QueueTable` counts: the last file with a unit, by binary search.
    private func countUnits() throws(SystemError) -> Int64 {
        for entry in files.reversed() {
            let file = try File(entry.path, .read)
            var low = 0
            var high = min(entry.byteCount, fileByteCount) / unitByteCount
            while low < high {
                let middle = (low + high) / 2
                let unit = try unit(in: file, at: middle * unitByteCount)
                if unit?.isUsed == true { low = middle + 1 } else { high = middle }
            }
            if low > 0 { return entry.start / Int64(unitByteCount) + Int64(low) }
        }
        return (files.first?.start ?? 0) / Int64(unitByteCount)
    }

    /// Moves to the first unit whose record begins at or behind `offset`.
    func skip(to offset: Int64) throws(SystemError) {
        var (low, high) = (minOffset, count)
        while low < high {
            let middle = low + (high - low) / 2
            if let unit = try distantUnit(at: middle), unit == .blank || unit.physicalOffset < offset {
                low = middle + 1
            } else {
                high = middle
            }
        }
        next = low
    }
}
