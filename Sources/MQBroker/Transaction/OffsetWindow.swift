/// A set of offsets that only looks forward: a bit for each offset from ``start`` on, up to the highest one it holds.
/// A million half messages that were ended while an older one is open take 128 KiB.
struct OffsetWindow {
    /// Offsets below it are forgotten.
    private(set) var start: Int64
    /// 64 offsets each; bit 0 of the first is ``wordStart``.
    private var words: [UInt64] = []
    /// Words at the front that are forgotten and not given back yet.
    private var dropped = 0

    private var wordStart: Int64 { start & ~63 }

    /// Nothing is in it.
    /// - Precondition: `start` is not negative.
    init(start: Int64) {
        precondition(start >= 0, "a window from \(start)")
        self.start = start
    }

    /// Bytes that it holds.
    var byteCount: Int { words.count * 8 }

    func contains(_ offset: Int64) -> Bool {
        guard let place = place(of: offset), place.word < words.count else { return false }
        return words[place.word] & place.bit != 0
    }

    /// - Returns: `false` if it was there before, or lies below ``start``.
    @discardableResult
    mutating func insert(_ offset: Int64) -> Bool {
        guard let place = place(of: offset) else { return false }
        while words.count <= place.word { words.append(0) }
        let isNew = words[place.word] & place.bit == 0
        words[place.word] |= place.bit
        return isNew
    }

    /// The first offset from `offset` on, and below `end`, that is not in it.
    func firstMissing(from offset: Int64, below end: Int64) -> Int64? {
        var offset = max(offset, start)
        while offset < end {
            guard let place = place(of: offset), place.word < words.count else { return offset }
            let missing = ~words[place.word] & ~(place.bit - 1)
            let base = offset & ~63
            if missing != 0 {
                let found = base + Int64(missing.trailingZeroBitCount)
                return found < end ? found : nil
            }
            offset = base + 64
        }
        return nil
    }

    /// Forgets what lies below `newStart`.
    mutating func drop(below newStart: Int64) {
        guard newStart > start else { return }
        let gone = (newStart & ~63) - wordStart
        start = newStart
        dropped = min(words.count, dropped + Int(gone / 64))
        if dropped == words.count {
            words.removeAll(keepingCapacity: words.capacity <= 1024)
            dropped = 0
        } else if dropped > 64, dropped * 2 > words.count {
            words.removeFirst(dropped)
            dropped = 0
        }
    }

    private func place(of offset: Int64) -> (word: Int, bit: UInt64)? {
        guard offset >= start else { return nil }
        let distance = offset - wordStart
        return (dropped + Int(distance / 64), 1 << UInt64(distance & 63))
    }
}
