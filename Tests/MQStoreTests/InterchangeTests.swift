import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: what Apus leaves on the disk is what RocketMQ's layout says, whoever wrote the folder first.
/// Method: a reader in Python that knows the layout alone (`python/check_store.py`) walks every file. It is first held
/// against folders that Java wrote.
@Suite struct InterchangeTests {
    @Test(arguments: GoldenStore.all)
    func `the reader finds nothing wrong with what Java wrote`(golden: GoldenStore) throws {
        let folder = try TemporaryFolder()
        let manifest = try golden.manifest()
        let config = golden.config(manifest, root: try golden.unpack(into: folder.url))
        let check = try StoreCheck.run(config, isClosed: !golden.isCrashed, isExact: false)
        // A killed Java had not dispatched its last records; nothing else may be missing.
        let expected = golden.isCrashed ? ["is in no queue", "is not in the index"] : []
        #expect(
            check.problems.allSatisfy { problem in expected.contains { problem.hasSuffix($0) || problem.contains($0) } }
        )
        #expect(check.problems.isEmpty == !golden.isCrashed)
        #expect(check.records == manifest.commitLog.recordsInFolder)
        #expect(check.logEnd == manifest.commitLog.endOfLastRecord)
        #expect(check.blanks == manifest.commitLog.endOfFileBlanks_offset_size)
    }

    @Test(arguments: GoldenStore.all, [[], ["consumequeue", "index"]])
    func `a store of Java's that Apus went on with is sound`(golden: GoldenStore, deleting: [String]) throws {
        let folder = try TemporaryFolder()
        let manifest = try golden.manifest()
        let root = try golden.unpack(into: folder.url)
        for name in deleting { try FileManager.default.removeItem(at: root.appending(path: name)) }
        var config = golden.config(manifest, root: root)
        if !deleting.isEmpty { config.isExtensionWritten.toggle() }
        let store = try TestStore(config, in: folder)
        let expected = queues(manifest)
        var count = manifest.commitLog.recordsInFolder
        for round in 0..<3 {
            for (number, queue) in expected.enumerated() {
                try store.append(
                    message(queue.topic, queue.id, number, round), at: 1_795_300_000_000 + Int64(round * 1000 + number))
                count += 1
            }
            // In the middle of it a process dies, with messages that nobody dispatched.
            if round == 1 {
                store.crash()
                try store.open()
            }
        }
        try store.close()
        let check = try StoreCheck.run(store.config)
        #expect(check.problems == [])
        #expect(check.records == count)
        #expect(check.extUnits == (config.isExtensionWritten ? check.queuedRecords : 0))
        for queue in expected {
            #expect(check.queues["\(queue.topic)/\(queue.id)"] == [queue.min, queue.max + 3], "\(queue.topic)")
        }
    }

    private func queues(_ manifest: Manifest) -> [(topic: String, id: Int, min: Int64, max: Int64)] {
        manifest.topics.flatMap { topic, entry in
            (entry.queues ?? [:]).map { (topic, Int($0.key) ?? -1, $0.value.minOffset, $0.value.maxOffset) }
        }
    }

    private func message(_ topic: String, _ id: Int, _ number: Int, _ round: Int) -> TestMessage {
        var message = TestMessage(topic: topic, queueID: id, body: [UInt8](repeating: UInt8(round), count: number * 37))
        message.properties = [
            ("KEYS", "apus r\(round) 键\(number)"), ("UNIQ_KEY", "N\(round)x\(number)"),
            ("TAGS", number % 3 == 0 ? "" : "标签A"),
        ]
        if topic == ScheduleTopic.name { message.properties.append(("DELAY", "\(id + 1)")) }
        if number % 4 == 1 { message.bornHost = MessageHost(ip: [UInt8](repeating: 0xFE, count: 16), port: 65_535) }
        if number % 5 == 2 { message.storeHost = MessageHost(ip: Array(0..<16), port: 10_911) }
        return message
    }

    @Test(arguments: seeds)
    func `a folder of Apus's own is sound, whatever was sent and however often it died`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let store = try TestStore {
            $0.isExtensionWritten = seed % 2 == 0
            $0.appendsChecksum = seed % 3 == 0
            $0.verifiesChecksum = seed % 3 == 0
        }
        var sent = 0
        for _ in 0..<12 {
            for _ in 0..<Int.random(in: 0...60, using: &random) {
                try store.append(randomMessage(&random, sent))
                sent += 1
                if Int.random(in: 0..<20, using: &random) == 0 { try store.settle() }
            }
            if Bool.random(using: &random) { store.crash() } else { try store.close() }
            try store.open()
        }
        try store.close()
        let check = try StoreCheck.run(store.config)
        #expect(check.problems == [])
        #expect(check.records == sent)
        #expect(check.gaps == 0)
        #expect(check.extUnits == (seed % 2 == 0 ? check.queuedRecords : 0))
        #expect(check.crcRecords == (seed % 3 == 0 ? sent : 0))
        #expect(!check.names.contains("abort"))
    }

    private func randomMessage(_ random: inout SeededRandom, _ number: Int) -> TestMessage {
        let topics = ["T", "%RETRY%g", String(repeating: "长", count: 50), String(repeating: "v", count: 128), "U"]
        var message = TestMessage(
            topic: topics.randomElement(using: &random) ?? "T", queueID: Int.random(in: 0..<3, using: &random),
            body: (0..<Int.random(in: 0...3000, using: &random)).map { _ in .random(in: .min ... .max, using: &random) }
        )
        let flags: [SysFlag] = [
            [], .compressed, .transactionPrepared, .transactionCommit, .transactionRollback, .multiTags,
        ]
        message.sysFlag = flags.randomElement(using: &random) ?? []
        if Bool.random(using: &random) { message.bornHost = MessageHost(ip: Array(0..<16), port: -1) }
        if Bool.random(using: &random) { message.storeHost = MessageHost(ip: Array(16..<32), port: .min) }
        if Bool.random(using: &random) { message.properties.append(("KEYS", "k\(number) same \u{1F600}")) }
        if Bool.random(using: &random) { message.properties.append(("TAGS", "Tag\(number % 7)\u{1F600}")) }
        if Bool.random(using: &random) { message.properties.append(("UNIQ_KEY", "U\(number)")) }
        return message
    }
}

