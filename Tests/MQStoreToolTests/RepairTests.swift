import Foundation
import Glibc
import MQBase
import MQBytes
import MQMessage
import MQStore
import MQSystem
import MQTestKit
import Testing

@testable import MQStoreTool

/// Goal: what repair leaves is sound, is what Java said, and nothing of the old is gone. Method: stores that Java wrote,
/// broken, repaired, verified and opened.
@Suite struct RepairTests {
    private static let sizes = ["--queue-file-size=6000", "--index-slots=1000", "--index-entries=4000"]

    private func repair(_ store: StoreCopy, _ more: String...) -> (code: Int32, output: String, errors: String) {
        var output = ""
        var errors = ""
        let code = StoreCommand.run(
            ["repair", store.root] + Self.sizes + more, output: { output += $0 }, complain: { errors += $0 })
        return (code, output, errors)
    }

    @Test(arguments: Golden.versions, ["clean", "crashed"])
    func `queues and index are built again as Java had them`(version: String, state: String) throws {
        let store = try StoreCopy(version: version, state: state)
        try store.swap("consumequeue/gold_normal/0", "consumequeue/gold_normal/1")
        try store.remove("consumequeue/gold_single-q")
        try store.remove("index/" + (try #require(try store.names("index").last)))
        let broken = try store.verify()
        #expect(broken.report.count(.error) + broken.report.count(.recovery) > 20)
        let result = repair(store)
        #expect(result.code == 0, "\(result)")
        let outcome = try store.verify()
        #expect(outcome.texts.filter { !$0.hasPrefix("note") } == [])
        #expect(try store.names(".").filter { $0.contains(".before-") }.count == 2)
        #expect(try !store.names(".").contains("repair.tmp"))
        try compareWithManifest(store)
    }

    private func compareWithManifest(_ store: StoreCopy) throws {
        let opened = try store.open()
        for (topic, queues) in store.queues {
            for (id, messages) in queues where !messages.isEmpty {
                let queue = try #require(opened.existingQueue(topic, id), "\(topic) \(id)")
                #expect(queue.minOffset == messages[0].queueOffset)
                #expect(queue.maxOffset == messages[messages.count - 1].queueOffset + 1, "\(topic) \(id)")
                for message in messages {
                    let unit = try queue.unit(at: message.queueOffset)
                    #expect(unit?.physicalOffset == Int64(message.physicalOffset))
                    #expect(unit?.size == Int32(message.size))
                }
            }
        }
        #expect(opened.writtenOffset.rawValue == Int64(store.endOfLastRecord))
    }

    @Test func `a store without queues and index gets them`() throws {
        let store = try StoreCopy()
        try store.remove("consumequeue")
        try store.remove("index")
        #expect(repair(store).code == 0)
        #expect(try store.verify().exitCode == 0)
        try compareWithManifest(store)
    }

    @Test func `a torn end is cut only when that is allowed, and a copy stays`() throws {
        let store = try StoreCopy(state: "crashed")
        let end = store.logPlace(store.endOfLastRecord)
        let torn: [UInt8] = [0, 0, 4, 0, 0xDA, 0xA3, 0x20, 0xA7, 1, 2, 3]
        try store.write(torn, end.file, at: end.at)
        let before = try store.names(".")
        let refused = repair(store)
        #expect(refused.code == 1)
        #expect(refused.output.contains("--yes"))
        #expect(try store.names(".").filter { $0 != "lock" } == before.filter { $0 != "lock" })
        #expect(try store.read(end.file, at: end.at, torn.count) == torn)
        let done = repair(store, "--yes")
        #expect(done.code == 0, "\(done)")
        #expect(try store.read(end.file, at: end.at, torn.count) == [UInt8](repeating: 0, count: torn.count))
        let kept = try #require(try store.names(".").first { $0.hasPrefix("commitlog.before-") })
        let name = try #require(try store.names(kept).first { $0.contains(".from-") })
        #expect(try store.read("\(kept)/\(name)", at: 0, 100) == torn)
        #expect(try store.verify().texts.filter { !$0.hasPrefix("note") } == [])
        try compareWithManifest(store)
    }

    @Test func `a log that is damaged in the middle is left alone unless that is asked for`() throws {
        let store = try StoreCopy()
        let victim = try store.message()
        let place = store.logPlace(victim.physicalOffset)
        try store.flip(place, 5)
        let old = try store.names("consumequeue")
        let refused = repair(store)
        #expect(refused.code == 1)
        #expect(refused.output.contains("log.damaged \(place.file) at \(place.at)"))
        #expect(refused.output.contains("--skip-damaged"))
        #expect(try store.names("consumequeue") == old)
        #expect(try !store.names(".").contains { $0.contains("before") || $0 == "repair.tmp" })
        let done = repair(store, "--skip-damaged")
        #expect(done.code == 0, "\(done)")
        let outcome = try store.verify()
        #expect(outcome.texts.filter { $0.hasPrefix("error") }.count == 1, "\(outcome.texts)")
        #expect(outcome.has(.logDamaged, place.file, at: place.at))
        let opened = try store.open()
        let queue = try #require(opened.existingQueue(victim.topic, victim.queueID))
        #expect(try queue.unit(at: victim.queueOffset) == .blank)
        #expect(try queue.unit(at: victim.queueOffset + 1)?.size != QueueUnit.blank.size)
    }

    @Test func `one wrong queue offset does not throw its queue away`() throws {
        let store = try StoreCopy()
        let victim = try store.message()
        try store.flip(store.logPlace(victim.physicalOffset), 23)
        #expect(repair(store).code == 1)
        let done = repair(store, "--skip-damaged")
        #expect(done.code == 0, "\(done)")
        #expect(done.output.contains("log.queue-offset"))
        let opened = try store.open()
        let queue = try #require(opened.existingQueue(victim.topic, victim.queueID))
        #expect(queue.minOffset == 0)
        #expect(queue.maxOffset == Int64(try #require(store.queues[victim.topic]?[victim.queueID]).count))
    }

    @Test func `a repair that was interrupted is begun anew, and a bad checkpoint is replaced`() throws {
        let store = try StoreCopy()
        try Directory.create(store.path("repair.tmp/consumequeue/gold_normal/1"))
        try [UInt8](repeating: 7, count: 6000).withUnsafeBytes { bytes in
            try Data(bytes).write(
                to: URL(filePath: store.path("repair.tmp/consumequeue/gold_normal/1/00000000000000000000")))
        }
        try store.write([0x7F], "checkpoint", at: 0)
        #expect(repair(store).code == 0)
        #expect(try store.verify().exitCode == 0)
        #expect(try store.names(".").contains { $0.hasPrefix("checkpoint.before-") })
        try compareWithManifest(store)
    }

    @Test func `a topic that was deleted does not come back`() throws {
        let store = try StoreCopy()
        try store.remove("consumequeue/gold_order")
        let topics = try String(contentsOfFile: store.path("config/topics.json"), encoding: .utf8)
        try topics.replacingOccurrences(of: "gold_order", with: "gold_other")
            .write(toFile: store.path("config/topics.json"), atomically: false, encoding: .utf8)
        #expect(try store.verify().has(.queueDeleted, .note, "consumequeue/gold_order/0"))
        #expect(repair(store).code == 0)
        #expect(try !store.names("consumequeue").contains("gold_order"))
        #expect(try store.verify().exitCode == 0)
    }

    @Test(.enabled(if: Machine.has("mqstore"))) func `a repair that is killed at any moment leaves a sound store`()
        throws
    {
        let store = try StoreCopy()
        for _ in 0..<12 {
            let process = Process()
            process.executableURL = Machine.executable("mqstore")
            process.arguments = ["repair", store.root] + Self.sizes
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            usleep(.random(in: 0..<120_000))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            let outcome = try store.verify()
            #expect(outcome.texts.filter { !$0.hasPrefix("note") } == [])
        }
        #expect(repair(store).code == 0)
        #expect(try store.verify().exitCode == 0)
        #expect(try !store.names(".").contains("repair.tmp"))
        try compareWithManifest(store)
    }

    @Test func `a log whose first file was deleted in order is sound, and is repaired from what it has`() throws {
        let store = try StoreCopy()
        try store.remove(store.logPlace(0).file)
        #expect(try store.verify().texts.filter { !$0.hasPrefix("note") } == [])
        #expect(repair(store).code == 0)
        #expect(try store.verify().texts.filter { !$0.hasPrefix("note") } == [])
        let opened = try store.open()
        let kept = try #require(store.queues["gold_normal"]?[1]).filter {
            $0.physicalOffset >= StoreCopy.logFileByteCount
        }
        let queue = try #require(opened.existingQueue("gold_normal", 1))
        #expect(queue.minOffset == kept.first?.queueOffset)
        #expect(queue.maxOffset == 200)
    }

    @Test func `a log with a hole is left alone`() throws {
        let store = try StoreCopy()
        try store.remove(store.logPlace(StoreCopy.logFileByteCount).file)
        let result = repair(store, "--skip-damaged", "--yes")
        #expect(result.code == 1)
        #expect(result.output.contains("nothing was changed"))
    }

    @Test func `a topic's name that is no folder's makes no path`() {
        for (name, isFine) in [
            ("a", true), ("%RETRY%g", true), ("../x", false), ("..", false), ("", false), ("a\nb", false),
        ] {
            let bytes = Array(name.utf8)
            #expect(FolderName.isTopic(name, bytes.span) == isFine, "\(name)")
        }
    }
}
