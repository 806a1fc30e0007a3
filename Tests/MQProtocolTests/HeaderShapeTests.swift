import MQBase
import MQBytes
import Testing

@testable import MQProtocol

/// Goal: a header that is read with another one in mind is what it is when it is read alone.
/// Method: one header value reads streams of headers that differ as a producer's do, or in anything, or are damaged; each is
/// read by a fresh one, too.
@Suite struct HeaderShapeTests {
    static let seeds: [UInt64] = [1, 2, 3, 4, .random(in: .min ... .max)]

    @Test(arguments: seeds)
    func `what was read before changes nothing`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var used = RemotingHeader()
        var knownCount = 0
        for _ in 0..<150 {
            let shape = Self.shape(&random)
            for _ in 0..<Int.random(in: 1..<40, using: &random) {
                var text = Array(Self.header(shape, &random).utf8)
                if Int.random(in: 0..<4, using: &random) == 0 { Self.damage(&text, &random) }
                let padding = [UInt8](repeating: 0x20, count: Int.random(in: 0..<9, using: &random))
                let bytes = padding + Wire.frame(header: text, body: [1, 2])
                let frame = try #require(try RemotingFrame.decode(bytes.span, at: padding.count))
                var fresh = RemotingHeader()
                let wanted = Result { try fresh.decode(frame, in: bytes.span) }
                let isKnown = used.remembers(text)
                let got = Result { try used.decode(frame, in: bytes.span) }
                if isKnown { knownCount += 1 }
                let comment = "seed \(seed): \(String(decoding: text, as: UTF8.self))"
                let isSound = (try? wanted.get()) != nil
                #expect(isSound == ((try? got.get()) != nil), "\(comment)")
                if isSound { Self.compare(used, fresh, bytes.span, comment) }
            }
        }
        #expect(knownCount > 50, "the short way was hardly taken: \(knownCount)")
    }

    @Test func `values that differ may be empty, long, escaped, or something else altogether`() throws {
        var used = RemotingHeader()
        func read(_ json: String) throws -> (RemotingHeader, [UInt8]) {
            let bytes = Wire.frame(json)
            let frame = try #require(try RemotingFrame.decode(bytes.span, at: 0))
            try used.decode(frame, in: bytes.span)
            return (used, bytes)
        }
        func json(_ e: String, _ g: String, _ i: String, _ opaque: String) -> String {
            #"{"code":310,"extFields":{"a":"G","e":"\#(e)","f":"0","g":"\#(g)","i":"\#(i)","j":"7"},"flag":2,"#
                + #""language":"JAVA","opaque":\#(opaque),"version":399}"#
        }
        for (e, g, i, opaque) in [
            ("", "", "", "0"), ("3", "1700000000000", #"A\u0001b\u0002"#, "2147483647"), ("31", "", #"\\"#, "1"),
            ("3", "5", #"quote \" in it"#, "12"), ("3", "5", String(repeating: "x", count: 3000), "12"),
        ] {
            let (header, bytes) = try read(json(e, g, i, opaque))
            #expect(header.opaque == Int32(opaque) && header.isOneWay && header.version == 399)
            #expect(header.letter(UInt8(ascii: "e"))?.string(in: bytes.span) == e)
            #expect(header.letter(UInt8(ascii: "g"))?.string(in: bytes.span) == g)
            #expect(header.letter(UInt8(ascii: "j"))?.string(in: bytes.span) == "7")
        }
        #expect(used.remembers(json("", "", "", "7")))
        for wrong in ["2147483648", "\"x\"", "-", "", "["] {
            #expect(throws: WireError.self, "\(wrong)") { _ = try read(json("1", "2", "3", wrong)) }
        }
        let (negative, _) = try read(json("1", "2", "3", "-5"))
        #expect(negative.opaque == -5)
        let (other, _) = try read(#"{"code":11,"opaque":9}"#)
        #expect(other.code == 11 && other.letter(UInt8(ascii: "a")) == nil && other.flag == 0 && other.version == 0)
    }

    @Test func `a shape gives way to one that comes again and again, and long headers are not kept`() throws {
        var used = RemotingHeader()
        func json(_ group: String) -> String {
            #"{"code":310,"extFields":{"a":"\#(group)","e":"1","g":"2","i":"p"},"flag":0,"opaque":1,"version":1}"#
        }
        func read(_ group: String) throws {
            let bytes = Wire.frame(json(group))
            let frame = try #require(try RemotingFrame.decode(bytes.span, at: 0))
            try used.decode(frame, in: bytes.span)
            #expect(used.letter(UInt8(ascii: "a"))?.string(in: bytes.span) == group)
        }
        func holds(_ group: String) -> Bool {
            used.remembers(json(group))
        }
        try read(String(repeating: "x", count: 1024))
        for _ in 0..<100 {
            try read("FIRST")
            try read("OTHER")
            try read("LONGER")
        }
        #expect(holds("FIRST") && holds("LONGER") && !holds("OTHER"))
        for _ in 0...KnownTexts.missesMax { try read("OTHER") }
        #expect(holds("OTHER") && holds("LONGER") && !holds("FIRST"))
    }

    // MARK: - Making headers

    /// The members of a header, with marks for what differs.
    private static func shape(_ random: inout SeededRandom) -> [String] {
        var fields = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "m"].map { "\"\($0)\":\"<\($0)>\"" }
        for _ in 0..<Int.random(in: 0..<3, using: &random) {
            let extra = ["\"e\":\"<e>\"", "\"n\":\"x\"", "\"i\":\"<i>\"", "\"a\":null", "\"e\":<e>", "\"topic\":\"T\""]
            fields.append(extra[Int.random(in: 0..<extra.count, using: &random)])
        }
        if Bool.random(using: &random) { fields.remove(at: Int.random(in: 0..<fields.count, using: &random)) }
        if Int.random(in: 0..<3, using: &random) == 0 { fields.shuffle(using: &random) }
        let colon = ["\":", "\":", "\":", "\" :", "\": "][Int.random(in: 0..<5, using: &random)]
        var members = [
            "\"code\":310", "\"extFields\":{" + fields.joined(separator: ",") + "}", "\"flag\":0",
            "\"language\":\"JAVA\"",
            "\"opaque\":<opaque>", "\"serializeTypeCurrentRPC\":\"JSON\"", "\"version\":479",
        ]
        if Int.random(in: 0..<3, using: &random) == 0 { members.shuffle(using: &random) }
        if Int.random(in: 0..<6, using: &random) == 0 { members.append("\"remark\":\"r\"") }
        return ["{" + members.joined(separator: ",").replacing("\":", with: colon) + "}"]
    }

    private static func header(_ shape: [String], _ random: inout SeededRandom) -> String {
        func one(_ values: [String]) -> String {  // mostly of the usual size
            values[Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 0..<values.count, using: &random) : 0]
        }
        var text = shape[0]
        text = text.replacing("<e>", with: one(["0", "3", "5", "17", "", "x\\u0041"]))
        text = text.replacing("<g>", with: one(["1700000000000", "5", ""]))
        text = text.replacing(
            "<i>", with: one([#"K\u0001v\u0002"#, "", #"a\"b"#, #"c\\"#, #"T\u0001é\u0002"#, "plain"]))
        text = text.replacing(
            "<opaque>",
            with: "\(Int32.random(in: one(["1", "-2"]) == "1" ? 100_000_000...200_000_000 : -2...200, using: &random))")
        for letter in "abcdfhjkm" { text = text.replacing("<\(letter)>", with: "v\(letter)") }
        return text
    }

    private static func damage(_ text: inout [UInt8], _ random: inout SeededRandom) {
        let at = Int.random(in: 0..<text.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: text[at] = Array("\"\\{}[]:,u01 \u{1}ae9".utf8).randomElement(using: &random) ?? 0
        case 1: text.remove(at: at)
        default: text.insert(UInt8.random(in: 0...255, using: &random), at: at)
        }
    }

    private static func compare(
        _ used: RemotingHeader, _ fresh: RemotingHeader, _ bytes: Span<UInt8>, _ comment: String
    ) {
        #expect(used.code == fresh.code && used.opaque == fresh.opaque, "\(comment)")
        #expect(used.flag == fresh.flag && used.version == fresh.version, "\(comment)")
        #expect(used.language == fresh.language && used.remark == fresh.remark, "\(comment)")
        #expect(used.fieldCount == fresh.fieldCount, "\(comment)")
        let (got, wanted) = (used.allFields(in: bytes), fresh.allFields(in: bytes))
        #expect(got.map(\.name) == wanted.map(\.name) && got.map(\.value) == wanted.map(\.value), "\(comment)")
    }
}

extension RemotingHeader {
    /// Whether `header` is read by the short way.
    fileprivate func remembers(_ header: [UInt8]) -> Bool {
        shapes.texts.place(header.count).map { shapes.resembles(header.span, $0) } ?? false
    }

    fileprivate func remembers(_ header: String) -> Bool { remembers(Array(header.utf8)) }
}
