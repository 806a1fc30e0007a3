/// A byte position in the CommitLog, counted from the first byte ever written to it. RocketMQ's `phyOffset`.
/// Not interchangeable with ``QueueOffset``, which counts messages.
public struct PhysicalOffset: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Bytes, >= 0.
    public let rawValue: Int64

    /// - Precondition: `rawValue >= 0`; check values from outside before they come here.
    @inlinable public init(rawValue: Int64) {
        precondition(rawValue >= 0, "physical offset is negative: \(rawValue)")
        self.rawValue = rawValue
    }

    /// The log's first byte.
    public static let zero = PhysicalOffset(rawValue: 0)

    @inlinable public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The position `byteCount` bytes further.
    @inlinable public static func + (left: Self, byteCount: Int) -> Self {
        Self(rawValue: left.rawValue + Int64(byteCount))
    }

    /// Bytes from `right` to `left`.
    @inlinable public static func - (left: Self, right: Self) -> Int { Int(left.rawValue - right.rawValue) }

    public var description: String { String(rawValue) }
}

/// A message's position in one ConsumeQueue, counted in messages from the queue's first.
/// Not interchangeable with ``PhysicalOffset``, which counts bytes in the CommitLog.
public struct QueueOffset: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Messages, >= 0.
    public let rawValue: Int64

    /// - Precondition: `rawValue >= 0`; check values from outside before they come here.
    @inlinable public init(rawValue: Int64) {
        precondition(rawValue >= 0, "queue offset is negative: \(rawValue)")
        self.rawValue = rawValue
    }

    /// A queue's first message.
    public static let zero = QueueOffset(rawValue: 0)

    @inlinable public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The offset `count` messages further.
    @inlinable public static func + (left: Self, count: Int) -> Self { Self(rawValue: left.rawValue + Int64(count)) }

    /// Messages from `right` to `left`.
    @inlinable public static func - (left: Self, right: Self) -> Int { Int(left.rawValue - right.rawValue) }

    public var description: String { String(rawValue) }
}

/// Milliseconds since 1970 by the wall clock: what RocketMQ stores in records and sends in headers.
public struct Timestamp: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var rawValue: Int64

    @inlinable public init(rawValue: Int64) { self.rawValue = rawValue }

    @inlinable public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    public var description: String { String(rawValue) }
}

/// A point of the monotonic clock, for deadlines and idle times. Never stored, never sent.
public struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since an arbitrary start.
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    @inlinable public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The instant `milliseconds` later; saturates instead of overflowing, because the number may come from a peer.
    @inlinable public func advanced(byMilliseconds milliseconds: Int64) -> Instant {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        if overflow { return Instant(nanoseconds: milliseconds < 0 ? .min : .max) }
        let (sum, overflowed) = nanoseconds.addingReportingOverflow(product)
        return Instant(nanoseconds: overflowed ? (product < 0 ? .min : .max) : sum)
    }

    /// Whole milliseconds from `earlier` to this instant, rounded down.
    @inlinable public func milliseconds(since earlier: Instant) -> Int64 {
        (nanoseconds &- earlier.nanoseconds) / 1_000_000
    }
}
