import Foundation
import MQBase
import MQBytes
import MQMessage
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: after a crash everything that was written is found, what was torn is cut, and nothing that was cut comes back.
/// Method: stores that end without a stop; their last bytes are then changed as a machine's crash would leave them.
@Suite struct CrashTests {
    private func bodies(_ count: Int) -> [[UInt8]] { (0..<count).map { .text("message \($0)") } }

    private func filled(_ count: Int, _ change: (inout StoreConfig) -> Void = { _ in }) throws -> TestStore {
        let store = try TestStore(change)
        for body in bodies(count) {
            try store.append(TestMessage(body: body, properties: [("KEYS", "k\(body.count)"), ("TAGS", "A")]))
        }
        return store
    }

    @Test func `a clean stop leaves no abort file and the next start finds everything`() throws {
        let store = try filled(100)
        try store.close()
        try store.open()
        #expect(try store.bodies() == bodies(100))
        #expect(try store.append(TestMessage()).queueOffset == 100)
    }

    @Test func `a crash before anything was dispatched loses nothing`() throws {
        let store = try filled(3000)
        store.crash()
        try store.open()
        #expect(try store.bodies() == bodies(3000))
        #expect(store.indexed("T", "k9").count == 10)
        #expect(try store.append(TestMessage()).queueOffset == 3000)
    }

    @Test(arguments: [Tear.zeroes, .noise, .ones])
    func `a torn last record is cut wherever it is torn, and the log goes on`(tear: Tear) throws {
        let store = try filled(5)
        let last = try store.append(
            TestMessage(body: .text("the last message"), properties: [("KEYS", "last"), ("TAGS", "B")]))
        try store.settle()
        try store.crashMachine()
        let whole = Array(try Data(contentsOf: store.logFile(0)))
        let start = Int(last.physicalOffset)
        for cut in 0..<last.byteCount {
            var torn = whole
            for index in (start + cut)..<(start + last.byteCount) { torn[index] = tear.byte(torn[index], index) }
            let isWhole = torn == whole
            try Data(torn).write(to: store.logFile(0))
            try store.open()
            let expected = isWhole ? bodies(5) + [.text("the last message")] : bodies(5)
            let found = try store.bodies()
            // Only the fields that no checksum covers may pass: the record is there then, and can be read.
            #expect(found == expected || found.count == 6, "torn at \(cut)")
            let entry = try store.append(TestMessage(body: .text("after \(cut)")))
            #expect(entry.queueOffset == Int64(found.count))
            try store.settle()
            #expect(try store.bodies() == found + [.text("after \(cut)")])
            store.crash()
            try store.open()
            #expect(try store.bodies() == found + [.text("after \(cut)")], "opened again, torn at \(cut)")
            try store.crashMachine()
            try FileManager.default.removeItem(at: store.root.appending(path: "consumequeue"))
            try FileManager.default.removeItem(at: store.root.appending(path: "index"))
        }
    }

    enum Tear: Sendable {
        case zeroes, noise, ones
        func byte(_ byte: UInt8, _ index: Int) -> UInt8 {
            switch self {
            case .zeroes: 0
            case .ones: 0xFF
            case .noise: byte ^ UInt8(truncatingIfNeeded: index &* 151 | 1)
            }
        }
    }

    @Test func `a last record whose properties were lost is cut, and zeroes that were sent are not`() throws {
        let store = try filled(5)
        let kept = TestMessage(body: .text("kept"), properties: [("P", "a\0b" + String(repeating: "\0", count: 20))])
        try store.append(kept)
        store.crash()
        try store.open()
        #expect(try store.bodies() == bodies(5) + [.text("kept")])
        let last = try store.append(
            TestMessage(
                body: .text("last"), properties: [("P", String(repeating: "x", count: 2000)), ("KEYS", "last")]))
        store.crash()
        let end = Int(last.physicalOffset) + last.byteCount
        try store.overwriteLog([UInt8](repeating: 0, count: end % 512), at: end / 512 * 512)
        try store.open()
        #expect(try store.bodies() == bodies(5) + [.text("kept")])
        #expect(store.store.writtenOffset.rawValue == last.physicalOffset)
    }

