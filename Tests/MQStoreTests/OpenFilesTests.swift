import Foundation
import MQBase
import MQBytes
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: files cost a descriptor, a mapping and page tables while they are used, however many there are.
@Suite struct OpenFilesTests {
    private func descriptors(below root: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0))?.hasPrefix(root) == true
        }.count
    }

    private func mappings(of root: String) throws -> Int {
        try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n").filter {
            $0.contains(root + "/commitlog")
        }.count
    }

    @Test func `old files of the log are opened to be read and not all kept`() throws {
        let store = try TestStore {
            $0.hotByteCount = 3 << 16
            $0.mappedFilesMax = 8
        }
        for number in 0..<360 {
            try store.append(TestMessage(body: [UInt8](repeating: UInt8(number % 250), count: 10_000)))
        }
        try store.settle()
        try store.close()
        try store.open()
        let root = store.config.root
        #expect(store.store.log.files.count == 60)
        // Recovery looks at the last file; index, lock and checkpoint have descriptors of their own.
        #expect(try mappings(of: root) <= 2)
        #expect(try descriptors(below: root) <= 8)
        for round in 0..<2 {
            #expect(try store.bodies().count == 360)
            #expect(try mappings(of: root) <= 8 + 1 + 4, "round \(round)")
        }
        #expect(try descriptors(below: root) <= 8)
        let clock = store.store.log.unmapUnused(since: 0)
        _ = store.store.log.unmapUnused(since: clock + 1)
        // Only the recent ones stay.
        #expect(try mappings(of: root) <= 4)
        #expect(try store.bodies().count == 360)
    }

    @Test func `a file that is complete and on the disk gives its descriptor back`() throws {
        let store = try TestStore()
        for number in 0..<60 {
            try store.append(TestMessage(body: [UInt8](repeating: UInt8(number), count: 10_000)))
            try store.settle()
        }
        #expect(try descriptors(below: store.config.root + "/commitlog") <= 2)
        #expect(try store.bodies().count == 60)
    }

    @Test func `many queues share few descriptors`() throws {
        let store = try TestStore { $0.openQueueFilesMax = 16 }
        for round in 0..<4 {
            for queue in 0..<200 {
                try store.append(TestMessage(queueID: queue, body: [UInt8(round)]))
            }
            try store.settle()
            try store.store.keep(isClosing: false)
        }
        #expect(store.store.queues.openCount <= 18)
        for queue in 0..<200 { #expect(try store.bodies("T", queue) == [[0], [1], [2], [3]]) }
        #expect(try descriptors(below: store.config.root + "/consumequeue") <= 18)
        try store.close()
        try store.open()
        #expect(store.store.queues.openCount <= 18)
        for queue in 0..<200 { #expect(try store.bodies("T", queue) == [[0], [1], [2], [3]]) }
        try store.store.deleteQueues(of: "T")
        #expect(store.store.queues.openCount == 0)
    }

    private final class Item: Reopenable {
        let lastUse: Int
        let isBusy: Bool
        let isKept: Bool
        let isClosed = Lock(false)

        init(_ lastUse: Int, isBusy: Bool = false, isKept: Bool = false) {
            self.lastUse = lastUse
            self.isBusy = isBusy
            self.isKept = isKept
        }

        func close() { isClosed.withLock { $0 = true } }
    }

    @Test func `what was used longest ago is closed first, what is busy last, what is kept never`() {
        let files = OpenFiles<Item>(max: 3)
        let items = [Item(5), Item(1, isKept: true), Item(2, isBusy: true), Item(9), Item(3)]
        for item in items { files.add(item) }
        #expect(items.map { $0.isClosed.withLock { $0 } } == [true, false, false, false, false])
        #expect(files.count == 4)
        files.closeUnused(since: 10)
        #expect(items.map { $0.isClosed.withLock { $0 } } == [true, false, false, true, true])
        files.remove(items[2])
        #expect(files.count == 1)
    }

    @Test func `a file that is given up is unmapped behind its last reader, and not by it`() throws {
        let store = try TestStore { $0.mappedFilesMax = 1 }
        for number in 0..<20 { try store.append(TestMessage(body: [UInt8](repeating: UInt8(number), count: 20_000))) }
        try store.settle()
        let segment = store.store.log.files[0]
        var reader: Mapping? = try segment.mapping
        weak let mapping = reader
        segment.close()
        store.store.log.unmapUnread()
        #expect(mapping != nil)
        reader = nil
        #expect(mapping != nil)
        _ = reader
        store.store.log.unmapUnread()
        #expect(mapping == nil)
    }
}
