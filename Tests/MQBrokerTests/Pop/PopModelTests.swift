import Foundation
import MQBase
import MQBytes
import Testing

@testable import MQBroker

/// Goal: nothing acknowledged is given out again once the ack was answered, nothing unacknowledged is lost, whatever
/// happens in between: expiries, changed times, crashes that lose what was not answered, logs that lost their end.
/// Method: random courses of ``PopTable`` against a model that knows each message's fate.
@Suite struct PopModelTests {
    private static let seeds: [UInt64] = {
        let environment = ProcessInfo.processInfo.environment
        if let seed = environment["MQ_SEED"].flatMap({ UInt64($0) }) { return [seed] }
        let count = environment["MQ_SEEDS"].flatMap { Int($0) } ?? 40
        return (0..<count).map { _ in .random(in: .min ... .max) }
    }()

    @Test(arguments: seeds) func `nothing acknowledged comes again, nothing else is lost`(seed: UInt64) {
        var course = Course(seed: seed)
        for _ in 0..<400 where course.problem == nil { course.step() }
        if course.problem == nil { course.end() }
        if let problem = course.problem { Issue.record("seed \(seed): \(problem)") }
    }
}

private struct Course {
    private struct Handle {
        let queue: Int
        let span: PopSpan.Key
        let offset: Int64
    }

    private static let limits = PopTable.Limits(spansMax: 1000, queuesMax: 10)

    private var random: SeededRandom
    private let keys = [
        PopQueueKey(group: "g", topic: "t", queueID: 0), PopQueueKey(group: "g", topic: "t", queueID: 1),
        PopQueueKey(group: "h", topic: "t", queueID: 0),
    ]
    private var now: Int64 = 1_000_000
    private var logEnd: Int64 = 0
    /// Up to where the disk has the log.
    private var flushed: Int64 = 0
    private var table = PopTable(limits: limits)
    /// What the journal holds: everything up to the last commit.
    private var journal: [[UInt8]] = []
    /// The groups' progress as it is, and as it was written down last.
    private var progress: [Int64] = [0, 0, 0]
    private var noted: [Int64] = [0, 0, 0]
    private var ends: [Int64] = [0, 0, 0]
    private var handles: [Handle] = []
    /// Acks since the last commit: not answered.
    private var unanswered: [Handle] = []
    private var acked: [Set<Int64>] = [[], [], []]
    /// Where the record of another attempt ends in the log.
    private var retried: [[Int64: Int64]] = [[:], [:], [:]]
    private(set) var problem: String?

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func step() {
        now += Int64.random(in: 0...20, using: &random)
        let queue = Int.random(in: 0..<keys.count, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<3: ends[queue] += Int64.random(in: 1...20, using: &random)
        case 3..<8: pop(queue)
        case 8..<13: ack()
        case 13: change()
        case 14..<16: expire()
        case 16:
            commit()
            if Bool.random(using: &random) { flushed = logEnd }
            if Int.random(in: 0..<3, using: &random) == 0 { compact() }
        case 17: look()
        case 18: noted = progress
        default: crash()
        }
    }

    /// Lets everything be over: each message must have had its end.
    mutating func end() {
        commit()
        crash()
        for queue in keys.indices {
            while problem == nil, let next = table.queue(keys[queue])?.next ?? Optional(progress[queue]),
                next < ends[queue]
            {
                pop(queue)
            }
        }
        now += 1_000_000
        expire(always: true)
        commit()
        for queue in keys.indices {
            for offset in 0..<ends[queue] where !acked[queue].contains(offset) && retried[queue][offset] == nil {
                fail("message \(offset) of queue \(queue) is lost")
            }
            if progress[queue] != ends[queue] { fail("queue \(queue) stands at \(progress[queue]) of \(ends[queue])") }
        }
    }

    private mutating func fail(_ text: String) { problem = problem ?? text }

    private mutating func pop(_ queue: Int) {
        guard case .read(let from) = table.begin(keys[queue], committed: progress[queue], now: now) else {
            return fail("queue \(queue) cannot be read")
        }
        guard from < ends[queue] else { return table.release(keys[queue]) }
        let end = min(ends[queue], from + Int64.random(in: 1...32, using: &random))
        let offsets = Array(from..<end)
        for offset in offsets where acked[queue].contains(offset) || retried[queue][offset] != nil {
            fail("message \(offset) of queue \(queue) is given out again")
        }
        let span = PopSpan(
            PopSpan.Key(start: from, popTime: now), offsets: offsets,
            deadline: now + Int64.random(in: 1...200, using: &random))
        guard let span else { return fail("no span") }
        table.give(keys[queue], span, next: end)
        commit()  // the answer waits for it
        handles += offsets.map { Handle(queue: queue, span: span.key, offset: $0) }
    }

