import MQBase
import MQBytes
import Testing

@testable import MQBroker

/// The state of pop by itself: what is given out, acknowledged, over, and what of it survives.
@Suite struct PopTableTests {
    let key = PopQueueKey(group: "g", topic: "t", queueID: 0)

    private func span(_ start: Int64, _ offsets: [Int64], at popTime: Int64 = 1000, for time: Int64 = 100) -> PopSpan {
        PopSpan(PopSpan.Key(start: start, popTime: popTime), offsets: offsets, deadline: popTime + time)!
    }

    /// Pops `offsets` from where the group stands.
    private func pop(
        _ table: inout PopTable, _ offsets: [Int64], at now: Int64 = 1000, committed: Int64 = 0
    ) -> PopSpan.Key {
        guard case .read(let from) = table.begin(key, committed: committed, now: now) else {
            Issue.record("the queue cannot be read")
            return PopSpan.Key(start: -1, popTime: 0)
        }
        let span = span(from, offsets, at: now)
        table.give(key, span, next: offsets.last! + 1)
        return span.key
    }

    @Test func `the next pop begins behind the last, and one at a time reads`() {
        var table = PopTable()
        expect(table.begin(key, committed: 5, now: 1) == .read(from: 5))
        expect(table.begin(key, committed: 5, now: 1) == .busy(next: 5))
        table.give(key, span(5, [5, 6]), next: 7)
        expect(table.begin(key, committed: 5, now: 1) == .read(from: 7))
        table.release(key)
        expect(table.begin(key, committed: 5, now: 1) == .read(from: 7))
    }

    @Test func `the group's progress is the first message that is not done`() {
        var table = PopTable()
        let first = pop(&table, [0, 1, 2])
        let second = pop(&table, [3, 4])
        expect(table.takeProgress().isEmpty)
        expect(table.ack(key, second, offset: 3))
        expect(table.takeProgress().isEmpty)
        expect(table.ack(key, first, offset: 0) && table.ack(key, first, offset: 2))
        expect(table.takeProgress().map(\.to) == [1])
        expect(table.ack(key, first, offset: 1))
        expect(table.takeProgress().map(\.to) == [4])
        expect(table.ack(key, second, offset: 4))
        expect(table.takeProgress().map(\.to) == [5])
        expect(table.spanCount == 0)
    }

    @Test func `an ack that names nothing changes nothing`() {
        var table = PopTable()
        let pop = pop(&table, [0, 2])
        expect(!table.ack(key, pop, offset: 1) && !table.ack(key, pop, offset: 3) && !table.ack(key, pop, offset: -1))
        expect(!table.ack(key, PopSpan.Key(start: 0, popTime: 999), offset: 0))
        expect(!table.ack(PopQueueKey(group: "h", topic: "t", queueID: 0), pop, offset: 0))
        expect(!table.ack(key, PopSpan.Key(start: .min, popTime: .max), offset: .max))
        expect(table.ack(key, pop, offset: 2) && !table.ack(key, pop, offset: 2))
        expect(table.queue(key)?.openCount == 1)
    }

    @Test func `a changed invisible time makes a new handle, and the old one is worth nothing`() throws {
        var table = PopTable()
        let old = pop(&table, [0, 1, 2], at: 1000)
        let popTime = try require(table.change(key, old, offset: 1, now: 1000, invisibleTime: 500))
        expect(popTime > 1000)
        expect(!table.ack(key, old, offset: 1))
        expect(table.change(key, old, offset: 1, now: 1000, invisibleTime: 500) == nil)
        expect(
            table.takeExpired(now: 1100, countMax: 10).spans.flatMap { $0.span.openOffsets.map(\.offset) } == [0, 2])
        expect(table.ack(key, PopSpan.Key(start: 1, popTime: popTime), offset: 1))
        // The first message of a span has the same start: only the later time tells the two apart.
        let next = pop(&table, [3, 4], at: 2000)
        let changed = try require(table.change(key, next, offset: 3, now: 2000, invisibleTime: 500))
        expect(changed != 2000 && table.ack(key, next, offset: 4))
    }

