import Foundation
import MQBase
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: a clock that was an hour ahead for a while, and was put right, costs no message and no start.
/// Method: a store with messages of that hour, stopped, and opened when the clock is right; then a crash before there is a
/// recovery point that says more than the checkpoint's times.
@Suite struct ClockTests {
    private static let hour: Int64 = 3_600_000

    /// Three messages of the wrong time, then twenty of the right one over four files, to two queues in turn.
    private func putBack(isClean: Bool = true) throws -> TestStore {
        let wall = SystemClock.wall().rawValue
        let store = try TestStore()
        store.now = wall + Self.hour
        for number in 0..<3 { try send(store, number) }
        try store.settle()
        try store.store.keep()
        if isClean { try store.close() } else { store.crash() }
        try store.open()
        store.now = wall
        for number in 3..<23 { try send(store, number) }
        return store
    }

    private func send(_ store: TestStore, _ number: Int) throws {
        try store.append(
            TestMessage(
                queueID: number < 18 ? number % 2 : 0, body: [UInt8](repeating: UInt8(number), count: 10_000),
                properties: [("KEYS", "k")]))
    }

    private func numbers(_ store: TestStore, _ queueID: Int) throws -> [Int] {
        try store.bodies("T", queueID).map { Int($0[0]) }
    }

    private func expectAll(_ store: TestStore) throws {
        #expect(try numbers(store, 0) == (0..<23).filter { $0 % 2 == 0 || $0 >= 18 })
        #expect(try numbers(store, 1) == (0..<18).filter { $0 % 2 == 1 })
        let found = store.store.indexedOffsets(topic: "T", key: "k", time: 0...(.max / 2), limit: 99)
        #expect(found.offsets.count == 23)
    }

    @Test(arguments: [true, false], [true, false])
    func `the next crash is no reason to refuse the start`(wasClean: Bool, ofMachine: Bool) throws {
        let store = try putBack(isClean: wasClean)
        try store.settle()
        try store.store.deleteQueues(of: "other")  // takes the recovery point back
        if ofMachine { try store.crashMachine() } else { store.crash() }
        try store.open()
        try expectAll(store)
        store.crash()
    }

    @Test func `what a crash of the machine takes from a queue is missed`() throws {
        let store = try putBack()
        let queue = try #require(store.store.existingQueue("T", 1))
        let before = queue.maxOffset
        try store.store.dispatcher.catchUp { _ in }
        try store.store.flusher.flush()
        let synced = try store.store.queue("T", 0).state()
        #expect(synced != nil && queue.maxOffset > before)
        try store.store.deleteQueues(of: "other")
        try store.crashMachine()
        // The units that were not synced.
        let path = store.root.path + "/consumequeue/T/1/" + Segment.name(0)
        try File(path, .readWrite).zero(Int(before) * 20..<6000)
        try store.open()
        try expectAll(store)
        store.crash()
    }

    @Test func `a sync before anything new came tells nothing of the wrong time either`() throws {
        let wall = SystemClock.wall().rawValue
        let store = try TestStore()
        store.now = wall + Self.hour
        for number in 0..<3 { try send(store, number) }
        try store.close()
        try store.open()
        try store.store.keep()
        let told = store.store.checkpoint.current
        #expect(max(told.log, told.queues, told.index) <= SystemClock.wall().rawValue)
        try store.close()
        try store.open()
        #expect(try numbers(store, 0) == [0, 2])
        try store.close()
    }
}
