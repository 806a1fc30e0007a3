/// What a comparison asks.
enum SQLComparison {
    case equal, notEqual, greater, greaterOrEqual, less, lessOrEqual
}

/// What an expression, or a part of it, comes to.
public enum SQLOutcome: UInt8, Sendable {
    case no
    case yes
    /// Null: some property is not there.
    case unknown
    /// A value is not of the kind that the expression compares it with. The whole expression fails with it.
    case failed
}

/// Where a string is looked for.
enum SQLSearch {
    case contains, startsWith, endsWith
}

/// What a step works on.
enum SQLOperand: Equatable {
    /// Number in ``SQLProgram/constants``.
    case constant(UInt16)
    /// Number in ``SQLProgram/names``.
    case property(UInt16)
    /// The truth that earlier steps left on top.
    case condition
}

/// A value that stands in the expression. Java's types, because they decide how a property's text is read beside it:
/// `3` and `'3000000000'` do not compare, `3L` and it do.
enum SQLConstant: Equatable {
    case null
    case boolean(Bool)
    case integer(Int32)
    case long(Int64)
    case double(Double)
    /// Where in ``SQLProgram/text`` it lies.
    case text(Range<Int>)
}

/// One step of a compiled expression. Each takes its conditions from the top of a stack of truths and leaves one there.
enum SQLStep {
    /// A constant as a condition.
    case push(SQLOutcome)
    /// A property as a condition: all properties are strings, so it is false, or null.
    case property(UInt16)
    case compare(SQLComparison, SQLOperand, SQLOperand)
    case isNull(SQLOperand, negated: Bool)
    /// The string is number `pattern` of ``SQLProgram/patterns``.
    case search(SQLSearch, SQLOperand, pattern: UInt16, negated: Bool)
    /// The strings are number `list` of ``SQLProgram/lists``.
    case member(UInt16, list: UInt16, negated: Bool)
    case not
    /// Leaves out the right side of an `AND` whose left side, on top, is false. The step to go on with.
    case skipIfFalse(Int)
    /// As `skipIfFalse`, of an `OR` whose left side is true.
    case skipIfTrue(Int)
    case and
    case or
}

/// A string to look for.
struct SQLPattern {
    /// Where in ``SQLProgram/text`` it lies.
    let range: Range<Int>
    /// For `CONTAINS`: at each byte, how many bytes before it and with it are also the pattern's first
    /// (Knuth, Morris, Pratt), so that no value costs more than its length.
    let borders: [UInt16]
}

/// A compiled expression: flat arrays, so that an evaluation follows no pointers from node to node and allocates nothing.
struct SQLProgram {
    /// Bytes of all names and strings.
    var text: [UInt8] = []
    /// The properties named, each once, where they lie in `text`.
    var names: [Range<Int>] = []
    var constants: [SQLConstant] = []
    var patterns: [SQLPattern] = []
    /// Strings of each `IN`, sorted by length and bytes.
    var lists: [[Range<Int>]] = []
    var steps: [SQLStep] = []
}
