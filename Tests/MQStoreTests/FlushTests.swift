import Foundation
import MQBase
import MQSystem
import MQTestKit
import Synchronization
import Testing

@testable import MQStore

/// Notes syncs of folders: files that are open already are not watched.
private struct SyncWatch: DiskObserver {
    let notes: Notes

    func changed(_ change: DiskChange) { if case .synchronizeFolder(let path) = change { notes.add(path) } }
}

/// Goal: asynchronous flush waits for as many pages, and as long, as it is told to; queues are synced when they grew enough.
@Suite struct FlushTests {
    @Test func `less than the least pages waits for the thorough flush`() {
        var schedule = FlushSchedule(leastPages: 4, thoroughMilliseconds: 10_000, now: 0)
        #expect(schedule.step(unsynced: 0..<1, now: 500) == .wait(milliseconds: 9500))
        #expect(schedule.step(unsynced: 0..<16_383, now: 1000) == .wait(milliseconds: 9000))
        #expect(schedule.step(unsynced: 0..<16_384, now: 1500) == .flush)
        #expect(schedule.step(unsynced: 16_384..<16_385, now: 9999) == .wait(milliseconds: 1))
        #expect(schedule.step(unsynced: 16_384..<16_385, now: 10_000) == .flush)
        #expect(schedule.step(unsynced: 16_385..<16_386, now: 10_001) == .wait(milliseconds: 9999))
    }

    @Test func `pages are counted by where they begin, as RocketMQ does`() {
        var schedule = FlushSchedule(leastPages: 1, thoroughMilliseconds: 10_000, now: 0)
        #expect(schedule.step(unsynced: 4095..<4096, now: 1) == .flush)
        #expect(schedule.step(unsynced: 4096..<8191, now: 1) == .wait(milliseconds: 9999))
        var eager = FlushSchedule(leastPages: 0, thoroughMilliseconds: 10_000, now: 0)
        #expect(eager.step(unsynced: 4096..<4097, now: 1) == .flush)
    }

    private func started(
        _ change: @escaping (inout StoreConfig) -> Void
    ) throws -> (store: TestStore, flushes: Monitor<Int>) {
        let store = try TestStore {
            $0.flushIntervalMilliseconds = 1
            $0.flushThoroughMilliseconds = 600_000
            change(&$0)
        }
        let flushes = Monitor(0)
        store.store.start(
            MessageStore.Events(
                arrived: { _ in },
                flushed: {
                    flushes.signal {
                        $0 += 1
                        return true
                    }
                }))
        return (store, flushes)
    }

    private func waitUntilFlushed(_ store: TestStore, _ flushes: Monitor<Int>) -> Int? {
        flushes.wait(milliseconds: 20_000) { count in
            store.store.flushedOffset == store.store.writtenOffset ? count : nil
        }
    }

    @Test(arguments: [true, false])
    func `a flush takes with it what was too little alone`(isTimed: Bool) throws {
        let (store, flushes) = try started { $0.isFlushTimed = isTimed }
        try store.append(TestMessage(body: [1]))
        try store.append(TestMessage(body: [UInt8](repeating: 2, count: 20_000)))
        #expect(waitUntilFlushed(store, flushes) == 1)
        store.store.stop()
    }

    @Test func `a byte is flushed when the thorough interval has passed`() throws {
        let (store, flushes) = try started { $0.flushThoroughMilliseconds = 20 }
        try store.append(TestMessage(body: [1]))
        #expect(waitUntilFlushed(store, flushes) != nil)
        store.store.stop()
    }

    @Test func `a thorough round writes the point that recovery begins at`() throws {
        let (store, _) = try started {
            $0.flushLeastPages = 0
            $0.consumeQueueFlushIntervalMilliseconds = 1
            $0.consumeQueueFlushThoroughMilliseconds = 20
        }
        let entry = try store.append(TestMessage(body: [1]))
        let path = RecoveryPoint.path(in: store.root.path)
        let deadline = ContinuousClock.now + .seconds(20)
        var point: RecoveryPoint?
        while point == nil, ContinuousClock.now < deadline { point = try RecoveryPoint.read(path) }
        #expect(point?.record.range.lowerBound == entry.physicalOffset)
        #expect(point?.queues == [RecoveryPoint.Queue(topic: "T", queueID: 0, end: 1, lastRecord: 0)])
        #expect(point?.isClosed == false)
        store.store.stop()
        #expect(try RecoveryPoint.read(path)?.isClosed == true)
    }

    @Test func `a queue that grew little is left to a later round`() throws {
        let store = try TestStore()
        for _ in 0..<300 { try store.append(TestMessage(body: [1])) }
        try store.settle()
        let queue = try #require(store.store.existingQueue("T", 0))
        let syncs = Notes()
        DiskWatch.begin(store.root.path, SyncWatch(notes: syncs))
        defer { DiskWatch.end(store.root.path) }
        try queue.synchronize(leastPages: 2)  // 300 units are one page
        #expect(syncs.wait(for: 0).isEmpty)
        try queue.synchronize(leastPages: 1)
        #expect(!syncs.wait(for: 0).isEmpty)
    }

    @Test func `a point survives its way to the disk, and a damaged one is none`() throws {
        var point = RecoveryPoint(record: .init(range: 10..<110, storeTimestamp: 7))
        point.isClosed = true
        point.logEnd = 110
        point.checkpoint = Checkpoint.Values(log: 1, queues: 2, index: 3)
        point.index = RecoveryPoint.Index(beginOffset: 1, endOffset: 2, endTimestamp: 3, entries: 4)
        point.queues = [
            .init(topic: "主题", queueID: 3, end: 9, lastRecord: 10),
            .init(topic: "t", queueID: 0, end: 1, lastRecord: 0),
        ]
        let bytes = point.encoded
        #expect(RecoveryPoint(bytes.span) == point)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x10
            #expect(RecoveryPoint(damaged.span) == nil)
            #expect(RecoveryPoint(Array(bytes[..<index]).span) == nil)
        }
    }
}
