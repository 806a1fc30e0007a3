import MQStore
import MQSystem

/// How the timer is, for administrators. Written by the timer's thread.
struct TimerStatus: Sendable {
    /// Messages in the wheel.
    var waiting: Int64 = 0
    /// The next message of the wheel's queue.
    var queueOffset: Int64 = 0
    /// The slot that is overdue; `nil` if none is.
    var overdueSlot: Int64?
    /// What is on the disk.
    var checkpoint = TimerCheckpoint()
    /// The wheel's file, once there is one.
    var slots: TimerSlots?
    var enqueued = TimerRate()
    var dequeued = TimerRate()
}

/// Messages a second, over the last ten seconds or so. Pure.
struct TimerRate: Equatable, Sendable {
    private static let windowMilliseconds: Int64 = 10_000

    private var start: Int64 = 0
    private var count = 0
    private var rate = 0.0

    /// `count` more at `now`, milliseconds.
    mutating func add(_ count: Int, now: Int64) {
        if now - start >= Self.windowMilliseconds || now < start { begin(now) }
        self.count += count
    }

    private mutating func begin(_ now: Int64) {
        let passed = now - start
        rate = passed > 0 && passed < 2 * Self.windowMilliseconds ? Double(count) * 1000 / Double(passed) : 0
        start = now
        count = 0
    }

    /// As RocketMQ prints it.
    func text(now: Int64) -> String {
        let passed = now - start
        guard passed < 2 * Self.windowMilliseconds else { return "0.0" }
        let current = passed >= 1000 ? Double(count) * 1000 / Double(passed) : rate
        return String((max(rate, current) * 10).rounded() / 10)
    }
}
