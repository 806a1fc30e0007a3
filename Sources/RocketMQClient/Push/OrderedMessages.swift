import MQBase

/// The messages of one queue that are handed out one after the other, and whether the queue is the consumer's alone.
///
/// A plain value: no clock, lock or task.
struct OrderedMessages {
    /// How long after its last renewal a lock counts here. The broker keeps it twice as long, so that nobody else has the
    /// queue yet. Source: `ProcessQueue.java` `REBALANCE_LOCK_MAX_LIVE_TIME`, 5.3.
    static let lockMilliseconds: Int64 = 30_000
    /// How long the broker keeps it.
    static let brokerLockMilliseconds: Int64 = 60_000

    /// What comes next.
    enum Turn {
        /// Nothing waits: the turn is over.
        case nothing
        /// The lock is too old to be sure of.
        case unlocked
        /// The message to hand out. It stays first until ``finish(_:)``.
        case message(MessageExt)
    }

    private var waiting: [MessageExt] = []
    private var head = 0
    /// Somebody hands messages out, or will soon.
    private(set) var isRunning = false
    /// A handler has a message now.
    var isHandling = false
    private var lockedAt: Instant?
    private let needsLock: Bool

    /// Nothing waits yet.
    /// - Parameter needsLock: `false` in broadcasting mode, where every client has every queue.
    init(needsLock: Bool = true) { self.needsLock = needsLock }

    /// Adds messages behind the others.
    /// - Returns: whether somebody must begin to hand out.
    mutating func add(_ messages: [MessageExt]) -> Bool {
        waiting += messages
        guard !isRunning, head < waiting.count else { return false }
        isRunning = true
        return true
    }

    /// The next message, if there is one and the lock holds.
    mutating func next(now: Instant) -> Turn {
        guard head < waiting.count else {
            isRunning = false
            return .nothing
        }
        guard isLocked(now: now) else { return .unlocked }
        isHandling = true
        return .message(waiting[head])
    }

    /// The first message is done. Nothing if another one is first by now.
    mutating func finish(_ offset: Int64) {
        guard head < waiting.count, waiting[head].queueOffset == offset else { return }
        head += 1
        if head > 64, head * 2 > waiting.count {
            waiting.removeFirst(head)
            head = 0
        }
    }

    /// The first message comes again, one time more often.
    mutating func countFailure(_ offset: Int64) {
        guard head < waiting.count, waiting[head].queueOffset == offset else { return }
        waiting[head].reconsumeTimes += 1
    }

    /// Forgets what waits, because the queue goes on elsewhere.
    mutating func removeAll() {
        waiting = []
        head = 0
    }

    /// The broker has just confirmed the lock.
    mutating func lock(at now: Instant) { lockedAt = now }

    /// Whether the queue is surely this consumer's.
    func isLocked(now: Instant) -> Bool {
        guard needsLock else { return true }
        return lockedAt.map { now.milliseconds(since: $0) <= Self.lockMilliseconds } ?? false
    }

    /// Whether somebody else may have had the queue since the lock was confirmed last.
    func mayHaveLostLock(now: Instant) -> Bool {
        lockedAt.map { now.milliseconds(since: $0) > Self.brokerLockMilliseconds } ?? false
    }
}
