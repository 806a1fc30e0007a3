import MQBytes

/// Values, signs and parentheses.
extension SQLParser {
    mutating func value() throws(SQLFilterError) -> Term {
        let position = current.range.lowerBound
        switch current.kind {
        case .plus:
            return try nested { parser throws(SQLFilterError) in try parser.value() }
        case .minus:
            let term = try nested { parser throws(SQLFilterError) in try parser.value() }
            return try negative(term, position)
        case .not:
            let term = try nested { parser throws(SQLFilterError) in try parser.value() }
            try makeCondition(term)
            try emit(.not, takes: 1)
            return Term(operand: .condition, position: position)
        case .leftParenthesis:
            let term = try nested { parser throws(SQLFilterError) in try parser.expression(binding: 1) }
            guard current.kind == .rightParenthesis else { throw unexpected("AND, OR or )") }
            try advance()
            return term
        default: return try primary(position)
        }
    }

    private mutating func nested(
        _ body: (inout SQLParser) throws(SQLFilterError) -> Term
    ) throws(SQLFilterError) -> Term {
        nesting += 1
        guard nesting <= SQLLimits.nestingMax else { throw lexer.error(.tooDeep, at: current.range.lowerBound) }
        try advance()
        let term = try body(&self)
        nesting -= 1
        return term
    }

    private mutating func primary(_ position: Int) throws(SQLFilterError) -> Term {
        let token = current
        switch token.kind {
        case .name: return Term(operand: .property(try property(token)), position: position)
        case .string: return add(.text(try string()), position)
        case .true: return try take(.boolean(true))
        case .false: return try take(.boolean(false))
        case .null: return try take(.null)
        case .whole: return try take(try whole(token))
        case .fraction: return try take(try fraction(token))
        default: throw unexpected("a property, a value, NOT or (")
        }
    }

    private mutating func take(_ constant: SQLConstant) throws(SQLFilterError) -> Term {
        let position = current.range.lowerBound
        try advance()
        return add(constant, position)
    }

    private mutating func add(_ constant: SQLConstant, _ position: Int, hasSign: Bool = false) -> Term {
        program.constants.append(constant)
        return Term(
            operand: .constant(UInt16(program.constants.count - 1)), hasSign: hasSign, position: position)
    }

    func constant(_ term: Term) -> SQLConstant {
        guard case .constant(let index) = term.operand else { preconditionFailure("\(term) is no constant") }
        return program.constants[Int(index)]
    }

    private mutating func property(_ token: SQLToken) throws(SQLFilterError) -> UInt16 {
        let name = lexer.bytes[token.range]
        try advance()
        if let known = program.names.firstIndex(where: { program.text[$0].elementsEqual(name) }) {
            return UInt16(known)
        }
        guard program.names.count < SQLLimits.propertiesMax else {
            throw lexer.error(.tooManyProperties, at: token.range.lowerBound)
        }
        let start = program.text.count
        program.text += name
        program.names.append(start..<program.text.count)
        return UInt16(program.names.count - 1)
    }

    /// The string that is `current`, with its doubled quotes made single.
    mutating func string() throws(SQLFilterError) -> Range<Int> {
        guard current.kind == .string else { throw unexpected("a string") }
        let start = program.text.count
        var index = current.range.lowerBound + 1
        while index < current.range.upperBound - 1 {
            if lexer.bytes[index] == UInt8(ascii: "'") { index += 1 }
            program.text.append(lexer.bytes[index])
            index += 1
        }
        try advance()
        return start..<program.text.count
    }

    private func whole(_ token: SQLToken) throws(SQLFilterError) -> SQLConstant {
        var digits = lexer.bytes[token.range]
        if let last = digits.last, last | 0x20 == UInt8(ascii: "l") { digits.removeLast() }
        guard let value = JavaNumber.integer(Array(digits).span, in: 0...Int64.max) else {
            throw lexer.error(.numberOutOfRange(lexer.text(of: token)), at: token.range.lowerBound)
        }
        return Int32(exactly: value).map(SQLConstant.integer) ?? .long(value)
    }

    private func fraction(_ token: SQLToken) throws(SQLFilterError) -> SQLConstant {
        var effort = 0
        guard let value = JavaNumber.double(Array(lexer.bytes[token.range]).span, effort: &effort), value.isFinite,
            value >= Double.leastNonzeroMagnitude
        else { throw lexer.error(.numberOutOfRange(lexer.text(of: token)), at: token.range.lowerBound) }
        return .double(value)
    }

    /// `-` before a value: a number's opposite, null of anything else, and of a property too, which is a string.
    private mutating func negative(_ term: Term, _ position: Int) throws(SQLFilterError) -> Term {
        switch term.operand {
        case .condition: throw lexer.error(.negatedCondition, at: position)
        case .property: return add(.null, position, hasSign: true)
        case .constant:
            switch constant(term) {
            case .integer(let value): return add(.integer(-value), position, hasSign: true)
            case .long(let value): return add(.long(-value), position, hasSign: true)
            case .double(let value): return add(.double(-value), position, hasSign: true)
            default: return add(.null, position, hasSign: true)
            }
        }
    }
}
