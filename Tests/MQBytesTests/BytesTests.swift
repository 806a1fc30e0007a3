import MQBytes
import Testing

/// Goal: bytes, numbers and checksums are Java's, and no input traps.
@Suite struct BytesTests {
    @Test func `a buffer grows, gives from its front and keeps the rest`() {
        var buffer = ByteBuffer()
        var model: [UInt8] = []
        var random = SystemRandomNumberGenerator()
        for step in 0..<2000 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                buffer.append(bigEndian: Int32(step))
                model += [UInt8(step >> 24), UInt8(step >> 16 & 255), UInt8(step >> 8 & 255), UInt8(step & 255)]
            case 1:
                buffer.append("text")
                model += Array("text".utf8)
            case 2:
                buffer.append(repeating: 7, count: step % 50)
                model += [UInt8](repeating: 7, count: step % 50)
            case 3:
                let count = Int.random(in: 0...model.count, using: &random)
                buffer.removeFirst(count)
                model.removeFirst(count)
            case 4:
                buffer.append(decimal: Int64(step) - 1000)
                model += Array(String(step - 1000).utf8)
            default:
                let count = max(0, model.count - 3)
                buffer.truncate(to: count)
                model = Array(model[..<count])
            }
            #expect(buffer.count == model.count)
        }
        #expect(buffer.toArray() == model)
    }

    @Test func `decimals are written as Swift writes them and read back`() {
        for value in [0, 1, -1, 9, 10, 99, 100, 12_345_678, .max, .min, .max - 1, .min + 1] as [Int64] {
            var buffer = ByteBuffer()
            buffer.append(decimal: value)
            #expect(buffer.toArray() == Array(String(value).utf8))
            #expect(Decimal.parse(buffer.span) == value)
        }
    }

    @Test(
        arguments: [
            ("", nil), ("-", nil), ("+", nil), ("+7", 7), ("007", 7), ("1x", nil), (" 1", nil), ("--1", nil),
            ("9223372036854775807", .max), ("9223372036854775808", nil), ("-9223372036854775808", .min),
            ("-9223372036854775809", nil), ("99999999999999999999", nil), ("000000000000000000001", nil),
        ] as [(String, Int64?)])
    func `text that is no 64-bit decimal is refused`(text: String, value: Int64?) {
        #expect(Decimal.parse(Array(text.utf8).span) == value)
    }

    @Test func `hexadecimal text reads in both cases and refuses the rest`() {
        let bytes: [UInt8] = [0x00, 0x7F, 0x80, 0xAB, 0xFF]
        #expect(Hex.encode(bytes.span) == "007F80ABFF")
        #expect(Hex.decode(Array("007f80AbFf".utf8).span) == bytes)
        for text in ["0", "0g", "G0", "  ", "0x"] { #expect(Hex.decode(Array(text.utf8).span) == nil) }
    }

    @Test func `checksums and hash codes are Java's`() {
        #expect(CRC32.value(of: Array("123456789".utf8).span) == 0xCBF4_3926)
        #expect(CRC32.value(of: [UInt8]().span) == 0)
        // From java.lang.String.hashCode; the last needs surrogate pairs.
        let codes: [(String, Int32)] = [
            ("", 0), ("a", 97), ("TagA", 2_598_919), ("polygenelubricants", .min), ("中文", 646_394), ("😀", 1_772_899),
        ]
        for (text, code) in codes { #expect(javaHashCode(Array(text.utf8).span) == code, "\(text)") }
    }

    @Test func `a reader names what is missing and where`() throws {
        let bytes: [UInt8] = [1, 0, 2, 0, 0, 0, 3, 9]
        var reader = WireReader(bytes.span)
        #expect(try reader.uint8("kind") == 1)
        #expect(try reader.int16("port") == 2)
        #expect(try reader.int32("size") == 3)
        #expect(reader.remaining == 1)
        do {
            _ = try reader.int64("offset")
            Issue.record("eight bytes were read from one")
        } catch {
            #expect(error == .truncated("offset", needed: 8, had: 1, at: 7))
        }
        #expect(throws: WireError.self) {
            var reader = WireReader(bytes.span)
            _ = try reader.range(-1, "length")
        }
    }

    @Test func `a table of names finds what a dictionary finds`() {
        var table = ByteTable<Int>()
        var model: [String: Int] = [:]
        var random = SystemRandomNumberGenerator()
        for step in 0..<5000 {
            let name = "topic-\(Int.random(in: 0..<300, using: &random))"
            let value: Int? = Bool.random(using: &random) ? step : nil
            table.set(Array(name.utf8).span, to: value)
            model[name] = value
        }
        #expect(table.count == model.count)
        for number in 0..<320 { #expect(table[Array("topic-\(number)".utf8).span] == model["topic-\(number)"]) }
        #expect(table.values.sorted() == model.values.sorted())
    }
}
