/// Base64 text (RFC 4648) with padding: `standard` as Java's codec writes it, `url` with `-` and `_`.
public struct Base64: Sendable {
    private let letters: [UInt8]
    /// The two letters that alphabets differ in.
    private let plus: UInt8
    private let slash: UInt8

    /// With `+` and `/`.
    public static let standard = Base64(plus: UInt8(ascii: "+"), slash: UInt8(ascii: "/"))
    /// With `-` and `_`.
    public static let url = Base64(plus: UInt8(ascii: "-"), slash: UInt8(ascii: "_"))

    private init(plus: UInt8, slash: UInt8) {
        self.plus = plus
        self.slash = slash
        letters =
            Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8) + [plus, slash]
    }

    /// The text of `bytes`, padded.
    public func encode(_ bytes: Span<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group: UInt32 = 0
            for index in 0..<3 { group = group << 8 | (index < count ? UInt32(bytes[start + index]) : 0) }
            for index in 0..<4 {
                let letter = letters[Int(group >> UInt32(18 - 6 * index) & 63)]
                text.append(index <= count ? letter : UInt8(ascii: "="))
            }
        }
        return text
    }

    /// The bytes that `text` stands for, padded or not.
    /// - Returns: `nil` for another letter or a length that cannot be.
    public func decode(_ text: Span<UInt8>) -> [UInt8]? {
        var end = text.count
        while end > 0, text.count - end < 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
        guard end % 4 != 1, end == text.count || text.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(end / 4 * 3 + 2)
        var group: UInt32 = 0
        for index in 0..<end {
            guard let value = value(text[index]) else { return nil }
            group = group << 6 | value
            if index % 4 != 0 {
                let shift = UInt32(6 - 2 * (index % 4))
                bytes.append(UInt8(truncatingIfNeeded: group >> shift))
            }
        }
        return bytes
    }

    private func value(_ letter: UInt8) -> UInt32? {
        switch letter {
        case 65...90: UInt32(letter) - 65
        case 97...122: UInt32(letter) - 71
        case 48...57: UInt32(letter) + 4
        case plus: 62
        case slash: 63
        default: nil
        }
    }
}
