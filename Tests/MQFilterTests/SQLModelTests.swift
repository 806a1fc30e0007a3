import Foundation
import MQBase
import MQMessage
import Testing

@testable import MQFilter

/// Goal: precedence, three-valued logic and Java's comparisons hold together in any expression. Method: random trees,
/// written down with only the parentheses they need, against a second evaluator that walks the tree over a dictionary.
/// `MQ_SEED` runs another seed.
@Suite struct SQLModelTests {
    /// An expression, as RocketMQ's classes nest.
    indirect enum Tree {
        case name(String)
        case literal(Value)
        case minus(Tree)
        case not(Tree)
        case and(Tree, Tree)
        case or(Tree, Tree)
        case binary(String, Tree, Tree)
        case isNull(Tree, Bool)
        case between(Tree, Tree, Tree, Bool)
        case isIn(String, [String], Bool)
        case search(String, Tree, String, Bool)

        /// How tightly it binds; see `SQLParser`.
        var binding: Int {
            switch self {
            case .or: 1
            case .and: 2
            case .isNull: 3
            case .binary(let sign, _, _): sign == "=" || sign == "<>" ? 3 : 4
            case .between, .isIn, .search: 4
            case .not, .minus: 5
            case .name, .literal: 6
            }
        }

        func text(_ minimum: Int) -> String {
            let inner: String
            switch self {
            case .name(let name): inner = name
            case .literal(let value): inner = value.text
            case .minus(let tree): inner = "- " + tree.text(5)
            case .not(let tree): inner = "NOT " + tree.text(5)
            case .and(let left, let right): inner = left.text(2) + " AND " + right.text(3)
            case .or(let left, let right): inner = left.text(1) + " OR " + right.text(2)
            case .binary(let sign, let left, let right):
                inner = left.text(binding) + sign + right.text(binding + 1)
            case .isNull(let tree, let not): inner = tree.text(3) + (not ? " IS NOT NULL" : " is null")
            case .between(let tree, let low, let high, let not):
                inner = "\(tree.text(5))\(not ? " NOT" : "") BETWEEN \(low.text(5)) AND \(high.text(5))"
            case .isIn(let name, let list, let not):
                let strings = list.map { Value.text($0).text }.joined(separator: ", ")
                inner = "\(name)\(not ? " NOT" : "") IN (\(strings))"
            case .search(let word, let tree, let string, let not):
                inner = "\(tree.text(4))\(not ? " NOT " : " ")\(word) \(Value.text(string).text)"
            }
            return binding < minimum ? "(\(inner))" : inner
        }
    }

    enum Value: Equatable {
        case null, bool(Bool), int(Int32), long(Int64), double(Double), text(String)

        var text: String {
            switch self {
            case .null: "NULL"
            case .bool(let value): value ? "true" : "FALSE"
            case .int(let value): "\(value)"
            case .long(let value): "\(value)"
            case .double(let value): "\(value)"
            case .text(let value): "'" + value.replacing("'", with: "''") + "'"
            }
        }
    }

    /// What Java throws.
    struct Thrown: Error {}

    // MARK: - The second evaluator

