public import MQBytes

/// A text inside a header: where it lies in the frame's bytes, and whether it holds JSON escapes.
public struct HeaderText: Equatable, Sendable {
    // In eight bytes, because a header has a dozen: a frame has at most 16 MiB, so that the top bit of a size is free.
    @usableFromInline let start: UInt32
    @usableFromInline let sizeAndMark: UInt32

    @usableFromInline init(_ range: Range<Int>, isEscaped: Bool) {
        self.init(start: range.lowerBound, end: range.upperBound, isEscaped: isEscaped)
    }

    /// - Precondition: `start` is not behind `end`.
    @inline(__always) init(start: Int, end: Int, isEscaped: Bool) {
        self.start = UInt32(truncatingIfNeeded: start)
        sizeAndMark = UInt32(truncatingIfNeeded: end &- start) | (isEscaped ? Self.escapedMark : 0)
    }

    @usableFromInline static var escapedMark: UInt32 { 1 << 31 }

    @inlinable var byteCount: Int { Int(sizeAndMark & ~Self.escapedMark) }

    /// Whether the bytes must be unescaped before use.
    @inlinable public var isEscaped: Bool { sizeAndMark & Self.escapedMark != 0 }

    /// The same text of a header that begins `distance` bytes later.
    @inline(__always) func moved(by distance: UInt32) -> HeaderText {
        HeaderText(start: start &+ distance, sizeAndMark: sizeAndMark)
    }

    private init(start: UInt32, sizeAndMark: UInt32) {
        self.start = start
        self.sizeAndMark = sizeAndMark
    }

    /// No text.
    public static let empty = HeaderText(0..<0, isEscaped: false)

    /// Where the raw bytes lie.
    @inlinable public var range: Range<Int> { Int(start)..<(Int(start) &+ byteCount) }

    /// Whether there are no bytes.
    @inlinable public var isEmpty: Bool { byteCount == 0 }

    /// Appends the text itself to `buffer`. Most invalid escapes have been refused by the decoder, others stay as they are;
    /// a lone surrogate becomes U+FFFD.
    public func append(from bytes: Span<UInt8>, to buffer: inout ByteBuffer) {
        guard isEscaped else { return buffer.append(bytes.extracting(range)) }
        var rest = range
        while true {
            let index = buffer.append(unescapingSeparatorsOf: bytes, rest)
            guard index < rest.upperBound else { return }
            let next = JSONEscape.append(bytes.extracting(0..<rest.upperBound), at: index, to: &buffer)
            rest = next..<rest.upperBound
        }
    }

    /// A copy of the text.
    public func string(in bytes: Span<UInt8>) -> String {
        guard isEscaped else { return bytes.extracting(range).toString() }
        var buffer = ByteBuffer(capacity: byteCount)
        append(from: bytes, to: &buffer)
        return buffer.span.toString()
    }
}

/// Backslash escapes of JSON strings.
enum JSONEscape {
    /// Bytes the escape at `index` takes, or `nil` if it is not one.
    static func byteCount(_ bytes: Span<UInt8>, at index: Int) -> Int? {
        guard index + 1 < bytes.count else { return nil }
        switch bytes[index + 1] {
        case UInt8(ascii: "u"): return hex4(bytes, at: index + 2) == nil ? nil : 6
        case UInt8(ascii: "x"): return index + 3 < bytes.count ? 4 : nil  // fastjson writes \x01 in one of its modes
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"), UInt8(ascii: "v"), UInt8(ascii: "'"),
            UInt8(ascii: "0")...UInt8(ascii: "7"):
            return 2
        default: return nil
        }
    }

    /// Appends what the escape at `index` stands for; returns the index behind it.
    static func append(_ bytes: Span<UInt8>, at index: Int, to buffer: inout ByteBuffer) -> Int {
        guard let taken = byteCount(bytes, at: index) else {
            buffer.append(bytes[index])  // not an escape: kept as it is
            return index + 1
        }
        let kind = bytes[index + 1]
        switch kind {
        case UInt8(ascii: "b"): buffer.append(8)
        case UInt8(ascii: "f"): buffer.append(12)
        case UInt8(ascii: "n"): buffer.append(10)
        case UInt8(ascii: "r"): buffer.append(13)
        case UInt8(ascii: "t"): buffer.append(9)
        case UInt8(ascii: "v"): buffer.append(11)
        case UInt8(ascii: "0")...UInt8(ascii: "7"): buffer.append(kind - 48)
        case UInt8(ascii: "x"):
            buffer.append((Hex.nibble(bytes[index + 2]) ?? 0) << 4 | (Hex.nibble(bytes[index + 3]) ?? 0))
        case UInt8(ascii: "u"): return appendUnicode(bytes, at: index, to: &buffer)
        default: buffer.append(kind)
        }
        return index + taken
    }

    private static func appendUnicode(_ bytes: Span<UInt8>, at index: Int, to buffer: inout ByteBuffer) -> Int {
        let unit = hex4(bytes, at: index + 2) ?? 0xFFFD
        if unit < 0x80 {
            buffer.append(UInt8(truncatingIfNeeded: unit))
            return index + 6
        }
        var scalar = unit
        var end = index + 6
        if unit & 0xFC00 == 0xD800, end + 1 < bytes.count, bytes[end] == UInt8(ascii: "\\"),
            bytes[end + 1] == UInt8(ascii: "u"), let low = hex4(bytes, at: end + 2), low & 0xFC00 == 0xDC00
        {
            scalar = 0x10000 + (unit & 0x3FF) << 10 + (low & 0x3FF)
            end += 6
        }
        for byte in UTF8.encode(Unicode.Scalar(scalar) ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter {
            buffer.append(byte)
        }
        return end
    }

    private static func hex4(_ bytes: Span<UInt8>, at index: Int) -> UInt32? {
        guard index &+ 4 <= bytes.count else { return nil }
        let word = UInt32(bitPattern: bytes.int32(at: index))
        if word & 0xFFFF_FFF8 == 0x3030_3030 { return word & 7 }  // 0000…0007: what separates properties
        var value: UInt32 = 0
        for offset in 0..<4 {
            guard let digit = Hex.nibble(bytes[index + offset]) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
