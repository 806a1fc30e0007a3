import MQBytes

/// The answer to a send as RocketMQ's brokers write it, read from the frame in one pass: a short way beside
/// ``RemotingHeader``, for producers, who get one for each message. A quarter of the instructions.
public struct SendMessageAnswerView {
    /// How it went.
    public private(set) var code: Int32 = 0
    /// Which request it answers.
    public private(set) var opaque: Int32 = 0
    /// `nil` if it is absent.
    public private(set) var queueID: Int32?
    /// `nil` if it is absent.
    public private(set) var queueOffset: Int64?
    /// One offset id, or several with commas between them. A range of the frame's bytes without escapes, as are those below;
    /// empty if it is absent.
    public private(set) var messageID = 0..<0
    public private(set) var region = 0..<0
    public private(set) var recallHandle = 0..<0

    /// Reads the header of `frame`.
    /// - Returns: `nil` for everything that is written in another way, valid or not: nothing is lost, read it as a
    ///   ``RemotingHeader``.
    public init?(_ frame: RemotingFrame, in bytes: Span<UInt8>) {
        guard frame.serializeType == SerializeType.json.rawValue else { return nil }
        let bytes = bytes.extracting(0..<frame.header.upperBound)
        var at = frame.header.lowerBound
        guard Self.pass("{\"code\":", &at, bytes), let code = Self.number(&at, bytes),
            Self.pass(",\"extFields\":{", &at, bytes), fields(&at, bytes),
            Self.pass(",\"flag\":1,\"language\":\"JAVA\",\"opaque\":", &at, bytes),
            let opaque = Self.number(&at, bytes),
            Self.pass(",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":", &at, bytes),
            Self.number(&at, bytes) != nil, Self.pass("}", &at, bytes), at == bytes.count
        else { return nil }
        self.code = code
        self.opaque = opaque
    }

    @inline(__always) private static func pass(_ text: StaticString, _ at: inout Int, _ bytes: Span<UInt8>) -> Bool {
        guard bytes.holds(text, at: at) else { return false }
        at &+= text.utf8CodeUnitCount
        return true
    }

    @inline(__always) private static func number(_ at: inout Int, _ bytes: Span<UInt8>) -> Int32? {
        let (value, end) = Decimal.prefix(of: bytes, from: at)
        guard end > at, value <= UInt64(Int32.max) else { return nil }
        at = end
        return Int32(truncatingIfNeeded: value)
    }

    /// Reads `"name":"value",…}`. `false`: something is written in another way.
    @inline(__always) private mutating func fields(_ at: inout Int, _ bytes: Span<UInt8>) -> Bool {
        while true {
            guard at &+ 1 < bytes.count, field(&at, bytes) else { return false }
            guard at &+ 1 < bytes.count, bytes[at] == UInt8(ascii: "\"") else { return false }
            at &+= 2
            switch bytes[at &- 1] {
            case UInt8(ascii: ","): continue
            case UInt8(ascii: "}"): return true
            default: return false
            }
        }
    }

    /// Reads one field, up to the `"` that ends its value. No two names that a broker writes begin with the same three letters.
    @inline(__always) private mutating func field(_ at: inout Int, _ bytes: Span<UInt8>) -> Bool {
        switch bytes[at &+ 1] {
        case UInt8(ascii: "q"):
            if Self.pass("\"queueId\":\"", &at, bytes) {
                queueID = Self.number(&at, bytes)
                return queueID != nil
            }
            guard Self.pass("\"queueOffset\":\"", &at, bytes) else { break }
            // Ten digits at most: more of them are not followed by a `"`, and the answer is left to the general way.
            let (value, end) = Decimal.prefix(of: bytes, from: at)
            guard end > at else { return false }
            queueOffset = Int64(truncatingIfNeeded: value)
            at = end
            return true
        case UInt8(ascii: "T") where Self.pass("\"TRACE_ON\":\"true", &at, bytes): return true
        case UInt8(ascii: "m") where Self.pass("\"msgId\":\"", &at, bytes):
            return Self.text(&at, bytes) { messageID = $0 }
        case UInt8(ascii: "M") where Self.pass("\"MSG_REGION\":\"", &at, bytes):
            return Self.text(&at, bytes) { region = $0 }
        case UInt8(ascii: "r") where Self.pass("\"recallHandle\":\"", &at, bytes):
            return Self.text(&at, bytes) { recallHandle = $0 }
        case UInt8(ascii: "t") where Self.pass("\"transactionId\":\"", &at, bytes):
            return Self.text(&at, bytes) { _ in }
        default: break
        }
        // Any other; those above in another spelling are left to the general way.
        guard bytes[at] == UInt8(ascii: "\"") else { return false }
        let nameEnd = bytes.nextQuoteOrBackslash(from: at &+ 1)
        guard bytes.holds("\":\"", at: nameEnd), !Self.isKnown(bytes.extracting((at &+ 1)..<nameEnd)) else {
            return false
        }
        at = nameEnd &+ 3
        return Self.text(&at, bytes) { _ in }
    }

    private static func isKnown(_ name: Span<UInt8>) -> Bool {
        name.equals("queueId") || name.equals("queueOffset") || name.equals("msgId") || name.equals("MSG_REGION")
            || name.equals("recallHandle")
    }

    /// Passes over a text without escapes, which a `"` ends.
    @inline(__always) private static func text(
        _ at: inout Int, _ bytes: Span<UInt8>, _ note: (Range<Int>) -> Void
    ) -> Bool {
        let end = bytes.nextQuoteOrBackslash(from: at)
        note(at..<end)
        at = end
        return end < bytes.count  // a backslash is refused as no `"`
    }
}
