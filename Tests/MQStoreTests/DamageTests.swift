import Foundation
import MQBase
import MQBytes
import MQObserve
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: queues and index that do not fit the log are named and built again from it; a log that does not hold what was on the
/// disk is named and refused. Nothing begins silently with less than there was.
@Suite struct DamageTests {
    private func filled() throws -> TestStore {
        let store = try TestStore()
        for number in 0..<700 {
            try store.append([
                TestMessage(body: .text("a \(number)"), properties: [("KEYS", "k\(number)")]),
                TestMessage(topic: "U", queueID: 2, body: .text("b \(number)")),
            ])
        }
        try store.close()
        return store
    }

    private let bodies: [[UInt8]] = (0..<700).map { .text("a \($0)") }
    private let others: [[UInt8]] = (0..<700).map { .text("b \($0)") }

    private func refusal(_ store: TestStore) -> String {
        do throws(any Error) {
            try store.open()
            return "opened"
        } catch {
            return "\(error)"
        }
    }

    enum Damage: CaseIterable {
        case short, long, zeroed, foreign, missingFile, missingFolder, empty, swapped, missingAll, oneUnit
    }

    private func damage(_ damage: Damage, _ store: TestStore) throws {
        let files = FileManager.default
        let folder = store.root.appending(path: "consumequeue/T/0")
        let last = folder.appending(path: Segment.name(12_000)).path
        switch damage {
        case .short: try File(last, .readWrite).truncate(to: 2020)
        case .long: try File(last, .readWrite).truncate(to: 6020)
        case .zeroed: try File(last, .readWrite).zero(0..<6000)
        case .foreign: try File(last, .readWrite).write([UInt8](repeating: 0x5A, count: 6000).span, at: 0)
        case .missingFile: try files.removeItem(atPath: last)
        case .missingFolder: try files.removeItem(at: folder)
        case .empty: try File(last, .replace).truncate(to: 0)
        case .swapped:
            let other = store.root.appending(path: "consumequeue/U/2/" + Segment.name(12_000)).path
            let (mine, theirs) = (try Data(contentsOf: URL(filePath: last)), try Data(contentsOf: URL(filePath: other)))
            try mine.write(to: URL(filePath: other))
            try theirs.write(to: URL(filePath: last))
        case .missingAll: try files.removeItem(at: store.root.appending(path: "consumequeue"))
        case .oneUnit: try File(last, .readWrite).write([UInt8](repeating: 1, count: 20).span, at: 99 * 20)
        }
    }

    @Test(arguments: Damage.allCases, [true, false])
    func `a damaged queue is built again`(kind: Damage, hasPoint: Bool) throws {
        let store = try filled()
        if !hasPoint {  // as RocketMQ leaves a store
            guard [.short, .long, .foreign, .swapped, .missingAll, .oneUnit].contains(kind) else { return }
            try FileManager.default.removeItem(at: store.root.appending(path: "recovery"))
        }
        try damage(kind, store)
        #expect(refusal(store) == "opened")
        #expect(try store.bodies() == bodies)
        #expect(try store.bodies("U", 2) == others)
        #expect(store.indexed("T", "k699").count == 1)
        #expect(try store.append(TestMessage()).queueOffset == 700)
        try store.close()
        #expect(refusal(store) == "opened")
        #expect(try store.bodies().count == 701)
        store.crash()
        #expect(refusal(store) == "opened")
        #expect(try store.bodies().count == 701)
    }

    @Test func `a damaged queue whose records are gone from the log is refused and left alone`() throws {
        let store = try TestStore()
        try store.append(TestMessage(topic: "Old", body: [1]))
        for _ in 0..<10 { try store.append(TestMessage(body: [UInt8](repeating: 1, count: 20_000))) }
        try store.close()
        try FileManager.default.removeItem(at: store.logFile(0))
        let file = store.root.path + "/consumequeue/Old/0/" + Segment.name(0)
        try File(file, .readWrite).truncate(to: 100)
        #expect(refusal(store).hasPrefix("\(file) has 100 bytes"))
        #expect(refusal(store).contains("the log holds no record of the queue any more"))
        #expect(try File(file, .read).byteCount() == 100)
        try FileManager.default.removeItem(atPath: file)
        try FileManager.default.removeItem(at: store.root.appending(path: "recovery"))
        #expect(refusal(store) == "opened")
    }

