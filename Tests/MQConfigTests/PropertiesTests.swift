import MQConfig
import Testing

/// Goal: properties texts are read as `java.util.Properties` reads them.
@Suite struct PropertiesTests {
    private func pairs(_ text: String) throws -> [String] {
        try PropertiesText.parse(text).map { "\($0.line)|\($0.key)|\($0.value)" }
    }

    @Test(
        arguments: [
            ("a=b", ["1|a|b"]), ("a:b", ["1|a|b"]), ("a b", ["1|a|b"]), ("a \t=\t b ", ["1|a|b "]), ("a", ["1|a|"]),
            ("a=", ["1|a|"]), ("=b", ["1||b"]), ("a==b", ["1|a|=b"]), ("a = : b", ["1|a|: b"]), ("a b=c", ["1|a|b=c"]),
            ("# x\n  ! y\n\n \t\n a=1", ["5|a|1"]), ("a=1\r\nb=2\rc=3\n", ["1|a|1", "2|b|2", "3|c|3"]),
            ("a=1 # not a comment", ["1|a|1 # not a comment"]), ("#a\\\nb=1", ["2|b|1"]),
            ("a=1,\\\n   2,\\\n\t3\nb=4", ["1|a|1,2,3", "4|b|4"]), ("a=1\\\\\nb=2", ["1|a|1\\", "2|b|2"]),
            ("a=1\\", ["1|a|1"]), ("a\\\n  b=1", ["1|ab|1"]), ("a=\\\n#b", ["1|a|#b"]),
            ("a=1\\\n\nb=2", ["1|a|1", "3|b|2"]),
            (#"a\=b\:c\ d=\t\n\q\\"#, ["1|a=b:c d|\t\nq\\"]), (#"a=\u0041\u00e9\uD83D\uDE00"#, ["1|a|Aé😀"]),
            (#"a=\uD83D"#, ["1|a|\u{FFFD}"]), ("a=中😀", ["1|a|中😀"]), ("", []), ("\n\n", []),
        ] as [(String, [String])])
    func `reads Java's syntax`(text: String, expected: [String]) throws {
        #expect(try pairs(text) == expected)
    }

    @Test(arguments: [#"\u"#, #"\u12"#, #"\u12g4"#, #"\u+123"#])
    func `a malformed escape names its line`(escape: String) {
        #expect(throws: PropertiesError.badUnicodeEscape(line: 2)) { try PropertiesText.parse("a=1\nb=\(escape)") }
    }

    @Test func `a text that is too long is refused`() {
        #expect(throws: PropertiesError.tooLong(byteCount: 11, max: 10)) {
            try PropertiesText.parse("0123456789\n", byteCountMax: 10)
        }
    }

    @Test func `what is written reads back`() throws {
        let texts = ["", "a", " a b ", "=:#!", "\\", "\n\r\t\u{C}", "é😀", "a\\nb", "  "]
        let pairs = texts.flatMap { key in texts.map { (key: "k" + key, value: $0) } }
        let read = try PropertiesText.parse(PropertiesText.text(pairs))
        #expect(read.map(\.key) == pairs.map(\.key))
        #expect(read.map(\.value) == pairs.map(\.value))
    }

    @Test func `any bytes end`() {
        var state: UInt64 = 42
        for _ in 0..<3000 {
            let scalars = "a=: \t\\\n\r#!u0F\u{C}é".unicodeScalars
            var text = ""
            for _ in 0..<12 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let offset = Int(state >> 33) % scalars.count
                text.unicodeScalars.append(scalars[scalars.index(scalars.startIndex, offsetBy: offset)])
            }
            _ = try? PropertiesText.parse(text)
        }
    }
}
