/// Bytes from a peer or a file that cannot be what they claim to be. The evidence is in the values.
public enum WireError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `field` needs more bytes than there are.
    case truncated(StaticText, needed: Int, had: Int, at: Int)
    /// A length or count outside what the format or a limit allows.
    case lengthOutOfRange(StaticText, Int)
    /// The value of `field` has the wrong form.
    case malformed(StaticText, at: Int)
    /// More of `field` than the limit.
    case tooMany(StaticText, limit: Int)
    /// A serialize type, magic code or version that is not known.
    case unknown(StaticText, Int)

    public var description: String {
        switch self {
        case .truncated(let field, let needed, let had, let at):
            "\(field) is truncated: needs \(needed) bytes, has \(had), at offset \(at)"
        case .lengthOutOfRange(let field, let length): "\(field) is out of range: \(length)"
        case .malformed(let field, let at): "\(field) is malformed at offset \(at)"
        case .tooMany(let field, let limit): "more than \(limit) \(field)"
        case .unknown(let field, let value): "unknown \(field) \(value)"
        }
    }
}

/// A `StaticString` that can be compared: the field's name in an error, without an allocation where it is thrown.
public struct StaticText: Equatable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    private let text: StaticString

    /// The name as written in the source.
    public init(stringLiteral value: StaticString) { text = value }

    public static func == (left: Self, right: Self) -> Bool { left.description == right.description }

    public var description: String { text.description }
}
