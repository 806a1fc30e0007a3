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
    private(set) var timer = TimerWish()
    private(set) var waitsForFlush = true

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
            case 10 where key.equals(PropertyName.messageRegion): hasRegion = true
            case 12 where key.equals(PropertyName.timerOut): timer.isDone = true
            case 14 where key.equals(PropertyName.timerDelayMilliseconds): timer.milliseconds = value
            case 15 where key.equals(PropertyName.timerDelaySeconds): timer.seconds = value
            case 16 where key.equals(PropertyName.timerDeliverMilliseconds): timer.deliver = value
            case 17 where key.equals(PropertyName.timerDeleteUniqueKey): timer.isDelete = true
            case 20 where key.equals(PropertyName.maxReconsumeTimes): maxReconsumeTimes = Decimal.parse(content)
            default: break
            }
            return true
        }
    }
}
