import MQBase
import MQBytes
import Testing

@testable import MQFilter

/// Goal: the broker lets through what Java's would. Method: cases by hand, and Java's rules written down beside it.
@Suite struct TagFilterTests {
    private func code(_ tag: String) -> Int64 { Int64(javaHashCode(Array(tag.utf8).span)) }

    @Test(arguments: ["*", "", " ", " * ", "\t"])
    func `everything`(expression: String) throws {
        let filter = try #require(TagFilter(expression))
        #expect(filter == .all && filter.matches(0) && filter.matches(code("A")) && filter.matches(.min))
    }

    @Test func `one tag or several`() throws {
        let one = try #require(TagFilter("TagA"))
        #expect(one.matches(code("TagA")) && !one.matches(code("TagB")) && !one.matches(0))
        let two = try #require(TagFilter(" TagA ||TagB|| TagC "))
        for tag in ["TagA", "TagB", "TagC"] { #expect(two.matches(code(tag))) }
        for tag in ["TagD", "", "TagA ", "TagA ||TagB"] { #expect(!two.matches(code(tag)), "\(tag)") }
        #expect(TagFilter("A||A") == TagFilter("A") || TagFilter("A||A")?.matches(code("A")) == true)
    }

    @Test func `hashes that collide pass, the consumer looks at the text`() throws {
        let filter = try #require(TagFilter("Aa"))
        #expect(filter.matches(code("BB")))
    }

    @Test func `bars that part nothing belong to the tag`() throws {
        #expect(try #require(TagFilter("a|b")).matches(code("a|b")))
        #expect(try #require(TagFilter("a||||b")).matches(code("b")))
        #expect(try #require(TagFilter("||a||")).matches(code("a")))
    }

    @Test(arguments: ["||", "||||", " || ", "|| ||"])
    func `an expression without a tag is none`(expression: String) { #expect(TagFilter(expression) == nil) }

    @Test func `more tags than anybody means are refused`() {
        let expression = { (count: Int) in (0..<count).map { "t\($0)" }.joined(separator: "||") }
        #expect(TagFilter(expression(TagFilter.tagsMax)) != nil)
        #expect(TagFilter(expression(TagFilter.tagsMax + 1)) == nil)
        #expect(TagFilter(String(repeating: "|", count: 1_000_000)) == nil)
    }

    @Test func `codes of a heartbeat count as they are`() {
        let filter = TagFilter(codes: [-5, 7])
        #expect(filter.matches(-5) && filter.matches(7) && !filter.matches(0))
        #expect(TagFilter(codes: []) == .all)
    }

    /// Source: `FilterAPI.buildSubscriptionData`: split at `\|\|`, trimmed, empty parts passed over.
    @Test(arguments: 0..<10)
    func `as Java splits it`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let parts = ["A", "B", "TagC", " ", "", "d e", "é", "*"]
        for _ in 0..<300 {
            let chosen = (0..<Int.random(in: 1..<6, using: &random)).map { _ in
                parts.randomElement(using: &random) ?? ""
            }
            let expression = chosen.joined(separator: "||")
            let trimmed = { (text: String) in String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
            let tags = Set(chosen.map(trimmed).filter { !$0.isEmpty })
            let whole = trimmed(expression)
            let filter = TagFilter(expression)
            if whole.isEmpty || whole == "*" {
                #expect(filter == .all, "\(expression)")
                continue
            }
            guard !tags.isEmpty else {
                #expect(filter == nil, "\(expression)")
                continue
            }
            for tag in ["A", "B", "TagC", "d e", "é", "*", "none"] {
                #expect(filter?.matches(code(tag)) == tags.contains(tag), "\(expression) \(tag), seed \(seed)")
            }
        }
    }
}
