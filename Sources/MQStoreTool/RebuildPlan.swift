import MQBase
import MQBytes
import MQMessage
import MQStore
import MQSystem

/// Decides which records of the log go into the new queues. Queue offsets are under no checksum: one that falls out of
/// its queue's order must not throw the queue away.
struct RebuildPlan {
    /// Whether a topic was deleted: its queues stay away.
    let deleted: (String) -> Bool
    let report: FindingReport
    let probe: LogProbe
    private(set) var addedCount = 0
    /// Records that the damaged places passed so far can have held.
    private var lostMax: Int64 = 0
    private var topics = ByteTable<Topic>()

    private final class Topic {
        enum Use {
            case all, indexOnly, none
        }

        let use: Use
        /// By queue id.
        var sequences: [Int32: Sequence] = [:]

        init(_ use: Use) { self.use = use }
    }

    private struct Sequence {
        /// What the next record should have.
        var next: Int64
        /// A record out of order: its offset and number.
        var held: (offset: Int64, number: Int64, end: Int64)?
    }

    init(
        deleted: @escaping (String) -> Bool, report: FindingReport, probe: LogProbe
    ) {
        self.deleted = deleted
        self.report = report
        self.probe = probe
    }

    /// Adds the record if it belongs into the queues or the index.
    mutating func add(
        _ record: MessageRecord, _ bytes: Span<UInt8>, at offset: Int64, to rebuilder: StoreRebuilder
    ) throws(SystemError) {
        guard record.physicalOffset == offset else { return }  // told as a flaw
        let name = bytes.extracting(record.topic)
        let topic = topics[name] ?? open(name, offset)
        guard topic.use != .none else { return }
        let isQueued = topic.use == .all && record.sysFlag.isInQueue && record.queueID >= 0
        if isQueued, try !isInOrder(record, messageCount(record, bytes), offset, topic, rebuilder) { return }
        try rebuilder.add(record, bytes, isQueued: isQueued)
        addedCount += 1
    }

    private mutating func open(_ name: Span<UInt8>, _ offset: Int64) -> Topic {
        let text = name.toString()
        var use = Topic.Use.all
        if !FolderName.isTopic(text, name) {
            let (file, at) = probe.place(offset)
            report.add(.logTopic, file, at: at, "the topic of the record at \(offset), \(text), can name no folder")
            use = .none
        } else if deleted(text) {
            report.add(.queueDeleted, .note, "consumequeue/" + text, "the topic was deleted: it gets no queue")
            use = .indexOnly
        }
        let topic = Topic(use)
        topics.set(name, to: topic)
        return topic
    }

    /// Whether the record's number follows; a single one that does not is held back and left out, two that go on from
    /// each other are believed.
    private mutating func isInOrder(
        _ record: MessageRecord, _ messageCount: Int64, _ offset: Int64, _ topic: Topic, _ rebuilder: StoreRebuilder
    ) throws(SystemError) -> Bool {
        let number = record.queueOffset
        guard var sequence = topic.sequences[record.queueID] else {
            topic.sequences[record.queueID] = Sequence(next: number &+ messageCount)
            return number >= 0
        }
        defer { topic.sequences[record.queueID] = sequence }
        if let held = sequence.held {
            sequence.held = nil
            if number == held.end, number != sequence.next {
                let added = try probe.withRecord(at: held.offset) { record, bytes in
                    Result { () throws(SystemError) in try rebuilder.add(record, bytes) }
                }
                try added?.get()
                addedCount += 1
            } else {
                noteNumber(held)
            }
        } else if number != sequence.next, number != 0,
            number < sequence.next || number &- sequence.next > lostMax
        {
            sequence.held = (offset, number, number &+ messageCount)
            sequence.next = sequence.next &+ messageCount
            return false
        }
        sequence.next = number &+ messageCount
        return number >= 0
    }

    private func messageCount(_ record: MessageRecord, _ bytes: Span<UInt8>) -> Int64 {
        guard record.sysFlag.contains(.innerBatch) else { return 1 }
        let batch = InnerBatch(bytes.extracting(record.properties), queueOffset: record.queueOffset)
        return Int64(batch?.messageCount ?? 1)
    }

    private func noteNumber(_ held: (offset: Int64, number: Int64, end: Int64)) {
        let (file, at) = probe.place(held.offset)
        report.add(
            .logQueueOffset, file, at: at,
            "the record at \(held.offset) says it is number \(held.number) of its queue, out of order: it is left out")
    }

    /// Takes what the walk says is damaged: it is lost.
    mutating func note(_ flaw: LogFlaw) {
        switch flaw {
        case .damaged(let range, let why):
            lostMax += Int64(range.count / RecordLayout.byteCountMin) + 1
            let (file, at) = probe.place(range.lowerBound)
            report.add(
                .logDamaged, file, at: at,
                "\(grouped(range.count)) bytes, \(range.lowerBound) to \(range.upperBound), hold no sound record: \(why); the "
                    + "messages in them are lost")
        case .bodyChecksum(let offset, _, _):
            let (file, at) = probe.place(offset)
            report.add(
                .logBodyChecksum, file, at: at, "the body of the record at \(offset) is damaged; its queue keeps it")
        case .recordChecksum(let offset):
            let (file, at) = probe.place(offset)
            report.add(
                .logRecordChecksum, file, at: at,
                "a field or a property of the record at \(offset) is damaged; its queue "
                    + "keeps it")
        case .ownOffset(let offset, let says):
            lostMax += 1
            let (file, at) = probe.place(offset)
            report.add(
                .logOwnOffset, file, at: at, "the record at \(offset) says it lies at \(says): it is left out")
        case .unreadable(let offset, let why):
            lostMax += 1 << 32
            let (file, at) = probe.place(offset)
            report.add(.logUnreadable, file, at: at, "cannot be read from here on: \(why)")
        }
    }

    /// Reports the records that stayed out of order to the end.
    mutating func finish() {
        for topic in topics.values {
            for sequence in topic.sequences.values { if let held = sequence.held { noteNumber(held) } }
        }
    }
}
