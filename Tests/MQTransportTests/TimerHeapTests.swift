import MQBase
import Testing

@testable import MQTransport

/// Goal: timers fire in the order of their times, each once, and cancelled ones never.
/// Method: a plain list beside the heap, driven from seeds.
@Suite struct TimerHeapTests {
    private final class Fired { var numbers: [Int] = [] }

    private func at(_ time: Int64) -> Instant { Instant(nanoseconds: time) }

    @Test func `equal times fire in the order they were set`() {
        var heap = TimerHeap()
        let fired = Fired()
        for number in 0..<10 { _ = heap.set(at: at(number % 2 == 0 ? 5 : 3)) { fired.numbers.append(number) } }
        #expect(heap.count == 10 && heap.next() == at(3))
        #expect(heap.pop(due: at(2)) == nil)
        while let action = heap.pop(due: at(5)) { action() }
        #expect(fired.numbers == [1, 3, 5, 7, 9, 0, 2, 4, 6, 8] && heap.count == 0 && heap.next() == nil)
    }

    @Test(arguments: 0..<20)
    func `as a sorted list would do it`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var heap = TimerHeap()
        var model: [(time: Int64, number: Int, token: TimerToken)] = []
        let fired = Fired()
        var wanted: [Int] = []
        var now: Int64 = 0
        for number in 0..<3000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0...4:
                let time = now + .random(in: -5..<100, using: &random)
                model.append((time, number, heap.set(at: at(time)) { fired.numbers.append(number) }))
            case 5...7:
                guard !model.isEmpty else { continue }
                let gone = model.remove(at: .random(in: model.indices, using: &random))
                heap.cancel(gone.token)
                heap.cancel(gone.token)  // twice is once
            default:
                now += .random(in: 0..<20, using: &random)
                while let action = heap.pop(due: at(now)) { action() }
                let due = model.filter { $0.time <= now }.sorted { ($0.time, $0.number) < ($1.time, $1.number) }
                wanted += due.map(\.number)
                model.removeAll { $0.time <= now }
            }
            #expect(heap.count == model.count && heap.next() == model.map(\.time).min().map(at), "seed \(seed)")
        }
        #expect(fired.numbers == wanted, "seed \(seed)")
    }

    /// A request's deadline is nearly always cancelled: they must not pile up until they are due.
    @Test func `cancelled timers do not pile up`() {
        var heap = TimerHeap()
        for number in 0..<100_000 {
            heap.cancel(heap.set(at: at(1_000_000 + Int64(number))) {})
        }
        #expect(heap.count == 0 && heap.entryCount < 200)
    }
}
