import MQBase
import Testing

@testable import MQBroker

@Suite struct OffsetWindowTests {
    @Test func `a window holds what was put in and forgets what is dropped`() {
        var window = OffsetWindow(start: 70)
        for offset: Int64 in [70, 71, 130, 200] { window.insert(offset) }
        let again = window.insert(71)
        let before = window.insert(69)
        #expect(!again && !before)
        #expect(window.contains(70) && window.contains(130) && !window.contains(72) && !window.contains(64))
        #expect(!window.contains(1 << 40) && !window.contains(-1))
        #expect(window.firstMissing(from: 0, below: 1000) == 72)
        window.drop(below: 130)
        #expect(!window.contains(71) && window.contains(130))
        #expect(window.firstMissing(from: 0, below: 131) == nil)
        #expect(window.firstMissing(from: 0, below: 132) == 131)
        window.drop(below: 100_000)
        #expect(window.byteCount == 0)
        #expect(window.firstMissing(from: 0, below: 100_001) == 100_000)
    }

    @Test func `a window does as a set does`() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        var window = OffsetWindow(start: 1000)
        var model = Set<Int64>()
        var start: Int64 = 1000
        for _ in 0..<20_000 {
            let offset = start + Int64.random(in: 0..<3000, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                start += Int64.random(in: 0..<200, using: &random)
                window.drop(below: start)
                model = model.filter { $0 >= start }
            case 1..<5:
                var missing = offset
                while model.contains(missing) { missing += 1 }
                #expect(window.firstMissing(from: offset, below: .max) == missing, "seed \(seed)")
            default:
                let isNew = window.insert(offset)
                #expect(isNew == model.insert(offset).inserted, "seed \(seed)")
            }
        }
        for offset in start..<start + 3500 where window.contains(offset) != model.contains(offset) {
            Issue.record("\(offset), seed \(seed)")
        }
    }

    @Test func `ten million ended transactions behind an open one take little memory`() {
        var table = TransactionTable(progress: 0, operationProgress: 0)
        var operation: Int64 = 0
        for offset in 1..<Int64(10_000_000) {
            let half = HalfMessage(offset: offset, root: offset)
            if offset & 0xFFFF == 0 {  // the rest are as good as this one, and faster
                _ = table.claim(half)
            }
            table.end(half)
            if table.pendingByteCount > 4096 {
                table.wrote(operationAt: operation, about: table.takeOperations(byteCountMax: 4096))
                operation += 1
            }
        }
        table.advance(below: 10_000_000)
        #expect(table.progress == 0 && table.byteCount < 2 << 20, "\(table.byteCount) bytes")
    }
}

/// Which half messages are open, whatever happens to them.
@Suite struct TransactionTableTests {
    private var table = TransactionTable(progress: 10, operationProgress: 3)

    private func half(_ offset: Int64, root: Int64? = nil) -> HalfMessage {
        HalfMessage(offset: offset, root: root ?? offset)
    }

    @Test mutating func `a message is ended once`() {
        let first = table.claim(half(12))
        let second = table.claim(half(12))
        #expect(first && !second, "not while it is being committed")
        table.end(half(12))
        let third = table.claim(half(12))
        #expect(!third && !table.isOpen(12) && table.isOpen(11))
        #expect(table.takeOperations(byteCountMax: 100) == [12])
    }

    @Test mutating func `a commit that failed can be tried again`() {
        _ = table.claim(half(12))
        table.release(half(12))
        let again = table.claim(half(12))
        #expect(again && table.pendingByteCount == 0)
    }

    @Test mutating func `what lies before the progress is over`() {
        let isOpen = table.claim(half(9))
        #expect(!isOpen)
    }

    @Test mutating func `a late end of the original ends the copy`() {
        let isOpen = table.copied(half(12), to: 20)
        #expect(isOpen && !table.isOpen(12) && table.isOpen(20))
        let late = table.claim(half(12))
        #expect(late)
        table.end(half(12))
        let answer = table.claim(half(20, root: 12))
        #expect(!answer && !table.isOpen(20))
        #expect(table.takeOperations(byteCountMax: 100) == [12, 20] && table.copyCount == 0)
    }

