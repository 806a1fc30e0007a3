import MQConfig
import MQSystem

/// Writes what an administrator changed into the file that the broker was started with, so that it survives a restart.
/// Comments and everything else stay as they are.
enum ConfigFileUpdate {
    /// Changes `path` on disk: in one step. Blocks.
    static func apply(_ changes: [ConfigValues.Change], to path: String) throws(SystemError) {
        let bytes = try File(path, .read).readAll(limit: 1 << 20)
        let text = updated(String(decoding: bytes, as: UTF8.self), changes.map { ($0.key, $0.new) })
        try File.replace(path, with: Array(text.utf8))
    }

    /// `text` with `pairs`: the last line of a key is replaced, a new key comes at the end.
    static func updated(_ text: String, _ pairs: [(key: String, value: String)]) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        // The broker has read this text before; if it is damaged by now, the new values still count at its end.
        let properties = (try? PropertiesText.parse(text)) ?? []
        for pair in pairs {
            let line = String(PropertiesText.text([pair]).dropLast())
            let position = properties.last { $0.key == pair.key }.map { $0.line - 1 }
            if let position, lines.indices.contains(position), !lines[position].hasSuffix("\\") {
                lines[position] = line
            } else {
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
