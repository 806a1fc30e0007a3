/// The key of an object's member. fastjson writes `Map<Integer, …>` as `{0:…}` and `Map<MessageQueue, …>` as
/// `{{"brokerName":…}:…}`, unquoted both.
///
/// Source: fastjson 1.2 `MapSerializer`, as RocketMQ 4.9 and 5.3 send.
public enum JSONKey: Hashable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    /// `"name"`, `'name'` or a bare identifier.
    case string(String)
    /// Digits without quotes.
    case integer(Int64)
    /// A whole object.
    case object(JSONObject)

    /// A text key.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An integer key.
    public init(integerLiteral value: Int64) { self = .integer(value) }

    /// The key as text, or `nil` if it is an object.
    public var string: String? {
        switch self {
        case .string(let text): return text
        case .integer(let value): return String(value)
        case .object: return nil
        }
    }

    /// The key as an integer, quoted or not, or `nil`.
    public var integer: Int64? {
        switch self {
        case .string(let text): return Int64(text)
        case .integer(let value): return value
        case .object: return nil
        }
    }

    /// The key as an object, or `nil`.
    public var object: JSONObject? {
        if case .object(let object) = self { return object }
        return nil
    }
}

/// Members of a JSON object: ordered, keys unique. Lookup is a short scan up to 8 members and hashed above.
public struct JSONObject: Sendable {
    /// One `key: value`.
    public struct Member: Hashable, Sendable {
        /// The member's key.
        public let key: JSONKey
        /// The member's value.
        public internal(set) var value: JSON
    }

    private static let scannedMax = 8

    private var members: [Member] = []
    /// Key → position in `members`; empty while there are at most `scannedMax` members.
    private var positions: [JSONKey: Int] = [:]

    /// No members.
    public init() {}

    /// The given members in order; of two with one key the later value counts, at the earlier's place.
    public init(_ members: some Sequence<(JSONKey, JSON)>) {
        for (key, value) in members { set(key, value) }
    }

    /// The value under `key` in exactly this form; setting `nil` removes the member (linear time).
    public subscript(key key: JSONKey) -> JSON? {
        get { position(of: key).map { members[$0].value } }
        set {
            if let newValue {
                set(key, newValue)
            } else if let position = position(of: key) {
                var rest = members
                rest.remove(at: position)
                self = JSONObject(rest.map { ($0.key, $0.value) })
            }
        }
    }

    /// The value under the text key `name`, or under the integer key that `name` spells.
    public subscript(_ name: String) -> JSON? {
        get {
            if let value = self[key: .string(name)] { return value }
            guard let first = name.utf8.first, first <= UInt8(ascii: "9"), let number = Int64(name) else { return nil }
            return self[key: .integer(number)]
        }
        set { self[key: .string(name)] = newValue }
    }

    /// The value under the integer key `number`, quoted or not.
    public subscript(integer number: Int64) -> JSON? {
        get { self[key: .integer(number)] ?? self[key: .string(String(number))] }
        set { self[key: .integer(number)] = newValue }
    }

    /// Adds a member, or replaces the value of the one with this key.
    public mutating func set(_ key: JSONKey, _ value: JSON) {
        if let position = position(of: key) {
            members[position].value = value
            return
        }
        members.append(Member(key: key, value: value))
        if members.count == Self.scannedMax + 1 {
            for (position, member) in members.enumerated() { positions[member.key] = position }
        } else if members.count > Self.scannedMax {
            positions[key] = members.count - 1
        }
    }

    private func position(of key: JSONKey) -> Int? {
        if members.count > Self.scannedMax { return positions[key] }
        return members.firstIndex { $0.key == key }
    }
}

extension JSONObject: RandomAccessCollection {
    /// Always 0.
    public var startIndex: Int { 0 }
    /// The number of members.
    public var endIndex: Int { members.count }
    /// The member at `position`, in order.
    public subscript(position: Int) -> Member { members[position] }
}

extension JSONObject: Hashable, ExpressibleByDictionaryLiteral {
    /// Same keys with equal values, in whatever order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        guard left.count == right.count else { return false }
        return left.members.allSatisfy { right[key: $0.key] == $0.value }
    }

    /// Independent of the members' order.
    public func hash(into hasher: inout Hasher) {
        var sum = 0
        for member in members { sum ^= member.hashValue }
        hasher.combine(sum)
        hasher.combine(members.count)
    }

    /// Members in order; of two with one key the later value counts.
    public init(dictionaryLiteral members: (JSONKey, JSON)...) { self.init(members) }
}