/// Goal: whatever bytes lie in a store's files, opening and reading ends with an answer and never with a trap.
@Suite struct NoiseTests {
    /// Numbers that arithmetic is most likely to stumble over.
    private static let extremes: [Int64] = [
        .min, .min + 1, -2_147_483_649, -2_147_483_648, -1, 0, 1, 19, 20, 0x7FFF_FFFF, 0x8000_0000, .max / 20,
        .max - 20,
        .max - 1, .max,
    ]

    private func damage(_ path: String, _ random: inout SeededRandom) throws {
        let file = try File(path, .readWrite)
        let length = try file.byteCount()
        for _ in 0..<Int.random(in: 1...40, using: &random) {
            var bytes = ByteBuffer()
            let number = Self.extremes.randomElement(using: &random) ?? 0
            if Bool.random(using: &random) {
                bytes.append(bigEndian: number)
            } else {
                bytes.append(bigEndian: Int32(truncatingIfNeeded: number))
            }
            // Units, slots and headers lie at multiples of four.
            let at = Int.random(in: 0..<max(1, min(length, 4000) / 4 - 2), using: &random) * 4
            try file.write(bytes.span, at: at)
        }
    }

    private func files(below folder: URL) throws -> [String] {
        let all = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        var paths: [String] = []
        while let url = all?.nextObject() as? URL {
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), !isFolder.boolValue {
                paths.append(url.path)
            }
        }
        return paths.sorted()
    }

    @Test(arguments: GoldenStore.all, seeds)
    func `a store with noise in its files answers or refuses`(golden: GoldenStore, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let manifest = try golden.manifest()
        for place in ["consumequeue", "index", "checkpoint", "commitlog", "consumequeue_ext"] {
            let folder = try TemporaryFolder()
            let root = try golden.unpack(into: folder.url)
            let target = root.appending(path: place)
            var paths = try files(below: target)
            if paths.isEmpty, FileManager.default.fileExists(atPath: target.path) { paths = [target.path] }
            for path in paths.shuffled(using: &random).prefix(12) { try damage(path, &random) }
            let store: TestStore
            do { store = try TestStore(golden.config(manifest, root: root), in: folder) } catch {
                #expect(place == "commitlog", "\(error)")  // whatever else is noise is built again
                continue
            }
            var units = ByteBuffer()
            for (topic, entry) in manifest.topics {
                for id in (entry.queues ?? [:]).keys.compactMap(Int.init) {
                    guard let queue = store.store.existingQueue(topic, id) else { continue }
                    for offset in Self.extremes + [queue.minOffset, (queue.minOffset + queue.maxOffset) / 2] {
                        _ = try store.store.read(queue, from: offset, limits: ReadLimits(), units: &units) { $0 != 7 }
                        _ = try store.store.searchOffset(queue, timestamp: offset, isUpper: Bool.random(using: &random))
                    }
                }
            }
            for query in manifest.queryByKey { _ = store.indexed(query.topic, query.key) }
            try store.append(TestMessage(topic: "gold_normal", properties: [("KEYS", "k"), ("TAGS", "x")]))
            try store.settle()
        }
    }
}

