/// A bounds-checked cursor over big-endian bytes from outside. Every read names its field for the error.
public struct WireReader: ~Escapable {
    @usableFromInline let bytes: Span<UInt8>
    /// Where the next read begins, in bytes from the span's start.
    public private(set) var position = 0

    /// A reader at the first byte of `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    /// Bytes not read yet.
    public var remaining: Int { bytes.count - position }

    /// Checks that `byteCount` more bytes are there.
    /// - Throws: ``WireError/truncated(_:needed:had:at:)``; a negative count is `lengthOutOfRange`.
    public func require(_ byteCount: Int, _ field: StaticText) throws(WireError) {
        guard byteCount >= 0 else { throw .lengthOutOfRange(field, byteCount) }
        guard remaining >= byteCount else {
            throw .truncated(field, needed: byteCount, had: remaining, at: position)
        }
    }

    /// The next byte.
    @_lifetime(self: copy self)
    public mutating func uint8(_ field: StaticText) throws(WireError) -> UInt8 {
        try require(1, field)
        defer { position += 1 }
        return bytes[position]
    }

    /// The next two bytes, big-endian.
    @_lifetime(self: copy self)
    public mutating func int16(_ field: StaticText) throws(WireError) -> Int16 {
        try require(2, field)
        defer { position += 2 }
        return bytes.int16(at: position)
    }

    /// The next four bytes, big-endian.
    @_lifetime(self: copy self)
    public mutating func int32(_ field: StaticText) throws(WireError) -> Int32 {
        try require(4, field)
        defer { position += 4 }
        return bytes.int32(at: position)
    }

    /// The next eight bytes, big-endian.
    @_lifetime(self: copy self)
    public mutating func int64(_ field: StaticText) throws(WireError) -> Int64 {
        try require(8, field)
        defer { position += 8 }
        return bytes.int64(at: position)
    }

    /// The range of the next `byteCount` bytes, which are passed over.
    @_lifetime(self: copy self)
    public mutating func range(_ byteCount: Int, _ field: StaticText) throws(WireError) -> Range<Int> {
        try require(byteCount, field)
        defer { position += byteCount }
        return position..<(position + byteCount)
    }
}
