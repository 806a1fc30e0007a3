import MQBytes
import MQStore
import MQSystem

/// Holds the index against the log: entries lie in the log's order, so one cursor through all files is enough to find
/// each record's keys. On its way it follows the chains: every entry must name the newest entry that its slot had, and
/// the slots must end as the last entries say.
final class IndexCheck {
    private static let lookAhead = 64

    private let files: [IndexFileFacts]
    private let expectation: QueueCheck.Expectation
    private let report: FindingReport
    private let log: (Int64) -> (String, Int64)
    private let advanced: (Int) -> Void
    private var fileNumber = -1
    private var current: IndexFileReader?
    /// The newest entry of each slot of the current file.
    private var heads: [Int32] = []
    private var slotsUsed: Int32 = 0
    private var lastEntry: IndexEntry?
    private var previousOffset: Int64 = -1
    private var previousHashes: [Int32] = []
    private var expected: [Int32] = []
    /// Entries that were compared and right.
    private(set) var matchedCount = 0

    /// - Parameter log: names the file of the log that holds an offset, and where in it.
    init(
        _ folder: IndexFolder, _ expectation: QueueCheck.Expectation, _ report: FindingReport,
        log: @escaping (Int64) -> (String, Int64), advanced: @escaping (Int) -> Void
    ) throws(ToolError) {
        // Files that end before the first record that is looked at need no look.
        files = folder.files.filter { $0.indexCount > 1 && $0.endOffset >= expectation.checkedFrom }
        self.expectation = expectation
        self.report = report
        self.log = log
        self.advanced = advanced
        try openNext()
    }

    /// The first record whose keys must be there; none if there is no index.
    private var begin: Int64 { files.first?.beginOffset ?? .max }

    // MARK: - Records

    /// Looks for each key of the record at `offset`.
    func check(_ facts: RecordFacts, at offset: Int64, storeTimestamp: Int64) throws(ToolError) {
        guard offset >= begin else { return }
        while let entry = try peek(), entry.physicalOffset < offset { try pass(entry) }
        guard !facts.keyHashes.isEmpty else { return }
        expected = facts.keyHashes
        try take(offset, facts.keyHashes, storeTimestamp)
        if !expected.isEmpty, try skipToRecord(offset) { try take(offset, facts.keyHashes, storeTimestamp) }
        previousOffset = offset
        previousHashes = facts.keyHashes
        for hash in expected { noteMissing(hash, offset) }
    }

    /// Takes the entries that point to `offset`.
    private func take(_ offset: Int64, _ hashes: [Int32], _ storeTimestamp: Int64) throws(ToolError) {
        while let entry = try peek(), entry.physicalOffset == offset, let current {
            if let index = expected.firstIndex(of: entry.keyHash) {
                expected.remove(at: index)
                let (milliseconds, overflow) = storeTimestamp.subtractingReportingOverflow(current.facts.beginTimestamp)
                let seconds = overflow ? 0 : min(max(milliseconds / 1000, 0), Int64(Int32.max))
                if Int64(entry.seconds) == seconds {
                    matchedCount += 1
                } else {
                    note(
                        .indexWrongEntry, current.number, offset,
                        "entry \(current.number) says \(entry.seconds) seconds behind the file's first, its record "
                            + "\(seconds): queries by time may miss it")
                }
            } else if !hashes.contains(entry.keyHash) {
                note(
                    .indexWrongEntry, current.number, offset,
                    "entry \(current.number) carries the hash \(entry.keyHash), which is none of its record's keys")
            }
            try step(entry)
        }
    }

    /// Whether one of the next entries points to `offset`: those before it are wrong then, and passed over.
    private func skipToRecord(_ offset: Int64) throws(ToolError) -> Bool {
        guard let current else { return false }
        let end = min(current.number + Self.lookAhead, current.facts.entryEnd)
        var found: Int?
        for number in current.number..<max(end, current.number) {
            guard let entry = try toolError({ () throws(SystemError) in try current.entry(number) }) else { break }
            if entry.physicalOffset == offset {
                found = number
                break
            }
        }
        guard let found else { return false }
        while current.number < found, let entry = try peek() {
            note(
                .indexWrongEntry, current.number, offset,
                "entry \(current.number) points to \(entry.physicalOffset), out of the log's order")
            try step(entry)
        }
        return true
    }

    private func noteMissing(_ hash: Int32, _ offset: Int64) {
        let (file, position) = log(offset)
        report.add(
            .indexMissingKey, expectation.weight(at: current == nil ? .max : offset), file, at: position,
            "a key of the record at \(offset) (hash \(hash)) is not in the index: queries by key do not find it")
    }

    /// Leaves an entry behind that no record of the log asked for.
    private func pass(_ entry: IndexEntry) throws(ToolError) {
        let isRepeated = entry.physicalOffset == previousOffset && previousHashes.contains(entry.keyHash)
        if let current, entry.physicalOffset >= expectation.checkedFrom, !isRepeated {
            note(
                .indexWrongEntry, current.number, entry.physicalOffset,
                "entry \(current.number) points to \(entry.physicalOffset), where no record with such a key begins")
        }
        try step(entry)
    }

    private func note(_ kind: FindingKind, _ number: Int, _ offset: Int64, _ text: @autoclosure () -> String) {
        guard let facts = current?.facts else { return }
        report.add(kind, expectation.weight(at: offset), facts.name, at: Int64(facts.position(of: number)), text())
    }

    // MARK: - Entries in order

    /// The entry at the cursor; moves to the next file where one ends.
    private func peek() throws(ToolError) -> IndexEntry? {
        while let reader = current {
            if reader.number < reader.facts.entryEnd {
                let entry = try toolError { () throws(SystemError) in try reader.entry(reader.number) }
                if let entry { return entry }
            }
            try close(reader)
            try openNext()
        }
        return nil
    }

