import MQSystem
import Synchronization

/// Work on many small files at the start: it waits for the disk more than for a core, so that a few threads at once read
/// ten thousand files that are not in memory in a fraction of the time.
enum SideBySide {
    private static let threadCount = 8
    /// Items a thread takes at a time; fewer are done by the caller alone.
    private static let share = 64

    private struct Results<Result: Sendable>: Sendable {
        var values: [Result?]
        var failure: (index: Int, error: StoreOpenError)?
    }

    /// Runs `body` for all `items`.
    /// - Returns: what it returned, in the order of the items.
    /// - Throws: the error of the first of those that failed; when that is known, no more are begun.
    static func map<Item: Sendable, Result: Sendable>(
        _ items: [Item], _ body: @escaping @Sendable (Item) throws(StoreOpenError) -> Result
    ) throws(StoreOpenError) -> [Result] {
        let results = Lock(Results<Result>(values: Array(repeating: nil, count: items.count)))
        let next = Taken()
        let work = { @Sendable in
            while let range = next.take(share, of: items.count) {
                for index in range {
                    do throws(StoreOpenError) {
                        let value = try body(items[index])
                        results.withLock { $0.values[index] = value }
                    } catch {
                        next.end()
                        return results.withLock { results in
                            if let known = results.failure, known.index < index { return }
                            results.failure = (index, error)
                        }
                    }
                }
            }
        }
        let threads = (0..<min(threadCount, items.count / share)).map { Thread("open-\($0)", work) }
        work()
        for thread in threads { thread.join() }
        let (values, failure) = results.withLock { ($0.values, $0.failure) }
        if let failure { throw failure.error }
        return values.map { value in
            guard let value else { preconditionFailure("an item was left out") }
            return value
        }
    }

    /// How many items somebody has taken.
    private final class Taken: Sendable {
        private let count = Atomic<Int>(0)

        func take(_ share: Int, of all: Int) -> Range<Int>? {
            let start = count.add(share, ordering: .relaxed).oldValue
            return start < all ? start..<min(all, start + share) : nil
        }

        func end() { count.store(Int.max / 2, ordering: .relaxed) }
    }
}
