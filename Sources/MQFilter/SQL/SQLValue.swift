import MQBytes

/// A value while an expression is evaluated.
enum SQLValue {
    case null
    case boolean(Bool)
    /// Within `Int32`.
    case integer(Int64)
    case long(Int64)
    case double(Double)
    /// Where in the properties it lies.
    case stored(Range<Int>)
    /// Where in the program's text it lies.
    case literal(Range<Int>)

    var isNull: Bool { if case .null = self { true } else { false } }

    var isText: Bool {
        switch self {
        case .stored, .literal: true
        default: false
        }
    }
}

extension SQLOutcome {
    var opposite: SQLOutcome {
        switch self {
        case .yes: .no
        case .no: .yes
        default: self
        }
    }

    func and(_ right: SQLOutcome) -> SQLOutcome {
        if self == .no || right == .no { return .no }
        return self == .yes && right == .yes ? .yes : .unknown
    }

    func or(_ right: SQLOutcome) -> SQLOutcome {
        if self == .yes || right == .yes { return .yes }
        return self == .no && right == .no ? .no : .unknown
    }
}

/// The conditions that wait for their operator: two bits each, the last one lowest.
struct SQLTruths {
    /// The parser refuses an expression that needs more.
    static let countMax = 64

    private var yes: UInt64 = 0
    private var unknown: UInt64 = 0

    var top: SQLOutcome { yes & 1 != 0 ? .yes : unknown & 1 != 0 ? .unknown : .no }

    mutating func push(_ outcome: SQLOutcome) {
        yes = yes << 1 | (outcome == .yes ? 1 : 0)
        unknown = unknown << 1 | (outcome == .unknown ? 1 : 0)
    }

    mutating func pop() -> SQLOutcome {
        let top = top
        yes >>= 1
        unknown >>= 1
        return top
    }
}

/// Compares values as Java does. Source: `ComparisonExpression.java` `evaluate`, `__compare`, RocketMQ 5.3.
struct SQLTexts: ~Escapable {
    let stored: Span<UInt8>
    let literal: Span<UInt8>

    @_lifetime(copy stored, copy literal)
    init(stored: Span<UInt8>, literal: Span<UInt8>) {
        self.stored = stored
        self.literal = literal
    }

    /// The bytes of a text.
    @_lifetime(copy self)
    func text(_ value: SQLValue) -> Span<UInt8> {
        switch value {
        case .stored(let range): return stored.extracting(range)
        case .literal(let range): return literal.extracting(range)
        default: preconditionFailure("\(value) is no text")
        }
    }

    func compare(
        _ left: SQLValue, _ comparison: SQLComparison, _ right: SQLValue, _ effort: inout Int
    ) -> SQLOutcome {
        switch comparison {
        case .equal: return equal(left, right, &effort)
        case .notEqual: return equal(left, right, &effort).opposite
        case .greater: return ordered(left, right, &effort) { $0 > 0 }
        case .greaterOrEqual: return ordered(left, right, &effort) { $0 >= 0 }
        case .less: return ordered(left, right, &effort) { $0 < 0 }
        case .lessOrEqual: return ordered(left, right, &effort) { $0 <= 0 }
        }
    }

    /// Nothing is in null and in what is no text, and an empty pattern in nothing, with `NOT` too.
    func find(
        _ search: SQLSearch, _ pattern: SQLPattern, in value: SQLValue, _ negated: Bool, _ effort: inout Int
    ) -> SQLOutcome {
        guard !pattern.range.isEmpty, value.isText else { return .no }
        let value = text(value)
        let wanted = literal.extracting(pattern.range)
        var isFound = false
        if value.count >= wanted.count {
            switch search {
            case .startsWith: isFound = value.extracting(0..<wanted.count).equals(wanted)
            case .endsWith: isFound = value.extracting((value.count - wanted.count)..<value.count).equals(wanted)
            case .contains:
                effort &+= value.count
                isFound = value.contains(wanted, borders: pattern.borders)
            }
        }
        return isFound != negated ? .yes : .no
    }

