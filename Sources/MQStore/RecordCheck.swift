import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQSystem
import Synchronization

extension Segment {
    /// Whether the record that `unit` names is there and belongs at `offset` of `queue`. Touches the record's first and
    /// last bytes: may wait for the disk.
    func holds(_ unit: QueueUnit, at offset: Int64, of queue: ConsumeQueue) throws(SystemError) -> Bool {
        let place = PhysicalOffset(rawValue: max(0, unit.physicalOffset))
        guard contains(place) else { return false }
        let mapping = try self.mapping
        let bytes = mapping.bytes((place - start)..<byteCount)
        guard let record = try? MessageRecord(bytes) else { return false }
        return record.physicalOffset == unit.physicalOffset && record.byteCount == Int(unit.size)
            && queue.placeOf(record, bytes) == offset
    }
}

/// Records this process has neither written nor scanned at its start are checked when they are asked for by their place
/// in the log: a disk may have changed them since another process wrote them. One that does not pass is not served.
extension MessageStore {
    /// Whether a record that is asked for by its place in the log may be served.
    func isServable(_ record: MessageRecord, _ bytes: Span<UInt8>) -> Bool {
        guard record.physicalOffset < checkedFrom.rawValue, !record.hasIntactBody(bytes) else { return true }
        noteDamaged(record.physicalOffset, at: record.queueOffset)
        return false
    }

    /// Copies the records that `result` found in `queue`, which waited for the disk, and takes those out of it that do not
    /// pass: what the unit names must be a record of this queue with its body's checksum. May wait for the disk.
    public func copy(_ result: inout ReadResult, of queue: ConsumeQueue) -> [UInt8] {
        var bytes = ByteBuffer(capacity: result.byteCount)
        for file in result.ranges.files {
            for run in result.ranges.runs[file.runs] {
                let record = file.mapping.bytes(run)
                let place = file.start + Int64(run.lowerBound)
                guard !result.hasOldUnits && place >= checkedFrom.rawValue || isServable(record, at: place, of: queue)
                else {
                    result.messageCount -= 1
                    result.byteCount -= run.count
                    continue
                }
                bytes.append(record)
            }
        }
        if result.status == .found, bytes.isEmpty { result.status = .noMatchedMessage }
        return bytes.toArray()
    }

    /// Whether `bytes`, which lie at `place` in the log, are a record that `queue` may serve.
    private func isServable(_ bytes: Span<UInt8>, at place: Int64, of queue: ConsumeQueue) -> Bool {
        if let record = try? MessageRecord(bytes), record.physicalOffset == place, record.byteCount == bytes.count,
            queue.placeOf(record, bytes) != nil, record.hasIntactBody(bytes)
        {
            return true
        }
        noteDamaged(place, at: (try? MessageRecord(bytes))?.queueOffset ?? -1)
        return false
    }

    /// How often a record was not served because it, or the unit that names it, is damaged.
    public var damagedReads: Int { damaged.load(ordering: .relaxed) }

    /// The first is said; the others are counted, because a consumer may come back for ever.
    private func noteDamaged(_ physicalOffset: Int64, at offset: Int64) {
        guard damaged.add(1, ordering: .relaxed).oldValue == 0 else { return }
        logger.error(
            "a damaged message is not served; see damagedReads of the runtime information for how many",
            ["physicalOffset": String(physicalOffset), "offset": String(offset)])
    }
}

extension ConsumeQueue {
    /// The offset that a record has in this queue, by what it says itself; `nil` if it is of another queue.
    func placeOf(_ record: MessageRecord, _ bytes: Span<UInt8>) -> Int64? {
        if Int(record.queueID) == queueID, isTopic(bytes.extracting(record.topic)) { return record.queueOffset }
        let name = topicBytes
        guard LiteQueue.isName(name.span), LiteQueue.allows(topic: bytes.extracting(record.topic)) else { return nil }
        return LiteQueue.place(of: name.span, in: bytes.extracting(record.properties))
    }
}
