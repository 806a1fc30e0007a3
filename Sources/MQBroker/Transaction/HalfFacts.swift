import MQBase
import MQBytes
import MQMessage

/// What a half message's properties say, found in one pass, and what is to be done with it. Pure.
struct HalfFacts {
    /// When it was sent, milliseconds since 1970.
    let bornTimestamp: Int64
    private(set) var producerGroup: Range<Int>?
    private(set) var uniqueKey: Range<Int>?
    private(set) var realTopic: Range<Int>?
    private(set) var realQueueID: Int64?
    /// How often its producer was asked; `nil` never.
    private(set) var checkTimes: Int64?
    /// `CHECK_IMMUNITY_TIME_IN_SECONDS`, whether it is a number or not; `nil`: the message has none.
    private(set) var immunity: Immunity?
    private var rootText: Int64?

    /// How long its producer wants not to be asked.
    struct Immunity: Equatable {
        /// `nil`: it is not a number.
        let seconds: Int64?
        /// The property is there, and empty.
        let isEmpty: Bool

        /// No number may make milliseconds overflow.
        static let secondsMax: Int64 = 1 << 40
    }

    /// - Parameter text: the record's properties.
    init(_ text: Span<UInt8>, bornTimestamp: Int64) {
        self.bornTimestamp = bornTimestamp
        Properties.forEach(in: text) { name, value in
            let key = text.extracting(name)
            let content = text.extracting(value)
            switch key.count {
            case 6 where key.equals(PropertyName.producerGroup): producerGroup = value
            case 8 where key.equals(PropertyName.uniqueKey): uniqueKey = value.isEmpty ? nil : value
            case 8 where key.equals(PropertyName.realQueueID): realQueueID = Decimal.parse(content)
            case 10 where key.equals(PropertyName.realTopic): realTopic = value
            case 23 where key.equals(PropertyName.transactionCheckTimes): checkTimes = Decimal.parse(content) ?? -1
            case 26 where key.equals(PropertyName.transactionPreparedOffset): rootText = Decimal.parse(content)
            case 30 where key.equals(PropertyName.checkImmunitySeconds):
                let seconds = Decimal.parse(content)
                immunity = Immunity(
                    seconds: seconds.map { min(max($0, -1), Immunity.secondsMax) }, isEmpty: content.isEmpty)
            default: break
            }
            return true
        }
    }

    /// The message it is the half of, when it lies at `offset`. A root behind the copy is none.
    func half(at offset: Int64) -> HalfMessage {
        guard let rootText, (0..<offset).contains(rootText) else { return HalfMessage(offset: offset, root: offset) }
        return HalfMessage(offset: offset, root: rootText)
    }

    // MARK: - Checks

    /// When half messages are looked after.
    struct Rules: Equatable {
        /// `transactionTimeOut`: how old a half message is before its producer is asked, milliseconds.
        var timeoutMilliseconds: Int64
        /// `transactionCheckMax`: how often at most.
        var checkMax: Int64
        /// `fileReservedTime`: older ones are given up, milliseconds.
        var reservedMilliseconds: Int64
    }

    /// What a check does with an open half message.
    enum Action: Equatable {
        /// Nothing before that time, nor with those behind it.
        case wait(until: Int64)
        /// Its producer is not to be asked yet: it is stored again, so that those behind it need not wait.
        case keep
        /// It is stored again as asked so often, and its producer is asked.
        case ask(times: Int64)
        /// It goes to `TRANS_CHECK_MAX_TIME_TOPIC`.
        case giveUp
    }

    /// Source: `TransactionalMessageServiceImpl.java` `check`, RocketMQ 5.3. Unlike there, storing a message again
    /// because its producer is not to be asked does not count as asking.
    func action(at now: Int64, _ rules: Rules) -> Action {
        if let checkTimes, checkTimes >= rules.checkMax { return .giveUp }
        // Saturating, because the birthday is the producer's word.
        let age = now.subtractingReportingOverflow(bornTimestamp)
        let milliseconds = age.overflow ? (bornTimestamp < 0 ? .max : .min) : age.partialValue
        if milliseconds > rules.reservedMilliseconds { return .giveUp }
        if let immunity {
            let wanted = immunity.seconds.flatMap { $0 == -1 ? nil : $0 * 1000 } ?? rules.timeoutMilliseconds
            if milliseconds <= wanted { return .keep }
        } else if (0...rules.timeoutMilliseconds).contains(milliseconds) {
            return .wait(until: bornTimestamp + rules.timeoutMilliseconds + 1)
        }
        return .ask(times: max(0, checkTimes ?? 0) + 1)
    }

    /// Whether an end that no check asked for comes too late: later than the message's own immunity.
    /// Source: `EndTransactionProcessor.java` `rejectCommitOrRollback`, RocketMQ 5.3.
    func isTooLate(at now: Int64, timeoutMilliseconds: Int64) -> Bool {
        guard let immunity, !immunity.isEmpty else { return false }
        let age = now.subtractingReportingOverflow(bornTimestamp)
        guard !age.overflow else { return bornTimestamp < 0 }
        return age.partialValue > max((immunity.seconds ?? 0) * 1000, timeoutMilliseconds)
    }

    // MARK: - Copies

    /// Bytes that ``appendCopy(of:half:times:to:)`` may add.
    static let addedByteCountMax = 100

    /// Appends the properties of a copy.
    /// - Parameters:
    ///   - half: what it is copied from; `nil`: it starts anew.
    ///   - times: how often its producer was asked; `nil`: as before.
    static func appendCopy(
        of text: Span<UInt8>, half: HalfMessage?, times: Int64?, to buffer: inout ByteBuffer
    ) {
        Properties.forEach(in: text) { name, value in
            let key = text.extracting(name)
            let isReplaced =
                key.equals(PropertyName.transactionPreparedOffset)
                || times != nil && key.equals(PropertyName.transactionCheckTimes)
            if !isReplaced {
                buffer.append(text.extracting(name.lowerBound..<value.upperBound))
                buffer.append(Properties.valueEnd)
            }
            return true
        }
        if let times { append(PropertyName.transactionCheckTimes, times, to: &buffer) }
        if let half { append(PropertyName.transactionPreparedOffset, half.root, to: &buffer) }
    }

    private static func append(_ name: StaticString, _ number: Int64, to buffer: inout ByteBuffer) {
        buffer.append(name)
        buffer.append(Properties.nameEnd)
        buffer.append(decimal: number)
        buffer.append(Properties.valueEnd)
    }
}
