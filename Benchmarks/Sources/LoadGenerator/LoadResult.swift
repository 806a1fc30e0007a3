/// What one side of a run did in the measured time.
struct SideResult: Sendable {
    var messageCount = 0
    var bodyByteCount = 0
    /// Nanoseconds they were counted over.
    var elapsed: Int64 = 0
    /// Produce: from the intended send to the answer. Consume: from pull to answer.
    var latency = Histogram()
    /// Consume: from the stamp in the body to its arrival, nanoseconds.
    var endToEnd = Histogram()
    /// Answers with a code other than success, by code.
    var errors: [Int: Int] = [:]
    /// Produce: sent and never answered.
    var unansweredCount = 0
    /// Produce, open loop: due and never sent, because the windows were full.
    var unsentCount = 0
    /// Consume: answers to pulls.
    var pullCount = 0
    /// Consume: records whose queue offset did not follow the one before.
    var gapCount = 0
    /// Consume: bodies of answers that are no records.
    var corruptCount = 0

    init() {}

    /// Messages a second.
    var rate: Double { elapsed == 0 ? 0 : Double(messageCount) * 1e9 / Double(elapsed) }
    /// Body bytes a second, in MiB.
    var mebibytesPerSecond: Double {
        elapsed == 0 ? 0 : Double(bodyByteCount) * 1e9 / Double(elapsed) / 1_048_576
    }
    /// Whether anything went wrong.
    var isClean: Bool { errors.isEmpty && unansweredCount == 0 && gapCount == 0 && corruptCount == 0 }
}

/// What a watched process used in the measured time.
struct ProcessResult: Sendable {
    var pid: Int32
    var name: String
    /// Nanoseconds of CPU: all, and the parts as the kernel's ticks divide it.
    var cpu: Int64
    var user: Int64
    var system: Int64
    /// KiB at the end; `nil` if it has ended.
    var residentKiB: Int?
    var anonymousKiB: Int?
    var fileKiB: Int?
}

/// What a run found.
struct LoadResult: Sendable {
    var produce: SideResult?
    var consume: SideResult?
    /// The watched ones, then the load generator itself.
    var processes: [ProcessResult] = []

    init() {}

    /// What CPU time is divided by: messages sent, or received if none were sent.
    var messageCount: Int { produce?.messageCount ?? consume?.messageCount ?? 0 }
    /// Nanoseconds measured.
    var elapsed: Int64 { produce?.elapsed ?? consume?.elapsed ?? 0 }
}
