import MQBase
import MQConfig
import MQProtocol
import MQRemoting
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

private func settings(_ keys: [String: String] = [:]) throws -> FlowSettings {
    var values = ConfigValues(.broker, on: ConfigMachine(home: "/nowhere"))
    for (key, value) in keys { try values.set(key, to: value) }
    return FlowSettings(values)
}

/// Goal: sends are refused while those before them wait for too long or are too many, and not a moment longer.
@Suite struct SendFlowTests {
    @Test func `while nothing waits, everything is taken`() throws {
        let flow = SendFlow()
        let none = try settings(["sendThreadPoolQueueCapacity": "0"])
        #expect(flow.refusal(oldest: nil, now: at(1), none) == nil)
    }

    @Test func `requests and bytes are counted as long as they wait`() throws {
        var settings = try settings(["sendThreadPoolQueueCapacity": "3"])
        settings.sendByteCountMax = 100
        var flow = SendFlow()
        flow.hold(.init(requests: 2, bytes: 10))
        #expect(flow.refusal(oldest: at(0), now: at(1), settings) == nil)
        flow.hold(.init(requests: 1, bytes: 10))
        #expect(flow.refusal(oldest: at(0), now: at(1), settings)?.remark.hasPrefix("[OVERLOAD]") == true)
        flow.release(.init(requests: 2, bytes: 10))
        #expect(flow.refusal(oldest: at(0), now: at(1), settings) == nil)
        flow.hold(.init(requests: 1, bytes: 90))
        #expect(flow.refusal(oldest: at(0), now: at(1), settings) == .busy, "bytes count, too")
    }

    @Test func `behind a send that waits too long nothing is taken, whatever it has waited itself`() throws {
        let settings = try settings()
        var flow = SendFlow()
        flow.hold(.init(requests: 1, bytes: 1))
        #expect(flow.refusal(oldest: at(0), now: at(1000), settings) == nil)
        #expect(flow.refusal(oldest: at(0), now: at(1001), settings) == .rejected)
        #expect(Refusal.rejected.remark == "[REJECTREQUEST]system busy, start flow control for a while")
        let queued = flow.refusal(oldest: at(0), now: at(1001), queuedAt: at(900), settings)
        #expect(
            queued?.remark
                == "[PCBUSY_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: 101ms, "
                + "size of queue: 1")
        #expect(queued?.code == .systemBusy)
    }
}

/// Goal: what lay here while a write did not end is refused, and nothing that came behind it.
@Suite struct SlowWriteTests {
    @Test func `behind a slow write the rest of the wake-up and the next one are refused`() throws {
        let settings = try settings()
        var flow = SendFlow()
        flow.wrote(in: 1000, settings)
        #expect(!flow.isStalled)
        flow.wrote(in: 3200, settings)
        let refusal = flow.refusal(oldest: nil, now: at(1), settings)
        #expect(refusal?.code == .systemBusy)
        #expect(
            refusal?.remark
                == "[PCBUSY_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: 3200ms, "
                + "size of queue: 0")
        flow.endWakeUp()  // the one with the write
        #expect(flow.isStalled && flow.refusal(oldest: nil, now: at(1), settings) == refusal)
        flow.endWakeUp()
        #expect(!flow.isStalled && flow.refusal(oldest: nil, now: at(1), settings) == nil)
    }
}

/// Goal: what waits for a thread is bounded in number and time, each kind by itself.
@Suite struct WorkQueueTests {
    private static let short = FlowSettings.Lane(countMax: 2, waitMilliseconds: 100)
    private static let patient = FlowSettings.Lane(countMax: 10, waitMilliseconds: nil)

    @Test func `jobs leave in the order they came, whatever their kind`() {
        var queue = WorkQueue<String>()
        for (job, lane) in [("a", WorkLane.pull), ("b", .send), ("c", .pull), ("d", .admin)] {
            let isTaken = queue.add(job, to: lane, Self.patient, now: at(0))
            #expect(isTaken)
        }
        var order: [String] = []
        while let entry = queue.next() { order.append(entry.job) }
        #expect(order == ["a", "b", "c", "d"])
    }

    @Test func `a kind that is full leaves room for the others`() {
        var queue = WorkQueue<Int>()
        var taken: [Bool] = []
        for number in 0..<3 { taken.append(queue.add(number, to: .pull, Self.short, now: at(0))) }
        taken.append(queue.add(3, to: .send, Self.short, now: at(0)))
        #expect(taken == [true, true, false, true])
        #expect(queue.count(.pull) == 2 && queue.count(.send) == 1)
    }

    @Test func `who has waited for too long is found, at its time and before the rest`() {
        var queue = WorkQueue<Int>()
        _ = queue.add(0, to: .query, Self.patient, now: at(0))
        _ = queue.add(1, to: .pull, Self.short, now: at(10))
        _ = queue.add(2, to: .pull, Self.short, now: at(50))
        #expect(queue.nextDeadline == at(110))
        #expect(queue.nextExpired(now: at(109)) == nil)
        let late = queue.nextExpired(now: at(110))
        #expect(late?.entry.job == 1 && late?.left == 1)
        #expect(queue.nextExpired(now: at(110)) == nil)
        #expect(queue.nextExpired(now: at(150))?.entry.job == 2)
        #expect(queue.nextDeadline == nil, "a query waits for as long as it takes")
        #expect(queue.next()?.job == 0)
    }

    @Test func `many jobs come and go without the queue growing`() {
        var queue = WorkQueue<Int>()
        for round in 0..<1000 {
            for number in 0..<8 { _ = queue.add(round * 8 + number, to: .pull, Self.patient, now: at(0)) }
            for number in 0..<8 { #expect(queue.next()?.job == round * 8 + number) }
        }
        #expect(queue.next() == nil)
    }
}

/// Goal: a thread that the disk holds up keeps nobody waiting for an answer.
@Suite struct WorkerPoolTests {
    @Test func `what waits too long behind a job that hangs is refused meanwhile`() throws {
        let settings = try settings(["waitTimeMillsInPullQueue": "200", "pullThreadPoolQueueCapacity": "2"])
        let pool = WorkerPool("test", threads: 1) { settings[$0] }
        pool.start()
        let (notes, isOver) = (Notes(), Monitor(false))
        try pool.submit(.query, refuse: { _ in notes.add("refused the first") }) {
            notes.add("hangs")
            _ = isOver.wait { $0 ? true : nil }
        }
        #expect(notes.wait(for: 1) == ["hangs"])
        for _ in 0..<2 { try pool.submit(.pull, refuse: { notes.add($0.remark) }) { notes.add("ran") } }
        #expect(throws: Refusal.busy) { try pool.submit(.pull, refuse: { _ in }) {} }
        let lines = notes.wait(for: 3)
        #expect(lines.count == 3)
        for line in lines.dropFirst() {
            #expect(line.hasPrefix("[TIMEOUT_CLEAN_QUEUE]broker busy, start flow"), "\(line)")
        }
        #expect(lines.last?.hasSuffix("size of queue: 0") == true)
        try pool.submit(.query, refuse: { _ in notes.add("refused the last") }) { notes.add("ran at last") }
        isOver.signal {
            $0 = true
            return true
        }
        #expect(notes.wait(for: 4).last == "ran at last")
        pool.stop()
    }

    @Test func `with brokerFastFailureEnable off everything waits its turn`() throws {
        let settings = try settings(["brokerFastFailureEnable": "false", "waitTimeMillsInPullQueue": "1"])
        for lane in WorkLane.allCases { #expect(settings[lane].waitMilliseconds == nil) }
    }
}
