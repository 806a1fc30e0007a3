public import MQJSON
import MQSystem

/// Where commands print: RocketMQ's text, or with `--json` one document when the command is done.
///
/// Who fails has printed nothing that promises more: titles of tables come with their first row or with the end, and what only
/// shows something prints it when it is done.
public struct Output: Sendable {
    private let write: @Sendable (String) -> Void
    private let kept: Lock<Kept>
    /// What becomes the document; `nil` prints text.
    private let document: Lock<Document>?

    /// Lists stand beside the values while they grow: adding to one inside of a JSON value would copy it each time.
    private struct Document {
        private var names: [String] = []
        private var values: [String: JSON] = [:]
        private var lists: [String: [JSON]] = [:]

        mutating func set(_ name: String, _ value: JSON) {
            note(name)
            lists[name] = nil
            values[name] = value
        }

        mutating func append(_ items: some Sequence<JSON>, to name: String) {
            note(name)
            lists[name, default: []].append(contentsOf: items)
        }

        private mutating func note(_ name: String) {
            if values[name] == nil, lists[name] == nil { names.append(name) }
        }

        /// Members in the order in which they were first named.
        var json: JSON {
            .members(names.map { name in (name, lists[name].map { .array($0) } ?? values[name] ?? .null) })
        }
    }

    /// Text that is not written yet.
    private struct Kept {
        /// Bytes that are kept at most: a list that is longer is written as it comes.
        static let max = 1 << 20

        var text = ""
        /// Not only titles.
        var isAll: Bool

        /// Adds `more`; returns what is to be written now.
        mutating func add(_ more: String, isTitle: Bool) -> String {
            text += more
            if text.utf8.count > Self.max { isAll = false } else if isTitle || isAll { return "" }
            return take()
        }

        mutating func take() -> String {
            defer { text = "" }
            return text
        }
    }

    /// - Parameters:
    ///   - json: collects a document; ``finish()`` writes it.
    ///   - keepsText: text is written by ``finish()`` too, or when a mebibyte of it has come.
    ///   - write: gets the text, line ends included.
    public init(json: Bool = false, keepsText: Bool = false, _ write: @escaping @Sendable (String) -> Void) {
        self.write = write
        kept = Lock(Kept(isAll: keepsText))
        document = json ? Lock(Document()) : nil
    }

    private func emit(_ text: String, isTitle: Bool = false) {
        let due = kept.withLock { $0.add(text, isTitle: isTitle) }
        if !due.isEmpty { write(due) }
    }

    /// Writes the text that came so far: messages, rounds of what goes on for ever, what stands although the command fails.
    public func flush() {
        let due = kept.withLock { $0.take() }
        if !due.isEmpty { write(due) }
    }

    /// Whether a document is made.
    public var isJSON: Bool { document != nil }

    /// Prints what only people read: blank lines, headings. No part of the document.
    public func decorate(_ pattern: String, _ arguments: any JavaFormattable...) {
        if document == nil { emit(javaFormat(pattern, arguments)) }
    }

    /// Prints as Java's `printf` does; in the document it is one of the `messages`.
    public func print(_ pattern: String, _ arguments: any JavaFormattable...) { put(javaFormat(pattern, arguments)) }

    /// Prints text as it is; in the document it is one of the `messages`.
    public func put(_ text: String) {
        guard let document else { return emit(text) }
        let lines = text.split(separator: "\n").map { JSON.string(String($0)) }
        document.withLock { $0.append(lines, to: "messages") }
    }

    /// Prints one value; in the document it is the member `name`.
    public func value(_ name: String, _ json: JSON, _ pattern: String, _ arguments: any JavaFormattable...) {
        guard let document else { return emit(javaFormat(pattern, arguments)) }
        document.withLock { $0.set(name, json) }
    }

    /// Adds to the list `name` of the document; prints the text in its place.
    public func item(_ name: String, _ json: JSON, _ pattern: String, _ arguments: any JavaFormattable...) {
        guard let document else { return emit(javaFormat(pattern, arguments)) }
        document.withLock { $0.append([json], to: name) }
    }

    /// Begins a list of the document, so that it is there when it stays empty.
    public func list(_ name: String) { document?.withLock { $0.append([], to: name) } }

    /// Begins a table: its header is printed with what comes next.
    /// - Parameters:
    ///   - name: the list of its rows in the document.
    ///   - header: pattern of the titles; `nil` prints none.
    ///   - row: pattern of a row.
    ///   - columns: titles, and the names of the columns in the document.
    public func table(
        _ name: String, header: String?, row: String, _ columns: KeyValuePairs<String, String>
    ) -> TableOutput {
        list(name)
        if let header, document == nil { emit(javaFormat(header, columns.map(\.key)), isTitle: true) }
        return TableOutput(output: self, name: name, row: row, keys: columns.map(\.value))
    }

    /// Writes what was kept, or the document, one line.
    public func finish() {
        guard let document else { return flush() }
        write(document.withLock { $0 }.json.text(.standard) + "\n")
    }
}

/// A table that is being printed.
public struct TableOutput: Sendable {
    let output: Output
    let name: String
    let row: String
    let keys: [String]

    /// Prints one row.
    /// - Precondition: as many cells as columns.
    public func row(_ cells: any JavaFormattable...) {
        precondition(cells.count == keys.count, "\(name): \(cells.count) cells for \(keys.count) columns")
        guard output.isJSON else { return output.put(javaFormat(row, cells)) }
        let object = JSONObject(zip(keys, cells).map { (JSONKey.string($0), $1.json) })
        output.item(name, .object(object), "")
    }
}

/// A cell whose text says less, or less plainly, than its value.
struct Cell: JavaFormattable {
    let javaText: String
    let json: JSON

    init(_ text: String, _ json: JSON) {
        javaText = text
        self.json = json
    }
}

extension JSON {
    /// An object of these members.
    static func members(_ members: [(String, JSON)]) -> JSON {
        .object(JSONObject(members.map { (JSONKey.string($0.0), $0.1) }))
    }
}
