/// A Swift file as the checks see it: once with comments and string literals blanked, once with the comments only.
/// Line breaks stay, so a line number means the same in all three forms.
struct SourceText {
    let path: String
    let code: [String]  // one element a line; text in comments and string literals is spaces
    let comments: [String]  // one element a line; everything that is not a comment is spaces

    init(path: String, text: String) {
        self.path = path
        var scanner = Scanner(text: Array(text.utf8))
        scanner.run()
        code = lines(scanner.code)
        comments = lines(scanner.comments)
    }

    /// The modules this file imports, with their line numbers, whatever stands before `import` and after the name.
    var imports: [(module: String, line: Int)] {
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        return code.enumerated().compactMap { index, line in
            guard line.contains("import ") else { return nil }
            let words = line.split(whereSeparator: { " \t;".contains($0) })
            guard let at = words.firstIndex(of: "import"), words.index(after: at) < words.endIndex else { return nil }
            guard words[..<at].allSatisfy({ isImportModifier($0) }) else { return nil }
            var name = words[at + 1]
            if kinds.contains(name), at + 2 < words.endIndex { name = words[at + 2] }
            return (String(name.prefix { $0 != "." }), index + 1)
        }
    }

    private func isImportModifier(_ word: Substring) -> Bool {
        word.hasPrefix("@") || ["public", "package", "internal", "fileprivate", "private"].contains(word)
    }
}

private func lines(_ bytes: [UInt8]) -> [String] {
    bytes.split(separator: newline, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
}

/// The identifiers and keywords of a line of code, in order.
func words(of line: String) -> [Substring] {
    line.utf8.split { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): false
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...: false
        default: true
        }
    }.map { Substring($0) }
}

private let newline = UInt8(ascii: "\n")

/// Splits Swift text into code and comments. Knows nested block comments, raw and multi-line strings; what is
/// interpolated into a string counts as string.
private struct Scanner {
    let text: [UInt8]
    var code: [UInt8] = []
    var comments: [UInt8] = []
    private var position = 0

    init(text: [UInt8]) {
        self.text = text
        code.reserveCapacity(text.count)
        comments.reserveCapacity(text.count)
    }

    mutating func run() {
        while position < text.count {
            let byte = text[position]
            if byte != UInt8(ascii: "/"), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "#") {
                take(.code)
            } else if starts("//") {
                while position < text.count, text[position] != newline { take(.comment) }
            } else if starts("/*") {
                blockComment()
            } else if let hashes = stringStart() {
                string(hashes: hashes)
            } else {
                take(.code)
            }
        }
    }

    private enum Kind { case code, comment, string }

    private mutating func take(_ kind: Kind) {
        let byte = text[position]
        let blank = byte == newline ? newline : UInt8(ascii: " ")
        code.append(kind == .code ? byte : blank)
        comments.append(kind == .comment ? byte : blank)
        position += 1
    }

    private func starts(_ word: String, at offset: Int = 0) -> Bool {
        let start = position + offset
        guard start + word.utf8.count <= text.count else { return false }
        return text[start..<(start + word.utf8.count)].elementsEqual(word.utf8)
    }

    private mutating func blockComment() {
        var depth = 0
        repeat {
            if starts("/*") {
                depth += 1
                take(.comment)
            } else if starts("*/") {
                depth -= 1
                take(.comment)
            }
            take(.comment)
        } while depth > 0 && position < text.count
    }

    /// The number of `#` before a quote that opens a string here; `nil` when none opens.
    private func stringStart() -> Int? {
        var hashes = 0
        while position + hashes < text.count, text[position + hashes] == UInt8(ascii: "#") { hashes += 1 }
        guard position + hashes < text.count, text[position + hashes] == UInt8(ascii: "\"") else { return nil }
        return hashes
    }

    private mutating func string(hashes: Int) {
        let isMultiline = starts("\"\"\"", at: hashes)
        let fence = String(repeating: "#", count: hashes)
        let quotes = isMultiline ? "\"\"\"" : "\""
        for _ in 0..<(hashes + quotes.count) { take(.string) }
        while position < text.count, isMultiline || text[position] != newline {
            if starts(quotes + fence) {
                for _ in 0..<(quotes.count + hashes) { take(.string) }
                return
            }
            if starts("\\" + fence + "(") {
                for _ in 0..<(2 + hashes) { take(.string) }
                interpolation()
            } else if starts("\\" + fence), position + hashes + 1 < text.count {
                for _ in 0..<(2 + hashes) { take(.string) }
            } else {
                take(.string)
            }
        }
    }

    private mutating func interpolation() {
        var depth = 1
        while position < text.count, depth > 0 {
            if let hashes = stringStart() {
                string(hashes: hashes)
                continue
            }
            if text[position] == UInt8(ascii: "(") { depth += 1 }
            if text[position] == UInt8(ascii: ")") { depth -= 1 }
            take(.string)
        }
    }
}