    @Test mutating func `an end of the newest copy ends all`() {
        _ = table.copied(half(12), to: 20)
        _ = table.copied(half(20, root: 12), to: 30)
        let claimed = table.claim(half(30, root: 12))
        #expect(claimed)
        table.end(half(30, root: 12))
        let older = table.claim(half(20, root: 12))
        let oldest = table.claim(half(12))
        #expect(!older && !oldest && !table.isOpen(30) && table.copyCount == 0)
    }

    @Test mutating func `a message that was ended while it was copied is over with its copy`() {
        _ = table.claim(half(12))
        table.end(half(12))
        let isOpen = table.copied(half(12), to: 20)
        #expect(!isOpen && !table.isOpen(20))
    }

    @Test mutating func `a message that is being committed while it is copied is over with its copy, or open with it`()
    {
        _ = table.claim(half(12))
        _ = table.copied(half(12), to: 20)
        table.release(half(12))
        #expect(table.isOpen(20))
        let claimed = table.claim(half(20, root: 12))
        #expect(claimed)
        _ = table.copied(half(20, root: 12), to: 21)
        table.end(half(20, root: 12))
        #expect(!table.isOpen(20) && !table.isOpen(21))
    }

    @Test mutating func `of two copies of one message the later counts`() {
        _ = table.copied(half(12), to: 20)
        let isOpen = table.copied(half(12), to: 21)
        #expect(isOpen && !table.isOpen(20) && table.isOpen(21))
        let earlier = table.copied(half(12), to: 15)
        #expect(!earlier && !table.isOpen(15) && table.isOpen(21))
    }

    @Test mutating func `given up is over`() {
        _ = table.copied(half(12), to: 20)
        table.gaveUp(half(20, root: 12))
        let late = table.claim(half(12))
        #expect(!late && table.copyCount == 0)
    }

    @Test mutating func `progress stops at the first open message, and operations with it`() {
        for offset: Int64 in [10, 11, 13] {
            _ = table.claim(half(offset))
            table.end(half(offset))
        }
        table.wrote(operationAt: 3, about: table.takeOperations(byteCountMax: 5))
        table.wrote(operationAt: 4, about: table.takeOperations(byteCountMax: 5))
        table.advance(below: 20)
        #expect(table.progress == 12 && table.operationProgress == 4, "the second tells of 13")
        _ = table.claim(half(12))
        table.end(half(12))
        table.advance(below: 14)
        #expect(table.progress == 14 && table.operationProgress == 5)
    }

    @Test mutating func `operations are cut after the offset that fills them, and put back in order`() {
        for offset: Int64 in [10, 11, 12] {
            _ = table.claim(half(offset))
            table.end(half(offset))
        }
        #expect(table.pendingByteCount == 9)
        let taken = table.takeOperations(byteCountMax: 4)
        #expect(taken == [10, 11] && table.pendingByteCount == 3)
        table.putBack(taken)
        #expect(table.takeOperations(byteCountMax: 100) == [10, 11, 12] && table.pendingByteCount == 0)
    }

    @Test mutating func `operations that are read end what they name, and no more than there is`() {
        table.read(operationAt: 3, about: [5, 12, .max, 40], halfEnd: 40)
        table.read(operationAt: 4, about: [], halfEnd: 40)
        #expect(!table.isOpen(12) && table.isOpen(13) && table.byteCount < 1000)
        #expect(table.pendingByteCount == 0, "it is written down already")
        table.advance(below: 13)
        #expect(table.progress == 10 && table.operationProgress == 3)
    }

    @Test mutating func `copies that are found at the start stand for their originals`() {
        table.found(half(12))
        table.found(half(20, root: 12))  // the broker died before it noted that 12 was copied
        table.found(half(30, root: 4))  // the usual case: its original is long gone
        table.found(half(31, root: 4))
        #expect(!table.isOpen(12) && table.isOpen(20) && !table.isOpen(30) && table.isOpen(31))
        let late = table.claim(half(12))
        #expect(late)
        table.end(half(12))
        #expect(!table.isOpen(20))
    }

    @Test mutating func `copies beyond what is remembered are ended by their own offset only`() {
        for offset in 0..<Int64(TransactionTable.copiesMax) + 1 {
            _ = table.copied(half(10 + offset), to: 1 << 20 + offset)
        }
        let last = 10 + Int64(TransactionTable.copiesMax)
        #expect(table.copyCount == TransactionTable.copiesMax)
        let byOriginal = table.claim(half(last))
        let byCopy = table.claim(half(1 << 20 + last - 10, root: last))
        #expect(!byOriginal && byCopy)
    }

