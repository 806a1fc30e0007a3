import MQBase

/// Requests that wait for a broker's answer, found by their number in constant time. A plain value.
///
/// Numbers go round 2³⁰, and a slot is a number's low bits: an answer that comes after its caller gave up finds another
/// number there, or nothing.
struct SendSlots<Waiter> {
    private enum Content {
        case free
        case reserved
        case cancelled
        case waiting(Waiter)
    }

    private struct Slot {
        var content = Content.free
        var number: Int32 = 0
        var deadline = Instant(nanoseconds: .max)
    }

    /// What became of a waiter that came to its slot.
    enum Filled { case waits, wasCancelled }

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

    private func slot(of number: Int32) -> Int? {
        let index = index(number)
        if case .free = slots[index].content { return nil }
        return slots[index].number == number ? index : nil
    }

    /// A number that nobody else has, for a request that is about to wait; `nil`: too many wait.
    mutating func reserve() -> Int32? {
        guard count < limit else { return nil }
        if count * 2 >= slots.count { grow() }
        // At most half of the slots are taken: the next free one is near.
        while true {
            last = (last &+ 1) & Self.numberMask
            guard case .free = slots[index(last)].content else { continue }
            slots[index(last)] = Slot(content: .reserved, number: last)
            count += 1
            return last
        }
    }

    /// Numbers that differ in the low bits differ in more bits too: everybody finds a slot.
    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Slot(), count: old.count * 2)
        for slot in old {
            if case .free = slot.content { continue }
            slots[index(slot.number)] = slot
        }
    }

    /// Puts the waiter into its slot, unless it is not wanted any more.
    /// - Precondition: `number` was reserved, and neither filled nor given up.
    mutating func fill(_ number: Int32, _ waiter: Waiter, deadline: Instant) -> Filled {
        let index = index(number)
        precondition(slots[index].number == number, "request \(number) was not reserved")
        if case .cancelled = slots[index].content {
            free(index)
            return .wasCancelled
        }
        slots[index].content = .waiting(waiter)
        slots[index].deadline = deadline
        return .waits
    }

    /// Gives a reserved number back that is not used after all.
    mutating func giveUp(_ number: Int32) { if let index = slot(of: number) { free(index) } }

    /// The waiter of an answer; `nil` if nobody waits for it (any more).
    mutating func take(_ number: Int32) -> Waiter? {
        guard let index = slot(of: number), case .waiting(let waiter) = slots[index].content else { return nil }
        free(index)
        return waiter
    }

    /// The waiter, if it waits already; one that comes later is told then.
    mutating func cancel(_ number: Int32) -> Waiter? {
        if let waiter = take(number) { return waiter }
        if let index = slot(of: number), case .reserved = slots[index].content { slots[index].content = .cancelled }
        return nil
    }

    /// All waiters whose deadline `isDue`.
    mutating func takeAll(where isDue: (Instant) -> Bool) -> [Waiter] {
        guard count > 0 else { return [] }
        var taken: [Waiter] = []
        for index in slots.indices {
            guard case .waiting(let waiter) = slots[index].content, isDue(slots[index].deadline) else { continue }
            taken.append(waiter)
            free(index)
        }
        return taken
    }

    private mutating func free(_ index: Int) {
        slots[index].content = .free
        count -= 1
    }
}
