/// The keys of one kind of server, by Java class.
public struct ConfigTable: Sendable {
    /// The keys of one Java class, in alphabetical order.
    public struct Section: Sendable {
        /// The class, RocketMQ 5.3: `BrokerConfig`.
        public let javaClass: String
        /// Its keys.
        public let declarations: [ConfigDeclaration]
    }

    /// The classes in the order of Java's listing.
    public let sections: [Section]
    /// Keys of RocketMQ 4.9 that 5.x knows no more, and what became of them.
    public let removed: [String: String]
    let declarations: [ConfigDeclaration]
    private let positions: [String: Int]

    /// - Precondition: no key occurs twice, and every default is allowed for its key.
    init(sections: [Section], removed: [String: String] = [:]) {
        self.sections = sections
        self.removed = removed
        declarations = sections.flatMap(\.declarations)
        var positions: [String: Int] = [:]
        for (position, declaration) in declarations.enumerated() {
            precondition(positions[declaration.name] == nil, "\(declaration.name) is declared twice")
            positions[declaration.name] = position
        }
        self.positions = positions
    }

    /// What is declared under `name`.
    public subscript(name: String) -> ConfigDeclaration? { positions[name].map { declarations[$0] } }

    func position(of name: String) -> Int? { positions[name] }

    /// The known name that `name` is most like, if it is like one at all: at most a third of its letters differ.
    public func nearest(to name: String) -> String? {
        let wanted = Array(name.lowercased().utf8.prefix(80))
        var best: (name: String, distance: Int)?
        for declaration in declarations {
            let limit = min(best?.distance ?? .max, wanted.count / 3 + 1)
            let distance = editDistance(wanted, Array(declaration.name.lowercased().utf8), below: limit)
            if let distance { best = (declaration.name, distance) }
        }
        return best?.name
    }
}

/// Insertions, deletions and replacements that turn `left` into `right`, or `nil` if there are `limit` or more.
private func editDistance(_ left: [UInt8], _ right: [UInt8], below limit: Int) -> Int? {
    guard abs(left.count - right.count) < limit else { return nil }
    var row = Array(0...right.count)
    for (leftIndex, leftByte) in left.enumerated() {
        var diagonal = row[0]
        row[0] = leftIndex + 1
        for (rightIndex, rightByte) in right.enumerated() {
            let replaced = diagonal + (leftByte == rightByte ? 0 : 1)
            diagonal = row[rightIndex + 1]
            row[rightIndex + 1] = min(replaced, diagonal + 1, row[rightIndex] + 1)
        }
    }
    return row[right.count] < limit ? row[right.count] : nil
}

extension ConfigTable.Section {
    /// The keys Apus honours, and the others as rows of `notYet`.
    init(_ javaClass: String, _ supported: [ConfigDeclaration], notYet: String) {
        self.javaClass = javaClass
        let rows = notYet.split(separator: "\n").map { ConfigDeclaration(notYet: $0) }
        declarations = (supported + rows).sorted { $0.name.lowercased() < $1.name.lowercased() }
    }
}

extension ConfigDeclaration {
    /// A row of the tables of keys that are not supported yet: `name[*] kind default`, where kind is `bool`, `int`,
    /// `double` or `text`, `*` marks what `-m` prints, and a default of `cpu(times,plus,max)` counts processors.
    /// - Precondition: the row has this form.
    init(notYet row: Substring) {
        let words = row.split(separator: " ", maxSplits: 2)
        precondition(words.count >= 2, "malformed row: \(row)")
        let isImportant = words[0].hasSuffix("*")
        let kind: ConfigKind
        switch words[1] {
        case "bool": kind = .bool
        case "int": kind = .integer(.min ... .max)
        case "double": kind = .number(-.infinity ... .infinity)
        case "text": kind = .text
        default: preconditionFailure("malformed row: \(row)")
        }
        let text = words.count > 2 ? words[2] : ""
        var defaultValue = ConfigDefault.fixed(String(text))
        if text.hasPrefix("cpu(") {
            let numbers = text.dropFirst(4).dropLast().split(separator: ",").map { Int($0) ?? .max }
            defaultValue = .processors(times: numbers[0], plus: numbers[1], max: numbers[2])
        }
        let name = String(isImportant ? words[0].dropLast() : words[0])
        self.init(
            name: name, kind: kind, defaultValue: defaultValue, unit: kind == .text ? "" : Self.unit(of: name),
            isImportant: isImportant, isSupported: false)
    }

    /// The unit that a Java name ends in or holds.
    private static func unit(of name: String) -> String {
        let lowered = name.lowercased()
        if lowered.hasSuffix("seconds") || lowered.hasSuffix("second") || lowered.hasSuffix("sec") { return "s" }
        if lowered.hasSuffix("minutes") || lowered.hasSuffix("min") { return "min" }
        if lowered.contains("millis") || lowered.contains("mills") || name.hasSuffix("Ms") { return "ms" }
        return ""
    }
}
