import MQBase
import MQJSON
import MQObserve
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// Goal: after a crash at any moment a table is the one that was saved last or, during a save, the one before; never
/// none, and never an older one.
/// Method: tables saved one after the other on a simulated disk; at every boundary, many crashes, and a load.
@Suite struct ConfigFilesCrashTests {
    private static let name = "topics.json"

    @Test func `a table survives a crash at any moment of its being saved`() throws {
        let folder = try TemporaryFolder(isInMemory: true)
        let left = try TemporaryFolder(isInMemory: true)
        try Directory.create(folder.path + "/disk")
        let saved = Lock(0)
        let disk = try SimulatedDisk(folder.path + "/disk") { saved.withLock { $0 } }
        for version in 1...6 {
            try save(version, in: folder)
            saved.withLock { $0 = version }
        }
        var count = 0
        try disk.forEachBoundary { boundary in
            for seed in 0..<60 as Range<UInt64> {
                let during = boundary.next
                var crash =
                    seed % 4 == 0
                    ? DiskCrash.ofProcess(seed: seed, during: during) : DiskCrash.ofMachine(seed: seed, during: during)
                try boundary.image.write(&crash, to: left.path + "/disk")
                let version = try load(in: left)
                let allowed = boundary.mark...(boundary.mark + 1)
                #expect(
                    allowed.contains(version),
                    "seed \(seed) at \(boundary.number): version \(version), not \(allowed)")
                if boundary.next == nil { #expect(version == 6) }
                // A save behind the crash is not troubled by what it left.
                try save(100, in: left)
                #expect(try load(in: left) == 100)
                count += 1
            }
        }
        #expect(count > 2000)
    }

    private func files(in folder: TemporaryFolder) -> ConfigFiles {
        ConfigFiles(folder: folder.path + "/disk/store/config", log: .silent)
    }

    /// Writes the table on this thread.
    private func save(_ version: Int, in folder: TemporaryFolder) throws {
        let files = files(in: folder)
        let filler = String(repeating: "x", count: version * 700)
        files.register(Self.name, isChanged: { true }, text: { Array("{\"v\":\(version),\"x\":\"\(filler)\"}".utf8) })
        files.stop()
    }

    /// The version that a start finds; 0 if there is none.
    private func load(in folder: TemporaryFolder) throws -> Int {
        guard let table = try files(in: folder).load(Self.name) else { return 0 }
        return Int(try #require(table["v"].int64))
    }
}
