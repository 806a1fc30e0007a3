public import CMQBytes

// Searches, sixteen bytes at a time: every header and every list of properties goes through them.

extension Span where Element == UInt8 {
    /// The index of the first `"` or `\` at or behind `start`; the count if there is none.
    @inlinable @inline(__always) public func nextQuoteOrBackslash(from start: Int) -> Int {
        unsafe first(from: start) {
            unsafe mq_either16($0, 0x22, 0x5C)
        } orByte: {
            $0 == 0x22 || $0 == 0x5C
        }
    }

    /// The index of the first `byte` at or behind `start`; the count if there is none.
    @inlinable @inline(__always) public func next(_ byte: UInt8, from start: Int) -> Int {
        unsafe first(from: start) {
            unsafe mq_equal16($0, byte)
        } orByte: {
            $0 == byte
        }
    }

    /// The index of the first byte that is `last` or less, at or behind `start`; the count if there is none.
    @inlinable @inline(__always) public func nextByte(upTo last: UInt8, from start: Int) -> Int {
        unsafe first(from: start) {
            unsafe mq_at_most16($0, last)
        } orByte: {
            $0 <= last
        }
    }

    /// The index of the first byte at or behind `start` that a JSON string must escape: `"`, `\` and what is below 32; the
    /// count if there is none.
    @inlinable public func nextToEscape(from start: Int) -> Int {
        unsafe first(from: start) {
            unsafe mq_either16($0, 0x22, 0x5C) | mq_at_most16($0, 31)
        } orByte: {
            $0 < 32 || $0 == 0x22 || $0 == 0x5C
        }
    }

    /// Whether the bytes are those of `known`, but for letters, digits and signs where `open` says so: what both hold ends in
    /// the same places then.
    /// - Parameter open: 0xFF where a byte may differ that is no blank, no control character, no `"`, no `\` and below 128;
    ///   0 elsewhere.
    /// - Precondition: all three have the same count, and that is at least sixteen.
    @inlinable @inline(__always) public func resembles(_ known: Span<UInt8>, open: Span<UInt8>) -> Bool {
        precondition(count >= 16 && known.count == count && open.count == count, "\(count) and \(known.count) bytes")
        // SAFETY: all three have `count` bytes, and nothing is read behind them.
        return unsafe withUnsafeBufferPointer { bytes in
            unsafe known.withUnsafeBufferPointer { known in
                unsafe open.withUnsafeBufferPointer { open in
                    unsafe mq_resembles(
                        bytes.baseAddress.unsafelyUnwrapped, known.baseAddress.unsafelyUnwrapped,
                        open.baseAddress.unsafelyUnwrapped, UInt64(truncatingIfNeeded: count)) != 0
                }
            }
        }
    }

    /// The index of the first wanted byte at or behind `start`; the count if there is none. The last bytes are looked at
    /// together with some that were before them.
    /// - Parameters:
    ///   - marks: which of the sixteen bytes there are wanted, bit by bit.
    ///   - isWanted: the same for one byte, where the span has no sixteen.
    /// - Precondition: `start` is not negative.
    @unsafe @inlinable @inline(__always) func first(
        from start: Int, _ marks: (UnsafePointer<UInt8>) -> UInt32, orByte isWanted: (UInt8) -> Bool
    ) -> Int {
        precondition(start >= 0, "negative start \(start)")
        var index = start
        if count < 16 {
            while index < count, !isWanted(self[index]) { index &+= 1 }
            return Swift.min(index, count)
        }
        // SAFETY: sixteen bytes are read from `index` where that many follow, and else the last sixteen of the span.
        return unsafe withUnsafeBufferPointer { bytes in
            let base = unsafe bytes.baseAddress.unsafelyUnwrapped
            while index &+ 16 <= count {
                let found = unsafe marks(base + index)
                if found != 0 { return index &+ found.trailingZeroBitCount }
                index &+= 16
            }
            guard index < count else { return count }
            let found = unsafe marks(base + (count &- 16)) >> UInt32(truncatingIfNeeded: index &- (count &- 16))
            return found == 0 ? count : index &+ found.trailingZeroBitCount
        }
    }

    /// The byte that the JSON escape `\u0000` … `\u0007` at `index` stands for, `nil` for anything else: properties are full
    /// of \u0001 and \u0002, and taking them by the general way costs ten times as much.
    @inlinable @inline(__always) public func escapedSeparator(at index: Int) -> UInt8? {
        if index &+ 8 <= count {
            let word = word(at: index)
            guard word & 0x0000_F8FF_FFFF_FFFF == 0x0000_3030_3030_755C else { return nil }
            return UInt8(truncatingIfNeeded: word >> 40) & 7
        }
        guard index &+ 6 <= count, int32(at: index) == 0x5C75_3030,
            UInt16(bitPattern: int16(at: index &+ 4)) & 0xFFF8 == 0x3030
        else { return nil }
        return self[index &+ 5] & 7
    }
}
