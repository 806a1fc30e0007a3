public import MQBytes

/// A frame's header as views over the frame's bytes. One value is reused for every frame of a loop, so that decoding
/// allocates nothing. Fields are valid only together with the bytes they were decoded from.
public struct RemotingHeader: Sendable {
    /// Most ext fields a header may have; Java clients send under twenty.
    public static let fieldsMax = 512
    /// How deep a value that is passed over may nest.
    static let depthMax = 32

    /// One ext field.
    public struct Field: Sendable {
        public let key: HeaderText
        public let value: HeaderText
    }

    public internal(set) var code: Int32 = 0
    public internal(set) var language = LanguageCode.java
    public internal(set) var version: Int32 = 0
    public internal(set) var opaque: Int32 = 0
    public internal(set) var flag: Int32 = 0
    public internal(set) var remark: HeaderText?
    /// The ext fields, but for those of ``letter(_:)``, in the order they came.
    public internal(set) var fields: [Field] = []
    var fieldCount = 0
    // By letter, and not among `fields`: a send has a dozen, and looking each up by its name took twice as long.
    @usableFromInline var letters = InlineArray<16, HeaderText>(repeating: .empty)
    @usableFromInline var lettersPresent: UInt16 = 0
    /// What headers of sends look like here.
    var shapes = HeaderShapes()

    /// An empty header, to decode into.
    public init() { fields.reserveCapacity(32) }

    private init(room: Int) {}

    /// An empty header without room for fields: costs nothing, and may be decoded into all the same.
    public static let unused = RemotingHeader(room: 0)

    /// Whether the frame answers a request of ours.
    @inlinable public var isResponse: Bool { flag & 1 != 0 }
    /// Whether no answer is wanted.
    @inlinable public var isOneWay: Bool { flag & 2 != 0 }

    /// Takes the header of `frame` apart. What was decoded before is forgotten, but for the shape of a producer's headers,
    /// which makes the next one like it cheaper to read and never tells what it holds.
    /// - Throws: ``WireError`` if it is not a header. The stream may be sound, but its sender is not: close it.
    public mutating func decode(_ frame: RemotingFrame, in bytes: Span<UInt8>) throws(WireError) {
        code = 0
        language = .java
        version = 0
        opaque = 0
        flag = 0
        remark = nil
        if !fields.isEmpty { fields.removeAll(keepingCapacity: true) }
        fieldCount = 0
        lettersPresent = 0
        switch SerializeType(rawValue: frame.serializeType) {
        case .json: try decodeJSON(bytes, frame.header)
        case .rocketMQ: try decodeBinary(bytes, frame.header)
        case nil: throw .unknown("serialize type", Int(frame.serializeType))
        }
    }

    // MARK: - Ext fields

    /// The letters that may name a field of ``letter(_:)``: all that SEND_MESSAGE_V2 uses.
    static let lettersNamed = UInt8(ascii: "a")...UInt8(ascii: "p")

    /// The ext field called by one letter, `a` to `p`. Of several with one name the last counts, as in Java.
    /// - Precondition: it is such a letter.
    // @inline(__always): the letter is known where it is asked for; as calls a dozen took 400 instructions a send.
    @inlinable @inline(__always) public func letter(_ name: UInt8) -> HeaderText? {
        let index = Int(name) &- 97
        return lettersPresent & (1 << UInt16(truncatingIfNeeded: index)) == 0 ? nil : letters[index]
    }

    /// - Precondition: `name` is one of ``lettersNamed``.
    @inline(__always) mutating func setLetter(_ name: UInt8, _ value: HeaderText) {
        let index = Int(name) &- 97
        letters[index] = value
        lettersPresent |= 1 << UInt16(truncatingIfNeeded: index)
        fieldCount &+= 1
    }

    /// Adds a field, whatever its name.
    mutating func add(_ key: HeaderText, _ value: HeaderText, in bytes: Span<UInt8>) {
        if key.range.count == 1, Self.lettersNamed.contains(bytes[key.range.lowerBound]) {
            return setLetter(bytes[key.range.lowerBound], value)
        }
        fields.append(Field(key: key, value: value))
        fieldCount &+= 1
    }

