/// Which second a message waits in. Pure.
///
/// A slot is named by its beginning and is due at its end: a message for 10:00:05.300 waits in the slot of 10:00:05 and is
/// delivered at 10:00:06, one for 10:00:05.000 waits in the slot of 10:00:04. It is never early.
///
/// Source: `TimerMessageStore.java` `doEnqueue`, `HookUtils.java` `transformTimerMessage`, RocketMQ 5.3.
public struct TimerTimes: Equatable, Sendable {
    /// Half of the wheel: `TIMER_WHEEL_TTL_DAY` days of seconds.
    static let slotsOfTurn = 7 * 86_400
    /// Slots of the wheel, whatever they last.
    static let slotCount = 2 * slotsOfTurn
    /// Slots next to the turn's end that are not used: `TIMER_BLANK_SLOTS`.
    private static let blankSlots = 60

    /// `timerPrecisionMs`: how long a slot lasts, milliseconds.
    public let precision: Int64
    /// `timerRollWindowSlot`: what is further away waits in a nearer slot first.
    public let rollSlots: Int64

    /// - Parameter rollWindow: slots; one that is out of range counts as the longest.
    /// - Precondition: the precision is positive.
    public init(precision: Int64 = 1000, rollWindow: Int = 172_800) {
        precondition(precision > 0, "a slot lasts \(precision) ms")
        self.precision = precision
        let longest = Self.slotsOfTurn - Self.blankSlots
        rollSlots = Int64((2...longest).contains(rollWindow) ? rollWindow : longest)
    }

    /// The beginning of the slot that `time` lies in.
    public func floor(_ time: Int64) -> Int64 { time / precision * precision }

    /// `TIMER_OUT_MS`: the slot whose end is the first one not before `deliver`.
    public func out(for deliver: Int64) -> Int64 {
        deliver % precision == 0 ? deliver - precision : floor(deliver)
    }

    /// From when on the slot may be emptied.
    public func due(_ slot: Int64) -> Int64 { slot + precision }

    /// Whether the slot's time has come.
    public func isDue(_ slot: Int64, at now: Int64) -> Bool { due(slot) <= now }

    /// Where a message for the slot of `out` waits, put in at `now`: there, or on the way there.
    func place(out: Int64, now: Int64) -> (slot: Int64, rolls: Bool) {
        let (out, now) = (floor(out), floor(now))
        let window = rollSlots * precision
        guard out - now >= window else { return (out, false) }
        // The last way must be long enough to be put in again in time; with a window of two slots a third of it is none.
        let rest = out - now - window
        let isClose = rest == 0 || rest < rollSlots / 3 * precision
        return (now + (isClose ? rollSlots / 2 * precision : window), true)
    }

    /// The slot's number in the wheel.
    func index(of slot: Int64) -> Int { Int(slot / precision % Int64(Self.slotCount)) }

    /// How far ahead of the wheel's hand a slot can be without being another's.
    var turn: Int64 { Int64(Self.slotCount) * precision }
}
