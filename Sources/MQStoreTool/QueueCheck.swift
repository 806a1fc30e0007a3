import MQBase
import MQBytes
import MQMessage
import MQStore
import MQSystem

/// Holds the consume queues against the log: fed with the log's records in order, it moves a cursor through each queue.
///
/// A topic that was deleted and made again counts from 0 again, and only the later records are in its queues: what an
/// earlier record misses is kept back until the walk has shown that none of that came.
final class QueueCheck {
    /// How much of a place of the log a broker builds again by itself at its next start.
    struct Expectation {
        /// Whether the last broker was killed (or runs).
        var wasKilled = false
        /// From here on its next start builds queues and index anew.
        var rebuiltFrom: Int64 = .max
        /// What lies before is not looked at.
        var checkedFrom: Int64 = 0
        /// What lies from here on a running broker may be writing: not looked at.
        var checkedUpTo: Int64 = .max

        /// Whether a broker is running.
        var isLive: Bool { checkedUpTo != .max }

        /// What a finding about the record at `offset` counts.
        func weight(at offset: Int64) -> FindingWeight { wasKilled && offset >= rebuiltFrom ? .recovery : .error }
    }

    /// A queue that is in the log and not in the folder.
    private struct Absent {
        var first: Int64
        var count = 0
    }

    private static let absentMax = 10_000
    private static let pendingMax = 50_000

    private let queues: QueueFolder
    private let expectation: Expectation
    private let report: FindingReport
    private let knownTopics: Set<String>?
    private let batches: BatchQueueCheck
    private let extensions: ExtensionCheck
    private var known = ByteTable<TopicQueues>()
    private var absent: [String: Absent] = [:]
    private var pendingCount = 0
    /// Units that were compared and right.
    private(set) var matchedCount = 0

    /// The queues of one topic, as often as records need them.
    private final class TopicQueues {
        let name: String
        let isBatch: Bool
        let queues: [Int: QueueCursor]
        var direct: [QueueCursor?] = []

        init(_ name: String, _ queues: [Int: QueueCursor], isBatch: Bool) {
            self.name = name
            self.queues = queues
            self.isBatch = isBatch
            for id in 0..<min(64, (queues.keys.max() ?? -1) + 1) { direct.append(queues[id]) }
        }
    }

    /// - Parameters:
    ///   - knownTopics: those of `topics.json`; `nil` if it cannot be read.
    ///   - batches: compares the records of queues of batches.
    ///   - extensions: compares what units keep elsewhere.
    init(
        _ queues: QueueFolder, _ expectation: Expectation, knownTopics: Set<String>?, batches: BatchQueueCheck,
        extensions: ExtensionCheck, _ report: FindingReport
    ) throws(ToolError) {
        self.queues = queues
        self.expectation = expectation
        self.knownTopics = knownTopics
        self.batches = batches
        self.extensions = extensions
        self.report = report
        if expectation.checkedFrom > 0 {
            for queue in queues.all {
                try toolError { () throws(SystemError) in try queue.skip(to: expectation.checkedFrom) }
            }
        }
    }

    // MARK: - Records

    /// Compares what the queue has for one record.
    func check(
        _ record: MessageRecord, _ bytes: Span<UInt8>, at offset: Int64, _ facts: RecordFacts,
        log: (Int64) -> (String, Int64)
    ) throws(ToolError) {
        guard record.sysFlag.isInQueue, record.queueID >= 0 else { return }
        if !facts.litePlaces.isEmpty { try checkLite(record, facts, at: offset, log) }
        let topic = topicQueues(bytes.extracting(record.topic))
        let id = Int(record.queueID)
        if topic.isBatch || record.sysFlag.contains(.innerBatch) {
            let isFound = try toolError { () throws(SystemError) in
                try batches.check(record, bytes, at: offset, facts, topic.name)
            }
            return isFound ? () : noteAbsent(topic.name, id, offset, in: .batch)
        }
        guard let queue = id < topic.direct.count ? topic.direct[id] : topic.queues[id] else {
            return noteAbsent(topic.name, id, offset)
        }
        try toolError { () throws(SystemError) in
            try compare(
                queue, record.queueOffset, facts.unit, storedAt: record.storeTimestamp.rawValue, log)
        }
    }

