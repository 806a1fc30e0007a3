import MQBase
import Testing

@testable import MQBytes

/// Goal: a buffer holds what was put into it, however it grew or slid. Method: known cases, and an array beside it.
@Suite struct ByteBufferTests {
    @Test func `integers lie big-endian, also where they are patched`() {
        var buffer = ByteBuffer()
        buffer.append(bigEndian: Int16(-2))
        buffer.append(bigEndian: UInt32(0x0102_0304))
        buffer.append(bigEndian: Int64.min)
        #expect(buffer.toArray() == [0xFF, 0xFE, 1, 2, 3, 4, 0x80, 0, 0, 0, 0, 0, 0, 0])
        buffer.removeFirst(1)
        buffer.store(bigEndian: Int32(-1), at: 1)
        #expect(buffer.toArray() == [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0])
        let array = buffer.toArray()
        #expect(array.span.int16(at: 0) == -257 && array.span.int32(at: 1) == -1 && array.span.int64(at: 5) == .min)
        #expect(array.span.uint8(at: 5) == 0x80)
    }

    @Test(
        arguments: [
            0, 1, 9, 10, 99, 100, 12_345, -1, -9, -10, .max, .min, .max - 1, .min + 1, 999_999_999_999_999_999,
            1_000_000_000_000_000_000, 9_223_372_036_854_775_799,
        ] as [Int64])
    func `decimal text is Swift's, and reads back`(value: Int64) {
        var buffer = ByteBuffer()
        buffer.append(UInt8(ascii: "x"))
        buffer.append(decimal: value)
        let text = String(decoding: buffer.toArray().dropFirst(), as: UTF8.self)
        #expect(text == String(value))
        #expect(Decimal.parse(Array(text.utf8).span) == value)
    }

