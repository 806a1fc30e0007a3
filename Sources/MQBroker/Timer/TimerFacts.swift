import MQBytes
import MQMessage

/// What a record of the wheel's topic says of itself, found in one pass over its properties.
struct TimerFacts {
    /// `TIMER_OUT_MS`; `nil` if it is missing or no time.
    private(set) var out: Int64?
    private(set) var rollTimes: Int64 = 0
    private(set) var realTopic: Range<Int>?
    private(set) var uniqueKey: Range<Int>?
    /// Names the message it takes back.
    private(set) var deletes: Range<Int>?
    /// It was never put in, because it came too late.
    private(set) var wasLate = false

    /// Later than any clock says: sums of times must not overflow.
    private static let outMax = Int64.max >> 8

    init(_ text: Span<UInt8>) {
        Properties.forEach(in: text) { name, value in
            let key = text.extracting(name)
            switch key.count {
            case 8 where key.equals(PropertyName.uniqueKey): uniqueKey = value
            case 10 where key.equals(PropertyName.realTopic): realTopic = value
            case 12 where key.equals(PropertyName.timerOut):
                out = Decimal.parse(text.extracting(value)).flatMap { $0 >= 0 ? min($0, Self.outMax) : nil }
            case 16 where key.equals(PropertyName.timerEnqueue):
                wasLate = Decimal.parse(text.extracting(value)) == .max
            case 16 where key.equals(PropertyName.timerRollTimes):
                rollTimes = Decimal.parse(text.extracting(value)) ?? 0
            case 17 where key.equals(PropertyName.timerDeleteUniqueKey): deletes = value
            default: break
            }
            return true
        }
    }

    /// How a recall names this message: `topic+uniqueKey`; `nil` for one without a key.
    func deleteKey(_ text: Span<UInt8>, into buffer: inout ByteBuffer) -> Bool {
        guard let realTopic, let uniqueKey else { return false }
        buffer.removeAll()
        buffer.append(text.extracting(realTopic))
        buffer.append(UInt8(ascii: "+"))
        buffer.append(text.extracting(uniqueKey))
        return true
    }

    /// Appends the properties of a message that leaves the timer, or is put in again.
    /// - Parameters:
    ///   - enqueued: when it was put in; `.max` if it never was.
    ///   - isAnnotated: whether what the timer did is added; without it they are not longer than before.
    func appendProperties(
        _ text: Span<UInt8>, rolls: Bool, enqueued: Int64, now: Int64, isAnnotated: Bool, to buffer: inout ByteBuffer
    ) {
        Properties.forEach(in: text) { name, value in
            guard !Self.isReplaced(text.extracting(name), rolls: rolls, isAnnotated: isAnnotated) else { return true }
            buffer.append(text.extracting(name.lowerBound..<value.upperBound))
            buffer.append(Properties.valueEnd)
            return true
        }
        guard isAnnotated else { return }
        Self.append(PropertyName.timerEnqueue, enqueued, to: &buffer)
        Self.append(PropertyName.timerDequeue, now, to: &buffer)
        if rolls { Self.append(PropertyName.timerRollTimes, rollTimes &+ 1, to: &buffer) }
    }

    private static func isReplaced(_ name: Span<UInt8>, rolls: Bool, isAnnotated: Bool) -> Bool {
        guard isAnnotated else { return false }
        return name.equals(PropertyName.timerEnqueue) || name.equals(PropertyName.timerDequeue)
            || rolls && name.equals(PropertyName.timerRollTimes)
    }

    private static func append(_ name: StaticString, _ value: Int64, to buffer: inout ByteBuffer) {
        buffer.append(name)
        buffer.append(Properties.nameEnd)
        buffer.append(decimal: value)
        buffer.append(Properties.valueEnd)
    }
}
