import MQSystem
import Synchronization

/// Tells others that a table has changed: a number that moves, and bodies that are called. Any thread.
final class ChangeNotice: Sendable {
    private let listeners = Lock<[@Sendable () -> Void]>([])
    // Moved after the table has changed, so that who sees the new number sees the new table under the table's lock.
    private let stamp = Atomic<UInt64>(1)

    /// Moves with every change.
    var version: UInt64 { stamp.load(ordering: .acquiring) }

    /// Calls `body` after every change, on the thread that made it; it must not wait.
    func listen(_ body: @escaping @Sendable () -> Void) { listeners.withLock { $0.append(body) } }

    /// Call after the change, outside of the table's lock.
    func changed() {
        stamp.add(1, ordering: .releasing)
        for listener in listeners.withLock({ $0 }) { listener() }
    }
}
