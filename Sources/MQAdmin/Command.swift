/// One command of mqadmin.
public struct Command: Sendable {
    /// As it is typed, in any case.
    public let name: String
    /// One line for the list.
    public let summary: String
    /// Its own options; `-h` and `-n` come on top.
    public let options: [CommandOption]
    /// Does it.
    public let run: @Sendable (CommandArguments, Admin, Output) async throws -> Void

    /// A command.
    /// - Parameter run: throws ``ClientError`` only; the type is not spelled because closures do not infer it.
    public init(
        _ name: String, _ summary: String, _ options: [CommandOption] = [],
        run: @escaping @Sendable (CommandArguments, Admin, Output) async throws -> Void
    ) {
        self.name = name
        self.summary = summary
        self.options = options
        self.run = run
    }

    /// `usage: mqadmin <name> …` and a line for each option.
    public var help: String {
        let all = (options + CommandOption.common).sorted { $0.short.lowercased() < $1.short.lowercased() }
        var usage = "usage: mqadmin \(name)"
        var shownGroups = Set<String>()
        for option in all {
            if let group = option.group {
                guard shownGroups.insert(group).inserted else { continue }
                usage += " " + all.filter { $0.group == group }.map { "-\($0.short) <arg>" }.joined(separator: " | ")
            } else {
                let text = "-\(option.short)" + (option.takesValue ? " <arg>" : "")
                usage += option.isRequired ? " \(text)" : " [\(text)]"
            }
        }
        let names = all.map { " -\($0.short),--\($0.long)" + ($0.takesValue ? " <arg>" : "") }
        let width = (names.map(\.count).max() ?? 0) + 3
        let lines = zip(all, names).map { option, name in
            name + String(repeating: " ", count: width - name.count) + option.help
        }
        return ([usage] + lines).joined(separator: "\n") + "\n"
    }
}

/// Where commands print.
public struct Output: Sendable {
    private let write: @Sendable (String) -> Void

    /// - Parameter write: gets the text, line ends included.
    public init(_ write: @escaping @Sendable (String) -> Void) { self.write = write }

    /// Prints as Java's `printf` does.
    public func print(_ pattern: String, _ arguments: any JavaFormattable...) { write(javaFormat(pattern, arguments)) }

    /// Prints text as it is.
    public func put(_ text: String) { write(text) }
}
