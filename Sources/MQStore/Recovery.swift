import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQSystem

/// Finds out where the log ends and what must be dispatched again, before any thread runs. Files are only cut behind the
/// last complete record; a store that would lose acknowledged messages is refused.
/// Source of the rules: `CommitLog.recoverNormally`, `recoverAbnormally`, RocketMQ 4.9 and 5.3.
struct Recovery {
    let config: StoreConfig
    let log: Log

    /// What recovery found.
    struct Outcome {
        var segments: [Segment]
        /// End of the last complete record.
        var end: PhysicalOffset
        /// Where dispatch begins again.
        var dispatchFrom: PhysicalOffset
        /// The last record of all, if there is one or it is known.
        var lastRecord: RecoveryPoint.Record?
    }

    /// Names the log's files in order; none is opened.
    /// - Throws: a file of another length than configured, or a hole between files, is named and refused.
    func loadSegments() throws(StoreOpenError) -> [Segment] {
        var segments: [Segment] = []
        let files = try StoreOpenError.wrap { () throws(SystemError) in try logFiles() }
        for (index, (name, path)) in files.enumerated() {
            let byteCount = try StoreOpenError.wrap { () throws(SystemError) in try Directory.byteCount(path) }
            if byteCount < config.commitLogFileByteCount, index == files.count - 1, try isUnused(path) {
                try StoreOpenError.wrap { () throws(SystemError) in try Directory.removeFile(path) }
                break
            }
            guard byteCount == config.commitLogFileByteCount else {
                throw .wrongLength(path: path, byteCount: byteCount, expected: config.commitLogFileByteCount)
            }
            let start = PhysicalOffset(rawValue: Int64(name) ?? 0)
            if let last = segments.last, last.end != start {
                throw .missingFile(path: config.commitLogPath + "/" + Segment.name(last.end.rawValue))
            }
            segments.append(Segment(path, start: start, byteCount: byteCount))
        }
        return segments
    }

    /// Names and paths of the log's files in all its folders, in the order of the names.
    private func logFiles() throws(SystemError) -> [(name: String, path: String)] {
        var files: [(name: String, path: String)] = []
        for folder in config.commitLogPaths {
            for name in try Directory.names(in: folder) where name.utf8.count == 20 && Int64(name) ?? -1 >= 0 {
                files.append((name, folder + "/" + name))
            }
        }
        return files.sorted { $0.name < $1.name }
    }

    /// Whether the machine stopped while the file was being made: it has its whole length before anything is written.
    private func isUnused(_ path: String) throws(StoreOpenError) -> Bool {
        try StoreOpenError.wrap { () throws(SystemError) in
            var bytes = ByteBuffer()
            try File(path, .read).read(RecordLayout.byteCountMin, at: 0, into: &bytes)
            return bytes.toArray().allSatisfy { $0 == 0 }
        }
    }

    /// Finds the log's end, and cuts what is behind it.
    /// - Throws: a log that does not hold what was on the disk is named and refused; nothing is touched then.
    func run(_ segments: [Segment], queues: QueueTable, after last: LastRun) throws(StoreOpenError) -> Outcome {
        guard let first = segments.first else {
            try refuseMissingLog(queues, last)
            return Outcome(segments: [], end: .zero, dispatchFrom: .zero)
        }
        let start = try start(segments, queues, last)
        let from = max(start.offset, first.start)
        try refuseForeignFiles(segments, from: from, wasClean: last.wasClean)
        let found = try StoreOpenError.wrap { () throws(SystemError) in try scan(segments, from: from, after: last) }
        let lastRecord = found.last ?? start.record
        try StoreOpenError.wrap { () throws(SystemError) in
            try refuseBrokenMiddle(segments, found.end, durable: last.durable)
        }
        try refuseLostEnd(segments, found.end, newest: max(start.newest, found.newest), last)
        try refuseLostRecords(segments, found.end, queues, last)
        return try StoreOpenError.wrap { () throws(SystemError) in
            var outcome = Outcome(segments: segments, end: found.end, dispatchFrom: from, lastRecord: lastRecord)
            try cut(&outcome, wasClean: last.wasClean)
            guard !last.wasClean else { return outcome }
            if let offset = last.unsyncedFrom { try rewrite(outcome, from: offset) }
            try makeDurable(outcome, from: from)
            return outcome
        }
    }

