import CMQBytes
public import Glibc

/// Growable bytes with one owner: what frames and records are built in. Not copyable; keep it in a class or pass it
/// `inout`. Bytes are appended at the end and taken from the front.
@safe public struct ByteBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<UInt8>?
    @usableFromInline var capacity: Int
    @usableFromInline var start = 0
    @usableFromInline var end = 0

    /// An empty buffer with room for `capacity` bytes; nothing is allocated for 0.
    @inlinable public init(capacity: Int = 0) {
        unsafe base = capacity == 0 ? nil : Self.allocate(capacity)
        self.capacity = capacity
    }

    deinit { unsafe free(base) }

    /// Bytes held.
    @inlinable public var count: Int { end - start }

    /// Whether nothing is held.
    @inlinable public var isEmpty: Bool { end == start }

    /// Room allocated, used or not.
    @inlinable public var allocatedByteCount: Int { capacity }

    /// The bytes held. Valid until the buffer is changed.
    @inlinable public var span: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            guard let base = unsafe base else { return Span() }
            // SAFETY: start..<end lies in the allocation, is initialised, and the span cannot outlive this borrow.
            let bytes = unsafe Span(_unsafeStart: UnsafePointer(base + start), count: end - start)
            return unsafe _overrideLifetime(bytes, borrowing: self)
        }
    }

    /// Lends the bytes of `range`, for a buffer that is stored in a class, whose span cannot leave an expression.
    @inlinable public borrowing func withBytes<R, E: Error>(
        _ range: Range<Int>, _ body: (Span<UInt8>) throws(E) -> R
    ) throws(E) -> R {
        try body(span.extracting(range))
    }

    @inlinable static func allocate(_ byteCount: Int) -> UnsafeMutablePointer<UInt8> {
        guard let memory = unsafe malloc(byteCount) else { preconditionFailure("out of memory: \(byteCount) bytes") }
        return unsafe memory.bindMemory(to: UInt8.self, capacity: byteCount)
    }

    /// Makes room for `byteCount` more bytes behind the end.
    @inlinable public mutating func reserve(_ byteCount: Int) {
        if capacity - end < byteCount { grow(byteCount) }
    }

    @usableFromInline mutating func grow(_ byteCount: Int) {
        if start > 0, capacity - count >= byteCount, count <= capacity / 2 {  // sliding is cheaper than growing
            // SAFETY: both ranges lie in the allocation; memmove takes overlap.
            if let base = unsafe base { unsafe memmove(base, base + start, count) }
        } else {
            let wanted = max(256, max(count + byteCount, capacity &* 2))
            let fresh = unsafe Self.allocate(wanted)
            // SAFETY: `count` bytes are initialised at `start`, and `fresh` has room for them.
            if let base = unsafe base { unsafe memcpy(fresh, base + start, count) }
            unsafe free(base)
            unsafe base = fresh
            capacity = wanted
        }
        end -= start
        start = 0
    }

    /// Forgets all bytes; keeps the memory.
    @inlinable public mutating func removeAll() {
        start = 0
        end = 0
    }

    /// Gives memory over `limit` back when the buffer is empty.
    public mutating func trim(to limit: Int) {
        guard isEmpty, capacity > limit else { return }
        unsafe free(base)
        unsafe base = nil
        capacity = 0
        removeAll()
    }

    /// Forgets the first `byteCount` bytes.
    /// - Precondition: that many are held.
    @inlinable public mutating func removeFirst(_ byteCount: Int) {
        precondition(byteCount >= 0 && byteCount <= count, "removing \(byteCount) of \(count) bytes")
        start += byteCount
        if start == end { removeAll() }
    }

    /// Forgets everything behind the first `newCount` bytes.
    @inlinable public mutating func truncate(to newCount: Int) {
        precondition(newCount >= 0 && newCount <= count, "truncating \(count) bytes to \(newCount)")
        end = start + newCount
    }
}

extension ByteBuffer {
    // @inlinable, all of them: called several times per message from other modules, 1–2 ns each inlined.

    /// Appends one byte.
    @inlinable public mutating func append(_ byte: UInt8) {
        reserve(1)
        unsafe base.unsafelyUnwrapped[end] = byte  // SAFETY: reserved above
        end += 1
    }

    /// Appends a copy of `bytes`.
    @inlinable public mutating func append(_ bytes: Span<UInt8>) {
        let byteCount = bytes.count
        guard byteCount > 0 else { return }
        reserve(byteCount)
        // SAFETY: reserved above; a span never aliases this buffer while it is being mutated.
        unsafe bytes.withUnsafeBufferPointer { source in
            _ = unsafe memcpy(base.unsafelyUnwrapped + end, source.baseAddress.unsafelyUnwrapped, byteCount)
        }
        end += byteCount
    }

