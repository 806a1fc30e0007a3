import MQBase
import MQBytes
import MQSystem

/// What queues and index will hold of a message, found by who looks at its properties before it is appended: dispatch need
/// not read the record again. Whoever is not sure says nothing: then dispatch looks for itself.
public struct UnitFacts: Sendable {
    /// Java's hash of TAGS; 0 without tags.
    var tagsHash: Int32 = 0
    private(set) var keyCount = 0
    private(set) var firstKey: Int32 = 0
    private(set) var secondKey: Int32 = 0

    /// A message without tags and keys.
    public init() {}

    /// The message has these TAGS.
    public mutating func setTags(_ tags: Span<UInt8>) { tagsHash = javaHashCode(tags) }

    /// The message will be found by `key`: its UNIQ_KEY, or a word of KEYS.
    /// - Returns: `false` for a third key, for which there is no room: nothing is known then.
    public mutating func addKey(_ key: Span<UInt8>, in queue: ConsumeQueue) -> Bool {
        let hash = javaHashCode(key, from: queue.keyPrefixHash)
        switch keyCount {
        case 0: firstKey = hash
        case 1: secondKey = hash
        default: return false
        }
        keyCount &+= 1
        return true
    }
}

/// Records that were appended a moment ago and whose ``UnitFacts`` are known, in the log's order. Filled under the append
/// lock, emptied by dispatch. It may lack any of them: what is not here is read from the log.
final class DispatchFeed: Sendable {
    /// One record.
    struct Item {
        let queue: ConsumeQueue
        let isInQueue: Bool
        let byteCount: Int32
        let physicalOffset: Int64
        let queueOffset: Int64
        let storeTimestamp: Int64
        let facts: UnitFacts
    }

    /// About a megabyte; more than a dispatch thread is behind that keeps up.
    static let countMax = 16_384

    private let items = Lock<[Item]>([])

    /// Adds the records of a batch that has its places; all or, without room, none.
    func add(_ batch: AppendBatch, at time: Int64) {
        items.withLock { items in
            guard items.count &+ batch.entries.count <= Self.countMax else { return }
            for entry in batch.entries {
                guard let facts = entry.facts else { continue }
                items.append(
                    Item(
                        queue: entry.queue, isInQueue: entry.isInQueue, byteCount: Int32(entry.byteCount),
                        physicalOffset: entry.physicalOffset, queueOffset: entry.queueOffset, storeTimestamp: time,
                        facts: facts))
            }
        }
    }

    /// Changes places with `empty`.
    func take(into empty: inout [Item]) { items.withLock { swap(&$0, &empty) } }
}

/// What dispatch has taken of the feed and not handled yet. Dispatch thread only.
struct FedItems {
    private var items: [DispatchFeed.Item] = []
    private var index = 0

    /// The first item at or behind `offset`; `nil` if nothing is fed.
    mutating func next(from offset: Int64, of feed: DispatchFeed) -> DispatchFeed.Item? {
        while true {
            if index == items.count {
                items.removeAll(keepingCapacity: true)
                index = 0
                feed.take(into: &items)
                if items.isEmpty { return nil }
            }
            if items[index].physicalOffset >= offset { return items[index] }
            index &+= 1
        }
    }

    /// Goes on behind the item that ``next(from:of:)`` found.
    mutating func advance() { index &+= 1 }
}
