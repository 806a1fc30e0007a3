/// Compiles an expression: precedence climbing over the tokens, with steps written as operators end.
///
/// | binds | |
/// |---|---|
/// | 1, least | `OR` |
/// | 2 | `AND` |
/// | 3 | `=`, `<>`, `IS NULL`, `IS NOT NULL` |
/// | 4 | `<`, `<=`, `>`, `>=`, `BETWEEN`, `IN`, `CONTAINS`, `STARTSWITH`, `ENDSWITH`, and with `NOT` |
/// | most | `NOT`, `+`, `-` before a value |
///
/// So `NOT a = 3` is `(NOT a) = 3`, as in RocketMQ. Text behind a whole expression is refused; RocketMQ does not read it.
/// Source: `SelectorParser.jj`, `ComparisonExpression.java`, RocketMQ 5.3.
struct SQLParser {
    /// A value or condition that was read.
    struct Term {
        let operand: SQLOperand
        /// What comes of a sign is no constant to RocketMQ's checks.
        var isConstant: Bool { if case .constant = operand { !hasSign } else { false } }
        var hasSign = false
        /// Where it begins, bytes.
        let position: Int
    }

    var lexer: SQLLexer
    var program = SQLProgram()
    var current: SQLToken
    private var following: SQLToken
    var nesting = 0
    /// Truths on the stack behind the last step.
    private var depth = 0
    private var searchCount = 0

    init(_ bytes: [UInt8]) throws(SQLFilterError) {
        guard bytes.count <= SQLLimits.expressionByteCountMax else {
            throw SQLFilterError(problem: .tooLong(byteCount: bytes.count), character: 1)
        }
        lexer = SQLLexer(bytes)
        current = try lexer.next()
        guard current.kind != .end else { throw lexer.error(.empty, at: 0) }
        following = try lexer.next()
    }

    /// The whole expression. Once.
    mutating func parse() throws(SQLFilterError) -> SQLProgram {
        let term = try expression(binding: 1)
        guard current.kind == .end else { throw unexpected("AND, OR or the end") }
        try makeCondition(term)
        return program
    }

    // MARK: - Operators

    mutating func expression(binding minimum: Int) throws(SQLFilterError) -> Term {
        var left = try value()
        while true {
            switch current.kind {
            case .or where minimum <= 1: left = try join(left, binding: 2, SQLStep.skipIfTrue, .or)
            case .and where minimum <= 2: left = try join(left, binding: 3, SQLStep.skipIfFalse, .and)
            case .equal where minimum <= 3: left = try equality(left, .equal)
            case .notEqual where minimum <= 3: left = try equality(left, .notEqual)
            case .is where minimum <= 3: left = try nullTest(left)
            case .greater: left = try ordering(left, .greater)
            case .greaterOrEqual: left = try ordering(left, .greaterOrEqual)
            case .less: left = try ordering(left, .less)
            case .lessOrEqual: left = try ordering(left, .lessOrEqual)
            case .not:
                guard Self.predicates.contains(following.kind) else { return left }
                try advance()
                left = try predicate(left, negated: true)
            case .between, .in, .contains, .startsWith, .endsWith: left = try predicate(left, negated: false)
            default: return left
            }
        }
    }

    private static let predicates: [SQLToken.Kind] = [.between, .in, .contains, .startsWith, .endsWith]

    private mutating func join(
        _ left: Term, binding: Int, _ skip: (Int) -> SQLStep, _ step: SQLStep
    ) throws(SQLFilterError) -> Term {
        try makeCondition(left)
        try advance()
        let skipIndex = program.steps.count
        try emit(skip(0), takes: 1)
        try makeCondition(try expression(binding: binding))
        try emit(step, takes: 2)
        program.steps[skipIndex] = skip(program.steps.count)
        return Term(operand: .condition, position: left.position)
    }