    private func evaluate(_ tree: Tree, _ properties: [String: String]) throws -> Value {
        func value(_ tree: Tree) throws -> Value { try evaluate(tree, properties) }
        func condition(_ tree: Tree) throws -> Bool? {
            switch try (tree, value(tree)) {
            case (.name, .text): false
            case (_, .bool(let bool)): bool
            default: nil
            }
        }
        func truth(_ bool: Bool?) -> Value { bool.map(Value.bool) ?? .null }
        switch tree {
        case .name(let name): return properties[name].map(Value.text) ?? .null
        case .literal(let literal): return literal
        case .not(let tree): return truth(try condition(tree).map { !$0 })
        case .minus(let tree):
            switch try value(tree) {
            case .int(let number): return .int(-number)
            case .long(let number): return .long(-number)
            case .double(let number): return .double(-number)
            default: return .null
            }
        case .and(let left, let right):
            let left = try condition(left)
            if left == false { return .bool(false) }
            let right = try condition(right)
            return right == false ? .bool(false) : truth(left == nil || right == nil ? nil : true)
        case .or(let left, let right):
            let left = try condition(left)
            if left == true { return .bool(true) }
            let right = try condition(right)
            return right == true ? .bool(true) : truth(left == nil || right == nil ? nil : false)
        case .isNull(let tree, let not): return .bool(try (value(tree) == .null) != not)
        case .between(let tree, let low, let high, let not):
            return try not
                ? value(.or(.binary("<", tree, low), .binary(">", tree, high)))
                : value(.and(.binary(">=", tree, low), .binary("<=", tree, high)))
        case .isIn(let name, let list, let not):
            return properties[name].map { .bool(list.contains($0) != not) } ?? .null
        case .search(let word, let tree, let string, let not):
            guard case .text(let text) = try value(tree), !string.isEmpty else { return .bool(false) }
            let isFound =
                word == "CONTAINS"
                ? text.contains(string) : word == "STARTSWITH" ? text.hasPrefix(string) : text.hasSuffix(string)
            return .bool(isFound != not)
        case .binary(let sign, let left, let right): return truth(try compare(sign, value(left), value(right)))
        }
    }

    private func compare(_ sign: String, _ left: Value, _ right: Value) throws -> Bool? {
        if sign == "<>" { return try compare("=", left, right).map { !$0 } }
        if sign == "=" {
            if left == .null { return right == .null ? true : nil }
            if right == .null { return false }
            if case .text(let left) = left, case .text(let right) = right { return left == right }
            return try order(left, right) == 0
        }
        if left == .null || right == .null { return nil }
        var answer: Int
        if case .text(let left) = left, case .text(let right) = right {
            answer = try order(.double(double(left)), .double(double(right)))
        } else {
            answer = try order(left, right)
        }
        switch sign {
        case ">": return answer > 0
        case ">=": return answer >= 0
        case "<": return answer < 0
        default: return answer <= 0
        }
    }

    private func double(_ text: String) throws -> Double {
        guard let value = Double(text) else { throw Thrown() }
        return value
    }

    private func read(_ text: String, like value: Value) throws -> Value {
        switch value {
        case .int: return .int(try Int32(text) ?? { throw Thrown() }())
        case .long: return .long(try Int64(text) ?? { throw Thrown() }())
        case .bool: return .bool(text.lowercased() == "true")
        default: return .double(try double(text))
        }
    }

    private func order(_ left: Value, _ right: Value) throws -> Int {
        switch (left, right) {
        case (.bool, .text): throw Thrown()
        case (.text(let left), _): return try order(read(left, like: right), right)
        case (_, .text(let right)): return try order(left, read(right, like: left))
        case (.bool(let left), .bool(let right)): return (left ? 1 : 0) - (right ? 1 : 0)
        case (.bool, _), (_, .bool): return -1
        case (.double, _), (_, .double): return sign(number(left), number(right))
        case (.int(let left), .int(let right)): return sign(left, right)
        case (.int(let left), .long(let right)): return sign(Int64(left), right)
        case (.long(let left), .int(let right)): return sign(left, Int64(right))
        case (.long(let left), .long(let right)): return sign(left, right)
        default: return 0
        }
    }

    private func number(_ value: Value) -> Double {
        switch value {
        case .int(let value): Double(value)
        case .long(let value): Double(value)
        case .double(let value): value
        default: 0
        }
    }

    private func sign<T: Comparable>(_ left: T, _ right: T) -> Int { left < right ? -1 : left > right ? 1 : 0 }

    // MARK: - Random trees

    private struct Maker {
        var random: SeededRandom
        let strings = ["", "x", "xyx", "it's", "é", "3", "4", "true", "1.5", "x yx"]

        mutating func pick<T>(_ list: [T]) -> T { list[Int.random(in: 0..<list.count, using: &random)] }
        mutating func flip() -> Bool { Bool.random(using: &random) }
        mutating func name() -> Tree { .name(pick(["a", "b", "c", "Missing", "inner"])) }

