import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Synchronization
import Testing

@testable import MQStore

/// Goal: the store's threads do together what each part promises alone: nothing is seen before it may be, whoever waits
/// hears of it, and a stop leaves nothing undone.
@Suite struct LifeTests {
    @Test func `with synchronous flush nothing is dispatched that is not on the disk`() throws {
        let store = try TestStore { $0.isFlushSynchronous = true }
        let entry = try store.append(TestMessage(body: [1]))
        let end = PhysicalOffset(rawValue: entry.physicalOffset + Int64(entry.byteCount))
        #expect(store.store.writtenOffset == end)
        #expect(store.store.flushedOffset == .zero)
        try store.store.dispatcher.catchUp { _ in }
        #expect(store.store.dispatchedOffset == .zero)
        #expect(store.store.queue("T", 0).maxOffset == 0)
        try store.store.flusher.flush()
        #expect(store.store.flushedOffset == end)
        try store.store.dispatcher.catchUp { _ in }
        #expect(store.store.queue("T", 0).maxOffset == 1)
    }

    @Test func `with asynchronous flush a message is dispatched as soon as it is written`() throws {
        let store = try TestStore()
        try store.append(TestMessage(body: [1]))
        try store.store.dispatcher.catchUp { _ in }
        #expect(store.store.queue("T", 0).maxOffset == 1)
        #expect(store.store.flushedOffset == .zero)
    }

    /// Lets a test wait for what the store's threads tell.
    private final class Events: Sendable {
        let flushed = Monitor(0)
        let arrived = Monitor([String]())

        var events: MessageStore.Events {
            MessageStore.Events(
                arrived: { queue in
                    self.arrived.signal {
                        $0.append(queue.topic)
                        return true
                    }
                },
                flushed: {
                    self.flushed.signal {
                        $0 += 1
                        return true
                    }
                })
        }
    }

    @Test(arguments: [false, true])
    func `whoever waits hears of the flush and of the message`(isSynchronous: Bool) throws {
        let store = try TestStore {
            $0.isFlushSynchronous = isSynchronous
            $0.flushIntervalMilliseconds = 10
            $0.flushLeastPages = 0
        }
        let events = Events()
        store.store.start(events.events)
        let queue = store.store.queue("T", 0)
        queue.addWaiter(loop: 3)
        #expect(queue.waiters == 8)
        let entry = try store.append(TestMessage(body: [1]))
        let end = PhysicalOffset(rawValue: entry.physicalOffset + Int64(entry.byteCount))
        let flushed = events.flushed.wait(milliseconds: 10_000) { _ in store.store.flushedOffset == end ? true : nil }
        #expect(flushed == true)
        let arrived = events.arrived.wait(milliseconds: 10_000) { $0.first }
        #expect(arrived == "T")
        #expect(queue.maxOffset == 1)
        queue.removeWaiter(loop: 3)
        #expect(queue.waiters == 0)
        store.store.stop()
        #expect(!FileManager.default.fileExists(atPath: store.root.appending(path: "abort").path))
        #expect(events.arrived.withLock { $0 } == ["T"])
    }

