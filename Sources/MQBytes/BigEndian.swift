public import Glibc

// Fixed-position big-endian loads from a span. Every read is bounds checked once, then done in one load.
// @inlinable: called per field from other modules; out of line a field costs about 20 ns, inlined under 1 ns.

extension Span where Element == UInt8 {
    /// The byte at `offset` as an unsigned integer.
    /// - Precondition: `offset` is inside the span.
    @inlinable public func uint8(at offset: Int) -> UInt8 { self[offset] }

    /// Two bytes at `offset`, big-endian.
    /// - Precondition: both bytes are inside the span.
    @inlinable public func int16(at offset: Int) -> Int16 {
        Int16(bitPattern: load(UInt16.self, at: offset))
    }

    /// Four bytes at `offset`, big-endian.
    /// - Precondition: all four bytes are inside the span.
    @inlinable public func int32(at offset: Int) -> Int32 {
        Int32(bitPattern: load(UInt32.self, at: offset))
    }

    /// Eight bytes at `offset`, big-endian.
    /// - Precondition: all eight bytes are inside the span.
    @inlinable public func int64(at offset: Int) -> Int64 {
        Int64(bitPattern: load(UInt64.self, at: offset))
    }

    @inlinable @inline(__always)  // the four accessors above are its only callers
    func load<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type, at offset: Int) -> T {
        precondition(offset >= 0 && offset &+ MemoryLayout<T>.size <= count, "read past the end of a span")
        // SAFETY: the range was checked on the line above; an unaligned load has no alignment to keep.
        return unsafe T(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// Whether the bytes are those of `text` (ASCII or UTF-8).
    // @inline(__always), with the one below: against a literal of known length it is a comparison or two; as calls the
    // names of a header and of properties took 400 instructions a send.
    @inlinable @inline(__always) public func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        if isEmpty { return true }
        // SAFETY: both have `count` bytes; a literal's bytes live as long as the process.
        return unsafe withUnsafeBufferPointer {
            unsafe memcmp($0.baseAddress.unsafelyUnwrapped, text.utf8Start, $0.count) == 0
        }
    }

    /// Whether both spans hold the same bytes.
    @inlinable public func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        if isEmpty { return true }
        // SAFETY: both have `count` bytes.
        return unsafe withUnsafeBufferPointer { left in
            unsafe other.withUnsafeBufferPointer { right in
                unsafe memcmp(left.baseAddress.unsafelyUnwrapped, right.baseAddress.unsafelyUnwrapped, left.count) == 0
            }
        }
    }

    /// Whether the bytes of `text` lie at `offset`; `false` where the span ends before them.
    /// - Precondition: `offset` is not negative.
    @inlinable @inline(__always) public func holds(_ text: StaticString, at offset: Int) -> Bool {
        let byteCount = text.utf8CodeUnitCount
        precondition(offset >= 0, "negative offset \(offset)")
        guard count &- offset >= byteCount else { return false }
        // SAFETY: both have `byteCount` bytes there; a literal's bytes live as long as the process.
        return unsafe withUnsafeBufferPointer {
            unsafe memcmp($0.baseAddress.unsafelyUnwrapped + offset, text.utf8Start, byteCount) == 0
        }
    }

    /// Whether the bytes of `other` lie at `offset`; `false` where the span ends before them.
    /// - Precondition: `offset` is not negative.
    @inlinable @inline(__always) public func holds(_ other: Span<UInt8>, at offset: Int) -> Bool {
        precondition(offset >= 0, "negative offset \(offset)")
        return count &- offset >= other.count && extracting(offset..<offset &+ other.count).equals(other)
    }

    /// Whether the span begins with the bytes of `text`.
    @inlinable public func starts(with text: StaticString) -> Bool {
        count >= text.utf8CodeUnitCount && extracting(0..<text.utf8CodeUnitCount).equals(text)
    }

    /// A copy as an array.
    @inlinable public func toArray() -> [UInt8] {
        if isEmpty { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            for index in 0..<count { unsafe buffer[index] = self[index] }  // SAFETY: capacity is `count`
            filled = count
        }
    }

    /// The bytes as text; invalid UTF-8 becomes U+FFFD.
    @inlinable public func toString() -> String {
        // SAFETY: the pointer is used inside the closure only.
        unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// Eight bytes, the first one lowest.
    /// - Precondition: all eight are inside the span.
    @inlinable @inline(__always) public func word(at index: Int) -> UInt64 {
        precondition(index >= 0 && index &+ 8 <= count, "read past the end of a span")
        // SAFETY: checked on the line above; unaligned.
        return unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
    }
}
