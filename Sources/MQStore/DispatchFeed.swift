import MQBase
import MQBytes
import MQSystem
import Synchronization

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
///
/// Items name their queue by its place in a list that goes with them: a reference in each would be counted by a loop and
/// taken back by dispatch, and the count's cache line would go to and fro between two processors several times a message.
final class DispatchFeed: Sendable {
    /// One record.
    struct Item {
        /// The queue's place in ``Items/queues``.
        let queue: Int32
        let byteCount: Int32
        let physicalOffset: Int64
        let queueOffset: Int64
        let storeTimestamp: Int64
        let facts: UnitFacts
        let isInQueue: Bool
    }

    /// Items and the queues they belong to.
    struct Items {
        fileprivate(set) var items: [Item] = []
        /// Each once.
        fileprivate(set) var queues: [ConsumeQueue] = []

        fileprivate mutating func removeAll() {
            items.removeAll(keepingCapacity: true)
            queues.removeAll(keepingCapacity: true)
        }

        // A span, because a copy of an entry is a reference more.
        fileprivate mutating func add(_ entries: Span<AppendBatch.Entry>, at time: Int64) {
            for index in entries.indices {
                guard let facts = entries[index].facts else { continue }
                let place = place(of: entries[index].queue)
                items.append(
                    Item(
                        queue: Int32(truncatingIfNeeded: place), byteCount: Int32(entries[index].byteCount),
                        physicalOffset: entries[index].physicalOffset, queueOffset: entries[index].queueOffset,
                        storeTimestamp: time, facts: facts, isInQueue: entries[index].isInQueue))
            }
        }

        /// The place of `queue` in the list.
        @inline(__always) fileprivate mutating func place(of queue: ConsumeQueue) -> Int {
            let guess = queue.feedSlot.load(ordering: .relaxed)
            if guess < queues.count, queues[guess] === queue { return guess }
            queue.feedSlot.store(queues.count, ordering: .relaxed)
            queues.append(queue)
            return queues.count - 1
        }
    }

    /// About a megabyte; more than a dispatch thread is behind that keeps up.
    static let countMax = 16_384

    private let items = Lock(Items())

    /// Adds the records of a batch that has its places; all or, without room, none.
    func add(_ batch: AppendBatch, at time: Int64) {
        items.withLock { fed in
            guard fed.items.count &+ batch.entries.count <= Self.countMax else { return }
            let entries = batch.entries
            fed.add(entries.span, at: time)
        }
    }

    /// Changes places with `empty`.
    func take(into empty: inout Items) { items.withLock { swap(&$0, &empty) } }
}

/// What dispatch has taken of the feed and not handled yet. Dispatch thread only.
struct FedItems {
    private var fed = DispatchFeed.Items()
    private var index = 0
    /// How often the feed was taken: items of different takes name queues by different lists.
    private(set) var take = 0

    /// The queues that items name.
    var queues: [ConsumeQueue] { fed.queues }

    /// The first item at or behind `offset`; `nil` if nothing is fed.
    mutating func next(from offset: Int64, of feed: DispatchFeed) -> DispatchFeed.Item? {
        while true {
            if index == fed.items.count {
                fed.removeAll()
                index = 0
                take &+= 1
                feed.take(into: &fed)
                if fed.items.isEmpty { return nil }
            }
            if fed.items[index].physicalOffset >= offset { return fed.items[index] }
            index &+= 1
        }
    }

    /// Goes on behind the item that ``next(from:of:)`` found.
    mutating func advance() { index &+= 1 }
}
