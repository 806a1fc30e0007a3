/// Offsets that an administrator has set and that consumers have not heard of yet: the next pull of such a queue is
/// answered with the offset to go on from, and until then commits of its group change nothing. Not stored: the offset
/// itself is committed at once. A plain value.
///
/// Source: `ConsumerOffsetManager.java` `resetOffsetTable`, RocketMQ 5.3.
struct PendingResets {
    private struct Key: Hashable {
        let topic: String
        let group: String
        let queueID: Int32
    }

    private var table: [Key: Int64] = [:]
    /// Queues that may wait to be asked for; about 200 bytes each.
    static let countMax = 100_000

    /// How many queues wait.
    var count: Int { table.count }

    /// Whether there is room for this one.
    func hasRoom(group: String, topic: String, queueID: Int32) -> Bool {
        table.count < Self.countMax || isPending(group: group, topic: topic, queueID: queueID)
    }

    /// Notes that `group` goes on at `offset`.
    mutating func set(group: String, topic: String, queueID: Int32, to offset: Int64) {
        table[Key(topic: topic, group: group, queueID: queueID)] = offset
    }

    /// Whether the group has not heard yet.
    func isPending(group: String, topic: String, queueID: Int32) -> Bool {
        !table.isEmpty && table[Key(topic: topic, group: group, queueID: queueID)] != nil
    }

    /// The offset to tell the group, once.
    mutating func take(group: String, topic: String, queueID: Int32) -> Int64? {
        table.removeValue(forKey: Key(topic: topic, group: group, queueID: queueID))
    }

    /// Forgets those of a group, or of a topic.
    mutating func remove(group: String? = nil, topic: String? = nil) {
        table = table.filter { $0.key.group != group && $0.key.topic != topic }
    }
}
