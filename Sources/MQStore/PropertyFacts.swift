import MQBytes
import MQMessage

/// What queues and index need of a record's properties, found in one pass.
struct PropertyFacts {
    /// Java's hash of TAGS; 0 without tags.
    private(set) var tagsHash: Int32 = 0
    /// DELAY, if it is a number.
    private(set) var delayLevel: Int64?
    /// The value of INNER_MULTI_DISPATCH; the last one counts, as in a map.
    private(set) var multiDispatch: Range<Int>?
    /// The value of INNER_MULTI_QUEUE_OFFSET; the last one counts.
    private(set) var multiQueueOffset: Range<Int>?
    /// Keys to index: UNIQ_KEY, and every word of KEYS. At most ``keysMax``.
    private(set) var keyCount = 0
    private var firstKey = 0..<0
    private var secondKey = 0..<0
    private var otherKeys: [Range<Int>] = []  // nearly always empty, and then it costs nothing

    /// Where a key lies in the text.
    func key(_ number: Int) -> Range<Int> {
        switch number {
        case 0: firstKey
        case 1: secondKey
        default: otherKeys[number - 2]
        }
    }

    private mutating func addKey(_ key: Range<Int>) {
        guard keyCount < Self.keysMax else { return }
        switch keyCount {
        case 0: firstKey = key
        case 1: secondKey = key
        default: otherKeys.append(key)
        }
        keyCount += 1
    }

    /// As many as fit the properties: Java indexes all of them.
    static let keysMax = Properties.byteCountMax / 2 + 1

    /// Looks through `text` once.
    init(_ text: Span<UInt8>) {
        var cursor = Properties.Cursor()
        while let pair = cursor.next(in: text) {
            take(text, name: pair.name, nameEnd: pair.nameEnd, valueEnd: pair.valueEnd)
        }
    }

    /// The names, as the big-endian integers that their first bytes are.
    enum Name {
        static let tags: Int32 = 0x5441_4753
        static let keys: Int32 = 0x4B45_5953
        static let delayHead: Int32 = 0x4445_4C41
        static let delayTail: UInt8 = 0x59
        static let uniqueKey: Int64 = 0x554E_4951_5F4B_4559
    }

    @inline(__always)  // once for each property of each message
    private mutating func take(_ text: Span<UInt8>, name: Int, nameEnd: Int, valueEnd: Int) {
        let value = nameEnd &+ 1..<valueEnd
        switch nameEnd &- name {
        case 4:
            let bytes = text.int32(at: name)
            if bytes == Name.tags {
                tagsHash = javaHashCode(text.extracting(value))
            } else if bytes == Name.keys {
                addWords(text, value)
            }
        case 5 where text.int32(at: name) == Name.delayHead && text[name &+ 4] == Name.delayTail:
            delayLevel = Decimal.parse(text.extracting(value))
        case 8 where text.int64(at: name) == Name.uniqueKey:
            if !value.isEmpty { addKey(value) }
        case 20 where text.extracting(name..<nameEnd).equals(PropertyName.innerMultiDispatch):
            multiDispatch = value.isEmpty ? nil : value
        case 24 where text.extracting(name..<nameEnd).equals(PropertyName.innerMultiQueueOffset):
            multiQueueOffset = value.isEmpty ? nil : value
        default: break
        }
    }

    private mutating func addWords(_ text: Span<UInt8>, _ value: Range<Int>) {
        var start = value.lowerBound
        for index in value.lowerBound...value.upperBound {
            guard index == value.upperBound || text[index] == 32 else { continue }
            if index > start { addKey(start..<index) }
            start = index + 1
        }
    }
}

/// Where delayed messages wait: one queue a level, level 1 in queue 0.
public enum ScheduleTopic {
    /// `SCHEDULE_TOPIC_XXXX`.
    public static let name = "SCHEDULE_TOPIC_XXXX"
    /// ``name``, to compare bytes with.
    static let literal: StaticString = "SCHEDULE_TOPIC_XXXX"
}
