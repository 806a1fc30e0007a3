/// Decimal text, as ext fields carry every number.
public enum Decimal {
    /// The value of `bytes`, or `nil` if they are not a decimal 64-bit integer with an optional sign.
    public static func parse(_ bytes: Span<UInt8>) -> Int64? {
        guard bytes.count > 0, bytes.count <= 20 else { return nil }
        let negative = bytes[0] == 45
        var index = negative || bytes[0] == 43 ? 1 : 0
        guard index < bytes.count else { return nil }
        var magnitude: UInt64 = 0
        if bytes.count <= 18 {  // cannot overflow: nearly every number of a header
            if index &+ 8 <= bytes.count {
                guard let eight = eightDigits(bytes.word(at: index)) else { return nil }
                magnitude = eight
                index &+= 8
            }
            while index < bytes.count {
                let digit = bytes[index] &- 48
                guard digit < 10 else { return nil }
                magnitude = magnitude &* 10 &+ UInt64(digit)
                index &+= 1
            }
            return negative ? -Int64(magnitude) : Int64(magnitude)
        }
        while index < bytes.count {
            let digit = bytes[index] &- 48
            guard digit < 10 else { return nil }
            let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, overflowed) = product.addingReportingOverflow(UInt64(digit))
            guard !overflow, !overflowed else { return nil }
            magnitude = sum
            index += 1
        }
        if negative { return magnitude <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil }
        return Int64(exactly: magnitude)
    }

    /// The number that the digits from `start` on spell, and where they end; at most the first ten.
    // @inline(__always): a header has four, and the call cost more than the rest.
    @inlinable @inline(__always)
    public static func prefix(of bytes: Span<UInt8>, from start: Int) -> (value: UInt64, end: Int) {
        guard start &+ 8 <= bytes.count else { return slowPrefix(of: bytes, from: start, 0, at: start) }
        let digits = bytes.word(at: start) ^ 0x3030_3030_3030_3030
        let marks = notDigits(digits)
        guard marks != 0 else { return slowPrefix(of: bytes, from: start, joined(digits), at: start &+ 8) }
        let bitCount = marks.trailingZeroBitCount & ~7
        guard bitCount != 0 else { return (0, start) }
        return (joined(digits &<< UInt64(64 &- bitCount)), start &+ bitCount / 8)  // zeroes in front
    }

    /// The rest of ``prefix(of:from:)``, digit by digit.
    @usableFromInline static func slowPrefix(
        of bytes: Span<UInt8>, from start: Int, _ begun: UInt64, at position: Int
    ) -> (value: UInt64, end: Int) {
        var value = begun
        var index = position
        while index < bytes.count, index &- start < 10 {
            let digit = bytes[index] &- 48
            guard digit < 10 else { break }
            value = value &* 10 &+ UInt64(digit)
            index &+= 1
        }
        return (value, index)
    }

    /// The number that eight digits spell, the first one in the lowest byte; `nil` if one is no digit.
    @inline(__always) private static func eightDigits(_ word: UInt64) -> UInt64? {
        let digits = word ^ 0x3030_3030_3030_3030
        return notDigits(digits) == 0 ? joined(digits) : nil
    }

    /// The lowest byte over 9 has its top bit set; bits above it mean nothing.
    @inlinable static func notDigits(_ digits: UInt64) -> UInt64 {
        // Adding 0x76 sets the top bit of what is over 9; a byte that carries has it set already.
        (digits | (digits &+ 0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080
    }

    /// Neighbours are joined three times, all pairs at once.
    @inlinable static func joined(_ digits: UInt64) -> UInt64 {
        let pairs = ((digits &* (10 << 8 + 1)) >> 8) & 0x00FF_00FF_00FF_00FF
        let fours = ((pairs &* (100 << 16 + 1)) >> 16) & 0x0000_FFFF_0000_FFFF
        return (fours &* (10_000 << 32 + 1)) >> 32
    }

    /// The reverse of ``joined(_:)``: the eight digits of a number below 10^8, the first one in the lowest byte.
    @inlinable @inline(__always) static func apart(_ value: UInt64) -> UInt64 {
        let high = value / 10_000
        let fours = high | (value &- high &* 10_000) << 32
        let hundreds = ((fours &* 10_486) >> 20) & 0x0000_007F_0000_007F  // each half divided by 100
        let pairs = hundreds | (fours &- hundreds &* 100) << 16
        let tens = ((pairs &* 103) >> 10) & 0x000F_000F_000F_000F  // each quarter divided by 10
        return tens | (pairs &- tens &* 10) << 8
    }
}

/// Hexadecimal text, upper case when written, either case when read.
public enum Hex {
    /// Two digits for each byte.
    public static func encode(_ bytes: Span<UInt8>) -> String {
        var text = ByteBuffer(capacity: bytes.count * 2)
        for index in 0..<bytes.count { text.append(hex: UInt64(bytes[index]), digits: 2) }
        return text.span.toString()
    }

    /// The bytes that `text` spells, or `nil` for an odd length or another character.
    public static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        guard text.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 2)
        for index in stride(from: 0, to: text.count, by: 2) {
            guard let high = nibble(text[index]), let low = nibble(text[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    /// What one hexadecimal digit, of either case, counts; `nil` for another character.
    @inlinable  // per escaped byte of a header, in another module
    public static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 48...57: digit - 48
        case 65...70: digit - 55
        case 97...102: digit - 87
        default: nil
        }
    }
}
