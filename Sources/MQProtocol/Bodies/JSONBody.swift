public import MQBytes
public import MQCompression
public import MQJSON

/// A body that travels as JSON, as fastjson writes the Java class of the same name.
///
/// Reading ignores members it does not know, takes numbers and truth values as text too (librocketmq sends them so) and
/// fills in Java's defaults; writing gives the members of RocketMQ 5.3 in its (alphabetical) order, tables sorted by
/// key.
public protocol JSONBody: Equatable, Sendable {
    /// The value that `json` describes.
    /// - Throws: ``BodyError`` naming the member that is missing or of the wrong kind.
    init(json: JSON) throws(BodyError)

    /// This value as fastjson would write it, before spelling.
    var json: JSON { get }
}

extension JSONBody {
    /// Reads a body from its bytes.
    /// - Throws: ``BodyError``: answer `SYSTEM_ERROR`; the connection may go on.
    public init(parsing bytes: Span<UInt8>, limits: JSONLimits = JSONLimits()) throws(BodyError) {
        let json: JSON
        do throws(JSONError) {
            json = try JSON(parsing: bytes, limits: limits)
        } catch {
            throw .json(error)
        }
        try self.init(json: json)
    }

    /// ``init(parsing:limits:)-(Span<UInt8>,_)`` for an array.
    public init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(BodyError) {
        try self.init(parsing: bytes.span, limits: limits)
    }

    /// The body's bytes in `style`; ``JSONStyle/compact`` is what Java peers write by default.
    public func encoded(_ style: JSONStyle = .compact) -> [UInt8] { json.encoded(style) }
}

/// Why a body was refused. The peer's fault; `description` suits the reply's remark.
public enum BodyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes are no JSON, or cost too much.
    case json(JSONError)
    /// The class's text is not an object.
    case notAnObject(body: String)
    /// A member without which the body means nothing.
    case missing(body: String, member: String)
    /// A member of the wrong kind, or a number out of 32 bits.
    case badMember(body: String, member: String)
    /// The compressed form could not be expanded.
    case compression(CompressionError)
    /// The expanded form's lengths contradict its size.
    case wire(WireError)
    /// A topic line of the compressed form that is not `name read write perm filterType [attributes]`.
    case badTopicText(String)

    /// What is wrong, in one line.
    public var description: String {
        switch self {
        case .json(let error): "the body \(error)"
        case .notAnObject(let body): "\(body) is not a JSON object"
        case .missing(let body, let member): "\(body) has no \(member)"
        case .badMember(let body, let member): "\(body).\(member) has the wrong type"
        case .compression(let error): "the compressed body \(error)"
        case .wire(let error): "compressed body: \(error)"
        case .badTopicText(let text): "compressed body has a malformed topic: \(text)"
        }
    }
}
