/// A key and the type of its value: what ``ConfigValues`` are read with.
public struct ConfigKey<Value: Sendable>: Sendable {
    /// What the tables, listings and the reference page know of it.
    public let declaration: ConfigDeclaration
    let read: @Sendable (ConfigValue) -> Value

    /// `-m` prints it.
    public var important: Self {
        var declaration = declaration
        declaration.isImportant = true
        return Self(declaration: declaration, read: read)
    }

    /// It may change while running: whoever uses it asks for the present configuration each time.
    public var live: Self {
        var declaration = declaration
        declaration.reload = .live
        return Self(declaration: declaration, read: read)
    }

    /// It is read and checked, and has no effect yet; a warning says so when it is set.
    public var notYet: Self {
        var declaration = declaration
        declaration.isSupported = false
        return Self(declaration: declaration, read: read)
    }
}

/// A value of fixed names, spelled as in Java.
public protocol ConfigChoice: RawRepresentable<String>, CaseIterable, Sendable {}

extension ConfigKey where Value == Bool {
    /// A switch.
    static func flag(_ name: String, default isOn: Bool, _ summary: String) -> Self {
        let declaration = ConfigDeclaration(
            name: name, kind: .bool, defaultValue: .fixed(isOn ? "true" : "false"), summary: summary)
        return Self(declaration: declaration) { $0 == .bool(true) }
    }
}

extension ConfigKey where Value == Int {
    /// A number in `range`, in `unit`.
    static func integer(
        _ name: String, default value: Int, in range: ClosedRange<Int>, unit: String = "", _ summary: String
    ) -> Self {
        let bounds = Int64(range.lowerBound)...Int64(range.upperBound)
        let declaration = ConfigDeclaration(
            name: name, kind: .integer(bounds), defaultValue: .fixed(String(value)), unit: unit, summary: summary)
        return Self(declaration: declaration) { Int($0.integer) }
    }
}

extension ConfigKey where Value == Duration {
    /// A time in milliseconds.
    static func milliseconds(_ name: String, default value: Int64, in range: ClosedRange<Int64>, _ summary: String)
        -> Self
    {
        let declaration = ConfigDeclaration(
            name: name, kind: .integer(range), defaultValue: .fixed(String(value)), unit: "ms", summary: summary)
        return Self(declaration: declaration) { .milliseconds($0.integer) }
    }

    /// A time in seconds.
    static func seconds(_ name: String, default value: Int64, in range: ClosedRange<Int64>, _ summary: String) -> Self {
        let declaration = ConfigDeclaration(
            name: name, kind: .integer(range), defaultValue: .fixed(String(value)), unit: "s", summary: summary)
        return Self(declaration: declaration) { .seconds($0.integer) }
    }
}

extension ConfigKey where Value == String {
    /// Any text.
    static func text(_ name: String, default value: ConfigDefault, _ summary: String) -> Self {
        let declaration = ConfigDeclaration(name: name, kind: .text, defaultValue: value, summary: summary)
        return Self(declaration: declaration) { $0.text }
    }
}

extension ConfigKey where Value: ConfigChoice {
    /// One of the type's cases.
    static func choice(_ name: String, default value: Value, _ summary: String) -> Self {
        let declaration = ConfigDeclaration(
            name: name, kind: .choice(Value.allCases.map(\.rawValue)), defaultValue: .fixed(value.rawValue),
            summary: summary)
        return Self(declaration: declaration) { Value(rawValue: $0.text) ?? value }
    }
}

extension ConfigValue {
    fileprivate var integer: Int64 {
        guard case .integer(let value) = self else { preconditionFailure("no integer: \(self)") }
        return value
    }

    fileprivate var text: String {
        guard case .text(let value) = self else { preconditionFailure("no text: \(self)") }
        return value
    }
}

extension Duration {
    /// Whole milliseconds, as most keys count.
    public var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
