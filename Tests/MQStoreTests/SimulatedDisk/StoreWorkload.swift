import Foundation
import MQBase
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// A random course of one store on a simulated disk: sends in batches, flushes, dispatch, syncs of queues and index,
/// recovery points, files made ahead, old files and expired queues removed, topics deleted, stops and kills with the start
/// behind them.
final class StoreWorkload {
    /// What a store promises, for the disk to ask at every change.
    private struct Watched: Sendable {
        var store: MessageStore?
        var promise = StorePromise()

        mutating func read() -> StorePromise {
            if let store {
                promise.flushed = store.flushedOffset.rawValue
                promise.written = store.writtenOffset.rawValue
            }
            return promise
        }
    }

    let disk: SimulatedDisk<StorePromise>
    private(set) var history = StoreHistory()
    private(set) var store: TestStore
    private var random: SeededRandom
    private let watched = Lock(Watched())
    private var number = 0
    private var retention: RetentionWorker?
    private var now = Instant(nanoseconds: 1 << 40)

    /// The folder of the disk; the store is below it, so that its own name has to become durable, too.
    static func config(in folder: TemporaryFolder, isSynchronous: Bool, isIndexed: Bool = true) -> StoreConfig {
        var config = StoreConfig(root: folder.path + "/disk/store")
        config.commitLogFileByteCount = 1 << 13
        config.consumeQueueFileByteCount = 200
        config.batchQueueFileByteCount = 46 * 5
        config.indexSlotCount = 7
        config.indexEntryCount = 30
        config.messageByteCountMax = 4096
        config.fillsFilesAhead = false
        config.isFlushSynchronous = isSynchronous
        config.isIndexEnabled = isIndexed
        config.delayLevels = delayLevels
        return config
    }

    /// - Parameter isIndexed: `false`: an index would only add crashes to a course that is about something else.
    init(seed: UInt64, isSynchronous: Bool, isIndexed: Bool = true) throws {
        history.isIndexed = isIndexed
        random = SeededRandom(seed: seed)
        let folder = try TemporaryFolder(isInMemory: true)
        try Directory.create(folder.path + "/disk")
        disk = try SimulatedDisk(folder.path + "/disk") { [watched] in watched.withLock { $0.read() } }
        store = try TestStore(
            Self.config(in: folder, isSynchronous: isSynchronous, isIndexed: isIndexed), in: folder,
            batchTopics: StoreHistory.batchTopics)
        watched.withLock { [opened = store.store] in $0.store = opened }
    }

    /// Does `count` things.
    func run(_ count: Int) throws {
        for _ in 0..<count { try step() }
    }

    private func step() throws {
        switch Int.random(in: 0..<24, using: &random) {
        case 0..<3: try store.store.flusher.flush()
        case 3..<6: try store.store.dispatcher.catchUp { _ in }
        case 6, 7:
            try store.settle()
            let point = try store.store.keep(isClosing: false)
            if let point, Bool.random(using: &random) { _ = try store.store.writePoint(point) }
        case 22: retainRound()
        case 23 where Int.random(in: 0..<3, using: &random) == 0: try removeExpired()
        case 8, 9: store.store.log.prepareIfWanted()
        case 10: try deleteTopic()
        case 11: try restart(isKilled: false)
        case 12: try restart(isKilled: true)
        default: try send()
        }
    }

    func restart(isKilled: Bool) throws {
        _ = watched.withLock { $0.read() }
        retention = nil
        if isKilled { store.crash() } else { try store.close() }
        watched.withLock { watched in
            _ = watched.read()
            watched.store = nil
        }
        try store.open()
        watched.withLock { [opened = store.store] in $0.store = opened }
    }

    func deleteTopic() throws {
        history.noteDeletion(of: "D", logEnd: store.store.writtenOffset.rawValue)
        watched.withLock { $0.promise.deletions += 1 }
        try store.store.deleteQueues(of: "D")
    }