    /// Syncs what may be in the page cache only: from now on it counts as flushed.
    private func makeDurable(_ outcome: Outcome, from offset: PhysicalOffset) throws(SystemError) {
        do throws(SystemError) {
            for segment in outcome.segments where segment.end > offset { try segment.file.synchronizeData() }
        } catch {
            // Best effort: the start fails with the error itself.
            try? AbortFile.addUnsynced(offset.rawValue, to: config.root + "/abort")
            throw error
        }
    }

    /// Where a scan begins.
    struct Start {
        var offset: PhysicalOffset
        /// The record that ends there, if one is known.
        var record: RecoveryPoint.Record?
        /// The newest store time seen on the way; times go back when a clock does.
        var newest: Int64 = 0
    }

    private func start(
        _ segments: [Segment], _ queues: QueueTable, _ last: LastRun
    ) throws(StoreOpenError) -> Start {
        if let record = last.point?.record, let segment = segments.first(where: { $0.contains(record.start) }) {
            // Whatever the queues say: the record was on the disk, and everything before it in the queues.
            guard try StoreOpenError.wrap({ () throws(SystemError) in try isRecord(record, in: segment) }) else {
                throw .lostLog(
                    path: segment.path,
                    reason: "the record at \(record.start) that was on the disk is not there; restore the file")
            }
            return Start(offset: PhysicalOffset(rawValue: record.range.upperBound), record: record)
        }
        if let record = last.point?.record, let end = segments.last?.end, record.start >= end {
            throw .lostLog(
                path: config.commitLogPath + "/" + Segment.name(end.rawValue),
                reason: "it is missing, and records up to \(record.range.upperBound) were on the disk; restore it")
        }
        return try StoreOpenError.wrap { () throws(SystemError) in
            last.wasClean
                ? try startAfterCleanStop(segments, queues)
                : Start(offset: try startAfterCrash(segments, queues, trusted: last.checkpoint.trusted))
        }
    }

    private func isRecord(_ record: RecoveryPoint.Record, in segment: Segment) throws(SystemError) -> Bool {
        guard case .record(let byteCount, let timestamp) = try examine(segment, record.start) else { return false }
        return byteCount == record.range.count && timestamp == record.storeTimestamp
    }

    /// Writes what may be in the page cache only once more: after a failed sync its pages count as written, and a sync
    /// that succeeds would prove nothing.
    private func rewrite(_ outcome: Outcome, from offset: Int64) throws(SystemError) {
        for segment in outcome.segments where segment.end.rawValue > offset && segment.start < outcome.end {
            let end = min(segment.end, outcome.end) - segment.start
            var position = max(0, Int(offset - segment.start.rawValue))
            let mapping = try segment.mapping
            while position < end {
                let part = position..<min(end, position + 1 << 20)
                let copy = mapping.bytes(part).toArray()  // a page cannot be written from itself
                try segment.file.write(copy.span, at: part.lowerBound)
                position = part.upperBound
            }
        }
    }

    /// Behind the last record any queue knows, if that record is what the queue says; else the start of the log.
    private func startAfterCleanStop(_ segments: [Segment], _ queues: QueueTable) throws(SystemError) -> Start {
        var best = Start(offset: segments[0].start)
        for queue in queues.all {
            guard let unit = try queue.unit(at: queue.maxOffset - 1), unit.physicalOffset >= best.offset.rawValue,
                unit.size > 0
            else { continue }
            let at = PhysicalOffset(rawValue: unit.physicalOffset)
            guard let segment = segments.first(where: { $0.start <= at && at < $0.end }) else { continue }
            if case .record(let byteCount, let time) = try examine(segment, at), byteCount == Int(unit.size) {
                best.newest = max(best.newest, time)
                best.offset = at + byteCount
                best.record = .init(range: at.rawValue..<best.offset.rawValue, storeTimestamp: time)
            }
        }
        return best
    }

    /// The newest file whose first record was surely on the disk, with its queue units, when the checkpoint was written;
    /// or an earlier one if the queues do not reach that far, because somebody removed them or they were being rebuilt.
    private func startAfterCrash(
        _ segments: [Segment], _ queues: QueueTable, trusted: Int64
    ) throws(SystemError) -> PhysicalOffset {
        var start = segments[0].start
        for segment in segments.reversed() {
            guard case .record(_, let timestamp) = try examine(segment, segment.start) else { continue }
            if timestamp > 0, timestamp <= trusted {
                start = segment.start
                break
            }
        }
        var reach: Int64 = 0
        for queue in queues.all { reach = max(reach, try queue.lastRecordEnd()) }
        guard reach < start.rawValue else { return start }
        return segments.last { $0.start.rawValue <= reach }?.start ?? segments[0].start
    }

