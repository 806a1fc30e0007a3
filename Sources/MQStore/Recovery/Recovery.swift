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
}
