/// One command of mqadmin.
public struct Command: Sendable {
    /// As it is typed, in any case.
    public let name: String
    /// One line for the list.
    public let summary: String
    /// Its own options; those of all commands come on top (``allOptions``).
    public let options: [CommandOption]
    /// Whether it only shows something: then it can be repeated with `--watch`.
    public let isListing: Bool
    /// Does it.
    public let run: @Sendable (CommandArguments, Admin, Output) async throws -> Void

    /// A command.
    /// - Parameter run: throws ``ClientError`` only; the type is not spelled because closures do not infer it.
    public init(
        _ name: String, _ summary: String, _ options: [CommandOption] = [], isListing: Bool = false,
        run: @escaping @Sendable (CommandArguments, Admin, Output) async throws -> Void
    ) {
        self.name = name
        self.summary = summary
        self.options = options
        self.isListing = isListing
        self.run = run
    }

    /// A command that only shows something.
    static func listing(
        _ name: String, _ summary: String, _ options: [CommandOption] = [],
        run: @escaping @Sendable (CommandArguments, Admin, Output) async throws -> Void
    ) -> Command {
        Command(name, summary, options, isListing: true, run: run)
    }

    /// What it can be called with.
    public var allOptions: [CommandOption] {
        options + CommandOption.common + (isListing ? [.json, .watch] : [.json])
    }

    /// `usage: mqadmin <name> …` and a line for each option.
    public var help: String {
        let all = allOptions.sorted { $0.short.lowercased() < $1.short.lowercased() }
        var usage = "usage: mqadmin \(name)"
        var shownGroups = Set<String>()
        for option in all {
            if let group = option.group {
                guard shownGroups.insert(group).inserted else { continue }
                usage += " " + all.filter { $0.group == group }.map { "-\($0.short) <arg>" }.joined(separator: " | ")
            } else {
                let text = option.spelling + (option.takesValue ? " <arg>" : "")
                usage += option.isRequired ? " \(text)" : " [\(text)]"
            }
        }
        let names = all.map { option in
            (option.isLongOnly ? "    --\(option.long)" : " -\(option.short),--\(option.long)")
                + (option.takesValue ? " <arg>" : "")
        }
        let width = (names.map(\.count).max() ?? 0) + 3
        let lines = zip(all, names).map { option, name in
            name + String(repeating: " ", count: width - name.count) + option.help
        }
        return ([usage] + lines).joined(separator: "\n") + "\n"
    }
}
