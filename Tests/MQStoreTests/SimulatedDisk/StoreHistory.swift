import MQBase
import MQBytes
import MQMessage
import MQTestKit

@testable import MQStore

/// A message that a test sent, and where the store put it.
struct SentMessage: Sendable {
    let topic: String
    let queueID: Int
    let body: [UInt8]
    let properties: [UInt8]
    /// Its UNIQ_KEY; it has the key "a", too.
    let key: String
    /// More than one in an inner batch.
    var messageCount: Int64 = 1
    let isInQueue: Bool
    let queueOffset: Int64
    let physicalOffset: Int64
    let end: Int64
    /// Of a delayed message.
    let delayLevel: Int?
}

/// What a store promises at a moment.
struct StorePromise: Sendable, Equatable {
    /// What is durable: it outlives the machine.
    var flushed: Int64 = 0
    /// What the system has: it outlives the process.
    var written: Int64 = 0
    /// How many topics it was told to delete.
    var deletions = 0
    /// Files of the log that end here or before may be gone.
    var removed: Int64 = 0
}

/// Everything that was sent to a store, in the log's order, and which topics were deleted. Says what a store must hold
/// that was opened after a crash.
struct StoreHistory: Sendable {
    /// Topics whose queues hold batches.
    static let batchTopics = ["B"]

    private(set) var sent: [SentMessage] = []
    /// Whether the store has an index.
    var isIndexed = true
    /// Topics in the order of their deletion, and where the log ended then.
    private(set) var deletions: [(topic: String, logEnd: Int64)] = []

    mutating func add(_ messages: [SentMessage]) { sent += messages }
    mutating func noteDeletion(of topic: String, logEnd: Int64) { deletions.append((topic, logEnd)) }

    /// The same history, ended with the first `count` messages: the others were lost and never come back.
    func prefix(_ count: Int) -> StoreHistory {
        var prefix = self
        prefix.sent.removeSubrange(count...)
        return prefix
    }

    /// Compares a store with what was sent: its log is the beginning of it, with everything that was promised; queues
    /// and index hold what the log holds, once.
    /// - Parameters:
    ///   - required: the log must reach at least this far.
    ///   - promise: what had begun of deletions and removals.
    /// - Returns: how many messages the log holds or held.
    /// - Throws: the first difference.
    func check(_ store: TestStore, required: Int64, _ promise: StorePromise) throws -> Int {
        let end = store.store.writtenOffset.rawValue
        let start = store.store.minOffset.rawValue
        try require(start <= promise.removed, "the log begins at \(start), and may at \(promise.removed)")
        let count = sent.count { $0.end <= end }
        let left = sent[..<count].filter { $0.physicalOffset >= start }
        let promised = sent.count { $0.end <= required }
        try require(count >= promised, "\(promised - count) acknowledged messages are gone, the log ends at \(end)")
        if let last = sent[..<count].last, last.end != end {
            let isRolled = end % Int64(store.config.commitLogFileByteCount) == 0
            try require(isRolled, "the log ends at \(end), its last message at \(last.end)")
        }
        for message in left { try checkRecord(message, store) }
        let queued = sent[..<count].filter(\.isInQueue)
        let queues = Dictionary(grouping: queued) { QueueName(topic: $0.topic, queueID: $0.queueID) }
        for (name, messages) in queues {
            let deletedAt = deletions.prefix(promise.deletions).last { $0.topic == name.topic }?.logEnd
            try checkQueue(name, messages, store, from: start, deletedAt: deletedAt)
        }
        for queue in store.store.queues.all where queue.maxOffset > queue.minOffset {
            let name = QueueName(topic: queue.topic, queueID: queue.queueID)
            try require(queues[name] != nil, "\(name) was never sent to and holds something")
        }
        if isIndexed { try checkIndex(left, lost: sent[count...].prefix(10), store) }
        try require(store.store.dispatchedOffset.rawValue == end, "not all is dispatched")
        return count
    }

    private struct QueueName: Hashable {
        let topic: String
        let queueID: Int
    }

    private func require(_ isTrue: Bool, _ text: @autoclosure () -> String) throws {
        if !isTrue { throw TestFailure(text()) }
    }

