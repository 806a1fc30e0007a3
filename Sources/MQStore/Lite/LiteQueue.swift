import MQBytes
import MQMessage

/// Lite message queues: names that begin with `%LMQ%`. Each is one queue, number 0, and needs no topic. A message whose
/// property `INNER_MULTI_DISPATCH` names some stands in them too, beside the queue of its own topic, and is stored once.
///
/// Source: `MixAll.java`, `LmqDispatch.java`, `ConsumeQueue.java` `multiDispatchLmqQueue`, RocketMQ 5.3.
public enum LiteQueue {
    /// How their names begin.
    public static let prefix: StaticString = "%LMQ%"
    /// The number of their only queue.
    public static let queueID = 0

    /// Whether `name` is one of theirs.
    public static func isName(_ name: Span<UInt8>) -> Bool { name.starts(with: prefix) }

    /// As ``isName(_:)-(Span<UInt8>)``, for text.
    public static func isName(_ name: String) -> Bool { name.hasPrefix("%LMQ%") }

    /// Whether such a name may be a folder's. Java takes more of them than of topics: only no slash.
    public static func mayBeUsed(_ name: Span<UInt8>) -> Bool {
        guard isName(name), name.count <= 255 else { return false }
        for index in 0..<name.count where name[index] <= 32 || name[index] == UInt8(ascii: "/") || name[index] == 127 {
            return false
        }
        return Array(name.toString().utf8).span.equals(name)  // UTF-8, so that text names the same folder
    }

    /// Whether messages of `topic` may stand in lite queues. Those of transactions that are open stand in no queue at all.
    static func allows(topic: Span<UInt8>) -> Bool {
        !topic.starts(with: NameRules.retryPrefix) && !topic.starts(with: "rmq_sys_")
            && !topic.equals(ScheduleTopic.literal)
    }

    /// Between names, and between offsets.
    static let separator = UInt8(ascii: ",")

    /// Digits of an offset: always as many, because the record's length is known before its offsets are.
    static let digitCount = InnerBatch.digitCount

    /// Calls `body` with each queue that a stored record names, and its offset there, until it returns `false`. Nothing is
    /// called if the two properties do not fit.
    /// - Parameters:
    ///   - names: the value of `INNER_MULTI_DISPATCH` in `text`.
    ///   - offsets: the value of `INNER_MULTI_QUEUE_OFFSET`.
    static func forEachPlace(
        names: Range<Int>, offsets: Range<Int>, in text: Span<UInt8>, _ body: (Range<Int>, Int64) -> Bool
    ) {
        guard count(names, text) == count(offsets, text) else { return }
        var (name, offset) = (Words(names), Words(offsets))
        while let nameRange = name.next(in: text), let offsetRange = offset.next(in: text) {
            guard mayBeUsed(text.extracting(nameRange)),
                let place = Decimal.parse(text.extracting(offsetRange)), place >= 0
            else { continue }
            guard body(nameRange, place) else { return }
        }
    }

    /// All the places that a stored record with these properties names.
    static func places(_ facts: PropertyFacts, in text: Span<UInt8>) -> [(name: String, offset: Int64)] {
        guard let names = facts.multiDispatch, let offsets = facts.multiQueueOffset else { return [] }
        var places: [(name: String, offset: Int64)] = []
        forEachPlace(names: names, offsets: offsets, in: text) { name, offset in
            places.append((text.extracting(name).toString(), offset))
            return true
        }
        return places
    }

    /// The offset of a record with these properties in the lite queue called `name`; `nil` if it does not stand there.
    static func place(of name: Span<UInt8>, in properties: Span<UInt8>) -> Int64? {
        let facts = PropertyFacts(properties)
        guard let names = facts.multiDispatch, let offsets = facts.multiQueueOffset else { return nil }
        var found: Int64?
        forEachPlace(names: names, offsets: offsets, in: properties) { range, offset in
            guard properties.extracting(range).equals(name) else { return true }
            found = offset
            return false
        }
        return found
    }

    private static func count(_ range: Range<Int>, _ text: Span<UInt8>) -> Int {
        var count = 1
        for index in range where text[index] == separator { count += 1 }
        return count
    }

    /// Walks over what stands between separators.
    struct Words {
        private var position: Int
        private let end: Int

        init(_ range: Range<Int>) {
            position = range.lowerBound
            end = range.upperBound
        }

        mutating func next(in text: Span<UInt8>) -> Range<Int>? {
            guard position <= end else { return nil }
            let stop = min(text.next(LiteQueue.separator, from: position), end)
            defer { position = stop + 1 }
            return position..<stop
        }
    }
}
