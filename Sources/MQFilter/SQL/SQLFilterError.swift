/// Why an SQL92 expression is refused, and where. ``description`` is the remark of the answer.
public struct SQLFilterError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Problem: Equatable, Sendable {
        /// Nothing but blanks and comments.
        case empty
        /// More bytes than ``SQLLimits/expressionByteCountMax``.
        case tooLong(byteCount: Int)
        /// A character that begins no word of the language.
        case unknownCharacter(String)
        /// A string without its second quote.
        case unclosedString
        /// A `/*` without its `*/`.
        case unclosedComment
        /// Another word than may stand here, or one behind the end.
        case unexpected(found: String, expected: String)
        /// A number that Java's `long` or `double` does not hold; a fraction of zero is one too.
        case numberOutOfRange(String)
        /// A number or string where something true or false is needed.
        case notCondition
        /// `<`, `<=`, `>`, `>=` and `BETWEEN` compare properties and numbers only.
        case notOrdered
        /// `NULL` beside `=` or `<>`.
        case comparedWithNull
        /// `TRUE` or `FALSE` left of `=` with a number or string right of it.
        case booleanWithOther
        /// `IN` behind something other than a property.
        case inWithoutProperty
        /// A minus sign before a condition.
        case negatedCondition
        /// `BETWEEN` whose first number is greater than its second.
        case boundsBackwards
        /// More than ``SQLLimits/nestingMax`` levels of parentheses and signs.
        case tooDeep
        /// More than ``SQLLimits/stepsMax`` comparisons, operators and constants.
        case tooManySteps
        /// More than ``SQLLimits/propertiesMax`` different properties.
        case tooManyProperties
        /// More than ``SQLLimits/searchesMax`` `CONTAINS`.
        case tooManySearches
    }

    /// What is wrong.
    public let problem: Problem
    /// Where: 1 is the expression's first character.
    public let character: Int

    /// The problem and its place in one sentence, which begins as RocketMQ's does.
    public var description: String { "Invalid MessageSelector. At character \(character): \(problem)" }
}

extension SQLFilterError.Problem: CustomStringConvertible {
    /// The problem without its place.
    public var description: String {
        switch self {
        case .empty: "the expression is empty"
        case .tooLong(let count): "the expression has \(count) bytes, limit \(SQLLimits.expressionByteCountMax)"
        case .unknownCharacter(let text): "\(text) begins nothing that is known here"
        case .unclosedString: "the string that begins here has no end"
        case .unclosedComment: "the comment that begins here has no end"
        case .unexpected(let found, let expected): "expected \(expected), found \(found)"
        case .numberOutOfRange(let text): "\(text) is out of range"
        case .notCondition: "expected something that is true or false"
        case .notOrdered: "only properties and numbers can be compared by >, >=, <, <= and BETWEEN"
        case .comparedWithNull: "NULL cannot be compared; use IS NULL"
        case .booleanWithOther: "TRUE and FALSE cannot be compared with a number or a string"
        case .inWithoutProperty: "expected a property before IN"
        case .negatedCondition: "a condition has no sign; use NOT"
        case .boundsBackwards: "the first value of BETWEEN must be less than or equal to the second"
        case .tooDeep: "nested more than \(SQLLimits.nestingMax) deep"
        case .tooManySteps: "more than \(SQLLimits.stepsMax) comparisons, operators and constants"
        case .tooManyProperties: "more than \(SQLLimits.propertiesMax) different properties"
        case .tooManySearches: "more than \(SQLLimits.searchesMax) CONTAINS"
        }
    }
}

/// What an SQL92 expression may cost. Not RocketMQ's: it has no bounds.
public enum SQLLimits {
    /// Bytes of the text.
    public static let expressionByteCountMax = 64 << 10
    /// Parentheses and signs inside each other, and conditions that wait for their right side.
    public static let nestingMax = 64
    /// Comparisons, operators and constants that stand for themselves: about 1,300 comparisons joined by `AND` or `OR`.
    /// The strings of an `IN` do not count.
    public static let stepsMax = 4096
    /// Different properties.
    public static let propertiesMax = 64
    /// `CONTAINS`: each may walk through a value of 32 KiB.
    public static let searchesMax = 64
    /// Bytes of a property's value that is still read as a number; a longer one is none.
    public static let numberByteCountMax = 1024
}
