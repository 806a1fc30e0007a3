public import MQJSON
import MQSystem

/// Where commands print: RocketMQ's text at once, or with `--json` one document when the command is done.
public struct Output: Sendable {
    private let write: @Sendable (String) -> Void
    /// What becomes the document; `nil` prints text.
    private let document: Lock<JSONObject>?

    /// - Parameters:
    ///   - json: collects a document; ``finish()`` writes it.
    ///   - write: gets the text, line ends included.
    public init(json: Bool = false, _ write: @escaping @Sendable (String) -> Void) {
        self.write = write
        document = json ? Lock(JSONObject()) : nil
    }

    /// Whether a document is made.
    public var isJSON: Bool { document != nil }

    /// Prints what only people read: blank lines, headings. No part of the document.
    public func decorate(_ pattern: String, _ arguments: any JavaFormattable...) {
        if document == nil { write(javaFormat(pattern, arguments)) }
    }

    /// Prints as Java's `printf` does; in the document it is one of the `messages`.
    public func print(_ pattern: String, _ arguments: any JavaFormattable...) { put(javaFormat(pattern, arguments)) }

    /// Prints text as it is; in the document it is one of the `messages`.
    public func put(_ text: String) {
        guard let document else { return write(text) }
        let lines = text.split(separator: "\n").map { JSON.string(String($0)) }
        document.withLock { document in
            document.set("messages", .array((document["messages"]?.array ?? []) + lines))
        }
    }

    /// Prints one value; in the document it is the member `name`.
    public func value(_ name: String, _ json: JSON, _ pattern: String, _ arguments: any JavaFormattable...) {
        guard let document else { return write(javaFormat(pattern, arguments)) }
        document.withLock { $0.set(.string(name), json) }
    }

    /// Adds to the list `name` of the document; prints the text in its place.
    public func item(_ name: String, _ json: JSON, _ pattern: String, _ arguments: any JavaFormattable...) {
        guard let document else { return write(javaFormat(pattern, arguments)) }
        document.withLock { $0.set(.string(name), .array(($0[name]?.array ?? []) + [json])) }
    }

    /// Begins a list of the document, so that it is there when it stays empty.
    public func list(_ name: String) {
        document?.withLock { document in
            if document[name] == nil { document.set(.string(name), .array([])) }
        }
    }

    /// Begins a table: prints its header.
    /// - Parameters:
    ///   - name: the list of its rows in the document.
    ///   - header: pattern of the titles; `nil` prints none.
    ///   - row: pattern of a row.
    ///   - columns: titles, and the names of the columns in the document.
    public func table(
        _ name: String, header: String?, row: String, _ columns: KeyValuePairs<String, String>
    ) -> TableOutput {
        list(name)
        if let header, document == nil { write(javaFormat(header, columns.map(\.key))) }
        return TableOutput(output: self, name: name, row: row, keys: columns.map(\.value))
    }

    /// Writes the document, one line.
    public func finish() {
        guard let document else { return }
        write(JSON.object(document.withLock { $0 }).text(.standard) + "\n")
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