    @Test(arguments: 0..<4)
    func `any decimal reads back`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<5000 {
            let value = Int64.random(in: .min ... .max, using: &random) >> Int64.random(in: 0..<64, using: &random)
            var buffer = ByteBuffer()
            buffer.append(decimal: value)
            let text = buffer.toArray()
            #expect(String(decoding: text, as: UTF8.self) == String(value), "seed \(seed)")
            #expect(Decimal.parse(text.span) == value, "seed \(seed)")
        }
    }

    @Test(
        arguments: [
            ("", nil), ("-", nil), ("+", nil), ("+7", 7), ("-0", 0), ("007", 7), ("1 ", nil), (" 1", nil), ("1.0", nil),
            ("0x1", nil),
            ("9223372036854775807", .max), ("9223372036854775808", nil), ("-9223372036854775808", .min),
            ("-9223372036854775809", nil), ("18446744073709551616", nil), ("99999999999999999999", nil),
            ("00000000000000000001", 1), ("000000000000000000001", nil), ("--1", nil), ("1/", nil), ("1:", nil),
            ("١", nil),
            ("999999999999999999", 999_999_999_999_999_999), ("-99999999999999999", -99_999_999_999_999_999),
        ] as [(String, Int64?)])
    func `only decimal integers of 64 bits are numbers`(text: String, wanted: Int64?) {
        #expect(Decimal.parse(Array(text.utf8).span) == wanted)
    }

    @Test func `hexadecimal goes both ways`() {
        var buffer = ByteBuffer()
        buffer.append(hex: 0xFEDC_BA98_7654_3210, digits: 16)
        buffer.append(hex: 0x1F, digits: 2)
        buffer.append(hex: 0x123, digits: 2)
        #expect(String(decoding: buffer.toArray(), as: UTF8.self) == "FEDCBA98765432101F23")
        let all = (0...255).map { UInt8($0) }
        let text = Hex.encode(all.span)
        #expect(text.hasPrefix("000102") && text.hasSuffix("FDFEFF"))
        #expect(Hex.decode(Array(text.utf8).span) == all && Hex.decode(Array(text.lowercased().utf8).span) == all)
        #expect(Hex.decode(Span()) == [])
        for bad in ["0", "0g", "G0", "0 ", "::", "@@", "``", "//"] {
            #expect(Hex.decode(Array(bad.utf8).span) == nil, "\(bad)")
        }
    }

    @Test func `text and repeats are appended whole`() {
        var buffer = ByteBuffer(capacity: 1)
        buffer.append("static")
        buffer.append(utf8: "é😀")
        buffer.append(utf8: "")
        buffer.append(repeating: 7, count: 3)
        buffer.append(repeating: 7, count: 0)
        buffer.append([UInt8]())
        #expect(buffer.toArray() == Array("staticé😀".utf8) + [7, 7, 7])
        buffer.truncate(to: 6)
        #expect(buffer.span.toString() == "static")
        buffer.removeAll()
        #expect(buffer.isEmpty && buffer.allocatedByteCount > 0)
        buffer.trim(to: 1)
        #expect(buffer.allocatedByteCount == 0 && buffer.toArray().isEmpty)
        buffer.append(1)
        #expect(buffer.toArray() == [1])
    }

    @Test(arguments: 0..<16)
    func `as an array would do it`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var buffer = ByteBuffer(capacity: seed % 2 * 64)
        var model: [UInt8] = []
        for _ in 0..<1500 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0...2:
                let bytes = (0..<Int.random(in: 0..<300, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                buffer.append(bytes)
                model += bytes
            case 3, 4:
                let count = Int.random(in: 0...model.count, using: &random)
                buffer.removeFirst(count)
                model.removeFirst(count)
            case 5:
                let count = Int.random(in: model.count / 2...model.count, using: &random)
                buffer.truncate(to: count)
                model.removeLast(model.count - count)
            case 6: buffer.reserve(.random(in: 0..<1000, using: &random))
            default:
                if model.count >= 8 {
                    let at = Int.random(in: 0...(model.count - 8), using: &random)
                    buffer.store(bigEndian: UInt64(seed), at: at)
                    model.replaceSubrange(at..<at + 8, with: [0, 0, 0, 0, 0, 0, 0, UInt8(seed)])
                }
            }
            #expect(buffer.count == model.count && buffer.isEmpty == model.isEmpty, "seed \(seed)")
        }
        #expect(buffer.toArray() == model, "seed \(seed)")
        #expect(
            buffer.allocatedByteCount <= max(2048, 64 * (model.count + 1000)), "seed \(seed): it never gives up sliding"
        )
    }

    /// What a connection does: bytes come at the end, frames leave at the front.
    @Test func `a buffer that is emptied at the front does not grow`() {
        var buffer = ByteBuffer()
        let chunk = [UInt8](repeating: 1, count: 100)
        for _ in 0..<10_000 {
            buffer.append(chunk)
            buffer.append(chunk)
            buffer.removeFirst(buffer.count > 1000 ? 300 : 190)
        }
        #expect(buffer.allocatedByteCount <= 8192, "\(buffer.allocatedByteCount)")
    }
}

@Suite struct WireReaderTests {
    @Test func `fields are read in turn and their end is an error`() throws {
        let bytes: [UInt8] = [1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 5, 6]
        var reader = WireReader(bytes.span)
        #expect(try reader.uint8("a") == 1)
        #expect(try reader.int16("b") == 2)
        #expect(try reader.int32("c") == 3)
        #expect(try reader.int64("d") == 4)
        #expect(reader.remaining == 2 && reader.position == 15)
        #expect(try reader.range(2, "e") == 15..<17)
        var error: WireError?
        do { _ = try reader.uint8("f") } catch let caught { error = caught }
        #expect(error == .truncated("f", needed: 1, had: 0, at: 17))
        #expect(error?.description == "f is truncated: needs 1 bytes, has 0, at offset 17")
    }

    @Test(arguments: [-1, .min, 3, .max])
    func `a length that lies is an error`(count: Int) {
        let bytes: [UInt8] = [1, 2]
        var error: WireError?
        do {
            var reader = WireReader(bytes.span)
            _ = try reader.range(count, "r")
        } catch let caught { error = caught }
        #expect(error == (count < 0 ? .lengthOutOfRange("r", count) : .truncated("r", needed: count, had: 2, at: 0)))
    }
}
