import MQBase

/// A timer that was set and may be cancelled.
public struct TimerToken: Hashable, Sendable {
    let number: UInt64
}

/// Deadlines in order: a binary heap with lazy removal. Pure; the loop asks it what is due.
struct TimerHeap {
    private struct Entry {
        let at: Instant
        let number: UInt64
    }

    private var heap: [Entry] = []
    private var actions: [UInt64: () -> Void] = [:]
    private var nextNumber: UInt64 = 1
    /// The number of an entry that is not cancelled: each wake-up asks twice for the first one, and looking it up among
    /// `actions` costs a hash.
    private var knownLive: UInt64 = 0

    /// Timers set and neither fired nor cancelled.
    var count: Int { actions.count }
    /// Places taken in the heap, cancelled timers included.
    var entryCount: Int { heap.count }

    mutating func set(at: Instant, _ action: @escaping () -> Void) -> TimerToken {
        let number = nextNumber
        nextNumber += 1
        actions[number] = action
        heap.append(Entry(at: at, number: number))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard isBefore(child, parent) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
        return TimerToken(number: number)
    }

    mutating func cancel(_ token: TimerToken) {
        actions[token.number] = nil
        if token.number == knownLive { knownLive = 0 }
        if heap.count > 64, heap.count > actions.count * 4 { compact() }
    }

    /// When the next timer is due; `nil` if there is none.
    mutating func next() -> Instant? {
        while let first = heap.first {
            if first.number == knownLive { return first.at }
            if actions[first.number] != nil {
                knownLive = first.number
                return first.at
            }
            removeFirst()
        }
        return nil
    }

    /// The action of the first timer due at `now`, which is removed.
    mutating func pop(due now: Instant) -> (() -> Void)? {
        guard let at = next(), at <= now, let first = heap.first else { return nil }
        removeFirst()
        knownLive = 0
        return actions.removeValue(forKey: first.number)
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        heap[left].at == heap[right].at ? heap[left].number < heap[right].number : heap[left].at < heap[right].at
    }

    private mutating func compact() {
        heap = heap.filter { actions[$0.number] != nil }
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        sink(0)
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
