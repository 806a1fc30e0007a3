/// What one side of a run did in the measured time.
public struct SideResult: Sendable {
    public var messageCount = 0
    public var bodyByteCount = 0
    /// Nanoseconds they were counted over.
    public var elapsed: Int64 = 0
    /// Produce: from the intended send to the answer. Consume: from pull to answer.
    public var latency = Histogram()
    /// Consume: from the stamp in the body to its arrival, nanoseconds.
    public var endToEnd = Histogram()
    /// Answers with a code other than success, by code.
    public var errors: [Int: Int] = [:]
    /// Produce: sent and never answered.
    public var unansweredCount = 0
    /// Produce, open loop: due and never sent, because the windows were full.
    public var unsentCount = 0
    /// Consume: answers to pulls.
    public var pullCount = 0
    /// Consume: records whose queue offset did not follow the one before.
    public var gapCount = 0
    /// Consume: bodies of answers that are no records.
    public var corruptCount = 0

    public init() {}

    /// Messages a second.
    public var rate: Double { elapsed == 0 ? 0 : Double(messageCount) * 1e9 / Double(elapsed) }
    /// Body bytes a second, in MiB.
    public var mebibytesPerSecond: Double {
        elapsed == 0 ? 0 : Double(bodyByteCount) * 1e9 / Double(elapsed) / 1_048_576
    }
    /// Whether anything went wrong.
    public var isClean: Bool { errors.isEmpty && unansweredCount == 0 && gapCount == 0 && corruptCount == 0 }
}

/// What a watched process used in the measured time.
public struct ProcessResult: Sendable {
    public var pid: Int32
    public var name: String
    /// Nanoseconds of CPU: all, and the parts as the kernel's ticks divide it.
    public var cpu: Int64
    public var user: Int64
    public var system: Int64
    /// KiB at the end; `nil` if it has ended.
    public var residentKiB: Int?
    public var anonymousKiB: Int?
    public var fileKiB: Int?
}

/// What a run found.
public struct LoadResult: Sendable {
    public var produce: SideResult?
    public var consume: SideResult?
    /// The watched ones, then the load generator itself.
    public var processes: [ProcessResult] = []

    public init() {}

    /// What CPU time is divided by: messages sent, or received if none were sent.
    public var messageCount: Int { produce?.messageCount ?? consume?.messageCount ?? 0 }
    /// Nanoseconds measured.
    public var elapsed: Int64 { produce?.elapsed ?? consume?.elapsed ?? 0 }
}
