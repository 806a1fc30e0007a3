import Foundation
import MQBase
import MQBytes
import MQMessage
import MQStore
import MQTestKit
import Testing

@testable import MQStoreTool

/// Goal: a sound store is sound, and every damage is found with its file and offset. Method: stores that Java wrote, as
/// they are and with one thing broken.
@Suite struct VerifyTests {
    @Test(arguments: Golden.versions) func `a store of Java's that was closed is sound`(version: String) throws {
        let store = try StoreCopy(version: version)
        let outcome = try store.verify()
        #expect(outcome.texts.filter { $0.hasPrefix("error") || $0.hasPrefix("recovery") } == [])
        #expect(outcome.exitCode == 0)
        #expect(outcome.end.recordCount == store.recordCount)
        #expect(outcome.end.offset == Int64(store.endOfLastRecord))
        #expect(outcome.entryCount > 4000)
    }

    @Test(arguments: Golden.versions)
    func `a killed store of Java's is sound, and what recovery will do is named`(version: String) throws {
        let store = try StoreCopy(version: version, state: "crashed")
        let outcome = try store.verify()
        #expect(outcome.texts.filter { $0.hasPrefix("error") } == [])
        #expect(outcome.report.count(.recovery) > 0)
        #expect(outcome.exitCode == 0)
        #expect(outcome.end.offset == Int64(store.endOfLastRecord))
        #expect(outcome.has(.abort, .note, "abort"))
        // The end of a record that was being written.
        let end = store.logPlace(store.endOfLastRecord)
        try store.write([0, 0, 4, 0, 0xDA, 0xA3, 0x20, 0xA7, 1, 2, 3], end.file, at: end.at)
        let torn = try store.verify()
        #expect(torn.has(.logTornEnd, .recovery, end.file, at: end.at))
        #expect(torn.exitCode == 0)
    }

    @Test func `the fast way looks at the last file and at what points there`() throws {
        let store = try StoreCopy()
        let early = try store.message("gold_normal", 1, 5)
        let late = try #require(store.queues["gold_normal"]?[1]?.last)
        #expect(late.physicalOffset > 2 * StoreCopy.logFileByteCount)
        #expect(try store.verify { $0.isFast = true }.exitCode == 0)
        try store.flip(store.logPlace(early.physicalOffset), 90)
        try store.flip(store.unitPlace(early), 7)
        #expect(try store.verify { $0.isFast = true }.exitCode == 0)
        try store.flip(store.unitPlace(late), 7)
        let place = store.unitPlace(late)
        #expect(try store.verify { $0.isFast = true }.has(.queueWrongUnit, place.file, at: place.at))
    }

    @Test func `of a store that is written to only what was there is looked at`() throws {
        let store = try StoreCopy(state: "crashed")
        let end = store.logPlace(store.endOfLastRecord)
        try store.write([0, 0, 4, 0, 0xDA, 0xA3, 0x20, 0xA7, 1, 2, 3], end.file, at: end.at)
        let outcome = try store.verify { $0.isLive = true }
        #expect(outcome.texts.filter { !$0.hasPrefix("note") } == [])
        #expect(outcome.end.offset < Int64(store.endOfLastRecord))
        #expect(outcome.end.recordCount > 1000)
    }

    @Test(arguments: Damage.all) func `a damage is found where it is`(damage: Damage) throws {
        let store = try StoreCopy()
        let expected = try damage.make(store)
        let outcome = try store.verify()
        let isFound = outcome.has(damage.kind, damage.weight, expected.file, at: expected.at)
        #expect(isFound, "\(damage.kind) \(expected) not in \(outcome.texts)")
        #expect(outcome.exitCode == (damage.weight == .error ? 1 : 0))
    }

    @Test func `of a damage that is everywhere a bounded number is printed`() throws {
        let store = try StoreCopy()
        try store.swap("consumequeue/gold_normal/0", "consumequeue/gold_normal/1")
        let result = store.run("verify", "--limit=3")
        #expect(result.code == 1)
        let lines = result.output.split(separator: "\n").filter { $0.contains("queue.wrong-unit") }
        #expect(lines.count == 4)
        #expect(lines.last?.contains("and") == true && lines.last?.hasSuffix("more") == true)
    }

    @Test func `a topic that was deleted and made again misses nothing`() throws {
        let store = try StoreCopy()
        let opened = try store.open()
        try opened.deleteQueues(of: "gold_normal")
        let batch = AppendBatch()
        for body in 0..<3 {
            try stage("gold_normal", 1, UInt8(body), into: batch, opened)
        }
        try opened.append(batch, at: Timestamp(rawValue: 1_795_000_000_000))
        opened.start(MessageStore.Events(arrived: { _ in }, flushed: {}))
        opened.stop()
        let outcome = try store.verify()
        let queueOne = outcome.texts.filter { $0.hasPrefix("error queue") && $0.contains("gold_normal/1") }
        #expect(queueOne == [])
        // The others got no message since: nobody can tell that from a queue that is lost.
        #expect(outcome.has(.queueAbsent, "consumequeue/gold_normal/0"))
    }

