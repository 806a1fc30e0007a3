import MQBytes
import MQMessage
import MQRemoting
import MQStore

/// What a committed message waits for before it comes to its queue: the delay that its producer gave it, counted from the
/// commit. Pure.
///
/// A Java broker gives the delay to the half message instead, whose own topic it forgets then, and asks its producer for
/// ever. Its `HookUtils.java` `handleScheduleMessage` would delay the committed message, too; that is done here.
enum CommitWait: Equatable {
    case none
    /// A delay level, from 1 on.
    case level(Int)
    /// A slot of the timer, ms since 1970.
    case timer(out: Int64)

    /// - Parameters:
    ///   - properties: the half message's. A delay level wins over a time.
    ///   - levelCount: levels over that count as the last.
    ///   - now: ms since 1970.
    /// - Throws: ``Refusal`` if the timer does not take it.
    init(
        _ properties: Span<UInt8>, levelCount: Int, timer: TimerSettings, now: Int64
    ) throws(Refusal) {
        let facts = SendProperties(properties)
        if facts.delayLevel > 0, levelCount > 0 {
            self = .level(Int(min(facts.delayLevel, Int64(levelCount))))
            return
        }
        guard facts.timer.isTimed else {
            self = .none
            return
        }
        // Its slot was looked at when the half message came: a commit must not fail because many are due then.
        let out = try TimerRules(settings: timer).out(facts.timer, properties, now: now, dice: 0, count: { _ in nil })
        self = out.map { .timer(out: $0) } ?? .none
    }

    /// Where it waits; `nil`: it does not.
    var place: (topic: String, queueID: Int)? {
        switch self {
        case .none: nil
        case .level(let level): (ScheduleTopic.name, level - 1)
        case .timer: (TimerWorker.topic, 0)
        }
    }

    /// Bytes that ``append(_:to:)`` may add.
    static let addedByteCountMax = 40

    /// Appends the final message's properties. A delay level leaves out times, which it overrules.
    func append(_ text: Span<UInt8>, to buffer: inout ByteBuffer) {
        switch self {
        case .none: buffer.append(text)
        case .level:
            Properties.forEach(in: text) { name, value in
                if !PropertyName.isDeliveryTime(text.extracting(name)) {
                    buffer.append(text.extracting(name.lowerBound..<value.upperBound))
                    buffer.append(Properties.valueEnd)
                }
                return true
            }
        case .timer(let out):
            buffer.append(text)
            if text.count > 0, text[text.count - 1] != Properties.valueEnd { buffer.append(Properties.valueEnd) }
            buffer.append("TIMER_OUT_MS\u{1}")
            buffer.append(decimal: out)
            buffer.append(Properties.valueEnd)
        }
    }
}

extension PropertyName {
    /// Whether a property says when its message is to be delivered.
    static func isDeliveryTime(_ name: Span<UInt8>) -> Bool {
        name.equals(timerDelaySeconds) || name.equals(timerDelayMilliseconds) || name.equals(timerDeliverMilliseconds)
    }
}
