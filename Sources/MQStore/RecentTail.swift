public import MQBase

/// The end of the log that was written within the last second and a half, and is small: what nobody need ask the system
/// about. It gives up the pages that were used longest ago first, and these were written just now. Loop only; a plain value.
public struct RecentTail: Sendable {
    /// No more than this of the log's end counts, however fast it is written: a store in a small control group turns its
    /// whole memory over in no time.
    static let byteCountMax = 16 << 20
    static let halfMilliseconds: Int64 = 500

    private var older: PhysicalOffset
    private var newer: PhysicalOffset
    private var turnedAt: Instant

    /// Nothing counts as recent yet.
    public init(now: Instant, written: PhysicalOffset) {
        older = written
        newer = written
        turnedAt = now
    }

    /// Where it begins.
    /// - Parameters:
    ///   - now: this wake-up's time.
    ///   - written: where the log ends.
    public mutating func start(now: Instant, written: PhysicalOffset) -> PhysicalOffset {
        let passed = now.milliseconds(since: turnedAt)
        if passed >= Self.halfMilliseconds {
            // What was written before the last turn is over half a second old now; after a long pause all of it is.
            older = passed >= 2 * Self.halfMilliseconds ? written : newer
            newer = written
            turnedAt = now
        }
        return max(older, PhysicalOffset(rawValue: max(0, written.rawValue - Int64(Self.byteCountMax))))
    }
}
