import MQBytes

extension RemotingHeader {
    /// Reads `{"code":310,"extFields":{"a":"b"},"flag":0,…}`. Keys in any order; unknown ones are passed over.
    mutating func decodeJSON(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(WireError) {
        if decodeKnown(bytes, range) { return }
        let bytes = bytes.extracting(0..<range.upperBound)
        var opaqueAt = 0..<0
        var scanner = HeaderScanner(position: range.lowerBound)
        try scanner.expect(UInt8(ascii: "{"), in: bytes)
        guard !scanner.take(UInt8(ascii: "}"), in: bytes) else { return }
        repeat {
            guard try !usualMember(&scanner, bytes, &opaqueAt) else { continue }
            let key = try scanner.string(in: bytes)
            try scanner.expect(UInt8(ascii: ":"), in: bytes)
            try member(bytes.extracting(key.range), &scanner, bytes)
        } while scanner.take(UInt8(ascii: ","), in: bytes)
        try scanner.expect(UInt8(ascii: "}"), in: bytes)
        learn(bytes, range, opaqueAt: opaqueAt)
    }

    /// Reads a member that is written as clients write it: without blanks, numbers as numbers. `false`: it is not, and
    /// nothing has been read.
    /// - Parameter opaqueAt: set to where the opaque lies.
    @inline(__always) private mutating func usualMember(
        _ scanner: inout HeaderScanner, _ bytes: Span<UInt8>, _ opaqueAt: inout Range<Int>
    ) throws(WireError) -> Bool {
        guard scanner.position &+ 1 < bytes.count else { return false }
        switch bytes[scanner.position &+ 1] {
        case UInt8(ascii: "c") where scanner.take("\"code\":", in: bytes): code = try scanner.int32(in: bytes)
        case UInt8(ascii: "e") where scanner.take("\"extFields\":", in: bytes): try extFields(&scanner, bytes)
        case UInt8(ascii: "f") where scanner.take("\"flag\":", in: bytes): flag = try scanner.int32(in: bytes)
        case UInt8(ascii: "l") where scanner.take("\"language\":\"JAVA\"", in: bytes): language = .java
        case UInt8(ascii: "o") where scanner.take("\"opaque\":", in: bytes):
            let start = scanner.position
            opaque = try scanner.int32(in: bytes)
            opaqueAt = opaque >= 0 ? start..<scanner.position : 0..<0
        case UInt8(ascii: "s") where scanner.take("\"serializeTypeCurrentRPC\":\"JSON\"", in: bytes): break
        case UInt8(ascii: "v") where scanner.take("\"version\":", in: bytes): version = try scanner.int32(in: bytes)
        default: return false
        }
        return true
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
            while let (letter, value) = scanner.digitField(in: bytes) {
                try requireRoom()
                setLetter(letter, value)
            }
            if let (letter, value) = scanner.letterField(in: bytes) {
                try requireRoom()
                setLetter(letter, value)
            } else {
                try extField(&scanner, bytes)
            }
        } while scanner.take(UInt8(ascii: ","), in: bytes)
        try scanner.expect(UInt8(ascii: "}"), in: bytes)
    }

    // @inline(never): the loop above is shorter by a fifth without it.
    @inline(never) private mutating func extField(
        _ scanner: inout HeaderScanner, _ bytes: Span<UInt8>
    ) throws(WireError) {
        let key = try scanner.string(in: bytes)
        try scanner.expect(UInt8(ascii: ":"), in: bytes)
        try requireRoom()
        if scanner.isAt(UInt8(ascii: "\""), in: bytes) {
            add(key, try scanner.string(in: bytes), in: bytes)
        } else if let value = try scanner.scalar(in: bytes) {
            add(key, value, in: bytes)
        }
    }

