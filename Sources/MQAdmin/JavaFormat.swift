public import MQJSON

/// A value that ``javaFormat(_:_:)`` can print.
public protocol JavaFormattable: Sendable {
    /// For `%s`.
    var javaText: String { get }
    /// For `--json`.
    var json: JSON { get }
}

extension String: JavaFormattable {
    /// The text itself.
    public var javaText: String { self }
    /// The value itself.
    public var json: JSON { .string(self) }
}

extension Int: JavaFormattable {
    /// Decimal digits.
    public var javaText: String { String(self) }
    /// The value itself.
    public var json: JSON { .integer(Int64(self)) }
}

extension Int32: JavaFormattable {
    /// Decimal digits.
    public var javaText: String { String(self) }
    /// The value itself.
    public var json: JSON { .integer(Int64(self)) }
}

extension Int64: JavaFormattable {
    /// Decimal digits.
    public var javaText: String { String(self) }
    /// The value itself.
    public var json: JSON { .integer(self) }
}

extension Bool: JavaFormattable {
    /// `true` or `false`.
    public var javaText: String { String(self) }
    /// The value itself.
    public var json: JSON { .bool(self) }
}

extension Double: JavaFormattable {
    /// The shortest decimal text.
    public var javaText: String { String(self) }
    /// The value itself.
    public var json: JSON { .number(self) }
}

/// Java's `String.format` for `%s`, `%d`, `%f`, `%n` and `%%` with `-`, `0`, width and precision: what the columns of
/// mqadmin use. Widths count characters. Columns are never cut: a value wider than its column pushes the rest.
/// - Precondition: each specifier has an argument of its kind; the patterns are ours.
public func javaFormat(_ pattern: String, _ arguments: [any JavaFormattable]) -> String {
    var output = ""
    var rest = pattern[...]
    var next = 0
    while let percent = rest.firstIndex(of: "%") {
        output += rest[..<percent]
        rest = rest[rest.index(after: percent)...]
        let specifier = FormatSpecifier(&rest)
        switch specifier.conversion {
        case "n": output += "\n"
        case "%": output += "%"
        default:
            precondition(next < arguments.count, "no argument for a specifier of \(pattern)")
            output += specifier.text(of: arguments[next])
            next += 1
        }
    }
    return output + rest
}

/// What stands behind a `%`.
private struct FormatSpecifier {
    var isLeft = false
    var isZeroPadded = false
    var width = 0
    var precision: Int?
    var conversion: Character = "%"

    init(_ text: inout Substring) {
        while let first = text.first {
            if first == "-" { isLeft = true } else if first == "0" { isZeroPadded = true } else { break }
            text.removeFirst()
        }
        width = Self.number(&text) ?? 0
        if text.first == "." {
            text.removeFirst()
            precision = Self.number(&text)
        }
        precondition(!text.isEmpty, "a pattern ends in the middle of a specifier")
        conversion = text.removeFirst()
    }

    private static func number(_ text: inout Substring) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        text.removeFirst(digits.count)
        return Int(digits)
    }

    func text(of value: any JavaFormattable) -> String {
        var text: String
        switch conversion {
        case "s":
            text = value.javaText
            if let precision { text = String(text.prefix(precision)) }
        case "d": text = value.javaText
        case "f":
            guard let number = value as? Double else { preconditionFailure("%f of \(value)") }
            text = fixedPoint(number, places: precision ?? 6)
        default: preconditionFailure("unknown conversion %\(conversion)")
        }
        let missing = width - text.count
        guard missing > 0 else { return text }
        if isLeft { return text + String(repeating: " ", count: missing) }
        guard isZeroPadded else { return String(repeating: " ", count: missing) + text }
        let sign = text.hasPrefix("-") ? "-" : ""
        return sign + String(repeating: "0", count: missing) + text.dropFirst(sign.count)
    }
}

/// `value` with `places` decimals, rounded half up on its shortest decimal text, as Java does: 1.005 gives 1.01.
func fixedPoint(_ value: Double, places: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity" }
    // Shortest digits and the position of the point among them.
    let parts = "\(value.magnitude)".split(separator: "e")
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    var digits = (mantissa[0] + (mantissa.count > 1 ? mantissa[1] : "")).utf8.map { Int($0) - 48 }
    var point = mantissa[0].count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
    if point <= 0 {
        digits = [Int](repeating: 0, count: 1 - point) + digits
        point = 1
    }
    let kept = point + places
    let roundsUp = digits.count > kept && digits[kept] >= 5
    digits = Array(digits.prefix(kept)) + [Int](repeating: 0, count: max(0, kept - digits.count))
    if roundsUp {
        var index = kept - 1
        while index >= 0, digits[index] == 9 {
            digits[index] = 0
            index -= 1
        }
        if index >= 0 { digits[index] += 1 } else { digits.insert(1, at: 0); point += 1 }
    }
    var text = value.sign == .minus ? "-" : ""
    text += digits.prefix(point).map(String.init).joined()
    if places > 0 { text += "." + digits.dropFirst(point).map(String.init).joined() }
    return text
}
