import Foundation
import MQBase
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: a disk that is really full loses nothing and stops nothing for good, whichever file meets it.
/// Method: queues and index on a small file system that is filled and emptied; the log on another.
@Suite struct DiskFullTests {
    /// The log is on a disk with room, queues and index on the small one.
    private func store(on disk: SmallDisk, isIndexEnabled: Bool) throws -> TestStore {
        let logFolder = try TemporaryFolder()
        return try TestStore(
            {
                var config = StoreConfig(root: disk.path + "/store")
                config.commitLogPath = logFolder.url.path + "/commitlog"
                config.commitLogFileByteCount = 1 << 20
                config.consumeQueueFileByteCount = 6000
                config.indexSlotCount = 100
                config.indexEntryCount = 400
                config.fillsFilesAhead = false
                config.isIndexEnabled = isIndexEnabled
                return config
            }(), in: logFolder)
    }

    private func message(_ number: Int) -> TestMessage {
        TestMessage(
            queueID: number % 3, body: [UInt8](repeating: UInt8(number % 250), count: 50),
            properties: [("KEYS", "k\(number) all")])
    }

    private func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(20) {
            if try condition() { return true }
            SystemClock.sleep(milliseconds: 5)
        }
        return false
    }

    @Test(arguments: [true, false], [false, true])
    func `no room for queues or index stops dispatch until there is`(isIndexEnabled: Bool, isStopped: Bool) throws {
        guard let disk = SmallDisk(kilobytes: 400) else { return }
        let store = try store(on: disk, isIndexEnabled: isIndexEnabled)
        store.start()
        var sent = 0
        for _ in 0..<10 {
            try store.append(message(sent))
            sent += 1
        }
        let isDispatched = eventually { store.store.dispatchedOffset == store.store.writtenOffset }
        #expect(isDispatched)
        try disk.fill()
        var isRefused = false
        while sent < 20_000, !isRefused {
            do {
                try store.append(message(sent))
                sent += 1
            } catch AppendError.diskFull {
                isRefused = true
            }
        }
        #expect(isRefused)
        #expect(store.store.isDiskFull)
        #expect(store.store.fenceReason == nil)
        #expect(try store.bodies("T", 0).count >= 4)  // reading goes on
        if isStopped {
            store.store.stop()
            try disk.empty()
            store.crash()
            try store.open()
        } else {
            try disk.empty()
            let isTaken = eventually { !store.store.isDiskFull }
            #expect(isTaken)
            try store.append(message(sent))
            sent += 1
            let isDispatched = eventually { store.store.dispatchedOffset == store.store.writtenOffset }
            #expect(isDispatched)
        }
        for queue in 0..<3 {
            let bodies = try store.bodies("T", queue).compactMap(\.first)
            #expect(bodies == stride(from: queue, to: sent, by: 3).map { UInt8($0 % 250) })
        }
        if isIndexEnabled {
            for number in stride(from: 0, to: sent, by: 7) { #expect(store.indexed("T", "k\(number)").count == 1) }
            let all = store.store.indexedOffsets(topic: "T", key: "all", time: 0...(.max / 2), limit: 1 << 20)
            #expect(all.offsets.count == sent)
            #expect(Set(all.offsets).count == sent)
        }
        if !isStopped { store.store.stop() }
        store.forget()
    }

    @Test func `a store opens on a full disk, shows what it has, and takes messages when there is room`() throws {
        guard let disk = SmallDisk(kilobytes: 400) else { return }
        let store = try store(on: disk, isIndexEnabled: false)
        for number in 0..<30 { try store.append(message(number)) }
        try store.settle()
        let point = try #require(try store.store.keep())
        #expect(try store.store.writePoint(point))
        try disk.fill()
        var sent = 30
        while sent < 2000 {  // more units than their files have room for
            try store.append(message(sent))
            sent += 1
        }
        #expect(throws: SystemError.self) { try store.store.dispatcher.catchUp { _ in } }
        store.crash()
        try store.open()
        #expect(store.store.isDiskFull)
        #expect(try store.bodies("T", 0).count >= 10)
        #expect(throws: AppendError.diskFull) { try store.append(message(sent)) }
        store.start()
        #expect(store.store.isDiskFull)
        try disk.empty()
        let isTaken = eventually { !store.store.isDiskFull }
        #expect(isTaken)
        let entry = try store.append(message(sent))
        #expect(entry.queueOffset == Int64(sent / 3))
        let isDispatched = eventually { store.store.dispatchedOffset == store.store.writtenOffset }
        #expect(isDispatched)
        for queue in 0..<3 {
            let bodies = try store.bodies("T", queue).compactMap(\.first)
            #expect(bodies == stride(from: queue, to: sent + 1, by: 3).map { UInt8($0 % 250) })
        }
        store.store.stop()
        store.forget()
    }
}