    /// The text from `start` up to the `"` that ends it; `nil` where a backslash is before that `"`, or there is none.
    ///
    /// Behind the first backslash it looks for nothing else: a dozen separators of properties may follow, and whoever takes
    /// the text apart meets them again.
    @inline(__always) static func quotedValue(_ bytes: Span<UInt8>, from start: Int) -> HeaderText? {
        var end = bytes.nextQuoteOrBackslash(from: start)
        let isEscaped = end < bytes.count && bytes[end] == UInt8(ascii: "\\")
        if isEscaped { end = bytes.next(UInt8(ascii: "\""), from: end) }
        guard end < bytes.count, bytes[end] == UInt8(ascii: "\"") else { return nil }
        if isEscaped, bytes[end &- 1] == UInt8(ascii: "\\") { return nil }
        return HeaderText(start: start, end: end, isEscaped: isEscaped)
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

/// A cursor over one JSON header, which ends where the span does that every call is given. Not a JSON parser: it knows
/// the few shapes a header has.
private struct HeaderScanner {
    var position: Int

    // @inline(__always), the small ones: a header has some forty strings with punctuation between them, and as calls
    // they took 9,000 instructions a send; inlined 3,000.

    @inline(__always) mutating func skipBlanks(in bytes: Span<UInt8>) {
        while position < bytes.count, bytes[position] <= 32 { position &+= 1 }
    }

    /// Whether `byte` is next, without a blank before it.
    @inline(__always) func isAt(_ byte: UInt8, in bytes: Span<UInt8>) -> Bool {
        position < bytes.count && bytes[position] == byte
    }

    /// Passes over `text` if exactly that is next.
    @inline(__always) mutating func take(_ text: StaticString, in bytes: Span<UInt8>) -> Bool {
        guard bytes.holds(text, at: position) else { return false }
        position &+= text.utf8CodeUnitCount
        return true
    }

    /// Passes over `byte` if it is next.
    @inline(__always) mutating func take(_ byte: UInt8, in bytes: Span<UInt8>) -> Bool {
        if position < bytes.count, bytes[position] == byte {
            position &+= 1
            return true
        }
        return takeBehindBlanks(byte, in: bytes)
    }

    private mutating func takeBehindBlanks(_ byte: UInt8, in bytes: Span<UInt8>) -> Bool {
        guard position < bytes.count, bytes[position] <= 32 else { return false }
        skipBlanks(in: bytes)
        guard position < bytes.count, bytes[position] == byte else { return false }
        position &+= 1
        return true
    }

    @inline(__always) mutating func expect(_ byte: UInt8, in bytes: Span<UInt8>) throws(WireError) {
        guard take(byte, in: bytes) else { throw .malformed("JSON header", at: position) }
    }

    /// A field like those of SEND_MESSAGE_V2, `"b":"…"`: the name is a letter of ``RemotingHeader/lettersNamed``, there are
    /// no blanks, and the value has no escaped `"` and does not end with a backslash. Other escapes are not looked at: one
    /// that is none stays as it is. `nil`: it is not such a field, and nothing has been read.
    @inline(__always) mutating func letterField(in bytes: Span<UInt8>) -> (UInt8, HeaderText)? {
        guard position &+ 8 <= bytes.count else { return nil }
        let word = bytes.word(at: position)
        let letter = UInt8(truncatingIfNeeded: word >> 8)
        guard word & 0x0000_00FF_FFFF_00FF == 0x0000_0022_3A22_0022,  // `"`, any, `":"`
            RemotingHeader.lettersNamed.contains(letter)
        else { return nil }
        guard let value = RemotingHeader.quotedValue(bytes, from: position &+ 5) else { return nil }
        position = value.range.upperBound &+ 1
        return (letter, value)
    }

    /// A ``letterField(in:)`` whose value is one character, with the comma behind it, `"e":"3",`: one look at eight bytes.
    /// Half of a send's fields are such numbers.
    @inline(__always) mutating func digitField(in bytes: Span<UInt8>) -> (UInt8, HeaderText)? {
        guard position &+ 8 <= bytes.count else { return nil }
        let word = bytes.word(at: position)
        let letter = UInt8(truncatingIfNeeded: word >> 8)
        let value = UInt8(truncatingIfNeeded: word >> 40)
        guard word & 0xFFFF_00FF_FFFF_00FF == 0x2C22_0022_3A22_0022,  // `"`, any, `":"`, any, `",`
            RemotingHeader.lettersNamed.contains(letter), value != UInt8(ascii: "\""), value != UInt8(ascii: "\\")
        else { return nil }
        let start = position &+ 5
        position &+= 8
        return (letter, HeaderText(start: start, end: start &+ 1, isEscaped: false))
    }

    /// A quoted text.
    @inline(__always) mutating func string(in bytes: Span<UInt8>) throws(WireError) -> HeaderText {
        try expect(UInt8(ascii: "\""), in: bytes)
        let start = position
        position = bytes.nextQuoteOrBackslash(from: position)
        if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
            position &+= 1
            return HeaderText(start..<(position &- 1), isEscaped: false)
        }
        return try escapedString(from: start, in: bytes)
    }

    /// The rest of a quoted text from its first backslash on.
    private mutating func escapedString(from start: Int, in bytes: Span<UInt8>) throws(WireError) -> HeaderText {
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "\"") {
                position &+= 1
                return HeaderText(start..<(position &- 1), isEscaped: true)
            }
            guard let taken = JSONEscape.byteCount(bytes, at: position) else {
                throw .malformed("escape in a JSON header", at: position)
            }
            position = bytes.nextQuoteOrBackslash(from: position &+ taken)
        }
        throw .malformed("JSON header", at: start)
    }

    /// A quoted text, or the characters of a number or literal; `nil` for `null`.
    mutating func scalar(in bytes: Span<UInt8>) throws(WireError) -> HeaderText? {
        skipBlanks(in: bytes)
        guard position < bytes.count else { throw .malformed("JSON header", at: position) }
        switch bytes[position] {
        case UInt8(ascii: "\""): return try string(in: bytes)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            try skip(in: bytes)  // a nested value is no ext field
            return nil
        default:
            let start = position
            while position < bytes.count, Self.isBare(bytes[position]) { position += 1 }
            guard position > start else { throw .malformed("JSON header", at: position) }
            let word = bytes.extracting(start..<position)
            return word.equals("null") ? nil : HeaderText(start..<position, isEscaped: false)
        }
    }

    /// A number; by the short way when it is written plainly and something of the header follows.
    @inline(__always) mutating func int32(in bytes: Span<UInt8>) throws(WireError) -> Int32 {
        let (value, end) = Decimal.prefix(of: bytes, from: position)
        if end > position, end < bytes.count, bytes[end] == UInt8(ascii: ",") || bytes[end] == UInt8(ascii: "}"),
            value <= UInt64(Int32.max)
        {
            position = end
            return Int32(truncatingIfNeeded: value)
        }
        return try anyInt32(in: bytes)
    }

    private mutating func anyInt32(in bytes: Span<UInt8>) throws(WireError) -> Int32 {
        guard let text = try scalar(in: bytes) else { return 0 }
        return try text.int32(in: bytes)
    }

    /// Passes over any value. Iterative, so that nesting costs no stack.
    mutating func skip(in bytes: Span<UInt8>) throws(WireError) {
        var depth = 0
        repeat {
            skipBlanks(in: bytes)
            guard position < bytes.count else { throw .malformed("JSON header", at: position) }
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
                while position < bytes.count, Self.isBare(bytes[position]) { position += 1 }
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