    /// Follows the chain through `entry` and goes on.
    private func step(_ entry: IndexEntry) throws(ToolError) {
        guard let current else { return }
        let slot = current.facts.slot(entry.keyHash)
        if entry.previous != heads[slot] {
            note(
                .indexChain, current.number, entry.physicalOffset,
                "entry \(current.number) names \(entry.previous) as the next older one of its chain, not \(heads[slot]): "
                    + "queries lose the older ones or never end")
        }
        if heads[slot] == 0 { slotsUsed += 1 }
        heads[slot] = Int32(current.number)
        lastEntry = entry
        current.number += 1
    }

    private func openNext() throws(ToolError) {
        current = nil
        fileNumber += 1
        guard fileNumber < files.count else { return }
        let facts = files[fileNumber]
        let reader = try toolError { () throws(SystemError) in try IndexFileReader(facts) }
        heads = [Int32](repeating: 0, count: facts.slotCount)
        slotsUsed = 0
        lastEntry = nil
        current = reader
        if let first = try toolError({ () throws(SystemError) in try reader.entry(1) }),
            first.physicalOffset != facts.beginOffset
        {
            report.add(
                .indexHeader, facts.name, at: 16,
                "the header begins at \(facts.beginOffset), the first entry at \(first.physicalOffset)")
        }
    }

    /// Compares slots and header with what the entries said.
    private func close(_ reader: IndexFileReader) throws(ToolError) {
        let facts = reader.facts
        if expectation.isLive { return advanced(facts.position(of: facts.entryEnd)) }  // slots and header move on
        if let lastEntry, lastEntry.physicalOffset != facts.endOffset {
            report.add(
                .indexHeader, facts.name, at: 24,
                "the header ends at \(facts.endOffset), the last entry at \(lastEntry.physicalOffset)")
        }
        if slotsUsed != facts.slotsUsed {
            report.add(
                .indexHeader, .note, facts.name, at: 32,
                "the header counts \(facts.slotsUsed) slots in use, the entries \(slotsUsed); nobody reads that number")
        }
        var number = 0
        try toolError { () throws(SystemError) in
            try reader.eachSlot { value in
                // A process that died between slot and count left a slot that names the entry that never counted.
                let isUncounted = Int(value) == facts.entryEnd && facts.entryEnd < facts.entryCountMax
                if value != heads[number], !isUncounted {
                    report.add(
                        .indexSlot, facts.name, at: Int64(IndexFile.headerByteCount + number * 4),
                        "slot \(number) names entry \(value), the newest of its chain is \(heads[number]): queries miss "
                            + "its messages")
                }
                number += 1
            }
        }
        advanced(facts.position(of: facts.entryEnd))
    }

    /// Looks at the entries that are left.
    /// - Parameter end: where the log ends.
    func finish(end: Int64) throws(ToolError) {
        while let entry = try peek() {
            if entry.physicalOffset >= expectation.checkedUpTo {
                try step(entry)
            } else if entry.physicalOffset >= end, let current {
                report.add(
                    .indexBehindEnd, expectation.wasKilled ? .recovery : .error, current.facts.name,
                    at: Int64(current.facts.position(of: current.number)),
                    "entry \(current.number) points to \(entry.physicalOffset), behind the end of the log at \(end)")
                try step(entry)
            } else {
                try pass(entry)
            }
        }
    }
}

/// Reads one index file's entries in order, and its slots. One owner.
final class IndexFileReader {
    private static let windowEntries = 6400

    let facts: IndexFileFacts
    private let file: File
    private var window = ByteBuffer()
    private var windowStart = 0
    /// The entry at the cursor.
    var number = 1

    init(_ facts: IndexFileFacts) throws(SystemError) {
        self.facts = facts
        file = try File(facts.path, .read)
    }

    /// Entry `number`; `nil` behind the file's end.
    func entry(_ number: Int) throws(SystemError) -> IndexEntry? {
        if let found = buffered(number) { return found }
        guard number < facts.entryCountMax else { return nil }
        window.removeAll()
        // From the cursor on, if it is near: who looks ahead comes back to it.
        windowStart = (self.number...(self.number + Self.windowEntries / 2)).contains(number) ? self.number : number
        let count = min(Self.windowEntries, facts.entryCountMax - windowStart)
        try file.read(count * IndexFile.entryByteCount, at: facts.position(of: windowStart), into: &window)
        return buffered(number)
    }

    private func buffered(_ number: Int) -> IndexEntry? {
        let at = (number - windowStart) * IndexFile.entryByteCount
        guard at >= 0, at + IndexFile.entryByteCount <= window.count else { return nil }
        return window.withBytes(at..<(at + IndexFile.entryByteCount)) { IndexEntry($0, at: 0) }
    }

    /// Calls `body` with every slot in order.
    func eachSlot(_ body: (Int32) -> Void) throws(SystemError) {
        var slot = 0
        var bytes = ByteBuffer()
        while slot < facts.slotCount {
            bytes.removeAll()
            let count = min(1 << 16, facts.slotCount - slot)
            guard try file.read(count * 4, at: IndexFile.headerByteCount + slot * 4, into: &bytes) == count * 4 else {
                return
            }
            for index in 0..<count { body(bytes.span.int32(at: index * 4)) }
            slot += count
        }
    }

    /// One slot's newest entry.
    func head(of keyHash: Int32) throws(SystemError) -> Int32 {
        var bytes = ByteBuffer()
        guard try file.read(4, at: facts.slotPosition(keyHash), into: &bytes) == 4 else { return 0 }
        return bytes.span.int32(at: 0)
    }
}
