/// What a default may depend on; the caller asks the system.
public struct ConfigMachine: Sendable, Equatable {
    /// The user's home folder.
    public var home: String
    /// `ROCKETMQ_HOME`, empty if unset.
    public var rocketmqHome: String
    /// `NAMESRV_ADDR`, empty if unset.
    public var nameServers: String
    /// The host's name.
    public var hostName: String
    /// The address other machines reach this one at.
    public var localAddress: String
    /// Processors that may be used.
    public var processorCount: Int

    /// A machine.
    public init(
        home: String, rocketmqHome: String = "", nameServers: String = "", hostName: String = "DEFAULT_BROKER",
        localAddress: String = "127.0.0.1", processorCount: Int = 2
    ) {
        self.home = home
        self.rocketmqHome = rocketmqHome
        self.nameServers = nameServers
        self.hostName = hostName
        self.localAddress = localAddress
        self.processorCount = processorCount
    }
}

/// A key's value when the file does not name it.
public enum ConfigDefault: Sendable, Equatable {
    /// The same everywhere.
    case fixed(String)
    /// A path below the home folder, from its `/` on.
    case home(String)
    /// `ROCKETMQ_HOME`.
    case rocketmqHome
    /// `NAMESRV_ADDR`.
    case nameServers
    /// The host's name.
    case hostName
    /// The machine's address.
    case localAddress
    /// `plus + times × processors`, at most `max`.
    case processors(times: Int, plus: Int, max: Int)

    /// The default on `machine`.
    public func text(on machine: ConfigMachine) -> String {
        switch self {
        case .fixed(let text): text
        case .home(let path): machine.home + path
        case .rocketmqHome: machine.rocketmqHome
        case .nameServers: machine.nameServers
        case .hostName: machine.hostName
        case .localAddress: machine.localAddress
        case .processors(let times, let plus, let max): String(min(plus + times * machine.processorCount, max))
        }
    }

    /// The default in words, for the reference page.
    public var summary: String {
        switch self {
        case .fixed(let text): return text
        case .home(let path): return "~" + path
        case .rocketmqHome: return "$ROCKETMQ_HOME"
        case .nameServers: return "$NAMESRV_ADDR"
        case .hostName: return "host name"
        case .localAddress: return "local address"
        case .processors(let times, let plus, let max):
            let sum = (plus > 0 ? "\(plus) + " : "") + (times > 1 ? "\(times) × " : "") + "processors"
            return max < Int.max ? "\(sum), at most \(max)" : sum
        }
    }
}

/// What a key's text may be.
public enum ConfigKind: Sendable, Equatable {
    /// `true` or `false`, in any case.
    case bool
    /// A whole number in a range.
    case integer(ClosedRange<Int64>)
    /// A number in a range.
    case number(ClosedRange<Double>)
    /// Any text.
    case text
    /// One of some names.
    case choice([String])

    /// What is allowed, in words.
    public var summary: String {
        switch self {
        case .bool: "true or false"
        case .integer(let range) where range == .min ... .max: "a whole number"
        case .integer(let range) where range.upperBound == .max: "a whole number from \(range.lowerBound) on"
        case .integer(let range): "a whole number in \(range.lowerBound)...\(range.upperBound)"
        case .number(let range) where range.upperBound == .infinity: "a number"
        case .number(let range): "a number in \(range.lowerBound)...\(range.upperBound)"
        case .text: "text"
        case .choice(let names): "one of " + names.joined(separator: ", ")
        }
    }

    /// The value `text` spells, or `nil` if it is not allowed.
    func value(of text: String) -> ConfigValue? {
        switch self {
        case .bool:
            switch text.lowercased() {
            case "true": return .bool(true)
            case "false": return .bool(false)
            default: return nil
            }
        case .integer(let range):
            guard let value = Int64(text), range.contains(value) else { return nil }
            return .integer(value)
        case .number(let range):
            guard let value = Double(text), range.contains(value) else { return nil }
            return .number(value)
        case .text: return .text(text)
        case .choice(let names): return names.contains(text) ? .text(text) : nil
        }
    }
}

/// A value of some ``ConfigKind``.
enum ConfigValue: Sendable, Equatable {
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)
}

/// When a new value counts.
public enum ConfigReload: Sendable, Equatable {
    /// At once, by `UPDATE_BROKER_CONFIG` or `UPDATE_NAMESRV_CONFIG`.
    case live
    /// At the next start; a hot update is refused.
    case restart
}

/// Everything known about one configuration key.
public struct ConfigDeclaration: Sendable, Equatable {
    /// RocketMQ's spelling.
    public var name: String
    /// What is allowed.
    public var kind: ConfigKind
    /// The value when the file does not name it.
    public var defaultValue: ConfigDefault
    /// Unit of a number: `ms`, `s`, `bytes`, …; empty if none.
    public var unit = ""
    /// When a new value counts.
    public var reload = ConfigReload.restart
    /// Whether `-m` prints it (Java's `@ImportantField`).
    public var isImportant = false
    /// Whether Apus honours it. Others are accepted with a warning.
    public var isSupported = true
    /// What it does, in a sentence; empty for keys not supported yet.
    public var summary = ""
}