    private mutating func equality(_ left: Term, _ comparison: SQLComparison) throws(SQLFilterError) -> Term {
        try advance()
        let right = try expression(binding: 4)
        for side in [left, right] where side.isConstant && constant(side) == .null {
            throw lexer.error(.comparedWithNull, at: side.position)
        }
        if left.isConstant, right.isConstant, case .boolean = constant(left) {
            guard case .boolean = constant(right) else { throw lexer.error(.booleanWithOther, at: left.position) }
        }
        return try compare(left, comparison, right)
    }

    private mutating func ordering(_ left: Term, _ comparison: SQLComparison) throws(SQLFilterError) -> Term {
        try requireOrdered(left)
        try advance()
        let right = try value()
        try requireOrdered(right)
        return try compare(left, comparison, right)
    }

    private mutating func compare(
        _ left: Term, _ comparison: SQLComparison, _ right: Term
    ) throws(SQLFilterError) -> Term {
        let taken = (left.operand == .condition ? 1 : 0) + (right.operand == .condition ? 1 : 0)
        try emit(.compare(comparison, left.operand, right.operand), takes: taken)
        return Term(operand: .condition, position: left.position)
    }

    private func requireOrdered(_ term: Term) throws(SQLFilterError) {
        if term.isConstant {
            switch constant(term) {
            case .integer, .long, .double: return
            default: throw lexer.error(.notOrdered, at: term.position)
            }
        }
        guard term.operand != .condition else { throw lexer.error(.notOrdered, at: term.position) }
    }

    private mutating func nullTest(_ left: Term) throws(SQLFilterError) -> Term {
        try advance()
        let negated = current.kind == .not
        if negated { try advance() }
        guard current.kind == .null else { throw unexpected(negated ? "NULL" : "NULL or NOT NULL") }
        try advance()
        try emit(.isNull(left.operand, negated: negated), takes: left.operand == .condition ? 1 : 0)
        return Term(operand: .condition, position: left.position)
    }

    // MARK: - BETWEEN, IN and looking for strings

    private mutating func predicate(_ left: Term, negated: Bool) throws(SQLFilterError) -> Term {
        let kind = current.kind
        switch kind {
        case .between: return try between(left, negated: negated)
        case .in: return try member(left, negated: negated)
        case .contains: return try search(left, .contains, negated: negated)
        case .startsWith: return try search(left, .startsWith, negated: negated)
        default: return try search(left, .endsWith, negated: negated)
        }
    }

    /// `v BETWEEN a AND b` is `v >= a AND v <= b`, `v NOT BETWEEN a AND b` is `v < a OR v > b`.
    private mutating func between(_ left: Term, negated: Bool) throws(SQLFilterError) -> Term {
        try requireOrdered(left)
        try advance()
        let low = try value()
        try requireOrdered(low)
        guard current.kind == .and else { throw unexpected("AND") }
        try advance()
        let high = try value()
        try requireOrdered(high)
        if !negated, low.isConstant, high.isConstant, isGreater(constant(low), constant(high)) {
            throw lexer.error(.boundsBackwards, at: low.position)
        }
        _ = try compare(left, negated ? .less : .greaterOrEqual, low)
        let skipIndex = program.steps.count
        try emit(.skipIfFalse(0), takes: 1)
        let term = try compare(left, negated ? .greater : .lessOrEqual, high)
        try emit(negated ? .or : .and, takes: 2)
        let end = program.steps.count
        program.steps[skipIndex] = negated ? .skipIfTrue(end) : .skipIfFalse(end)
        return term
    }

    private func isGreater(_ low: SQLConstant, _ high: SQLConstant) -> Bool {
        switch (low, high) {
        case (.double(let low), .double(let high)): low > high
        case (.double(let low), let high): low > Double(high.whole)
        case (let low, .double(let high)): Double(low.whole) > high
        default: low.whole > high.whole
        }
    }

