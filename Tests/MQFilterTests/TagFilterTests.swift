import MQBytes
import MQFilter
import Testing

/// Goal: tag expressions select as `FilterAPI` and the broker's hash comparison do.
@Suite struct TagFilterTests {
    private func code(_ tag: String) -> Int64 { Int64(javaHashCode(Array(tag.utf8).span)) }

    @Test(arguments: ["*", "", "  ", " * "]) func `a star or nothing wants everything`(expression: String) {
        #expect(TagFilter(expression) == .all)
        #expect(TagFilter.all.matches(code("TagA")) && TagFilter.all.matches(0))
    }

    @Test(arguments: ["TagA||TagB", " TagA || TagB ", "TagA|| ||TagB", "||TagA||TagB||"])
    func `tags between bars are wanted, others are not`(expression: String) throws {
        let filter = try #require(TagFilter(expression))
        #expect(filter.matches(code("TagA")) && filter.matches(code("TagB")))
        #expect(!filter.matches(code("TagC")) && !filter.matches(0))
    }

    @Test func `a single bar belongs to the tag`() throws {
        let filter = try #require(TagFilter("a|b"))
        #expect(filter.matches(code("a|b")) && !filter.matches(code("a")))
    }

    @Test func `no tag at all, and too many, are refused`() {
        #expect(TagFilter("||") == nil)
        let most = (0..<TagFilter.tagsMax).map { "t\($0)" }.joined(separator: "||")
        #expect(TagFilter(most) != nil)
        #expect(TagFilter(most + "||one") == nil)
    }

    @Test func `the codes of a subscription select as its text does`() throws {
        let filter = try #require(TagFilter("TagA || TagB"))
        #expect(TagFilter(codes: [Int(code("TagB")), Int(code("TagA"))]) == filter)
        #expect(TagFilter(codes: [Int]()) == .all)
    }

    @Test func `tags whose hash codes collide pass together: consumers compare the text again`() throws {
        #expect(code("Aa") == code("BB"))
        #expect(try #require(TagFilter("Aa")).matches(code("BB")))
    }
}
