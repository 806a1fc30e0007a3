import MQBase
import Testing

@Suite struct BaseTests {
    @Test func `an instant saturates when a peer sends an absurd number of milliseconds`() {
        let now = Instant(nanoseconds: 5_000_000)
        #expect(now.advanced(byMilliseconds: .max).nanoseconds == .max)
        #expect(now.advanced(byMilliseconds: .min).nanoseconds == .min)
        #expect(now.advanced(byMilliseconds: 2).milliseconds(since: now) == 2)
    }

    @Test func `a watermark moves forward and is read as raised`() {
        let mark = Watermark(.zero)
        mark.raise(to: PhysicalOffset(rawValue: 10))
        mark.raise(to: PhysicalOffset(rawValue: 10))
        #expect(mark.value == PhysicalOffset(rawValue: 10))
    }

    @Test func `a watermark traps when it is moved back`() async {
        await #expect(processExitsWith: .failure) {
            let mark = Watermark(PhysicalOffset(rawValue: 10))
            mark.raise(to: PhysicalOffset(rawValue: 9))
        }
    }

    @Test func `a negative offset traps`() async {
        await #expect(processExitsWith: .failure) { _ = QueueOffset(rawValue: -1) }
        await #expect(processExitsWith: .failure) { _ = PhysicalOffset(rawValue: -1) }
    }

    @Test func `the same seed gives the same sequence`() {
        var first = SeededRandom(seed: 7)
        var second = SeededRandom(seed: 7)
        #expect((0..<10).map { _ in first.next() } == (0..<10).map { _ in second.next() })
    }
}
