import MQProtocol
import MQSystem

/// Queues that one client of a group holds alone, so that it can take them in order. Any thread.
///
/// Source: `RebalanceLockManager.java`, RocketMQ 5.3.
final class QueueLocks: Sendable {
    /// Queues held in all groups; about 300 bytes each.
    private static let countMax = 200_000

    private struct Entry {
        var clientID: String
        var lastUpdate: Int64
    }

    private let liveMilliseconds: Int64
    private let groups = Lock<(table: [String: [MessageQueue: Entry]], count: Int)>(([:], 0))

    /// A lock that is not renewed for `liveMilliseconds` is free again.
    init(liveMilliseconds: Int64) { self.liveMilliseconds = liveMilliseconds }

    /// Takes the queues that are free, expired or the client's already.
    /// - Returns: those the client holds now.
    func lock(_ queues: [MessageQueue], group: String, clientID: String, now: Int64) -> [MessageQueue] {
        groups.withLock { state in
            queues.filter { queue in
                if let entry = state.table[group]?[queue] {
                    guard entry.clientID == clientID || now - entry.lastUpdate > liveMilliseconds else { return false }
                } else {
                    guard state.count < Self.countMax else { return false }
                    state.count += 1
                }
                state.table[group, default: [:]][queue] = Entry(clientID: clientID, lastUpdate: now)
                return true
            }
        }
    }

    /// Gives back what the client holds of `queues`.
    func unlock(_ queues: [MessageQueue], group: String, clientID: String) {
        groups.withLock { state in
            for queue in queues where state.table[group]?[queue]?.clientID == clientID {
                state.table[group]?[queue] = nil
                state.count -= 1
            }
            if state.table[group]?.isEmpty == true { state.table[group] = nil }
        }
    }

    /// Whether any member of `group` holds a queue.
    func hasAny(group: String, now: Int64) -> Bool {
        groups.withLock { $0.table[group]?.contains { now - $0.value.lastUpdate <= liveMilliseconds } ?? false }
    }

    /// Forgets locks that have expired.
    func expire(now: Int64) {
        groups.withLock { state in
            for (group, queues) in state.table {
                let kept = queues.filter { now - $0.value.lastUpdate <= liveMilliseconds }
                state.count -= queues.count - kept.count
                state.table[group] = kept.isEmpty ? nil : kept
            }
        }
    }
}
