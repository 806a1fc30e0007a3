import MQBase
import MQSystem

/// Where tables take the time from that they put into versions; tests bring their own.
public struct WallClock: Sendable {
    private let read: @Sendable () -> Int64

    /// A clock that says what `read` returns: milliseconds since 1970.
    public init(_ read: @escaping @Sendable () -> Int64) { self.read = read }

    /// Milliseconds since 1970.
    public var now: Int64 { read() }

    /// The machine's.
    public static let system = WallClock { SystemClock.wall().rawValue }
}