    @Test(arguments: [false, true])
    func `an index file with a mad header is built again`(wasClean: Bool) throws {
        let store = try filled()
        if !wasClean {
            try store.open()
            store.crash()
        }
        let folder = store.root.appending(path: "index")
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.path).min())
        let head = [UInt8](repeating: 0x7F, count: 40)
        try File(folder.path + "/" + name, .readWrite).write(head.span, at: 0)
        #expect(refusal(store) == "opened")
        for number in [0, 350, 699] { #expect(store.indexed("T", "k\(number)").count == 1) }
        #expect(store.store.index?.removed.first?.hasSuffix(name) == true)
    }

    @Test func `a log whose end was lost is refused`() throws {
        for isClean in [true, false] {
            for hasPoint in [true, false] {
                let store = try filled()
                store.now += 60_000
                try store.open()
                for _ in 0..<100 { try store.append(TestMessage(body: [UInt8](repeating: 1, count: 2000))) }
                try store.close()
                if !isClean {
                    try store.open()
                    store.crash()
                }
                if !hasPoint { try FileManager.default.removeItem(at: store.root.appending(path: "recovery")) }
                let last = store.logFile(5 << 16)
                #expect(FileManager.default.fileExists(atPath: last.path))
                let bytes = try Data(contentsOf: last)
                try File(last.path, .readWrite).zero(0..<(1 << 16))
                #expect(refusal(store).hasPrefix("\(last.path) does not hold the log: "), "\(isClean) \(hasPoint)")
                try Data(repeating: 0x11, count: 1 << 16).write(to: last)
                #expect(refusal(store).hasPrefix("\(last.path) does not hold the log: "), "\(isClean) \(hasPoint)")
                try FileManager.default.removeItem(at: last)
                #expect(refusal(store).hasPrefix("\(last.path) does not hold the log: "), "\(isClean) \(hasPoint)")
                try bytes.write(to: last)
                #expect(refusal(store) == "opened")
                #expect(try store.bodies().count == 800)
            }
        }
    }

    @Test func `a zeroed or foreign file in the middle of the log is refused`() throws {
        for bytes in [Data(count: 1 << 16), Data(repeating: 9, count: 1 << 16)] {
            let store = try filled()
            try bytes.write(to: store.logFile(1 << 16))
            #expect(
                refusal(store)
                    == "\(store.logFile(1 << 16).path) does not hold the log: it does not begin with a record; restore the file"
            )
        }
        let store = try filled()
        try Data(contentsOf: store.logFile(0)).write(to: store.logFile(1 << 16))
        #expect(refusal(store).hasSuffix("its first record belongs to offset 0; restore the file"))
    }

    /// Names of topics that would lead out of the store's folder, in the log and in the recovery point.
    @Test func `a topic's name that is a path becomes no folder and removes none`() throws {
        let store = try TestStore()
        let outside = store.folder.url.appending(path: "outside/0")
        try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
        let names = ["../../outside", "..", ".", "a/b", "", "a b"]
        for name in names { try store.append(TestMessage(topic: name, body: [1], properties: [("KEYS", "k")])) }
        try store.append(TestMessage(body: [2]))
        try store.settle()
        #expect(try store.bodies() == [[2]])
        #expect(store.indexed("..", "k").count == 1)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: store.root.appending(path: "consumequeue").path) == [
                "T"
            ])
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside.path).isEmpty)
        try store.close()
        let path = RecoveryPoint.path(in: store.root.path)
        var point = try #require(try RecoveryPoint.read(path))
        point.queues.append(
            RecoveryPoint.Queue(topic: "../../outside", queueID: 0, end: 1, lastRecord: 0))
        try point.write(path)
        #expect(refusal(store) == "opened")
        #expect(FileManager.default.fileExists(atPath: outside.path))
        #expect(try store.bodies() == [[2]])
    }

    @Test func `files behind the end go one after the other, whichever folder they are in`() throws {
        let store = try TestStore { $0.moreCommitLogPaths = [$0.root + "/more"] }
        for number in 0..<40 { try store.append(TestMessage(body: [UInt8](repeating: UInt8(number), count: 10_000))) }
        try store.crashMachine()
        try File(store.logFile(0).path, .readWrite).zero(30_000..<(1 << 16))
        let watch = DuringSync(below: store.root.path)
        defer { watch.end() }
        try store.open()
        #expect(try store.bodies().count == 2)
        var removed: [String] = []
        for change in watch.changes {
            switch change {
            case .removeFile(let path) where path.contains("/commitlog/") || path.contains("/more/"):
                removed.append(String(path.dropLast(21)))
            case .synchronizeFolder(let path) where path == removed.last: removed.removeLast()
            default: break
            }
            #expect(removed.count <= 1)
        }
        #expect(removed.isEmpty)
    }

    @Test func `a topic that was deleted does not come back as a missing queue`() throws {
        let store = try filled()
        try store.open()
        try store.store.deleteQueues(of: "U")
        try store.append(TestMessage(body: .text("a 700")))
        try store.close()
        #expect(refusal(store) == "opened")
        #expect(store.store.existingQueue("U", 2) == nil)
        #expect(try store.bodies().count == 701)
    }

    @Test func `after a failed sync the log is written again from there`() throws {
        let store = try filled()
        try store.open()
        try store.append(TestMessage(body: .text("a 700")))
        let end = store.store.flushedOffset.rawValue
        store.crash()
        try AbortFile.addUnsynced(end, to: store.root.path + "/abort")
        let content = AbortFile.read(store.root.path + "/abort")
        #expect(content?.unsyncedFrom == end)
        #expect(content?.isOfThisBoot == true)
        #expect(refusal(store) == "opened")
        #expect(try store.bodies().count == 701)
        #expect(AbortFile.read(store.root.path + "/abort")?.unsyncedFrom == nil)
    }

    @Test func `after a machine's crash the index goes back to what was synced and not to its beginning`() throws {
        let store = try TestStore { $0.indexEntryCount = 10_000 }
        for number in 0..<500 { try store.append(TestMessage(body: [1], properties: [("KEYS", "k\(number)")])) }
        try store.close()
        try store.open()
        let next = try store.append(TestMessage(body: [2], properties: [("KEYS", "k500")]))
        try store.settle()
        try store.crashMachine()
        #expect(refusal(store) == "opened")
        let from = try #require(store.store.index?.rebuildFrom)
        #expect(from > 0 && from < next.physicalOffset)
        for number in [0, 250, 499, 500] { #expect(store.indexed("T", "k\(number)").count == 1) }
    }
}
