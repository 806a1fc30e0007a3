import MQBytes

/// Headers of sends that were taken apart, one for each size: a producer's next one differs in the queue (`e`), the time
/// (`g`), the properties (`i`) and the opaque, and mostly in the digits there alone. What lies where is the same then.
/// ```
/// known  {"code":310,…,"e":"3","f":"0","g":"1700000000123","h":"0","i":"…","j":"0",…},"flag":0,…,"opaque":7042,…}
/// open                      ^                ^^^^^^^^^^^^^            -                                    ^^^^
/// ```
/// Looking whether a header is such a one takes less than half of the instructions that finding the fields takes (780
/// against 1,710).
struct HeaderShapes: Sendable {
    var texts = KnownTexts(byteCountMax: 1024)
    /// For each place of `texts` what its header said.
    private var known: [HeaderShape] = []
    /// For each place as many texts as there are letters, relative to the header's first byte.
    private var letters: [HeaderText] = []

    /// What the header in `place` said.
    @inline(__always) subscript(place: Int) -> HeaderShape { known[place] }

    /// Whether `header` is like the one in `place`, but for its properties, which are not looked at.
    @inline(__always) func resembles(_ header: Span<UInt8>, _ place: Int) -> Bool {
        texts.resembles(header, 0..<known[place].properties.lowerBound, in: place)
            && texts.resembles(header, known[place].properties.upperBound..<header.count, in: place)
    }

    /// Where the letters of a header lie that is like the one in `place` and begins at `start`.
    @inline(__always) func letters(_ place: Int, movedTo start: Int) -> InlineArray<16, HeaderText> {
        let distance = UInt32(truncatingIfNeeded: start)
        let known = letters.span.extracting(place &* 16..<place &* 16 &+ 16)
        return InlineArray { known[$0].moved(by: distance) }
    }

    /// Puts a header into its place.
    /// - Parameters:
    ///   - found: the letters that were found in it.
    ///   - start: where it began then.
    ///   - ranges: what may differ, beside the properties.
    mutating func remember(
        _ shape: HeaderShape, _ header: Span<UInt8>, _ found: Span<HeaderText>, at start: Int, open ranges: [Range<Int>]
    ) {
        if known.isEmpty {
            known = Array(repeating: HeaderShape(), count: KnownTexts.placeCount)
            letters = Array(repeating: .empty, count: KnownTexts.placeCount * 16)
        }
        let place = texts.remember(header, open: ranges)
        known[place] = shape
        for index in 0..<16 {
            letters[place * 16 + index] = found[index].moved(by: 0 &- UInt32(truncatingIfNeeded: start))
        }
    }
}

/// What a header said, and where. Places are relative to its first byte.
struct HeaderShape: Sendable {
    var code: Int32 = 0
    var language = LanguageCode.java
    var version: Int32 = 0
    var flag: Int32 = 0
    var lettersPresent: UInt16 = 0
    var fieldCount = 0
    var opaque = 0..<0
    /// The value of `i`.
    var properties = 0..<0
}

extension RemotingHeader {
    /// The letters whose values may differ: `e` and `g`, and `i`, which is looked at by itself.
    private static let open = [UInt8(ascii: "e"), UInt8(ascii: "g")]
    private static let propertiesIndex = Int(UInt8(ascii: "i") - 97)

    /// Takes apart a header that is like one that is remembered, with the same outcome as the long way.
    /// - Returns: `false`: it is not, and goes the long way.
    @inline(__always) mutating func decodeKnown(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard let place = shapes.texts.place(range.count) else { return false }
        let header = bytes.extracting(range)
        guard shapes.resembles(header, place) else { return false }
        let shape = shapes[place]
        let (value, end) = Decimal.prefix(of: header, from: shape.opaque.lowerBound)
        guard end == shape.opaque.upperBound, value <= UInt64(Int32.max) else { return false }
        guard let properties = Self.quotedValue(header, from: shape.properties.lowerBound),
            properties.range.upperBound == shape.properties.upperBound
        else { return false }
        letters = shapes.letters(place, movedTo: range.lowerBound)
        letters[Self.propertiesIndex] = properties.moved(by: UInt32(truncatingIfNeeded: range.lowerBound))
        opaque = Int32(truncatingIfNeeded: value)
        code = shape.code
        language = shape.language
        version = shape.version
        flag = shape.flag
        lettersPresent = shape.lettersPresent
        fieldCount = shape.fieldCount
        shapes.texts.noteHit(place)
        return true
    }

    /// Remembers a header that was just taken apart, if it is one that a producer repeats.
    /// - Parameter opaqueAt: where the opaque's digits lie; empty: it was not written plainly.
    @inline(__always) mutating func learn(_ bytes: Span<UInt8>, _ range: Range<Int>, opaqueAt: Range<Int>) {
        guard lettersPresent != 0, shapes.texts.wants(range.count) else { return }
        remember(bytes, range, opaqueAt: opaqueAt)
    }

    private mutating func remember(_ bytes: Span<UInt8>, _ range: Range<Int>, opaqueAt: Range<Int>) {
        guard fields.isEmpty, remark == nil, !opaqueAt.isEmpty, let properties = letter(UInt8(ascii: "i")) else {
            return
        }
        let start = range.lowerBound
        var shape = HeaderShape()
        shape.opaque = opaqueAt.lowerBound - start..<opaqueAt.upperBound - start
        var open = [shape.opaque]
        for name in Self.open {
            guard let value = letter(name), Self.isQuoted(value, bytes), !value.isEscaped else { return }
            open.append(value.range.lowerBound - start..<value.range.upperBound - start)
        }
        guard Self.isQuoted(properties, bytes) else { return }
        shape.properties = properties.range.lowerBound - start..<properties.range.upperBound - start
        guard shape.properties.lowerBound >= KnownTexts.byteCountMin,
            range.count - shape.properties.upperBound >= KnownTexts.byteCountMin
        else { return }
        shape.code = code
        shape.language = language
        shape.version = version
        shape.flag = flag
        shape.lettersPresent = lettersPresent
        shape.fieldCount = fieldCount
        shapes.remember(shape, bytes.extracting(range), letters.span, at: start, open: open)
    }

    /// Whether the value stands between quotes, and ends at the first, as the short way reads it.
    private static func isQuoted(_ value: HeaderText, _ bytes: Span<UInt8>) -> Bool {
        bytes.holds("\"", at: max(0, value.range.lowerBound - 1))
            && quotedValue(bytes, from: value.range.lowerBound)?.range == value.range
    }
}
