import Foundation
import MQBase
import Testing

@testable import MQFilter

/// Goal: what RocketMQ refuses is refused, with the place and the reason; what it takes is taken; no text traps or costs
/// more than its length. Method: tables, bombs, and random words.
@Suite struct SQLSyntaxTests {
    @Test(arguments: [
        "a=3 and b<>4 And c>5 AND d<=4", "a=3  and    b<>4 And c>5 AND d<=4", "a in ('3', '4', '5')",
        "(a not in ('6', '4', '5')) or (b in ('3', '4', '5'))", "(a between 2 and 10) AND (b not between 6 and 9)",
        "a is null", "a is not null", "a <= now", "a=3 and b contains 'xxx' and c not contains 'xxx'",
        "\t a\n=\r\u{C}3 ", "a=3 -- to the line's end\n", "a /* b * / c **/ = /**/ 3", "$a_1 = _B$2", "a=''''",
        "a = 9223372036854775807", "a = 5e-324", "a = 1.7976931348623157E308", "((((a))))", "TRUE", "a=''",
        "- -1 < a", "NOT NOT a", "3 = TRUE", "TRUE = -3", "a BETWEEN -1 AND -2", "a = 'x\ny'", "a=1or b=2",
        "notes = 'n' AND android = 'a' AND inn = 'i'", "a='é' OR a='\u{1F600}'", "isnull = 1", "a = 1--1\n",
    ])
    func `taken`(expression: String) { #expect(refusal(expression) == nil, "\(expression)") }

    @Test(arguments: [
        ("", 1, SQLFilterError.Problem.empty), (" \n", 1, .empty), ("/* */", 1, .empty),
        ("a and between 2 and 10", 7, .unexpected(found: "between", expected: "a property, a value, NOT or (")),
        ("a between 10 and 0", 11, .boundsBackwards), ("a between 2.5 and 1", 11, .boundsBackwards),
        ("a > 100000000000000000000000", 5, .numberOutOfRange("100000000000000000000000")),
        ("a > 9223372036854775808", 5, .numberOutOfRange("9223372036854775808")),
        ("a > 1e400", 5, .numberOutOfRange("1e400")), ("a > 0.0", 5, .numberOutOfRange("0.0")),
        ("a > 'x'", 5, .notOrdered), ("'x' < a", 1, .notOrdered), ("a > TRUE", 5, .notOrdered),
        ("a > NULL", 5, .notOrdered), ("a > b > c", 1, .notOrdered), ("a > (b = 1)", 6, .notOrdered),
        ("a between 'a' and 'b'", 11, .notOrdered), ("a between NULL and 1", 11, .notOrdered),
        ("a = NULL", 5, .comparedWithNull), ("NULL <> a", 1, .comparedWithNull),
        ("TRUE = 3", 1, .booleanWithOther), ("FALSE <> 'x'", 1, .booleanWithOther),
        ("'a' IN ('a')", 1, .inWithoutProperty), ("NOT a IN ('a')", 1, .inWithoutProperty),
        ("a IN (3)", 7, .unexpected(found: "3", expected: "a string")),
        ("a IN ()", 7, .unexpected(found: ")", expected: "a string")),
        ("a IN ('x' 'y')", 11, .unexpected(found: "'y'", expected: ", or )")),
        ("a IN 'x'", 6, .unexpected(found: "'x'", expected: "(")),
        ("a CONTAINS b", 12, .unexpected(found: "b", expected: "a string")),
        ("a CONTAINS ", 12, .unexpected(found: "the end", expected: "a string")),
        ("a NOT STARTSWITH 3", 18, .unexpected(found: "3", expected: "a string")),
        ("3", 1, .notCondition), ("'x' OR a", 1, .notCondition), ("a AND 3", 7, .notCondition),
        ("NOT 3", 5, .notCondition), ("-TRUE", 1, .notCondition), ("-(a = 1) = 2", 1, .negatedCondition),
        ("a = 'x", 5, .unclosedString), ("a = 1 /* x", 7, .unclosedComment), ("a = 1 /*/", 7, .unclosedComment),
        ("a == 3", 4, .unexpected(found: "=", expected: "a property, a value, NOT or (")),
        ("a != 3", 3, .unknownCharacter("!")), ("é = 3", 1, .unknownCharacter("é")),
        ("'é' = a & b", 9, .unknownCharacter("&")), ("a.b = 3", 2, .unknownCharacter(".")),
        ("a IS 3", 6, .unexpected(found: "3", expected: "NULL or NOT NULL")),
        ("a IS NOT b", 10, .unexpected(found: "b", expected: "NULL")),
        ("a BETWEEN 1 OR 2", 13, .unexpected(found: "OR", expected: "AND")),
        ("(a = 1", 7, .unexpected(found: "the end", expected: "AND, OR or )")),
        ("a = 1)", 6, .unexpected(found: ")", expected: "AND, OR or the end")),
        ("a = 007", 6, .unexpected(found: "0", expected: "AND, OR or the end")),
        ("a = 0x1F", 6, .unexpected(found: "x1F", expected: "AND, OR or the end")),
        ("a LIKE 'x'", 3, .unexpected(found: "LIKE", expected: "AND, OR or the end")),
        ("a = 3 b = 4", 7, .unexpected(found: "b", expected: "AND, OR or the end")),
        ("a = 1 NOT", 7, .unexpected(found: "NOT", expected: "AND, OR or the end")),
        ("a = 1 -- x", 7, .unexpected(found: "-", expected: "AND, OR or the end")),
        ("a = 1 + 2", 7, .unexpected(found: "+", expected: "AND, OR or the end")),
        ("AND", 1, .unexpected(found: "AND", expected: "a property, a value, NOT or (")),
    ])
    func `refused`(expression: String, character: Int, problem: SQLFilterError.Problem) {
        #expect(refusal(expression) == SQLFilterError(problem: problem, character: character), "\(expression)")
    }

    @Test func `a refusal is a sentence with a place`() {
        #expect(
            refusal("a = 'b' AMD c = 3")?.description
                == "Invalid MessageSelector. At character 9: expected AND, OR or the end, found AMD")
        let long = String(repeating: "x", count: 1000)
        #expect(
            refusal("a = 3 \(long)")?.description.count == 32 + 1 + "Invalid MessageSelector. At character 7: ".count
                + "expected AND, OR or the end, found ".count)
    }

    @Test func `what would cost too much is refused`() {
        let terms = { (count: Int) in Array(repeating: "a=1", count: count).joined(separator: " or ") }
        #expect(refusal(terms(1300)) == nil)
        #expect(refusal(terms(1500))?.problem == .tooManySteps)
        #expect(refusal(terms(100_000))?.problem == .tooLong(byteCount: 699_996))
        let deep = { (count: Int) in
            String(repeating: "(", count: count) + "a" + String(repeating: ")", count: count)
        }
        #expect(refusal(deep(SQLLimits.nestingMax)) == nil)
        #expect(refusal(deep(SQLLimits.nestingMax + 1))?.problem == .tooDeep)
        #expect(refusal(deep(30_000))?.problem == .tooDeep && refusal(deep(100_000))?.problem != nil)
        for sign in ["NOT ", "- ", "+", "-(", "NOT("] {
            #expect(refusal(String(repeating: sign, count: 10_000) + "a")?.problem == .tooDeep, "\(sign)")
        }
        // Conditions that wait for their right side, three a level.
        let waiting = String(repeating: "a OR b AND c = (", count: 40) + "a" + String(repeating: ")", count: 40)
        #expect(refusal(waiting)?.problem == .tooDeep)
        let properties = { (count: Int) in (0..<count).map { "p\($0) IS NULL" }.joined(separator: " AND ") }
        #expect(refusal(properties(SQLLimits.propertiesMax)) == nil)
        #expect(refusal(properties(SQLLimits.propertiesMax + 1))?.problem == .tooManyProperties)
        let searches = { (count: Int) in
            Array(repeating: "a CONTAINS 'x'", count: count).joined(separator: " AND ")
        }
        #expect(refusal(searches(SQLLimits.searchesMax)) == nil)
        #expect(refusal(searches(SQLLimits.searchesMax + 1))?.problem == .tooManySearches)
        let list = (0..<5000).map { "'id\($0)'" }.joined(separator: ",")
        #expect(outcome("k IN (\(list))", ["k": "id4711"]) == "yes")
        #expect(outcome("k IN (\(list))", ["k": "id5000"]) == "no")
        let text = String(repeating: "x", count: SQLLimits.expressionByteCountMax - 13)
        #expect(outcome("a CONTAINS '\(text)'", ["a": String(repeating: "x", count: 32_000)]) == "no")
    }

    /// `MQ_SEED` runs another seed.
    @Test func `random words are compiled or refused, and evaluate`() {
        let seed = ProcessInfo.processInfo.environment["MQ_SEED"].flatMap { UInt64($0) } ?? 92
        var random = SeededRandom(seed: seed)
        let words = [
            "a", "b", "TRUE", "NULL", "3", "3000000000", "1.5", "'x'", "''", "=", "<>", "<", ">=", "(", ")", ",", "-",
            "+", "NOT", "AND", "OR", "IS", "IN", "BETWEEN", "CONTAINS", "ENDSWITH", "'", "/*", "*/", "--", "\n", "é",
            "AND a", "OR b", "= 3", "IN ('x')", "IS NOT NULL",
        ]
        var takenCount = 0
        for _ in 0..<20_000 {
            let expression = (0..<Int.random(in: 1..<12, using: &random))
                .map { _ in words.randomElement(using: &random) ?? "" }.joined(separator: " ")
            let value = ["x", "3", "true", "1.5"].randomElement(using: &random) ?? ""
            let result = outcome(expression, ["a": value])
            if !result.hasPrefix("Invalid") { takenCount += 1 }
        }
        #expect(takenCount > 150, "seed \(seed)")
    }
}
