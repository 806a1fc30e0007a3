import Foundation
import MQJSON
import MQTestKit
import Testing

/// Goal: what we write is byte for byte what fastjson writes, and reads back to the same value.
@Suite struct JSONWritingTests {
    @Test func `compact, standard and pretty`() {
        let value: JSON = ["t": [1: 2, 3: []], "s": ["a", "b"], "o": [["k": 1.5], [:]], "e": [:], "n": nil]
        #expect(value.text() == #"{"t":{1:2,3:[]},"s":["a","b"],"o":[{"k":1.5},{}],"e":{},"n":null}"#)
        #expect(value.text(.standard) == #"{"t":{"1":2,"3":[]},"s":["a","b"],"o":[{"k":1.5},{}],"e":{},"n":null}"#)
        #expect(
            value.text(.pretty)
                == "{\n\t\"t\":{1:2,3:[]\n\t},\n\t\"s\":[\"a\",\"b\"],\n\t\"o\":[\n\t\t{\n\t\t\t\"k\":1.5"
                + "\n\t\t},\n\t\t{}\n\t],\n\t\"e\":{},\n\t\"n\":null\n}")
    }

    @Test func `escapes as fastjson's writer`() {
        #expect(JSON("a\"\\/\n\r\t\u{8}\u{C}").text() == #""a\"\\/\n\r\t\b\f""#)
        #expect(JSON("\u{0}\u{B}\u{1F}\u{7F}\u{9F}\u{2028}é😀").text() == #""\u0000\u000B\u001F\u007F\u009F\u2028é😀""#)
        #expect(JSON("é😀").text(.standard) == #""\u00E9\uD83D\uDE00""#)
    }

    @Test(arguments: [
        (0.0, "0.0"), (-0.0, "-0.0"), (1, "1.0"), (0.4, "0.4"), (0.001, "0.001"), (0.0001, "1.0E-4"),
        (1234567, "1234567.0"), (9999999.5, "9999999.5"), (1e7, "1.0E7"), (1.5e10, "1.5E10"), (1e100, "1.0E100"),
        (0.4583333333333333, "0.4583333333333333"), (-12.25, "-12.25"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (123456789.125, "1.23456789125E8"), (.nan, "null"), (.infinity, "null"),
    ])
    func `doubles as Java spells them`(value: Double, text: String) {
        #expect(JSON.number(value).text() == text)
    }

    @Test(arguments: Seeds.some)
    func `what is written reads back`(seed: UInt64) throws {
        var random = TestRandom(seed: seed)
        for _ in 0..<300 {
            let value = JSON.random(&random, depth: 5)
            for style in [JSONStyle.compact, .pretty] {
                #expect(try JSON(parsing: value.encoded(style)) == value, "seed \(seed)")
            }
        }
    }

    @Test func `a table of 10,000 topics is quick`() throws {
        var table = JSONObject()
        for number in 0..<10_000 {
            let name = "topic-number-\(number)"
            table.set(
                .string(name),
                [
                    "attributes": [:], "order": false, "perm": 6, "readQueueNums": 8,
                    "topicFilterType": "SINGLE_TAG", "topicName": .string(name), "topicSysFlag": 0, "writeQueueNums": 8,
                ])
        }
        let value: JSON = ["topicConfigTable": .object(table)]
        let clock = ContinuousClock()
        var bytes: [UInt8] = []
        let writing = clock.measure { bytes = value.encoded() }
        var read: JSON = nil
        let reading = try clock.measure { read = try JSON(parsing: bytes) }
        print("10,000 topics: \(bytes.count) bytes, written in \(writing), read in \(reading)")
        #expect(read["topicConfigTable"]["topic-number-9999"]["perm"].int == 6)
        #expect(read["topicConfigTable"].object?.count == 10_000)
    }

    // MARK: - Golden

    @Test(arguments: Golden.versions)
    func `bodies on the wire read, and are written the same`(version: String) throws {
        var count = 0
        for frame in try Golden.frames(version: version) where frame.body.first == UInt8(ascii: "{") {
            let text = String(decoding: frame.body, as: UTF8.self)
            let value = try JSON(parsing: frame.body)
            #expect(try JSON(parsing: value.encoded()) == value, "\(frame.name)")
            if !frame.from.hasPrefix("c++"), !frame.from.hasPrefix("raw") {
                #expect(value.text() == text, "\(frame.name)")
            }
            count += 1
        }
        #expect(count > 50)
    }

    @Test(arguments: Golden.versions)
    func `config files read, and are written the same`(version: String) throws {
        for (name, bytes) in try Golden.configFiles(version: version) {
            #expect(
                String(decoding: try JSON(parsing: bytes).encoded(.pretty), as: UTF8.self)
                    == String(decoding: bytes, as: UTF8.self), "\(name)")
        }
    }
}
