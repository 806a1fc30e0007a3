import Synchronization

/// Numbers that are used once in this process. Any thread.
public final class Counter: Sendable {
    private let value: Atomic<UInt64>

    /// The first number given is `start`.
    public init(from start: UInt64 = 1) { value = Atomic(start) }

    /// The next number.
    public func next() -> UInt64 { value.add(1, ordering: .relaxed).oldValue }
}

/// How many there are now. Any thread.
final class Gauge: Sendable {
    private let value = Atomic<Int>(0)

    /// Counts one more unless there are `limit` already.
    func increment(below limit: Int) -> Bool {
        if value.add(1, ordering: .relaxed).newValue <= limit { return true }
        decrement()
        return false
    }

    func decrement() { value.subtract(1, ordering: .relaxed) }
}
