import MQBase
import Testing

@testable import MQBroker

/// What bounds the state of pop, and what others do to it: resets, a log that has lost its end.
extension PopTableTests {
    @Test func `messages that come behind a lost end are none of those that were popped`() {
        var table = PopTable()
        expect(table.begin(key, committed: 0, now: 1) == .read(from: 0))
        let span = PopSpan(PopSpan.Key(start: 0, popTime: 1), offsets: Array(0..<10), deadline: 100)!
        table.give(key, span, next: 10)
        var other = PopTable()
        table.replay(into: &other)
        let progress = other.settle(end: { _ in 5 }, committed: { _ in 0 })
        expect(progress.isEmpty)
        expect(other.queue(key)?.next == 5 && other.queue(key)?.openCount == 5)
        expect(!other.ack(key, span.key, offset: 7) && other.ack(key, span.key, offset: 4))
        expect(other.begin(key, committed: 0, now: 2) == .read(from: 5))
    }

    @Test func `a reset to where the group stands brings back what is on its way`() {
        var table = PopTable()
        expect(table.begin(key, committed: 3, now: 1) == .read(from: 3))
        table.give(key, PopSpan(PopSpan.Key(start: 3, popTime: 1), offsets: [3, 4], deadline: 100)!, next: 5)
        expect(table.begin(key, committed: 3, now: 2) == .read(from: 5))
        table.release(key)
        expect(table.begin(key, committed: 3, isReset: true, now: 2) == .read(from: 3))
    }

    @Test func `new invisible times do not make spans without end`() {
        var table = PopTable(limits: PopTable.Limits(spansMax: 2, queuesMax: 1))
        expect(table.begin(key, committed: 0, now: 1) == .read(from: 0))
        let span = PopSpan(PopSpan.Key(start: 0, popTime: 1), offsets: Array(0..<32), deadline: 100)!
        table.give(key, span, next: 32)
        var made = 0
        for offset in Int64(0)..<32 where table.hasRoom(toChange: key, span.key) {
            if table.change(key, span.key, offset: offset, now: 2, invisibleTime: 50) != nil { made += 1 }
        }
        expect(made == 3 && table.spanCount == 4)
        // One that is alone in its span takes no more room than before.
        expect(table.hasRoom(toChange: key, PopSpan.Key(start: 0, popTime: 2)))
    }

    /// Each of these was once a search through all spans of the queue, with the table locked.
    @Test(.timeLimit(.minutes(1)))
    func `a hundred thousand spans of one queue can be changed, be over, and be put back`() {
        let count: Int64 = 100_000
        var table = PopTable()
        for start in 0..<count {
            guard case .read(let from) = table.begin(key, committed: 0, now: 1), from == start else {
                Issue.record("no pop at \(start)")
                return
            }
            table.give(
                key, PopSpan(PopSpan.Key(start: start, popTime: 1), offsets: [start], deadline: 10)!, next: start + 1)
        }
        for start in 0..<count {
            expect(
                table.change(key, PopSpan.Key(start: start, popTime: 1), offset: start, now: 2, invisibleTime: 5) == 2)
        }
        expect(table.takeProgress().isEmpty)
        var over = 0
        while case let spans = table.takeExpired(now: 100, countMax: 1000).spans, !spans.isEmpty {
            over += spans.count
            for span in spans { table.finish(span, 1, logEnd: Int64(over)) }
            table.flushed(to: Int64(over) - 1)
        }
        expect(over == Int(count) && table.takeProgress().map(\.to) == [count])
    }
}