    /// Whether the value at `place` is one of a sorted list's strings.
    func find(_ place: UInt32, in list: [Range<Int>], _ negated: Bool) -> SQLOutcome {
        guard place != 0 else { return .unknown }
        let value = stored.extracting(place.valueRange)
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if literal.extracting(list[middle]).precedes(value) { low = middle + 1 } else { high = middle }
        }
        let isFound = low < list.count && literal.extracting(list[low]).equals(value)
        return isFound != negated ? .yes : .no
    }

    /// Two nulls are equal; null on the left only is unknown, on the right only unequal.
    func equal(_ left: SQLValue, _ right: SQLValue, _ effort: inout Int) -> SQLOutcome {
        if left.isNull { return right.isNull ? .yes : .unknown }
        if right.isNull { return .no }
        if left.isText, right.isText {
            let left = text(left)
            effort &+= left.count / 8
            return left.equals(text(right)) ? .yes : .no
        }
        guard let order = order(left, right, &effort) else { return .failed }
        return order == 0 ? .yes : .no
    }

    func ordered(
        _ left: SQLValue, _ right: SQLValue, _ effort: inout Int, _ isWanted: (Int) -> Bool
    ) -> SQLOutcome {
        if left.isNull || right.isNull { return .unknown }
        var order: Int?
        if left.isText, right.isText {
            guard let left = JavaNumber.double(text(left), effort: &effort),
                let right = JavaNumber.double(text(right), effort: &effort)
            else { return .failed }
            order = Self.order(left, right)
        } else {
            order = self.order(left, right, &effort)
        }
        guard let order else { return .failed }
        return isWanted(order) ? .yes : .no
    }

    /// Less than 0, 0 or greater, of values that are not both texts; -1 too for kinds that nothing compares.
    /// - Returns: `nil` where Java throws.
    private func order(_ left: SQLValue, _ right: SQLValue, _ effort: inout Int) -> Int? {
        switch (left, right) {
        case (.boolean(let left), .boolean(let right)): return left == right ? 0 : left ? 1 : -1
        case (.boolean, .stored), (.boolean, .literal): return nil  // a cast that fails in Java
        case (.stored, .boolean(let right)), (.literal, .boolean(let right)):
            let left = text(left).saysTrue
            return left == right ? 0 : left ? 1 : -1
        case (.boolean, _), (_, .boolean): return -1
        case (.stored, _), (.literal, _):
            guard let left = number(text(left), like: right, &effort) else { return nil }
            return Self.order(left, right)
        case (_, .stored), (_, .literal):
            guard let right = number(text(right), like: left, &effort) else { return nil }
            return Self.order(left, right)
        default: return Self.order(left, right)
        }
    }

    private func number(_ text: Span<UInt8>, like other: SQLValue, _ effort: inout Int) -> SQLValue? {
        switch other {
        case .integer:
            return JavaNumber.integer(text, in: Int64(Int32.min)...Int64(Int32.max)).map(SQLValue.integer)
        case .long: return JavaNumber.integer(text, in: .min ... .max).map(SQLValue.long)
        default: return JavaNumber.double(text, effort: &effort).map(SQLValue.double)
        }
    }

    private static func order(_ left: SQLValue, _ right: SQLValue) -> Int {
        switch (left, right) {
        case (.double(let left), .double(let right)): return order(left, right)
        case (.double(let left), .integer(let right)), (.double(let left), .long(let right)):
            return order(left, Double(right))
        case (.integer(let left), .double(let right)), (.long(let left), .double(let right)):
            return order(Double(left), right)
        case (.integer(let left), .integer(let right)), (.integer(let left), .long(let right)),
            (.long(let left), .integer(let right)), (.long(let left), .long(let right)):
            return left < right ? -1 : left == right ? 0 : 1
        default: preconditionFailure("\(left) and \(right) are not both numbers")
        }
    }

    /// `Double.compareTo`: NaN is greater than all and equal to itself, -0 is less than 0.
    private static func order(_ left: Double, _ right: Double) -> Int {
        if left < right { return -1 }
        if left > right { return 1 }
        if left.isNaN || right.isNaN { return (left.isNaN ? 1 : 0) - (right.isNaN ? 1 : 0) }
        if left != 0 || left.sign == right.sign { return 0 }
        return left.sign == .minus ? -1 : 1
    }
}

extension Span where Element == UInt8 {
    /// Whether it is `true`, in any case.
    fileprivate var saysTrue: Bool {
        count == 4 && self[0] | 0x20 == UInt8(ascii: "t") && self[1] | 0x20 == UInt8(ascii: "r")
            && self[2] | 0x20 == UInt8(ascii: "u") && self[3] | 0x20 == UInt8(ascii: "e")
    }

    /// Shorter first, then by bytes.
    func precedes(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return count < other.count }
        for index in indices where self[index] != other[index] { return self[index] < other[index] }
        return false
    }

    /// Whether `pattern`, not empty, is somewhere in it.
    func contains(_ pattern: Span<UInt8>, borders: [UInt16]) -> Bool {
        guard borders.count == pattern.count else { return false }  // longer than any value
        var length = 0
        var index = 0
        while index < count {
            if length == 0 {
                index = next(pattern[0], from: index)
                guard index < count else { return false }
            } else {
                while length > 0, self[index] != pattern[length] { length = Int(borders[length - 1]) }
            }
            if self[index] == pattern[length] { length += 1 }
            if length == pattern.count { return true }
            index += 1
        }
        return false
    }
}
