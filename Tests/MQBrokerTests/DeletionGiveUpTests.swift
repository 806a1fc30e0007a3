import Foundation
import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQProtocol
import MQSystem
import MQTestKit
import Synchronization
import Testing

@testable import MQBroker
@testable import MQStore

/// Goal: files of the log wait for a compaction that fails, and go only when it has failed for two minutes and messages are
/// refused; what is left is compacted when that is possible again. Method: a store whose threads do not run, a disk and a
/// clock that the test moves, and a file where the folder of the compacted queues would be.
@Suite struct DeletionGiveUpTests {
    private final class Bench {
        let folder: TemporaryFolder
        let store: MessageStore
        let compactor: Compactor
        private var worker: RetentionWorker
        private let percent = Lock<UInt64>(20)
        private let milliseconds = Lock<Int64>(0)
        private let logPath: String

        init() throws {
            folder = try TemporaryFolder(isInMemory: true)
            logPath = folder.path + "/broker.log"
            let log = Log(to: try #require(LogFile(path: logPath)))
            var config = StoreConfig(root: folder.path + "/store")
            config.commitLogFileByteCount = 1 << 16
            config.fillsFilesAhead = false
            let store = try MessageStore(config, log: .silent)
            let topics = try ControlMachines.topics()
            try topics.put(
                TopicConfig(
                    topicName: "c", readQueueNums: 1, writeQueueNums: 1, attributes: ["cleanup.policy": "COMPACTION"]))
            let compactor = Compactor(
                config: try ControlMachines.config(), topics: topics, store: store, log: log,
                now: { [milliseconds] in
                    Instant(nanoseconds: 1 << 40).advanced(byMilliseconds: milliseconds.withLock { $0 })
                })
            var parts = store.retentionParts
            parts.usage = { [percent] _ in percent.withLock { DiskUsage(used: $0, available: 100 - $0) } }
            parts.mayDelete = { compactor.mayDelete(before: $0, isDiskFull: $1) }
            worker = RetentionWorker(parts)
            self.store = store
            self.compactor = compactor
        }

        /// Twelve messages of 10 kB to two keys: six a file.
        func fill() throws {
            for number in 0..<12 {
                let batch = store.makeBatch()
                let host = MessageHost(ip: [127, 0, 0, 1], port: 10911)
                let head = RecordHead(
                    queueID: 0, flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 1), bornHost: host,
                    storeHost: host)
                let body = [UInt8](repeating: UInt8(number), count: 10_000)
                try batch.stage(head, topic: Array("c".utf8).span, body: body.span, in: store.queue("c", 0)) {
                    $0.append(Properties.encode([("KEYS", "k\(number % 2)")]))
                }
                try store.append(batch, at: Timestamp(rawValue: 1_700_000_000_000 + Int64(number)))
            }
            try store.flusher.flush()
            try store.dispatcher.catchUp { _ in }
        }

        /// One round of retention while so much of the disk is used, and what the compact thread does because of it.
        /// - Returns: where the log begins then.
        func round(percent used: UInt64, after passed: Int64 = 0) -> Int64 {
            milliseconds.withLock { $0 += passed }
            percent.withLock { $0 = used }
            var settings = RetentionSettings()
            settings.fileBatchMax = 1
            settings.deleteHours = []
            worker.round(settings, time: SystemClock.wall(), now: SystemClock.now()) { _ in true }
            compactor.catchUp(before: PhysicalOffset(rawValue: 1 << 17))
            return store.minOffset.rawValue
        }

        /// Lines of the log that say so.
        func said(_ text: String) throws -> [String] {
            try String(contentsOfFile: logPath, encoding: .utf8).split(separator: "\n").map(String.init)
                .filter { $0.contains(text) }
        }
    }

    private static let lost = "compacted topics lose messages"

    @Test func `a file that cannot be copied from goes after two minutes of a full disk, and not before`() throws {
        let bench = try Bench()
        let obstacle = bench.folder.path + "/store/compacted"
        try File.replace(obstacle, with: [1])
        try bench.fill()
        #expect(bench.round(percent: 95) == 0)
        #expect(try bench.said("cannot compact a queue").count == 1)
        #expect(bench.round(percent: 95, after: 119_999) == 0)
        // There is room again, and then less, but messages are taken.
        #expect(bench.round(percent: 80, after: 10_000) == 0)
        #expect(bench.round(percent: 88, after: 10_000) == 0 && !bench.store.isDiskFull)
        #expect(try bench.said(Self.lost).isEmpty)
        #expect(bench.round(percent: 95) == 1 << 16 && bench.store.isDiskFull)
        let lines = try bench.said(Self.lost)
        #expect(lines.count == 1 && lines.first?.contains("ERROR") == true && lines.first?.contains("c/0") == true)

        // What is left is copied as soon as it can be.
        try Directory.removeFile(obstacle)
        let queue = try #require(bench.store.existingQueue("c", 0))
        #expect(queue.minOffset == 6)
        #expect(bench.round(percent: 95) == 1 << 16)  // the last file
        #expect(bench.store.compaction.end(queue) == 12)
        #expect(try bench.said(Self.lost).count == 1)
    }

    @Test func `a compaction that gets on keeps the file, however full the disk is`() throws {
        let bench = try Bench()
        try bench.fill()
        #expect(bench.round(percent: 95, after: 500_000) == 0)  // nothing was copied when it was asked
        let queue = try #require(bench.store.existingQueue("c", 0))
        #expect(bench.store.compaction.end(queue) == 12)
        #expect(bench.round(percent: 95) == 1 << 16)
        #expect(try bench.said(Self.lost).isEmpty)
    }
}