    @Test func `acks count until the span is taken for over, and not after`() {
        var table = PopTable()
        let pop = pop(&table, [0, 1], at: 1000)
        expect(table.takeExpired(now: 1099, countMax: 10).spans.isEmpty)
        expect(table.ack(key, pop, offset: 0))
        let over = table.takeExpired(now: 1100, countMax: 10).spans
        expect(over.count == 1 && over[0].span.openOffsets.map(\.offset) == [1])
        expect(!table.ack(key, pop, offset: 1))
        table.postpone(over[0], to: 5000)
        expect(table.ack(key, pop, offset: 1))
        expect(table.takeExpired(now: 6000, countMax: 10).spans.isEmpty)
    }

    @Test func `progress that somebody else has set is followed`() {
        var table = PopTable()
        let first = pop(&table, [0, 1, 2])
        _ = table.ack(key, first, offset: 0)
        _ = table.takeProgress()
        expect(table.begin(key, committed: 9, now: 1) == .read(from: 9))  // ahead: what is on its way stays so
        table.release(key)
        expect(table.queue(key)?.openCount == 2)
        expect(table.begin(key, committed: 1, now: 1) == .read(from: 1))  // back: all of it comes again
        table.release(key)
        expect(table.queue(key)?.openCount == 0 && !table.ack(key, first, offset: 1))
        expect(table.takeExpired(now: .max, countMax: 10).spans.isEmpty)
    }

    @Test func `what is on its way is bounded, in a queue and in all`() {
        var table = PopTable(limits: PopTable.Limits(spansMax: 2, queuesMax: 2))
        _ = pop(&table, [0, 1, 2])
        expect(table.begin(key, committed: 0, now: 1, openMax: 3) == .full(next: 3))
        _ = pop(&table, [3])
        expect(table.begin(key, committed: 0, now: 1) == .full(next: 4))
        let other = PopQueueKey(group: "h", topic: "t", queueID: 0)
        let third = PopQueueKey(group: "i", topic: "t", queueID: 0)
        expect(table.begin(other, committed: 7, now: 1) == .full(next: 7))
        expect(table.begin(third, committed: 8, now: 1) == .full(next: 8) && table.queueCount == 2)
    }

    @Test func `a queue without anything on its way is forgotten, and its number is used again`() {
        var table = PopTable()
        let pop = pop(&table, [0, 1])
        _ = table.ack(key, pop, offset: 0)
        _ = table.takeProgress()
        expect(table.look(from: 0, count: 10, idleBefore: .max) { _ in 1 } == nil)
        expect(table.queueCount == 1)
        _ = table.ack(key, pop, offset: 1)
        _ = table.takeProgress()
        _ = table.look(from: 0, count: 10, idleBefore: .max) { _ in 2 }
        expect(table.queueCount == 0)
        _ = self.pop(&table, [2], committed: 2)
        var copy = PopTable()
        table.replay(into: &copy)
        expect(copy.queue(key)?.openCount == 1 && copy.queue(key)?.next == 3)
    }

    @Test func `a topic or group that is gone takes its queue with it`() {
        var table = PopTable()
        _ = pop(&table, [0, 1])
        _ = table.look(from: 0, count: 10, idleBefore: 0) { _ in nil }
        expect(table.queueCount == 0 && table.spanCount == 0)
        expect(table.takeExpired(now: .max, countMax: 10).spans.isEmpty)
    }

    /// As the macro, which cannot call what changes a value.
    func expect(_ isTrue: Bool, _ location: SourceLocation = #_sourceLocation) {
        #expect(isTrue, sourceLocation: location)
    }

    private func require<Value>(_ value: Value?, _ location: SourceLocation = #_sourceLocation) throws -> Value {
        try #require(value, sourceLocation: location)
    }

    // MARK: - In order

    private func ordered(_ offsets: [Int64], at now: Int64 = 1000, attempt: String? = nil) -> OrderedPop {
        OrderedPop(popTime: now, invisibleTime: 100, offsets: offsets, lastConsumed: now, attemptID: attempt)
    }

    @Test func `in order, the next messages wait for the acks of the earlier`() {
        var table = PopTable()
        expect(table.begin(key, committed: 0, now: 1000, isOrdered: true) == .read(from: 0))
        expect(table.giveOrdered(key, ordered([0, 1])) != nil)
        expect(table.begin(key, committed: 0, now: 1050, isOrdered: true) == .blocked)
        expect(table.ackOrdered(key, popTime: 1000, offset: 1) == .next(0))
        expect(table.ackOrdered(key, popTime: 1000, offset: 7) == .notFound)
        expect(table.ackOrdered(key, popTime: 999, offset: 0) == .otherPop)
        expect(table.begin(key, committed: 0, now: 1050, isOrdered: true) == .blocked)
        expect(table.ackOrdered(key, popTime: 1000, offset: 0) == .next(2))
        expect(table.takeProgress().map(\.to) == [2])
        expect(table.begin(key, committed: 2, now: 1050, isOrdered: true) == .read(from: 2))
    }

