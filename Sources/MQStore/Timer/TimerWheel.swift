import MQBytes
import MQSystem

/// The wheel: for each second of two weeks the units that wait for it. One file of 38,707,200 bytes, read and written by
/// the slot; in memory it is a bit a slot. Owned by one thread.
/// Source: `TimerWheel.java`, RocketMQ 5.3.
final class TimerWheel {
    /// Bytes of the file.
    static let byteCount = TimerTimes.slotCount * TimerSlot.byteCount

    private let path: String
    private let times: TimerTimes
    private(set) var file: File?
    /// Slots that have units and were not emptied.
    private var occupied: [UInt64] = []
    /// Slots that were changed and not written, with what they add to ``waiting``.
    private var changed: [Int: (slot: TimerSlot, added: Int64)] = [:]
    /// Messages in the slots that were not emptied.
    private(set) var waiting: Int64 = 0
    private(set) var isNew = false
    private(set) var isDirty = false

    /// Nothing is opened.
    init(path: String, times: TimerTimes) {
        self.path = path
        self.times = times
    }

    private func isOccupied(_ index: Int) -> Bool { !occupied.isEmpty && occupied[index / 64] & 1 << (index % 64) != 0 }
    private func occupy(_ index: Int) { occupied[index / 64] |= 1 << (index % 64) }
    private func leave(_ index: Int) { occupied[index / 64] &= ~(1 << (index % 64)) }

    private func makeBits() {
        if occupied.isEmpty { occupied = [UInt64](repeating: 0, count: (TimerTimes.slotCount + 63) / 64) }
    }

    // MARK: - Slots

    /// The slot of `time`, if messages wait in it.
    func slot(_ time: Int64) throws(SystemError) -> TimerSlot? {
        let index = times.index(of: time)
        if let known = changed[index] { return known.slot }
        guard isOccupied(index), let file else { return nil }
        var bytes = ByteBuffer(capacity: TimerSlot.byteCount)
        let got = try file.read(TimerSlot.byteCount, at: index * TimerSlot.byteCount, into: &bytes)
        guard got == TimerSlot.byteCount else { return nil }
        let slot = TimerSlot(bytes.span, at: 0)
        return slot.number == time / times.precision ? slot : nil
    }

    /// Puts one more unit into the slot of `time`; ``write()`` makes it last.
    func add(_ position: Int64, to time: Int64, isDelete: Bool) throws(SystemError) {
        let index = times.index(of: time)
        let change: Int64 = isDelete ? -1 : 1
        if var known = changed[index] {
            known.slot.add(position, isDelete: isDelete)
            known.added += change
            changed[index] = known
        } else if var slot = try slot(time) {
            slot.add(position, isDelete: isDelete)
            changed[index] = (slot, change)
        } else {
            let number = time / times.precision
            changed[index] = (TimerSlot(number: number, unit: position, count: Int32(change)), change)
        }
    }

    /// Writes what was changed to the page cache, and makes the file if there is none. After an error nothing of it counts.
    func write() throws(SystemError) {
        defer { changed.removeAll(keepingCapacity: true) }
        guard !changed.isEmpty else { return }
        let file = try fileForWriting()
        makeBits()
        var bytes = ByteBuffer(capacity: TimerSlot.byteCount)
        isDirty = true
        for (index, change) in changed {
            bytes.removeAll()
            change.slot.append(to: &bytes)
            try file.write(bytes.span, at: index * TimerSlot.byteCount)
            occupy(index)
            waiting += change.added
        }
    }

    /// Forgets what was changed and not written.
    func forgetChanges() { changed.removeAll(keepingCapacity: true) }

    /// Room is taken at once: later a slot must not find the disk full.
    private func fileForWriting() throws(SystemError) -> File {
        if let file { return file }
        let fresh = try File(path, .replace)
        do throws(SystemError) {
            try fresh.allocate(byteCount: Self.byteCount)
        } catch  where error.code == 95 {  // EOPNOTSUPP: the file system takes it as it comes
            try fresh.truncate(to: Self.byteCount)
        }
        file = fresh
        isNew = true
        return fresh
    }

    /// The slot was emptied. Its file keeps it, as RocketMQ does, until its place is needed again.
    func clear(_ time: Int64, count: Int32) {
        leave(times.index(of: time))
        waiting -= Int64(count)
    }