    /// Appends the JSON text of `range` and puts bytes for its `\u0000` … `\u0007`, up to the first escape of another kind.
    /// Copies while it looks, sixteen bytes at a time, so that it is quickest where more follows in `text`.
    /// - Returns: where that escape is; the range's end if there is none.
    /// - Precondition: `range` is inside the span.
    public mutating func append(unescapingSeparatorsOf text: Span<UInt8>, _ range: Range<Int>) -> Int {
        precondition(range.lowerBound >= 0 && range.upperBound <= text.count, "\(range) outside \(text.count) bytes")
        let limit = range.upperBound
        reserve(range.count &+ 16)
        // SAFETY: what is appended is never longer than what was read, and room for all of it and sixteen bytes is
        // reserved; what is stored too much is overwritten by what is appended next.
        var target = unsafe base.unsafelyUnwrapped + end
        defer { end = unsafe target - base.unsafelyUnwrapped }
        return unsafe text.withUnsafeBufferPointer { bytes in
            var index = range.lowerBound
            while index < limit {
                if index &+ 16 <= text.count {
                    let found = unsafe mq_copy_equal16(bytes.baseAddress.unsafelyUnwrapped + index, target, 0x5C)
                    let plain = min(found == 0 ? 16 : found.trailingZeroBitCount, limit &- index)
                    unsafe target += plain
                    index &+= plain
                    if found == 0 || index == limit { continue }
                } else if text[index] != 0x5C {
                    unsafe target.pointee = text[index]
                    unsafe target += 1
                    index &+= 1
                    continue
                }
                guard index &+ 6 <= limit, let separator = text.escapedSeparator(at: index) else { return index }
                unsafe target.pointee = separator
                unsafe target += 1
                index &+= 6
            }
            return index
        }
    }

    /// Appends 32-bit words, each big-endian, in one piece.
    @inlinable public mutating func append<let wordCount: Int>(bigEndian words: InlineArray<wordCount, UInt32>) {
        reserve(wordCount &* 4)
        let target = unsafe UnsafeMutableRawPointer(base.unsafelyUnwrapped + end)
        for index in 0..<wordCount {
            // SAFETY: reserved above; the store is unaligned.
            unsafe target.storeBytes(of: words[index].bigEndian, toByteOffset: index &* 4, as: UInt32.self)
        }
        end &+= wordCount &* 4
    }

    /// Appends a copy of `bytes`.
    @inlinable public mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

    /// Appends the UTF-8 of a literal.
    // @inline(__always): with the length known the copy is two or three stores; an answer has a dozen literals.
    @inlinable @inline(__always) public mutating func append(_ text: StaticString) {
        let byteCount = text.utf8CodeUnitCount
        reserve(byteCount)
        // SAFETY: reserved above; a literal's bytes live as long as the process.
        unsafe memcpy(base.unsafelyUnwrapped + end, text.utf8Start, byteCount)
        end += byteCount
    }

    /// Appends the UTF-8 of `text`.
    public mutating func append(utf8 text: String) {
        var text = text
        text.withUTF8 { utf8 in
            guard let source = utf8.baseAddress else { return }
            reserve(utf8.count)
            // SAFETY: reserved above.
            unsafe memcpy(base.unsafelyUnwrapped + end, source, utf8.count)
            end += utf8.count
        }
    }

    /// Appends an integer, big-endian.
    @inlinable public mutating func append<T: FixedWidthInteger>(bigEndian value: T) {
        reserve(MemoryLayout<T>.size)
        // SAFETY: reserved above; the store is unaligned.
        unsafe UnsafeMutableRawPointer(base.unsafelyUnwrapped + end).storeBytes(of: value.bigEndian, as: T.self)
        end += MemoryLayout<T>.size
    }

    /// Appends `count` bytes of value `byte`.
    @inlinable public mutating func append(repeating byte: UInt8, count byteCount: Int) {
        precondition(byteCount >= 0, "negative count \(byteCount)")
        guard byteCount > 0 else { return }
        reserve(byteCount)
        unsafe memset(base.unsafelyUnwrapped + end, Int32(byte), byteCount)  // SAFETY: reserved above
        end += byteCount
    }

