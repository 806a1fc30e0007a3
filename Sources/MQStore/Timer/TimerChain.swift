package import MQSystem

/// The units of one slot, oldest first, in pieces: units know only the one before them, and a slot may hold millions. Kept
/// are every ``step``-th position and one piece.
package struct TimerChain {
    private static let step = 4096

    /// The slot.
    package let slot: Int64
    /// Units that take others of the slot back; all of them, because they count for those before them too.
    package private(set) var deletes: [TimerUnit] = []
    /// Whether the slot's own chain was broken, and the whole log was searched.
    package private(set) var wasBroken = false
    /// Where pieces end, newest first; each goes back from here.
    private var marks: [Int64] = []
    private let log: TimerLog
    private let times: TimerTimes

    init(_ slot: Int64, last: Int64, log: TimerLog, times: TimerTimes) throws(SystemError) {
        self.slot = slot
        self.log = log
        self.times = times
        var position = last
        var count = 0
        while position != TimerUnit.none {
            guard let unit = try log.unit(at: position), times.floor(unit.slotTime) == slot, unit.previous < position
            else {
                try search()
                return
            }
            if count % Self.step == 0 { marks.append(position) }
            if unit.isDelete { deletes.append(unit) }
            count += 1
            position = unit.previous
        }
    }

    /// Finds the slot's units without the chain; every piece is one unit then.
    private mutating func search() throws(SystemError) {
        wasBroken = true
        marks = []
        deletes = []
        var found: [Int64] = []
        var taking: [TimerUnit] = []
        let (slot, times) = (self.slot, self.times)
        try log.forEachUnit(from: log.start) { position, unit in
            guard times.floor(unit.slotTime) == slot else { return }
            found.append(position)
            if unit.isDelete { taking.append(unit) }
        }
        marks = found.reversed()
        deletes = taking
    }

    /// The next piece; empty behind the last.
    package mutating func next() throws(SystemError) -> [TimerUnit] {
        guard let last = marks.popLast() else { return [] }
        guard !wasBroken else { return try log.unit(at: last).map { [$0] } ?? [] }
        var units: [TimerUnit] = []
        var position = last
        while position != TimerUnit.none, units.count < Self.step {
            guard let unit = try log.unit(at: position), unit.previous < position else { break }
            units.append(unit)
            position = unit.previous
        }
        return units.reversed()
    }
}

extension TimerUnit {
    /// Whether its message only takes another one back.
    package var isDelete: Bool { kind.contains(.delete) && !kind.contains(.roll) }
}
