import MQBytes

extension RemotingHeader {
    /// Reads `{"code":310,"extFields":{"a":"b"},"flag":0,…}`. Keys in any order; unknown ones are passed over.
    mutating func decodeJSON(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(WireError) {
        var scanner = HeaderScanner(position: range.lowerBound, end: range.upperBound)
        try scanner.expect(UInt8(ascii: "{"), in: bytes)
        guard !scanner.take(UInt8(ascii: "}"), in: bytes) else { return }
        repeat {
            let key = try scanner.string(in: bytes)
            try scanner.expect(UInt8(ascii: ":"), in: bytes)
            try member(bytes.extracting(key.range), &scanner, bytes)
        } while scanner.take(UInt8(ascii: ","), in: bytes)
        try scanner.expect(UInt8(ascii: "}"), in: bytes)
    }

    private mutating func member(
        _ key: Span<UInt8>, _ scanner: inout HeaderScanner, _ bytes: Span<UInt8>
    ) throws(WireError) {
        guard let first = key.isEmpty ? nil : key[0] else { return try scanner.skip(in: bytes) }
        switch (key.count, first) {
        case (4, UInt8(ascii: "c")) where key.equals("code"): code = try scanner.int32(in: bytes)
        case (4, UInt8(ascii: "f")) where key.equals("flag"): flag = try scanner.int32(in: bytes)
        case (6, UInt8(ascii: "o")) where key.equals("opaque"): opaque = try scanner.int32(in: bytes)
        case (6, UInt8(ascii: "r")) where key.equals("remark"): remark = try scanner.scalar(in: bytes)
        case (7, UInt8(ascii: "v")) where key.equals("version"): version = try scanner.int32(in: bytes)
        case (8, UInt8(ascii: "l")) where key.equals("language"):
            if let text = try scanner.scalar(in: bytes) { language = Self.language(bytes.extracting(text.range)) }
        case (9, UInt8(ascii: "e")) where key.equals("extFields"): try extFields(&scanner, bytes)
        default: try scanner.skip(in: bytes)
        }
    }

    private mutating func extFields(_ scanner: inout HeaderScanner, _ bytes: Span<UInt8>) throws(WireError) {
        guard scanner.take(UInt8(ascii: "{"), in: bytes) else { return try scanner.skip(in: bytes) }  // null
        guard !scanner.take(UInt8(ascii: "}"), in: bytes) else { return }
        repeat {
            let key: HeaderText
            if let letter = scanner.letter(in: bytes) { key = letter } else { key = try scanner.string(in: bytes) }
            try scanner.expect(UInt8(ascii: ":"), in: bytes)
            guard fields.count < Self.fieldsMax else { throw .tooMany("ext fields", limit: Self.fieldsMax) }
            if scanner.isAt(UInt8(ascii: "\""), in: bytes) {
                fields.append(Field(key: key, value: try scanner.string(in: bytes)))
            } else if let value = try scanner.scalar(in: bytes) {
                fields.append(Field(key: key, value: value))
            }
        } while scanner.take(UInt8(ascii: ","), in: bytes)
        try scanner.expect(UInt8(ascii: "}"), in: bytes)
    }

    /// C++ clients write the language as a number, others as a name.
    private static func language(_ text: Span<UInt8>) -> LanguageCode {
        if let number = Decimal.parse(text) {
            return UInt8(exactly: number).flatMap(LanguageCode.init(rawValue:)) ?? .other
        }
        for language in LanguageCode.allCases where text.equals(language.name) { return language }
        return .other
    }
}

/// A cursor over one JSON header. Not a JSON parser: it knows the few shapes a header has.
private struct HeaderScanner {
    var position: Int
    let end: Int

    // @inline(__always), the small ones: a header has some forty strings with punctuation between them, and as calls
    // they took 9,000 instructions a send; inlined 3,000.

    @inline(__always) mutating func skipBlanks(in bytes: Span<UInt8>) {
        while position < end, bytes[position] <= 32 { position &+= 1 }
    }

    /// Whether `byte` is next, without a blank before it.
    @inline(__always) func isAt(_ byte: UInt8, in bytes: Span<UInt8>) -> Bool {
        position < end && bytes[position] == byte
    }

    /// Passes over `byte` if it is next.
    @inline(__always) mutating func take(_ byte: UInt8, in bytes: Span<UInt8>) -> Bool {
        if position < end, bytes[position] == byte {
            position &+= 1
            return true
        }
        return takeBehindBlanks(byte, in: bytes)
    }

