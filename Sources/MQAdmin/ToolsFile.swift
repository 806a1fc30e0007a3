import MQSystem
import RocketMQClient

/// `conf/tools.yml`: the account that commands sign their requests with.
///
/// Of YAML it reads what such a file holds: `name: text` lines, plain or in quotes, and comments.
/// Source: `MQAdminStartup.java`, `AclUtils.getAclRPCHook`, RocketMQ 5.3.3.
struct ToolsFile: Equatable {
    /// Empty if the file does not name one.
    private(set) var accessKey = ""
    private(set) var secretKey = ""

    private static let byteCountMax = 64 << 10

    /// Where it lies: `$ROCKETMQ_HOME/conf/tools.yml`; `nil` without a home.
    static var path: String? { ThisProcess.environment("ROCKETMQ_HOME").map { $0 + "/conf/tools.yml" } }

    /// Who the file at `path` says to be; `nil` if there is no file, or if it leaves one of the two empty: then nothing is
    /// signed, as in Java.
    /// - Throws: `invalid` with the file, the line and what is wrong with it.
    static func credentials(at path: String?) throws(ClientError) -> Credentials? {
        guard let path else { return nil }
        let bytes: [UInt8]?
        do throws(SystemError) {
            bytes = try File.contents(of: path, limit: byteCountMax)
        } catch {
            throw .invalid("cannot \(error)")
        }
        guard let bytes else { return nil }
        let file = try ToolsFile(String(decoding: bytes, as: UTF8.self), name: path)
        guard !file.accessKey.isEmpty, !file.secretKey.isEmpty else { return nil }
        return Credentials(accessKey: file.accessKey, secretKey: file.secretKey)
    }

    /// - Parameter name: for the error.
    init(_ text: String, name: String) throws(ClientError) {
        // "\r\n" is one Character.
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            func refuse(_ what: String) -> ClientError { .invalid("\(name), line \(index + 1): \(what)") }
            let content = line.drop { $0 == " " || $0 == "\t" || $0 == "\u{FEFF}" }
            // A document may begin with "---" and end with "...".
            if content.isEmpty || content.hasPrefix("#") || content.hasPrefix("---") || content == "..." { continue }
            guard let colon = content.firstIndex(of: ":") else { throw refuse("expected name: value") }
            let key = String(content[..<colon]).trimmed
            guard key == "accessKey" || key == "secretKey" else { continue }  // Java's tools look at nothing else
            let rest = content[content.index(after: colon)...]
            guard rest.isEmpty || rest.first == " " || rest.first == "\t" else {
                throw refuse("expected a blank behind \(key):")
            }
            guard let value = Self.scalar(String(rest).trimmed) else {
                throw refuse("the value of \(key) is no simple text; write it in single quotes, and one ' in it as ''")
            }
            if key == "accessKey" { accessKey = value } else { secretKey = value }
        }
    }

    /// A YAML scalar as text; `nil` if it is not one, or one that YAML reads as something else than the text that stands
    /// there.
    private static func scalar(_ text: String) -> String? {
        switch text.first {
        case nil, "#": return ""
        case "'": return quoted(text, by: "'")
        case "\"": return quoted(text, by: "\"").flatMap { $0.contains("\\") ? nil : $0 }
        case let first? where "[]{}&*!|>%@`,?".contains(first): return nil
        default: break
        }
        var plain = ""
        for character in text {
            if character == "#", plain.last == " " || plain.last == "\t" { break }  // a comment
            if character == " " || character == "\t", plain.last == ":" { return nil }
            plain.append(character)
        }
        plain = plain.trimmed
        if plain.hasSuffix(":") { return nil }
        if plain == "~" || plain.lowercased() == "null" { return "" }
        let isWord = ["true", "false", "yes", "no", "on", "off"].contains(plain.lowercased())
        return isWord || isOtherNumber(plain) ? nil : plain
    }

    /// 12345678 is what it looks like; 0123, 1_000, 1e3, 12:30 and 0x1F are other numbers, and 2024-01-01 is a day.
    private static func isOtherNumber(_ text: String) -> Bool {
        let digits = text.utf8.allSatisfy { (48...57).contains($0) }
        if digits { return text.utf8.count > 18 || (text.hasPrefix("0") && text != "0") }
        let unsigned = text.drop { $0 == "-" || $0 == "+" }
        if unsigned.hasPrefix("0x") || unsigned.hasPrefix("0b") { return true }
        let isNumeric = text.allSatisfy { "0123456789-+_.:eE".contains($0) }
        return isNumeric && text.contains { "0123456789".contains($0) } && !text.hasPrefix("e") && !text.hasPrefix("E")
    }

    /// The inside of a text in quotes, with nothing but a comment behind it.
    private static func quoted(_ text: String, by quote: Character) -> String? {
        var rest = text.dropFirst()
        var content = ""
        while let character = rest.popFirst() {
            if character != quote {
                content.append(character)
            } else if quote == "'", rest.first == "'" {
                content.append("'")
                rest.removeFirst()
            } else {
                let behind = String(rest).trimmed
                return behind.isEmpty || behind.hasPrefix("#") ? content : nil
            }
        }
        return nil
    }
}

extension String {
    /// Without blanks at its ends.
    fileprivate var trimmed: String {
        let front = drop { $0 == " " || $0 == "\t" || $0 == "\r" }
        return String(front.reversed().drop { $0 == " " || $0 == "\t" || $0 == "\r" }.reversed())
    }
}
