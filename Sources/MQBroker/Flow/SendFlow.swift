import MQBase
import MQProtocol
import MQRemoting

/// Whether one loop takes sends: counts those that are stored and wait for the flush. A send holds memory for as long as it
/// waits, and one that is stored behind a flush that does not end would wait in vain. Pure: no clock, no lock.
struct SendFlow {
    /// What waits, as it was counted when it began to.
    struct Load: Equatable {
        var requests = 0
        /// About the memory it takes, bytes.
        var bytes = 0
    }

    private(set) var held = Load()

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

    /// Why a send that comes now is not taken; `nil`: it is.
    /// - Parameters:
    ///   - oldest: when the send was stored that waits longest; `nil` if none waits.
    ///   - queuedAt: when the send came, if it has waited for a thread of ours meanwhile.
    func refusal(oldest: Instant?, now: Instant, queuedAt: Instant? = nil, _ settings: FlowSettings) -> Refusal? {
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