    /// Overwrites the bytes at `offset` (from the first byte held) with an integer, big-endian.
    /// - Precondition: the bytes are held.
    @inlinable public mutating func store<T: FixedWidthInteger>(bigEndian value: T, at offset: Int) {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= count, "store past the end of a buffer")
        // SAFETY: checked above; the store is unaligned.
        unsafe UnsafeMutableRawPointer(base.unsafelyUnwrapped + start + offset)
            .storeBytes(of: value.bigEndian, as: T.self)
    }

    /// Overwrites the bytes at `offset` (from the first byte held) with `bytes`.
    /// - Precondition: so many are held there.
    @inlinable public mutating func store(_ bytes: Span<UInt8>, at offset: Int) {
        let byteCount = bytes.count
        precondition(offset >= 0 && offset &+ byteCount <= count, "store past the end of a buffer")
        guard byteCount > 0 else { return }
        // SAFETY: checked above; a span never aliases this buffer while it is being mutated.
        unsafe bytes.withUnsafeBufferPointer { source in
            _ = unsafe memcpy(base.unsafelyUnwrapped + start + offset, source.baseAddress.unsafelyUnwrapped, byteCount)
        }
    }

    /// Appends `value` in decimal.
    // @inline(__always): most numbers of an answer have one digit.
    @inlinable @inline(__always) public mutating func append(decimal value: Int64) {
        if value >= 0, value < 10 {
            append(48 &+ UInt8(truncatingIfNeeded: value))
        } else {
            appendLong(decimal: value)
        }
    }

    @usableFromInline mutating func appendLong(decimal value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        let magnitude = value.magnitude
        if magnitude < Self.tenToEight { return appendFront(magnitude) }
        let (high, low) = magnitude.quotientAndRemainder(dividingBy: Self.tenToEight)
        if high < Self.tenToEight {
            appendFront(high)
        } else {
            appendFront(high / Self.tenToEight)
            appendEight(Decimal.apart(high % Self.tenToEight), 8)
        }
        appendEight(Decimal.apart(low), 8)
    }

    private static var tenToEight: UInt64 { 100_000_000 }

    /// Appends a number below 10^8 without zeroes in front; `0` for 0.
    @inline(__always) private mutating func appendFront(_ value: UInt64) {
        let digits = Decimal.apart(value)
        let zeroes = min(digits.trailingZeroBitCount / 8, 7)
        appendEight(digits &>> UInt64(zeroes &* 8), 8 &- zeroes)
    }

    /// Appends the first `count` of eight digits, the first one in the lowest byte.
    @inline(__always) private mutating func appendEight(_ digits: UInt64, _ count: Int) {
        reserve(8)
        // SAFETY: reserved above; what is stored too much is overwritten by what is appended next.
        unsafe UnsafeMutableRawPointer(base.unsafelyUnwrapped + end)
            .storeBytes(of: (digits | 0x3030_3030_3030_3030).littleEndian, as: UInt64.self)
        end &+= count
    }

    /// Appends the low `digits` hexadecimal digits of `value`, upper case.
    @inlinable public mutating func append(hex value: UInt64, digits: Int) {
        precondition((1...16).contains(digits), "\(digits) hexadecimal digits")
        reserve(16)
        let target = unsafe UnsafeMutableRawPointer(base.unsafelyUnwrapped + end)
        // The wanted digits come first in memory; what is stored behind them is overwritten by what is appended next.
        let aligned = value << UInt64(64 &- 4 &* digits)
        let high = Self.hexDigits(UInt32(truncatingIfNeeded: aligned >> 32))
        unsafe target.storeBytes(of: high.bigEndian, as: UInt64.self)  // SAFETY: 16 bytes are reserved
        if digits > 8 {
            let low = Self.hexDigits(UInt32(truncatingIfNeeded: aligned))
            unsafe target.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        end &+= digits
    }

    /// The eight digits of `value`, the first in the highest byte: nibbles are spread over bytes, then all become
    /// characters at once.
    @inlinable static func hexDigits(_ value: UInt32) -> UInt64 {
        var spread = UInt64(value)
        spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF
        spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF
        spread = (spread | spread << 4) & 0x0F0F_0F0F_0F0F_0F0F
        let isLetter = ((spread &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return spread &+ 0x3030_3030_3030_3030 &+ isLetter &* 7
    }

    /// A copy of all bytes held.
    public func toArray() -> [UInt8] { span.toArray() }
}

extension ByteBuffer {
    /// Lends at least `atLeast` bytes of free room behind the end to a system call that fills it, and takes over as
    /// many as `body` says it filled.
    @unsafe public mutating func appendUnsafely<E: Error>(
        atLeast: Int, _ body: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) {
        reserve(atLeast)
        let room = unsafe UnsafeMutableRawBufferPointer(start: base.unsafelyUnwrapped + end, count: capacity - end)
        let filled = unsafe try body(room)
        precondition(filled >= 0 && filled <= capacity - end, "\(filled) bytes filled of \(capacity - end)")
        end += filled
    }

    /// Lends the bytes held to a system call.
    @unsafe public borrowing func withUnsafeBytes<R: ~Copyable, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        guard let base = unsafe base else { return unsafe try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return unsafe try body(UnsafeRawBufferPointer(start: base + start, count: end - start))
    }

    /// Lends the bytes held for patching in place.
    @unsafe public mutating func withUnsafeMutableBytes<R: ~Copyable, E: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        guard let base = unsafe base else {
            return unsafe try body(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        }
        return unsafe try body(UnsafeMutableRawBufferPointer(start: base + start, count: end - start))
    }
}
