import MQBytes
import MQMessage
import MQProtocol

/// Properties of sends as they came in headers, one for each size, with what they say: a producer's next ones differ in
/// the unique key, the keys and what its application adds, and what lies where is the same then. One per loop, loop only.
/// ```
/// known  KEYS\u0001order-7042\u0002UNIQ_KEY\u00017F0000…\u0002WAIT\u0001true\u0002
/// open             ^^^^^^^^^^                     ^^^^^^^
/// ```
/// As they come, their separators are escaped; what is handed out is not.
struct KnownProperties {
    /// More values than these are not open.
    private static let valuesMax = 8

    /// The value of a property that may be another one.
    private struct Value {
        var escaped = 0
        var plain = 0
        var byteCount = 0
    }

    private struct Known {
        var plainByteCount = 0
        var facts = SendProperties()
        var values = InlineArray<8, Value>(repeating: Value())
        var valueCount = 0
    }

    /// As they came.
    private var texts = KnownTexts(byteCountMax: 512)
    /// For each place of `texts` so many bytes without escapes.
    private var plain: [UInt8] = []
    private var known: [Known] = []

    /// Puts the properties, without escapes, into `properties` instead of what is there.
    /// - Returns: what they say.
    mutating func read(
        _ text: HeaderText, in bytes: Span<UInt8>, into properties: inout ByteBuffer
    ) -> SendProperties {
        properties.removeAll()
        let came = bytes.extracting(text.range)
        // Where nothing is escaped a backslash is one: a text of a binary header is not what the same bytes are in JSON.
        if text.isEscaped, let place = place(came) {
            restore(place, came, into: &properties)
            texts.noteHit(place)
            return known[place].facts
        }
        text.append(from: bytes, to: &properties)
        let facts = properties.withBytes(0..<properties.count) { SendProperties($0) }
        if text.isEscaped, texts.wants(came.count) {
            properties.withBytes(0..<properties.count) { remember(came, $0, facts) }
        }
        return facts
    }

    /// Whether properties that come as `escaped` need not be taken apart.
    func remembers(_ escaped: String) -> Bool { place(Array(escaped.utf8).span) != nil }

    /// The place of properties that are like `came`.
    @inline(__always) private func place(_ came: Span<UInt8>) -> Int? {
        guard let place = texts.place(came.count), texts.resembles(came, 0..<came.count, in: place) else { return nil }
        return place
    }

    @inline(__always) private func restore(_ place: Int, _ came: Span<UInt8>, into properties: inout ByteBuffer) {
        let start = place &* texts.byteCountMax
        properties.append(plain.span.extracting(start..<start &+ known[place].plainByteCount))
        for index in 0..<known[place].valueCount {
            let value = known[place].values.span[index]
            properties.store(came.extracting(value.escaped..<value.escaped &+ value.byteCount), at: value.plain)
        }
    }

    private mutating func remember(_ came: Span<UInt8>, _ bytes: Span<UInt8>, _ facts: SendProperties) {
        guard let added = Self.escapesAhead(came, bytes) else { return }
        if known.isEmpty {
            known = Array(repeating: Known(), count: KnownTexts.placeCount)
            plain = Array(repeating: 0, count: KnownTexts.placeCount * texts.byteCountMax)
        }
        var entry = Known()
        entry.plainByteCount = bytes.count
        entry.facts = facts
        var open: [Range<Int>] = []
        Properties.forEach(in: bytes) { name, value in
            // A value with an escape in it could become longer.
            guard SendProperties.takesAnyValue(bytes.extracting(name)),
                added[value.lowerBound] == added[value.upperBound]
            else { return true }
            let escaped = value.lowerBound + 5 * added[value.lowerBound]
            open.append(escaped..<escaped + value.count)
            entry.values[open.count - 1] = Value(escaped: escaped, plain: value.lowerBound, byteCount: value.count)
            return open.count < Self.valuesMax
        }
        entry.valueCount = open.count
        let place = texts.remember(came, open: open)
        known[place] = entry
        for index in 0..<bytes.count { plain[place * texts.byteCountMax + index] = bytes[index] }
    }

    /// For each byte of `plain`, and its end, how many escaped separators were before it; `nil` if `came` has other
    /// escapes.
    private static func escapesAhead(_ came: Span<UInt8>, _ plain: Span<UInt8>) -> [Int]? {
        var ahead: [Int] = []
        var count = 0
        for index in 0..<plain.count {
            ahead.append(count)
            let at = index + 5 * count
            guard at < came.count else { return nil }
            if came[at] == UInt8(ascii: "\\") {
                guard came.escapedSeparator(at: at) == plain[index] else { return nil }
                count += 1
            } else if came[at] != plain[index] {
                return nil
            }
        }
        ahead.append(count)
        return came.count == plain.count + 5 * count ? ahead : nil
    }
}
