import Foundation
import MQBase
import MQBytes
import MQMessage
import MQTestKit
import Testing

@testable import MQStore

/// Goal: a store folder that Java wrote says in Apus what it says in Java, message by message.
/// Method: folders recorded from Java 4.9.8 and 5.3.3, closed in order and killed, opened as they are and with
/// consume queues and index deleted; every queue is compared with Java's own answers, then the store goes on.
@Suite struct GoldenStoreTests {
    @Test(arguments: GoldenStore.all)
    func `a store of Java's shows what Java shows`(golden: GoldenStore) throws {
        let opened = try OpenedGolden(golden)
        try opened.compareQueues(hashing: true)
        try opened.compareUnreadable()
        try opened.compareAcknowledged()
        try opened.compareIndex()
        try opened.appendAndReopen()
    }

    @Test(arguments: GoldenStore.all)
    func `deleted queues and index of a store of Java's are built again to the same answers`(golden: GoldenStore) throws
    {
        let opened = try OpenedGolden(golden, deleting: ["consumequeue", "index"])
        try opened.compareQueues(hashing: false)
        try opened.compareIndex()
        try opened.appendAndReopen()
    }

    @Test(arguments: GoldenStore.all)
    func `deleted queues alone are built again`(golden: GoldenStore) throws {
        let opened = try OpenedGolden(golden, deleting: ["consumequeue"])
        try opened.compareQueues(hashing: false)
        try opened.compareIndex()
    }

    @Test func `the digest is SHA-256`() {
        #expect(SHA256.hex(.text("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            SHA256.hex([UInt8](repeating: 97, count: 119))
                == "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb")
    }
}

/// A golden store that Apus has opened.
private struct OpenedGolden {
    let golden: GoldenStore
    let manifest: Manifest
    let store: TestStore

    init(_ golden: GoldenStore, deleting folders: [String] = []) throws {
        self.golden = golden
        manifest = try golden.manifest()
        let folder = try TemporaryFolder()
        let root = try golden.unpack(into: folder.url)
        for name in folders { try FileManager.default.removeItem(at: root.appending(path: name)) }
        store = try TestStore(golden.config(manifest, root: root), in: folder)
    }

    var queues: [(topic: String, id: Int, queue: Manifest.Queue)] {
        manifest.topics.sorted { $0.key < $1.key }.flatMap { topic, entry in
            (entry.queues ?? [:]).sorted { $0.key < $1.key }.map { (topic, Int($0.key) ?? -1, $0.value) }
        }
    }

