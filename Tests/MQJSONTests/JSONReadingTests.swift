import MQJSON
import Testing

/// Goal: fastjson's dialect is read as fastjson reads it; nothing traps; nothing costs more than its limits.
@Suite struct JSONReadingTests {
    private func parse(_ text: String) throws(JSONError) -> JSON { try JSON(parsing: text) }

    @Test(
        arguments: [
            ("null", JSON.null), (" true ", true), ("-0", 0), ("9223372036854775807", .integer(.max)),
            ("-9223372036854775808", .integer(.min)), ("9223372036854775808", .number(9223372036854775808)),
            ("1.5E3", 1500.0), ("0.0", 0.0), ("1.0E10", 1.0e10), ("-1e-3", -0.001), (".5", 0.5), ("-.5", -0.5),
            ("\"\"", ""), ("'it \"is\"'", "it \"is\""), ("[]", []), ("{}", [:]), ("NaN", nil), ("undefined", nil),
            ("[1,,2,]", [1, 2]), ("{,\"a\":1,}", ["a": 1]), ("{a:1,$b_2:2}", ["a": 1, "$b_2": 2]),
            ("/* c */{// d\n\"a\"/**/:/**/1}//e", ["a": 1]), ("\u{FEFF}{}", [:]), ("{\"a\":1}\n", ["a": 1]),
            ("1.", 1.0),
        ] as [(String, JSON)])
    func `accepts the dialect`(text: String, expected: JSON) throws {
        #expect(try parse(text) == expected)
    }

    @Test func `integer keys are found quoted and bare`() throws {
        let bare = try parse(#"{"brokerAddrs":{0:"a:1",-1:"b"}}"#)["brokerAddrs"].object
        let quoted = try parse(#"{"brokerAddrs":{"0":"a:1"}}"#)["brokerAddrs"].object
        #expect(bare?[integer: 0] == "a:1")
        #expect(bare?["0"] == "a:1")
        #expect(bare?[integer: -1] == "b")
        #expect(quoted?[integer: 0] == "a:1")
        #expect(bare?.map(\.key.integer) == [0, -1])
    }

    @Test func `an object can be a key`() throws {
        let text = #"{{"brokerName":"b","queueId":0,"topic":"t"}:{"maxOffset":1},{"topic":"t","queueId":1}:17}"#
        let object = try #require(try parse(text).object)
        #expect(object.count == 2)
        #expect(object[0].key.object?["topic"] == "t")
        #expect(object[key: .object(["topic": "t", "queueId": 0, "brokerName": "b"])] == ["maxOffset": 1])
        #expect(try parse(text).text() == text)
    }

    @Test func `the last of two members with one key counts`() throws {
        #expect(try parse(#"{"a":1,"b":2,"a":3}"#) == ["a": 3, "b": 2])
    }

    @Test func `escapes, surrogates and broken text`() throws {
        #expect(try parse(#""\"\\\/\b\f\n\r\t\u00e9\x41\0\v""#) == "\"\\/\u{8}\u{C}\n\r\té\u{41}\u{0}\u{B}")
        #expect(try parse(#""\ud83d\ude00""#) == "😀")
        #expect(try parse(#""\ud83dx""#) == "\u{FFFD}x")
        #expect(try parse(#""\ud83d\u0041""#) == "\u{FFFD}A")
        #expect(try parse(#""\ude00""#) == "\u{FFFD}")
        #expect(try JSON(parsing: [0x22, 0xFF, 0x61, 0xC3, 0x22]) == "\u{FFFD}a\u{FFFD}")
        #expect(try JSON(parsing: [0x22, 0xFF, 0x5C, 0x6E, 0x22]) == "\u{FFFD}\n")
    }

    @Test(
        arguments: [
            ("", JSONError.truncated(at: 0)), ("[1", .truncated(at: 2)), ("{\"a\"", .truncated(at: 4)),
            ("\"abc", .truncated(at: 4)), ("tru", .truncated(at: 3)), ("/*", .truncated(at: 2)),
            ("-", .truncated(at: 1)),
            ("1e", .truncated(at: 2)), ("{} x", .trailing(at: 3)),
            ("[1 2]", .unexpected(byte: 0x32, at: 3)), ("{\"a\" 1}", .unexpected(byte: 0x31, at: 5)),
            ("[}", .unexpected(byte: 0x7D, at: 1)), ("yes", .unexpected(byte: 0x79, at: 0)),
            ("1e999", .badNumber(at: 0)), ("-e", .badNumber(at: 0)), ("{1.5:1}", .badNumber(at: 1)),
            (#""\q""#, .badEscape(at: 1)), (#""\u12g4""#, .badEscape(at: 5)), ("\u{0}", .unexpected(byte: 0, at: 0)),
        ] as [(String, JSONError)])
    func `names what is wrong and where`(text: String, expected: JSONError) {
        #expect(throws: expected) { try parse(text) }
    }

    // MARK: - Bombs

    @Test(arguments: ["[", "{\"a\":", "{{", "[{a:"])
    func `depth bombs end at the limit`(opening: String) {
        let bytes = Array(String(repeating: opening, count: 100_000).utf8)
        #expect { try JSON(parsing: bytes) } throws: { error in
            if case JSONError.tooDeep(max: 64, at: _) = error { true } else { false }
        }
    }

    @Test func `nesting up to the limit is read`() throws {
        let nested = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(throws: Never.self) { try parse(nested) }
        #expect(throws: JSONError.self) { try parse("[" + nested + "]") }
    }

    @Test func `sizes and counts are limited`() {
        #expect(throws: JSONError.tooLong(byteCount: 5, max: 4)) {
            try JSON(parsing: "[1,2]", limits: JSONLimits(byteCountMax: 4))
        }
        #expect(throws: JSONError.tooManyElements(max: 3)) {
            try JSON(parsing: "[1,2,3]", limits: JSONLimits(elementsMax: 3))
        }
        #expect(throws: JSONError.badNumber(at: 0)) { try parse(String(repeating: "9", count: 100_000)) }
        #expect(throws: JSONError.badNumber(at: 0)) { try parse("1e" + String(repeating: "9", count: 100)) }
    }