    enum Finding {
        case record(byteCount: Int, storeTimestamp: Int64)
        case blank
        case nothing
    }

    /// Where dispatch begins: at the scan's start, or earlier for an index that lacks what lies behind `indexedTo`.
    func dispatchStart(_ outcome: Outcome, indexedTo: Int64?) throws(SystemError) -> PhysicalOffset {
        guard let indexedTo, indexedTo < outcome.dispatchFrom.rawValue, let first = outcome.segments.first else {
            return outcome.dispatchFrom
        }
        let offset = PhysicalOffset(rawValue: max(indexedTo, first.start.rawValue))
        guard let segment = outcome.segments.last(where: { $0.start <= offset }) else { return first.start }
        if case .record = try examine(segment, offset) { return offset }
        return segment.start
    }

    /// What is at `offset`: a whole record with the right place and checksum, the blank that ends a file, or neither.
    func examine(_ segment: Segment, _ offset: PhysicalOffset) throws(SystemError) -> Finding {
        let at = offset - segment.start
        guard segment.byteCount - at >= RecordLayout.blankByteCount else { return .nothing }
        let mapping = try segment.mapping
        let bytes = mapping.bytes(at..<segment.byteCount)
        if bytes.int32(at: 4) == RecordLayout.magicBlank { return .blank }
        do throws(WireError) {
            let record = try MessageRecord(bytes)
            guard record.physicalOffset == offset.rawValue, record.hasIntactBody(bytes),
                !config.verifiesChecksum || record.hasIntactWhole(bytes)
            else { return .nothing }
            return .record(byteCount: record.byteCount, storeTimestamp: record.storeTimestamp.rawValue)
        } catch {
            return .nothing
        }
    }

    /// Follows the records from `start` to the first place that holds none.
    private func scan(
        _ segments: [Segment], from start: PhysicalOffset, after run: LastRun
    ) throws(SystemError) -> (end: PhysicalOffset, last: RecoveryPoint.Record?, newest: Int64) {
        var offset = start
        var before: RecoveryPoint.Record?
        var last: RecoveryPoint.Record?
        var newest: Int64 = 0
        var progress = Progress("recovering the log", from: start, to: segments.last?.end ?? start, log)
        for segment in segments where segment.end > start {
            inFile: while offset < segment.end {
                switch try examine(segment, offset) {
                case .record(let byteCount, let timestamp):
                    // Only a machine that stopped loses a part of a record with others behind it.
                    if !run.isCacheIntact, timestamp > run.durable,
                        try hasLostProperties(segment, offset, isLast: false)
                    {
                        return (offset, last, newest)
                    }
                    before = last
                    newest = max(newest, timestamp)
                    last = .init(
                        range: offset.rawValue..<(offset + byteCount).rawValue, storeTimestamp: timestamp)
                    offset = offset + byteCount
                case .blank:
                    offset = segment.end
                    break inFile
                case .nothing:
                    if !run.wasClean, let torn = last, torn.range.upperBound == offset.rawValue,
                        try hasLostProperties(segment, torn.start, isLast: true)
                    {
                        return (torn.start, before, newest)
                    }
                    return (offset, last, newest)
                }
                progress.reached(offset)
            }
        }
        return (offset, last, newest)
    }

    /// Whether a part of the record's properties never reached the disk: no checksum covers them. What is lost reads as
    /// zero, from the beginning of a sector to the end of one. Zeroes that were sent must not be taken for that where
    /// records follow that may be acknowledged: they hardly begin and end with sectors. In the last record any sector of
    /// zeroes will do, and a zero at the end, where every property ends with another byte.
    private func hasLostProperties(
        _ segment: Segment, _ offset: PhysicalOffset, isLast: Bool
    ) throws(SystemError) -> Bool {
        let start = offset - segment.start
        guard start >= 0 else { return false }
        let mapping = try segment.mapping
        let bytes = mapping.bytes(start..<segment.byteCount)
        guard let properties = try? MessageRecord(bytes).properties, !properties.isEmpty else { return false }
        if isLast, bytes[properties.upperBound - 1] == 0 { return true }
        let sector = 512
        var zeroes = 0  // that end at `index`
        for index in properties {
            if bytes[index] == 0 {
                zeroes += 1
                if isLast, (start + index + 1) % sector == 0, zeroes >= sector { return true }
            } else {
                let end = start + index
                if zeroes > 0, end % sector == 0, zeroes % sector == 0 { return true }
                zeroes = 0
            }
        }
        return false
    }

