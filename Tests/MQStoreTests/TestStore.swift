import Foundation
import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// A message as a test writes it.
struct TestMessage {
    var topic = "T"
    var queueID = 0
    var body: [UInt8] = []
    var properties: [(name: String, value: String)] = []
    var sysFlag: SysFlag = []
    /// Messages in an inner batch.
    var innerCount: Int16?
    var bornHost = MessageHost(ip: [10, 0, 0, 1], port: 7)
    var storeHost = MessageHost(ip: [127, 0, 0, 1], port: 10911)
}

extension LogRanges {
    /// The bytes of all runs.
    func copy() -> [UInt8] {
        var bytes: [UInt8] = []
        for file in files { for run in runs[file.runs] { bytes += file.mapping.bytes(run).toArray() } }
        return bytes
    }
}

/// A store with small files in a folder of its own that can be stopped, crashed and opened again. Its threads do not
/// run unless ``start()`` is called: ``settle()`` does their work.
final class TestStore {
    let folder: TemporaryFolder
    var config: StoreConfig
    private(set) var opened: MessageStore?
    /// Whose queues hold batches, as the topic table says at the start.
    var batchTopics: [String] = []
    /// What the clock of the next append says.
    var now: Int64 = 1_700_000_000_000

    var root: URL { URL(filePath: config.root) }
    var logFolder: URL { URL(filePath: config.commitLogPath) }

    /// The open store.
    var store: MessageStore {
        guard let opened else { preconditionFailure("the test's store is closed") }
        return opened
    }

    init(batchTopics: [String] = [], _ change: (inout StoreConfig) -> Void = { _ in }) throws {
        self.batchTopics = batchTopics
        folder = try TemporaryFolder()
        config = StoreConfig(root: folder.url.appending(path: "store").path)
        config.commitLogFileByteCount = 1 << 16
        config.consumeQueueFileByteCount = 6000
        config.extensionFileByteCount = 1000
        config.batchQueueFileByteCount = 46 * 8
        config.indexSlotCount = 100
        config.indexEntryCount = 400
        config.fillsFilesAhead = false
        config.delayLevels = delayLevels
        change(&config)
        try open()
    }

    init(_ config: StoreConfig, in folder: TemporaryFolder, batchTopics: [String] = []) throws {
        self.folder = folder
        self.batchTopics = batchTopics
        self.config = config
        try open()
    }

    func open() throws {
        precondition(opened == nil, "the test's store is open")
        opened = try MessageStore(config, batchTopics: batchTopics, log: .silent)
    }

    func start() {
        store.start(MessageStore.Events(arrived: { _ in }, flushed: {}))
    }

    /// Appends one batch and returns where the messages went.
    @discardableResult
    func append(_ messages: [TestMessage], at time: Int64? = nil) throws -> [AppendBatch.Entry] {
        let batch = store.makeBatch()
        for message in messages {
            let head = RecordHead(
                queueID: Int32(message.queueID), flag: 3, sysFlag: message.sysFlag,
                bornTimestamp: Timestamp(rawValue: now - 1), bornHost: message.bornHost,
                storeHost: message.storeHost)
            try batch.stage(
                head, topic: Array(message.topic.utf8).span, body: message.body.span,
                in: store.queue(message.topic, message.queueID), innerCount: message.innerCount
            ) { buffer in
                buffer.append(Properties.encode(message.properties))
            }
        }
        try store.append(batch, at: Timestamp(rawValue: time ?? now))
        now += 1
        return batch.entries
    }

    @discardableResult
    func append(_ message: TestMessage, at time: Int64? = nil) throws -> AppendBatch.Entry {
        try append([message], at: time)[0]
    }

    /// Flushes and dispatches everything, as the store's threads would.
    func settle() throws {
        try store.flusher.flush()
        try store.dispatcher.catchUp { _ in }
    }

    /// Stops in order: the next open finds a clean store.
    func close() throws {
        try settle()
        store.stop()
        opened = nil
        #expect(!FileManager.default.fileExists(atPath: root.appending(path: "abort").path))
    }

