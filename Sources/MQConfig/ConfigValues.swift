/// A server's configuration: every key of its table has a value of its kind. Immutable but for ``set(_:to:)`` and
/// ``update(_:)``; parts receive structs of their own made from it.
public struct ConfigValues: Sendable {
    /// The keys.
    public let table: ConfigTable
    private var texts: [String]
    private var values: [ConfigValue]
    private let defaults: [String]

    /// All defaults.
    /// - Precondition: the table's defaults are allowed for their keys on `machine`.
    public init(_ table: ConfigTable, on machine: ConfigMachine) {
        self.table = table
        defaults = table.declarations.map { $0.defaultValue.text(on: machine) }
        texts = defaults
        values = zip(table.declarations, defaults).map { declaration, text in
            guard let value = declaration.kind.value(of: text) else {
                preconditionFailure("default of \(declaration.name) is not \(declaration.kind.summary): \(text)")
            }
            return value
        }
    }

    /// The value of `key`.
    /// - Precondition: the key is of this table.
    public subscript<Value>(key: ConfigKey<Value>) -> Value {
        guard let position = table.position(of: key.declaration.name) else {
            preconditionFailure("\(key.declaration.name) is not a key of this table")
        }
        return key.read(values[position])
    }

    /// The value of `name` as text, or `nil` if there is no such key.
    public func text(_ name: String) -> String? { table.position(of: name).map { texts[$0] } }

    /// Whether `name` has another value than its default.
    public func isChanged(_ name: String) -> Bool {
        guard let position = table.position(of: name) else { return false }
        return texts[position] != defaults[position]
    }

    /// Sets `name` as if the command line or the file had named it.
    /// - Throws: ``ConfigError/badValue(_:)`` or ``ConfigError/unknownKey(name:nearest:)``; nothing has changed then.
    public mutating func set(_ name: String, to text: String) throws(ConfigError) {
        try set(name, to: text, fileName: nil, line: 0)
    }

    mutating func set(_ name: String, to text: String, fileName: String?, line: Int) throws(ConfigError) {
        guard let position = table.position(of: name) else {
            throw .unknownKey(name: name, nearest: table.nearest(to: name))
        }
        let kind = table.declarations[position].kind
        guard let value = kind.value(of: text) else {
            throw .badValue(
                ConfigError.BadValue(fileName: fileName, line: line, key: name, text: text, allowed: kind.summary))
        }
        values[position] = value
        texts[position] = text
    }

    // MARK: - Listings

    /// Keys that differ from their defaults, in the table's order.
    public var changed: [(key: String, value: String)] {
        table.declarations.indices.filter { texts[$0] != defaults[$0] }
            .map { (table.declarations[$0].name, texts[$0]) }
    }

    /// Every key, or only the important ones, in the table's order.
    public func all(importantOnly: Bool = false) -> [(key: String, value: String)] {
        table.declarations.indices.filter { !importantOnly || table.declarations[$0].isImportant }
            .map { (table.declarations[$0].name, texts[$0]) }
    }

    /// `key=value` lines: what `-p` and (important ones) `-m` print, and the answers of `GET_BROKER_CONFIG` (26) and
    /// `GET_NAMESRV_CONFIG` (319). Not escaped, as Java's.
    ///
    /// Source: `MixAll.printObjectProperties`, `MixAll.properties2String`, RocketMQ 5.3.
    public func listing(importantOnly: Bool = false) -> String {
        all(importantOnly: importantOnly).map { "\($0.key)=\($0.value)\n" }.joined()
    }
}
