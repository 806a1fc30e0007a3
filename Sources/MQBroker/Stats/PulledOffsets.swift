import MQSystem

/// How far a group has pulled the queues of a topic: what lies between there and what it has committed is on its way. Not
/// stored; a group that pulls behind a restart is known again. Any thread; a lock of its own for each group and topic.
///
/// Source: `ConsumerOffsetManager.java` `pullOffsetTable`, RocketMQ 5.3.
final class PulledOffsets: Sendable {
    private let table = Lock<[Int64]>([])

    /// Notes where the group will pull next.
    /// - Parameter queueID: one that the topic has: it bounds the table.
    func note(_ queueID: Int, next offset: Int64) {
        table.withLock { table in
            if queueID >= table.count {
                table.append(contentsOf: repeatElement(0, count: queueID + 1 - table.count))
            }
            table[queueID] = offset
        }
    }

    /// Where the group will pull next; 0 if it never has.
    subscript(queueID: Int) -> Int64 { table.withLock { queueID < $0.count ? $0[queueID] : 0 } }
}
