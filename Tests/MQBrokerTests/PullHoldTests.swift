import MQBase
import Testing

@testable import MQBroker

/// Long polling without a clock or a socket.
@Suite struct PullHoldTests {
    @Test func `waiters are named in the order they came, and stay`() {
        var hold = PullHold<String>(waitersMax: 10)
        for id: UInt64 in [3, 1, 2] { #expect(hold.park(id, on: "a") == .waiting) }
        #expect(hold.park(9, on: "b") == .waiting)
        #expect(hold.waiting(on: "a") == [3, 1, 2] && hold.waiting(on: "a") == [3, 1, 2])
        #expect(hold.waiting(on: "c").isEmpty && hold.count == 4)
    }

    @Test func `the last one that leaves a queue says which`() {
        var hold = PullHold<String>(waitersMax: 10)
        _ = hold.park(1, on: "a")
        _ = hold.park(2, on: "a")
        #expect(hold.remove(1) == nil)
        #expect(hold.remove(1) == nil)
        #expect(hold.remove(2) == "a")
        #expect(hold.remove(7) == nil && hold.count == 0)
    }

    @Test func `more than the limit are refused until one leaves`() {
        var hold = PullHold<Int>(waitersMax: 2)
        #expect(hold.park(1, on: 0) == .waiting && hold.park(2, on: 1) == .waiting)
        #expect(hold.park(3, on: 0) == .refused)
        #expect(hold.waiting(on: 0) == [1] && hold.count == 2)
        _ = hold.remove(1)
        #expect(hold.park(3, on: 0) == .waiting)
    }

    @Test(arguments: 0..<20)
    func `as a plain list of pairs would do it`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var hold = PullHold<Int>(waitersMax: 40)
        var model: [(id: UInt64, queue: Int)] = []
        for id in 0..<UInt64(2000) {
            if Bool.random(using: &random) || model.isEmpty {
                let queue = Int.random(in: 0..<6, using: &random)
                let parked = hold.park(id, on: queue)
                #expect(parked == (model.count < 40 ? .waiting : .refused), "seed \(seed)")
                if parked == .waiting { model.append((id, queue)) }
            } else {
                let gone = model.remove(at: Int.random(in: model.indices, using: &random))
                let isLast = !model.contains { $0.queue == gone.queue }
                #expect(hold.remove(gone.id) == (isLast ? gone.queue : nil), "seed \(seed)")
            }
            for queue in 0..<6 {
                #expect(hold.waiting(on: queue) == model.filter { $0.queue == queue }.map(\.id), "seed \(seed)")
            }
            #expect(hold.count == model.count)
        }
    }

    /// One queue may have as many waiters as there are: taking them all off must not cost their number squared.
    @Test func `a hundred thousand waiters of one queue come and go quickly`() {
        var hold = PullHold<Int>(waitersMax: 100_000)
        for id in 0..<UInt64(100_000) { _ = hold.park(id, on: 0) }
        let started = ContinuousClock.now
        for id in hold.waiting(on: 0) { _ = hold.remove(id) }
        #expect(hold.count == 0 && hold.waiting(on: 0).isEmpty)
        #expect(ContinuousClock.now - started < .seconds(5))
    }
}

/// Answers that wait for the disk.
@Suite struct AckGateTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func released(_ gate: inout AckGate<Int>, flushed: Int64, now: Int64) -> [String] {
        var out: [String] = []
        gate.release(flushed: PhysicalOffset(rawValue: flushed), now: at(now)) { out.append("\($0) \($1)") }
        return out
    }

    @Test func `what is durable goes first, what is late goes then`() {
        var gate = AckGate<Int>()
        for (payload, end) in [(1, 100), (2, 200), (3, 300)] {
            gate.hold(payload, until: PhysicalOffset(rawValue: Int64(end)), deadline: at(Int64(payload) * 1000))
        }
        #expect(released(&gate, flushed: 99, now: 0).isEmpty && gate.nextDeadline == at(1000))
        #expect(released(&gate, flushed: 100, now: 0) == ["1 durable"])
        #expect(released(&gate, flushed: 199, now: 2000) == ["2 late"])
        #expect(!gate.isEmpty && gate.nextDeadline == at(3000))
        #expect(released(&gate, flushed: 1000, now: 9000) == ["3 durable"])
        #expect(gate.isEmpty && gate.nextDeadline == nil)
    }

    @Test func `a fence releases everything, once`() {
        var gate = AckGate<Int>()
        for payload in 0..<5 { gate.hold(payload, until: PhysicalOffset(rawValue: 10), deadline: at(10)) }
        #expect(released(&gate, flushed: 0, now: 10).count == 5)
        for payload in 0..<3 { gate.hold(payload, until: PhysicalOffset(rawValue: 20), deadline: at(90)) }
        var out: [Int] = []
        gate.releaseAll { out.append($0) }
        #expect(out == [0, 1, 2] && gate.isEmpty)
        #expect(released(&gate, flushed: 1000, now: 1000).isEmpty)
    }

    @Test(arguments: 0..<20)
    func `nobody is lost, doubled or released early`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var gate = AckGate<Int>()
        var (held, out): ([Int: (end: Int64, deadline: Int64)], Int) = ([:], 0)
        var (end, flushed, now): (Int64, Int64, Int64) = (0, 0, 0)
        for payload in 0..<1000 {
            now += .random(in: 0..<20, using: &random)
            end += .random(in: 0..<50, using: &random)
            held[payload] = (end, now + 100)
            gate.hold(payload, until: PhysicalOffset(rawValue: end), deadline: at(now + 100))
            if Int.random(in: 0..<3, using: &random) == 0 { flushed = .random(in: flushed...end, using: &random) }
            gate.release(flushed: PhysicalOffset(rawValue: flushed), now: at(now)) { payload, outcome in
                guard let entry = held.removeValue(forKey: payload) else {
                    Issue.record("\(payload) came twice, seed \(seed)")
                    return
                }
                #expect(payload == out && (outcome == .durable) == (entry.end <= flushed), "seed \(seed)")
                #expect(outcome == .durable || entry.deadline <= now, "seed \(seed)")
                out += 1
            }
            #expect(!held.values.contains { $0.end <= flushed || $0.deadline <= now }, "seed \(seed)")
            #expect(gate.isEmpty == held.isEmpty)
        }
    }
}
