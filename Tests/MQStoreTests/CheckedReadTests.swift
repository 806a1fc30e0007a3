import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: a record that another process wrote is served by a pull only if it is whole and belongs to the queue.
@Suite struct CheckedReadTests {
    private func read(
        _ store: TestStore, _ access: ReadAccess, from offset: Int64 = 0, messageCount: Int = 32
    ) throws -> ReadResult {
        var units = ByteBuffer()
        var result = ReadResult()
        try store.store.read(
            store.store.queue("T", 0), from: offset, limits: ReadLimits(messageCount: messageCount), access: access,
            units: &units, into: &result,
            matches: nil)
        return result
    }

    /// The bodies that a pull would bring.
    private func served(
        _ store: TestStore, from offset: Int64 = 0, messageCount: Int = 32
    ) throws -> (bodies: [UInt8], result: ReadResult) {
        var result = try read(store, .waiting, from: offset, messageCount: messageCount)
        let copy = store.store.copy(&result, of: store.store.queue("T", 0))
        #expect(copy.count == result.byteCount)
        var bodies: [UInt8] = []
        var position = 0
        while position < copy.count {
            let record = try MessageRecord(copy.span.extracting(position..<copy.count))
            bodies.append(copy[position + record.body.lowerBound])
            position += record.byteCount
        }
        #expect(bodies.count == result.messageCount)
        return (bodies, result)
    }

    private func filled(_ count: Int) throws -> (TestStore, [AppendBatch.Entry]) {
        let store = try TestStore()
        let entries = try store.append((0..<count).map { TestMessage(body: [UInt8](repeating: UInt8($0), count: 40)) })
        try store.close()
        return (store, entries)
    }

    private func change(_ store: TestStore, at offset: Int64, to byte: UInt8) throws {
        let file = try File(store.config.commitLogPath + "/" + Segment.name(0), .readWrite)
        try file.write([byte].span, at: Int(offset))
    }

    @Test func `a damaged body is left out, counted, and the messages around it are served`() throws {
        let (store, entries) = try filled(5)
        try change(store, at: entries[2].physicalOffset + 100, to: 0xEE)
        try store.open()
        #expect(try read(store, .inMemory(knownFrom: .zero)).needsDisk)  // not for a loop
        let found = try served(store)
        #expect(found.bodies == [0, 1, 3, 4])
        #expect(found.result.status == .found && found.result.nextOffset == 5)
        #expect(store.store.damagedReads == 1)
    }

    @Test func `nothing but damaged messages counts as nothing that matched`() throws {
        let (store, entries) = try filled(3)
        for entry in entries.dropLast() { try change(store, at: entry.physicalOffset + 100, to: 0xEE) }
        try store.open()
        let found = try served(store, messageCount: 2)
        #expect(found.bodies.isEmpty && found.result.status == .noMatchedMessage && found.result.nextOffset == 2)
        #expect(store.store.damagedReads == 2)
    }

    @Test func `units that name another queue's records, or the middle of one, serve nothing`() throws {
        let store = try TestStore()
        let ours = try store.append(TestMessage(body: [1]))
        let other = try store.append(TestMessage(topic: "Other", body: [2]))
        try store.append(TestMessage(body: [3]))
        try store.close()
        let path = store.config.root + "/consumequeue/T/0/" + Segment.name(0)
        for offset in [other.physicalOffset, ours.physicalOffset + 3] {
            var unit = ByteBuffer()
            unit.append(bigEndian: offset)
            unit.append(bigEndian: Int32(ours.byteCount))
            try File(path, .readWrite).write(unit.span, at: 0)
            try store.open()
            #expect(try served(store).bodies == [3])
            #expect(store.store.damagedReads == 1)
            store.crash()
        }
    }

    @Test func `a damaged unit that names a place to come does not bring what another queue gets there`() throws {
        let store = try TestStore()
        let ours = try store.append(TestMessage(body: [1]))
        let last = try store.append(TestMessage(body: [2]))
        try store.close()
        var unit = ByteBuffer()
        unit.append(bigEndian: last.physicalOffset + Int64(last.byteCount))
        unit.append(bigEndian: Int32(ours.byteCount))
        let path = store.config.root + "/consumequeue/T/0/" + Segment.name(0)
        try File(path, .readWrite).write(unit.span, at: 0)
        try store.open()
        let other = try store.append(TestMessage(queueID: 1, body: [3]))
        #expect(other.physicalOffset == last.physicalOffset + Int64(last.byteCount))
        try store.settle()
        #expect(try read(store, .inMemory(knownFrom: .zero)).needsDisk)
        #expect(try served(store).bodies == [2])
    }

    @Test func `what this process wrote is not checked again`() throws {
        let (store, _) = try filled(1)
        try store.open()
        let entry = try store.append(TestMessage(body: [UInt8](repeating: 9, count: 40)))
        try store.settle()
        try change(store, at: entry.physicalOffset + 100, to: 0xEE)
        #expect(try served(store, from: 1).bodies == [9])
        #expect(store.store.damagedReads == 0)
    }
}