    /// Compares what the lite queues have that the record stands in, too.
    private func checkLite(
        _ record: MessageRecord, _ facts: RecordFacts, at offset: Int64, _ log: (Int64) -> (String, Int64)
    ) throws(ToolError) {
        for place in facts.litePlaces {
            guard let queue = queues.topics[place.name]?[LiteQueue.queueID] else {
                noteAbsent(place.name, LiteQueue.queueID, offset)
                continue
            }
            try toolError { () throws(SystemError) in
                try compare(
                    queue, place.offset, facts.unit, storedAt: record.storeTimestamp.rawValue, log)
            }
        }
    }

    private func topicQueues(_ name: Span<UInt8>) -> TopicQueues {
        if let topic = known[name] { return topic }
        let text = name.toString()
        let topic = TopicQueues(text, queues.topics[text] ?? [:], isBatch: batches.topics.contains(text))
        known.set(name, to: topic)
        return topic
    }

    private func noteAbsent(_ topic: String, _ id: Int, _ offset: Int64, in kind: QueueKind = .single) {
        let key = "\(kind.folder)/\(topic)/\(id)"
        if absent[key] == nil, absent.count >= Self.absentMax {
            return absent["…", default: Absent(first: offset)].count += 1
        }
        absent[key, default: Absent(first: offset)].count += 1
    }

    private func compare(
        _ queue: QueueCursor, _ queueOffset: Int64, _ expected: QueueUnit, storedAt: Int64,
        _ log: (Int64) -> (String, Int64)
    ) throws(SystemError) {
        queue.isMet = true
        let offset = expected.physicalOffset
        let unit = try queue.unit(at: queue.next)
        if queueOffset == queue.next {
            queue.next += 1
            if unit == expected { return matchedCount += 1 }
            return try compareUnit(queue, queueOffset, unit, expected, storedAt: storedAt)
        }
        if let unit, unit.physicalOffset == offset, unit.size == expected.size {
            // The queue knows it: the record's own number is wrong, and nothing but this would tell.
            let (file, position) = log(offset)
            report.add(
                .logQueueOffset, file, at: position,
                "the record says it is number \(queueOffset) of \(queue.topic)/\(queue.queueID), which has it as "
                    + "\(queue.next): consumers see a wrong queue offset")
            return queue.next += 1
        }
        guard queueOffset >= 0, let there = try queue.distantUnit(at: queueOffset), there.physicalOffset == offset
        else {
            let place = self.place(queue, queueOffset)
            return keepBack(
                queue,
                Finding(
                    .queueMissingUnit, expectation.weight(at: offset), place.name, at: place.position,
                    "the record at \(offset) of the log, number \(queueOffset) of \(queue.topic)/\(queue.queueID), "
                        + "has no unit: consumers do not get it"))
        }
        if queueOffset < queue.next {
            // The topic was made again; what the earlier one misses is as it should be.
            pendingCount -= queue.pending.count
            queue.pending = []
            queue.pendingMore = [:]
        } else {
            for passed in queue.next..<queueOffset {
                if let unit = try queue.unit(at: passed) { noteWithoutRecord(queue, passed, unit) }
            }
        }
        queue.next = queueOffset + 1
        if there == expected { return matchedCount += 1 }
        try compareUnit(queue, queueOffset, there, expected, storedAt: storedAt)
    }

    private func place(_ queue: QueueCursor, _ offset: Int64) -> (name: String, position: Int64?) {
        queue.place(of: offset).map { ($0.file.name, Int64($0.position)) } ?? (queue.name, nil)
    }

    /// Says what is wrong with the unit of a record.
    private func compareUnit(
        _ queue: QueueCursor, _ number: Int64, _ unit: QueueUnit?, _ expected: QueueUnit, storedAt: Int64
    ) throws(SystemError) {
        let place = self.place(queue, number)
        let weight = expectation.weight(at: expected.physicalOffset)
        let what =
            "\(queue.topic)/\(queue.queueID) number \(number), the record at \(expected.physicalOffset) of the log"
        func keep(_ kind: FindingKind, _ text: String) {
            keepBack(queue, Finding(kind, weight, place.name, at: place.position, text))
        }
        guard let unit, unit.isUsed, unit != .blank else {
            return keep(.queueMissingUnit, "\(what), has no unit: consumers do not get it")
        }
        guard unit.physicalOffset == expected.physicalOffset else {
            return keep(
                .queueWrongUnit,
                "\(what): the unit points to \(unit.physicalOffset) instead: consumers get another message")
        }
        guard unit.size == expected.size else {
            return keep(
                .queueWrongUnit,
                "\(what): the unit says \(unit.size) bytes, the record has \(expected.size): "
                    + "consumers get a broken message")
        }
        if unit.hasExtension {
            let flaw = try extensions.check(
                queue.topic, queue.queueID, at: unit.tagsCode, tagsCode: expected.tagsCode, storedAt: storedAt)
            guard let flaw else { return matchedCount += 1 }
            return keepBack(
                queue, Finding(flaw.kind, weight, flaw.path, at: flaw.position, "\(what): \(flaw.text)"))
        }
        let hint =
            queue.topic == ScheduleTopic.name ? " (if messageDelayLevel is not the usual one, say -c broker.conf)" : ""
        keep(
            .queueWrongTags,
            "\(what): the unit's tags code is \(unit.tagsCode), the record's is \(expected.tagsCode): "
                + "tag filters pass over it or let it through\(hint)")
    }

