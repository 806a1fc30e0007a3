import MQBytes

/// What a send's header is made of, remembered from one that was taken apart: a producer's headers differ in the queue
/// (`e`), the time (`g`), the properties (`i`) and the opaque, and what lies between them is the same bytes again.
/// ```
/// {"code":310,…,"e":" E ","f":"0","g":" G ","h":"0","i":" I ","j":"0",…},"flag":0,…,"opaque": O ,"version":…}
/// ```
/// Comparing those bytes takes two thirds of the instructions that finding the fields takes (1,100 against 1,710 a send).
struct HeaderShape: Sendable {
    /// Longer headers are not remembered.
    static let byteCountMax = 1024
    /// So many headers of other shapes in a row, and one of them takes the place.
    static let missesMax = 8
    /// The letters of the values that differ.
    static let differing = [UInt8(ascii: "e"), UInt8(ascii: "g"), UInt8(ascii: "i")]

    /// What comes behind bytes that are shared.
    enum Gap: Sendable {
        /// A value between quotes, under a letter, as its index.
        case value(Int)
        case opaque
        /// The header ends.
        case end
    }

    /// Bytes that all headers of the shape share, and what comes behind them. Places are relative to the first byte.
    struct Piece: Sendable {
        let shared: Range<Int>
        /// Those of `constants` that lie there.
        let constants: Range<Int>
        let gap: Gap
    }

    /// The header as it came; empty: none is remembered.
    var bytes: [UInt8] = []
    var pieces: [Piece] = []
    /// Letters that have the same value in all headers, as indices, and where it lies.
    var constants: [(letter: Int, value: HeaderText)] = []
    var code: Int32 = 0
    var language = LanguageCode.java
    var version: Int32 = 0
    var flag: Int32 = 0
    var lettersPresent: UInt16 = 0
    var fieldCount = 0
    /// Headers of other shapes since the last that had this one.
    var missCount = 0
}

extension RemotingHeader {
    /// Takes apart a header of the shape that is remembered, with the same outcome as the long way.
    /// - Returns: `false`: it has another shape, and goes the long way.
    @inline(__always) mutating func decodeKnown(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard !shape.bytes.isEmpty else { return false }
        guard match(bytes.extracting(0..<range.upperBound), from: range.lowerBound) else {
            shape.missCount &+= 1
            return false
        }
        shape.missCount = 0
        code = shape.code
        language = shape.language
        version = shape.version
        flag = shape.flag
        lettersPresent = shape.lettersPresent
        fieldCount = shape.fieldCount
        return true
    }

    /// Finds opaque and letters, of which none counts before `lettersPresent` says so.
    /// - Parameter text: ends with the header.
    @inline(__always) private mutating func match(_ text: Span<UInt8>, from start: Int) -> Bool {
        var position = start
        for index in shape.pieces.indices {
            let shared = shape.pieces[index].shared
            guard text.holds(shape.bytes.span.extracting(shared), at: position) else { return false }
            let distance = UInt32(truncatingIfNeeded: position &- shared.lowerBound)
            for index in shape.pieces[index].constants {
                letters[shape.constants[index].letter] = shape.constants[index].value.moved(by: distance)
            }
            position &+= shared.count
            switch shape.pieces[index].gap {
            case .value(let letter):
                guard let value = Self.quotedValue(text, from: position) else { return false }
                letters[letter] = value
                position = value.range.upperBound
            case .opaque:
                let (value, end) = Decimal.prefix(of: text, from: position)
                guard end > position, value <= UInt64(Int32.max) else { return false }
                opaque = Int32(truncatingIfNeeded: value)
                position = end
            case .end: break
            }
        }
        return position == text.count
    }

    /// Remembers the shape of a header that was just taken apart, if it is one that a producer repeats.
    /// - Parameter opaqueAt: where the opaque's digits lie; empty: it was not written plainly.
    @inline(__always) mutating func learn(_ bytes: Span<UInt8>, _ range: Range<Int>, opaqueAt: Range<Int>) {
        guard lettersPresent != 0, shape.bytes.isEmpty || shape.missCount > HeaderShape.missesMax else { return }
        remember(bytes, range, opaqueAt: opaqueAt)
    }

    private mutating func remember(_ bytes: Span<UInt8>, _ range: Range<Int>, opaqueAt: Range<Int>) {
        shape.missCount = 0  // whatever comes of it: the next attempt is as far away
        guard range.count <= HeaderShape.byteCountMax, fields.isEmpty, remark == nil, !opaqueAt.isEmpty else { return }
        var gaps = [(at: opaqueAt, gap: HeaderShape.Gap.opaque)]
        for name in HeaderShape.differing {
            // Written without blanks, as the short way reads it.
            guard let value = letter(name), bytes.holds("\":\"", at: max(0, value.range.lowerBound - 3)) else { return }
            gaps.append((value.range, .value(Int(name) - 97)))
        }
        gaps.sort { $0.at.lowerBound < $1.at.lowerBound }
        gaps.append((range.upperBound..<range.upperBound, .end))
        shape.pieces.removeAll(keepingCapacity: true)
        shape.constants.removeAll(keepingCapacity: true)
        var start = range.lowerBound
        for (at, gap) in gaps {
            let first = shape.constants.count
            for name in Self.lettersNamed where !HeaderShape.differing.contains(name) {
                guard let value = letter(name), value.range.lowerBound >= start, value.range.upperBound < at.lowerBound
                else { continue }
                let back = 0 &- UInt32(truncatingIfNeeded: range.lowerBound)
                shape.constants.append((Int(name) - 97, value.moved(by: back)))
            }
            shape.pieces.append(
                HeaderShape.Piece(
                    shared: start - range.lowerBound..<at.lowerBound - range.lowerBound,
                    constants: first..<shape.constants.count, gap: gap))
            start = at.upperBound
        }
        shape.bytes = bytes.extracting(range).toArray()
        shape.code = code
        shape.language = language
        shape.version = version
        shape.flag = flag
        shape.lettersPresent = lettersPresent
        shape.fieldCount = fieldCount
    }
}
