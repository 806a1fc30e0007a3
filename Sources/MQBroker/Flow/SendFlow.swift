import MQBase
import MQProtocol
import MQRemoting

/// Whether one loop takes sends: counts those that are stored and wait for the flush. A send holds memory for as long as it
/// waits, and one that is stored behind a flush that does not end would wait in vain. So would one whose bytes lay here or in
/// its socket while a write to the log did not end. Pure: no clock, no lock.
struct SendFlow {
    /// What waits, as it was counted when it began to.
    struct Load: Equatable {
        var requests = 0
        /// About the memory it takes, bytes.
        var bytes = 0
    }

    private(set) var held = Load()
    /// How long the last slow write took, and how many wake-ups still bring what came meanwhile.
    private var stall: (milliseconds: Int64, wakeUps: Int)?

    /// Sends of a batch begin to wait.
    mutating func hold(_ load: Load) {
        held.requests += load.requests
        held.bytes += load.bytes
    }

    /// Sends of a batch wait no more.
    mutating func release(_ load: Load) {
        held.requests -= load.requests
        held.bytes -= load.bytes
        precondition(held.requests >= 0 && held.bytes >= 0, "more was released than was held: \(held)")
    }

    /// Whether sends come that have waited for a slow write.
    var isStalled: Bool { stall != nil }

    /// A write to the log, or the wait for it, has taken so long.
    mutating func wrote(in milliseconds: Int64, _ settings: FlowSettings) {
        // What is left of this wake-up was read before, what the next one reads came while the loop stood still.
        if milliseconds > settings.busyMilliseconds { stall = (milliseconds, 2) }
    }

    /// A wake-up is over.
    mutating func endWakeUp() {
        guard let last = stall else { return }
        stall = last.wakeUps > 1 ? (last.milliseconds, last.wakeUps - 1) : nil
    }

    /// Why a send that comes now is not taken; `nil`: it is.
    /// - Parameters:
    ///   - oldest: when the send was stored that waits longest; `nil` if none waits.
    ///   - queuedAt: when the send came, if it has waited for a thread of ours meanwhile.
    func refusal(oldest: Instant?, now: Instant, queuedAt: Instant? = nil, _ settings: FlowSettings) -> Refusal? {
        if let stall { return .droppedWhileBusy(milliseconds: stall.milliseconds, left: held.requests) }
        guard let oldest else { return nil }
        if now.milliseconds(since: oldest) > settings.busyMilliseconds {
            guard let queuedAt else { return .rejected }
            return .droppedWhileBusy(milliseconds: now.milliseconds(since: queuedAt), left: held.requests)
        }
        return held.requests >= settings.sendCountMax || held.bytes >= settings.sendByteCountMax ? .busy : nil
    }
}

/// What RocketMQ's clients and tests know by these words; all are worth another try, at another broker first.
/// Source: `NettyRemotingAbstract.java`, `BrokerFastFailure.java`, RocketMQ 5.3.
extension Refusal {
    /// The disk does not keep up.
    static let rejected = Refusal(.systemBusy, "[REJECTREQUEST]system busy, start flow control for a while")

    /// It waited for a thread, and the disk does not keep up.
    static func droppedWhileBusy(milliseconds: Int64, left: Int) -> Refusal {
        dropped("PCBUSY_CLEAN_QUEUE", milliseconds, left)
    }

    /// It waited for a thread for longer than its kind may.
    static func waitedTooLong(milliseconds: Int64, left: Int) -> Refusal {
        dropped("TIMEOUT_CLEAN_QUEUE", milliseconds, left)
    }

    private static func dropped(_ tag: String, _ milliseconds: Int64, _ left: Int) -> Refusal {
        Refusal(
            .systemBusy,
            "[\(tag)]broker busy, start flow control for a while, period in queue: \(milliseconds)ms, "
                + "size of queue: \(left)")
    }
}
