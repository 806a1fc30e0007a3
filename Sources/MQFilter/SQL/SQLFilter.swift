import MQBytes
import MQMessage

/// A compiled SQL92 expression over a message's properties. Immutable; any thread.
///
/// What it says of a message is what RocketMQ's would say:
/// - All properties are strings. Beside a number of the expression a property's text is read as that number's Java type;
///   two properties beside `<` and its like are read as `double`; beside `TRUE` and `FALSE` it is true if it says `true`.
/// - A text that cannot be read so makes the whole expression fail, not only its part: nothing is wanted.
/// - Null is unknown, as in SQL, but for `=`: two nulls are equal, and a value is not equal to null. `CONTAINS` and its like
///   are false of null, with `NOT` too.
///
/// Source: `ExpressionMessageFilter.java` and the classes of `filter/expression`, RocketMQ 5.3.
public final class SQLFilter: Sendable {
    private let program: SQLProgram
    /// Bit n is set if a name has n bytes, the last one if it has more than 62.
    private let nameLengths: UInt64

    /// Compiles an expression.
    /// - Throws: why it is refused, and where.
    public init(_ expression: String) throws(SQLFilterError) {
        var parser = try SQLParser(Array(expression.utf8))
        program = try parser.parse()
        nameLengths = program.names.reduce(0) { $0 | 1 << UInt64(min($1.count, 63)) }
    }

    /// About what it takes in memory, bytes.
    public var byteCount: Int {
        256 + program.text.count + program.names.count * 16 + program.constants.count * 24
            + program.patterns.reduce(0) { $0 + 32 + $1.borders.count * 2 }
            + program.lists.reduce(0) { $0 + 32 + $1.count * 16 } + program.steps.count * 16
    }

    /// Whether the message with these properties (see ``Properties``) is wanted.
    /// - Parameter effort: grows by what the evaluation cost, about ns, so that a caller who looks at many messages can
    ///   stop in time.
    public func matches(_ properties: Span<UInt8>, effort: inout Int) -> Bool {
        outcome(properties, effort: &effort) == .yes
    }

    /// What the expression comes to.
    func outcome(_ properties: Span<UInt8>, effort: inout Int) -> SQLOutcome {
        precondition(properties.count <= Properties.byteCountMax, "\(properties.count) bytes of properties")
        effort &+= 20 &+ properties.count / 2
        let text = program.text
        let texts = SQLTexts(stored: properties, literal: text.span)
        let places = locate(texts)
        var truths = SQLTruths()
        var index = 0
        while index < program.steps.count {
            effort &+= 8
            switch program.steps[index] {
            case .push(let outcome): truths.push(outcome)
            case .property(let name): truths.push(places[Int(name)] == 0 ? .unknown : .no)
            case .compare(let comparison, let left, let right):
                let right = value(right, places, &truths)
                let left = value(left, places, &truths)
                let outcome = texts.compare(left, comparison, right, &effort)
                guard outcome != .failed else { return .failed }
                truths.push(outcome)
            case .isNull(let operand, let negated):
                let isNull = value(operand, places, &truths).isNull
                truths.push(isNull != negated ? .yes : .no)
            case .search(let search, let operand, let pattern, let negated):
                let value = value(operand, places, &truths)
                truths.push(texts.find(search, program.patterns[Int(pattern)], in: value, negated, &effort))
            case .member(let name, let list, let negated):
                truths.push(texts.find(places[Int(name)], in: program.lists[Int(list)], negated))
            case .not: truths.push(truths.pop().opposite)
            case .skipIfFalse(let end): if truths.top == .no { index = end - 1 }
            case .skipIfTrue(let end): if truths.top == .yes { index = end - 1 }
            case .and:
                let right = truths.pop()
                truths.push(truths.pop().and(right))
            case .or:
                let right = truths.pop()
                truths.push(truths.pop().or(right))
            }
            index += 1
        }
        return truths.top
    }

    /// Where the values of the names lie: start in the upper half, end in the lower, 0 for one that is not there. As Java
    /// reads properties, an empty name or value is none, and of two of one name the last counts.
    private func locate(_ texts: SQLTexts) -> SQLPlaces {
        var places = SQLPlaces(repeating: 0)
        Properties.forEach(in: texts.stored) { name, value in
            guard nameLengths & 1 << UInt64(min(name.count, 63)) != 0, !value.isEmpty else { return true }
            let key = texts.stored.extracting(name)
            for index in program.names.indices where texts.literal.extracting(program.names[index]).equals(key) {
                places[index] = UInt32(value.lowerBound) << 16 | UInt32(value.upperBound)
                break
            }
            return true
        }
        return places
    }

    private func value(_ operand: SQLOperand, _ places: SQLPlaces, _ truths: inout SQLTruths) -> SQLValue {
        switch operand {
        case .property(let name):
            let place = places[Int(name)]
            return place == 0 ? .null : .stored(place.valueRange)
        case .condition:
            switch truths.pop() {
            case .yes: return .boolean(true)
            case .no: return .boolean(false)
            default: return .null
            }
        case .constant(let index):
            switch program.constants[Int(index)] {
            case .null: return .null
            case .boolean(let value): return .boolean(value)
            case .integer(let value): return .integer(Int64(value))
            case .long(let value): return .long(value)
            case .double(let value): return .double(value)
            case .text(let range): return .literal(range)
            }
        }
    }
}

/// One value's place for each name, on the stack.
typealias SQLPlaces = InlineArray<64, UInt32>

extension UInt32 {
    /// Of a place that is not 0.
    var valueRange: Range<Int> { Int(self >> 16)..<Int(self & 0xFFFF) }
}
