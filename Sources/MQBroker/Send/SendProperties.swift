import MQBase
import MQBytes
import MQMessage
import MQStore

/// What the broker must know of a message's properties before it stores them, found in one pass.
struct SendProperties {
    @Place private(set) var uniqueKey: Range<Int>?
    private(set) var hasCluster = false
    private(set) var hasRegion = false
    private(set) var hasTraceOn = false
    private(set) var delayLevel: Int64 = 0
    /// What DELAY says, if that is no level.
    @Place private(set) var badDelay: Range<Int>?
    private(set) var maxReconsumeTimes: Int64?
    private(set) var isHalfMessage = false
    private(set) var hasProducerGroup = false
    private(set) var timer = TimerWish()
    private(set) var waitsForFlush = true
    private(set) var hasShardingKey = false
    /// INNER_NUM is there.
    private(set) var hasInnerNumber = false
    /// What it says, if that is a number.
    private(set) var innerCount: Int64?
    /// The lite queues that the message is for: the value of INNER_MULTI_DISPATCH.
    @Place private(set) var liteQueues: Range<Int>?
    /// It says itself where in lite queues it stands.
    private(set) var hasLitePlaces = false
    @Place private var tags: Range<Int>?
    @Place private var keys: Range<Int>?
    /// A name came twice that queues or index ask for, or one that only dispatch understands.
    private var isOdd = false

    /// What no properties say.
    init() {}

    /// Whether what is found depends on where the value of this property lies, and not on what it is.
    static func takesAnyValue(_ name: Span<UInt8>) -> Bool {
        !(name.equals(PropertyName.wait) || name.equals(PropertyName.delay)
            || name.equals(PropertyName.transactionPrepared) || name.equals(PropertyName.innerNumber)
            || name.equals(PropertyName.maxReconsumeTimes))
    }

    init(_ text: Span<UInt8>) {
        var cursor = Properties.Cursor()
        while let pair = cursor.next(in: text) {
            let key = text.extracting(pair.name..<pair.nameEnd)
            let value = pair.value
            switch key.count {
            case 4: takeShort(key, value, text)
            case 5 where key.equals(PropertyName.delay): takeDelay(value, text)
            case 6 where key.equals(PropertyName.producerGroup): hasProducerGroup = !value.isEmpty
            case 7 where key.equals(PropertyName.cluster): hasCluster = true
            case 8: takeEight(key, value, text)
            case 9 where key.equals(PropertyName.innerNumber):
                hasInnerNumber = true
                innerCount = Decimal.parse(text.extracting(value))
            case 10 where key.equals(PropertyName.messageRegion): hasRegion = true
            case 12 where key.equals(PropertyName.timerOut): timer.isDone = true
            case 13 where key.equals(PropertyName.shardingKey): hasShardingKey = true
            case 14 where key.equals(PropertyName.timerDelayMilliseconds): timer.milliseconds = value
            case 15 where key.equals(PropertyName.timerDelaySeconds): timer.seconds = value
            case 16 where key.equals(PropertyName.timerDeliverMilliseconds): timer.deliver = value
            case 17 where key.equals(PropertyName.timerDeleteUniqueKey): timer.isDelete = true
            case 20 where key.equals(PropertyName.maxReconsumeTimes):
                maxReconsumeTimes = Decimal.parse(text.extracting(value))
            case 20 where key.equals(PropertyName.innerMultiDispatch):
                isOdd = true
                liteQueues = value.isEmpty ? nil : value
            case 24 where key.equals(PropertyName.innerMultiQueueOffset): hasLitePlaces = true
            default: break
            }
        }
    }

    private mutating func takeDelay(_ value: Range<Int>, _ text: Span<UInt8>) {
        guard let level = Decimal.parse(text.extracting(value)) else { return badDelay = value }
        delayLevel = level
    }

    /// It can be found by KEYS, and kept for them.
    var hasKeys: Bool { keys.map { !$0.isEmpty } ?? false }

    /// What kind of message it is. Source: `TopicMessageType.java` `parseFromMessageProperty`, RocketMQ 5.3.
    var messageType: TopicMessageType {
        if isHalfMessage { return .transaction }
        if delayLevel > 0 || timer.isTimed { return .delay }
        return hasShardingKey ? .fifo : .normal
    }

    @inline(__always) private mutating func takeShort(_ key: Span<UInt8>, _ value: Range<Int>, _ text: Span<UInt8>) {
        if key.equals(PropertyName.wait) {
            waitsForFlush = !text.extracting(value).equals("false")
        } else if key.equals(PropertyName.tags) {
            isOdd = isOdd || tags != nil
            tags = value
        } else if key.equals(PropertyName.keys) {
            isOdd = isOdd || keys != nil
            keys = value
        }
    }

    @inline(__always) private mutating func takeEight(_ key: Span<UInt8>, _ value: Range<Int>, _ text: Span<UInt8>) {
        if key.equals(PropertyName.uniqueKey) {
            isOdd = isOdd || uniqueKey != nil
            uniqueKey = value.isEmpty ? nil : value
        } else if key.equals(PropertyName.traceOn) {
            hasTraceOn = true
        } else if key.equals(PropertyName.transactionPrepared) {
            isHalfMessage = text.extracting(value).equals("true")
        }
    }

    /// What queues and index will hold of the message when it is stored in `queue`; `nil`: dispatch must see for itself.
    /// - Parameters:
    ///   - text: the properties.
    ///   - uniqueKey: the message's, which the broker may have made.
    func unitFacts(_ text: Span<UInt8>, uniqueKey: Span<UInt8>, in queue: ConsumeQueue) -> UnitFacts? {
        guard !isOdd else { return nil }
        var facts = UnitFacts()
        if let tags { facts.setTags(text.extracting(tags)) }
        guard facts.addKey(uniqueKey, in: queue) else { return nil }
        guard let keys else { return facts }
        var start = keys.lowerBound
        while start < keys.upperBound {
            let end = min(text.next(UInt8(ascii: " "), from: start), keys.upperBound)
            if end > start, !facts.addKey(text.extracting(start..<end), in: queue) { return nil }
            start = end + 1
        }
        return facts
    }
}

/// A range of a frame, or none, in eight bytes instead of seventeen: what has several of them is copied for each message.
@propertyWrapper struct Place {
    private var start: UInt32 = 1  // behind the end: none
    private var end: UInt32 = 0

    init() {}

    var wrappedValue: Range<Int>? {
        get { start > end ? nil : Int(start)..<Int(end) }
        set {
            start = newValue.map { UInt32($0.lowerBound) } ?? 1
            end = newValue.map { UInt32($0.upperBound) } ?? 0
        }
    }
}

/// What kind of messages a topic takes: its attribute `message.type`.
enum TopicMessageType: String {
    case normal = "NORMAL"
    case fifo = "FIFO"
    case delay = "DELAY"
    case transaction = "TRANSACTION"
}
