import MQBase
import MQBytes
import MQMessage
import Testing

/// Goal: properties are found in every form that RocketMQ's versions write, and noise is passed over.
@Suite struct PropertiesTests {
    private func list(_ text: String) -> [String] {
        Properties.list(Array(text.utf8).span).map { "\($0.name)=\($0.value)" }
    }

    @Test func `the last separator may be missing`() {
        #expect(list("A\u{1}1\u{2}B\u{1}2\u{2}") == ["A=1", "B=2"])
        #expect(list("A\u{1}1\u{2}B\u{1}2") == ["A=1", "B=2"])
        #expect(list("") == [])
    }

    @Test func `a pair without its middle is passed over`() {
        #expect(list("A\u{2}B\u{1}2\u{2}\u{2}C") == ["B=2"])
        #expect(list("A\u{1}x\u{1}y\u{2}") == ["A=x\u{1}y"])
    }

    @Test func `a value is found by its whole name`() {
        let text = Array("XKEYS\u{1}no\u{2}KEYS\u{1}yes\u{2}KEYS\u{1}again".utf8)
        let range = Properties.value(of: PropertyName.keys, in: text.span)
        #expect(range.map { String(decoding: text[$0], as: UTF8.self) } == "yes")
        #expect(Properties.value(of: PropertyName.tags, in: text.span) == nil)
    }

    @Test func `what cannot be stored is left out`() {
        let bytes = Properties.encode([("A", "1"), ("B\u{1}", "2"), ("C", "3\u{2}"), ("D", "")])
        #expect(String(decoding: bytes, as: UTF8.self) == "A\u{1}1\u{2}D\u{1}\u{2}")
    }

    @Test(arguments: seeds)
    func `noise never traps and every range lies inside`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            let text = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                [1, 2, 65, 66, 0xFF].randomElement(using: &random) ?? UInt8(0)
            }
            Properties.forEach(in: text.span) { name, value in
                #expect(name.lowerBound >= 0 && name.upperBound < value.lowerBound && value.upperBound <= text.count)
                return true
            }
        }
    }
}

/// Goal: a name that passes is safe as a file name and is one RocketMQ takes.
@Suite struct NameRulesTests {
    @Test(arguments: ["a", "TopicTest", "%RETRY%g", "%DLQ%g", "a|b-c_d%9", "TBW102"])
    func `a good name passes`(name: String) {
        #expect(NameRules.refusal(ofTopic: name) == nil)
        #expect(NameRules.refusal(ofGroup: name) == nil)
    }

    @Test(arguments: ["", "..", "../x", "a/b", "a b", "a.b", "ä", "a\u{0}", "a\n", "\u{7F}"])
    func `a bad name is refused`(name: String) {
        #expect(NameRules.refusal(ofTopic: name) != nil)
        #expect(NameRules.refusal(ofGroup: name) != nil)
    }

    @Test func `a name may be as long as RocketMQ lets it`() {
        let long = String(repeating: "a", count: 127)
        #expect(NameRules.refusal(ofTopic: long) == nil)
        #expect(NameRules.refusal(ofTopic: long + "a") == "The specified topic is longer than topic max length.")
        let retry = "%RETRY%" + String(repeating: "a", count: 248)
        #expect(NameRules.refusal(ofTopic: retry) == nil)
        #expect(NameRules.refusal(ofTopic: retry + "a") != nil)
        let group = String(repeating: "g", count: 255)
        #expect(NameRules.refusal(ofGroup: group) == nil)
        #expect(NameRules.refusal(ofGroup: group + "g") != nil)
    }
}
