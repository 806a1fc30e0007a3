import MQBytes
public import MQProtocol

/// Chooses the queue of a message, in place of the producer's going round. A message sent this way is not tried at another
/// queue when it fails: what must stay in order must stay in its queue.
public struct QueueSelector: Sendable {
    let index: @Sendable (_ message: Message, _ queues: [MessageQueue]) -> Int?

    /// Any choice.
    /// - Parameter choose: the index of one of `queues`, which come in a stable order and are never empty.
    public init(_ choose: @escaping @Sendable (_ message: Message, _ queues: [MessageQueue]) -> Int) {
        index = { choose($0, $1) }
    }

    /// All messages with one key go to one queue, as long as the number of queues stays: by the key's Java hash code, so
    /// that producers in Java choose the same one. Source: `SelectMessageQueueByHash.java`, 5.3.
    public static func hash(of key: String) -> QueueSelector {
        hash(javaHashCode(Array(key.utf8).span))
    }

    /// As ``hash(of:)-(String)`` for a number: an order's, an account's.
    public static func hash(of key: Int) -> QueueSelector {
        // Java's Integer is its own hash code; its Long has both halves in it, which for a number >= 0 that fits is the same.
        hash(Int32(exactly: key) ?? Int32(truncatingIfNeeded: key ^ (key >> 32)))
    }

    /// The smallest number has no magnitude in Java, and counts as 0 there.
    private static func hash(_ code: Int32) -> QueueSelector {
        let magnitude = code == .min ? 0 : Int(code.magnitude)
        return QueueSelector { _, queues in magnitude % queues.count }
    }

    /// Any queue. Source: `SelectMessageQueueByRandom.java`, 5.3.
    public static var random: QueueSelector { QueueSelector { _, queues in Int.random(in: queues.indices) } }
}
