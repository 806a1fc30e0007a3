import MQSystem
import Synchronization

/// Offsets that an administrator has set and that consumers have not heard of yet: the next pull of such a queue is
/// answered with the offset to go on from, and until then commits of its group change nothing. Not stored: the offset
/// itself is committed at once. Any thread.
///
/// Source: `ConsumerOffsetManager.java` `resetOffsetTable`, RocketMQ 5.3.
final class PendingResets: Sendable {
    private struct Key: Hashable {
        let topic: String
        let group: String
        let queueID: Int32
    }

    private let table = Lock<[Key: Int64]>([:])
    /// So that pulls need not lock while nothing pends, which is nearly always.
    private let count = Atomic<Int>(0)
    /// Queues that may wait to be asked for; about 200 bytes each.
    static let countMax = 100_000

    /// Notes that `group` goes on at `offset`.
    /// - Returns: `false` if too many pend already.
    func set(group: String, topic: String, queueID: Int32, to offset: Int64) -> Bool {
        table.withLock { table in
            let key = Key(topic: topic, group: group, queueID: queueID)
            guard table.count < Self.countMax || table[key] != nil else { return false }
            table[key] = offset
            count.store(table.count, ordering: .releasing)
            return true
        }
    }

    /// Whether the group has not heard yet.
    func isPending(group: String, topic: String, queueID: Int32) -> Bool {
        guard count.load(ordering: .acquiring) > 0 else { return false }
        return table.withLock { $0[Key(topic: topic, group: group, queueID: queueID)] != nil }
    }

    /// The offset to tell the group, once.
    func take(group: String, topic: String, queueID: Int32) -> Int64? {
        guard count.load(ordering: .acquiring) > 0 else { return nil }
        return table.withLock { table in
            defer { count.store(table.count, ordering: .releasing) }
            return table.removeValue(forKey: Key(topic: topic, group: group, queueID: queueID))
        }
    }

    /// Forgets those of a group, or of a topic.
    func remove(group: String? = nil, topic: String? = nil) {
        guard count.load(ordering: .acquiring) > 0 else { return }
        table.withLock { table in
            table = table.filter { $0.key.group != group && $0.key.topic != topic }
            count.store(table.count, ordering: .releasing)
        }
    }
}
