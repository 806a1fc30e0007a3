import Foundation
import MQBase
import Testing

@testable import MQBytes

/// Numbers that are on disk and on the wire: they must be Java's and zlib's.
@Suite struct HashTests {
    @Test(
        arguments: [
            ("", 0), ("a", 0xE8B7_BE43), ("123456789", 0xCBF4_3926),
            ("The quick brown fox jumps over the lazy dog", 0x414F_A339),
        ] as [(String, UInt32)])
    func `checksums are zlib's`(text: String, wanted: UInt32) {
        #expect(CRC32.value(of: Array(text.utf8).span) == wanted)
    }

    @Test(arguments: [0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 1000, 4096, 65_537])
    func `checksums of any length agree with the definition`(count: Int) {
        var random = SeededRandom(seed: UInt64(count))
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        #expect(CRC32.value(of: bytes.span) == ~crc)
    }

    // From Java's String.hashCode.
    @Test(
        arguments: [
            ("", 0), ("a", 97), ("TagA", 2_598_919), ("TagB", 2_598_920), ("Aa", 2112), ("BB", 2112),
            ("polygenelubricants", .min), ("hello world", 1_794_106_052), ("日本", 835_047), ("😀", 1_772_899), ("é", 233),
            ("x\u{0}", 3720),
        ] as [(String, Int32)])
    func `hash codes are Java's`(text: String, wanted: Int32) {
        #expect(javaHashCode(Array(text.utf8).span) == wanted)
    }

    @Test(arguments: 0..<8)
    func `hash codes agree with the definition, whatever the letters`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let letters: [Character] = [
            "a", "Z", "0", "|", "é", "ß", "日", "😀", "\u{7F}", "\u{80}", "\u{FFFF}", "\u{10FFFF}",
        ]
        for _ in 0..<300 {
            let ascii = Int.random(in: 0..<12, using: &random)
            var text = String(repeating: "q", count: ascii)
            for _ in 0..<Int.random(in: 0..<12, using: &random) {
                text.append(letters.randomElement(using: &random) ?? "a")
            }
            var wanted: Int32 = 0
            for unit in text.utf16 { wanted = 31 &* wanted &+ Int32(unit) }
            #expect(javaHashCode(Array(text.utf8).span) == wanted, "\(text), seed \(seed)")
            let cut = text.utf8.prefix(ascii)
            #expect(javaHashCode(Array(text.utf8.dropFirst(ascii)).span, from: javaHashCode(Array(cut).span)) == wanted)
        }
    }

    @Test func `bytes that are no text count as the replacement character`() {
        let replacement = Int32(0xFFFD)
        for bytes: [UInt8] in [[0xFF], [0xC3], [0x80], [0xF0, 0x9F, 0x98]] {
            #expect(javaHashCode(bytes.span) == replacement, "\(bytes)")
        }
        #expect(javaHashCode([UInt8]([97, 0xFF, 98]).span) == (97 &* 31 &+ replacement) &* 31 &+ 98)
    }
}

@Suite struct ByteTableTests {
    @Test(arguments: 0..<12)
    func `as a dictionary would do it`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var table = ByteTable<Int>()
        var model: [String: Int] = [:]
        let names =
            (0..<400).map { "\($0 % 7 == 0 ? "" : "topic-")\($0)" + String(repeating: "y", count: $0 % 20) } + [
                "", "é",
            ]
        for step in 0..<4000 {
            let name = names[Int.random(in: names.indices, using: &random)]
            let bytes = Array(name.utf8)
            switch Int.random(in: 0..<10, using: &random) {
            case 0...4:
                table.set(bytes.span, to: step)
                model[name] = step
            case 5...7:
                table.set(bytes.span, to: nil)
                model[name] = nil
            case 8: #expect(table[bytes.span] == model[name], "seed \(seed), \(name)")
            default:
                if Int.random(in: 0..<200, using: &random) == 0 {
                    table.removeAll()
                    model = [:]
                }
            }
            #expect(table.count == model.count, "seed \(seed)")
        }
        for name in names { #expect(table[Array(name.utf8).span] == model[name], "seed \(seed), \(name)") }
        #expect(table.values.sorted() == model.values.sorted(), "seed \(seed)")
        #expect(table[Array("never".utf8).span] == nil)
    }

    /// Names come from clients: those that were removed must not stay in memory.
    @Test func `names that come and go do not pile up`() {
        var table = ByteTable<Int>()
        for number in 0..<50_000 {
            let name = Array("temporary-\(number)".utf8)
            table.set(name.span, to: number)
            table.set(name.span, to: nil)
        }
        #expect(table.count == 0 && table.slots.count <= 64 && table.names.count < 4096)
    }
}

@Suite struct SpanTests {
    @Test(arguments: 0..<8)
    func `the next quote or backslash is found wherever it is`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<2000 {
            let count = Int.random(in: 0..<40, using: &random)
            let bytes = (0..<count).map { _ -> UInt8 in
                switch Int.random(in: 0..<16, using: &random) {
                case 0: 0x22
                case 1: 0x5C
                case 2: 0x23  // one more than a quote, which a borrow could hit
                case 3: 0x5D
                case 4: 0x22 ^ 0x80
                default: UInt8.random(in: 0...255, using: &random)
                }
            }
            let start = Int.random(in: 0...count, using: &random)
            let wanted = bytes[start...].firstIndex { $0 == 0x22 || $0 == 0x5C } ?? count
            #expect(bytes.span.nextQuoteOrBackslash(from: start) == wanted, "\(bytes) from \(start), seed \(seed)")
        }
    }

    @Test func `spans are compared by their bytes`() {
        let bytes = Array("hello".utf8)
        #expect(bytes.span.equals("hello") && !bytes.span.equals("hell") && !bytes.span.equals("hellO"))
        #expect(bytes.span.starts(with: "he") && bytes.span.starts(with: "") && !bytes.span.starts(with: "hello!"))
        #expect(bytes.span.equals(Array("hello".utf8).span) && !bytes.span.equals(Span()))
        #expect(bytes.span.toArray() == bytes && bytes.span.toString() == "hello" && Span<UInt8>().toString() == "")
    }
}
