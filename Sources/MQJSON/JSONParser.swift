extension JSON {
    /// Reads one value in fastjson's dialect: besides standard JSON, single-quoted texts, bare identifiers and integers
    /// and objects as keys, comments, spare commas, `NaN`/`undefined` (as `null`), a byte order mark, and `$ref`.
    ///
    /// Invalid UTF-8 and lone surrogates become U+FFFD. Of members with one key the last counts.
    /// - Throws: ``JSONError``.
    ///
    /// Source: fastjson 1.2 `DefaultJSONParser` with RocketMQ's default features.
    public init(parsing bytes: Span<UInt8>, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        guard bytes.count <= limits.byteCountMax else {
            throw .tooLong(byteCount: bytes.count, max: limits.byteCountMax)
        }
        var parser = JSONParser(bytes, limits: limits)
        let value = try parser.parse()
        self = parser.sawReference ? try JSONReferences.resolve(value, limits: limits) : value
    }

    /// ``init(parsing:limits:)-(Span<UInt8>,_)`` for an array.
    public init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: bytes.span, limits: limits)
    }

    /// ``init(parsing:limits:)-(Span<UInt8>,_)`` for a text.
    public init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }
}

/// Recursive descent over the bytes; recursion is bounded by `limits.depthMax`.
struct JSONParser: ~Escapable {
    let bytes: Span<UInt8>
    let limits: JSONLimits
    var position = 0
    var elementCount = 0
    /// An object began with `"$ref"`.
    private(set) var sawReference = false

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    @_lifetime(self: copy self)
    mutating func parse() throws(JSONError) -> JSON {
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { position = 3 }
        try skipBlank()
        let value = try parseValue(depth: 0)
        try skipBlank()
        guard position == bytes.count else { throw .trailing(at: position) }
        return value
    }

    /// `position` is at the value's first byte.
    @_lifetime(self: copy self)
    private mutating func parseValue(depth: Int) throws(JSONError) -> JSON {
        elementCount += 1
        guard elementCount <= limits.elementsMax else { throw .tooManyElements(max: limits.elementsMax) }
        let byte = try peek()
        switch byte {
        case UInt8(ascii: "{"): return .object(try parseObject(depth: depth))
        case UInt8(ascii: "["): return .array(try parseArray(depth: depth))
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try parseString(quote: byte))
        case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return try parseNumber()
        default: return try parseWord(byte)
        }
    }

    @_lifetime(self: copy self)
    private mutating func parseArray(depth: Int) throws(JSONError) -> [JSON] {
        try enter(depth)
        var elements: [JSON] = []
        while true {
            try skipBlankAndCommas()
            if try peek() == UInt8(ascii: "]") { break }
            elements.append(try parseValue(depth: depth + 1))
            try skipBlank()
            let next = try peek()
            guard next == UInt8(ascii: ",") || next == UInt8(ascii: "]") else {
                throw .unexpected(byte: next, at: position)
            }
        }
        position += 1
        return elements
    }

    @_lifetime(self: copy self)
    private mutating func parseObject(depth: Int) throws(JSONError) -> JSONObject {
        try enter(depth)
        var object = JSONObject()
        while true {
            try skipBlankAndCommas()
            if try peek() == UInt8(ascii: "}") { break }
            let key = try parseKey(depth: depth)
            if object.isEmpty, key == .string("$ref") { sawReference = true }
            try skipBlank()
            try expect(UInt8(ascii: ":"))
            try skipBlank()
            object.set(key, try parseValue(depth: depth + 1))
            try skipBlank()
            let next = try peek()
            guard next == UInt8(ascii: ",") || next == UInt8(ascii: "}") else {
                throw .unexpected(byte: next, at: position)
            }
        }
        position += 1
        return object
    }

    @_lifetime(self: copy self)
    private mutating func parseKey(depth: Int) throws(JSONError) -> JSONKey {
        let byte = try peek()
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try parseString(quote: byte))
        case UInt8(ascii: "{"):
            elementCount += 1
            guard elementCount <= limits.elementsMax else { throw .tooManyElements(max: limits.elementsMax) }
            return .object(try parseObject(depth: depth + 1))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let start = position
            guard case .integer(let number) = try parseNumber() else { throw .badNumber(at: start) }
            return .integer(number)
        default:
            guard Self.startsIdentifier(byte) else { throw .unexpected(byte: byte, at: position) }
            return .string(parseIdentifier())
        }
    }

    /// `true`, `false`, `null`, `undefined`, `NaN`.
    @_lifetime(self: copy self)
    private mutating func parseWord(_ byte: UInt8) throws(JSONError) -> JSON {
        let start = position
        guard Self.startsIdentifier(byte) else { throw .unexpected(byte: byte, at: start) }
        switch parseIdentifier() {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null", "undefined", "NaN": return .null
        case let word:
            let isCut = position == bytes.count && ["true", "false", "null"].contains { $0.hasPrefix(word) }
            throw isCut ? .truncated(at: position) : .unexpected(byte: byte, at: start)
        }
    }

    @_lifetime(self: copy self)
    private mutating func parseIdentifier() -> String {
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            guard Self.startsIdentifier(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { break }
            position += 1
        }
        return text(start..<position)
    }

    private static func startsIdentifier(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"), UInt8(ascii: "$"):
            return true
        default: return false
        }
    }

    // MARK: - Bytes

    private func peek() throws(JSONError) -> UInt8 {
        guard position < bytes.count else { throw .truncated(at: position) }
        return bytes[position]
    }

    @_lifetime(self: copy self)
    private mutating func expect(_ byte: UInt8) throws(JSONError) {
        let found = try peek()
        guard found == byte else { throw .unexpected(byte: found, at: position) }
        position += 1
    }

    /// Steps over the opening bracket.
    @_lifetime(self: copy self)
    private mutating func enter(_ depth: Int) throws(JSONError) {
        guard depth < limits.depthMax else { throw .tooDeep(max: limits.depthMax, at: position) }
        position += 1
    }

    @_lifetime(self: copy self)
    private mutating func skipBlankAndCommas() throws(JSONError) {
        try skipBlank()
        while position < bytes.count, bytes[position] == UInt8(ascii: ",") {
            position += 1
            try skipBlank()
        }
    }

    /// Blanks and comments.
    @_lifetime(self: copy self)
    private mutating func skipBlank() throws(JSONError) {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D, 0x0C, 0x08: position += 1
            case UInt8(ascii: "/"): try skipComment()
            default: return
            }
        }
    }

    @_lifetime(self: copy self)
    private mutating func skipComment() throws(JSONError) {
        let start = position
        guard start + 1 < bytes.count else { throw .truncated(at: bytes.count) }
        switch bytes[start + 1] {
        case UInt8(ascii: "/"):
            while position < bytes.count, bytes[position] != 0x0A { position += 1 }
        case UInt8(ascii: "*"):
            position += 2
            while true {
                guard position + 1 < bytes.count else { throw .truncated(at: bytes.count) }
                if bytes[position] == UInt8(ascii: "*"), bytes[position + 1] == UInt8(ascii: "/") { break }
                position += 1
            }
            position += 2
        default: throw .unexpected(byte: bytes[start], at: start)
        }
    }

    /// The bytes as text, invalid ones replaced.
    func text(_ range: Range<Int>) -> String {
        let slice = bytes.extracting(range)
        if let valid = try? UTF8Span(validating: slice) { return String(copying: valid) }
        var copy: [UInt8] = []
        copy.reserveCapacity(range.count)
        for index in range { copy.append(bytes[index]) }
        return String(decoding: copy, as: UTF8.self)
    }
}
