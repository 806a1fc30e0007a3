public import RocketMQClient

/// One option of a command.
public struct CommandOption: Equatable, Sendable {
    /// `t` of `-t`.
    public let short: String
    /// `topic` of `--topic`.
    public let long: String
    /// Whether a value follows.
    public let takesValue: Bool
    /// Whether the command needs it; `nil` belongs to no group.
    public let isRequired: Bool
    /// Exactly one option of those with the same group name must be given.
    public let group: String?
    /// One line for the help.
    public let help: String

    /// An option with a value.
    public static func value(
        _ short: String, _ long: String, _ help: String, required: Bool = false, group: String? = nil
    ) -> Self {
        Self(short: short, long: long, takesValue: true, isRequired: required, group: group, help: help)
    }

    /// An option without a value.
    public static func flag(_ short: String, _ long: String, _ help: String) -> Self {
        Self(short: short, long: long, takesValue: false, isRequired: false, group: nil, help: help)
    }

    /// Whether it has no short form: `--json`.
    var isLongOnly: Bool { short == long }
    /// As it is typed.
    var spelling: String { isLongOnly ? "--\(long)" : "-\(short)" }

    /// The two that most commands mean a place by: one broker, or all masters of a cluster.
    static func target(_ broker: String, _ cluster: String) -> [CommandOption] {
        [
            .value("b", "brokerAddr", broker, group: "target"), .value("c", "clusterName", cluster, group: "target"),
        ]
    }

    /// Which route to take; what there are no other routes for is not asked.
    static let cluster = value(
        "c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route.")

    /// Beyond RocketMQ: one JSON document in place of columns.
    static let json = flag("json", "json", "Print JSON")
    /// Beyond RocketMQ: again and again.
    static let watch = value("watch", "watch", "Repeat every so many seconds")

    /// What every command takes besides its own.
    static let common: [CommandOption] = [
        .flag("h", "help", "Print help"),
        .value("n", "namesrvAddr", "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'"),
    ]
}

/// The options a command was called with.
public struct CommandArguments: Equatable, Sendable {
    /// Short name → value, an empty text for flags.
    private var values: [String: String] = [:]

    /// Reads `-t value`, `-tvalue`, `-t=value`, `--topic value`, `--topic=value` and flags, as RocketMQ's commands do.
    /// - Throws: `invalid` with a sentence: an unknown option, a missing value, a stray word. What is required is
    ///   checked by ``checkRequired(_:)``, because `-h` does not need it.
    public init(_ words: [String], options: [CommandOption]) throws(ClientError) {
        var words = words
        var index = 0
        while index < words.count {
            let word = words[index]
            index += 1
            guard word.hasPrefix("-"), word.count > 1 else { throw .invalid("unexpected argument \(word)") }
            let (option, attached) = try Self.option(word, options)
            guard option.takesValue else {
                values[option.short] = ""
                // Flags may stand together: -lc.
                if let attached { words.insert("-" + attached, at: index) }
                continue
            }
            if let attached {
                values[option.short] = trimmed(attached)
            } else if index < words.count {
                values[option.short] = trimmed(words[index])
                index += 1
            } else {
                throw .invalid("Missing argument for option: \(option.short)")
            }
        }
    }

    /// The option that a word means, and the value or the further flags that are written onto it. Long names may be cut
    /// short while they are no other's beginning.
    private static func option(
        _ word: String, _ options: [CommandOption]
    ) throws(ClientError) -> (option: CommandOption, attached: String?) {
        let text = word.drop { $0 == "-" }
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let value = parts.count > 1 ? parts[1] : nil
        let isLong = word.hasPrefix("--")
        if let exact = options.first(where: { (isLong ? $0.long : $0.short) == parts[0] || $0.long == parts[0] }) {
            guard value == nil || exact.takesValue else { throw .invalid("option \(word) takes no value") }
            return (exact, value)
        }
        let begun = parts[0].isEmpty ? [] : options.filter { $0.long.hasPrefix(parts[0]) }
        if isLong, begun.count == 1, value == nil || begun[0].takesValue { return (begun[0], value) }
        guard !isLong, let option = options.first(where: { $0.short == text.prefix(1) }) else {
            let names = begun.map { "--\($0.long)" }.joined(separator: ", ")
            throw .invalid("Unrecognized option: \(word)" + (isLong && begun.count > 1 ? "; it may be \(names)" : ""))
        }
        return (option, String(text.dropFirst()))
    }

    /// - Throws: `invalid` naming the option that is missing, or the two that exclude each other.
    public func checkRequired(_ options: [CommandOption]) throws(ClientError) {
        for option in options where option.isRequired && values[option.short] == nil {
            throw .invalid("Missing required option: -\(option.short) (\(option.long))")
        }
        for group in Set(options.compactMap(\.group)).sorted() {
            let members = options.filter { $0.group == group }
            let given = members.filter { values[$0.short] != nil }
            let names = members.map { "-\($0.short) (\($0.long))" }.joined(separator: " or ")
            if given.isEmpty { throw .invalid("Missing required option: \(names)") }
            if given.count > 1 { throw .invalid("only one of \(names) may be given") }
        }
    }

    /// The value of the option; `nil` if it was not given.
    public subscript(_ short: String) -> String? { values[short] }

    /// Whether the option was given.
    public func has(_ short: String) -> Bool { values[short] != nil }

    /// The value of a required option.
    /// - Throws: `invalid` if it was not given.
    public func text(_ short: String) throws(ClientError) -> String {
        guard let value = values[short] else { throw .invalid("Missing required option: -\(short)") }
        return value
    }

    /// The value as a whole number of at least 0.
    /// - Throws: `invalid` if it is none.
    public func integer(_ short: String) throws(ClientError) -> Int64? {
        guard let text = values[short] else { return nil }
        guard let number = Int64(text), number >= 0 else {
            throw .invalid("option -\(short) expects a number, not \(text)")
        }
        return number
    }

    /// The value as `true` or `false`.
    /// - Throws: `invalid` if it is neither.
    public func bool(_ short: String) throws(ClientError) -> Bool? {
        guard let text = values[short]?.lowercased() else { return nil }
        guard text == "true" || text == "false" else {
            throw .invalid("option -\(short) expects true or false, not \(text)")
        }
        return text == "true"
    }
}

/// `text` without blanks around it, as Java's commands take their values.
func trimmed(_ text: String) -> String {
    String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
}
