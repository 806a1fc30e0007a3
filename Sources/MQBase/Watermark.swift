public import Synchronization

/// A byte position that only moves forward, raised by one thread at a time and read by any.
///
/// Everything the writer did before ``raise(to:)`` is visible to a thread that reads the raised value.
/// Only recovery or a change of role may set it back, with ``reset(to:)``, while nobody reads.
public final class Watermark: Sendable {
    @usableFromInline let position: Atomic<Int64>

    /// A watermark that stands at `start`.
    public init(_ start: PhysicalOffset) { position = Atomic(start.rawValue) }

    /// Where it stands now.
    @inlinable public var value: PhysicalOffset { PhysicalOffset(rawValue: position.load(ordering: .acquiring)) }

    /// Moves it to `new`.
    /// - Precondition: `new` is not behind the current value, and no other thread raises it at the same time.
    @inlinable public func raise(to new: PhysicalOffset) {
        let old = position.load(ordering: .relaxed)  // relaxed: only this thread writes it
        precondition(new.rawValue >= old, "watermark moved back from \(old) to \(new.rawValue)")
        position.store(new.rawValue, ordering: .releasing)
    }

    /// Sets it to `new` in either direction. Recovery and role changes only, before any reader runs.
    public func reset(to new: PhysicalOffset) { position.store(new.rawValue, ordering: .releasing) }
}