    @Test func `a text cut at any byte throws`() throws {
        let text = #"{"a":[1.5e3,-2,"x\u00e9\ud83d\ude00"],"b":{0:true,{"t":'q'}:null},/*c*/"d":false}"#
        let bytes = Array(text.utf8)
        _ = try JSON(parsing: bytes)
        for count in 0..<bytes.count {
            #expect(throws: JSONError.self, "cut at \(count)") { try JSON(parsing: Array(bytes[..<count])) }
        }
    }

    @Test(arguments: Seeds.some)
    func `changed bytes never trap`(seed: UInt64) {
        var random = TestRandom(seed: seed)
        let text = #"{"a":[1.5e3,-2,"xé\ud83d\ude00"],"b":{0:true,{"t":'q'}:null},"r":{"$ref":"$.a[0]"}}"#
        let original = Array(text.utf8)
        for _ in 0..<2000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if let value = try? JSON(parsing: bytes) {
                #expect((try? JSON(parsing: value.encoded())) != nil, "seed \(seed)")
            }
        }
    }

    // MARK: - References

    @Test func `references are replaced by what they name`() throws {
        let text = #"{"a":[{"n":1},{"$ref":"$.a[0]"}],"b":{"$ref":"$.a"},"c.d":{"x":{"$ref":"$['c.d']['y']"},"y":2}}"#
        #expect(
            try parse(text) == [
                "a": [["n": 1], ["n": 1]], "b": [["n": 1], ["n": 1]], "c.d": ["x": 2, "y": 2],
            ])
        #expect(try parse(#"{"g-1":{"v":1},"r":{"$ref":"$.g\\-1"}}"#)["r"] == ["v": 1])
    }

    @Test(arguments: ["$", "@", "..", "$.a", "$.nowhere", "$[", "$.a[99999999999999999999]", "nonsense", ""])
    func `loops and dead ends become null`(path: String) throws {
        #expect(try parse(#"{"a":{"b":{"$ref":"\#(path)"}}}"#) == ["a": ["b": nil]])
    }

    @Test func `two references to each other end`() throws {
        #expect(throws: Never.self) { try parse(#"{"a":{"x":{"$ref":"$.b"}},"b":{"x":{"$ref":"$.a"}}}"#) }
    }

    @Test func `a long chain of references ends at the limit`() {
        let links = (0..<10_000).map { #""x\#($0)":{"$ref":"$.x\#($0 + 1)"}"# }.joined(separator: ",")
        #expect(throws: JSONError.tooDeep(max: 64, at: 0)) { try parse("{\(links),\"x10000\":1}") }
    }

    @Test func `references cannot multiply past the limit`() {
        var text = #"{"x0":[1,1,1,1,1,1,1,1,1,1]"#
        for level in 1...30 {
            let reference = #"{"$ref":"$.x\#(level - 1)"}"#
            text += #","x\#(level)":[\#(Array(repeating: reference, count: 10).joined(separator: ","))]"#
        }
        #expect(throws: JSONError.tooManyElements(max: 10_000)) {
            try JSON(parsing: text + "}", limits: JSONLimits(elementsMax: 10_000))
        }
    }
}