    private mutating func takeBehindBlanks(_ byte: UInt8, in bytes: Span<UInt8>) -> Bool {
        guard position < end, bytes[position] <= 32 else { return false }
        skipBlanks(in: bytes)
        guard position < end, bytes[position] == byte else { return false }
        position &+= 1
        return true
    }

    @inline(__always) mutating func expect(_ byte: UInt8, in bytes: Span<UInt8>) throws(WireError) {
        guard take(byte, in: bytes) else { throw .malformed("JSON header", at: position) }
    }

    /// A quoted text of one character that is no escape, as the keys of SEND_MESSAGE_V2 are; `nil` for any other.
    @inline(__always) mutating func letter(in bytes: Span<UInt8>) -> HeaderText? {
        guard position &+ 3 <= end, bytes[position] == UInt8(ascii: "\""), bytes[position &+ 2] == UInt8(ascii: "\""),
            bytes[position &+ 1] != UInt8(ascii: "\\"), bytes[position &+ 1] != UInt8(ascii: "\"")
        else { return nil }
        position &+= 3
        return HeaderText((position &- 2)..<(position &- 1), isEscaped: false)
    }

    /// A quoted text.
    @inline(__always) mutating func string(in bytes: Span<UInt8>) throws(WireError) -> HeaderText {
        try expect(UInt8(ascii: "\""), in: bytes)
        let start = position
        let window = bytes.extracting(0..<end)
        position = window.nextQuoteOrBackslash(from: position)
        if position < end, bytes[position] == UInt8(ascii: "\"") {
            position &+= 1
            return HeaderText(start..<(position &- 1), isEscaped: false)
        }
        return try escapedString(from: start, in: window)
    }

    /// The rest of a quoted text from its first backslash on.
    private mutating func escapedString(from start: Int, in window: Span<UInt8>) throws(WireError) -> HeaderText {
        while position < end {
            if window[position] == UInt8(ascii: "\"") {
                position &+= 1
                return HeaderText(start..<(position &- 1), isEscaped: true)
            }
            if JSONEscape.separator(window, at: position) != nil {
                position = window.nextQuoteOrBackslash(from: position &+ 6)
                continue
            }
            guard let taken = JSONEscape.byteCount(window, at: position) else {
                throw .malformed("escape in a JSON header", at: position)
            }
            position = window.nextQuoteOrBackslash(from: position &+ taken)
        }
        throw .malformed("JSON header", at: start)
    }

    /// A quoted text, or the characters of a number or literal; `nil` for `null`.
    mutating func scalar(in bytes: Span<UInt8>) throws(WireError) -> HeaderText? {
        skipBlanks(in: bytes)
        guard position < end else { throw .malformed("JSON header", at: position) }
        switch bytes[position] {
        case UInt8(ascii: "\""): return try string(in: bytes)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            try skip(in: bytes)  // a nested value is no ext field
            return nil
        default:
            let start = position
            while position < end, Self.isBare(bytes[position]) { position += 1 }
            guard position > start else { throw .malformed("JSON header", at: position) }
            let word = bytes.extracting(start..<position)
            return word.equals("null") ? nil : HeaderText(start..<position, isEscaped: false)
        }
    }

    mutating func int32(in bytes: Span<UInt8>) throws(WireError) -> Int32 {
        var value: Int32 = 0
        var index = position
        while index < end, index &- position < 9 {  // nine digits fit
            let digit = bytes[index] &- 48
            guard digit < 10 else { break }
            value = value &* 10 &+ Int32(digit)
            index &+= 1
        }
        if index > position, index < end, !Self.isBare(bytes[index]) {
            position = index
            return value
        }
        guard let text = try scalar(in: bytes) else { return 0 }
        return try text.int32(in: bytes)
    }

    /// Passes over any value. Iterative, so that nesting costs no stack.
    mutating func skip(in bytes: Span<UInt8>) throws(WireError) {
        var depth = 0
        repeat {
            skipBlanks(in: bytes)
            guard position < end else { throw .malformed("JSON header", at: position) }
            switch bytes[position] {
            case UInt8(ascii: "\""): _ = try string(in: bytes)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
                guard depth <= RemotingHeader.depthMax else {
                    throw .tooMany("levels in a JSON header", limit: RemotingHeader.depthMax)
                }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                position += 1
                guard depth >= 0 else { throw .malformed("JSON header", at: position) }
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                guard depth > 0 else { throw .malformed("JSON header", at: position) }
                position += 1
            default:
                let start = position
                while position < end, Self.isBare(bytes[position]) { position += 1 }
                guard position > start else { throw .malformed("JSON header", at: position) }
            }
        } while depth > 0
    }

    /// Letters, digits and what numbers are made of.
    private static func isBare(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."): true
        default: false
        }
    }
}