    private func checkRecord(_ message: SentMessage, _ store: TestStore) throws {
        let wrong = store.store.withRecord(at: message.physicalOffset) { record, bytes -> String? in
            if !record.hasIntactBody(bytes) { return "checksum" }
            if !bytes.extracting(record.body).equals(message.body.span) { return "body" }
            if !bytes.extracting(record.properties).equals(message.properties.span) { return "properties" }
            if bytes.extracting(record.topic).toString() != message.topic { return "topic" }
            if Int(record.queueID) != message.queueID { return "queue" }
            if record.queueOffset != message.queueOffset { return "queue offset" }
            return Int64(record.byteCount) == message.end - message.physicalOffset ? nil : "size"
        }
        let what = "\(message.key) of \(message.topic) \(message.queueID) at \(message.physicalOffset)..<\(message.end)"
        guard let wrong else { throw TestFailure("\(what): no record") }
        if let wrong { throw TestFailure("\(what): wrong \(wrong)") }
    }

    /// - Parameters:
    ///   - all: the messages of one queue that the log holds or held, in its order.
    ///   - start: where the log begins.
    private func checkQueue(
        _ name: QueueName, _ all: [SentMessage], _ store: TestStore, from start: Int64, deletedAt: Int64?
    ) throws {
        let messages = all.filter { $0.physicalOffset >= start }
        let queue = store.store.existingQueue(name.topic, name.queueID)
        if deletedAt == nil, let last = all.last {  // also of a queue that is empty: its consumers stand there
            let end = last.queueOffset + last.messageCount
            try require(queue?.maxOffset == end, "\(name) ends at \(queue?.maxOffset ?? -1), not \(end)")
        }
        let units = try queue.map { try Self.units($0) } ?? []
        // Of a deleted topic, what the log still holds may be back, from some message on; what was sent behind the
        // deletion is there, and counts on from what was back.
        let fresh = messages.count { $0.physicalOffset >= deletedAt ?? 0 }
        let wanted = deletedAt == nil ? messages : Array(messages.suffix(max(fresh, units.count)))
        let (found, places) = (units.map(\.physicalOffset), wanted.map(\.physicalOffset))
        try require(found == places, "\(name) has \(found), not \(places); \(fresh) behind its deletion")
        guard let queue, !wanted.isEmpty else { return }
        var offset = queue.minOffset
        for message in wanted {
            try require(message.queueOffset == offset, "\(name) has \(message.queueOffset) at \(offset)")
            offset += message.messageCount
        }
        try require(offset == queue.maxOffset, "\(name) ends at \(queue.maxOffset), not \(offset)")
        let sizes = wanted.map { $0.end - $0.physicalOffset }
        try require(units.map { Int64($0.size) } == sizes, "\(name): sizes of its units")
        for (unit, message) in zip(units, wanted) {
            guard let level = message.delayLevel else { continue }
            let stored = store.store.withRecord(at: unit.physicalOffset) { record, _ in record.storeTimestamp.rawValue }
            try require(unit.tagsCode == (stored ?? 0) + store.config.delayLevels[level - 1], "\(name): time due")
        }
    }

    private static func units(_ queue: ConsumeQueue) throws -> [QueueUnit] {
        if queue.holdsBatches { return try batches(queue).map(\.unit) }
        var units: [QueueUnit] = []
        var offset = queue.minOffset
        while offset < queue.maxOffset {
            var buffer = ByteBuffer()
            let count = try queue.readUnits(from: offset, count: 1000, into: &buffer)
            guard count > 0 else { throw TestFailure("\(queue.topic) \(queue.queueID): nothing at \(offset)") }
            units += (0..<count).map { QueueUnit(buffer.span, at: $0 * QueueUnit.byteCount) }
            offset += Int64(count)
        }
        return units
    }

    private static func batches(_ queue: ConsumeQueue) throws -> [BatchUnit] {
        var units: [BatchUnit] = []
        var offset = queue.minOffset
        while offset < queue.maxOffset {
            guard let unit = try queue.batch(at: offset), unit.endOffset > offset else {
                throw TestFailure("\(queue.topic) \(queue.queueID): nothing at \(offset)")
            }
            units.append(unit)
            offset = unit.endOffset
        }
        return units
    }

    private func checkIndex(_ left: [SentMessage], lost: ArraySlice<SentMessage>, _ store: TestStore) throws {
        for topic in Set(sent.map(\.topic)) {
            let start = store.store.minOffset.rawValue
            let found = store.store.indexedOffsets(topic: topic, key: "a", time: 0...(.max / 2), limit: 1_000_000)
                .offsets.filter { $0 >= start }
            let wanted = left.filter { $0.topic == topic }.map(\.physicalOffset)
            try require(found == wanted, "the index has \(found) of \(topic), not \(wanted)")
        }
        for message in left.suffix(5) {
            let found = store.indexed(message.topic, message.key)
            try require(found == [message.physicalOffset], "the index has \(found) for \(message.key)")
        }
        for message in lost {
            let found = store.indexed(message.topic, message.key)
            try require(found.isEmpty, "the index has \(found) for \(message.key), which is lost")
        }
    }
}