    func compareQueues(hashing: Bool) throws {
        var seen = 0
        for (topic, id, expected) in queues {
            let queue = try #require(store.store.existingQueue(topic, id), "\(topic) \(id) is missing")
            #expect(queue.minOffset == expected.minOffset, "\(topic) \(id)")
            #expect(queue.maxOffset == expected.maxOffset, "\(topic) \(id)")
            #expect(expected.messages.count == Int(expected.maxOffset - expected.minOffset))
            for message in expected.messages {
                let unit = try #require(try queue.unit(at: message.queueOffset))
                #expect(unit.physicalOffset == message.physicalOffset)
                #expect(Int(unit.size) == message.size)
                try compareTagsCode(queue, unit, message, topic)
                try compareRecord(message, topic, id, hashing: hashing)
                seen += 1
            }
        }
        #expect(
            seen + manifest.commitLog.recordsNotReadableByPull_decodedFromFolder.count
                == manifest.commitLog.recordsInFolder)
        #expect(store.store.writtenOffset.rawValue == manifest.commitLog.endOfLastRecord)
    }

    private func compareTagsCode(
        _ queue: ConsumeQueue, _ unit: QueueUnit, _ message: Manifest.Message, _ topic: String
    ) throws {
        #expect(unit.hasExtension == (golden.version == "4.9.8"))
        var expected = Int64(javaHashCode(Array((message.properties["TAGS"] ?? "").utf8).span))
        if topic == ScheduleTopic.name, let level = message.properties["DELAY"].flatMap({ Int($0) }) {
            expected = message.storeTimestamp + delayLevels[min(level, delayLevels.count) - 1]
        }
        #expect(try queue.tagsCode(of: unit) == expected, "\(topic) \(message.queueOffset)")
    }

    private func compareRecord(_ message: Manifest.Message, _ topic: String, _ id: Int, hashing: Bool) throws {
        let place: Comment = "\(topic) \(id) \(message.queueOffset)"
        let digest = store.store.withRecord(at: message.physicalOffset) { record, bytes -> String? in
            #expect(record.byteCount == message.size, place)
            #expect(String(UInt32(bitPattern: record.magic), radix: 16) == message.magic, place)
            let name = bytes.extracting(record.topic).toString()
            #expect(name == message.topic ?? topic, place)
            #expect(Int(record.queueID) == message.queueId ?? id, place)
            #expect(record.queueOffset == message.queueOffset, place)
            #expect(record.bodyCRC == message.bodyCrc, place)
            #expect(record.body.count == message.bodyLength, place)
            let isIntact = record.hasIntactBody(bytes)
            #expect(isIntact, place)
            #expect(record.storeTimestamp.rawValue == message.storeTimestamp, place)
            #expect(record.bornTimestamp.rawValue == message.bornTimestamp, place)
            #expect(record.bornHost.description == message.bornHost, place)
            #expect(record.storeHost.description == message.storeHost, place)
            #expect(record.flag == message.flag, place)
            #expect(record.sysFlag.rawValue == message.sysFlag, place)
            #expect(record.reconsumeTimes == message.reconsumeTimes, place)
            #expect(record.preparedTransactionOffset == message.preparedTransactionOffset, place)
            let id = MessageID.offsetID(
                host: record.storeHost, offset: PhysicalOffset(rawValue: record.physicalOffset))
            #expect(id == message.offsetMsgId, place)
            let properties = Properties.list(bytes.extracting(record.properties)).filter { !$0.value.isEmpty }
            #expect(Dictionary(properties.map { ($0.name, $0.value) }) { $1 } == message.properties, place)
            return hashing ? SHA256.hex(bytes.toArray()) : message.recordSha256
        }
        #expect(try #require(digest, "no record for \(place)") == message.recordSha256, place)
    }

    func compareUnreadable() throws {
        for message in manifest.commitLog.recordsNotReadableByPull_decodedFromFolder {
            try compareRecord(message, message.topic ?? "", message.queueId ?? 0, hashing: true)
        }
    }

    /// What Java answered to its producers before it was killed must be where Java said it is.
    func compareAcknowledged() throws {
        for entry in manifest.acknowledgedBeforeKill_topic_queueOffset_offsetMsgId_uniqKey ?? [] {
            let place = try #require(MessageID.decodeOffsetID(entry[2]))
            let found = store.store.withRecord(at: place.offset.rawValue) { record, bytes -> [String] in
                let properties = bytes.extracting(record.properties)
                let key = Properties.value(of: PropertyName.uniqueKey, in: properties)
                return [
                    bytes.extracting(record.topic).toString(), String(record.queueOffset),
                    key.map { properties.extracting($0).toString() } ?? "",
                ]
            }
            #expect(found == [entry[0], entry[1], entry[3]])
        }
    }

    func compareIndex() throws {
        for query in manifest.queryByKey + manifest.queryByUniqKey {
            let expected = (query.queueId_queueOffset_physicalOffset ?? []).map { $0[2] }
            #expect(store.indexed(query.topic, query.key) == expected, "\(query.topic)#\(query.key)")
        }
    }

    /// The store takes messages behind Java's, and has all of them after a clean stop and after a crash.
    func appendAndReopen() throws {
        let end = manifest.commitLog.endOfLastRecord
        for (index, (topic, id, expected)) in queues.enumerated() {
            var message = TestMessage(topic: topic, queueID: id, body: .text("new \(index)"))
            message.properties = [("KEYS", "apus"), ("UNIQ_KEY", "NEW\(index)")]
            if topic.utf8.count > 127 { message.body = [UInt8](repeating: 7, count: 5000) }
            let entry = try store.append(message)
            #expect(entry.queueOffset == expected.maxOffset)
            #expect(entry.physicalOffset >= end)
        }
        try store.settle()
        try compareAppended()
        try store.close()
        try store.open()
        try compareQueues()
        try compareAppended()
        store.crash()
        try store.open()
        try compareQueues()
        try compareAppended()
    }

    /// As ``compareQueues(hashing:)`` for a store that has one more message in each queue.
    private func compareQueues() throws {
        for (topic, id, expected) in queues {
            let queue = try #require(store.store.existingQueue(topic, id))
            #expect(queue.minOffset == expected.minOffset)
            #expect(queue.maxOffset == expected.maxOffset + 1, "\(topic) \(id)")
            for message in expected.messages {
                #expect(try queue.unit(at: message.queueOffset)?.physicalOffset == message.physicalOffset)
            }
        }
        try compareIndex()
    }

    private func compareAppended() throws {
        for (index, (topic, id, expected)) in queues.enumerated() {
            let queue = try #require(store.store.existingQueue(topic, id))
            let unit = try #require(try queue.unit(at: expected.maxOffset))
            let body = store.store.withRecord(at: unit.physicalOffset) { record, bytes -> [UInt8] in
                #expect(record.queueOffset == expected.maxOffset)
                let name = bytes.extracting(record.topic).toString()
                #expect(name == topic)
                let isIntact = record.hasIntactBody(bytes)
                #expect(isIntact)
                return bytes.extracting(record.body).toArray()
            }
            let wanted = topic.utf8.count > 127 ? [UInt8](repeating: 7, count: 5000) : .text("new \(index)")
            #expect(body == wanted)
            #expect(store.indexed(topic, "NEW\(index)") == [unit.physicalOffset])
        }
    }
}
