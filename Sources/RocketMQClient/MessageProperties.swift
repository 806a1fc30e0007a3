import MQBytes
import MQMessage

/// A message's properties in the order they were set; names are unique.
public struct MessageProperties: Equatable, Sendable, ExpressibleByDictionaryLiteral, CustomStringConvertible {
    /// One property.
    public struct Entry: Equatable, Sendable {
        /// Its name.
        public let name: String
        /// Its value.
        public internal(set) var value: String
    }

    /// All of them, in order.
    public private(set) var entries: [Entry] = []

    /// No properties.
    public init() {}

    /// The given properties; of two with one name the later counts.
    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { self[name] = value }
    }

    /// Reads the stored form.
    init(stored bytes: Span<UInt8>) {
        let list = Properties.list(bytes)
        entries.reserveCapacity(list.count + 3)
        for (name, value) in list where !entries.contains(where: { $0.name == name }) {
            entries.append(Entry(name: name, value: value))
        }
    }

    /// The value of `name`; setting `nil` removes it.
    public subscript(name: String) -> String? {
        get { entries.first { $0.name == name }?.value }
        set {
            let position = entries.firstIndex { $0.name == name }
            switch (position, newValue) {
            case (let position?, let value?): entries[position].value = value
            case (let position?, nil): entries.remove(at: position)
            case (nil, let value?): entries.append(Entry(name: name, value: value))
            case (nil, nil): break
            }
        }
    }

    /// The value of a property the system gives meaning to.
    public subscript(name: StaticString) -> String? {
        get {
            // Most names differ in length already; a String made of the literal costs more than the whole search.
            let byteCount = name.utf8CodeUnitCount
            for entry in entries where entry.name.utf8.count == byteCount && entry.name == name.description {
                return entry.value
            }
            return nil
        }
        set {
            if newValue == nil, self[name] == nil { return }
            self[name.description] = newValue
        }
    }

    /// Whether there is nothing in it but what every new message has. Most have no more: what looks at properties for each
    /// message asks this first.
    var isStandard: Bool { entries.count == 1 && entries[0].name == "WAIT" && entries[0].value == "true" }

    /// The form that travels: `name \x01 value \x02 …`.
    var stored: [UInt8] { Properties.encode(entries.map { ($0.name, $0.value) }) }

    /// Whether a name or value holds a separator byte, which cannot travel.
    var hasSeparator: Bool {
        entries.contains { Self.hasSeparator($0.name) || Self.hasSeparator($0.value) }
    }

    private static func hasSeparator(_ text: String) -> Bool {
        // Over the bytes: the general loop over a short text takes 40 instructions for each of them.
        text.utf8.span.hasSeparator
    }

    /// Whether a timer of the broker is to hold the message back.
    var isTimed: Bool { entries.contains { $0.name.hasPrefix("TIMER_D") } }

    /// In the order in which Java's map of a stored message's properties lists them.
    /// Source: `MessageDecoder.string2messageProperties`, RocketMQ 5.3: a `HashMap` of 128 places.
    var inJavaOrder: MessageProperties {
        var places = 128
        while entries.count * 4 > places * 3 { places *= 2 }
        let placed = entries.map { entry in
            let hash = UInt32(bitPattern: javaHashCode(entry.name.utf8.span))
            return (place: Int(hash ^ hash >> 16) & (places - 1), entry: entry)
        }
        var sorted = MessageProperties()
        // Names in one place stay in the order they came in: indices, because sorting need not be stable.
        sorted.entries = placed.indices.sorted { (placed[$0].place, $0) < (placed[$1].place, $1) }.map {
            placed[$0].entry
        }
        return sorted
    }

    /// As Java prints a map: `{TAGS=TagA, WAIT=true}`.
    public var description: String { "{" + entries.map { "\($0.name)=\($0.value)" }.joined(separator: ", ") + "}" }
}

extension Span<UInt8> {
    fileprivate var hasSeparator: Bool {
        for index in indices where self[index] == Properties.nameEnd || self[index] == Properties.valueEnd {
            return true
        }
        return false
    }
}
