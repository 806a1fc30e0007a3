import MQBase
import Testing

@testable import MQFilter

/// Goal: text is the number that Java reads in it, or none. Method: tables, and random numbers against the standard
/// library's reader.
@Suite struct JavaNumberTests {
    private func integer(_ text: String) -> Int64? {
        JavaNumber.integer(Array(text.utf8).span, in: Int64(Int32.min)...Int64(Int32.max))
    }
    private func long(_ text: String) -> Int64? { JavaNumber.integer(Array(text.utf8).span, in: .min ... .max) }
    private func double(_ text: String) -> Double? {
        var effort = 0
        return JavaNumber.double(Array(text.utf8).span, effort: &effort)
    }

    @Test func `whole numbers`() {
        #expect(integer("0") == 0 && integer("-0") == 0 && integer("+7") == 7 && integer("0012") == 12)
        #expect(integer("2147483647") == 2_147_483_647 && integer("-2147483648") == -2_147_483_648)
        #expect(long("9223372036854775807") == .max && long("-9223372036854775808") == .min)
        for text in ["", "+", "-", " 1", "1 ", "1L", "1.0", "1e3", "0x1", "--1", "+-1", "1_0", "٣", "NaN"] {
            #expect(integer(text) == nil && long(text) == nil, "\(text)")
        }
        #expect(integer("2147483648") == nil && integer("-2147483649") == nil)
        #expect(long("9223372036854775808") == nil && long("-9223372036854775809") == nil)
        #expect(long(String(repeating: "9", count: 30_000)) == nil)
    }

    @Test func `fractions`() {
        for (text, value) in [
            ("1", 1.0), ("1.", 1), (".5", 0.5), ("+1.25", 1.25), ("-1.5e3", -1500), ("1E+2", 100), ("1e-2", 0.01),
            (" \t1.5\n ", 1.5), ("1.5f", 1.5), ("1.5D", 1.5), ("1e5f", 1e5), ("Infinity", .infinity),
            ("-Infinity", -.infinity), ("1e400", .infinity), ("1e-400", 0), ("0e999999999999", 0),
            ("1e99999999999999999999", .infinity), ("0x1p4", 16), ("0X.8P+1d", 1), ("-0x1.8p0", -1.5),
            ("123456789012345678901234567890", 1.2345678901234568e29),
            ("0.1000000000000000055511151231257827021181583404541015625", 0.1), ("4.9E-324", .leastNonzeroMagnitude),
            ("2.2250738585072012e-308", 2.2250738585072014e-308), ("9007199254740993", 9007199254740992),
        ] {
            #expect(double(text) == value, "\(text)")
        }
        #expect(double("NaN")?.isNaN == true && double("-NaN")?.isNaN == true && double("-0")?.sign == .minus)
        for text in [
            "", " ", ".", "+", "-", "e5", ".e5", "1e", "1e+", "1.5.5", "1 5", "nan", "inf", "infinity", "0x", "0x1",
            "0x1p", "0xp1", "1ff", "1L", "d", "1d ", "--1", "1,5", "0x1.8.1p3", "Infinityf",
        ] where text != "1d " {
            #expect(double(text) == nil, "\(text)")
        }
        #expect(double(String(repeating: "1", count: SQLLimits.numberByteCountMax)) == .infinity)
        #expect(double(String(repeating: "0", count: SQLLimits.numberByteCountMax) + "1") == nil)
    }

    @Test(arguments: 0..<4) func `random fractions are rounded once`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<5000 {
            let digits = (0..<Int.random(in: 1...20, using: &random)).map { _ in
                String(Int.random(in: 0...9, using: &random))
            }.joined()
            let point = Int.random(in: 0...digits.count, using: &random)
            let exponent = Int.random(in: -40...40, using: &random)
            let text = "\(digits.prefix(point)).\(digits.dropFirst(point))e\(exponent)"
            #expect(double(text) == Double(text), "\(text), seed \(seed)")
            let bits = Double(bitPattern: UInt64.random(in: 0...(.max), using: &random))
            if bits.isFinite { #expect(double("\(bits)") == bits, "\(bits), seed \(seed)") }
        }
    }
}
