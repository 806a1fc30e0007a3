import MQBase
import Testing

@testable import RocketMQClient

/// Goal: progress never passes a message that is not finished, and room is never lost.
@Suite struct ProcessQueueTests {
    private func queue(next: Int64 = 0, _ limits: ProcessQueue.Limits = .init()) -> ProcessQueue {
        ProcessQueue(next: next, limits: limits)
    }

    @Test func `progress stops at the first message that is not finished`() {
        var books = queue(next: 10)
        #expect(books.committable == 10)
        #expect(books.add([(10, 1), (11, 1), (12, 1)], next: 13) == [10, 11, 12])
        books.finish(11)
        books.finish(12)
        #expect(books.committable == 10)
        books.finish(10)
        #expect(books.committable == 13)
    }

    @Test func `messages filtered out count as finished`() {
        var books = queue()
        #expect(books.add([(3, 1)], next: 32) == [3])
        #expect(books.committable == 3)
        books.finish(3)
        #expect(books.committable == 32)
    }

    @Test func `offsets held already are not handed out twice`() {
        var books = queue()
        _ = books.add([(0, 1), (1, 1)], next: 2)
        #expect(books.add([(1, 1), (2, 1)], next: 3) == [2])
        #expect(books.pendingCount == 3)
    }

    @Test func `finishing twice or something unknown changes nothing`() {
        var books = queue()
        _ = books.add([(0, 5), (1, 7)], next: 2)
        books.finish(0)
        let before = books
        books.finish(0)
        books.finish(99)
        #expect(books == before)
        #expect(books.pendingByteCount == 7)
    }

    @Test func `count, bytes and span stop pulling`() {
        var books = queue(ProcessQueue.Limits(messageCount: 2, byteCount: 100, span: 10))
        _ = books.add([(0, 1)], next: 1)
        #expect(books.hasRoom)
        _ = books.add([(1, 1)], next: 2)
        #expect(!books.hasRoom)
        books.finish(0)
        _ = books.add([(12, 1)], next: 13)
        books.finish(1)
        #expect(books.hasRoom)
        _ = books.add([(13, 100)], next: 14)
        #expect(!books.hasRoom)
    }

    @Test func `a move forgets everything held`() {
        var books = queue()
        _ = books.add([(0, 1), (1, 1)], next: 2)
        books.move(to: 100)
        #expect(books.committable == 100)
        #expect(books.pendingCount == 0)
        books.finish(0)
        #expect(books.committable == 100)
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func `agrees with a set of open offsets`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var books = queue()
        var open = Set<Int64>()
        var next: Int64 = 0
        for _ in 0..<500 {
            if Bool.random(using: &random) || open.isEmpty {
                let count = Int64.random(in: 1...32, using: &random)
                let kept = (next..<(next + count)).filter { _ in Bool.random(using: &random) }
                next += count
                open.formUnion(books.add(kept.map { ($0, 1) }, next: next))
            } else if let offset = open.randomElement(using: &random) {
                books.finish(offset)
                open.remove(offset)
            }
            #expect(books.committable == open.min() ?? next, "seed \(seed)")
            #expect(books.pendingCount == open.count, "seed \(seed)")
        }
    }
}
