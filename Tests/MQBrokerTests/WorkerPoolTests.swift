import MQSystem
import Testing

@testable import MQBroker

/// Goal: jobs run in order, and what they hold is let go of when they are done.
@Suite struct WorkerPoolTests {
    private final class Token: Sendable {}

    @Test func `a job that is done is let go of, though the queue is never empty`() {
        let pool = WorkerPool("test", threads: 1, queueMax: 100, nice: 1)
        let isBlocked = Monitor(false)
        let mayGoOn = Monitor(false)
        var token: Token? = Token()
        weak let held = token
        _ = pool.submit { [token] in withExtendedLifetime(token) {} }
        token = nil
        for _ in 0..<10 { _ = pool.submit {} }
        _ = pool.submit {
            isBlocked.signal { state in
                state = true
                return true
            }
            _ = mayGoOn.wait { $0 ? true : nil }
        }
        _ = pool.submit {}  // waits behind the others all the time
        #expect(held != nil)
        pool.start()
        _ = isBlocked.wait { $0 ? true : nil }
        #expect(held == nil)
        mayGoOn.signal { state in
            state = true
            return true
        }
        pool.stop()
    }
}
