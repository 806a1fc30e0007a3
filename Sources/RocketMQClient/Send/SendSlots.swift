import MQBase

/// Requests that wait for a broker's answer, found by their number in constant time. A plain value.
///
/// Numbers go round 2³⁰, and a slot is a number's low bits: an answer that comes after its caller gave up finds another
/// number there, or nothing.
struct SendSlots<Waiter> {
    private struct Slot {
        var waiter: Waiter?
        var number: Int32 = 0
        var deadline = Instant(nanoseconds: .max)
    }

    private static var numberMask: Int32 { 1 << 30 - 1 }

    /// Requests that may wait at a time.
    let limit: Int
    /// Slots that are not free.
    private(set) var count = 0
    private var slots: [Slot]
    private var last: Int32

    /// - Parameter last: the number before the first one given out.
    init(limit: Int, last: Int32 = 0) {
        self.limit = limit
        self.last = last & Self.numberMask
        slots = Array(repeating: Slot(), count: 64)
    }

    private func index(_ number: Int32) -> Int { Int(number) & (slots.count - 1) }

    /// Puts the waiter into a slot of its own.
    /// - Returns: its number, which nobody else has; `nil`: too many wait.
    mutating func add(_ waiter: Waiter, deadline: Instant) -> Int32? {
        guard count < limit else { return nil }
        if count * 2 >= slots.count { grow() }
        // At most half of the slots are taken: the next free one is near.
        while true {
            last = (last &+ 1) & Self.numberMask
            let index = index(last)
            guard slots[index].waiter == nil else { continue }
            slots[index] = Slot(waiter: waiter, number: last, deadline: deadline)
            count += 1
            return last
        }
    }

    /// Numbers that differ in the low bits differ in more bits too: everybody finds a slot.
    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Slot(), count: old.count * 2)
        for slot in old where slot.waiter != nil { slots[index(slot.number)] = slot }
    }

    /// The waiter of an answer; `nil` if nobody waits for it (any more).
    mutating func take(_ number: Int32) -> Waiter? {
        let index = index(number)
        guard slots[index].number == number, let waiter = slots[index].waiter else { return nil }
        free(index)
        return waiter
    }

    /// All waiters that `judge` has a reason to take out, with that.
    mutating func takeAll<Reason>(_ judge: (Waiter, Instant) -> Reason?) -> [(waiter: Waiter, reason: Reason)] {
        guard count > 0 else { return [] }
        var taken: [(waiter: Waiter, reason: Reason)] = []
        for index in slots.indices {
            guard let waiter = slots[index].waiter, let reason = judge(waiter, slots[index].deadline) else { continue }
            taken.append((waiter, reason))
            free(index)
        }
        return taken
    }

    private mutating func free(_ index: Int) {
        slots[index].waiter = nil
        count -= 1
    }
}
