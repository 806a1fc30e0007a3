import MQBase
import MQBytes
import MQMessage
import MQProtocol
import Testing

@testable import MQBroker

/// Goal: properties that are read with others in mind are what they are when they are read alone.
/// Method: streams of properties that differ as a producer's do, or in anything, or are damaged, are read by one memory and
/// each by a fresh one.
@Suite struct KnownPropertiesTests {
    static let seeds: [UInt64] = [1, 2, 3, .random(in: .min ... .max)]

    /// What a memory reads, with a header around it as it comes.
    private static func read(_ escaped: String, _ known: inout KnownProperties) throws -> (text: [UInt8], facts: String)
    {
        let json = Array(#"{"code":310,"extFields":{"i":"\#(escaped)"},"flag":0,"opaque":1,"version":1}"#.utf8)
        var frame = ByteBuffer()
        frame.append(bigEndian: Int32(4 + json.count))
        frame.append(bigEndian: Int32(json.count))
        frame.append(json)
        var header = RemotingHeader()
        try header.decode(try #require(try RemotingFrame.decode(frame.span, at: 0)), in: frame.span)
        var properties = ByteBuffer()
        properties.append(Array("what was there before".utf8).span)
        let facts = known.read(try #require(header.letter(UInt8(ascii: "i"))), in: frame.span, into: &properties)
        return (properties.toArray(), String(reflecting: facts))
    }

    @Test(arguments: seeds)
    func `what was read before changes nothing`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var used = KnownProperties()
        for _ in 0..<100 {
            let shape = Self.shape(&random)
            for _ in 0..<Int.random(in: 1..<30, using: &random) {
                let text = Self.text(shape, &random)
                var fresh = KnownProperties()
                guard let wanted = try? Self.read(text, &fresh) else { continue }  // damaged: no header
                let got = try Self.read(text, &used)
                #expect(got.text == wanted.text && got.facts == wanted.facts, "seed \(seed): \(text)")
            }
        }
    }

    @Test func `a unique key, keys and what applications add may differ, what the broker reads may not`() throws {
        func text(key: String, keys: String, own: String, wait: String = "true") -> String {
            [("KEYS", keys), ("UNIQ_KEY", key), ("WAIT", wait), ("own", own)]
                .map { $0 + #"\u0001"# + $1 }.joined(separator: #"\u0002"#)
        }
        var known = KnownProperties()
        let first = try Self.read(text(key: "AAAA", keys: "k1 k2", own: "x-1"), &known)
        #expect(known.remembers(text(key: "BBBB", keys: "k3 k4", own: "y/9")))
        let second = try Self.read(text(key: "BBBB", keys: "k3 k4", own: "y/9"), &known)
        #expect(second.facts == first.facts)
        let plain = "KEYS\u{1}k3 k4\u{2}UNIQ_KEY\u{1}BBBB\u{2}WAIT\u{1}true\u{2}own\u{1}y/9"
        #expect(String(decoding: second.text, as: UTF8.self) == plain)
        #expect(!known.remembers(text(key: "BBBB", keys: "k3 k4", own: "y/9", wait: "fals")), "WAIT is read")
        #expect(!known.remembers(text(key: "BBBB", keys: "k3_k4", own: #"\t9"#)), "escapes are others")
        #expect(!known.remembers(text(key: "BBBB", keys: "k3 k4", own: "é9")), "only signs below 128")
        #expect(!known.remembers(text(key: "BBBBB", keys: "k3 k4", own: "y9")), "lengths are others")
    }

    @Test func `a value that holds a separator may not differ`() throws {
        var known = KnownProperties()
        _ = try Self.read(#"own\u0001a\u0001b\u0002"#, &known)
        let other = try Self.read(#"own\u0001axu0001b\u0002"#, &known)
        #expect(String(decoding: other.text, as: UTF8.self) == "own\u{1}axu0001b\u{2}")
    }

    @Test func `a backslash of a binary header is no escape`() throws {
        var known = KnownProperties()
        _ = try Self.read(#"KEYS\u0001value\u0002"#, &known)
        let text = #"KEYS\u0001other\u0002"#
        var frame = ByteBuffer()
        RemotingCommand(.sendMessageV2, ["i": text]).encode(into: &frame, as: .rocketMQ)
        var header = RemotingHeader()
        try header.decode(try #require(try RemotingFrame.decode(frame.span, at: 0)), in: frame.span)
        var properties = ByteBuffer()
        _ = known.read(try #require(header.letter(UInt8(ascii: "i"))), in: frame.span, into: &properties)
        #expect(properties.span.toString() == text)
    }

    @Test func `properties give way to others that come again and again, and long ones are not kept`() throws {
        var known = KnownProperties()
        func text(_ name: String) -> String { name + #"\u0001value\u0002"# }
        _ = try Self.read(text(String(repeating: "n", count: 512)), &known)
        for _ in 0..<50 {
            _ = try Self.read(text("FIRST"), &known)
            _ = try Self.read(text("OTHER"), &known)
        }
        #expect(known.remembers(text("FIRST")) && !known.remembers(text("OTHER")))
        for _ in 0...KnownTexts.missesMax { _ = try Self.read(text("OTHER"), &known) }
        #expect(try Self.read("", &known).text.isEmpty && Self.read("x", &known).text == [0x78], "too short")
        #expect(known.remembers(text("OTHER")) && !known.remembers(text("FIRST")))
    }

    // MARK: - Making properties

    private static let names = [
        "KEYS", "TAGS", "UNIQ_KEY", "WAIT", "DELAY", "TRAN_MSG", "PGROUP", "CLUSTER", "MSG_REGION", "TRACE_ON",
        "INNER_NUM", "MAX_RECONSUME_TIMES", "TIMER_DELIVER_MS", "__SHARDINGKEY", "own", "a", "",
    ]

    private static func shape(_ random: inout SeededRandom) -> [(name: String, value: String)] {
        (0..<Int.random(in: 0..<12, using: &random)).map { _ in
            let value = ["true", "1", "12345678", "", "<>", "<><><>", "x y", #"a\"b"#, "é", #"a\u0001b"#]
            return (names.randomElement(using: &random) ?? "", value.randomElement(using: &random) ?? "")
        }
    }

    private static func text(_ shape: [(name: String, value: String)], _ random: inout SeededRandom) -> String {
        var text = shape.map { $0.name + #"\u0001"# + $0.value + #"\u0002"# }.joined()
        while let mark = text.firstRange(of: "<>") {
            text.replaceSubrange(mark, with: ["false", "7", "AB", "k1 k2"].randomElement(using: &random) ?? "")
        }
        if Bool.random(using: &random), !text.isEmpty { text.removeLast(6) }
        guard Int.random(in: 0..<3, using: &random) == 0, !text.isEmpty else { return text }
        let at = text.index(text.startIndex, offsetBy: Int.random(in: 0..<text.count, using: &random))
        let other: [Character] = ["0", "x", "\u{1}", "\u{2}", "\\", "\"", " ", "é", "u", "e", "2"]
        text.replaceSubrange(at...at, with: [other.randomElement(using: &random) ?? "0"])
        return text
    }
}
