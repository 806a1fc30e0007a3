/// How a value is written.
public struct JSONStyle: Sendable, Equatable {
    /// One member a line, tabs, `"key":value` without a blank: fastjson's `PrettyFormat`, the look of `config/*.json`.
    public var isPretty: Bool
    /// Integer keys as `"0"` instead of fastjson's bare `0`: what readers of standard JSON need.
    public var quotesIntegerKeys: Bool
    /// Everything but ASCII as `\uXXXX`: fastjson's `BrowserCompatible`.
    public var isASCII: Bool

    /// fastjson's default form: compact, integer keys bare. Object keys are always written bare.
    public static let compact = JSONStyle(isPretty: false, quotesIntegerKeys: false, isASCII: false)
    /// The form of `config/*.json`.
    public static let pretty = JSONStyle(isPretty: true, quotesIntegerKeys: false, isASCII: false)
    /// Compact JSON that any parser takes, unless a key is an object.
    public static let standard = JSONStyle(isPretty: false, quotesIntegerKeys: true, isASCII: true)
}

extension JSON {
    /// This value's text in UTF-8.
    public func encoded(_ style: JSONStyle = .compact) -> [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes, style)
        return bytes
    }

    /// Appends this value's text to `bytes`.
    public func encode(into bytes: inout [UInt8], _ style: JSONStyle = .compact) {
        var writer = JSONWriter(style: style, bytes: [])
        swap(&writer.bytes, &bytes)
        writer.write(self)
        swap(&writer.bytes, &bytes)
    }

    /// This value's text.
    public func text(_ style: JSONStyle = .compact) -> String { String(decoding: encoded(style), as: UTF8.self) }
}

/// Appends values as fastjson spells them.
///
/// Source: fastjson 1.2 `SerializeWriter`, `MapSerializer`, `ListSerializer`.
struct JSONWriter {
    let style: JSONStyle
    var bytes: [UInt8]
    private var indent = 0

    init(style: JSONStyle, bytes: [UInt8]) {
        self.style = style
        self.bytes = bytes
    }

    mutating func write(_ value: JSON) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .integer(let value): writeInteger(value)
        case .number(let value): append(Self.javaText(value))
        case .string(let text): writeString(text)
        case .array(let elements): writeArray(elements)
        case .object(let object): writeObject(object)
        }
    }

    /// fastjson breaks lines in lists of objects; its sets and number arrays stay on one.
    private mutating func writeArray(_ elements: [JSON]) {
        let breaks =
            style.isPretty
            && elements.contains {
                switch $0 {
                case .array, .object: true
                default: false
                }
            }
        append("[")
        if breaks { indent += 1 }
        for (index, element) in elements.enumerated() {
            if index > 0 { append(",") }
            if breaks { breakLine() }
            write(element)
        }
        if breaks {
            indent -= 1
            breakLine()
        }
        append("]")
    }

    /// Members with a text key start a line in the pretty form, those with integer and object keys do not, and the
    /// closing brace of a non-empty object always does: `{1:11` line break `}`, as `MapSerializer` writes.
    private mutating func writeObject(_ object: JSONObject) {
        append("{")
        indent += 1
        for (index, member) in object.enumerated() {
            if index > 0 { append(",") }
            switch member.key {
            case .string(let name):
                if style.isPretty { breakLine() }
                writeString(name)
            case .integer(let number):
                if style.quotesIntegerKeys { append("\"") }
                writeInteger(number)
                if style.quotesIntegerKeys { append("\"") }
            case .object(let key): writeObject(key)
            }
            append(":")
            write(member.value)
        }
        indent -= 1
        if style.isPretty, !object.isEmpty { breakLine() }
        append("}")
    }

    private mutating func breakLine() {
        bytes.append(0x0A)
        for _ in 0..<indent { bytes.append(0x09) }
    }

    private mutating func writeInteger(_ value: Int64) { append(String(value)) }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    // MARK: - Texts

    private mutating func writeString(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        if text.utf8.allSatisfy(Self.isPlain) {
            bytes.append(contentsOf: text.utf8)
        } else {
            for scalar in text.unicodeScalars { writeScalar(scalar) }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// ASCII that is written as it is.
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// Escapes what `SerializeWriter.writeStringWithDoubleQuote` escapes: quote, backslash, controls, U+007F–U+009F,
    /// U+2028 and U+2029.
    private mutating func writeScalar(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": append("\\\"")
        case "\\": append("\\\\")
        case "\n": append("\\n")
        case "\r": append("\\r")
        case "\t": append("\\t")
        case "\u{8}": append("\\b")
        case "\u{C}": append("\\f")
        case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}": writeEscape(UInt16(scalar.value))
        default:
            if style.isASCII, !scalar.isASCII {
                for unit in String(Character(scalar)).utf16 { writeEscape(unit) }
            } else {
                bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
    }

    private mutating func writeEscape(_ unit: UInt16) {
        append("\\u")
        for shift in [12, 8, 4, 0] {
            let digit = UInt8((unit >> UInt16(shift)) & 15)
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10)
        }
    }

    // MARK: - Numbers

    /// Java's `Double.toString`: `0.0`, `0.001`, `1234567.0`, `1.0E7`, `1.0E-4`; `null` for NaN and infinities.
    static func javaText(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        let magnitude = value.magnitude
        let spelling = "\(magnitude)"
        let sign = value.sign == .minus ? "-" : ""
        if magnitude == 0 { return sign + "0.0" }
        let (digits, exponent) = decimal(spelling)
        if magnitude >= 1e-3, magnitude < 1e7 {
            if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
            let padded = digits + String(repeating: "0", count: max(0, exponent + 1 - digits.count))
            let whole = padded.prefix(exponent + 1)
            let fraction = padded.dropFirst(exponent + 1)
            return sign + whole + "." + (fraction.isEmpty ? "0" : fraction)
        }
        let fraction = digits.dropFirst()
        return sign + digits.prefix(1) + "." + (fraction.isEmpty ? "0" : fraction) + "E\(exponent)"
    }

    /// Significant digits without leading or trailing zeros, and the power of ten of the first.
    private static func decimal(_ spelling: String) -> (digits: String, exponent: Int) {
        let parts = spelling.split(separator: "e")
        let power = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let whole = mantissa[0]
        let all = whole + (mantissa.count > 1 ? mantissa[1] : "")
        let leadingZeros = all.prefix { $0 == "0" }.count
        var digits = all.dropFirst(leadingZeros)
        while digits.count > 1, digits.last == "0" { digits.removeLast() }
        return (String(digits), whole.count - 1 - leadingZeros + power)
    }
}
