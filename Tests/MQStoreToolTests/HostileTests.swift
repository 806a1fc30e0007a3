import Foundation
import Glibc
import MQBase
import MQJSON
import MQStore
import MQSystem
import MQTestKit
import Testing

@testable import MQStoreTool

/// Goal: no folder, however broken, ends a command in a trap, a hang or unbounded memory. Method: random damage to a
/// store of Java's, and folders that are no store.
@Suite struct HostileTests {
    private static let seeds: [UInt64] = {
        if let seed = ProcessInfo.processInfo.environment["MQ_SEED"].flatMap(UInt64.init) { return [seed] }
        return [1, 2, 3, 4, 5, 6, .random(in: .min ... .max)]
    }()

    @Test(arguments: seeds) func `random damage traps nothing`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let store = try StoreCopy(state: seed % 2 == 0 ? "clean" : "crashed")
        let files = try allFiles(store)
        for _ in 0..<4 {
            for _ in 0..<3 { try damage(try #require(files.randomElement(using: &random)), store, &random) }
            _ = try store.verify()
            for arguments in [
                ["stat", "--deep"], ["dump", "log"], ["dump", "queue"], ["dump", "index"], ["verify", "--fast"],
            ] {
                var words = arguments
                words.insert(store.root, at: 1)
                let code = StoreCommand.run(words, output: { _ in }, complain: { _ in })
                #expect((0...2).contains(code), "seed \(seed)")
            }
        }
        _ = StoreCommand.run(
            ["repair", store.root, "--yes", "--skip-damaged", "--index-slots=1000", "--index-entries=4000"],
            output: { _ in }, complain: { _ in })
        _ = try store.verify()
    }

    @Test func `queues whose files are all empty tell no size`() throws {
        let store = try StoreCopy(state: "clean")
        for name in ["0", "1"] {
            let folder = store.path("consumequeue/X/" + name)
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            _ = FileManager.default.createFile(atPath: folder + "/00000000000000000000", contents: nil)
        }
        for name in try FileManager.default.contentsOfDirectory(atPath: store.path("consumequeue")) where name != "X" {
            try FileManager.default.removeItem(atPath: store.path("consumequeue/" + name))
        }
        for command in ["verify", "stat"] {
            let code = StoreCommand.run([command, store.root], output: { _ in }, complain: { _ in })
            #expect((0...2).contains(code))
        }
    }

    private func allFiles(_ store: StoreCopy) throws -> [String] {
        let walk = try #require(FileManager.default.enumerator(atPath: store.root))
        return walk.compactMap { $0 as? String }.filter {
            FileStatus(store.path($0))?.kind == .file && !$0.hasPrefix("timer")
        }.sorted()
    }

    private func damage(_ file: String, _ store: StoreCopy, _ random: inout SeededRandom) throws {
        guard let length = FileStatus(store.path(file))?.byteCount, length > 0 else { return }
        let at = Int.random(in: 0..<length, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: try store.truncate(file, to: at)
        case 1: try store.write([UInt8](repeating: 0, count: min(512, length - at)), file, at: at)
        case 2:
            try store.write((0..<min(64, length - at)).map { _ in .random(in: 0...255, using: &random) }, file, at: at)
        case 3: try store.write([UInt8](repeating: 0xFF, count: min(16, length - at)), file, at: at / 4 * 4)
        default: try store.flip((file, at))
        }
    }

    @Test func `files of random bytes are all damage`() throws {
        var random = SeededRandom(seed: 7)
        let store = try StoreCopy()
        for file in try allFiles(store) {
            let length = FileStatus(store.path(file))?.byteCount ?? 0
            try store.write((0..<length).map { _ in .random(in: 0...255, using: &random) }, file, at: 0)
        }
        let outcome = try store.verify()
        #expect(outcome.exitCode == 1)
        #expect(outcome.end.recordCount == 0)
        #expect(outcome.has(.logTornEnd, "commitlog/00000000000000000000", at: 0))
    }

    @Test func `a pipe in place of a file is not opened`() throws {
        let store = try StoreCopy()
        for name in ["commitlog/00000000000003145728", "index/20261121055606615", "config/x.json"] {
            #expect(mkfifo(store.path(name), 0o600) == 0)
        }
        let outcome = try store.verify()
        #expect(outcome.has(.logFileName, .note, "commitlog/00000000000003145728"))
    }

    @Test func `a file of nothing but things that look like records ends`() throws {
        // Each claims to be long, to lie where it lies, and to be broken.
        let store = try StoreCopy()
        var bytes = [UInt8](repeating: 0, count: StoreCopy.logFileByteCount)
        for at in stride(from: 0, to: bytes.count - 40, by: 40) {
            let head: [UInt8] = [0, 0x0F, 0, 0, 0xDA, 0xA3, 0x20, 0xA7]
            bytes.replaceSubrange(at..<(at + 8), with: head)
            for index in 0..<8 { bytes[at + 28 + index] = UInt8(truncatingIfNeeded: at >> (56 - 8 * index)) }
        }
        try store.write(bytes, "commitlog/00000000000000000000", at: 0)
        #expect(try store.verify().has(.logDamaged, "commitlog/00000000000000000000", at: 0))
    }

    @Test func `what is no store is refused with a sentence`() throws {
        let folder = try TemporaryFolder("apus-mqstore")
        for arguments in [
            ["verify", folder.path], ["verify", folder.path + "/none"], ["verify"], ["verify", folder.path, "--what"],
            ["frobnicate"], ["dump", folder.path, "log", "--from", "x"], [],
        ] {
            var complaints: [String] = []
            let code = StoreCommand.run(arguments, output: { _ in }, complain: { complaints.append($0) })
            #expect(code == 2, "\(arguments)")
            #expect(complaints.count == (arguments.isEmpty ? 0 : 1), "\(arguments)")
        }
    }

    @Test func `control characters of others never reach the terminal`() {
        #expect(printable("a\u{1B}[2Jb\r\n\u{9B}ü键\u{202E}") == "a\\u{1b}[2Jb\\u{d}\\u{a}\\u{9b}ü键\\u{202e}")
        var text = ""
        let output = TextOutput { text += $0 }
        output.json(["a": .string("\u{1B}]0;x\u{7}")])
        output.flush()
        #expect(text == #"{"a":"\u001B]0;x\u0007"}"# + "\n")
    }
}
