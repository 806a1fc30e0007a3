/// Why a configuration was refused. `description` is the sentence to print.
public enum ConfigError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A value that its key does not allow.
    public struct BadValue: Equatable, Sendable {
        /// The file; `nil` for the command line and hot updates.
        public let fileName: String?
        /// The line in the file, from 1.
        public let line: Int
        /// The key.
        public let key: String
        /// What was written.
        public let text: String
        /// What is allowed, in words.
        public let allowed: String
    }

    /// The text is malformed.
    case syntax(fileName: String, PropertiesError)
    /// A value is not allowed.
    case badValue(BadValue)
    /// There is no such key (command line and hot updates; files only warn).
    case unknownKey(name: String, nearest: String?)
    /// The key cannot change while running.
    case needsRestart(key: String)
    /// The key is not supported yet, so changing it would do nothing.
    case notSupportedYet(key: String)

    /// What is wrong and where, in one line.
    public var description: String {
        switch self {
        case .syntax(let fileName, .badUnicodeEscape(let line)):
            return "\(fileName):\(line): \\u is not followed by four hexadecimal digits"
        case .syntax(let fileName, .tooLong(let byteCount, let max)):
            return "\(fileName): \(byteCount) bytes, limit \(max)"
        case .badValue(let bad):
            let place = bad.fileName.map { "\($0):\(bad.line): " } ?? ""
            return "\(place)\(bad.key)=\(bad.text) is not allowed: it must be \(bad.allowed)"
        case .unknownKey(let name, let nearest):
            return "unknown key \(name)" + (nearest.map { ", did you mean \($0)?" } ?? "")
        case .needsRestart(let key): return "\(key) cannot change while running: put it into the file and restart"
        case .notSupportedYet(let key): return "\(key) is not supported yet"
        }
    }
}

/// What is odd about a configuration that was accepted. `description` is the line to log.
public enum ConfigWarning: Equatable, Sendable, CustomStringConvertible {
    /// No such key; Java ignores it, so do we.
    case unknownKey(fileName: String, line: Int, key: String, nearest: String?)
    /// RocketMQ 4.9 knew it, 5.x does not.
    case removedKey(fileName: String, line: Int, key: String, note: String)
    /// The key is known but has no effect yet, and is set to something else than its default.
    case notSupportedYet(fileName: String, line: Int, key: String, value: String)
    /// An earlier line has the same key; this one counts.
    case repeatedKey(fileName: String, line: Int, key: String)
    /// `~` and `${…}` in a value stay as they are.
    case notExpanded(fileName: String, line: Int, key: String, value: String)

    /// What is odd and where, in one line.
    public var description: String {
        switch self {
        case .unknownKey(let fileName, let line, let key, let nearest):
            "\(fileName):\(line): unknown key \(key) is ignored" + (nearest.map { ", did you mean \($0)?" } ?? "")
        case .removedKey(let fileName, let line, let key, let note): "\(fileName):\(line): \(key) is ignored: \(note)"
        case .notSupportedYet(let fileName, let line, let key, let value):
            "\(fileName):\(line): \(key)=\(value) has no effect: this key is not supported yet"
        case .repeatedKey(let fileName, let line, let key):
            "\(fileName):\(line): \(key) is set again; this line counts"
        case .notExpanded(let fileName, let line, let key, let value):
            "\(fileName):\(line): \(key)=\(value) is taken as it is: ~ and ${…} are not expanded"
        }
    }
}

extension ConfigTable {
    /// The configuration of a properties text; keys it does not name have their defaults on `machine`.
    /// - Parameter fileName: for messages.
    /// - Throws: ``ConfigError``: refuse to start and print it.
    /// - Returns: the values, and what to log as warnings.
    public func load(
        text: String, fileName: String, on machine: ConfigMachine
    ) throws(ConfigError) -> (values: ConfigValues, warnings: [ConfigWarning]) {
        var values = ConfigValues(self, on: machine)
        var warnings: [ConfigWarning] = []
        var seen: Set<String> = []
        for property in try Self.properties(text, fileName: fileName) {
            let line = property.line
            let value = property.value.trimmed
            guard let declaration = self[property.key] else {
                warnings.append(warningAboutUnknown(property, fileName: fileName))
                continue
            }
            if !seen.insert(property.key).inserted {
                warnings.append(.repeatedKey(fileName: fileName, line: line, key: property.key))
            }
            try values.set(property.key, to: value, fileName: fileName, line: line)
            if !declaration.isSupported, values.isChanged(property.key) {
                warnings.append(.notSupportedYet(fileName: fileName, line: line, key: property.key, value: value))
            } else if declaration.kind == .text, value.hasPrefix("~") || value.contains("${") {
                warnings.append(.notExpanded(fileName: fileName, line: line, key: property.key, value: value))
            }
        }
        return (values, warnings)
    }

    private func warningAboutUnknown(_ property: Property, fileName: String) -> ConfigWarning {
        if let note = removed[property.key] {
            return .removedKey(fileName: fileName, line: property.line, key: property.key, note: note)
        }
        return .unknownKey(
            fileName: fileName, line: property.line, key: property.key, nearest: nearest(to: property.key))
    }

    fileprivate static func properties(_ text: String, fileName: String) throws(ConfigError) -> [Property] {
        do throws(PropertiesError) {
            return try PropertiesText.parse(text)
        } catch {
            throw .syntax(fileName: fileName, error)
        }
    }
}

extension ConfigValues {
    /// A key that a hot update changed.
    public struct Change: Equatable, Sendable {
        /// The key.
        public let key: String
        /// Its text before.
        public let old: String
        /// Its text now.
        public let new: String
    }

    /// Takes the body of `UPDATE_BROKER_CONFIG` (25) or `UPDATE_NAMESRV_CONFIG` (318), all of it or nothing. Only keys
    /// declared `live` may change; others may be named with the value they have.
    /// - Returns: what changed, in the text's order.
    /// - Throws: ``ConfigError``; nothing has changed then.
    public mutating func update(_ text: String) throws(ConfigError) -> [Change] {
        var updated = self
        var changes: [Change] = []
        for property in try ConfigTable.properties(text, fileName: "update") {
            let key = property.key
            let old = updated.text(key) ?? ""
            let new = property.value.trimmed
            try updated.set(key, to: new, fileName: nil, line: property.line)
            guard let declaration = table[key], old != new else { continue }
            guard declaration.isSupported else { throw .notSupportedYet(key: key) }
            guard declaration.reload == .live else { throw .needsRestart(key: key) }
            changes.append(Change(key: key, old: old, new: new))
        }
        self = updated
        return changes
    }
}

extension String {
    /// Without blanks at either end.
    fileprivate var trimmed: String {
        var rest = Substring(self)
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}