    @Test func `old bytes behind the end never come back`() throws {
        let store = try filled(10)
        try store.settle()
        let entries = try store.append((0..<20).map { _ in TestMessage(body: .text("unlucky!")) })
        store.crash()
        // A page of the machine's crash: the first of the twenty is gone, the others are still there.
        try store.overwriteLog([UInt8](repeating: 0, count: entries[0].byteCount), at: Int(entries[0].physicalOffset))
        try store.open()
        #expect(try store.bodies() == bodies(10))
        for number in 0..<5 {  // of the same size, so that the old ones would lie at the end again
            try store.append(TestMessage(body: .text("lucky \(number)!")))
            try store.settle()
            store.crash()
            try store.open()
            #expect(try store.bodies() == bodies(10) + (0...number).map { .text("lucky \($0)!") })
        }
    }

    @Test func `a broken place before records that were on the disk stops the start`() throws {
        let store = try filled(50)
        let victim = try store.append(TestMessage(body: .text("victim")))
        for _ in 0..<50 { try store.append(TestMessage(body: .text("later"))) }
        store.now += 60_000
        try store.append(TestMessage(body: .text("much later")))
        try store.settle()
        store.crash()
        try store.overwriteLog([0xEE], at: Int(victim.physicalOffset) + 90)
        do {
            try store.open()
            Issue.record("the store opened and has lost messages")
        } catch {
            #expect("\(error)".contains("the log is broken at offset \(victim.physicalOffset)"))
            #expect("\(error)".contains(store.logFile(0).path))
        }
        try store.overwriteLog([UInt8(ascii: "c")], at: Int(victim.physicalOffset) + 90)  // mended by hand
        try store.open()
        #expect(try store.bodies().count == 102)
    }

    @Test func `a queue page that was lost is built again`() throws {
        let store = try filled(1000)
        try store.settle()
        store.crash()
        // Units 310 to 330 never reached the disk, later ones did.
        let file = try File(store.root.path + "/consumequeue/T/0/" + Segment.name(6000), .readWrite)
        try file.write([UInt8](repeating: 0, count: 400).span, at: 200)
        try store.open()
        #expect(try store.bodies() == bodies(1000))
    }

    @Test func `a torn queue file and a torn folder are built again`() throws {
        let store = try filled(1000)
        try store.settle()
        store.crash()
        let folder = store.root.appending(path: "consumequeue/T/0")
        try FileManager.default.removeItem(at: folder.appending(path: Segment.name(12000)))
        try Data().write(to: folder.appending(path: Segment.name(18000)))
        try store.open()
        #expect(try store.bodies() == bodies(1000))
    }

    @Test func `rebuilding that is interrupted goes on at the next start`() throws {
        let store = try filled(3000)
        for number in 0..<500 { try store.append(TestMessage(topic: "U", body: .text("\(number)"))) }
        store.now += 600_000
        try store.append(TestMessage(topic: "U", body: .text("end")))
        try store.close()
        try FileManager.default.removeItem(at: store.root.appending(path: "consumequeue"))
        // The queues of the log's first file only, as if the process had been killed there.
        let copy = try TemporaryFolder()
        var config = store.config
        config.root = copy.url.appending(path: "store").path
        config.commitLogPath = config.root + "/commitlog"
        try FileManager.default.copyItem(at: store.root, to: URL(filePath: config.root))
        for name in try FileManager.default.contentsOfDirectory(atPath: config.commitLogPath)
        where name != Segment.name(0) {
            try FileManager.default.removeItem(atPath: config.commitLogPath + "/" + name)
        }
        for name in ["recovery", "checkpoint"] {
            try FileManager.default.removeItem(atPath: config.root + "/" + name)
        }
        let part = try TestStore(config, in: copy)
        part.crash()
        try FileManager.default.copyItem(
            at: part.root.appending(path: "consumequeue"), to: store.root.appending(path: "consumequeue"))
        try Data("1\n".utf8).write(to: store.root.appending(path: "abort"))
        try store.open()
        #expect(try store.bodies() == bodies(3000))
        #expect(try store.bodies("U", 0).count == 501)
    }

