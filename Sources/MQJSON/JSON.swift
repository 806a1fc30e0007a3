/// One JSON value as RocketMQ's peers write it. Objects keep the order of their members.
///
/// `==` looks at content: the order of an object's members does not count, the spelling of a number does
/// (`integer(1)` is not `number(1)`), and so does the form of a key (`0` is not `"0"`).
public enum JSON: Hashable, Sendable {
    /// `null`; also what a missing member reads as.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number without fraction or exponent that fits 64 bits.
    case integer(Int64)
    /// Every other number. Never NaN or infinite when it was read; written as `null` if it is.
    case number(Double)
    /// A text, always valid Unicode.
    case string(String)
    /// An ordered list.
    case array([JSON])
    /// Members in order.
    case object(JSONObject)
}

extension JSON: CustomStringConvertible {
    /// The compact text.
    public var description: String { text() }
}

// MARK: - Reading values

extension JSON {
    /// The member named `name`, or `.null` if this is no object or has no such member.
    public subscript(_ name: String) -> JSON {
        if case .object(let object) = self { return object[name] ?? .null }
        return .null
    }

    /// The element at `index`, or `.null` if this is no array or has no such element.
    public subscript(_ index: Int) -> JSON {
        if case .array(let elements) = self, elements.indices.contains(index) { return elements[index] }
        return .null
    }

    /// Whether this is `null` (or was missing).
    public var isNull: Bool { self == .null }

    /// A truth value: `true`/`false`, the same as text in any case, or a number (0 is false), as fastjson casts.
    public var bool: Bool? {
        switch self {
        case .bool(let value): return value
        case .integer(let value): return value != 0
        case .string(let text):
            switch text.lowercased() {
            case "true", "1", "y", "t": return true
            case "false", "0", "n", "f": return false
            default: return nil
            }
        case .null, .number, .array, .object: return nil
        }
    }

    /// A whole number: an integer, a number without fraction, or decimal digits as text, as fastjson casts
    /// (librocketmq sends `"subVersion":"1795241561221"`).
    public var int64: Int64? {
        switch self {
        case .integer(let value): return value
        case .number(let value): return Int64(exactly: value)
        case .string(let text): return Int64(text)
        case .null, .bool, .array, .object: return nil
        }
    }

    /// ``int64`` as `Int`.
    public var int: Int? { int64.map(Int.init) }

    /// ``int64`` if it fits 32 bits.
    public var int32: Int32? { int64.flatMap { Int32(exactly: $0) } }

    /// A number, or one as text.
    public var double: Double? {
        switch self {
        case .integer(let value): return Double(value)
        case .number(let value): return value
        case .string(let text): return Double(text)
        case .null, .bool, .array, .object: return nil
        }
    }

    /// A text; numbers and truth values as their spelling, as fastjson casts. `nil` for `null`, arrays and objects.
    public var string: String? {
        switch self {
        case .string(let text): return text
        case .integer(let value): return String(value)
        case .bool(let value): return value ? "true" : "false"
        case .number(let value): return JSONWriter.javaText(value)
        case .null, .array, .object: return nil
        }
    }

    /// The elements, or `nil` if this is no array.
    public var array: [JSON]? {
        if case .array(let elements) = self { return elements }
        return nil
    }

    /// The members, or `nil` if this is no object.
    public var object: JSONObject? {
        if case .object(let object) = self { return object }
        return nil
    }
}

// MARK: - Building values

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// `null`.
    public init(nilLiteral: ()) { self = .null }
    /// `true` or `false`.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// A text.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An array.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// An object; of two members with one key the later counts.
    public init(dictionaryLiteral members: (JSONKey, JSON)...) { self = .object(JSONObject(members)) }

    /// An integer from any width.
    /// - Precondition: `value` fits 64 bits.
    public init(_ value: some BinaryInteger) { self = .integer(Int64(value)) }
    /// A text.
    public init(_ value: String) { self = .string(value) }
    /// A truth value.
    public init(_ value: Bool) { self = .bool(value) }
    /// A list of texts.
    public init(_ values: some Sequence<String>) { self = .array(values.map(JSON.string)) }
    /// A text, or `null`.
    public init(_ value: String?) { self = value.map(JSON.string) ?? .null }
}
