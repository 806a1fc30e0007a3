import MQSystem

/// Notes of what happened, in order, to wait for. Any thread.
public final class Notes: Sendable {
    private let lines = Monitor<[String]>([])

    public init() {}

    public func add(_ line: String) {
        lines.signal {
            $0.append(line)
            return true
        }
    }

    /// Waits until `count` lines are there, at most 20 s.
    /// - Returns: all lines.
    public func wait(for count: Int) -> [String] {
        lines.wait(milliseconds: 20_000) { $0.count >= count ? $0 : nil } ?? lines.withLock { $0 }
    }
}
