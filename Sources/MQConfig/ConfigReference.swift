extension ConfigTable {
    /// The reference page of these tables, Markdown: `docs/reference/config.md`.
    public static func referencePage(_ tables: [(title: String, table: ConfigTable)]) -> String {
        var page = """
            # Configuration keys

            Printed from the tables of `MQConfig`; do not edit. Files are Java properties (`key=value`), read at start.
            *live* keys can also be changed while running; **important** ones are what `-m` prints. Keys marked
            *not yet* are known and accepted; a warning says so when one is set to something else than its default.

            """
        for (title, table) in tables {
            page += "\n## \(title)\n"
            for section in table.sections {
                page += "\n### \(section.javaClass)\n\n"
                page += "| key | default | allowed | unit | | what it does |\n|---|---|---|---|---|---|\n"
                page += section.declarations.map(\.referenceRow).joined()
            }
            guard !table.removed.isEmpty else { continue }
            page += "\n### Gone since RocketMQ 5\n\n| key | |\n|---|---|\n"
            page += table.removed.sorted { $0.key < $1.key }.map { "| `\($0.key)` | \($0.value) |\n" }.joined()
        }
        return page
    }
}

extension ConfigDeclaration {
    fileprivate var referenceRow: String {
        let name = isImportant ? "**`\(name)`**" : "`\(name)`"
        let value = defaultValue.summary.isEmpty ? "" : "`\(defaultValue.summary)`"
        let notes = [isSupported ? "" : "not yet", reload == .live ? "live" : ""].filter { !$0.isEmpty }
        return "| \(name) | \(value) | \(kind.summary) | \(unit) | \(notes.joined(separator: ", ")) | \(summary) |\n"
    }
}
