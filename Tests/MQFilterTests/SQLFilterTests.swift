import MQBytes
import MQMessage
import Testing

@testable import MQFilter

/// Goal: a message is wanted here if and only if RocketMQ wants it. Method: each rule of its evaluation by hand; random
/// expressions are in `SQLModelTests`.
@Suite struct SQLFilterTests {
    @Test func `a property's text is read as the number beside it`() {
        #expect(outcome("a = 3", ["a": "3"]) == "yes")
        #expect(outcome("a = 3", ["a": "+3"]) == "yes" && outcome("a = -3", ["a": "-3"]) == "yes")
        #expect(outcome("a <> 3", ["a": "4"]) == "yes" && outcome("a <> 3", ["a": "003"]) == "no")
        #expect(outcome("a > 5", ["a": "6"]) == "yes" && outcome("a > 5", ["a": "5"]) == "no")
        #expect(outcome("a >= 5", ["a": "5"]) == "yes" && outcome("a < 5", ["a": "-9"]) == "yes")
        #expect(outcome("a <= 5", ["a": "5"]) == "yes" && outcome("a <= 5", ["a": "6"]) == "no")
        #expect(outcome("5 < a", ["a": "6"]) == "yes" && outcome("3 = a", ["a": "3"]) == "yes")
        #expect(outcome("a > 3.14", ["a": "3.1415"]) == "yes" && outcome("a > 3.1E10", ["a": "3.1415E10"]) == "yes")
        #expect(outcome("a = 3.0", ["a": "3"]) == "yes" && outcome("a = 3.0", ["a": " 3d\t"]) == "yes")
        #expect(outcome("a = .5", ["a": "5e-1"]) == "yes" && outcome("a < 5.", ["a": "-Infinity"]) == "yes")
        #expect(outcome("a > 1.7976931348623157E308", ["a": "NaN"]) == "yes")
        #expect(outcome("a > 2.5", ["a": "0x1.8p1"]) == "yes")
    }

    @Test func `a text that is no such number fails the whole expression`() {
        #expect(outcome("a > 3", ["a": "3.5"]) == "failed", "Integer.valueOf takes no fraction")
        #expect(outcome("a = 3", ["a": "3000000000"]) == "failed" && outcome("a < 3", ["a": ""]) == "unknown")
        #expect(outcome("a = 3L", ["a": "4"]) == "no" && outcome("a < 3000000000", ["a": "3000000001"]) == "no")
        #expect(outcome("a < 3L", ["a": "3000000001"]) == "failed", "3L fits an int, so it is one")
        #expect(outcome("a = 3", ["a": "abc"]) == "failed" && outcome("a <> 3", ["a": "abc"]) == "failed")
        #expect(outcome("NOT (a = 3)", ["a": "abc"]) == "failed" && outcome("a > 1.5", ["a": "1.5.5"]) == "failed")
        #expect(outcome("a = 3 OR b = 'x'", ["a": "abc", "b": "x"]) == "failed")
        #expect(outcome("b = 'x' OR a = 3", ["a": "abc", "b": "x"]) == "yes", "the right side is not looked at")
        #expect(outcome("b = 'y' AND a = 3", ["a": "abc", "b": "x"]) == "no")
        #expect(outcome("a = 3 IS NULL", ["a": "abc"]) == "failed")
    }

