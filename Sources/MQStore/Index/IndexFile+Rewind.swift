import MQBytes
import MQSystem

/// The newest file after a crash of the machine: it goes back to what was synced.
extension IndexFile {
    /// Forgets what came behind the last sync, of which some may not be on the disk. Nothing happens if `synced` is another
    /// file's. Recovery only; done again from the beginning if it is interrupted.
    ///
    /// Entries from before the sync never change. A slot keeps its value until it names an entry from behind the sync, and
    /// never names one from before after that: whatever moment's sector the disk has, a slot that names an entry from before
    /// is as it was. Only the others are looked for.
    /// - Parameter step: how many slots or entries are looked at together.
    func rewind(to synced: RecoveryPoint.Index, step: Int = 1 << 18) throws(SystemError) {
        guard synced.entries > 1, synced.entries <= entryCount, synced.beginOffset == beginOffset,
            synced.entries <= indexCount, synced.entries < entryCount || !isFull
        else { return }  // nothing comes behind the end of a full one
        let entries = Int(synced.entries)
        try reserve(entries)
        let used = try restoreSlots(before: entries, step)
        mapping.store(bigEndian: synced.endTimestamp, at: 8)
        mapping.store(bigEndian: synced.endOffset, at: 24)
        mapping.store(bigEndian: Int32(used), at: 32)
        mapping.store(bigEndian: Int32(entries), at: 36)
    }

    /// Makes the slots as they were when entry `entries` was the next one.
    /// - Returns: how many name an entry.
    private func restoreSlots(before entries: Int, _ step: Int) throws(SystemError) -> Int {
        var (used, lost) = try lookAtSlots(before: entries, step)
        var buffer = ByteBuffer()
        var end = entries
        while lost.count > 0, end > 1 {
            let first = max(1, end - step)
            try read(entryAt(first)..<entryAt(end), into: &buffer)
            file.readAhead(entryAt(max(1, first - step))..<entryAt(first))  // it comes while these are looked at
            let bytes = buffer.span
            for number in (first..<end).reversed() where lost.count > 0 {
                let hash = UInt32(max(0, bytes.int32(at: (number - first) * Self.entryByteCount)))
                let slot = Int(hash % UInt32(slotCount))
                guard lost.remove(slot) else { continue }
                mapping.store(bigEndian: Int32(number), at: Self.headerByteCount + slot * 4)
                used += 1
            }
            end = first
        }
        lost.forEach { mapping.store(bigEndian: Int32(0), at: Self.headerByteCount + $0 * 4) }
        return used
    }

    /// How many slots name an entry before `entries`, and which name another one.
    private func lookAtSlots(before entries: Int, _ step: Int) throws(SystemError) -> (used: Int, lost: SlotSet) {
        var lost = SlotSet(slotCount: slotCount)
        var used = 0
        var buffer = ByteBuffer()
        for first in stride(from: 0, to: slotCount, by: step) {
            let end = min(slotCount, first + step)
            try read((Self.headerByteCount + first * 4)..<(Self.headerByteCount + end * 4), into: &buffer)
            let bytes = buffer.span
            for slot in first..<end {
                let number = Int(bytes.int32(at: (slot - first) * 4))
                if 0..<entries ~= number { used += number > 0 ? 1 : 0 } else { lost.insert(slot) }
            }
        }
        return (used, lost)
    }

    /// Through a copy: many pages at once, where the mapping would ask for each.
    private func read(_ range: Range<Int>, into buffer: inout ByteBuffer) throws(SystemError) {
        buffer.removeAll()
        guard try file.read(range.count, at: range.lowerBound, into: &buffer) == range.count else {
            throw SystemError(code: 5, call: "the file became shorter: read", subject: path)  // EIO
        }
    }
}

/// Some of an index file's slots; a bit each, so that they stay in the processor's cache.
private struct SlotSet {
    private var words: [UInt64]
    private(set) var count = 0

    init(slotCount: Int) { words = [UInt64](repeating: 0, count: (slotCount + 63) / 64) }

    /// - Precondition: it is not there yet.
    mutating func insert(_ slot: Int) {
        words[slot / 64] |= 1 << UInt64(slot % 64)
        count += 1
    }

    /// Whether it was there.
    mutating func remove(_ slot: Int) -> Bool {
        let bit: UInt64 = 1 << UInt64(slot % 64)
        guard words[slot / 64] & bit != 0 else { return false }
        words[slot / 64] &= ~bit
        count -= 1
        return true
    }

    func forEach(_ body: (Int) -> Void) {
        for (number, word) in words.enumerated() where word != 0 {
            for bit in 0..<64 where word & 1 << UInt64(bit) != 0 { body(number * 64 + bit) }
        }
    }
}
