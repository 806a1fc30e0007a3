import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQSystem

/// Where the scan of the log and the dispatch begin.
extension Recovery {
    /// Where a scan begins.
    struct Start {
        var offset: PhysicalOffset
        /// The record that ends there, if one is known.
        var record: RecoveryPoint.Record?
        /// The newest store time seen on the way; times go back when a clock does.
        var newest: Int64 = 0
    }

    func start(
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
}

extension RecoveryPoint.Record {
    /// Where it begins.
    var start: PhysicalOffset { PhysicalOffset(rawValue: range.lowerBound) }
}