    /// Random courses: every message is delivered at most once, and none is lost while it is open.
    @Test func `no course of events ends a message twice or loses one`() {
        for _ in 0..<200 {
            let seed = UInt64.random(in: .min ... .max)
            var random = SeededRandom(seed: seed)
            var course = Course()
            for _ in 0..<300 { course.step(&random) }
            course.settle()
            #expect(course.trouble == nil, "\(course.trouble ?? "") seed \(seed)")
        }
    }
}

/// A queue of half messages and everything that may happen to them, with what must hold.
private struct Course {
    private var table = TransactionTable(progress: 0, operationProgress: 0)
    /// Root of each half message in the queue.
    private var queue: [Int64] = []
    private var ended: [Int64: Int] = [:]
    private var claimed: [HalfMessage] = []
    /// Copies that are in the log while the table does not know yet.
    private var copies: [(half: HalfMessage, offset: Int64)] = []
    private var operations: [[Int64]] = []
    private(set) var trouble: String?

    mutating func step(_ random: inout SeededRandom) {
        switch Int.random(in: 0..<12, using: &random) {
        case 0...3: queue.append(Int64(queue.count))
        case 4...5: claim(pick(&random))
        case 6:
            guard !claimed.isEmpty else { return }
            let half = claimed.removeFirst()
            if Bool.random(using: &random) { end(half) } else { table.release(half) }
        case 7:  // a check decides, and appends
            guard let half = pick(&random), table.isOpen(half.offset) else { return }
            copies.append((half, Int64(queue.count)))
            queue.append(half.root)
        case 8:
            for copy in copies { _ = table.copied(copy.half, to: copy.offset) }
            copies = []
        case 9:
            let taken = table.takeOperations(byteCountMax: 10)
            guard !taken.isEmpty else { return }
            table.wrote(operationAt: Int64(operations.count), about: taken)
            operations.append(taken)
        case 10:
            if copies.isEmpty { table.advance(below: Int64(queue.count)) }
        default: restart()
        }
    }

    private func pick(_ random: inout SeededRandom) -> HalfMessage? {
        guard !queue.isEmpty else { return nil }
        let offset = Int.random(in: 0..<queue.count, using: &random)
        // Nobody has heard of a copy before the table has.
        guard !copies.contains(where: { $0.offset == offset }) else { return nil }
        return HalfMessage(offset: Int64(offset), root: queue[offset])
    }

    private mutating func claim(_ half: HalfMessage?) {
        guard let half, table.claim(half) else { return }
        if ended[half.root] != nil { trouble = "\(half) was claimed after its end" }
        claimed.append(half)
    }

    private mutating func end(_ half: HalfMessage) {
        table.end(half)
        ended[half.root, default: 0] += 1
        if ended[half.root] != 1 { trouble = "\(half) was ended twice" }
    }

    /// A clean stop and a start.
    private mutating func restart() {
        for copy in copies { _ = table.copied(copy.half, to: copy.offset) }
        copies = []
        for half in claimed { table.release(half) }
        claimed = []
        while case let taken = table.takeOperations(byteCountMax: 10), !taken.isEmpty {
            table.wrote(operationAt: Int64(operations.count), about: taken)
            operations.append(taken)
        }
        table.advance(below: Int64(queue.count))
        var next = TransactionTable(progress: table.progress, operationProgress: table.operationProgress)
        for offset in table.operationProgress..<Int64(operations.count) {
            next.read(operationAt: offset, about: operations[Int(offset)], halfEnd: Int64(queue.count))
        }
        table = next
        for (offset, root) in queue.enumerated() where table.isOpen(Int64(offset)) {
            table.found(HalfMessage(offset: Int64(offset), root: root))
        }
    }

    /// Whoever is not ended must still be open, as one message.
    mutating func settle() {
        for copy in copies { _ = table.copied(copy.half, to: copy.offset) }
        for half in claimed { table.release(half) }
        var open: [Int64: Int] = [:]
        for (offset, root) in queue.enumerated() where table.isOpen(Int64(offset)) { open[root, default: 0] += 1 }
        for root in Set(queue) {
            let wanted = ended[root] == nil ? 1 : 0
            if open[root, default: 0] != wanted {
                trouble = "\(open[root, default: 0]) of \(root) are open, ended \(ended[root, default: 0]) times"
            }
        }
    }
}
