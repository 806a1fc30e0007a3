import MQBase
import MQBytes
import MQMessage
import Testing

@testable import MQProtocol

/// Goal: headers read by the short way, as clients write them, are what the general way and the writer say they are.
/// Method: random headers with all that peers may put there, written without blanks (the short way) and with blanks
/// between everything (the general way); what they must decode to is known from how they were made.
@Suite struct SendHeaderTests {
    /// One ext field: its name and value as JSON, and what they stand for; no text for one that counts as absent.
    struct MadeField {
        var key: String
        var keyJSON: String
        var json: String
        var text: String?
        var isLetter: Bool { keyJSON.utf8.count == 3 && ("a"..."p").contains(key) }
        /// Whether the value may be read as a number.
        var hasEscapes: Bool { json.contains("\\") }
    }

    static let seeds: [UInt64] = [1, 2, 3, 4, .random(in: .min ... .max)]

    @Test(arguments: seeds)
    func `the short way and the general way read the same`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<1500 {
            let made = (0..<Int.random(in: 0..<18, using: &random)).map { _ in Self.field(&random) }
            let opaque = Int32.random(in: .min ... .max, using: &random) >> Int32.random(in: 0..<32, using: &random)
            let compact = Self.header(made, opaque: opaque) { "" }
            let spaced = Self.header(made, opaque: opaque) {
                ["", " ", "\n\t", "   "][Int.random(in: 0..<4, using: &random)]
            }
            let wanted = Self.wanted(made)
            for header in [compact, spaced] {
                let command = try RemotingCommand(frame: Wire.frame(header, body: [7]).span)
                #expect(command.opaque == opaque && command.code == 310 && command.version == 479, "seed \(seed)")
                #expect(command.language == .java && command.flag == 0, "seed \(seed)")
                let got = command.fields.map { [$0.name, $0.value] }
                #expect(got == wanted, "seed \(seed): \(header)")
                try Self.compareRequest(header, made, seed)
            }
        }
    }

    @Test(arguments: seeds)
    func `a damaged header is refused or read, the same by both views`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<3000 {
            let made = (0..<8).map { _ in Self.field(&random) }
            var bytes = Array(Self.header(made, opaque: 5) { "" }.utf8)
            for _ in 0..<Int.random(in: 1..<4, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = Array("\"\\{}[]:,u01 \u{1}ae9".utf8).randomElement(using: &random) ?? 0
                case 1: bytes.remove(at: at)
                default: bytes.removeSubrange(at...)
                }
                if bytes.isEmpty { bytes = [UInt8(ascii: "{")] }
            }
            let frame = Wire.frame(header: bytes, body: [1, 2, 3])
            guard let command = try? RemotingCommand(frame: frame.span) else { continue }
            let (header, span) = (try Self.decode(frame), frame.span)
            for letter in RemotingHeader.lettersNamed {
                let named = command.fields.filter { $0.name == String(UnicodeScalar(letter)) }.map(\.value)
                guard let text = header.letter(letter)?.string(in: span) else { continue }
                #expect(named.contains(text), "seed \(seed)")  // an escaped name may say the same letter
            }
            _ = try? SendMessageRequest(short: header, in: span)
        }
    }

    @Test func `of two fields with one letter the last counts, however they are written`() throws {
        for fields in [
            #""b":"x","b":"y""#, #""b" :"x","b":"y""#, #""b":"x","b": "y""#, #""b":null,"b":"y""#, #""b":"y","b":null"#,
            #""b":"y","\u0062":"x""#, #""b":"\n","b":"y""#,
        ] {
            let frame = Wire.frame("{\"extFields\":{\(fields)}}")
            let request = try SendMessageRequest(short: Self.decode(frame), in: frame.span)
            #expect(request.topic.string(in: frame.span) == "y", "\(fields)")
        }
    }

    @Test func `letters count against the limit of fields, repeated or not`() {
        let fields = (0...RemotingHeader.fieldsMax).map { _ in "\"b\":\"x\"" }.joined(separator: ",")
        #expect(throws: WireError.tooMany("ext fields", limit: RemotingHeader.fieldsMax)) {
            _ = try RemotingCommand(frame: Wire.frame("{\"extFields\":{\(fields)}}").span)
        }
    }

    @Test(arguments: ["", "-", "1e3", "1.0", "2147483648", "0x1", " 1", "1 ", #"\u0031"#, "12345678901234567890"])
    func `a queue that is no 32-bit number is refused`(text: String) throws {
        let frame = Wire.frame("{\"extFields\":{\"b\":\"T\",\"e\":\"\(text)\"}}")
        let header = try Self.decode(frame)
        #expect(throws: WireError.self) { _ = try SendMessageRequest(short: header, in: frame.span) }
    }

    // MARK: - Making headers

    private static func decode(_ bytes: [UInt8]) throws -> RemotingHeader {
        var header = RemotingHeader()
        let frame = try #require(try RemotingFrame.decode(bytes.span, at: 0))
        try header.decode(frame, in: bytes.span)
        return header
    }

    private static func header(_ fields: [MadeField], opaque: Int32, _ blank: () -> String) -> String {
        func joined(_ members: [(String, String)]) -> String {
            let texts = members.map { blank() + $0.0 + blank() + ":" + blank() + $0.1 + blank() }
            return "{" + texts.joined(separator: ",") + "}"
        }
        let ext = joined(fields.map { ($0.keyJSON, $0.json) })
        return joined([
            ("\"code\"", "310"), ("\"extFields\"", ext), ("\"flag\"", "0"), ("\"language\"", "\"JAVA\""),
            ("\"opaque\"", "\(opaque)"), ("\"serializeTypeCurrentRPC\"", "\"JSON\""), ("\"version\"", "479"),
        ])
    }

    private static func field(_ random: inout SeededRandom) -> MadeField {
        let letters = Array("abcdefghijklmnopqz1").map(String.init)
        var key = letters[Int.random(in: 0..<letters.count, using: &random)]
        var keyJSON = "\"\(key)\""
        switch Int.random(in: 0..<20, using: &random) {
        case 0: (key, keyJSON) = ("topic", "\"topic\"")
        case 1: (key, keyJSON) = ("", "\"\"")
        case 2: (key, keyJSON) = ("b", "\"\\u0062\"")
        case 3: (key, keyJSON) = ("\"", "\"\\\"\"")
        default: break
        }
        let (json, text) = value(&random, numbersOnly: "defghjl".contains(key) && Bool.random(using: &random))
        return MadeField(key: key, keyJSON: keyJSON, json: json, text: text)
    }

    /// A value as JSON, and the text it stands for.
    private static func value(_ random: inout SeededRandom, numbersOnly: Bool) -> (String, String?) {
        let number = Int64.random(in: .min ... .max, using: &random) >> Int64.random(in: 0..<64, using: &random)
        switch Int.random(in: 0..<(numbersOnly ? 3 : 9), using: &random) {
        case 0: return ("\"\(number)\"", "\(number)")
        case 1: return ("\(number)", "\(number)")
        case 2: return ("\"\(abs(number % 10))\"", "\(abs(number % 10))")
        case 3: return [("null", nil), ("true", "true"), ("false", "false")][Int.random(in: 0..<3, using: &random)]
        case 4: return (#"{"a":["b",{"i":"x"}],"c":{}}"#, nil)
        default: break
        }
        let pieces = [
            ("plain", "plain"), ("x", "x"), ("UNIQ_KEY", "UNIQ_KEY"), ("é", "é"), (#"\u0001"#, "\u{1}"),
            (#"\u0002"#, "\u{2}"), (#"\u0007"#, "\u{7}"), (#"\u0001"#, "\u{1}"), (#"\u0002"#, "\u{2}"),
            (#"\u0008"#, "\u{8}"), (#"\n"#, "\n"), (#"\""#, "\""), (#"\\"#, "\\"), (#"\/"#, "/"),
            (#"\ud83d\ude00"#, "😀"), ("{", "{"), (",", ","), (":", ":"), (" ", " "),
        ]
        let some = Bool.random(using: &random) ? 0..<9 : 0..<pieces.count  // often only what the short way takes
        let chosen = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
            pieces[Int.random(in: some, using: &random)]
        }
        return ("\"" + chosen.map(\.0).joined() + "\"", chosen.map(\.1).joined())
    }

    // MARK: - What they stand for

    private static func lastByLetter(_ fields: [MadeField]) -> [String: MadeField] {
        var last: [String: MadeField] = [:]
        for field in fields where field.isLetter && field.text != nil { last[field.key] = field }
        return last
    }

    /// All that counts, in order; of a letter the last.
    private static func wanted(_ fields: [MadeField]) -> [[String]] {
        var wanted: [[String]] = []
        for (index, field) in fields.enumerated() {
            guard let text = field.text else { continue }
            let isRepeated = fields[(index + 1)...].contains { $0.isLetter && $0.key == field.key && $0.text != nil }
            if !field.isLetter || !isRepeated { wanted.append([field.key, text]) }
        }
        return wanted
    }

    private static func compareRequest(_ header: String, _ fields: [MadeField], _ seed: UInt64) throws {
        let last = lastByLetter(fields)
        func number(_ key: String) -> Int64?? {
            guard let field = last[key] else { return .some(nil) }
            let value = field.hasEscapes ? nil : field.text.flatMap { Int64($0) }
            return value.map { .some($0) }
        }
        let bytes = Wire.frame(header)
        let decoded = try decode(bytes)
        let numbers = ["d", "e", "f", "h", "j", "l"].map { ($0, number($0)) }
        let isSound =
            numbers.allSatisfy { $0.1 != nil && ($0.1! == nil || Int32(exactly: $0.1!!) != nil) } && number("g") != nil
        guard isSound else {
            #expect(throws: WireError.self, "seed \(seed): \(header)") {
                _ = try SendMessageRequest(short: decoded, in: bytes.span)
            }
            return
        }
        let request = try SendMessageRequest(short: decoded, in: bytes.span)
        func text(_ value: HeaderText) -> String { value.string(in: bytes.span) }
        #expect(text(request.producerGroup) == last["a"]?.text ?? "", "seed \(seed)")
        #expect(text(request.topic) == last["b"]?.text ?? "", "seed \(seed)")
        #expect(text(request.defaultTopic) == last["c"]?.text ?? "", "seed \(seed)")
        #expect(text(request.properties) == last["i"]?.text ?? "", "seed \(seed)")
        let got: [Int32?] = [
            request.defaultTopicQueueNums, request.queueID, request.sysFlag.rawValue, request.flag,
            request.reconsumeTimes, request.maxReconsumeTimes,
        ]
        for (value, (name, wanted)) in zip(got, numbers) {
            #expect(value.map(Int64.init) == wanted! ?? (name == "l" ? nil : 0), "seed \(seed): \(name) in \(header)")
        }
        #expect(request.bornTimestamp == number("g")! ?? 0, "seed \(seed)")
        #expect(request.isBatch == (last["m"]?.text?.lowercased() == "true"), "seed \(seed)")
    }
}