    /// Ends as a killed process does: the page cache stays, and so does the abort file.
    func crash() {
        opened = nil
        #expect(FileManager.default.fileExists(atPath: root.appending(path: "abort").path))
    }

    /// Ends as a machine does whose power fails: what was not synced may be gone.
    func crashMachine() throws {
        crash()
        try Data("17\nanother boot\n".utf8).write(to: root.appending(path: "abort"))
    }

    /// Lets go of the store as it is.
    func forget() { opened = nil }

    /// All bodies of a queue, through its units, with every record checked.
    func bodies(_ topic: String = "T", _ queueID: Int = 0) throws -> [[UInt8]] {
        guard let queue = store.existingQueue(topic, queueID) else { return [] }
        return try (queue.minOffset..<queue.maxOffset).map { offset in
            try body(queue, offset)
        }
    }

    private func body(_ queue: ConsumeQueue, _ offset: Int64) throws -> [UInt8] {
        let unit = try #require(try queue.unit(at: offset))
        let body = store.withRecord(at: unit.physicalOffset) { record, bytes -> [UInt8] in
            #expect(queue.placeOf(record, bytes) == offset)
            #expect(record.byteCount == Int(unit.size))
            let isIntact = record.hasIntactBody(bytes)
            #expect(isIntact)
            return bytes.extracting(record.body).toArray()
        }
        return try #require(body, "no record at \(unit.physicalOffset) for \(queue.topic) \(queue.queueID) \(offset)")
    }

    /// Physical offsets that the index has for a key, in Java's order.
    func indexed(_ topic: String, _ key: String) -> [Int64] {
        store.indexedOffsets(topic: topic, key: key, time: 0...Int64.max / 2, limit: 64).offsets.sorted()
    }

    func logFile(_ start: Int) -> URL { logFolder.appending(path: Segment.name(Int64(start))) }

    /// Overwrites bytes of the log, which may span no files.
    func overwriteLog(_ bytes: [UInt8], at offset: Int) throws {
        let start = offset / config.commitLogFileByteCount * config.commitLogFileByteCount
        try File(logFile(start).path, .readWrite).write(bytes.span, at: offset - start)
    }
}

extension TestMessage {
    /// An inner batch of so many messages.
    static func batch(_ topic: String, of count: Int16, _ body: [UInt8] = [], queue: Int = 0) -> TestMessage {
        TestMessage(
            topic: topic, queueID: queue, body: body, properties: [("INNER_NUM", String(count))],
            sysFlag: [.innerBatch, .needUnwrap], innerCount: count)
    }
}

extension [UInt8] {
    /// The UTF-8 of a text.
    static func text(_ text: String) -> [UInt8] { Array(text.utf8) }
}

/// Seeds of a property test: MQ_SEED alone if it is set, else some fixed ones and a fresh one. A failure names its seed.
let seeds: [UInt64] = {
    if let seed = ProcessInfo.processInfo.environment["MQ_SEED"].flatMap(UInt64.init) { return [seed] }
    return [1, 2, 3, .random(in: .min ... .max)]
}()

extension MessageStore {
    /// What the index alone says: physical offsets of the newest `limit` entries under a key's hash, in the log's order.
    func indexedOffsets(
        topic: String, key: String, time: ClosedRange<Int64>, limit: Int
    ) -> (offsets: [Int64], lastTimestamp: Int64, lastOffset: Int64) {
        guard let index else { return ([], 0, 0) }
        let newest = index.offsets(topic: topic, key: key, time: time, limit: limit)
        return (newest.sorted(), index.endTimestamp, max(0, index.endOffset))
    }
}

extension MessageStore {
    /// A read that may wait for the disk, with a result of its own.
    func read(
        _ queue: ConsumeQueue, from offset: Int64, limits: ReadLimits, units: inout ByteBuffer,
        matches: @escaping (Int64) -> Bool
    ) throws(SystemError) -> ReadResult {
        var result = ReadResult()
        try read(
            queue, from: offset, limits: limits, access: .waiting, units: &units, into: &result, matches: matches)
        return result
    }
}
