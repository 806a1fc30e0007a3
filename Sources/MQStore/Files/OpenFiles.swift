import MQSystem
import Synchronization

/// Something of a file that is opened when it is needed and may be closed again: a descriptor, a mapping.
protocol Reopenable: AnyObject, Sendable {
    /// What ``OpenFiles/now`` was when it was last used.
    var lastUse: Int { get }
    /// Closing it now costs more than a later opening.
    var isBusy: Bool { get }
    /// Must stay open.
    var isKept: Bool { get }
    /// Closes it; who uses it at this moment goes on with what they hold.
    func close()
}

/// Bounds how much is open at once: when there is too much, what was not used for longest is closed. Any thread.
final class OpenFiles<Item: Reopenable>: Sendable {
    private let max: Int
    private let items = Lock<[Item]>([])
    private let clock = Atomic<Int>(1)

    /// - Parameter max: how many stay open, without those that are kept; exceeded for a moment by an eighth.
    init(max: Int) { self.max = Swift.max(1, max) }

    /// Counts up now and then: a use stores it, one relaxed store.
    var now: Int { clock.load(ordering: .relaxed) }

    /// How many are open.
    var count: Int { items.withLock { $0.count } }

    /// `item` was opened. Closes others if there are too many.
    func add(_ item: Item) {
        let closed = items.withLock { items -> [Item] in
            items.append(item)
            guard items.count > max + max / 8 else { return [] }
            clock.add(1, ordering: .relaxed)
            return takeLeastUsed(&items, except: item)
        }
        for item in closed { item.close() }
    }

    /// `item` was closed by its owner.
    func remove(_ item: Item) { items.withLock { $0.removeAll { $0 === item } } }

    /// Takes out what is too much. The last eighth goes with it, so that not every opening has to look.
    private func takeLeastUsed(_ items: inout [Item], except newest: Item) -> [Item] {
        var free = items.filter { !$0.isKept && $0 !== newest }
        let tooMany = free.count + 1 - max
        guard tooMany > 0 else { return [] }
        free.sort { ($0.isBusy ? 1 : 0, $0.lastUse) < ($1.isBusy ? 1 : 0, $1.lastUse) }
        let closed = Array(free[..<tooMany])
        let gone = Set(closed.map(ObjectIdentifier.init))
        items.removeAll { gone.contains(ObjectIdentifier($0)) }
        return closed
    }

    /// Closes what was not used since the clock stood at `time`, and moves the clock.
    /// - Returns: where the clock stood.
    @discardableResult
    func closeUnused(since time: Int) -> Int {
        let closed = items.withLock { items -> [Item] in
            let closed = items.filter { $0.lastUse < time && !$0.isKept && !$0.isBusy }
            let gone = Set(closed.map(ObjectIdentifier.init))
            items.removeAll { gone.contains(ObjectIdentifier($0)) }
            return closed
        }
        for item in closed { item.close() }
        return clock.add(1, ordering: .relaxed).oldValue
    }

    /// Forgets everything without closing it: its owner goes away.
    func removeAll() { items.withLock { $0.removeAll() } }
}