        mutating func number() -> Tree {
            let value: Value = pick([.int(3), .int(4), .long(3_000_000_000), .double(1.5), .double(3), .int(0)])
            return flip() ? .literal(value) : .minus(.literal(value))
        }

        mutating func leaf() -> Tree {
            switch Int.random(in: 0..<8, using: &random) {
            case 0: return .literal(.bool(flip()))
            case 1: return .literal(.text(pick(strings)))
            case 2...3: return number()
            default: return name()
            }
        }

        mutating func condition(_ depth: Int) -> Tree {
            guard depth > 0 else { return flip() ? name() : .isNull(name(), flip()) }
            switch Int.random(in: 0..<12, using: &random) {
            case 0...1: return .and(condition(depth - 1), condition(depth - 1))
            case 2...3: return .or(condition(depth - 1), condition(depth - 1))
            case 4: return .not(condition(depth - 1))
            case 5: return .isNull(flip() ? condition(depth - 1) : leaf(), flip())
            case 6: return .binary(pick(["=", "<>"]), condition(depth - 1), flip() ? condition(depth - 1) : leaf())
            case 7: return .binary(pick(["=", "<>"]), leaf(), leaf())
            case 8: return .binary(pick(["<", "<=", ">", ">="]), ordered(), ordered())
            case 9: return .between(ordered(), ordered(), ordered(), flip())
            case 10:
                let list = (0..<Int.random(in: 1...7, using: &random)).map { _ in pick(strings) }
                return .isIn(pick(["a", "b", "Missing"]), list, flip())
            default:
                let tree = flip() ? leaf() : condition(depth - 1)
                return .search(pick(["CONTAINS", "STARTSWITH", "ENDSWITH"]), tree, pick(strings), flip())
            }
        }

        mutating func ordered() -> Tree { flip() ? name() : number() }
    }

    @Test func `random expressions come to what the second evaluator says`() throws {
        let seed = ProcessInfo.processInfo.environment["MQ_SEED"].flatMap { UInt64($0) } ?? 20261121
        var maker = Maker(random: SeededRandom(seed: seed))
        var counts: [SQLOutcome: Int] = [:]
        var refusedCount = 0
        for round in 0..<6000 {
            let tree = maker.condition(Int.random(in: 1...5, using: &maker.random))
            let text = tree.text(1)
            let filter: SQLFilter
            do throws(SQLFilterError) { filter = try SQLFilter(text) } catch {
                // Only what cannot be known without the rules of the constants; the table of refusals has those.
                let known: [SQLFilterError.Problem] = [
                    .booleanWithOther, .boundsBackwards, .comparedWithNull, .notCondition,
                ]
                #expect(known.contains(error.problem), "\(text): \(error), seed \(seed)")
                refusedCount += 1
                continue
            }
            for _ in 0..<4 {
                var properties: [String: String] = ["other": "3"]
                for name in ["a", "b", "c", "inner"] where maker.flip() {
                    let value = maker.pick(maker.strings + ["3", "-3", "3000000000", "0.25"])
                    if !value.isEmpty { properties[name] = value }
                }
                let expected: SQLOutcome
                do {
                    switch try evaluate(tree, properties) {
                    case .bool(let bool): expected = bool ? .yes : .no
                    case .text: expected = .no
                    default: expected = .unknown
                    }
                } catch { expected = .failed }
                var effort = 0
                let bytes = Properties.encode(properties.map { (name: $0.key, value: $0.value) })
                let got = filter.outcome(bytes.span, effort: &effort)
                #expect(got == expected, "\(text) of \(properties), round \(round), seed \(seed)")
                guard got == expected else { return }
                counts[got, default: 0] += 1
            }
        }
        #expect(refusedCount < 3000, "\(refusedCount)")
        for outcome in [SQLOutcome.yes, .no, .unknown, .failed] {
            #expect(counts[outcome, default: 0] > 500, "\(counts), seed \(seed)")
        }
    }
}
