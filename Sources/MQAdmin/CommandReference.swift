/// `docs/reference/mqadmin.md`, printed from the table. Pure.
extension CommandTable {
    /// The whole page.
    var referencePage: String {
        var page = """
            # mqadmin

            Printed by `scripts/reference` from the table of commands; `mqadmin help <command>` says the same. Each command takes
            `-n` (else `NAMESRV_ADDR`), `-h` and `--json`, those that show something `--watch <seconds>` as well; `*` marks what must be
            given, `(b|c)` of which exactly one must. `mqadmin completion bash|zsh` prints a script for the shell. A command that fails says why in one
            sentence on standard error and ends with 1.

            | command | what it does | options |
            |---|---|---|

            """
        for command in commands.sorted(by: { $0.name.lowercased() < $1.name.lowercased() }) {
            page += "| \(command.name) | \(escaped(command.summary)) | \(options(of: command)) |\n"
        }
        page += """

            ## Not in this release

            Listed, and answered with one sentence and exit code 1.

            | command | belongs to |
            |---|---|

            """
        for command in notServed { page += "| \(command.name) | \(command.mode) |\n" }
        return page
    }

    private func options(of command: Command) -> String {
        var shownGroups = Set<String>()
        return command.options.compactMap { option in
            guard let group = option.group else {
                return "-\(option.short) \(option.long)" + (option.isRequired ? "*" : "")
            }
            guard shownGroups.insert(group).inserted else { return nil }
            let members = command.options.filter { $0.group == group }
            return "(" + members.map { "-\($0.short) \($0.long)" }.joined(separator: " \\| ") + ")*"
        }.joined(separator: ", ")
    }

    private func escaped(_ text: String) -> String {
        String(text.flatMap { $0 == "|" ? Array("\\|") : [$0] })
    }
}