    @Test func `a changed field is found where records have a checksum over all of them`() throws {
        let store = try StoreCopy()
        let opened = try store.open()
        let batch = AppendBatch()
        batch.appendsChecksum = true
        try stage("gold_normal", 1, 7, into: batch, opened)
        try opened.append(batch, at: Timestamp(rawValue: 1_795_000_000_000))
        let place = store.logPlace(Int(batch.entries[0].physicalOffset))
        opened.start(MessageStore.Events(arrived: { _ in }, flushed: {}))
        opened.stop()
        #expect(try store.verify().exitCode == 0)
        try store.flip(place, 17)
        #expect(try store.verify().has(.logRecordChecksum, place.file, at: place.at))
    }

    private func stage(
        _ topic: String, _ queueID: Int, _ body: UInt8, into batch: AppendBatch, _ store: MessageStore
    ) throws {
        let host = MessageHost(ip: [127, 0, 0, 1], port: 1)
        let head = RecordHead(
            queueID: Int32(queueID), flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 1), bornHost: host,
            storeHost: host)
        try batch.stage(head, topic: Array(topic.utf8).span, body: [body].span, in: store.queue(topic, queueID)) { _ in
        }
    }
}

/// One thing broken, and what must be found of it.
struct Damage: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let kind: FindingKind
    var weight = FindingWeight.error
    /// Breaks it, and says where that is.
    let make: @Sendable (StoreCopy) throws -> (file: String, at: Int?)

    init(
        _ name: String, _ kind: FindingKind, _ weight: FindingWeight = .error,
        _ make: @escaping @Sendable (StoreCopy) throws -> (file: String, at: Int?)
    ) {
        testDescription = name
        self.kind = kind
        self.weight = weight
        self.make = make
    }

    static let all = logDamages + queueDamages + indexDamages + otherDamages

    /// A byte of the record of a message, counted from its start.
    private static func record(_ name: String, _ kind: FindingKind, _ byte: Int) -> Damage {
        Damage(name, kind) { store in
            let place = store.logPlace(try store.message().physicalOffset)
            try store.flip(place, byte)
            return place
        }
    }

    static let logDamages = [
        record("a byte of a body", .logBodyChecksum, 90), record("a record's size", .logDamaged, 2),
        record("a record's size, made huge", .logDamaged, 0), record("a record's magic", .logDamaged, 5),
        record("a record's own offset", .logOwnOffset, 34), record("a record's queue offset", .logQueueOffset, 26),
        record("a body's length", .logDamaged, 86),
        Damage("a sector of the log is zero", .logDamaged) { store in
            let place = store.logPlace(try store.message().physicalOffset)
            try store.write([UInt8](repeating: 0, count: 512), place.file, at: place.at)
            return place
        },
        Damage("the blank at a file's end", .logDamaged) { store in
            let place = store.logPlace(store.blanks[0])
            try store.flip(place, 4)
            return place
        },
        Damage("the log's first file is cut", .logFileLength) { store in
            let name = store.logPlace(0).file
            try store.truncate(name, to: 500_000)
            return (name, 500_000)
        },
        Damage("a file of the log is missing", .logHole) { store in
            try store.remove(store.logPlace(StoreCopy.logFileByteCount).file)
            return (store.logPlace(2 * StoreCopy.logFileByteCount).file, nil)
        },
        Damage("two files of the log changed places", .logDamaged) { store in
            try store.swap(store.logPlace(0).file, store.logPlace(StoreCopy.logFileByteCount).file)
            return (store.logPlace(0).file, 0)
        },
        Damage("something behind the log's end", .logTornEnd) { store in
            let place = store.logPlace(store.endOfLastRecord)
            try store.write([1, 2, 3], place.file, at: place.at + 100)
            return place
        },
        Damage("another file in the log's folder", .logFileName, .note) { store in
            _ = FileManager.default.createFile(atPath: store.path("commitlog/core"), contents: nil)
            return ("commitlog/core", nil)
        },
    ]

    /// A byte of the unit of a message.
    private static func unit(_ name: String, _ kind: FindingKind, _ byte: Int) -> Damage {
        Damage(name, kind) { store in
            let place = store.unitPlace(try store.message())
            try store.flip(place, byte)
            return place
        }
    }

    static let queueDamages = [
        unit("a unit's offset", .queueWrongUnit, 7), unit("a unit's size", .queueWrongUnit, 11),
        unit("a unit's tags", .queueWrongTags, 19),
        Damage("a sector of a queue is zero", .queueMissingUnit) { store in
            let place = store.unitPlace(try store.message("gold_normal", 1, 0))
            try store.write([UInt8](repeating: 0, count: 512), place.file, at: 0)
            return place
        },
        Damage("a queue's first file is missing", .queueMissingUnit) { store in
            try store.remove(store.unitPlace(try store.message("gold_single-q", 0, 0)).file)
            return ("consumequeue/gold_single-q/0", nil)
        },
        Damage("a queue's last file is missing", .queueMissingUnit) { store in
            try store.remove(store.unitPlace(try store.message("gold_single-q", 0, 310)).file)
            return ("consumequeue/gold_single-q/0", nil)
        },
        Damage("a queue is missing", .queueAbsent) { store in
            try store.remove("consumequeue/gold_normal/1")
            return ("consumequeue/gold_normal/1", nil)
        },
        Damage("all queues are missing", .queueAbsent) { store in
            try store.remove("consumequeue")
            return ("consumequeue/%DLQ%gold_group_a/0", nil)
        },
        Damage("two queues changed places", .queueWrongUnit) { store in
            try store.swap("consumequeue/gold_normal/0", "consumequeue/gold_normal/1")
            return store.unitPlace(try store.message("gold_normal", 0, 0))
        },
        Damage("a queue's file is cut", .queueFileLength) { store in
            let name = store.unitPlace(try store.message()).file
            try store.truncate(name, to: 555)
            return (name, nil)
        },
        Damage("a unit behind the log's end", .queueBehindEnd) { store in
            let last = try #require(store.queues["gold_normal"]?[1]?.last)
            let place = store.unitPlace(last)
            let unit = try store.read(place.file, at: place.at, 20)
            try store.write([0, 0, 0, 0, 9] + unit[5...], place.file, at: place.at + 20)
            return (place.file, place.at + 20)
        },
        Damage("a unit without its record", .queueNoRecord) { store in
            let last = try #require(store.queues["gold_normal"]?[1]?.last)
            let place = store.unitPlace(last)
            try store.write(try store.read(place.file, at: place.at, 20), place.file, at: place.at + 20)
            return (place.file, place.at + 20)
        },
        Damage("a stranger among the queues", .queueFileName, .note) { store in
            _ = FileManager.default.createFile(atPath: store.path("consumequeue/gold_normal/x"), contents: nil)
            return ("consumequeue/gold_normal/x", nil)
        },
    ]

    /// A byte of the first index file.
    private static func index(_ name: String, _ kind: FindingKind, _ byte: Int, found: Int) -> Damage {
        Damage(name, kind) { store in
            let file = "index/" + (try #require(try store.names("index").first))
            try store.flip((file, byte))
            return (file, found)
        }
    }

    private static let entry100 = 40 + 4 * 1000 + 100 * 20

    static let indexDamages = [
        index("an entry's hash", .indexWrongEntry, entry100 + 3, found: entry100),
        index("an entry's offset", .indexWrongEntry, entry100 + 8, found: entry100),
        index("an entry's time", .indexWrongEntry, entry100 + 15, found: entry100),
        index("an entry's chain", .indexChain, entry100 + 18, found: entry100),
        index("a slot", .indexSlot, 40 + 4 * 7 + 2, found: 40 + 4 * 7),
        index("the header's end", .indexHeader, 31, found: 24),
        index("the header's count", .indexHeader, 36, found: 0),
        Damage("an index file is cut", .indexFileLength) { store in
            let file = "index/" + (try #require(try store.names("index").last))
            try store.truncate(file, to: 1000)
            return (file, nil)
        },
        Damage("the last index file is missing", .indexMissingKey) { store in
            let names = try store.names("index")
            try store.remove("index/" + names[1])
            // The header tells the last record that the first file knows.
            let end = try store.read("index/" + names[0], at: 24, 8).reduce(0) { $0 << 8 | Int($1) }
            return (store.logPlace(end).file, nil)
        },
    ]

    static let otherDamages = [
        Damage("a checkpoint of the future", .checkpoint) { store in
            try store.write([0x7F], "checkpoint", at: 8)
            return ("checkpoint", 8)
        },
        Damage("a checkpoint of few bytes", .checkpoint) { store in
            try store.truncate("checkpoint", to: 12)
            return ("checkpoint", 0)
        },
        Damage("a table that is cut", .config) { store in
            try store.truncate("config/topics.json", to: 100)
            return ("config/topics.json", nil)
        },
        Damage("a consumer behind its queue", .consumerOffset) { store in
            let text = #"{"offsetTable":{"gold_normal@g":{1:999999}}}"#
            try text.write(toFile: store.path("config/consumerOffset.json"), atomically: false, encoding: .utf8)
            return ("config/consumerOffset.json", nil)
        },
    ]
}
