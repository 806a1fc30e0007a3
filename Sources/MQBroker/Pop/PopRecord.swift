import MQBytes

/// One entry of pop's journal; docs/formats/store.md shows the bytes. Queues go by number, which ``queue`` gives out anew
/// and ``forget`` takes back.
enum PopRecord: Equatable {
    /// The queue `number` is this one; nothing is on its way.
    case queue(Int, PopQueueKey, next: Int64)
    /// The span is on its way, and the next pop begins at `next`.
    case span(Int, PopSpan, next: Int64)
    /// Messages of a span are acknowledged, a bit each.
    case ack(Int, PopSpan.Key, UInt64)
    /// Messages of a span were put to the retry topic, by records that end before `logEnd`. Where the log does not reach so
    /// far they were not.
    case revived(Int, PopSpan.Key, UInt64, logEnd: Int64)
    /// Nothing is on its way, and the next pop begins at `next`.
    case reset(Int, next: Int64)
    /// The queue is idle, and the group's progress says where it stands.
    case forget(Int)
    /// The last ordered pop, and where the group goes on.
    case ordered(Int, OrderedPop, next: Int64)
    /// How far the revive topic that another broker left is taken in.
    case adopted(reviveQueue: Int32, offset: Int64)

    private enum Kind: UInt8 {
        case queue = 1
        case span, ack, revived, reset, forget, ordered, adopted
    }

    // MARK: - Encoding

    func append(to buffer: inout [UInt8]) {
        switch self {
        case .queue(let number, let key, let next): Self.append(number, key, next, to: &buffer)
        case .span(let number, let span, let next): Self.append(number, span, next, to: &buffer)
        case .ack(let number, let key, let bits):
            Self.begin(.ack, number, key, &buffer)
            buffer.append(bigEndian: bits)
        case .revived(let number, let key, let bits, let logEnd):
            Self.begin(.revived, number, key, &buffer)
            buffer.append(bigEndian: bits)
            buffer.append(bigEndian: logEnd)
        case .reset(let number, let next):
            Self.begin(.reset, number, &buffer)
            buffer.append(bigEndian: next)
        case .forget(let number): Self.begin(.forget, number, &buffer)
        case .ordered(let number, let pop, let next): Self.append(number, pop, next, to: &buffer)
        case .adopted(let queue, let offset):
            Self.begin(.adopted, Int(queue), &buffer)
            buffer.append(bigEndian: offset)
        }
    }

    private static func begin(_ kind: Kind, _ number: Int, _ buffer: inout [UInt8]) {
        buffer.append(kind.rawValue)
        buffer.append(bigEndian: UInt32(number))
    }

    private static func begin(_ kind: Kind, _ number: Int, _ key: PopSpan.Key, _ buffer: inout [UInt8]) {
        begin(kind, number, &buffer)
        buffer.append(bigEndian: key.start)
        buffer.append(bigEndian: key.popTime)
    }

    private static func append(text: String, to buffer: inout [UInt8]) {
        buffer.append(bigEndian: UInt16(text.utf8.count))
        buffer.append(contentsOf: text.utf8)
    }

    private static func append(_ number: Int, _ key: PopQueueKey, _ next: Int64, to buffer: inout [UInt8]) {
        begin(.queue, number, &buffer)
        append(text: key.group, to: &buffer)
        append(text: key.topic, to: &buffer)
        buffer.append(bigEndian: key.queueID)
        buffer.append(bigEndian: next)
    }

    private static func append(_ number: Int, _ span: PopSpan, _ next: Int64, to buffer: inout [UInt8]) {
        begin(.span, number, span.key, &buffer)
        buffer.append(bigEndian: span.deadline)
        buffer.append(bigEndian: next)
        buffer.append(bigEndian: span.open)
        buffer.append(UInt8(span.count))
        buffer.append(span.distances.isEmpty ? 0 : 1)
        for distance in span.distances { buffer.append(bigEndian: distance) }
    }

    private static func append(_ number: Int, _ pop: OrderedPop, _ next: Int64, to buffer: inout [UInt8]) {
        begin(.ordered, number, &buffer)
        for field in [next, pop.popTime, pop.invisibleTime, pop.lastConsumed] { buffer.append(bigEndian: field) }
        buffer.append(bigEndian: pop.acked)
        buffer.append(pop.attemptID == nil ? 0 : 1)
        append(text: pop.attemptID ?? "", to: &buffer)
        buffer.append(UInt8(pop.offsets.count))
        for (index, offset) in pop.offsets.enumerated() {
            buffer.append(bigEndian: offset)
            buffer.append(bigEndian: pop.visibleAt[index] ?? Int64.min)
            buffer.append(bigEndian: Int32(clamping: pop.consumedCounts[offset] ?? 0))
        }
    }

