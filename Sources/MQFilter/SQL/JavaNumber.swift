import MQBytes

/// Numbers as Java's `Integer.valueOf`, `Long.valueOf` and `Double.valueOf` read them out of text. Java also takes digits
/// of other scripts; here they are none.
enum JavaNumber {
    /// A decimal number with an optional sign and nothing else.
    /// - Returns: `nil` if it is none or out of `range`.
    static func integer(_ text: Span<UInt8>, in range: ClosedRange<Int64>) -> Int64? {
        guard let value = decimal(text), range.contains(value) else { return nil }
        return value
    }

    private static func decimal(_ text: Span<UInt8>) -> Int64? {
        var index = 0
        var isNegative = false
        if text.count > 0, text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "+") {
            isNegative = text[0] == UInt8(ascii: "-")
            index = 1
        }
        guard index < text.count else { return nil }
        var value: Int64 = 0
        while index < text.count {
            let digit = text[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (tens, tensOverflow) = value.multipliedReportingOverflow(by: 10)
            let step = Int64(digit)
            let (next, overflow) =
                isNegative ? tens.subtractingReportingOverflow(step) : tens.addingReportingOverflow(step)
            guard !tensOverflow, !overflow else { return nil }
            value = next
            index += 1
        }
        return value
    }

    /// A number with fraction and exponent, `NaN`, `Infinity`, or a hexadecimal one with its binary exponent; blanks
    /// around it and a type letter behind it do not count. Too large is infinite, too small is zero.
    /// - Parameter effort: grows by what is spent, about ns.
    /// - Returns: `nil` if it is none.
    static func double(_ text: Span<UInt8>, effort: inout Int) -> Double? {
        var range = 0..<text.count
        while let first = range.first, text[first] <= 0x20 { range = (first + 1)..<range.upperBound }
        while let last = range.last, text[last] <= 0x20 { range = range.lowerBound..<last }
        effort &+= range.count
        guard range.count <= SQLLimits.numberByteCountMax, let first = range.first else { return nil }
        var isNegative = false
        if text[first] == UInt8(ascii: "-") || text[first] == UInt8(ascii: "+") {
            isNegative = text[first] == UInt8(ascii: "-")
            range = (first + 1)..<range.upperBound
        }
        let digits = text.extracting(range)
        guard let magnitude = magnitude(digits, effort: &effort) else { return nil }
        return isNegative ? -magnitude : magnitude
    }

    private static func magnitude(_ text: Span<UInt8>, effort: inout Int) -> Double? {
        if text.equals("NaN") { return .nan }
        if text.equals("Infinity") { return .infinity }
        if text.count > 1, text[0] == UInt8(ascii: "0"), text[1] | 0x20 == UInt8(ascii: "x") {
            guard isHexadecimal(text) else { return nil }
            effort &+= 4000
            return Double(text.extracting(0..<text.endWithoutType).toString())
        }
        return decimalFraction(text, effort: &effort)
    }

    private static func decimalFraction(_ text: Span<UInt8>, effort: inout Int) -> Double? {
        let end = text.endWithoutType
        var index = 0
        var mantissa: UInt64 = 0
        var isExact = true
        var scale = 0
        var digitCount = 0
        var seesPoint = false
        while index < end {
            let byte = text[index]
            if byte == UInt8(ascii: "."), !seesPoint {
                seesPoint = true
            } else if byte &- UInt8(ascii: "0") < 10 {
                digitCount += 1
                if seesPoint { scale -= 1 }
                if mantissa < 1 << 49 {
                    mantissa = mantissa * 10 + UInt64(byte &- UInt8(ascii: "0"))
                } else {
                    isExact = false
                }
            } else {
                break
            }
            index += 1
        }
        guard digitCount > 0 else { return nil }
        if index < end {
            guard let exponent = exponent(text.extracting(index..<end), marker: "e") else { return nil }
            scale += exponent
        }
        // Both sides of one operation are exact, so its result is rounded once.
        if isExact, mantissa == 0 { return 0 }
        if isExact, mantissa <= 1 << 53, (-22...22).contains(scale) {
            return scale < 0 ? Double(mantissa) / powersOfTen[-scale] : Double(mantissa) * powersOfTen[scale]
        }
        effort &+= 4000
        return Double(text.extracting(0..<end).toString())
    }

    /// The number behind `e` or `p`; what cannot matter is cut off.
    private static func exponent(_ text: Span<UInt8>, marker: Unicode.Scalar) -> Int? {
        guard text.count > 0, text[0] | 0x20 == UInt8(ascii: marker) else { return nil }
        var index = 1
        var isNegative = false
        if index < text.count, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
            isNegative = text[index] == UInt8(ascii: "-")
            index += 1
        }
        guard index < text.count else { return nil }
        var value = 0
        while index < text.count {
            let digit = text[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = min(value * 10 + Int(digit), 100_000)
            index += 1
        }
        return isNegative ? -value : value
    }

    /// `0x`, digits with at most one point, `p` and an exponent, which Java demands.
    private static func isHexadecimal(_ text: Span<UInt8>) -> Bool {
        var index = 2
        var digitCount = 0
        var seesPoint = false
        while index < text.count {
            if text[index] == UInt8(ascii: "."), !seesPoint {
                seesPoint = true
            } else if Hex.nibble(text[index]) != nil {
                digitCount += 1
            } else {
                break
            }
            index += 1
        }
        let end = text.endWithoutType
        return digitCount > 0 && index < end && exponent(text.extracting(index..<end), marker: "p") != nil
    }

    private static let powersOfTen: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]
}

extension Span where Element == UInt8 {
    /// Where a number ends whose last byte may be Java's type letter.
    fileprivate var endWithoutType: Int {
        guard count > 1 else { return count }
        switch self[count - 1] | 0x20 {
        case UInt8(ascii: "d"), UInt8(ascii: "f"): return count - 1
        default: return count
        }
    }
}
