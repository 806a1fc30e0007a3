import MQBase
import MQBytes
import MQMessage
import MQSystem

/// What recovery does not begin from: a log that is not the one the rest of the store tells of. Nothing is touched before
/// these have been asked.
extension Recovery {
    /// No log at all: a new store, or one whose log went.
    func refuseMissingLog(_ queues: QueueTable, _ last: LastRun) throws(StoreOpenError) {
        var evidence: String?
        if let queue = queues.all.first(where: { $0.maxOffset > 0 }) {
            evidence =
                "queue \(queue.topic)/\(queue.queueID) in \(config.root)/consumequeue has \(queue.maxOffset) messages"
        } else if last.checkpoint.log > 0 || last.point != nil {
            evidence = "\(config.root)/checkpoint tells of messages"
        }
        guard let evidence else { return }
        throw .lostLog(
            path: config.commitLogPath,
            reason: "it has no files, and \(evidence); restore it, or remove all of \(config.root) to begin at offset 0"
        )
    }

    /// Files that begin with something other than their own first record.
    /// - Parameter from: where the scan begins; what a crash tore lies behind it.
    func refuseForeignFiles(
        _ segments: [Segment], from: PhysicalOffset, wasClean: Bool
    ) throws(StoreOpenError) {
        for segment in segments {
            let head = try StoreOpenError.wrap { () throws(SystemError) in
                var bytes = ByteBuffer()
                try File(segment.path, .read).read(RecordLayout.byteCountMin, at: 0, into: &bytes)
                return bytes.toArray()
            }
            let isTorn = segment.start >= from && !wasClean  // if anything is
            switch head.span.int32(at: RecordLayout.magic) {
            case RecordLayout.magicBlank: continue
            case RecordLayout.magicV1, RecordLayout.magicV2:
                let told = head.span.int64(at: RecordLayout.physicalOffset)
                if told == segment.start.rawValue { continue }
                let isWhole = try StoreOpenError.wrap { () throws(SystemError) in try beginsWithRecord(segment) }
                if isTorn, !isWhole { continue }
                throw .lostLog(
                    path: segment.path, reason: "its first record belongs to offset \(told); restore the file")
            default:
                let isPrepared = segment === segments.last && head.allSatisfy { $0 == 0 }
                if isTorn || segment.start >= from && isPrepared { continue }
                throw .lostLog(path: segment.path, reason: "it does not begin with a record; restore the file")
            }
        }
    }

    /// Whether a whole record begins the file, wherever it belongs.
    private func beginsWithRecord(_ segment: Segment) throws(SystemError) -> Bool {
        let mapping = try segment.mapping
        let bytes = mapping.bytes(0..<segment.byteCount)
        guard let record = try? MessageRecord(bytes) else { return false }
        return record.hasIntactBody(bytes)
    }

    /// A log that ends before what was on the disk.
    /// - Parameter newest: the newest store time of the records found.
    func refuseLostEnd(
        _ segments: [Segment], _ end: PhysicalOffset, newest: Int64, _ last: LastRun
    ) throws(StoreOpenError) {
        let path =
            segments.last { $0.contains(end) }?.path ?? config.commitLogPath + "/" + Segment.name(end.rawValue)
        if let point = last.point {
            guard point.isClosed, end.rawValue < point.logEnd else { return }
            throw .lostLog(
                path: path,
                reason:
                    "sound records end at \(end), and the log ended at \(point.logEnd) when the broker was stopped; "
                    + "restore the file")
        }
        let durable = max(last.checkpoint.log, 3000) - 3000
        guard durable > 0, newest < durable else { return }
        throw .lostLog(
            path: path,
            reason: "sound records end at \(end), before those of the time \(last.checkpoint.log) that the checkpoint "
                + "tells to be on the disk; restore the file")
    }

    /// A queue that knows a record just behind the log's end, though all that was written can be read: the log lost it.
    /// A unit that points far away is the queue's own trouble.
    func refuseLostRecords(
        _ segments: [Segment], _ end: PhysicalOffset, _ queues: QueueTable, _ last: LastRun
    ) throws(StoreOpenError) {
        guard last.point == nil, last.isCacheIntact, let limit = segments.last?.end else { return }
        for queue in queues.all {
            let unit = try StoreOpenError.wrap { () throws(SystemError) in try queue.unit(at: queue.maxOffset - 1) }
            guard let unit, unit.isUsed, unit.physicalOffset >= end.rawValue,
                unit.physicalOffset < (limit + config.commitLogFileByteCount).rawValue,
                Int(unit.size) < config.commitLogFileByteCount
            else { continue }
            let path =
                segments.last { $0.contains(end) }?.path ?? config.commitLogPath + "/" + Segment.name(end.rawValue)
            throw .lostLog(
                path: path,
                reason: "sound records end at \(end), and queue \(queue.topic)/\(queue.queueID) has one at "
                    + "\(unit.physicalOffset); restore the file, or remove the queue's folder if that is what is damaged"
            )
        }
    }
}