    @Test func `half messages at the end survive a clean stop and a crash`() throws {
        let store = try filled(10)
        let half = TestMessage(body: .text("half"), properties: [("KEYS", "half")], sysFlag: .transactionPrepared)
        let entries = try store.append([half, half, half])
        for isClean in [true, false, true] {
            if isClean { try store.close() } else { store.crash() }
            try store.open()
            #expect(try store.bodies() == bodies(10))
            #expect(store.store.writtenOffset.rawValue == entries[2].physicalOffset + Int64(entries[2].byteCount))
            #expect(store.indexed("T", "half") == entries.map(\.physicalOffset))
        }
        #expect(try store.append(TestMessage()).queueOffset == 10)
    }

    @Test func `a topic that was deleted and made again keeps its new messages`() throws {
        let store = try filled(100)
        try store.settle()
        try store.store.deleteQueues(of: "T")
        for number in 0..<5 { try store.append(TestMessage(body: .text("new \(number)"))) }
        try store.settle()
        let wanted: [[UInt8]] = (0..<5).map { .text("new \($0)") }
        #expect(try store.bodies() == wanted)
        store.crash()
        try store.open()
        #expect(try store.bodies() == wanted)
        try store.close()
        try FileManager.default.removeItem(at: store.root.appending(path: "consumequeue"))
        try store.open()
        #expect(try store.bodies() == wanted)
        #expect(try store.append(TestMessage()).queueOffset == 5)
    }

    @Test func `messages that were not dispatched when their topic was deleted do not hide new ones`() throws {
        let store = try filled(100)
        try store.settle()
        for number in 0..<5 { try store.append(TestMessage(body: .text("late \(number)"))) }
        let held = store.store.queue("T", 0)
        try store.store.deleteQueues(of: "T")
        try store.settle()
        #expect(held.maxOffset == 0)
        #expect(store.store.queue("T", 0) === held)  // loops hold it
        for number in 0..<5 { try store.append(TestMessage(body: .text("new \(number)"))) }
        try store.settle()
        #expect(try store.bodies() == (0..<5).map { .text("new \($0)") })
    }

    @Test func `a file that was being made is made again`() throws {
        let store = try filled(10)
        try store.settle()
        store.crash()
        try Data(count: 4096).write(to: store.logFile(1 << 16))
        try store.open()
        #expect(try store.bodies() == bodies(10))
        try store.append((0..<10).map { _ in TestMessage(body: [UInt8](repeating: 1, count: 20_000)) })
        try store.settle()
        #expect(try store.bodies().count == 20)
    }

    @Test func `the checkpoint never tells more than is on the disk`() throws {
        let store = try TestStore { $0.isFlushSynchronous = true }
        try store.append(TestMessage(), at: 1_000_000)
        #expect(store.store.dispatchedOffset == .zero)
        try store.settle()
        try store.append(TestMessage(), at: 2_000_000)
        let checkpoint = try Checkpoint(store.root.path + "/checkpoint").current
        #expect(checkpoint.log == 1_000_000)
        #expect(checkpoint.queues == 0)
        try store.close()
        let closed = try Checkpoint(store.root.path + "/checkpoint").current
        #expect(closed.log == 2_000_000)
        #expect(closed.queues == 2_000_000)
    }

    @Test func `a checkpoint of noise is no reason to stop`() throws {
        for byte: UInt8 in [0x80, 0x7F, 0xFF] {
            let store = try filled(10)
            try store.settle()
            store.crash()
            try Data([UInt8](repeating: byte, count: 4096)).write(to: store.root.appending(path: "checkpoint"))
            try store.open()
            #expect(try store.bodies() == bodies(10))
            store.crash()
            try Data([1, 2]).write(to: store.root.appending(path: "checkpoint"))
            try store.open()
            #expect(try store.bodies() == bodies(10))
        }
    }
}
