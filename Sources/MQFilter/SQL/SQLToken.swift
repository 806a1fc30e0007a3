import MQBytes

/// A word of the language.
struct SQLToken: Equatable {
    enum Kind: Equatable {
        case end
        case name
        case string
        /// `12`, `12L`.
        case whole
        /// `1.5`, `.5`, `5.`, `5E3`.
        case fraction
        case leftParenthesis, rightParenthesis, comma
        case equal, notEqual, greater, greaterOrEqual, less, lessOrEqual
        case plus, minus
        case not, and, or, between, `in`, `true`, `false`, null, `is`, contains, startsWith, endsWith
    }

    let kind: Kind
    /// Where it stands in the expression, bytes.
    let range: Range<Int>

    /// Keywords, in any case.
    static let keywords: [(StaticString, Kind)] = [
        ("not", .not), ("and", .and), ("or", .or), ("between", .between), ("in", .in), ("true", .true),
        ("false", .false), ("null", .null), ("is", .is), ("contains", .contains), ("startswith", .startsWith),
        ("endswith", .endsWith),
    ]
}

/// Takes an expression apart, one token a call; the longest match counts.
///
/// A line comment needs its line's end: `--` on the last line is two signs. There are no hexadecimal and octal numbers:
/// `0x1F` is `0` and a name. Source: `SelectorParser.jj`, RocketMQ 5.3.
struct SQLLexer {
    let bytes: [UInt8]
    private var position = 0
    /// Where the last line ends, so that `--` need not look for it each time.
    private let lastLineEnd: Int

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        lastLineEnd = bytes.lastIndex { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") } ?? -1
    }

    private func byte(at index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }

    /// The next token; `end` again and again behind the last.
    mutating func next() throws(SQLFilterError) -> SQLToken {
        try skipBlanks()
        guard position < bytes.count else { return SQLToken(kind: .end, range: position..<position) }
        let start = position
        let kind = try kind()
        return SQLToken(kind: kind, range: start..<position)
    }

    private mutating func skipBlanks() throws(SQLFilterError) {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0C, 0x0D: position += 1
            case UInt8(ascii: "-") where byte(at: position + 1) == UInt8(ascii: "-") && position + 2 <= lastLineEnd:
                while byte(at: position) != 0x0A, byte(at: position) != 0x0D { position += 1 }
            case UInt8(ascii: "/") where byte(at: position + 1) == UInt8(ascii: "*"): try skipComment()
            default: return
            }
        }
    }

    private mutating func skipComment() throws(SQLFilterError) {
        var end = position + 2
        while end + 1 < bytes.count {
            if bytes[end] == UInt8(ascii: "*"), bytes[end + 1] == UInt8(ascii: "/") {
                position = end + 2
                return
            }
            end += 1
        }
        throw error(.unclosedComment, at: position)
    }

    private mutating func kind() throws(SQLFilterError) -> SQLToken.Kind {
        switch bytes[position] {
        case UInt8(ascii: "("): return take(1, .leftParenthesis)
        case UInt8(ascii: ")"): return take(1, .rightParenthesis)
        case UInt8(ascii: ","): return take(1, .comma)
        case UInt8(ascii: "="): return take(1, .equal)
        case UInt8(ascii: "+"): return take(1, .plus)
        case UInt8(ascii: "-"): return take(1, .minus)
        case UInt8(ascii: ">"):
            return byte(at: position + 1) == UInt8(ascii: "=") ? take(2, .greaterOrEqual) : take(1, .greater)
        case UInt8(ascii: "<"):
            switch byte(at: position + 1) {
            case UInt8(ascii: "="): return take(2, .lessOrEqual)
            case UInt8(ascii: ">"): return take(2, .notEqual)
            default: return take(1, .less)
            }
        case UInt8(ascii: "'"): return try string()
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."): return try number()
        case let first where first.isNameStart: return name()
        default: throw error(.unknownCharacter(character(at: position)), at: position)
        }
    }

    private mutating func take(_ count: Int, _ kind: SQLToken.Kind) -> SQLToken.Kind {
        position += count
        return kind
    }

    private mutating func string() throws(SQLFilterError) -> SQLToken.Kind {
        var end = position + 1
        while end < bytes.count {
            if bytes[end] == UInt8(ascii: "'") {
                guard byte(at: end + 1) == UInt8(ascii: "'") else { return take(end + 1 - position, .string) }
                end += 1
            }
            end += 1
        }
        throw error(.unclosedString, at: position)
    }

    private mutating func number() throws(SQLFilterError) -> SQLToken.Kind {
        let whole = digits(from: position)
        var end = whole
        if byte(at: end) == UInt8(ascii: ".") { end = digits(from: end + 1) }
        guard end - position > 1 || whole > position else {
            throw error(.unknownCharacter("."), at: position)
        }
        if byte(at: end) | 0x20 == UInt8(ascii: "e") {
            let sign = byte(at: end + 1) == UInt8(ascii: "+") || byte(at: end + 1) == UInt8(ascii: "-") ? 1 : 0
            let exponentEnd = digits(from: end + 1 + sign)
            if exponentEnd > end + 1 + sign { end = exponentEnd }
        }
        if end > whole { return take(end - position, .fraction) }
        // A number that begins with 0 ends there: what follows is another one, which nothing expects.
        if bytes[position] == UInt8(ascii: "0") { return take(1, .whole) }
        return take(whole - position + (byte(at: whole) | 0x20 == UInt8(ascii: "l") ? 1 : 0), .whole)
    }

    private func digits(from start: Int) -> Int {
        var end = start
        while (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte(at: end)) { end += 1 }
        return end
    }

    private mutating func name() -> SQLToken.Kind {
        var end = position + 1
        while byte(at: end).isNamePart { end += 1 }
        let word = bytes[position..<end]
        position = end
        for (text, kind) in SQLToken.keywords where word.count == text.utf8CodeUnitCount {
            let lowered = word.map { $0 | 0x20 }  // letters only: no other byte of a name becomes one
            if lowered.span.equals(text) { return kind }
        }
        return .name
    }

    /// Names a problem's place.
    func error(_ problem: SQLFilterError.Problem, at offset: Int) -> SQLFilterError {
        var character = 1
        for byte in bytes.prefix(offset) where byte & 0xC0 != 0x80 { character += 1 }
        return SQLFilterError(problem: problem, character: character)
    }

    /// The text of a token for an error, cut short.
    func text(of token: SQLToken) -> String {
        guard token.kind != .end else { return "the end" }
        let text = String(decoding: bytes[token.range].prefix(128), as: UTF8.self)
        return text.count > 32 ? text.prefix(32) + "…" : text
    }

    private func character(at offset: Int) -> String {
        String(String(decoding: bytes[offset...].prefix(8), as: UTF8.self).unicodeScalars.prefix(1))
    }
}

extension UInt8 {
    fileprivate var isNameStart: Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) || self == UInt8(ascii: "_")
            || self == UInt8(ascii: "$")
    }

    fileprivate var isNamePart: Bool { isNameStart || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
