/// One `key=value` of a properties text.
public struct Property: Equatable, Sendable {
    /// The key, escapes resolved.
    public let key: String
    /// The value, escapes resolved; may be empty.
    public let value: String
    /// The line it begins on, from 1.
    public let line: Int
}

/// Why a text is no properties text.
public enum PropertiesError: Error, Equatable, Sendable {
    /// `\u` without four hexadecimal digits.
    case badUnicodeEscape(line: Int)
    /// The text has more bytes than allowed.
    case tooLong(byteCount: Int, max: Int)
}

/// Java's properties format: `#` and `!` comments, `=`, `:` or blanks between key and value, escapes, continued lines.
///
/// Source: `java.util.Properties.load`. Java reads bytes as ISO 8859-1; we read UTF-8 (the same for ASCII).
public enum PropertiesText {
    /// The properties in order, repeated keys included.
    /// - Parameter byteCountMax: longest text, bytes.
    /// - Throws: ``PropertiesError``.
    public static func parse(_ text: String, byteCountMax: Int = 1 << 20) throws(PropertiesError) -> [Property] {
        guard text.utf8.count <= byteCountMax else { throw .tooLong(byteCount: text.utf8.count, max: byteCountMax) }
        var properties: [Property] = []
        var lines = NaturalLines(text)
        while let first = lines.next() {
            let start = lines.number
            var logical = first.drop(while: isBlank)
            guard let mark = logical.first, mark != "#", mark != "!" else { continue }
            // An odd number of backslashes at the end continues the line.
            var joined = String.UnicodeScalarView()
            while logical.reversed().prefix(while: { $0 == "\\" }).count % 2 == 1 {
                joined.append(contentsOf: logical.dropLast())
                logical = (lines.next() ?? []).drop(while: isBlank)
            }
            joined.append(contentsOf: logical)
            properties.append(try property(joined, line: start))
        }
        return properties
    }

    /// The text of `pairs`, one a line, that ``parse(_:byteCountMax:)`` reads back to the same.
    public static func text(_ pairs: [(key: String, value: String)]) -> String {
        pairs.map { escape($0.key, isKey: true) + "=" + escape($0.value, isKey: false) + "\n" }.joined()
    }

    // MARK: - Reading

    private static func property(_ line: String.UnicodeScalarView, line number: Int) throws(PropertiesError) -> Property
    {
        var end = line.startIndex
        while end < line.endIndex {
            let scalar = line[end]
            if scalar == "=" || scalar == ":" || isBlank(scalar) { break }
            end = line.index(after: end)
            if scalar == "\\", end < line.endIndex { end = line.index(after: end) }
        }
        var rest = line[end...].drop(while: isBlank)
        if let separator = rest.first, separator == "=" || separator == ":" {
            rest = rest.dropFirst().drop(while: isBlank)
        }
        return Property(
            key: try unescape(line[..<end], line: number), value: try unescape(rest, line: number), line: number)
    }

    private static func unescape(
        _ scalars: String.UnicodeScalarView.SubSequence, line: Int
    ) throws(PropertiesError) -> String {
        guard scalars.contains("\\") else { return String(scalars) }
        var units: [UInt16] = []
        var rest = scalars
        while let scalar = rest.popFirst() {
            guard scalar == "\\", let escaped = rest.popFirst() else {
                // Properties.load drops a lone backslash at the end.
                if scalar != "\\" { units.append(contentsOf: UTF16.encode(scalar).map(Array.init) ?? []) }
                continue
            }
            switch escaped {
            case "t": units.append(0x09)
            case "n": units.append(0x0A)
            case "r": units.append(0x0D)
            case "f": units.append(0x0C)
            case "u":
                let digits = String(rest.prefix(4))
                guard digits.unicodeScalars.count == 4, digits.allSatisfy(\.isHexDigit),
                    let unit = UInt16(digits, radix: 16)
                else { throw .badUnicodeEscape(line: line) }
                units.append(unit)
                rest = rest.dropFirst(4)
            default: units.append(contentsOf: UTF16.encode(escaped).map(Array.init) ?? [])
            }
        }
        return String(decoding: units, as: UTF16.self)
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t" || scalar == "\u{C}"
    }

    // MARK: - Writing

    private static func escape(_ text: String, isKey: Bool) -> String {
        var escaped = ""
        for (index, scalar) in text.unicodeScalars.enumerated() {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            case "\t": escaped += "\\t"
            case "\u{C}": escaped += "\\f"
            case " " where isKey || index == 0: escaped += "\\ "
            case "=", ":", "#", "!":
                if isKey { escaped += "\\" }
                escaped.unicodeScalars.append(scalar)
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

/// Lines ended by `\n`, `\r` or `\r\n`.
private struct NaturalLines {
    private var rest: Substring.UnicodeScalarView
    /// The line given last, from 1.
    private(set) var number = 0

    init(_ text: String) { rest = Substring(text).unicodeScalars }

    mutating func next() -> ArraySlice<Unicode.Scalar>? {
        guard !rest.isEmpty else { return nil }
        number += 1
        var line: ArraySlice<Unicode.Scalar> = []
        while let scalar = rest.popFirst() {
            if scalar == "\n" { break }
            if scalar == "\r" {
                if rest.first == "\n" { rest.removeFirst() }
                break
            }
            line.append(scalar)
        }
        return line
    }
}
