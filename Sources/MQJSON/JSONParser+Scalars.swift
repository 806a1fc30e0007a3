extension JSONParser {
    /// Longest spelling of a number, bytes; Java's own are below 30.
    private static let numberByteCountMax = 128

    /// `position` is at the first byte: a sign, a digit or a point.
    @_lifetime(self: copy self)
    mutating func parseNumber() throws(JSONError) -> JSON {
        let start = position
        let isNegative = bytes[start] == UInt8(ascii: "-")
        if isNegative || bytes[start] == UInt8(ascii: "+") { position += 1 }
        var value: Int64 = 0
        var fits = true
        let digitsStart = position
        while position < bytes.count, let digit = Self.digit(bytes[position]) {
            let (tens, overTens) = value.multipliedReportingOverflow(by: 10)
            let (sum, over) =
                isNegative
                ? tens.subtractingReportingOverflow(Int64(digit)) : tens.addingReportingOverflow(Int64(digit))
            if overTens || over { fits = false }
            value = sum
            position += 1
        }
        let integerDigitCount = position - digitsStart
        guard position < bytes.count, Self.continuesFraction(bytes[position]) else {
            guard integerDigitCount > 0 else {
                throw position == bytes.count ? .truncated(at: position) : .badNumber(at: start)
            }
            return fits ? .integer(value) : try double(start)
        }
        return try parseFraction(from: start, integerDigitCount: integerDigitCount)
    }

    @_lifetime(self: copy self)
    private mutating func parseFraction(from start: Int, integerDigitCount: Int) throws(JSONError) -> JSON {
        var fractionDigitCount = 0
        if bytes[position] == UInt8(ascii: ".") {
            position += 1
            fractionDigitCount = skipDigits()
        }
        guard integerDigitCount + fractionDigitCount > 0 else { throw numberError(start) }
        if position < bytes.count, bytes[position] == UInt8(ascii: "e") || bytes[position] == UInt8(ascii: "E") {
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "-") || bytes[position] == UInt8(ascii: "+") {
                position += 1
            }
            guard skipDigits() > 0 else { throw numberError(start) }
        }
        return try double(start)
    }

    private func numberError(_ start: Int) -> JSONError {
        position == bytes.count ? .truncated(at: position) : .badNumber(at: start)
    }

    @_lifetime(self: copy self)
    private mutating func skipDigits() -> Int {
        let start = position
        while position < bytes.count, Self.digit(bytes[position]) != nil { position += 1 }
        return position - start
    }

    /// The bytes from `start` to here as a double.
    private func double(_ start: Int) throws(JSONError) -> JSON {
        guard position - start <= Self.numberByteCountMax else { throw .badNumber(at: start) }
        // Swift's spelling wants a digit before the point and none of the others differ from JSON's.
        var spelling = text(start..<position)
        if spelling.hasPrefix(".") { spelling = "0" + spelling }
        if spelling.hasPrefix("-.") { spelling = "-0" + spelling.dropFirst() }
        if spelling.hasPrefix("+.") { spelling = "0" + spelling.dropFirst() }
        guard let value = Double(spelling), value.isFinite else { throw .badNumber(at: start) }
        return .number(value)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        let digit = byte &- UInt8(ascii: "0")
        return digit <= 9 ? digit : nil
    }

    private static func continuesFraction(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
    }

    // MARK: - Texts

    /// `position` is at the opening quote.
    @_lifetime(self: copy self)
    mutating func parseString(quote: UInt8) throws(JSONError) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == quote {
                position += 1
                return text(start..<(position - 1))
            }
            if byte == UInt8(ascii: "\\") { return try parseEscaped(from: start, quote: quote) }
            position += 1
        }
        throw .truncated(at: position)
    }

    /// The slow way, from the first backslash on.
    @_lifetime(self: copy self)
    private mutating func parseEscaped(from start: Int, quote: UInt8) throws(JSONError) -> String {
        var decoded: [UInt8] = []
        for index in start..<position { decoded.append(bytes[index]) }
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == quote { return String(decoding: decoded, as: UTF8.self) }
            if byte == UInt8(ascii: "\\") {
                let scalar = try parseEscape()
                decoded.append(contentsOf: String(Character(scalar)).utf8)
            } else {
                decoded.append(byte)
            }
        }
        throw .truncated(at: position)
    }

    /// One escape; `position` is behind its backslash.
    @_lifetime(self: copy self)
    private mutating func parseEscape() throws(JSONError) -> Unicode.Scalar {
        guard position < bytes.count else { throw .truncated(at: position) }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"), UInt8(ascii: "F"): return "\u{C}"
        case UInt8(ascii: "v"): return "\u{B}"
        case UInt8(ascii: "0")...UInt8(ascii: "7"): return Unicode.Scalar(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "x"): return Unicode.Scalar(UInt8(try parseHex(digitCount: 2)))
        case UInt8(ascii: "u"): return try parseUnicodeEscape()
        default: throw .badEscape(at: position - 2)
        }
    }

    /// `position` is behind `\u`. A high surrogate takes the low one that follows; alone either is U+FFFD.
    @_lifetime(self: copy self)
    private mutating func parseUnicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let first = UInt32(try parseHex(digitCount: 4))
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { return "\u{FFFD}" }
        let before = position
        position += 2
        let second = UInt32(try parseHex(digitCount: 4))
        guard (0xDC00...0xDFFF).contains(second) else {
            position = before
            return "\u{FFFD}"
        }
        return Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)) ?? "\u{FFFD}"
    }

    @_lifetime(self: copy self)
    private mutating func parseHex(digitCount: Int) throws(JSONError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<digitCount {
            guard position < bytes.count else { throw .truncated(at: position) }
            let byte = bytes[position]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw .badEscape(at: position)
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }
}
