import MQBytes
import MQMessage
import MQProtocol
import MQRemoting

/// Which topic a popped message lies in: the one that was asked for, or the group's retry topic for it.
///
/// Source: `ExtraInfoUtil.java`, `KeyBuilder.java`, RocketMQ 5.3.
enum PopTopicKind: UInt8, Sendable {
    case normal = 0
    /// `%RETRY%<group>_<topic>`.
    case retryV1 = 1
    /// `%RETRY%<group>+<topic>`.
    case retryV2 = 2

    /// The kind of a topic by its name. Any `%RETRY%` topic without a plus counts as the first form.
    init(of topic: String) {
        guard topic.utf8.starts(with: Self.prefix.utf8) else {
            self = .normal
            return
        }
        self = topic.utf8.contains(UInt8(ascii: "+")) ? .retryV2 : .retryV1
    }

    /// The digit that handles carry.
    init?(digit: some StringProtocol) {
        switch digit {
        case "0": self = .normal
        case "1": self = .retryV1
        case "2": self = .retryV2
        default: return nil
        }
    }

    /// The topic that messages of `topic` lie in for `group`.
    func name(topic: String, group: String) -> String {
        switch self {
        case .normal: topic
        case .retryV1: "\(Self.prefix)\(group)_\(topic)"
        case .retryV2: "\(Self.prefix)\(group)+\(topic)"
        }
    }

    /// What a retry topic of `group` is for; `topic` itself if it is none.
    static func origin(of topic: String, group: String) -> String {
        for separator in ["+", "_"] {
            let start = prefix + group + separator
            if topic.hasPrefix(start) { return String(topic.dropFirst(start.count)) }
        }
        return topic
    }

    private static let prefix = NameRules.retryPrefix.description
}

/// What names one popped message: `startOffset popTime invisibleTime reviveQid kind broker queueId offset`, blanks
/// between. Clients make it of the pop's answer, call it `POP_CK` or receipt handle, and send it back as `extraInfo`.
///
/// Source: `ExtraInfoUtil.java` `buildExtraInfo`, RocketMQ 5.3.
struct PopHandle: Equatable, Sendable {
    /// The revive queue of handles of an ordered pop. Source: `KeyBuilder.java` `POP_ORDER_REVIVE_QUEUE`.
    static let orderedReviveQueue: Int32 = 999

    /// Where the pop began in its queue: with ``popTime`` it names the span.
    var start: Int64
    /// When, ms since 1970.
    var popTime: Int64
    /// How long its messages stay invisible, ms.
    var invisibleTime: Int64
    /// Only whether it is ``orderedReviveQueue`` counts here.
    var reviveQueue: Int32

    /// Whether it was popped in order.
    var isOrdered: Bool { reviveQueue == Self.orderedReviveQueue }

    /// Reads the first six parts of a handle, all that an ack needs.
    /// - Throws: `systemError`, as Java answers its exception.
    init(_ text: Span<UInt8>) throws(Refusal) {
        var numbers = InlineArray<4, Int64>(repeating: 0)
        var count = 0
        var start = 0
        while start <= text.count {
            let end = min(text.next(UInt8(ascii: " "), from: start), text.count)
            if count < 4 {
                guard let number = Decimal.parse(text.extracting(start..<end)) else {
                    throw Refusal(.systemError, "extraInfo is no handle: part \(count + 1) is not a number")
                }
                numbers[count] = number
            }
            count += 1
            start = end + 1
        }
        guard count >= 6 else {
            throw Refusal(.systemError, "getBrokerName fail, extraInfoStrs length \(count)")
        }
        guard let reviveQueue = Int32(exactly: numbers[3]) else {
            throw Refusal(.systemError, "extraInfo is no handle: its revive queue is \(numbers[3])")
        }
        (self.start, popTime, invisibleTime) = (numbers[0], numbers[1], numbers[2])
        self.reviveQueue = reviveQueue
    }

    init(start: Int64, popTime: Int64, invisibleTime: Int64, reviveQueue: Int32) {
        self.start = start
        self.popTime = popTime
        self.invisibleTime = invisibleTime
        self.reviveQueue = reviveQueue
    }

    /// Appends the whole handle of one message.
    func append(
        kind: PopTopicKind, broker: String, queueID: Int32, offset: Int64, to buffer: inout ByteBuffer
    ) {
        for number in [start, popTime, invisibleTime, Int64(reviveQueue), Int64(kind.rawValue)] {
            buffer.append(decimal: number)
            buffer.append(UInt8(ascii: " "))
        }
        buffer.append(utf8: broker)
        buffer.append(UInt8(ascii: " "))
        buffer.append(decimal: Int64(queueID))
        buffer.append(UInt8(ascii: " "))
        buffer.append(decimal: offset)
    }
}

/// The three texts of a pop's answer that clients make handles of.
struct PopInfo: ~Copyable {
    /// `<kind> <queue> <start>`, `;` between.
    private(set) var startOffsets = ByteBuffer()
    /// `<kind> <queue> <offset>,<offset>`, `;` between.
    private(set) var messageOffsets = ByteBuffer()
    /// `<kind> <queue> <count>` and `<kind> qo<queue>%<offset> <count>`, `;` between.
    private(set) var orderCounts = ByteBuffer()

    /// Tells where the pop of one queue began and which messages it brought.
    mutating func add(_ kind: PopTopicKind, queueID: Int32, start: Int64, offsets: [Int64]) {
        Self.begin(kind, queueID, &startOffsets)
        startOffsets.append(decimal: start)
        Self.begin(kind, queueID, &messageOffsets)
        for (index, offset) in offsets.enumerated() {
            if index > 0 { messageOffsets.append(UInt8(ascii: ",")) }
            messageOffsets.append(decimal: offset)
        }
    }

    /// Tells how often messages of an ordered pop were delivered before.
    mutating func add(_ kind: PopTopicKind, queueID: Int32, counts: [(offset: Int64, count: Int)], least: Int) {
        for entry in counts {
            if !orderCounts.isEmpty { orderCounts.append(UInt8(ascii: ";")) }
            orderCounts.append(decimal: Int64(kind.rawValue))
            orderCounts.append(" qo")
            orderCounts.append(decimal: Int64(queueID))
            orderCounts.append(UInt8(ascii: "%"))
            orderCounts.append(decimal: entry.offset)
            orderCounts.append(UInt8(ascii: " "))
            orderCounts.append(decimal: Int64(entry.count))
        }
        Self.begin(kind, queueID, &orderCounts)
        orderCounts.append(decimal: Int64(least))
    }

    /// Writes the fields of an answer.
    func write(isOrdered: Bool, to writer: inout ResponseWriter, _ buffer: inout ByteBuffer) {
        writer.field("startOffsetInfo", escaping: startOffsets.span, to: &buffer)
        writer.field("msgOffsetInfo", escaping: messageOffsets.span, to: &buffer)
        if isOrdered { writer.field("orderCountInfo", escaping: orderCounts.span, to: &buffer) }
    }

    private static func begin(_ kind: PopTopicKind, _ queueID: Int32, _ buffer: inout ByteBuffer) {
        if !buffer.isEmpty { buffer.append(UInt8(ascii: ";")) }
        buffer.append(decimal: Int64(kind.rawValue))
        buffer.append(UInt8(ascii: " "))
        buffer.append(decimal: Int64(queueID))
        buffer.append(UInt8(ascii: " "))
    }
}
