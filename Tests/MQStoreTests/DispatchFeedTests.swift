import MQBase
import MQBytes
import MQMessage
import MQSystem
import Testing

@testable import MQStore

/// Goal: what dispatch is told instead of reading it makes the same queues and the same index as the log would.
@Suite struct DispatchFeedTests {
    /// Appends one message a batch with the facts a sender would know of it, or without.
    private func append(_ store: TestStore, _ message: TestMessage, isFed: Bool) throws {
        let queue = store.store.queue(message.topic, message.queueID)
        let text = Properties.encode(message.properties)
        var facts: UnitFacts? = UnitFacts()
        let found = PropertyFacts(text.span)
        facts?.tagsHash = found.tagsHash
        for number in 0..<found.keyCount {
            if facts?.addKey(text.span.extracting(found.key(number)), in: queue) == false { facts = nil }
        }
        let batch = AppendBatch()
        let head = RecordHead(
            queueID: Int32(message.queueID), flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 1),
            bornHost: message.bornHost, storeHost: message.storeHost)
        try batch.stage(
            head, topic: Array(message.topic.utf8).span, body: message.body.span, in: queue,
            facts: isFed ? facts : nil
        ) { $0.append(text) }
        try store.store.append(batch, at: Timestamp(rawValue: store.now))
        store.now += 1
    }

    private func units(_ store: TestStore) throws -> [String] {
        try store.store.queues.all.filter { $0.maxOffset > 0 }.sorted {
            ($0.topic, $0.queueID) < ($1.topic, $1.queueID)
        }
        .flatMap { queue in
            try (0..<queue.maxOffset).map {
                let unit = try #require(try queue.unit(at: $0))
                return "\(queue.topic) \(queue.queueID) \($0): \(unit)"
            }
        }
    }

    @Test(arguments: 0..<6) func `told or read makes no difference`(seed: UInt64) throws {
        let told = try TestStore()
        let read = try TestStore()
        var random = SeededRandom(seed: seed)
        for round in 0..<40 {
            for _ in 0..<Int.random(in: 1...30, using: &random) {
                var message = TestMessage(
                    topic: "T\(Int.random(in: 0...3, using: &random))", queueID: Int.random(in: 0...3, using: &random),
                    body: [UInt8](repeating: 1, count: Int.random(in: 0...400, using: &random)))
                if Bool.random(using: &random) { message.properties.append(("TAGS", "tag\(round)")) }
                if Bool.random(using: &random) { message.properties.append(("UNIQ_KEY", "key\(random.next())")) }
                if Bool.random(using: &random) { message.properties.append(("KEYS", " a\(round)  b ")) }
                try append(told, message, isFed: Int.random(in: 0...9, using: &random) > 0)
                try append(read, message, isFed: false)
            }
            if Bool.random(using: &random) { try told.settle() }
            if Bool.random(using: &random) { try read.settle() }
        }
        try told.settle()
        try read.settle()
        #expect(try units(told) == units(read))
        for topic in 0...3 {
            for round in 0..<40 {
                #expect(told.indexed("T\(topic)", "a\(round)") == read.indexed("T\(topic)", "a\(round)"))
                #expect(told.indexed("T\(topic)", "b") == read.indexed("T\(topic)", "b"))
            }
        }
        #expect(told.store.dispatchedOffset == read.store.dispatchedOffset)
        #expect(told.store.dispatcher.lastRecord == read.store.dispatcher.lastRecord)
    }

    @Test func `what has no room in the feed is read`() throws {
        let store = try TestStore { $0.commitLogFileByteCount = 8 << 20 }
        let count = DispatchFeed.countMax + 100
        for number in 0..<count { try append(store, TestMessage(body: [UInt8(number % 256)]), isFed: true) }
        try store.settle()
        let queue = try #require(store.store.existingQueue("T", 0))
        #expect(queue.maxOffset == Int64(count))
        #expect(try store.bodies().count == count)
    }

    @Test func `nothing behind what readers may see is handed out`() throws {
        let store = try TestStore { $0.isFlushSynchronous = true }
        try append(store, TestMessage(body: [1]), isFed: true)
        try store.store.flusher.flush()
        try append(store, TestMessage(body: [2]), isFed: true)
        try store.store.dispatcher.catchUp { _ in }
        #expect(store.store.queue("T", 0).maxOffset == 1)
        try store.settle()
        #expect(store.store.queue("T", 0).maxOffset == 2)
    }
}
