import MQBytes
import MQMessage
import MQStore
import MQSystem

/// Holds the queues of batches against the log, as ``QueueCheck`` does the others: units lie in the order of their records,
/// and each says which offsets its record holds.
final class BatchQueueCheck {
    private let queues: QueueFolder
    private let expectation: QueueCheck.Expectation
    private let report: FindingReport
    /// Topics whose queues hold batches, as their folders or `topics.json` say.
    let topics: Set<String>
    /// Units that were compared and right.
    private(set) var matchedCount = 0
    private var met: [ObjectIdentifier: Progress] = [:]

    /// How far one queue is.
    private struct Progress {
        /// What the next record's first message should be; -1 before the first record.
        var expected: Int64 = -1
        /// Findings that do not count if the topic turns out to be made anew later in the log.
        var pending: [Finding] = []
        var pendingCount = 0
    }

    /// - Parameter configured: topics of `topics.json` whose queues hold batches.
    init(
        _ queues: QueueFolder, _ expectation: QueueCheck.Expectation, configured: Set<String>, _ report: FindingReport
    ) throws(ToolError) {
        self.queues = queues
        self.expectation = expectation
        self.report = report
        topics = Set(queues.topics.keys).union(configured)
        for queue in queues.all {
            try toolError { () throws(SystemError) in try queue.skip(to: expectation.checkedFrom) }
        }
    }

    /// Compares what the queue has for one record.
    /// - Returns: `false` if there is no such queue.
    func check(
        _ record: MessageRecord, _ bytes: Span<UInt8>, at offset: Int64, _ facts: RecordFacts, _ topic: String
    ) throws(SystemError) -> Bool {
        guard let queue = queues.topics[topic]?[Int(record.queueID)] else { return false }
        guard let expected = facts.batch(record, bytes) else { return true }  // in no queue: its numbers can be none
        var progress = met[ObjectIdentifier(queue)] ?? Progress()
        defer { met[ObjectIdentifier(queue)] = progress }
        if expected.baseOffset < progress.expected {  // the topic was made again
            (progress.pending, progress.pendingCount) = ([], 0)
        }
        progress.expected = expected.endOffset
        while let unit = try queue.batch(at: queue.next), unit.isUsed, unit.unit.physicalOffset < offset {
            noteWithoutRecord(queue, unit, &progress, end: .max)
            queue.next += 1
        }
        let place = queue.place(of: queue.next).map { ($0.file.name, Int64($0.position)) } ?? (queue.name, 0)
        func keep(_ kind: FindingKind, _ text: String) {
            keepBack(&progress, Finding(kind, expectation.weight(at: offset), place.0, at: place.1, text))
        }
        let what = "\(topic)/\(queue.queueID) number \(expected.baseOffset), the record at \(offset) of the log"
        guard let unit = try queue.batch(at: queue.next), unit.isUsed, unit.unit.physicalOffset == offset else {
            keep(.queueMissingUnit, "\(what), has no unit: consumers do not get it")
            return true
        }
        queue.next += 1
        if unit == expected {
            matchedCount += 1
        } else if unit.baseOffset != expected.baseOffset || unit.messageCount != expected.messageCount
            || unit.unit.size != expected.unit.size
        {
            keep(
                .queueWrongUnit,
                "\(what): the unit says \(unit.messageCount) messages from \(unit.baseOffset) on in \(unit.unit.size) bytes, "
                    + "the record has \(expected.messageCount) in \(expected.unit.size)")
        } else {
            keep(
                .queueWrongTags,
                "\(what): the unit's tags code or time is \(unit.unit.tagsCode), \(unit.storeTimestamp), the record's is "
                    + "\(expected.unit.tagsCode), \(expected.storeTimestamp)")
        }
        return true
    }

    private func noteWithoutRecord(_ queue: QueueCursor, _ unit: BatchUnit, _ progress: inout Progress, end: Int64) {
        let offset = unit.unit.physicalOffset
        guard offset >= expectation.checkedFrom, offset < expectation.checkedUpTo else { return }
        let place = queue.place(of: queue.next).map { ($0.file.name, Int64($0.position)) } ?? (queue.name, 0)
        let what = "the unit of \(queue.topic)/\(queue.queueID) number \(unit.baseOffset) points to \(offset)"
        if offset >= end {
            report.add(
                .queueBehindEnd, expectation.wasKilled ? .recovery : .error, place.0, at: place.1,
                "\(what), behind the end of the log at \(end)")
        } else {
            keepBack(
                &progress,
                Finding(
                    .queueNoRecord, expectation.weight(at: offset), place.0, at: place.1,
                    "\(what), where no record of that queue begins"))
        }
    }

    private func keepBack(_ progress: inout Progress, _ finding: Finding) {
        if progress.pending.count < report.limit { progress.pending.append(finding) }
        progress.pendingCount += 1
    }

    /// Looks at what is left in each queue, and reports what was kept back.
    /// - Parameter end: where the log ends.
    func finish(end: Int64, advanced: (Int) -> Void) throws(ToolError) {
        for queue in queues.all.sorted(by: { ($0.topic, $0.queueID) < ($1.topic, $1.queueID) }) {
            var progress = met[ObjectIdentifier(queue)] ?? Progress()
            try toolError { () throws(SystemError) in
                while queue.next < queue.capacity {
                    if let unit = try queue.batch(at: queue.next), unit.isUsed {
                        noteWithoutRecord(queue, unit, &progress, end: end)
                    }
                    queue.next += 1
                }
            }
            for finding in progress.pending { report.add(finding) }
            if let last = progress.pending.last, progress.pendingCount > progress.pending.count {
                report.add(last, more: progress.pendingCount - progress.pending.count - 1)
            }
            advanced(queue.files.reduce(0) { $0 + $1.byteCount })
        }
    }
}