    private mutating func member(_ left: Term, negated: Bool) throws(SQLFilterError) -> Term {
        guard case .property(let name) = left.operand else {
            throw lexer.error(.inWithoutProperty, at: left.position)
        }
        try advance()
        guard current.kind == .leftParenthesis else { throw unexpected("(") }
        var list: [Range<Int>] = []
        repeat {
            try advance()
            list.append(try string())
        } while current.kind == .comma
        guard current.kind == .rightParenthesis else { throw unexpected(", or )") }
        try advance()
        let text = program.text
        list.sort { text[$0].precedes(text[$1]) }
        program.lists.append(list)
        try emit(.member(name, list: UInt16(program.lists.count - 1), negated: negated), takes: 0)
        return Term(operand: .condition, position: left.position)
    }

    private mutating func search(_ left: Term, _ search: SQLSearch, negated: Bool) throws(SQLFilterError) -> Term {
        let position = current.range.lowerBound
        try advance()
        let range = try string()
        if search == .contains {
            searchCount += 1
            guard searchCount <= SQLLimits.searchesMax else { throw lexer.error(.tooManySearches, at: position) }
        }
        let borders = search == .contains ? Self.borders(program.text[range]) : []
        program.patterns.append(SQLPattern(range: range, borders: borders))
        let pattern = UInt16(program.patterns.count - 1)
        try emit(
            .search(search, left.operand, pattern: pattern, negated: negated),
            takes: left.operand == .condition ? 1 : 0)
        return Term(operand: .condition, position: left.position)
    }

    private static func borders(_ pattern: ArraySlice<UInt8>) -> [UInt16] {
        // No value is longer than the length field of a record says.
        guard pattern.count <= Int(Int16.max) else { return [] }
        let pattern = Array(pattern)
        var borders = [UInt16](repeating: 0, count: pattern.count)
        var length = 0
        for index in pattern.indices.dropFirst() {
            while length > 0, pattern[index] != pattern[length] { length = Int(borders[length - 1]) }
            if pattern[index] == pattern[length] { length += 1 }
            borders[index] = UInt16(length)
        }
        return borders
    }

    // MARK: - Steps

    mutating func makeCondition(_ term: Term) throws(SQLFilterError) {
        switch term.operand {
        case .condition: return
        case .property(let name): try emit(.property(name), takes: 0)
        case .constant:
            guard term.isConstant else { throw lexer.error(.notCondition, at: term.position) }
            switch constant(term) {
            case .null: try emit(.push(.unknown), takes: 0)
            case .boolean(let value): try emit(.push(value ? .yes : .no), takes: 0)
            default: throw lexer.error(.notCondition, at: term.position)
            }
        }
    }

    /// - Parameter takes: truths it takes from the stack; it leaves one.
    mutating func emit(_ step: SQLStep, takes: Int) throws(SQLFilterError) {
        depth += 1 - takes
        guard depth <= SQLTruths.countMax else { throw lexer.error(.tooDeep, at: current.range.lowerBound) }
        guard program.steps.count < SQLLimits.stepsMax else {
            throw lexer.error(.tooManySteps, at: current.range.lowerBound)
        }
        program.steps.append(step)
    }

    mutating func advance() throws(SQLFilterError) {
        current = following
        following = try lexer.next()
    }

    func unexpected(_ expected: String) -> SQLFilterError {
        lexer.error(
            .unexpected(found: lexer.text(of: current), expected: expected), at: current.range.lowerBound)
    }
}

extension SQLConstant {
    /// A whole number's value.
    fileprivate var whole: Int64 {
        switch self {
        case .integer(let value): Int64(value)
        case .long(let value): value
        default: preconditionFailure("\(self) is no whole number")
        }
    }
}

extension ArraySlice<UInt8> {
    /// Shorter first, then by bytes: the order of ``SQLProgram/lists``.
    func precedes(_ other: ArraySlice<UInt8>) -> Bool {
        count == other.count ? lexicographicallyPrecedes(other) : count < other.count
    }
}
