import MQBytes
import MQSystem

/// Looks for a queue's end: its last file reads as zero behind the last unit. Recovery only.
struct QueueEnd {
    /// Units in a file.
    let unitCount: Int

    /// Units that are looked at together where the end is guessed: a page of the file.
    private static let blockUnitCount = 200

    /// One more than the offset of the last valid unit, in the last file that has any: units are written in order and the
    /// rest is zero. After a crash of the machine, which leaves holes, an end before one of them.
    /// - Parameter known: where the end was when the queue was last synced. It is not far from there, and to look
    ///   anywhere else would bring pages into memory that hold nothing.
    func find(in files: [QueueFile], known: Int64?) throws(SystemError) -> Int64 {
        for file in files.reversed() {
            let first = file.start / Int64(QueueUnit.byteCount)
            var range = 0..<unitCount
            if let known, known > first, known - first <= Int64(unitCount) {
                range = try self.range(near: Int(known - first), of: file)
            }
            let count = try bisect(range, of: file)
            if count > 0 { return first + Int64(count) }
        }
        return (files.first?.start ?? 0) / Int64(QueueUnit.byteCount)
    }

    /// The first unit of `range` that is not used, if those before the range are and those behind it are not.
    private func bisect(_ range: Range<Int>, of file: QueueFile) throws(SystemError) -> Int {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if try usedUnits(from: middle, max: 1, of: file) == 1 { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Where the end is, seen from unit number `count`, where it was once: looked for in longer and longer steps.
    private func range(near count: Int, of file: QueueFile) throws(SystemError) -> Range<Int> {
        let used = try usedUnits(from: count - 1, max: Self.blockUnitCount, of: file)
        if used == 0 { return 0..<(count - 1) }  // it lost what was synced
        var low = count - 1 + used
        if used < Self.blockUnitCount { return low..<low }
        var step = Self.blockUnitCount
        while low < unitCount {
            let probe = min(unitCount - 1, low + step)
            guard try usedUnits(from: probe, max: 1, of: file) == 1 else { return low..<probe }
            low = probe + 1
            step *= 4
        }
        return low..<low
    }

    /// How many units are used from number `first` on, without one that is not; at most `max`.
    private func usedUnits(from first: Int, max: Int, of file: QueueFile) throws(SystemError) -> Int {
        let wanted = min(max, unitCount - first) * QueueUnit.byteCount
        var bytes = ByteBuffer(capacity: wanted)
        let read = try file.read(wanted, at: first * QueueUnit.byteCount, into: &bytes) / QueueUnit.byteCount
        for index in 0..<read where !QueueUnit(bytes.span, at: index * QueueUnit.byteCount).isUsed { return index }
        return read
    }
}