    /// Old files go, because the disk is nearly full; sometimes it is interrupted.
    func retainRound() {
        var settings = RetentionSettings()
        settings.fileBatchMax = Int.random(in: 1...3, using: &random)
        var parts = store.store.retentionParts
        parts.usage = { _ in DiskUsage(used: 88, available: 12) }
        let going = store.store.log.removable(before: parts.settled()).prefix(settings.fileBatchMax)
        if let last = going.last { watched.withLock { $0.promise.removed = last.end.rawValue } }
        var worker = retention ?? RetentionWorker(parts)
        retention = nil
        var steps = Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 1...4, using: &random) : .max
        worker.round(settings, time: SystemClock.wall(), now: now) { _ in
            steps -= 1
            return steps > 0
        }
        now = now.advanced(byMilliseconds: 10_000)
        retention = worker
    }

    /// A queue none of whose records is there any more is removed as nobody's, and counts from 0 again.
    func removeExpired() throws {
        let logStart = store.store.minOffset
        guard let queue = store.store.existingQueue("U", 0), try queue.isExpired(before: logStart) else { return }
        history.noteDeletion(of: "U", logEnd: store.store.writtenOffset.rawValue)
        watched.withLock { $0.promise.deletions += 1 }
        try store.store.removeExpiredQueues { topic, _ in topic != "U" }
    }

    private func send() throws {
        store.now += Int64.random(in: 0...2500, using: &random)
        try send((0..<Int.random(in: 1...6, using: &random)).map { _ in message() })
    }

    /// Sends one batch.
    func send(_ messages: [TestMessage]) throws { history.add(try store.send(messages)) }

    private func message() -> TestMessage {
        number += 1
        let isLarge = Int.random(in: 0..<12, using: &random) == 0
        let body = [UInt8](
            repeating: UInt8(truncatingIfNeeded: number),
            count: Int.random(in: 0...(isLarge ? 4000 : 300), using: &random))
        var properties = [("UNIQ_KEY", "U\(number)"), ("KEYS", "a")]
        if Int.random(in: 0..<8, using: &random) == 0 {
            properties.append(("P", String(repeating: "p", count: Int.random(in: 0...1500, using: &random))))
        }
        var message = TestMessage(body: body)
        switch Int.random(in: 0..<12, using: &random) {
        case 0: message.topic = "U"
        case 10, 11:
            (message.topic, message.queueID) = ("B", Int.random(in: 0..<2, using: &random))
            let count = Int16.random(in: 1...5, using: &random)
            if count < 5 {  // a message on its own otherwise
                message.innerCount = count
                message.sysFlag = [.innerBatch, .needUnwrap]
                properties.append(("INNER_NUM", String(count)))
            }
        case 1, 2: (message.topic, message.queueID) = ("D", Int.random(in: 0..<2, using: &random))
        case 3:
            let level = Int.random(in: 1...2, using: &random)
            (message.topic, message.queueID) = (ScheduleTopic.name, level - 1)
            properties.append(("DELAY", "\(level)"))
        case 4: (message.topic, message.sysFlag) = ("HALF", .transactionPrepared)
        default: message.queueID = Int.random(in: 0..<3, using: &random)
        }
        message.properties = properties
        return message
    }
}

extension TestStore {
    /// Appends one batch and says what went where. The first property is the message's key.
    func send(_ messages: [TestMessage]) throws -> [SentMessage] {
        zip(messages, try append(messages)).map { message, entry in
            var properties = Properties.encode(message.properties)
            if message.innerCount != nil {
                let digits = String(entry.queueOffset)
                let zeroes = String(repeating: "0", count: 19 - digits.count)
                properties += .text("INNER_BASE\u{1}\(zeroes)\(digits)\u{2}")
            }
            return SentMessage(
                topic: message.topic, queueID: message.queueID, body: message.body,
                properties: properties, key: message.properties[0].value,
                messageCount: Int64(message.innerCount ?? 1),
                isInQueue: message.sysFlag.isInQueue, queueOffset: entry.queueOffset,
                physicalOffset: entry.physicalOffset, end: entry.physicalOffset + Int64(entry.byteCount),
                delayLevel: message.properties.first { $0.name == "DELAY" }.flatMap { Int($0.value) })
        }
    }
}