    // MARK: - Decoding

    /// Reads one entry.
    /// - Throws: ``WireError``; what wrote it was another version, or the checksum lies.
    init(_ reader: inout WireReader, _ bytes: Span<UInt8>) throws(WireError) {
        let code = try reader.uint8("record kind")
        guard let kind = Kind(rawValue: code) else { throw .unknown("record kind", Int(code)) }
        let number = Int(UInt32(bitPattern: try reader.int32("queue number")))
        guard number <= PopTable.numberMax else { throw .lengthOutOfRange("queue number", number) }
        switch kind {
        case .queue:
            let group = try Self.text(&reader, bytes)
            let topic = try Self.text(&reader, bytes)
            let key = PopQueueKey(group: group, topic: topic, queueID: try reader.int32("queue id"))
            self = .queue(number, key, next: try reader.int64("next"))
        case .span:
            let key = try Self.key(&reader)
            let deadline = try reader.int64("deadline")
            let next = try reader.int64("next")
            self = .span(number, try Self.span(&reader, key, deadline), next: next)
        case .ack: self = .ack(number, try Self.key(&reader), try Self.bits(&reader))
        case .revived:
            self = .revived(
                number, try Self.key(&reader), try Self.bits(&reader), logEnd: try reader.int64("log end"))
        case .reset: self = .reset(number, next: try reader.int64("next"))
        case .forget: self = .forget(number)
        case .ordered:
            let next = try reader.int64("next")
            self = .ordered(number, try Self.ordered(&reader, bytes), next: next)
        case .adopted: self = .adopted(reviveQueue: Int32(number), offset: try reader.int64("offset"))
        }
    }

    private static func bits(_ reader: inout WireReader) throws(WireError) -> UInt64 {
        UInt64(bitPattern: try reader.int64("bits"))
    }

    private static func key(_ reader: inout WireReader) throws(WireError) -> PopSpan.Key {
        PopSpan.Key(start: try reader.int64("start"), popTime: try reader.int64("pop time"))
    }

    private static func text(_ reader: inout WireReader, _ bytes: Span<UInt8>) throws(WireError) -> String {
        let count = Int(UInt16(bitPattern: try reader.int16("text length")))
        return bytes.extracting(try reader.range(count, "text")).toString()
    }

    private static func span(
        _ reader: inout WireReader, _ key: PopSpan.Key, _ deadline: Int64
    ) throws(WireError) -> PopSpan {
        let open = try bits(&reader)
        let count = Int(try reader.uint8("message count"))
        let isSparse = try reader.uint8("gap flag") != 0
        guard (1...PopSpan.countMax).contains(count) else { throw .lengthOutOfRange("message count", count) }
        var distances: [UInt32] = []
        if isSparse { for _ in 0..<count { distances.append(UInt32(bitPattern: try reader.int32("distance"))) } }
        guard key.start >= 0, key.start < Int64.max - Int64(UInt32.max) - 64 else {
            throw .lengthOutOfRange("start", Int(key.start))
        }
        return PopSpan(key, distances: distances, count: count, deadline: deadline, open: open)
    }

    private static func ordered(_ reader: inout WireReader, _ bytes: Span<UInt8>) throws(WireError) -> OrderedPop {
        let popTime = try reader.int64("pop time")
        let invisibleTime = try reader.int64("invisible time")
        let lastConsumed = try reader.int64("last consumed")
        let acked = try bits(&reader)
        let hasAttempt = try reader.uint8("attempt flag") != 0
        let attempt = try text(&reader, bytes)
        let count = Int(try reader.uint8("message count"))
        guard (1...PopSpan.countMax).contains(count) else { throw .lengthOutOfRange("message count", count) }
        var pop = OrderedPop(
            popTime: popTime, invisibleTime: invisibleTime, offsets: [], acked: acked, lastConsumed: lastConsumed,
            attemptID: hasAttempt ? attempt : nil)
        for index in 0..<count {
            let offset = try reader.int64("offset")
            guard offset >= 0, offset < .max, offset > pop.offsets.last ?? -1 else {
                throw .lengthOutOfRange("offset", Int(offset))
            }
            pop.offsets.append(offset)
            let visible = try reader.int64("visible")
            if visible != .min { pop.visibleAt[index] = visible }
            let times = try reader.int32("count")
            if times > 0 { pop.consumedCounts[offset] = Int(times) }
        }
        return pop
    }
}

extension [UInt8] {
    /// Appends a number, most significant byte first.
    mutating func append(bigEndian value: some FixedWidthInteger) {
        for byte in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> byte))
        }
    }
}