    @Test func `in order, what was not acknowledged in time comes again, counted, and nothing else`() throws {
        var table = PopTable()
        _ = table.begin(key, committed: 0, now: 1000, isOrdered: true)
        _ = table.giveOrdered(key, ordered([0, 1, 2]))
        _ = table.ackOrdered(key, popTime: 1000, offset: 1)
        expect(table.takeExpired(now: 1099, countMax: 9).freed.isEmpty)
        expect(table.takeExpired(now: 1100, countMax: 9).freed == [key])
        expect(table.begin(key, committed: 0, now: 1100, isOrdered: true) == .read(from: 0))
        let again = try require(table.giveOrdered(key, ordered([0, 1, 2, 3], at: 1100)))
        expect(again.offsets == [0, 2, 3])
        expect(again.counts.each.map(\.offset) == [0, 2] && again.counts.least == 0)
        // Who repeats an attempt need not wait.
        _ = table.begin(key, committed: 0, now: 1200, isOrdered: true)
        _ = table.giveOrdered(key, ordered([0, 2, 3], at: 1200, attempt: "a"))
        expect(table.begin(key, committed: 0, now: 1201, isOrdered: true, attemptID: "b") == .blocked)
        expect(table.begin(key, committed: 0, now: 1201, isOrdered: true, attemptID: "a") == .read(from: 0))
        let same = try require(table.giveOrdered(key, ordered([0, 2, 3], at: 1201, attempt: "a")))
        expect(same.counts.each.map(\.count) == [2, 2, 1])
        expect(table.changeOrdered(key, popTime: 1201, offset: 0, visibleAt: 9000))
        expect(table.begin(key, committed: 0, now: 8999, isOrdered: true) == .blocked)
    }

    // MARK: - Records

    @Test func `every record reads back as it was written`() throws {
        let records: [PopRecord] = [
            .queue(3, PopQueueKey(group: "g%", topic: "%RETRY%g+t", queueID: 7), next: 12),
            .span(3, span(5, [5, 9, 70]), next: 71), .span(3, span(5, [5, 6]), next: 7),
            .ack(3, PopSpan.Key(start: 1, popTime: 2), 5),
            .revived(3, PopSpan.Key(start: 1, popTime: 2), .max, logEnd: 99), .reset(3, next: 4), .forget(3),
            .ordered(3, ordered([4, 6], attempt: "x"), next: 4), .ordered(3, ordered([4]), next: 4),
            .adopted(reviveQueue: 2, offset: 40),
        ]
        var bytes: [UInt8] = []
        for record in records { record.append(to: &bytes) }
        var reader = WireReader(bytes.span)
        for record in records { expect(try PopRecord(&reader, bytes.span) == record) }
        expect(reader.remaining == 0)
        for end in 0..<bytes.count {
            var reader = WireReader(bytes.span.extracting(0..<end))
            while (try? PopRecord(&reader, bytes.span.extracting(0..<end))) != nil {}
        }
    }

    @Test func `records of any bytes never trap`() {
        for seed in 0..<2000 {
            var random = SeededRandom(seed: UInt64(seed))
            var bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if !bytes.isEmpty { bytes[0] = UInt8.random(in: 0...9, using: &random) }
            if bytes.count > 4 { bytes.replaceSubrange(1...3, with: [0, 0, 0]) }
            var reader = WireReader(bytes.span)
            var table = PopTable()
            while let record = try? PopRecord(&reader, bytes.span) { table.apply(record, logEnd: 10, now: 1) }
            _ = table.settle { _ in 0 }
            _ = table.takeExpired(now: .max, countMax: 100)
        }
    }
}

extension PopTable {
    /// Takes what is staged into another table, as after a restart, and leaves nothing staged.
    mutating func replay(into other: inout PopTable, logEnd: Int64 = .max) {
        let bytes = staged
        staged.removeAll()
        var reader = WireReader(bytes.span)
        while reader.remaining > 0 {
            guard let record = try? PopRecord(&reader, bytes.span) else {
                Issue.record("a record cannot be read back")
                return
            }
            other.apply(record, logEnd: logEnd, now: 0)
        }
    }
}
