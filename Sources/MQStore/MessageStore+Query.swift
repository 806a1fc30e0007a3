import MQBase
import MQBytes
import MQMessage
public import MQSystem

/// Messages by key and by time. All of it may wait for the disk.
extension MessageStore {
    /// The queue offset for a time. A time before the first message is the first, one behind the last is the last, or with
    /// `isUpper` false the queue's end. RocketMQ 4.9 answered the nearest message instead; 5.x does as here.
    /// - Parameter isUpper: the last message not after `timestamp`; otherwise the first not before it.
    public func searchOffset(
        _ queue: ConsumeQueue, timestamp: Int64, isUpper: Bool
    ) throws(SystemError) -> Int64 {
        var low = queue.minOffset
        var high = queue.maxOffset
        let minimum = low
        while low < high {  // the first offset stored at or behind (upper: behind) the time
            let middle = low + (high - low) / 2
            let stored = try storeTimestamp(queue, at: middle)?.rawValue ?? .min
            if isUpper ? stored <= timestamp : stored < timestamp { low = middle + 1 } else { high = middle }
        }
        if low == minimum, let compacted = compaction.fileBefore(queue) {
            let next = try compacted.first(storedFrom: timestamp, isUpper: isUpper)?.offset ?? minimum
            // An offset that is compacted away is as good as the next one that is left.
            return isUpper ? max(min(next, minimum) - 1, compacted.firstOffset) : min(next, minimum)
        }
        return isUpper ? max(low - 1, minimum) : low
    }

    /// What a search by key found.
    public struct KeyedRecords: Sendable {
        /// Where the records begin, in the log's order.
        public var offsets: [Int64] = []
        /// Store time of the last record that is indexed, milliseconds; 0 if none is.
        public let lastTimestamp: Int64
        /// Where the last record that is indexed begins.
        public let lastOffset: Int64
    }

    /// The newest `limit` records of `topic` that carry `key`, as UNIQ_KEY or among KEYS, and take `byteCountMax` bytes at
    /// most, but for the newest.
    ///
    /// Keys whose hash codes collide are told apart here, where Java leaves that to the client; among so many that hide the
    /// wanted ones only the newest ``candidatesMax`` are looked at. The index knows times in seconds, rounded down.
    public func records(
        topic: String, key: String, time: ClosedRange<Int64>, limit: Int, byteCountMax: Int = .max
    ) -> KeyedRecords {
        guard let index else { return KeyedRecords(lastTimestamp: 0, lastOffset: 0) }
        var found = KeyedRecords(lastTimestamp: index.endTimestamp, lastOffset: max(0, index.endOffset))
        guard limit > 0, !key.isEmpty else { return found }
        let (wantedTopic, wantedKey) = (Array(topic.utf8), Array(key.utf8))
        for candidates in [limit, max(limit, Self.candidatesMax)] {
            let newest = index.offsets(topic: topic, key: key, time: time, limit: candidates)
            var byteCount = 0
            found.offsets = []
            for offset in newest where found.offsets.count < limit {
                let size = withRecord(at: offset) { record, bytes in
                    Self.carries(record, bytes, topic: wantedTopic, key: wantedKey) ? record.byteCount : nil
                }
                guard let size, let size else { continue }
                byteCount += size
                if byteCount > byteCountMax, !found.offsets.isEmpty { break }
                found.offsets.append(offset)
            }
            if found.offsets.count == newest.count || newest.count < candidates { break }
        }
        found.offsets.sort()
        return found
    }

    /// Index entries one search looks at.
    static let candidatesMax = 1024

    private static func carries(
        _ record: MessageRecord, _ bytes: Span<UInt8>, topic: [UInt8], key: [UInt8]
    ) -> Bool {
        guard bytes.extracting(record.topic).equals(topic.span) else { return false }
        let text = bytes.extracting(record.properties)
        let facts = PropertyFacts(text)
        return (0..<facts.keyCount).contains { text.extracting(facts.key($0)).equals(key.span) }
    }
}
