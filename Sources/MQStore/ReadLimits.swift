public import MQBase

/// How much one read may bring. RocketMQ's defaults for messages in memory.
public struct ReadLimits: Sendable {
    /// Messages.
    public var messageCount: Int
    /// Bytes of records; the first one may be larger.
    public var byteCount: Int
    /// As ``messageCount``, where messages that may not be in memory are among them.
    public var coldMessageCount: Int
    /// As ``byteCount``, where messages that may not be in memory are among them.
    public var coldByteCount: Int
    /// Units looked at, matched or not.
    public var unitCount: Int

    /// RocketMQ's limits, or others.
    public init(
        messageCount: Int = 32, byteCount: Int = 262_144, coldMessageCount: Int = 8, coldByteCount: Int = 65_536,
        unitCount: Int = 800
    ) {
        self.messageCount = messageCount
        self.byteCount = byteCount
        self.coldMessageCount = coldMessageCount
        self.coldByteCount = coldByteCount
        self.unitCount = unitCount
    }
}

/// What a read may do to get at its bytes.
public struct ReadAccess: Sendable {
    /// Whether it may wait for the disk.
    let mayWait: Bool
    /// Records from here on are known to be in memory.
    let knownFrom: Int64

    /// Whether it may wait for the disk.
    public var mayWaitForDisk: Bool { mayWait }

    /// Waits for the disk; not on a loop.
    public static let waiting = ReadAccess(mayWait: true, knownFrom: 0)

    /// Takes only what is in memory, and looks whether it is.
    /// - Parameter knownFrom: records from this place in the log on were written a moment ago (``RecentTail``): nobody
    ///   need look.
    public static func inMemory(knownFrom: PhysicalOffset) -> ReadAccess {
        ReadAccess(mayWait: false, knownFrom: knownFrom.rawValue)
    }
}
