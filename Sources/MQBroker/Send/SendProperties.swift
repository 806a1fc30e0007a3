import MQBase
import MQBytes
import MQMessage

/// What the broker must know of a message's properties before it stores them, found in one pass.
struct SendProperties {
    private(set) var uniqueKey: Range<Int>?
    private(set) var hasCluster = false
    private(set) var hasRegion = false
    private(set) var hasTraceOn = false
    private(set) var delayLevel: Int64 = 0
    private(set) var maxReconsumeTimes: Int64?
    private(set) var isHalfMessage = false
    private(set) var isTimed = false
    private(set) var waitsForFlush = true
    /// INNER_NUM is there.
    private(set) var hasInnerNumber = false
    /// What it says, if that is a number.
    private(set) var innerCount: Int64?

    init(_ text: Span<UInt8>) {
        Properties.forEach(in: text) { name, value in
            let key = text.extracting(name)
            let content = text.extracting(value)
            switch key.count {
            case 4 where key.equals(PropertyName.wait): waitsForFlush = !content.equals("false")
            case 5 where key.equals(PropertyName.delay): delayLevel = Decimal.parse(content) ?? 0
            case 7 where key.equals(PropertyName.cluster): hasCluster = true
            case 8 where key.equals(PropertyName.uniqueKey): uniqueKey = value.isEmpty ? nil : value
            case 8 where key.equals(PropertyName.traceOn): hasTraceOn = true
            case 8 where key.equals(PropertyName.transactionPrepared): isHalfMessage = content.equals("true")
            case 9 where key.equals(PropertyName.innerNumber):
                hasInnerNumber = true
                innerCount = Decimal.parse(content)
            case 10 where key.equals(PropertyName.messageRegion): hasRegion = true
            case 14 where key.equals(PropertyName.timerDelayMilliseconds): isTimed = true
            case 15 where key.equals(PropertyName.timerDelaySeconds): isTimed = true
            case 16 where key.equals(PropertyName.timerDeliverMilliseconds): isTimed = true
            case 20 where key.equals(PropertyName.maxReconsumeTimes): maxReconsumeTimes = Decimal.parse(content)
            default: break
            }
            return true
        }
    }
}
