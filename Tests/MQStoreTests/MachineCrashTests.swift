import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: after a crash of the machine at any moment, what was flushed is there, at its offset and once, and the rest of
/// each queue is some of what was sent behind it, in order.
/// Method: a store runs a random course; at the crash every sector of the log behind the last flush, and every page of
/// queues and index behind their last sync, is kept or lost by chance, and the checkpoint is any one since the start.
@Suite struct MachineCrashTests {
    @Test(arguments: seeds, [false, true])
    func `what was flushed survives the machine`(seed: UInt64, isSynchronous: Bool) throws {
        let course = try Course(seed: seed, isSynchronous: isSynchronous)
        for _ in 0..<12 {
            for _ in 0..<Int.random(in: 1...12, using: &course.random) { try course.step() }
            if Int.random(in: 0..<4, using: &course.random) == 0 {
                try course.closeAndOpen()
            } else {
                try course.crashAndOpen()
            }
        }
    }
}

/// One random course of a store, with what it must remember.
private final class Course {
    static let queueCount = 3
    let store: TestStore
    var random: SeededRandom
    private var history = StoreHistory()
    private var number = 0
    /// Units of each queue that are on the disk.
    private var syncedUnits = [Int64](repeating: 0, count: queueCount)
    /// Index files that are on the disk.
    private var syncedIndex: Set<String> = []
    private var checkpoints: [[UInt8]] = []
    /// The newest index file as it was synced, by name.
    private var partIndex: [String: [UInt8]] = [:]

    init(seed: UInt64, isSynchronous: Bool) throws {
        random = SeededRandom(seed: seed)
        store = try TestStore { $0.isFlushSynchronous = isSynchronous }
        remember()
    }

    private func file(_ path: String) -> URL { store.root.appending(path: path) }

    private func remember() {
        if let bytes = try? Data(contentsOf: file("checkpoint")) { checkpoints.append(Array(bytes)) }
    }

    func step() throws {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: try store.store.flusher.flush()
        case 1: try store.store.dispatcher.catchUp { _ in }
        case 2:
            try store.settle()
            try keep()
        default: try send()
        }
        remember()
    }

    private func send() throws {
        store.now += Int64.random(in: 0...3000, using: &random)
        let messages = (0..<Int.random(in: 1...60, using: &random)).map { _ -> TestMessage in
            number += 1
            let body: [UInt8] =
                .text("\(number) ") + [UInt8](repeating: 65, count: .random(in: 0...800, using: &random))
            return TestMessage(
                queueID: Int.random(in: 0..<Self.queueCount, using: &random), body: body,
                properties: [("UNIQ_KEY", "U\(number)"), ("KEYS", "a b")])
        }
        history.add(try store.send(messages))
    }

    private func keep() throws {
        if let point = try store.store.keep() { #expect(try store.store.writePoint(point)) }
        for queue in 0..<Self.queueCount { syncedUnits[queue] = unitCount(queue) }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: file("index").path)) ?? []
        syncedIndex.formUnion(names.sorted().dropLast())
        partIndex = [:]
        if let last = names.max() { partIndex[last] = Array(try Data(contentsOf: file("index/" + last))) }
    }

    private func unitCount(_ queue: Int) -> Int64 { store.store.existingQueue("T", queue)?.maxOffset ?? 0 }

    // MARK: - Ends

    func closeAndOpen() throws {
        try store.close()
        try store.open()
        try compare(flushed: .max)
        allIsSynced()
    }

    func crashAndOpen() throws {
        let flushed = store.store.flushedOffset.rawValue
        let written = store.store.writtenOffset.rawValue
        try store.crashMachine()
        try loseLog(from: flushed, to: written)
        try loseQueues()
        try loseIndex()
        if let checkpoint = checkpoints.randomElement(using: &random) {
            try Data(checkpoint).write(to: file("checkpoint"))
            checkpoints = [checkpoint]
        }
        if Bool.random(using: &random) { try Data("17".utf8).write(to: file("abort")) }  // as RocketMQ would leave it
        try store.open()
        try compare(flushed: flushed)
        // What recovery wrote is in the page cache only, but the log was synced.
        for queue in 0..<Self.queueCount { syncedUnits[queue] = min(syncedUnits[queue], unitCount(queue)) }
        remember()
    }

    private func allIsSynced() {
        for queue in 0..<Self.queueCount { syncedUnits[queue] = unitCount(queue) }
        partIndex = [:]
        syncedIndex = Set((try? FileManager.default.contentsOfDirectory(atPath: file("index").path)) ?? [])
        checkpoints = []
        remember()
    }

    private func loseLog(from flushed: Int64, to written: Int64) throws {
        let keeps = Int.random(in: 0...10, using: &random)
        var offset = flushed
        while offset < written {
            let next = min(written, (offset / 512 + 1) * 512)
            if Int.random(in: 0..<10, using: &random) >= keeps {
                try store.overwriteLog([UInt8](repeating: 0, count: Int(next - offset)), at: Int(offset))
            }
            offset = next
        }
    }

    private func loseQueues() throws {
        for queue in 0..<Self.queueCount {
            let folder = file("consumequeue/T/\(queue)")
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] {
                let start = Int(name) ?? 0
                let durable = max(0, Int(syncedUnits[queue]) * 20 - start)
                if durable == 0, Int.random(in: 0..<6, using: &random) == 0 {
                    try FileManager.default.removeItem(at: folder.appending(path: name))
                } else {
                    try losePages(folder.appending(path: name).path, from: durable)
                }
            }
        }
    }

    private func loseIndex() throws {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: file("index").path)) ?? []
        where !syncedIndex.contains(name) {
            try losePages(file("index/" + name).path, from: 0, to: partIndex[name])
        }
    }

    /// - Parameter synced: what was on the disk before; nothing was otherwise.
    private func losePages(_ path: String, from start: Int, to synced: [UInt8]? = nil) throws {
        let file = try File(path, .readWrite)
        let end = try file.byteCount()
        var offset = start
        while offset < end {
            let next = min(end, (offset / 4096 + 1) * 4096)
            if Int.random(in: 0..<3, using: &random) == 0 {
                let old = synced.map { Array($0[offset..<next]) } ?? [UInt8](repeating: 0, count: next - offset)
                try file.write(old.span, at: offset)
            }
            offset = next
        }
    }

    /// - Parameter flushed: what must be there.
    private func compare(flushed: Int64) throws {
        let count = try history.check(store, required: flushed, StorePromise())
        history = history.prefix(count)
    }
}