/// Goal: a log whose files lie in several folders is one log, as Java's `storePathCommitLog=a,b` has it.
@Suite struct SeveralFolderTests {
    private func names(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    @Test func `files go round through the folders and are read from all of them`() throws {
        let store = try TestStore { config in
            config.moreCommitLogPaths = ["b", "c"].map { config.root + "/log-" + $0 }
        }
        let body = [UInt8](repeating: 5, count: 10_000)
        for _ in 0..<40 { try store.append(TestMessage(body: body)) }
        try store.close()
        let size = Int64(store.config.commitLogFileByteCount)
        for (number, folder) in store.config.commitLogPaths.enumerated() {
            let starts = try names(folder).compactMap { Int64($0) }
            #expect(!starts.isEmpty && starts.allSatisfy { $0 / size % 3 == Int64(number) }, "\(folder) \(starts)")
        }
        #expect(try StoreCheck.run(store.config).problems == [])
        try store.open()
        #expect(try store.bodies() == Array(repeating: body, count: 40))
        try store.append(TestMessage(body: [1]))
        store.crash()
        // A log that was in one folder goes on in several, and back, wherever its files lie.
        store.config.moreCommitLogPaths.reverse()
        try store.open()
        #expect(try store.bodies().count == 41)
        store.crash()
        store.config.moreCommitLogPaths.removeLast()
        #expect(throws: StoreOpenError.self) { try store.open() }
    }

    @Test(arguments: GoldenStore.all)
    func `a log of Java's that lies in two folders opens`(golden: GoldenStore) throws {
        let folder = try TemporaryFolder()
        let manifest = try golden.manifest()
        let root = try golden.unpack(into: folder.url)
        var config = golden.config(manifest, root: root)
        config.moreCommitLogPaths = [root.path + "/second"]
        try FileManager.default.createDirectory(atPath: config.moreCommitLogPaths[0], withIntermediateDirectories: true)
        for (number, name) in try names(config.commitLogPath).enumerated() where number % 2 == 1 {
            try FileManager.default.moveItem(
                atPath: config.commitLogPath + "/" + name, toPath: config.moreCommitLogPaths[0] + "/" + name)
        }
        let store = try TestStore(config, in: folder)
        #expect(store.store.writtenOffset.rawValue == manifest.commitLog.endOfLastRecord)
        for number in 0..<30 {
            let message = TestMessage(body: [UInt8](repeating: 1, count: 100_000))
            try store.append(message, at: 1_795_300_000_000 + Int64(number))
        }
        try store.close()
        let check = try StoreCheck.run(store.config)
        #expect(check.problems == [])
        #expect(check.records == manifest.commitLog.recordsInFolder + 30)
    }
}
