import MQBase
import MQBytes
import MQMessage
import Testing

@testable import MQStore

@Suite struct PropertyFactsTests {
    /// What ``PropertyFacts`` must find, the plain way.
    private struct Plain: Equatable {
        var tagsHash: Int32 = 0
        var delayLevel: Int64?
        var keys: [String] = []

        init(_ text: [UInt8]) {
            for (name, value) in Properties.list(text.span) {
                switch name {
                case PropertyName.tags.description: tagsHash = javaHashCode(Array(value.utf8).span)
                case PropertyName.keys.description: keys += value.split(separator: " ").map(String.init)
                case PropertyName.delay.description: delayLevel = Int64(value)
                case PropertyName.uniqueKey.description: if !value.isEmpty { keys.append(value) }
                default: break
                }
            }
        }

        init(_ facts: PropertyFacts, _ text: [UInt8]) {
            tagsHash = facts.tagsHash
            delayLevel = facts.delayLevel
            keys = (0..<facts.keyCount).map { text.span.extracting(facts.key($0)).toString() }
        }
    }

    @Test(arguments: [
        "", "\u{1}", "\u{2}", "TAGS", "TAGS\u{1}", "TAGS\u{1}a", "TAGS\u{1}a\u{2}", "\u{2}TAGS\u{1}a",
        "TAGS\u{2}KEYS\u{1}k\u{2}",
        "KEYS\u{1}one two  three \u{2}UNIQ_KEY\u{1}four\u{2}", "UNIQ_KEY\u{1}\u{2}", "DELAY\u{1}3\u{2}DELAY\u{1}x\u{2}",
        "TAGS\u{1}a\u{1}b\u{2}KEYS\u{1}k", "TAG\0S\u{1}a\u{2}TAGS\u{1}b\0c\u{2}",
        "DELAX\u{1}3\u{2}UNIQ_KEX\u{1}a\u{2}KEYT\u{1}b",
        "A\u{1}b\u{2}TAGS\u{1}first\u{2}TAGS\u{1}second\u{2}", "\u{1}TAGS\u{1}x\u{2}KEYS\u{1}y",
    ])
    func `the pass finds what the general reader finds`(text: String) {
        let bytes = Array(text.utf8)
        #expect(Plain(PropertyFacts(bytes.span), bytes) == Plain(bytes))
    }

    @Test(arguments: 0..<4) func `it does so for any bytes`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let words = [
            "TAGS", "KEYS", "DELAY", "UNIQ_KEY", "WAIT", "\u{1}", "\u{2}", "\u{1}", "\u{2}", " ", "\0", "3", "abcdefgh",
        ]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in words.randomElement(using: &random)! }
                .joined()
            let bytes = Array(text.utf8)
            #expect(Plain(PropertyFacts(bytes.span), bytes) == Plain(bytes), "\(bytes) seed \(seed)")
        }
    }

    @Test func `the names are RocketMQ's`() {
        func bytes(_ name: StaticString) -> [UInt8] { Array(name.description.utf8) }
        #expect(bytes(PropertyName.tags).span.int32(at: 0) == PropertyFacts.Name.tags)
        #expect(bytes(PropertyName.keys).span.int32(at: 0) == PropertyFacts.Name.keys)
        #expect(bytes(PropertyName.delay).span.int32(at: 0) == PropertyFacts.Name.delayHead)
        #expect(bytes(PropertyName.delay)[4] == PropertyFacts.Name.delayTail)
        #expect(bytes(PropertyName.uniqueKey).span.int64(at: 0) == PropertyFacts.Name.uniqueKey)
    }
}
