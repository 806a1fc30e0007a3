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
    }

    /// Names the log's files in order; none is opened.
    /// - Throws: a file of another length than configured, or a hole between files, is named and refused.
    func loadSegments() throws(StoreOpenError) -> [Segment] {
        var segments: [Segment] = []
        let names = try StoreOpenError.wrap { () throws(SystemError) in
            try Directory.names(in: config.commitLogPath).filter { $0.utf8.count == 20 && Int64($0) ?? -1 >= 0 }
        }
        for (index, name) in names.enumerated() {
            let path = config.commitLogPath + "/" + name
            let byteCount = try StoreOpenError.wrap { () throws(SystemError) in try Directory.byteCount(path) }
            if byteCount < config.commitLogFileByteCount, index == names.count - 1, try isUnused(path) {
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

    /// Whether the machine stopped while the file was being made: it has its whole length before anything is written.
    private func isUnused(_ path: String) throws(StoreOpenError) -> Bool {
        try StoreOpenError.wrap { () throws(SystemError) in
            var bytes = ByteBuffer()
            try File(path, .read).read(RecordLayout.byteCountMin, at: 0, into: &bytes)
            return bytes.toArray().allSatisfy { $0 == 0 }
        }
    }

    /// Finds the log's end. `wasClean`: the last run removed its abort file.
    func run(
        _ segments: [Segment], queues: QueueTable, checkpoint: Checkpoint.Values, wasClean: Bool
    ) throws(StoreOpenError) -> Outcome {
        guard let first = segments.first else {
            return Outcome(segments: [], end: .zero, dispatchFrom: .zero)
        }
        return try StoreOpenError.wrap { () throws(SystemError) in
            let start =
                wasClean
                ? try startAfterCleanStop(segments, queues)
                : try startAfterCrash(segments, queues, trusted: checkpoint.trusted)
            let from = max(start, first.start)
            let durable = wasClean ? .max : max(checkpoint.log, 3000) - 3000
            let end = try scan(segments, from: from, durable: durable, wasClean)
            var outcome = Outcome(segments: segments, end: end, dispatchFrom: from)
            try cut(&outcome, durable: durable, wasClean: wasClean)
            if !wasClean {
                // They may only be in the page cache, and from now on they count as flushed.
                for segment in outcome.segments where segment.end > from { try segment.file.synchronizeData() }
            }
            return outcome
        }
    }

    /// Behind the last record any queue knows, if that record is what the queue says; else the start of the log.
    private func startAfterCleanStop(_ segments: [Segment], _ queues: QueueTable) throws(SystemError) -> PhysicalOffset
    {
        var best = segments[0].start
        for queue in queues.all {
            guard let unit = try queue.unit(at: queue.maxOffset - 1), unit.physicalOffset >= best.rawValue,
                unit.size > 0
            else { continue }
            let at = PhysicalOffset(rawValue: unit.physicalOffset)
            guard let segment = segments.first(where: { $0.start <= at && at < $0.end }) else { continue }
            if case .record(let byteCount, _) = try examine(segment, at), byteCount == Int(unit.size) {
                best = at + byteCount
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

    private enum Finding {
        case record(byteCount: Int, storeTimestamp: Int64)
        case blank
        case nothing
    }

    /// What is at `offset`: a whole record with the right place and checksum, the blank that ends a file, or neither.
    private func examine(_ segment: Segment, _ offset: PhysicalOffset) throws(SystemError) -> Finding {
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
    /// - Parameter durable: store time up to which every record was on the disk.
    private func scan(
        _ segments: [Segment], from start: PhysicalOffset, durable: Int64, _ wasClean: Bool
    ) throws(SystemError) -> PhysicalOffset {
        var offset = start
        var last = start
        var reported = SystemClock.now()
        for segment in segments where segment.end > start {
            inFile: while offset < segment.end {
                switch try examine(segment, offset) {
                case .record(let byteCount, let timestamp):
                    if timestamp > durable, try hasLostProperties(segment, offset, isLast: false) { return offset }
                    last = offset
                    offset = offset + byteCount
                case .blank:
                    offset = segment.end
                    break inFile
                case .nothing:
                    if !wasClean, last < offset, try hasLostProperties(segment, last, isLast: true) { return last }
                    return offset
                }
                let now = SystemClock.now()
                if now.milliseconds(since: reported) > 2000 {
                    reported = now
                    log.info("recovering", ["offset": offset.description])
                }
            }
        }
        return offset
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

    /// Removes what lies behind the end: later files, and the rest of the last one, whose old bytes could otherwise look
    /// like records after the next crash.
    /// - Parameter durable: store time up to which every record was on the disk.
    /// - Throws: if such a record lies behind the end. The log is broken in the middle: nothing is touched.
    private func cut(_ outcome: inout Outcome, durable: Int64, wasClean: Bool) throws(SystemError) {
        let end = outcome.end
        let later = outcome.segments.filter { $0.start >= end && $0.start > outcome.segments[0].start }
        for segment in later {
            if case .record(_, let timestamp) = try examine(segment, segment.start), timestamp <= durable {
                throw broken(end, segment.start, segment)
            }
        }
        let last = outcome.segments.last { $0.start <= end && end < $0.end && !$0.isIn(later) }
        let isDirty = if let last { try hasBytes(last, from: end - last.start) } else { false }
        if isDirty, let last, let found = try soundRecord(last, behind: end, durable: durable) {
            throw broken(end, found, last)
        }
        var isCut = isDirty
        for segment in later where !isCut { isCut = try hasBytes(segment, from: 0) }
        if isCut {
            log.warn("log cut behind its last complete record", ["offset": end.description])
        }
        for segment in later { try Directory.removeFile(segment.path) }
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
    private func hasBytes(_ segment: Segment, from start: Int) throws(SystemError) -> Bool {
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

extension Segment {
    fileprivate func isIn(_ segments: [Segment]) -> Bool { segments.contains { $0 === self } }
}
