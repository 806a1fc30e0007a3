import MQSystem

/// How full a file system is.
public struct DiskUsage: Equatable, Sendable {
    /// Bytes taken.
    public var used: UInt64
    /// Bytes that this process may still take.
    public var available: UInt64

    init(used: UInt64, available: UInt64) {
        self.used = used
        self.available = available
    }

    /// The file system of `path`; `nil` if the system does not tell.
    public init?(of path: String) {
        guard let space = Directory.space(at: path), space.used + space.available > 0 else { return nil }
        self.init(used: space.used, available: space.available)
    }

    /// What is taken of what could be, in percent, rounded up; what the system keeps back does not count.
    /// Source: `UtilAll.java` `getDiskPartitionSpaceUsedPercent`, RocketMQ 5.3.
    public var percent: Int {
        let whole = used + available
        guard whole > 0 else { return 0 }
        return Int((Double(used) * 100 / Double(whole)).rounded(.up))
    }

    /// As it will be when `byteCount` more are given back.
    func freeing(_ byteCount: UInt64) -> DiskUsage {
        let freed = min(byteCount, used)
        return DiskUsage(used: used - freed, available: available + freed)
    }
}