    /// The first slot from `time` on, in one turn, in which messages wait.
    func next(from time: Int64) -> Int64? {
        guard !occupied.isEmpty else { return nil }
        let first = times.index(of: time)
        guard let index = nextBit(first..<TimerTimes.slotCount) ?? nextBit(0..<first) else { return nil }
        let ahead = index >= first ? index - first : index - first + TimerTimes.slotCount
        return times.floor(time) + Int64(ahead) * times.precision
    }

    private func nextBit(_ range: Range<Int>) -> Int? {
        var index = range.lowerBound
        while index < range.upperBound {
            let word = occupied[index / 64] >> UInt64(index % 64)
            if word != 0 {
                let found = index + word.trailingZeroBitCount
                return found < range.upperBound ? found : nil
            }
            index = (index / 64 + 1) * 64
        }
        return nil
    }

    /// The wheel's hand goes back over slots that were emptied: they must not come again after a restart.
    func erase(from start: Int64, to end: Int64) throws(SystemError) {
        guard let file else { return }
        let blank = [UInt8](repeating: 0, count: TimerSlot.byteCount)
        var time = times.floor(start)
        while time < end, time < start + times.turn {
            let index = times.index(of: time)
            if !isOccupied(index) { try file.write(blank.span, at: index * TimerSlot.byteCount) }
            time += times.precision
        }
        isDirty = true
    }

    /// Says that what was written is being synced.
    /// - Returns: the file, and whether its name is new; `nil` if nothing was written.
    func takeDirty() -> (file: File, isNew: Bool)? {
        guard isDirty, let file else { return nil }
        defer { (isDirty, isNew) = (false, false) }
        return (file, isNew)
    }

    // MARK: - Opening

    /// What a look at the whole file found.
    struct Look {
        /// Slots from the hand on.
        var live: [(time: Int64, slot: TimerSlot)] = []
        /// A slot tells what cannot be.
        var isDamaged = false
    }

    /// Opens the file. `false`: there is none, or none of the right size.
    func open() throws(SystemError) -> Bool {
        guard Directory.exists(path) else { return false }
        let found = try File(path, .readWrite)
        guard try found.byteCount() == Self.byteCount else { return false }
        file = found
        return true
    }

    /// Reads every slot.
    /// - Parameter hand: slots before it were emptied.
    func look(from hand: Int64) throws(SystemError) -> Look {
        var look = Look()
        guard let file else { return look }
        let step = 1 << 20
        var bytes = ByteBuffer(capacity: step)
        for start in stride(from: 0, to: Self.byteCount, by: step) {
            bytes.removeAll()
            let got = try file.read(min(step, Self.byteCount - start), at: start, into: &bytes)
            let span = bytes.span
            for offset in stride(from: 0, to: got / TimerSlot.byteCount * TimerSlot.byteCount, by: TimerSlot.byteCount)
            where span.int64(at: offset) != 0 {
                take(TimerSlot(span, at: offset), at: (start + offset) / TimerSlot.byteCount, hand, &look)
            }
        }
        return look
    }

    private func take(_ slot: TimerSlot, at index: Int, _ hand: Int64, _ look: inout Look) {
        guard slot.number > 0, slot.number < Int64.max / times.precision,
            Int(slot.number % Int64(TimerTimes.slotCount)) == index
        else { return look.isDamaged = true }
        let time = slot.number * times.precision
        guard time >= hand, time < hand + times.turn else { return }
        guard slot.first >= 0, slot.first <= slot.last else { return look.isDamaged = true }
        look.live.append((time, slot))
    }

    /// Takes over what a look found and recovery left of it.
    func occupy(_ slots: [(time: Int64, slot: TimerSlot)]) {
        makeBits()
        for (time, slot) in slots {
            occupy(times.index(of: time))
            waiting += Int64(slot.count)
        }
    }

    /// Writes slots as they are, and zeroes for those that are `nil`. Recovery only.
    func put(_ slots: [Int64: TimerSlot?]) throws(SystemError) {
        guard !slots.isEmpty else { return }
        let file = try fileForWriting()
        for (time, slot) in slots {
            var bytes = ByteBuffer(capacity: TimerSlot.byteCount)
            (slot ?? TimerSlot()).append(to: &bytes)
            try file.write(bytes.span, at: times.index(of: time) * TimerSlot.byteCount)
        }
        isDirty = true
    }

    /// Forgets the file and makes an empty one when it is needed. Recovery only.
    func removeAll() throws(SystemError) {
        try Directory.removeFile(path)
        file = nil
        occupied = []
        changed = [:]
        waiting = 0
    }
}