    private mutating func ack() {
        guard let index = handles.indices.randomElement(using: &random) else { return }
        let handle = handles[index]
        let isKnown = table.ack(keys[handle.queue], handle.span, offset: handle.offset)
        if isKnown {
            if acked[handle.queue].contains(handle.offset) { fail("message \(handle.offset) is acknowledged twice") }
            unanswered.append(handle)
        }
        if Bool.random(using: &random) { handles.remove(at: index) }
    }

    private mutating func change() {
        guard let index = handles.indices.randomElement(using: &random) else { return }
        let handle = handles[index]
        let time = Int64.random(in: 1...300, using: &random)
        let popTime = table.change(
            keys[handle.queue], handle.span, offset: handle.offset, now: now, invisibleTime: time)
        guard let popTime else { return }
        commit()
        handles.append(
            Handle(queue: handle.queue, span: .init(start: handle.offset, popTime: popTime), offset: handle.offset))
    }

    private mutating func expire(always: Bool = false) {
        for over in table.takeExpired(now: now, countMax: 1000).spans {
            guard let queue = keys.firstIndex(of: over.key) else { continue }
            if !always, Int.random(in: 0..<4, using: &random) == 0 {
                table.postpone(over, to: now + 10)
                continue
            }
            logEnd += 100
            var bits: UInt64 = 0
            for (index, offset) in over.span.openOffsets {
                if acked[queue].contains(offset) { fail("message \(offset) is tried again though acknowledged") }
                if retried[queue][offset] != nil { fail("message \(offset) is tried again twice") }
                retried[queue][offset] = logEnd
                bits |= 1 << UInt64(index)
            }
            table.finish(over, bits, logEnd: logEnd)
            commit()
        }
    }

    private mutating func commit() {
        if !table.staged.isEmpty { journal.append(table.staged) }
        table.staged.removeAll()
        for handle in unanswered { acked[handle.queue].insert(handle.offset) }
        unanswered = []
        for moved in table.takeProgress() {
            guard let queue = keys.firstIndex(of: moved.key) else { continue }
            if progress[queue] != moved.from { fail("the progress was \(progress[queue]), not \(moved.from)") }
            progress[queue] = moved.to
        }
    }

    private mutating func look() {
        let current = progress
        _ = table.look(from: 0, count: 100, idleBefore: now - 1000) { [keys] key in
            keys.firstIndex(of: key).map { current[$0] }
        }
        if noted != progress, table.queueCount < keys.count { noted = progress }  // what is forgotten was written down
        commit()
    }

    /// A new journal with the whole state takes the old one's place.
    private mutating func compact() {
        table.flushed(to: flushed)
        var next: Int? = 0
        while let start = next { next = table.stageState(from: start, spansMax: 5) }
        journal = [table.staged]
        table.staged.removeAll()
    }

    /// The process dies; sometimes the machine, and the log loses its end.
    private mutating func crash() {
        unanswered = []
        progress = noted
        if Int.random(in: 0..<3, using: &random) == 0 {
            logEnd = Int64.random(in: flushed...logEnd, using: &random)
            for queue in keys.indices { retried[queue] = retried[queue].filter { $0.value <= logEnd } }
        }
        var fresh = PopTable(limits: Self.limits)
        for bytes in journal {
            var part = PopTable()
            part.staged = bytes
            part.replay(into: &fresh, logEnd: logEnd)
        }
        flushed = logEnd  // recovery syncs what it finds
        let current = progress
        for (key, offset) in fresh.settle(committed: { [keys] key in keys.firstIndex(of: key).map { current[$0] } }) {
            if let queue = keys.firstIndex(of: key) { progress[queue] = offset }
        }
        fresh.staged.removeAll()
        var next: Int? = 0
        while let start = next { next = fresh.stageState(from: start, spansMax: 3) }
        journal = [fresh.staged]
        fresh.staged.removeAll()
        table = fresh
    }
}
