import MQBase
import MQBytes
import MQMessage
import MQSystem

/// A queue that cannot be what the log says, and is built again from the log.
struct QueueDamage: Sendable {
    /// A queue's name.
    struct Key: Hashable, Sendable {
        let topic: String
        let queueID: Int
    }

    let topic: String
    let queueID: Int
    /// The file or folder to look at.
    let path: String
    /// What is wrong with it; follows the path in a sentence.
    let reason: String
    /// Its files have the length that another configuration gave them.
    var isResized = false

    var key: Key { Key(topic: topic, queueID: queueID) }
}

extension ConsumeQueue {
    var key: QueueDamage.Key { QueueDamage.Key(topic: topic, queueID: queueID) }
}

extension RecoveryPoint.Queue {
    var key: QueueDamage.Key { QueueDamage.Key(topic: topic, queueID: queueID) }
}

extension Recovery {
    /// The queues that contradict the log, or are less than they were when they were last synced.
    /// - Parameter known: queues whose files are of no use; not looked at again.
    /// - Throws: if the log does not hold the records of one of them any more.
    func damagedQueues(
        _ queues: QueueTable, _ outcome: Outcome, _ last: LastRun, known: [QueueDamage]
    ) throws(StoreOpenError) -> [QueueDamage] {
        var damaged = known
        var seen = Set(known.map(\.key))
        var synced = last.queues
        for queue in queues.all {
            let key = queue.key
            let expected = synced.removeValue(forKey: key)
            guard seen.insert(key).inserted else { continue }
            let reason = try StoreOpenError.wrap { () throws(SystemError) in
                try damage(of: queue, expected, outcome, last)
            }
            if let reason {
                damaged.append(
                    QueueDamage(topic: key.topic, queueID: key.queueID, path: queue.folder, reason: reason))
            }
        }
        for (key, queue) in synced where queue.end > 0 && !seen.contains(key) {
            let made = queues.queue(key.topic, key.queueID)
            damaged.append(
                QueueDamage(topic: key.topic, queueID: key.queueID, path: made.folder, reason: "is missing"))
        }
        try refuseLostQueues(damaged, outcome)
        return damaged
    }

    /// What is wrong with a queue; `nil`: nothing that is cheap to see.
    private func damage(
        of queue: ConsumeQueue, _ expected: RecoveryPoint.Queue?, _ outcome: Outcome, _ last: LastRun
    ) throws(SystemError) -> String? {
        if let expected, expected.end > queue.minOffset {
            guard let unit = try queue.unit(at: expected.end - 1) else {
                return "ends at \(queue.maxOffset), and had \(expected.end) units on the disk"
            }
            guard unit.physicalOffset == expected.lastRecord else {
                return "does not hold at \(expected.end - 1) what was on the disk"
            }
            if queue.maxOffset == expected.end { return nil }
        }
        let end = queue.maxOffset - 1
        guard let unit = try queue.unit(at: end), unit != .blank else { return nil }
        let place = PhysicalOffset(rawValue: max(0, unit.physicalOffset))
        if place >= outcome.dispatchFrom {
            // It is made anew, whatever it holds. What a dead machine had written may be gone from the log.
            return place >= outcome.end && last.isCacheIntact ? "points behind the log's end at \(end)" : nil
        }
        guard let segment = outcome.segments.first(where: { $0.contains(place) }) else { return nil }
        return try segment.holds(unit, at: queue.recordOffset(of: end), of: queue)
            ? nil : "contradicts the log at \(end)"
    }

    /// A queue that the log knows nothing of any more would begin at 0 again, behind its consumers.
    private func refuseLostQueues(_ damaged: [QueueDamage], _ outcome: Outcome) throws(StoreOpenError) {
        guard let first = outcome.segments.first, first.start > .zero, !damaged.isEmpty else { return }
        var missing = Set(damaged.map(\.key))
        var progress = Progress("looking for the records of damaged queues", from: first.start, to: outcome.end, log)
        for segment in outcome.segments {
            var offset = segment.start
            let mapping = try StoreOpenError.wrap { () throws(SystemError) in try segment.mapping }
            while offset < min(segment.end, outcome.end) {
                let bytes = mapping.bytes((offset - segment.start)..<segment.byteCount)
                guard let record = try? MessageRecord(bytes) else { break }
                missing.remove(
                    QueueDamage.Key(
                        topic: bytes.extracting(record.topic).toString(), queueID: Int(record.queueID)))
                removeLite(bytes.extracting(record.properties), from: &missing)
                if missing.isEmpty { return }
                offset = offset + record.byteCount
                progress.reached(offset)
            }
        }
        if let lost = damaged.first(where: { missing.contains($0.key) }) {
            throw .lostQueue(path: lost.path, reason: lost.reason)
        }
    }

    private func removeLite(_ properties: Span<UInt8>, from missing: inout Set<QueueDamage.Key>) {
        guard config.servesLiteQueues else { return }
        let facts = PropertyFacts(properties)
        for place in LiteQueue.places(facts, in: properties) {
            missing.remove(QueueDamage.Key(topic: place.name, queueID: LiteQueue.queueID))
        }
    }
}

extension Dispatcher {
    /// Builds `damaged` queues again from what the log holds before `end`; their old files go.
    /// - Parameter progress: told how far it has come.
    func rebuild(
        _ damaged: [QueueDamage], before end: PhysicalOffset, _ progress: inout Progress
    ) throws(SystemError) {
        let keys = Set(damaged.map(\.key))
        var worker = DispatchWorker(
            queues: queues, index: nil, delayLevels: delayLevels, servesLiteQueues: servesLiteQueues)
        worker.accepts = { topic, queueID in keys.contains(QueueDamage.Key(topic: topic, queueID: queueID)) }
        for damage in damaged { try queues.queue(damage.topic, damage.queueID).discard() }
        for segment in log.files where segment.start < end {
            var offset = segment.start
            while offset < min(segment.end, end) {
                offset = try rebuild(segment, from: offset, to: min(segment.end, end), &worker)
                progress.reached(offset)
            }
        }
        for damage in damaged { try queues.queue(damage.topic, damage.queueID).synchronize() }
    }

    private func rebuild(
        _ segment: Segment, from start: PhysicalOffset, to end: PhysicalOffset, _ worker: inout DispatchWorker
    ) throws(SystemError) -> PhysicalOffset {
        let mapping = try segment.mapping
        let span = mapping.bytes((start - segment.start)..<(end - segment.start))
        let limit = min(span.count, Self.roundByteCountMax)
        worker.beginRound()
        let handled = try worker.handle(span, upTo: limit, segmentEnds: segment.end - start) { at, error in
            SystemError(code: 5, call: "\(error) at offset \(start + at) of", subject: segment.path)
        }
        try worker.publish { _ in }
        return start + handled
    }
}
