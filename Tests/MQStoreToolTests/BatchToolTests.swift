import Foundation
import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQSystem
import MQTestKit
import Testing

@testable import MQStore
@testable import MQStoreTool

/// Goal: the commands know queues of batches and a log in several folders. Method: a store with small files that a broker's
/// store wrote, damaged by hand.
@Suite struct BatchToolTests {
    private let folder: TemporaryFolder
    private var root: String { folder.path + "/store" }
    private let unitFolder = "batchconsumequeue/b/0/"

    init() throws { folder = try TemporaryFolder() }

    private func config(_ logs: [String]) -> StoreConfig {
        var config = StoreConfig(root: root)
        if let first = logs.first { config.commitLogPath = first }
        config.moreCommitLogPaths = Array(logs.dropFirst())
        config.commitLogFileByteCount = 1 << 16
        config.consumeQueueFileByteCount = 2000
        config.batchQueueFileByteCount = 46 * 10
        (config.indexSlotCount, config.indexEntryCount) = (100, 400)
        config.fillsFilesAhead = false
        return config
    }

    /// 30 inner batches and messages in b/0, with messages of another topic between them; the end of the last batch.
    @discardableResult
    private func fill(logs: [String] = []) throws -> Int64 {
        let store = try MessageStore(config(logs), batchTopics: ["b"], log: .silent)
        store.start(MessageStore.Events(arrived: { _ in }, flushed: {}))
        let batch = AppendBatch()
        for number in 0..<30 {
            let count = Int16(number % 4)
            for (topic, inner) in [("b", count == 0 ? nil : count), ("s", nil)] {
                let head = RecordHead(
                    queueID: 0, flag: 0, sysFlag: inner == nil ? [] : [.innerBatch, .needUnwrap],
                    bornTimestamp: Timestamp(rawValue: 1), bornHost: MessageHost(ip: [127, 0, 0, 1], port: 1),
                    storeHost: MessageHost(ip: [127, 0, 0, 1], port: 2))
                let properties =
                    "UNIQ_KEY\u{1}\(topic)\(number)\u{2}" + (inner.map { "INNER_NUM\u{1}\($0)\u{2}" } ?? "")
                try batch.stage(
                    head, topic: Array(topic.utf8).span, body: [UInt8](repeating: 7, count: 4000).span,
                    in: store.queue(topic, 0), innerCount: inner
                ) { $0.append(Array(properties.utf8)) }
            }
        }
        try store.append(batch, at: Timestamp(rawValue: 1_700_000_000_000))
        let end = try #require(batch.entries.last { $0.queue.topic == "b" })
        store.stop()
        return end.queueOffset + Int64(end.messageCount)
    }

    private func run(_ arguments: String...) -> (code: Int32, output: String) {
        SmallFiles.run(arguments[0], root, Array(arguments.dropFirst()))
    }

    private func write(_ bytes: [UInt8], unit: Int, at offset: Int) throws {
        let path = root + "/" + unitFolder + StoreFileName.file(at: Int64(unit / 10 * 460))
        try File(path, .readWrite).write(bytes.span, at: unit % 10 * 46 + offset)
    }

    @Test func `a sound store of batches is sound`() throws {
        try fill()
        let (code, output) = run("verify")
        #expect(code == 0 && output.contains("60 queue units"), "\(output)")
    }

    @Test func `a unit that says something else than its record is found, and repaired`() throws {
        try fill()
        try write([0, 0, 0, 9], unit: 11, at: 32)  // the base
        try write([0, 77], unit: 13, at: 36)  // the number of messages
        try write([1], unit: 15, at: 19)  // the tags
        try write([UInt8](repeating: 0, count: 46), unit: 29, at: 0)
        let (code, output) = run("verify")
        #expect(code == 1)
        for part in [
            "wrong-unit \(unitFolder)00000000000000000460 at 46", "wrong-unit \(unitFolder)00000000000000000460 at 138",
            "wrong-tags \(unitFolder)00000000000000000460 at 230",
            "missing-unit \(unitFolder)00000000000000000920 at 414",
        ] {
            #expect(output.contains(part), "\(output)")
        }
        let (repaired, text) = run("repair")
        #expect(repaired == 0, "\(text)")
        let again = run("verify")
        #expect(again.code == 0 && again.output.contains("60 queue units"), "\(again.output)")
        #expect(FileManager.default.fileExists(atPath: root + "/batchconsumequeue/b/0"))
        #expect(!FileManager.default.fileExists(atPath: root + "/consumequeue/b"))
    }

    @Test func `a queue of batches that is gone is told of and built again`() throws {
        let end = try fill()
        try Directory.removeTree(root + "/batchconsumequeue")
        let (code, output) = run("verify")
        #expect(code == 1 && output.contains("queue.absent batchconsumequeue/b/0"), "\(output)")
        try Directory.create(root + "/config")
        let topics =
            #"{"topicConfigTable":{"b":{"topicName":"b","attributes":{"queue.type":"BatchCQ"}},"s":{"topicName":"s"}}}"#
        try File.replace(root + "/config/topics.json", with: Array(topics.utf8))
        let (repaired, text) = run("repair")
        #expect(repaired == 0, "\(text)")
        // The size of its files is the usual one now: nothing told it.
        var config = config([])
        config.batchQueueFileByteCount = 13_800_000
        let store = try MessageStore(config, batchTopics: ["b"], log: .silent)
        #expect(store.existingQueue("b", 0)?.maxOffset == end && store.existingQueue("b", 0)?.holdsBatches == true)
    }

    @Test func `dump and stat count messages`() throws {
        let end = try fill()
        let dumped = run("dump", "queue", "--topic", "b", "--json")
        let lines = dumped.output.split(separator: "\n")
        #expect(dumped.code == 0 && lines.count == 30, "\(dumped.output)")
        #expect(lines.contains { $0.contains("\"queueOffset\":1,") && $0.contains("\"messages\":1") })
        let stat = run("stat", "--json")
        #expect(stat.code == 0 && stat.output.contains("\"maxOffset\":\(end)"), "\(stat.output)")
    }

    @Test func `a log in several folders is one log`() throws {
        let logs = ["a", "b", "c"].map { folder.path + "/log-" + $0 }
        try fill(logs: logs)
        #expect(try logs.allSatisfy { try !Directory.names(in: $0).isEmpty })
        let names = logs.joined(separator: ",")
        let (code, output) = run("verify", "--commit-log", names)
        #expect(code == 0 && output.contains("60 records"), "\(output)")
        try Directory.removeTree(root + "/consumequeue")
        let (repaired, text) = run("repair", "--commit-log", names)
        #expect(repaired == 0, "\(text)")
        #expect(run("verify", "--commit-log", names).code == 0)
        #expect(run("stat", "--commit-log", names).code == 0)
        // A torn end is cut where it is.
        let last = try #require(
            try logs.flatMap { log in try Directory.names(in: log).map { log + "/" + $0 } }
                .max { $0.suffix(20) < $1.suffix(20) })
        try File(last, .readWrite).write([1, 2, 3].span, at: 64_000)
        let (cut, said) = run("repair", "--commit-log", names, "--yes")
        #expect(cut == 0 && said.contains("what was cut is in " + last.dropLast(21)), "\(said)")
        #expect(run("verify", "--commit-log", names).code == 0)
    }
}