    /// Copies of all ext fields, in the order they came.
    func allFields(in bytes: Span<UInt8>) -> [RemotingCommand.Field] {
        var found = fields.map { (at: $0.key.range.lowerBound, name: $0.key.string(in: bytes), value: $0.value) }
        for letter in Self.lettersNamed {
            guard let value = self.letter(letter) else { continue }
            found.append((at: value.range.lowerBound, name: String(UnicodeScalar(letter)), value: value))
        }
        if lettersPresent != 0 { found.sort { $0.at < $1.at } }
        return found.map { RemotingCommand.Field(name: $0.name, value: $0.value.string(in: bytes)) }
    }

    /// - Throws: `tooMany` if no field may be added.
    @inline(__always) func requireRoom() throws(WireError) {
        guard fieldCount < Self.fieldsMax else { throw .tooMany("ext fields", limit: Self.fieldsMax) }
    }

    /// The ext field called `name`.
    public func text(_ name: StaticString, in bytes: Span<UInt8>) -> HeaderText? {
        if name.utf8CodeUnitCount == 1, let letter = name.description.utf8.first, Self.lettersNamed.contains(letter) {
            return self.letter(letter)
        }
        for field in fields where !field.key.isEscaped && bytes.extracting(field.key.range).equals(name) {
            return field.value
        }
        return nil
    }

    /// The ext field called `name` as a copy.
    public func string(_ name: StaticString, in bytes: Span<UInt8>) -> String? {
        text(name, in: bytes)?.string(in: bytes)
    }

    /// The ext field called `name` as a number; `nil` if it is absent.
    /// - Throws: `malformed` if it is there and not a number.
    public func int64(_ name: StaticString, in bytes: Span<UInt8>) throws(WireError) -> Int64? {
        guard let text = text(name, in: bytes) else { return nil }
        return try text.int64(in: bytes)
    }

    /// As ``int64(_:in:)``, in 32 bits.
    public func int32(_ name: StaticString, in bytes: Span<UInt8>) throws(WireError) -> Int32? {
        guard let text = text(name, in: bytes) else { return nil }
        return try text.int32(in: bytes)
    }

    /// The ext field called `name` as a truth value: Java's `Boolean.parseBoolean`, so everything but `true` is false.
    public func bool(_ name: StaticString, in bytes: Span<UInt8>) -> Bool? {
        text(name, in: bytes).map { $0.isTrue(in: bytes) }
    }
}

extension HeaderText {
    /// The text as a number.
    /// - Throws: `malformed` if it is none.
    public func int64(in bytes: Span<UInt8>) throws(WireError) -> Int64 {
        guard !isEscaped, let value = Decimal.parse(bytes.extracting(range)) else {
            throw .malformed("number in a header", at: range.lowerBound)
        }
        return value
    }

    /// As ``int64(in:)``, in 32 bits.
    // @inline(__always): most numbers of a send are one digit, and there are seven.
    @inlinable @inline(__always) public func int32(in bytes: Span<UInt8>) throws(WireError) -> Int32 {
        if range.count == 1, !isEscaped {
            let digit = bytes[range.lowerBound] &- 48
            if digit < 10 { return Int32(digit) }
        }
        return try anyInt32(in: bytes)
    }

    @usableFromInline func anyInt32(in bytes: Span<UInt8>) throws(WireError) -> Int32 {
        guard let value = Int32(exactly: try int64(in: bytes)) else {
            throw .malformed("32-bit number in a header", at: range.lowerBound)
        }
        return value
    }

    /// Whether the text is `true` in any case.
    public func isTrue(in bytes: Span<UInt8>) -> Bool {
        let raw = bytes.extracting(range)
        guard raw.count == 4 else { return false }
        return raw[0] | 32 == UInt8(ascii: "t") && raw[1] | 32 == UInt8(ascii: "r")
            && raw[2] | 32 == UInt8(ascii: "u") && raw[3] | 32 == UInt8(ascii: "e")
    }
}
