import MQBase
import Testing

@testable import MQBytes

/// Goal: what looks at eight bytes at a time finds what a look at each byte finds. Method: random bytes, most of them
/// near what is looked for, from every start.
@Suite struct ScanTests {
    static let seeds: [UInt64] = [1, 2, .random(in: .min ... .max)]

    private func bytes(_ random: inout SeededRandom, of choices: [UInt8], upTo count: Int = 40) -> [UInt8] {
        (0..<Int.random(in: 0..<count, using: &random)).map { _ in
            choices[Int.random(in: 0..<choices.count, using: &random)]
        }
    }

    @Test(arguments: seeds)
    func `what must be escaped is found`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<3000 {
            let text = bytes(
                &random, of: [0x20, 0x21, 0x23, 0x5B, 0x5D, 0x61, 0x7F, 0x80, 0xA2, 0xDC, 0xFF, 0x1F, 0x22, 0x5C, 0])
            for start in 0...text.count {
                let wanted = text[start...].firstIndex { $0 < 32 || $0 == 0x22 || $0 == 0x5C } ?? text.count
                #expect(text.span.nextToEscape(from: start) == wanted, "seed \(seed): \(text) from \(start)")
            }
        }
    }

    @Test(arguments: seeds)
    func `bytes resemble others that differ in signs where they may`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var agreed = 0
        for _ in 0..<3000 {
            let known = (0..<Int.random(in: 16..<70, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let open = known.map { _ in Int.random(in: 0..<4, using: &random) == 0 ? UInt8(0xFF) : 0 }
            var text = known
            for _ in 0..<Int.random(in: 0..<3, using: &random) {
                let at = Int.random(in: 0..<text.count, using: &random)
                guard open[at] != 0 || Int.random(in: 0..<4, using: &random) == 0 else { continue }
                text[at] =
                    [0x21, 0x22, 0x23, 0x41, 0x5B, 0x5C, 0x5D, 0x7F, 0x80, 0xFF, 0].randomElement(using: &random) ?? 0
            }
            let wanted = text.indices.allSatisfy {
                text[$0] == known[$0] || open[$0] != 0 && (0x23...0x7F).contains(text[$0]) && text[$0] != 0x5C
            }
            let got = text.span.resembles(known.span, open: open.span)
            #expect(got == wanted, "seed \(seed): \(text) and \(known), \(open)")
            if got, text != known { agreed += 1 }
        }
        #expect(agreed > 100, "hardly any differed and resembled: \(agreed)")
    }

    @Test(arguments: seeds)
    func `digits are read up to the first that is none, ten at most`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<3000 {
            let text = bytes(
                &random, of: Array("0123456789012345678901234567890123456789/:-\u{1}".utf8) + [0xB0, 0xFF])
            for start in 0...text.count {
                let digits = text[start...].prefix(10).prefix { (48...57).contains($0) }
                let found = Decimal.prefix(of: text.span, from: start)
                #expect(found.end == start + digits.count, "seed \(seed): \(text) from \(start)")
                #expect(found.value == digits.reduce(0) { $0 * 10 + UInt64($1 - 48) }, "seed \(seed): \(text)")
            }
        }
    }

    @Test(arguments: seeds)
    func `separators are unescaped, other escapes are left`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let pieces = [
            "a", "key", "eight678", #"\u0001"#, #"\u0002"#, #"\u0007"#, #"\u0000"#, #"\u0008"#, #"\n"#, #"\u001"#,
            #"\"#,
        ]
        for _ in 0..<3000 {
            let few = Bool.random(using: &random) ? 7 : pieces.count
            let text = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                pieces[Int.random(in: 0..<few, using: &random)]
            }.joined()
            let raw = Array(text.utf8)
            let start = Int.random(in: 0...min(3, raw.count), using: &random)
            var wanted: [UInt8] = [9]
            var index = start
            while index < raw.count {
                if raw[index] != 0x5C {
                    wanted.append(raw[index])
                    index += 1
                } else if raw[index...].starts(with: Array(#"\u000"#.utf8)), index + 5 < raw.count,
                    (48...55).contains(raw[index + 5])
                {
                    wanted.append(raw[index + 5] - 48)
                    index += 6
                } else {
                    break
                }
            }
            for behind in ["", "\\", #"\u0001 and more behind"#] {  // which is no part of the text
                var buffer = ByteBuffer()
                buffer.append(9)
                let all = raw + Array(behind.utf8)
                let end = buffer.append(unescapingSeparatorsOf: all.span, start..<raw.count)
                #expect(end == index && buffer.toArray() == wanted, "seed \(seed): \(text) from \(start), \(behind)")
            }
        }
    }

    @Test func `a text is found only where all of it lies`() {
        func holds(_ text: StaticString, _ offset: Int) -> Bool { Array("abcabc".utf8).span.holds(text, at: offset) }
        #expect(holds("abc", 0) && holds("abc", 3) && holds("", 6))
        #expect(!holds("abc", 1) && !holds("abcd", 3) && !holds("c", 6) && !holds("a", 7))
    }

    @Test func `words are appended big-endian`() {
        var buffer = ByteBuffer()
        buffer.append(1)
        buffer.append(bigEndian: [0x0102_0304, 0xFFFE_FDFC])
        #expect(buffer.toArray() == [1, 1, 2, 3, 4, 0xFF, 0xFE, 0xFD, 0xFC])
    }
}