    /// Units that were compared and right, those of batches among them.
    var rightCount: Int { matchedCount + batches.matchedCount }

    private func keepBack(_ queue: QueueCursor, _ finding: Finding) {
        guard queue.pending.count < report.limit, pendingCount < Self.pendingMax else {
            let key = FindingReport.Key(kind: finding.kind, weight: finding.weight)
            return queue.pendingMore[key, default: (finding, 0)].count += 1
        }
        queue.pending.append(finding)
        pendingCount += 1
    }

    // MARK: - What no record needed

    /// A unit that the walk passed without meeting its record.
    private func noteWithoutRecord(_ queue: QueueCursor, _ number: Int64, _ unit: QueueUnit, end: Int64 = .max) {
        guard unit != .blank, unit != .empty, unit.physicalOffset >= expectation.checkedFrom,
            unit.physicalOffset < expectation.checkedUpTo
        else { return }
        let place = self.place(queue, number)
        if unit.physicalOffset >= end {
            report.add(
                .queueBehindEnd, expectation.wasKilled ? .recovery : .error, place.name, at: place.position,
                "the unit of \(queue.topic)/\(queue.queueID) number \(number) points to \(unit.physicalOffset), "
                    + "behind the end of the log at \(end)")
        } else {
            keepBack(
                queue,
                Finding(
                    .queueNoRecord, expectation.weight(at: unit.physicalOffset), place.name, at: place.position,
                    "the unit of \(queue.topic)/\(queue.queueID) number \(number) points to \(unit.physicalOffset) "
                        + "(\(unit.size) bytes), where no record of that queue begins"))
        }
    }

    /// Looks at what is left in each queue, and reports what was kept back.
    /// - Parameter logStart: where the log begins: units before it belong to files that are gone.
    func finish(end: Int64, advanced: (Int) -> Void) throws(ToolError) {
        for queue in queues.all.sorted(by: { ($0.topic, $0.queueID) < ($1.topic, $1.queueID) }) {
            try toolError { () throws(SystemError) in
                let isForeign = queue.topic.hasPrefix("%LMQ%") && !queue.isMet
                if isForeign {
                    report.add(.queueUnchecked, .note, queue.name, "no record names this queue: it is not checked")
                } else {
                    for number in queue.next..<max(queue.capacity, queue.next) {
                        if let unit = try queue.unit(at: number) { noteWithoutRecord(queue, number, unit, end: end) }
                    }
                }
            }
            for finding in queue.pending { report.add(finding) }
            for entry in queue.pendingMore.values { report.add(entry.finding, more: entry.count - 1) }
            queue.pending = []
            queue.pendingMore = [:]
            advanced(queue.files.reduce(0) { $0 + $1.byteCount })
        }
        finishAbsent()
        try batches.finish(end: end, advanced: advanced)
    }

    private func finishAbsent() {
        for (key, entry) in absent.sorted(by: { $0.key < $1.key }) {
            let parts = key.split(separator: "/")
            let topic = parts.count > 1 ? String(parts[1]) : key
            let text = "\(grouped(entry.count)) records of it are in the log, the first at \(entry.first)"
            if queues.topics[topic] == nil, let knownTopics, !knownTopics.contains(topic) {
                report.add(.queueDeleted, .note, key, "the topic was deleted; " + text)
            } else {
                report.add(
                    .queueAbsent, expectation.weight(at: entry.first), key,
                    "the queue is missing: \(text), and consumers do not get them (unless the topic was deleted and made "
                        + "again)")
            }
        }
    }
}

extension QueueUnit {
    /// What a part of a file that was never written reads as.
    static let empty = QueueUnit(physicalOffset: 0, size: 0, tagsCode: 0)
}

/// Runs `body`; what the system refuses ends the command with its sentence.
func toolError<R>(_ body: () throws(SystemError) -> R) throws(ToolError) -> R {
    do throws(SystemError) { return try body() } catch { throw ToolError(error.description) }
}
