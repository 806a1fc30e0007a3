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

    /// Opens the log's files in order.
    /// - Throws: a file of another length than configured, or a hole between files, is named and refused.
    func loadSegments() throws(StoreOpenError) -> [Segment] {
        var segments: [Segment] = []
        let names = try StoreOpenError.wrap { () throws(SystemError) in
            try Directory.names(in: config.commitLogPath).filter { $0.utf8.count == 20 && Int64($0) ?? -1 >= 0 }
        }
        for (index, name) in names.enumerated() {
            let path = config.commitLogPath + "/" + name
            let file = try StoreOpenError.wrap { () throws(SystemError) in try File(path, .readWrite) }
            let byteCount = try StoreOpenError.wrap { () throws(SystemError) in try file.byteCount() }
            if byteCount == 0, index == names.count - 1 {  // made and never used
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
            segments.append(
                try StoreOpenError.wrap { () throws(SystemError) in
                    try Segment(file, start: start, byteCount: byteCount)
                })
        }
        return segments
    }

    /// Finds the log's end. `wasClean`: the last run removed its abort file.
    func run(
        _ segments: [Segment], queues: QueueTable, checkpoint: Checkpoint.Values, wasClean: Bool
    ) throws(StoreOpenError) -> Outcome {
        guard let first = segments.first else {
            return Outcome(segments: [], end: .zero, dispatchFrom: .zero)
        }
        return try StoreOpenError.wrap { () throws(SystemError) in
            let start = wasClean
                ? try startAfterCleanStop(segments, queues) : startAfterCrash(segments, trusted: checkpoint.trusted)
            let from = max(start, first.start)
            let end = scan(segments, from: from)
            var outcome = Outcome(segments: segments, end: end, dispatchFrom: from)
            try cut(&outcome)
            return outcome
        }
    }

    /// Behind the last record any queue knows, if that record is what the queue says; else the start of the log.
    private func startAfterCleanStop(_ segments: [Segment], _ queues: QueueTable) throws(SystemError) -> PhysicalOffset {
        var best = segments[0].start
        for queue in queues.all {
            guard let unit = try queue.unit(at: queue.maxOffset - 1), unit.physicalOffset >= best.rawValue,
                unit.size > 0
            else { continue }
            let at = PhysicalOffset(rawValue: unit.physicalOffset)
            guard let segment = segments.first(where: { $0.start <= at && at < $0.end }) else { continue }
            if case .record(let byteCount) = examine(segment, at), byteCount == Int(unit.size) { best = at + byteCount }
        }
        return best
    }

    /// The newest file whose first record was surely on the disk, with its queue units, when the checkpoint was written.
    private func startAfterCrash(_ segments: [Segment], trusted: Int64) -> PhysicalOffset {
        for segment in segments.reversed() {
            guard case .record = examine(segment, segment.start) else { continue }
            let mapping = segment.mapping
            let bornIPv6 = mapping.int32(at: RecordLayout.sysFlag) & SysFlag.bornHostIPv6.rawValue != 0
            let timestamp = mapping.int64(at: RecordLayout.storeTimestamp(bornIPv6: bornIPv6))
            if timestamp > 0, timestamp <= trusted { return segment.start }
        }
        return segments[0].start
    }

    private enum Finding {
        case record(byteCount: Int)
        case blank
        case nothing
    }

    /// What is at `offset`: a whole record with the right place and checksum, the blank that ends a file, or neither.
    private func examine(_ segment: Segment, _ offset: PhysicalOffset) -> Finding {
        let at = offset - segment.start
        guard segment.byteCount - at >= RecordLayout.blankByteCount else { return .nothing }
        let mapping = segment.mapping
        let bytes = mapping.bytes(at..<segment.byteCount)
        if bytes.int32(at: 4) == RecordLayout.magicBlank { return .blank }
        do throws(WireError) {
            let record = try MessageRecord(bytes)
            guard record.physicalOffset == offset.rawValue, record.hasIntactBody(bytes) else { return .nothing }
            return .record(byteCount: record.byteCount)
        } catch {
            return .nothing
        }
    }

    /// Follows the records from `start` to the first place that holds none.
    private func scan(_ segments: [Segment], from start: PhysicalOffset) -> PhysicalOffset {
        var offset = start
        var reported = SystemClock.now()
        for segment in segments where segment.end > start {
            inFile: while offset < segment.end {
                switch examine(segment, offset) {
                case .record(let byteCount): offset = offset + byteCount
                case .blank:
                    offset = segment.end
                    break inFile
                case .nothing: return offset
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

    /// Removes what lies behind the end: later files, and the rest of the last one, whose old bytes could otherwise look
    /// like records after the next crash.
    /// - Throws: if a later file begins with a sound record: the log is broken in the middle.
    private func cut(_ outcome: inout Outcome) throws(SystemError) {
        let end = outcome.end
        let later = outcome.segments.filter { $0.start >= end && $0.start > outcome.segments[0].start }
        for segment in later {
            if case .record = examine(segment, segment.start) {
                throw SystemError(
                    code: 5, call: "the log is broken at offset \(end), but records follow in", subject: segment.file.path)
            }
        }
        for segment in later { try Directory.removeFile(segment.file.path) }
        outcome.segments.removeAll { segment in later.contains { $0 === segment } }
        guard let last = outcome.segments.last, end < last.end, end >= last.start else { return }
        let at = end - last.start
        let mapping = last.mapping
        let rest = mapping.bytes(at..<min(last.byteCount, at + RecordLayout.blankByteCount))
        for index in 0..<rest.count where rest[index] != 0 {
            log.warn("log cut behind its last complete record", ["offset": end.description, "file": last.file.path])
            return try last.file.zero(at..<last.byteCount)
        }
    }
}
