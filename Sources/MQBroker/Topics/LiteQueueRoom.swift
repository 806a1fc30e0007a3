import MQBase
import MQStore
import MQSystem

/// Room for lite queues that consumers ask for before anybody sends to them. Such a name costs memory and a place below
/// `maxLmqConsumeQueueNum` until the broker stops, and a consumer may make up as many as it likes: so all of them together get
/// half of the places, and one connection a tenth. A queue that got a message counts no more. RocketMQ bounds neither.
/// Any thread.
final class LiteQueueRoom: Sendable {
    private struct State {
        /// Who asked for it first.
        var askers: [String: String] = [:]
        var counts: [String: Int] = [:]
        /// When it is looked again which of them are used by now.
        var nextLook = Instant(nanoseconds: 0)
    }

    private static let lookMilliseconds: Int64 = 1000

    private let allMax: Int
    private let eachMax: Int
    private let state = Lock(State())

    /// - Parameter countMax: `maxLmqConsumeQueueNum`.
    init(countMax: Int) {
        allMax = max(1, countMax / 2)
        eachMax = max(1, countMax / 10)
    }

    /// Takes room for the queue `name`, which nobody has used.
    /// - Parameters:
    ///   - asker: the connection, by its peer's address.
    ///   - isUsed: whether a queue that was asked for has had a message. Asked seldom, about all of them.
    /// - Returns: `false` if there is none.
    func take(_ name: String, for asker: String, now: Instant, isUsed: (String) -> Bool) -> Bool {
        if add(name, asker) { return true }
        let known: [String]? = state.withLock { state in
            guard now >= state.nextLook else { return nil }
            state.nextLook = now.advanced(byMilliseconds: Self.lookMilliseconds)
            return Array(state.askers.keys)
        }
        guard let used = known?.filter(isUsed), !used.isEmpty else { return false }
        state.withLock { state in
            for name in used {
                guard let asker = state.askers.removeValue(forKey: name), let count = state.counts[asker] else {
                    continue
                }
                state.counts[asker] = count > 1 ? count - 1 : nil
            }
        }
        return add(name, asker)
    }

    private func add(_ name: String, _ asker: String) -> Bool {
        state.withLock { state in
            if state.askers[name] != nil { return true }
            let count = state.counts[asker] ?? 0
            guard count < eachMax, state.askers.count < allMax else { return false }
            state.askers[name] = asker
            state.counts[asker] = count + 1
            return true
        }
    }
}
