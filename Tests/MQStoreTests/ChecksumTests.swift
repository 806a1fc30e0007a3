import Foundation
import MQBase
import MQBytes
import MQMessage
import MQTestKit
import Testing

@testable import MQStore

/// Goal: the checksum over a whole record is the one that Java writes and compares (`enabledAppendPropCRC`).
/// Method: Python's own CRC-32 over the stored bytes; records with a changed property after a crash.
@Suite struct ChecksumTests {
    private func store(_ properties: [(name: String, value: String)], count: Int = 1) throws -> TestStore {
        let store = try TestStore {
            $0.appendsChecksum = true
            $0.verifiesChecksum = true
        }
        for _ in 0..<count { try store.append(TestMessage(body: .text("body"), properties: properties)) }
        return store
    }

    private func properties(_ store: TestStore, at offset: Int64 = 0) throws -> [(name: String, value: String)] {
        let found = store.store.withRecord(at: offset) { record, bytes in
            let isIntact = record.hasIntactWhole(bytes)
            #expect(isIntact)
            return Properties.list(bytes.extracting(record.properties))
        }
        return try #require(found)
    }

    @Test func `records end with ten digits that clients see as a property`() throws {
        for properties in [[("TAGS", "A")], [], [("TAGS", "A"), ("__CRC32#", "7777777777"), ("KEYS", "k")]] {
            let store = try store(properties)
            let stored = try self.properties(store)
            #expect(stored.dropLast().map(\.name) == properties.map(\.0).filter { $0 != "__CRC32#" })
            #expect(stored.last?.name == "__CRC32#")
            #expect(stored.last?.value.utf8.count == 10)
            try store.close()
            let check = try StoreCheck.run(store.config)  // computes it anew
            #expect(check.problems == [])
            #expect(check.crcRecords == 1)
        }
    }

    @Test func `what is too long with the checksum is refused as a whole`() throws {
        let batch = AppendBatch()
        batch.appendsChecksum = true
        let store = try TestStore()
        let host = MessageHost(ip: [1, 2, 3, 4], port: 5)
        let head = RecordHead(
            queueID: 0, flag: 0, sysFlag: [], bornTimestamp: Timestamp(rawValue: 0), bornHost: host, storeHost: host)
        let (topic, body) = ([UInt8].text("T"), [UInt8].text("b"))
        for (count, isTaken) in [(32_767 - 20, true), (32_767 - 19, false)] {
            let text = [UInt8].text("A\u{1}") + [UInt8](repeating: 97, count: count - 3) + [2]
            let taken =
                (try? batch.stage(head, topic: topic.span, body: body.span, in: store.store.queue("T", 0)) {
                    $0.append(text)
                }) != nil
            #expect(taken == isTaken)
        }
        #expect(batch.entries.count == 1)
    }

    @Test(arguments: [true, false])
    func `a record whose properties changed is cut after a crash, if that is asked for`(isAsked: Bool) throws {
        let store = try store([("KEYS", "abcdef")], count: 3)
        let last = try store.append(TestMessage(properties: [("KEYS", "ghijkl")]))
        store.crash()
        let end = Int(last.physicalOffset) + last.byteCount
        try store.overwriteLog(.text("X"), at: end - 24)  // in the last key
        store.config.verifiesChecksum = isAsked
        try store.open()
        let queue = store.store.queue("T", 0)
        #expect(queue.maxOffset == (isAsked ? 3 : 4))
        // Records from before the key was on have no checksum, and stay.
        store.config.appendsChecksum = false
        try store.append(TestMessage(properties: [("KEYS", "plain")]))
        store.crash()
        store.config.verifiesChecksum = true
        if isAsked {
            try store.open()
            #expect(store.store.queue("T", 0).maxOffset == 4)
        }
    }
}