    @Test(arguments: [false, true])
    func `several loops append at once and every offset is given once`(isSynchronous: Bool) throws {
        let store = try TestStore {
            $0.isFlushSynchronous = isSynchronous
            $0.fillsFilesAhead = isSynchronous
            $0.commitLogFileByteCount = 1 << 18
        }
        store.store.start(Events().events)
        let opened = store.store
        let results = Lock<[String: [Int64]]>([:])
        let threads = (0..<4).map { loop in
            Thread("append-\(loop)") {
                var random = SeededRandom(seed: UInt64(loop))
                let batch = AppendBatch()
                let host = MessageHost(ip: [1, 2, 3, 4], port: 1)
                for round in 0..<50 {
                    batch.removeAll()
                    for number in 0..<Int.random(in: 1...20, using: &random) {
                        let topic = "T\(Int.random(in: 0..<3, using: &random))"
                        let head = RecordHead(
                            queueID: 0, flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 0), bornHost: host,
                            storeHost: host)
                        let name: [UInt8] = .text(topic)
                        let body: [UInt8] = .text("\(loop) \(round) \(number)") + [UInt8](repeating: 7, count: 500)
                        try? batch.stage(
                            head, topic: name.span, body: body.span, in: opened.queue(topic, 0)
                        ) { _ in }
                    }
                    try? opened.append(batch, at: Timestamp(rawValue: 1_700_000_000_000))
                    results.withLock { results in
                        for entry in batch.entries { results[entry.queue.topic, default: []].append(entry.queueOffset) }
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        opened.stop()
        #expect(!FileManager.default.fileExists(atPath: store.root.appending(path: "abort").path))
        let given = results.withLock { $0 }
        for (topic, offsets) in given {
            #expect(offsets.sorted() == (0..<Int64(offsets.count)).map { $0 })
            #expect(try store.bodies(topic).count == offsets.count)
        }
        let again = try TestStore(store.config, in: store.folder)
        for (topic, offsets) in given { #expect(try again.bodies(topic).count == offsets.count) }
    }

    @Test func `a topic that is deleted while it is sent to loses nothing that came behind`() throws {
        let store = try TestStore()
        store.store.start(Events().events)
        let opened = store.store
        let isDone = Atomic<Bool>(false)
        try store.append(TestMessage(body: .text("first")))
        let sender = Thread("sender") {
            let batch = AppendBatch()
            let host = MessageHost(ip: [1, 2, 3, 4], port: 1)
            let head = RecordHead(
                queueID: 0, flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 0), bornHost: host, storeHost: host
            )
            let queue = opened.queue("T", 0)  // as a loop's route holds it
            let (topic, body): ([UInt8], [UInt8]) = (.text("T"), .text("body"))
            while !isDone.load(ordering: .relaxed) {
                batch.removeAll()
                try? batch.stage(head, topic: topic.span, body: body.span, in: queue) { _ in }
                try? opened.append(batch, at: Timestamp(rawValue: 1_700_000_000_000))
            }
        }
        for _ in 0..<200 { try opened.deleteQueues(of: "T") }
        let last = opened.writtenOffset
        isDone.store(true, ordering: .relaxed)
        sender.join()
        let entry = try store.append(TestMessage(body: .text("last")))
        opened.stop()
        let queue = opened.queue("T", 0)
        #expect(queue.maxOffset == entry.queueOffset + 1)
        let bodies = try store.bodies()
        #expect(bodies.last == .text("last"))
        #expect(queue.minOffset == 0)
        #expect(try (0..<queue.maxOffset).allSatisfy { try queue.unit(at: $0)?.size != QueueUnit.preBlankSize })
        #expect(entry.physicalOffset >= last.rawValue)
        let again = try TestStore(store.config, in: store.folder)
        #expect(try again.bodies() == bodies)
    }

    @Test func `a store that stops without its threads having run is still whole`() throws {
        let store = try TestStore()
        try store.append(TestMessage(body: [1]))
        store.store.stop()  // nobody has dispatched: the abort file must stay
        store.crash()
        try store.open()
        #expect(try store.bodies() == [[1]])
        try store.close()
    }

    @Test func `the next file is made ahead and a file that was never used does not stay`() throws {
        let store = try TestStore {
            $0.commitLogFileByteCount = 1 << 20
            $0.fillsFilesAhead = true
        }
        store.store.start(Events().events)
        try store.append(TestMessage(body: [UInt8](repeating: 1, count: 200_000)))
        try store.append(TestMessage(body: [2]))
        let next = store.logFile(1 << 20).path
        let clock = ContinuousClock.now
        while !FileManager.default.fileExists(atPath: next), ContinuousClock.now - clock < .seconds(10) {}
        #expect(FileManager.default.fileExists(atPath: next))
        store.store.stop()
        #expect(!FileManager.default.fileExists(atPath: next))
        let again = try TestStore(store.config, in: store.folder)
        #expect(try again.bodies().map(\.count) == [200_000, 1])
    }

    @Test func `a disk that does not give back what was written fences the store`() throws {
        let store = try TestStore()
        let entries = try store.append([TestMessage(body: [1]), TestMessage(body: [2]), TestMessage(body: [3])])
        try store.overwriteLog([0, 0, 0, 1], at: Int(entries[1].physicalOffset))
        do {
            try store.store.dispatcher.catchUp { _ in }
            Issue.record("a broken record was dispatched")
        } catch {
            #expect(
                error.description.hasPrefix("record size is out of range: 1 at offset \(entries[1].physicalOffset) of ")
            )
        }
    }
}