    /// Files that lie wholly behind the end.
    private func filesBehind(_ end: PhysicalOffset, _ segments: [Segment]) -> [Segment] {
        segments.filter { $0.start >= end && $0.start > segments[0].start }
    }

    /// The file in which the log ends; `nil` if that is one to come.
    private func fileWithEnd(_ end: PhysicalOffset, _ segments: [Segment]) -> Segment? {
        let later = filesBehind(end, segments)
        return segments.last { $0.start <= end && end < $0.end && !$0.isIn(later) }
    }

    /// A log that is broken in the middle: a record that was on the disk lies behind the end.
    /// - Parameter durable: store time up to which every record was on the disk.
    private func refuseBrokenMiddle(
        _ segments: [Segment], _ end: PhysicalOffset, durable: Int64
    ) throws(SystemError) {
        for segment in filesBehind(end, segments) {
            if case .record(_, let timestamp) = try examine(segment, segment.start), timestamp <= durable {
                throw broken(end, segment.start, segment)
            }
        }
        if let last = fileWithEnd(end, segments), try hasBytes(last, from: end - last.start),
            let found = try soundRecord(last, behind: end, durable: durable)
        {
            throw broken(end, found, last)
        }
    }

    /// Removes what lies behind the end: later files, and the rest of the last one, whose old bytes could otherwise look
    /// like records after the next crash.
    private func cut(_ outcome: inout Outcome, wasClean: Bool) throws(SystemError) {
        let end = outcome.end
        let later = filesBehind(end, outcome.segments)
        let last = fileWithEnd(end, outcome.segments)
        let isDirty = if let last { try hasBytes(last, from: end - last.start) } else { false }
        var isCut = isDirty
        for segment in later where !isCut { isCut = try hasBytes(segment, from: 0) }
        if isCut {
            log.warn("log cut behind its last complete record", ["offset": end.description])
        }
        for segment in later.reversed() {  // one after the other, or a crash could leave a hole
            try Directory.removeFile(segment.path)
            try Directory.synchronize(config.commitLogPath)
        }
        outcome.segments.removeAll { $0.isIn(later) }
        guard let last, isDirty || !wasClean else { return }
        try last.file.zero((end - last.start)..<last.byteCount)
        try last.file.synchronizeData()
    }

    private func broken(_ end: PhysicalOffset, _ found: PhysicalOffset, _ segment: Segment) -> SystemError {
        SystemError(
            code: 5, call: "the log is broken at offset \(end), but sound records follow at \(found) in",
            subject: segment.path)
    }

    /// Whether something other than zeroes lies close behind `start`; reading all of the rest would take too long.
    func hasBytes(_ segment: Segment, from start: Int) throws(SystemError) -> Bool {
        let mapping = try segment.mapping
        let bytes = mapping.bytes(start..<min(segment.byteCount, start + 1 << 16))
        for index in 0..<bytes.count where bytes[index] != 0 { return true }
        return false
    }

    /// The first sound record behind `end` that was on the disk, as near as the longest message allows.
    private func soundRecord(
        _ segment: Segment, behind end: PhysicalOffset, durable: Int64
    ) throws(SystemError) -> PhysicalOffset? {
        let mapping = try segment.mapping
        let first = end - segment.start + 1
        let limit = min(segment.byteCount - RecordLayout.byteCountMin, first + 2 * config.messageByteCountMax)
        guard first < limit else { return nil }
        let bytes = mapping.bytes(first..<limit)
        for index in 0..<max(0, bytes.count - 8) where bytes[index + 4] == 0xDA && bytes[index + 5] == 0xA3 {
            let offset = segment.start + (first + index)
            if case .record(_, let timestamp) = try examine(segment, offset), timestamp <= durable { return offset }
        }
        return nil
    }
}

extension RecoveryPoint.Record {
    /// Where it begins.
    var start: PhysicalOffset { PhysicalOffset(rawValue: range.lowerBound) }
}

extension Segment {
    fileprivate func isIn(_ segments: [Segment]) -> Bool { segments.contains { $0 === self } }
}
