/// What one decode may cost. Bytes from a peer are bounded before a tree is built from them.
public struct JSONLimits: Sendable, Equatable {
    /// Longest text, bytes.
    public var byteCountMax: Int
    /// Deepest nesting of arrays and objects (object keys count as one level).
    public var depthMax: Int
    /// Most values in the tree, keys not counted; also bounds what `$ref` may copy. A value costs about 60 bytes.
    public var elementsMax: Int

    /// Limits; the defaults suit a table of 50,000 topics.
    public init(byteCountMax: Int = 64 << 20, depthMax: Int = 64, elementsMax: Int = 1_000_000) {
        precondition((1...512).contains(depthMax), "depthMax \(depthMax): decoding recurses")
        self.byteCountMax = byteCountMax
        self.depthMax = depthMax
        self.elementsMax = elementsMax
    }
}

/// Why a text is no JSON, or costs too much. Offsets are bytes from its start. The peer's fault: answer or close.
public enum JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The text ends inside a value.
    case truncated(at: Int)
    /// A byte that cannot stand here.
    case unexpected(byte: UInt8, at: Int)
    /// A number that is malformed, longer than 128 bytes, or beyond a double.
    case badNumber(at: Int)
    /// A malformed escape inside a text.
    case badEscape(at: Int)
    /// Something follows the value.
    case trailing(at: Int)
    /// The text has more bytes than ``JSONLimits/byteCountMax``.
    case tooLong(byteCount: Int, max: Int)
    /// Nested deeper than ``JSONLimits/depthMax``.
    case tooDeep(max: Int, at: Int)
    /// More values than ``JSONLimits/elementsMax``, `$ref` copies included.
    case tooManyElements(max: Int)

    /// What is wrong with the text, said of it: goes behind its name.
    public var description: String {
        switch self {
        case .truncated(let at): "ends inside a value at offset \(at)"
        case .unexpected(_, let at), .trailing(let at): "is no JSON at offset \(at)"
        case .badNumber(let at): "is no JSON at offset \(at): a number is malformed or too large"
        case .badEscape(let at): "is no JSON at offset \(at): an escape is malformed"
        case .tooLong(let byteCount, let max): "has \(byteCount) bytes, limit \(max)"
        case .tooDeep(let max, let at): "nests deeper than \(max) levels at offset \(at)"
        case .tooManyElements(let max): "has more than \(max) values"
        }
    }
}
