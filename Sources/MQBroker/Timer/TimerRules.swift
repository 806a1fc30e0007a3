import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore

/// What a producer asks of the timer, as its properties spell it: where the numbers lie.
struct TimerWish {
    @Place var seconds: Range<Int>?
    @Place var milliseconds: Range<Int>?
    @Place var deliver: Range<Int>?
    /// `TIMER_OUT_MS` is there: a message that was timed once, and comes again.
    var isDone = false
    /// It takes another message back.
    var isDelete = false

    /// Whether it is to wait.
    var isTimed: Bool { !isDone && (seconds != nil || milliseconds != nil || deliver != nil) }
}

/// When a message is to be delivered, and whether that is allowed. Pure.
/// Source: `HookUtils.java` `transformTimerMessage`, `SendMessageProcessor.java`, `TimerMessageStore.java` `isReject`,
/// RocketMQ 5.3.
struct TimerRules: Equatable {
    var settings: TimerSettings

    /// The slot a message waits in, which becomes its `TIMER_OUT_MS`; `nil` if it is due now.
    /// - Parameters:
    ///   - properties: what `wish` was read from.
    ///   - dice: 0..<1000, for slots that are filling up.
    ///   - count: how many messages wait in a slot; asked for only if there is a limit.
    func out(
        _ wish: TimerWish, _ properties: Span<UInt8>, now: Int64, dice: Int, count: (Int64) -> Int64?
    ) throws(Refusal) -> Int64? {
        guard settings.isEnabled else {
            throw Refusal(.systemError, "accurate timer message is not enabled, timerWheelEnable is false")
        }
        guard let deliver = Self.deliver(wish, properties, now) else { throw illegal }
        guard deliver > now else {
            if wish.isDelete { throw illegal }
            return nil
        }
        guard deliver - now <= settings.delayMilliseconds else { throw illegal }
        let out = settings.times.out(for: deliver)
        let limit = settings.slotCountMax
        if limit < Int64(Int32.max), isRefused(count(out) ?? 0, limit, dice) {
            throw Refusal(
                .systemError,
                "timer message is under flow control, max num limit is \(limit * 2) or the current value is greater "
                    + "than \(limit) and less than \(limit * 2), trigger random flow control")
        }
        return out
    }

    /// Seconds win over milliseconds, both over a moment; `nil` for what is no number.
    private static func deliver(_ wish: TimerWish, _ properties: Span<UInt8>, _ now: Int64) -> Int64? {
        if let seconds = wish.seconds { return after(Decimal.parse(properties.extracting(seconds)), 1000, now) }
        if let delay = wish.milliseconds { return after(Decimal.parse(properties.extracting(delay)), 1, now) }
        guard let moment = wish.deliver else { return nil }
        return Decimal.parse(properties.extracting(moment))
    }

    private static func after(_ delay: Int64?, _ scale: Int64, _ now: Int64) -> Int64? {
        guard let delay else { return nil }
        let (product, overflow) = delay.multipliedReportingOverflow(by: scale)
        let (sum, overflowed) = now.addingReportingOverflow(product)
        return overflow || overflowed ? nil : sum
    }

    /// None up to the limit, all from twice as many on, between them the more the fuller the slot is.
    private func isRefused(_ count: Int64, _ limit: Int64, _ dice: Int) -> Bool {
        if count <= limit { return false }
        return count >= limit * 2 || Int64(dice) < 1000 * (count - limit) / limit
    }

    private var illegal: Refusal {
        Refusal(
            .messageIllegal,
            "timer message illegal, the delay time should not be bigger than the max delay "
                + "\(settings.delayMilliseconds)ms; or if set del msg, the delay time should be bigger than the current "
                + "time")
    }
}
