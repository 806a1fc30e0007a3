import MQBase

/// Decides whether an old file of the log may go while queues that are to be compacted have not copied what they need from
/// it. A value: what was tried and what is asked in, the answer out.
///
/// Nothing goes before it is copied, as long as the copying gets on. When it has been tried in vain for ``patienceMilliseconds``
/// and messages are refused for want of room, the file goes: the rest of the broker would stand still for ever otherwise.
struct DeletionHold: Sendable {
    /// A queue's name.
    struct Queue: Hashable, Sendable, CustomStringConvertible {
        let topic: String
        let queueID: Int

        var description: String { "\(topic)/\(queueID)" }
    }

    /// What is answered.
    enum Answer: Equatable, Sendable {
        /// The file may go.
        case go
        /// It stays until these queues have copied what they need.
        case wait([Queue])
        /// It goes, and takes messages of these queues with it.
        case abandon([Queue])
    }

    /// How long a queue is tried in vain.
    static let patienceMilliseconds: Int64 = 120_000

    /// Since when compactions of a queue do not get on.
    private var inVainSince: [Queue: Instant] = [:]

    /// A queue was compacted, or could not be.
    /// - Parameter gotOn: it is compacted further than before, or has all it needs.
    mutating func tried(_ queue: Queue, gotOn: Bool, at now: Instant) {
        if gotOn { inVainSince[queue] = nil } else if inVainSince[queue] == nil { inVainSince[queue] = now }
    }

    /// Somebody wants to delete a file.
    /// - Parameters:
    ///   - lacking: queues that have not copied all they need of it.
    ///   - isDiskFull: messages are refused until there is more room.
    mutating func asked(lacking: [Queue], isDiskFull: Bool, at now: Instant) -> Answer {
        inVainSince = inVainSince.filter { lacking.contains($0.key) }
        guard !lacking.isEmpty else { return .go }
        let hopeless = lacking.filter { queue in
            inVainSince[queue].map { now.milliseconds(since: $0) >= Self.patienceMilliseconds } ?? false
        }
        return isDiskFull && hopeless.count == lacking.count ? .abandon(lacking) : .wait(lacking)
    }
}
