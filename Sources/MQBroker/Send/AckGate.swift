import MQBase

/// Holds what may be answered only when the log is durable up to some offset, or when a deadline has passed. Pure: no
/// socket, clock or lock.
struct AckGate<Payload> {
    /// How a held payload left.
    enum Outcome: Equatable {
        /// The log is durable up to its offset.
        case durable
        /// The deadline came first: stored, and not known to be durable.
        case late
    }

    private struct Entry {
        let end: PhysicalOffset
        let deadline: Instant
        let payload: Payload
    }

    /// In the order they were appended, so with rising offsets and deadlines.
    private var entries: [Entry] = []
    private var first = 0

    /// Whether nothing is held.
    var isEmpty: Bool { first == entries.count }
    /// What is held longest; `nil` when nothing is held.
    var oldest: Payload? { isEmpty ? nil : entries[first].payload }
    /// When the first deadline passes; `nil` when nothing is held.
    var nextDeadline: Instant? { isEmpty ? nil : entries[first].deadline }

    /// Holds `payload` until `end` is durable.
    /// - Precondition: `end` is not before that of the payload held last: one loop's batches are in order.
    mutating func hold(_ payload: Payload, until end: PhysicalOffset, deadline: Instant) {
        precondition(isEmpty || entries[entries.count - 1].end <= end, "batches out of order")
        entries.append(Entry(end: end, deadline: deadline, payload: payload))
    }

    /// Hands over what need not wait any more, oldest first.
    mutating func release(flushed: PhysicalOffset, now: Instant, _ body: (Payload, Outcome) -> Void) {
        while first < entries.count {
            let entry = entries[first]
            if entry.end <= flushed {
                body(entry.payload, .durable)
            } else if entry.deadline <= now {
                body(entry.payload, .late)
            } else {
                break
            }
            first += 1
        }
        if first == entries.count {
            entries.removeAll(keepingCapacity: true)
            first = 0
        } else if first > 64, first * 2 > entries.count {
            entries.removeFirst(first)
            first = 0
        }
    }

    /// Hands over everything held; for a store that was fenced.
    mutating func releaseAll(_ body: (Payload) -> Void) {
        for entry in entries[first...] { body(entry.payload) }
        entries.removeAll()
        first = 0
    }
}