    @Test func `two properties compare as texts or as doubles`() {
        #expect(outcome("a = b", ["a": "3.14", "b": "3.14"]) == "yes")
        #expect(
            outcome("a = b", ["a": "3", "b": "3.0"]) == "no" && outcome("a <> b", ["a": "3", "b": "3.0"]) == "yes")
        #expect(outcome("a > b", ["a": "20", "b": "10"]) == "yes" && outcome("a > b", ["a": "9", "b": "10"]) == "no")
        #expect(outcome("a > b", ["a": "x", "b": "10"]) == "failed")
        #expect(outcome("a > b", ["a": "0.0", "b": "-0.0"]) == "yes", "Double.compareTo tells zeroes apart")
        #expect(outcome("a >= b", ["a": "NaN", "b": "NaN"]) == "yes")
        #expect(outcome("a > b", ["a": "NaN", "b": "Infinity"]) == "yes")
        #expect(outcome("a BETWEEN b AND c", ["a": "5", "b": "1", "c": "9"]) == "yes")
        #expect(outcome("a BETWEEN b AND c", ["a": "5", "b": "6", "c": "x"]) == "no", "c is not looked at")
    }

    @Test func `strings and booleans`() {
        #expect(outcome("a = 'x'", ["a": "x"]) == "yes" && outcome("a = 'x'", ["a": "X"]) == "no")
        #expect(outcome("'x' = a", ["a": "x"]) == "yes" && outcome("a <> 'é'", ["a": "e"]) == "yes")
        #expect(outcome("TAGS = '''''tag'''''", ["TAGS": "''tag''"]) == "yes")
        #expect(outcome("a = '3'", ["a": "3"]) == "yes" && outcome("'3' = 3") == "yes" && outcome("3 = '4'") == "no")
        #expect(outcome("a = TRUE", ["a": "TrUe"]) == "yes" && outcome("a = true", ["a": "yes"]) == "no")
        #expect(outcome("a = FALSE", ["a": "anything"]) == "yes")
        #expect(outcome("TRUE = a", ["a": "true"]) == "failed", "RocketMQ casts a Boolean to String")
        #expect(outcome("(b = 1) = a", ["a": "true", "b": "1"]) == "failed")
        #expect(outcome("TRUE = TRUE") == "yes" && outcome("TRUE = FALSE") == "no" && outcome("3 = TRUE") == "no")
        #expect(outcome("(a = 1) = (b = 1)", ["a": "2", "b": "2"]) == "yes")
        #expect(outcome("a", ["a": "true"]) == "no", "a property alone is a string, which is not TRUE")
        #expect(outcome("a") == "unknown" && outcome("NOT a", ["a": "x"]) == "yes" && outcome("NULL") == "unknown")
        #expect(outcome("NOT a = 3", ["a": "4"]) == "no", "NOT binds closer than =")
        #expect(outcome("-a = 3", ["a": "-3"]) == "unknown", "a sign makes null of a string")
        #expect(outcome("a = -NULL", ["a": "1"]) == "no" && outcome("a = - -3", ["a": "3"]) == "yes")
    }

    @Test func `null`() {
        #expect(outcome("a IS NULL") == "yes" && outcome("a IS NULL", ["a": "x"]) == "no")
        #expect(outcome("a IS NOT NULL") == "no" && outcome("a IS NOT NULL", ["a": "x"]) == "yes")
        #expect(outcome("a = 3") == "unknown" && outcome("3 = a") == "no" && outcome("3 <> a") == "yes")
        #expect(outcome("a = b") == "yes" && outcome("a = b", ["a": "x"]) == "no")
        #expect(outcome("a = b", ["b": "x"]) == "unknown" && outcome("a > 3") == "unknown")
        #expect(outcome("NOT (a > 3)") == "unknown" && outcome("a IN ('x')") == "unknown")
        #expect(outcome("a NOT IN ('x')") == "unknown")
        for (left, right, and, or) in [
            ("TRUE", "NULL", "unknown", "yes"), ("NULL", "TRUE", "unknown", "yes"),
            ("FALSE", "NULL", "no", "unknown"), ("NULL", "FALSE", "no", "unknown"),
            ("NULL", "NULL", "unknown", "unknown"), ("TRUE", "FALSE", "no", "yes"), ("TRUE", "TRUE", "yes", "yes"),
        ] {
            #expect(outcome("\(left) AND \(right)") == and && outcome("\(left) OR \(right)") == or)
        }
        #expect(outcome("(a = 3) IS NULL") == "yes" && outcome("a > 3 IS NOT NULL", ["a": "1"]) == "yes")
        #expect(outcome("a IS NULL OR a = 'hello'", ["a": "abc"]) == "no")
    }

    @Test func `between and in`() {
        #expect(
            outcome("a BETWEEN 2 AND 10", ["a": "2"]) == "yes" && outcome("a BETWEEN 2 AND 10", ["a": "11"]) == "no")
        #expect(outcome("a NOT BETWEEN 2 AND 10", ["a": "1"]) == "yes")
        #expect(outcome("a not between 2 and 10", ["a": "10"]) == "no" && outcome("a BETWEEN 2 AND 10") == "unknown")
        #expect(outcome("a BETWEEN 2 AND 10 AND b = 1", ["a": "5", "b": "1"]) == "yes")
        #expect(outcome("5 BETWEEN a AND b", ["a": "1", "b": "9"]) == "yes")
        #expect(outcome("a BETWEEN -1 AND -5", ["a": "-2"]) == "no", "a sign hides that the bounds are backwards")
        #expect(outcome("a BETWEEN 1 AND 2.5", ["a": "2"]) == "yes")
        #expect(outcome("a BETWEEN 1 AND 2.5", ["a": "2.5"]) == "failed", "beside 1 it must be an int")
        let seven = "('a', 'bb', 'c''c', 'bb', '', 'zz', 'é')"
        for (value, isIn) in [("bb", true), ("c'c", true), ("é", true), ("b", false), ("zzz", false), ("A", false)] {
            #expect(outcome("k IN \(seven)", ["k": value]) == (isIn ? "yes" : "no"))
            #expect(outcome("k NOT IN \(seven)", ["k": value]) == (isIn ? "no" : "yes"))
        }
        #expect(outcome("+k in('x')", ["k": "x"]) == "yes")
    }

    @Test func `looking for strings`() {
        for (expression, isWanted) in [
            ("v CONTAINS 'x'", true), ("v CONTAINS 'ax'", true), ("v CONTAINS 'xx'", false),
            ("v STARTSWITH 'ax'", true), ("v STARTSWITH 'x'", false), ("v ENDSWITH 'xb'", true),
            ("v ENDSWITH 'x'", false), ("v CONTAINS 'axbaxb'", false), ("v CONTAINS '.'", false),
        ] {
            #expect(outcome(expression, ["v": "axb"]) == (isWanted ? "yes" : "no"), "\(expression)")
            let negated = expression.replacing("v ", with: "v not ")
            #expect(outcome(negated, ["v": "axb"]) == (isWanted ? "no" : "yes"), "\(negated)")
        }
        for word in ["CONTAINS", "STARTSWITH", "ENDSWITH"] {
            for not in ["", "NOT "] {
                #expect(outcome("v \(not)\(word) ''", ["v": "x"]) == "no", "nothing is never looked for")
                #expect(outcome("v \(not)\(word) 'x'") == "no", "and in nothing")
                #expect(outcome("3 \(not)\(word) '3'") == "no" && outcome("(v = 'x') \(not)\(word) 'x'") == "no")
            }
            #expect(outcome("'x' \(word) 'x'") == "yes" && outcome("v \(word) 'x' \(word) 'x'", ["v": "x"]) == "no")
        }
        // Every way in which a beginning of the pattern comes back in it.
        let value = "aabaabaaabaabaab"
        for start in value.indices {
            for end in value.indices where end > start {
                let part = String(value[start..<end])
                #expect(outcome("v CONTAINS '\(part)'", ["v": value]) == "yes", "\(part)")
                #expect(
                    outcome("v CONTAINS '\(part)c'", ["v": value]) == "no"
                        && outcome("v CONTAINS '\(part)a\(part)a'", ["v": value])
                            == (value.contains("\(part)a\(part)a") ? "yes" : "no")
                )
            }
        }
    }

    @Test func `properties are read as Java reads them`() throws {
        func wants(_ expression: String, _ properties: String) throws -> Bool {
            var effort = 0
            return try SQLFilter(expression).matches(Array(properties.utf8).span, effort: &effort)
        }
        #expect(try wants("a = '1' AND b = '2'", "a\u{1}1\u{2}b\u{1}2"), "the last end may be missing")
        #expect(try wants("a = '2'", "a\u{1}1\u{2}a\u{1}2\u{2}"), "the last one counts")
        #expect(try wants("a = '1'", "a\u{1}1\u{2}a\u{1}\u{2}"), "an empty value is none")
        #expect(try wants("a IS NULL AND A = '1' AND aa = '2'", "A\u{1}1\u{2}aa\u{1}2\u{2}"))
        #expect(try wants("b = 'x'", "a\u{2}\u{1}y\u{2}\u{2}b\u{1}x\u{2}"), "what is no pair is passed over")
        #expect(try wants("b = 'x\u{1}y'", "b\u{1}x\u{1}y\u{2}"))
        #expect(try wants("a IS NULL", ""))
        let long = String(repeating: "n", count: 70)
        #expect(try wants("\(long) = '1' AND \(long)n IS NULL", "\(long)\u{1}1\u{2}"))
        let names = (0..<SQLLimits.propertiesMax).map { "p\($0)" }
        let all = names.map { "\($0)\u{1}\($0)\u{2}" }.joined()
        #expect(try wants(names.map { "\($0) = '\($0)'" }.joined(separator: " AND "), all))
    }

    @Test func `an evaluation says what it cost`() throws {
        func cost(_ expression: String, _ properties: String) throws -> Int {
            var effort = 0
            _ = try SQLFilter(expression).matches(Array(properties.utf8).span, effort: &effort)
            return effort
        }
        let value = String(repeating: "a", count: 30_000)
        #expect(try cost("v CONTAINS 'ab'", "v\u{1}x\u{2}") < 100)
        #expect(try cost("v CONTAINS 'ab' OR v CONTAINS 'ac'", "v\u{1}\(value)\u{2}") > 60_000)
        #expect(try cost("v > 1.5", "v\u{1}1.\(value.prefix(0))12345678901234567890\u{2}") > 4000)
    }
}
