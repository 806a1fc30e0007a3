import MQBase
import MQBytes
package import MQMessage

/// What the queues and the index must hold of one record, for tools that compare or show them. Reused from record to
/// record; one owner.
package struct RecordFacts {
    private let delayLevels: [Int64]
    /// What the record's queue holds.
    package private(set) var unit = QueueUnit.blank
    /// The hashes of the keys that the index holds for it, as entries carry them; none for a rolled-back message.
    package private(set) var keyHashes: [Int32] = []

    /// The lite queues it stands in besides, and its offset in each.
    package private(set) var litePlaces: [(name: String, offset: Int64)] = []

    /// - Parameter delayLevels: `messageDelayLevel`, milliseconds, level 1 first.
    package init(delayLevels: [Int64]) { self.delayLevels = delayLevels }

    /// Reads the facts of `record`, which lies at `offset` of the log.
    package mutating func read(_ record: MessageRecord, _ bytes: Span<UInt8>, at offset: Int64) {
        let topic = bytes.extracting(record.topic)
        let text = bytes.extracting(record.properties)
        let facts = PropertyFacts(text)
        let tags = DispatchWorker.tagsCode(
            facts, storedAt: record.storeTimestamp.rawValue, isSchedule: topic.equals(ScheduleTopic.literal),
            delayLevels)
        unit = QueueUnit(physicalOffset: offset, size: Int32(record.byteCount), tagsCode: tags)
        keyHashes.removeAll(keepingCapacity: true)
        litePlaces = LiteQueue.allows(topic: topic) ? LiteQueue.places(facts, in: text) : []
        guard record.queueID >= 0, record.sysFlag.transaction != .transactionRollback, facts.keyCount > 0 else {
            return
        }
        let prefix = javaHashCode(topic) &* 31 &+ 35
        for number in 0..<facts.keyCount {
            keyHashes.append(IndexFile.keyHash(javaHashCode(text.extracting(facts.key(number)), from: prefix)))
        }
    }

    /// What a queue of batches holds of the record that was read last; `nil` if its numbers can be none of a queue.
    package func batch(_ record: MessageRecord, _ bytes: Span<UInt8>) -> BatchUnit? {
        var base = record.queueOffset
        var count: Int16 = 1
        if record.sysFlag.contains(.innerBatch) {
            guard let inner = InnerBatch(bytes.extracting(record.properties), queueOffset: base) else { return nil }
            (base, count) = (inner.baseOffset, inner.messageCount)
        }
        guard base >= 0 else { return nil }
        return BatchUnit(
            unit: unit, storeTimestamp: record.storeTimestamp.rawValue, baseOffset: base, messageCount: count)
    }

    /// The hash that entries for `topic#key` carry.
    package static func keyHash(topic: String, key: String) -> Int32 {
        IndexFile.keyHash(javaHashCode(Array("\(topic)#\(key)".utf8).span))
    }
}

/// How the store names its files.
package enum StoreFileName {
    /// 20 digits: the offset of the file's first byte, in the log or in its queue.
    package static func file(at start: Int64) -> String { Segment.name(start) }
}
