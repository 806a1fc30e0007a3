import Foundation
import MQBase
import MQBytes
import MQSystem
import MQTestKit
import Testing

/// Goal: the simulated disk keeps what was synced, loses the rest in every way it may, and nothing else.
@Suite struct SimulatedDiskTests {
    private let folder: TemporaryFolder
    private let left: TemporaryFolder
    private var path: String { folder.path + "/disk" }

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        left = try TemporaryFolder(isInMemory: true)
        try Directory.create(folder.path + "/disk")
    }

    /// What a crash at the end leaves, for each of `seeds`: file names below the folder with their bytes.
    private func crashes(_ disk: SimulatedDisk<Int>, _ seeds: Range<UInt64> = 0..<200) throws -> Set<[String: [UInt8]]>
    {
        var found: Set<[String: [UInt8]]> = []
        try disk.forEachBoundary { boundary in
            guard boundary.next == nil else { return }
            for seed in seeds {
                var crash = DiskCrash.ofMachine(seed: seed, during: nil)
                try boundary.image.write(&crash, to: left.path + "/disk")
                found.insert(try contents(of: left.path + "/disk"))
            }
        }
        return found
    }

    private func contents(of path: String) throws -> [String: [UInt8]] {
        var contents: [String: [UInt8]] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
            guard (try? FileManager.default.contentsOfDirectory(atPath: path + "/" + name)) == nil else { continue }
            contents[name] = try File.contents(of: path + "/" + name, limit: 1 << 20)
        }
        return contents
    }

    @Test func `what was synced is there, and a file without a durable name is not`() throws {
        let disk = try SimulatedDisk(path) { 0 }
        let file = try File(path + "/f", .create)
        try file.write([1, 2, 3].span, at: 0)
        try file.synchronizeData()
        #expect(try crashes(disk) == [[:], ["f": [1, 2, 3]]])
    }

    @Test func `two names that change places do so in one step`() throws {
        for (name, byte) in [("a", UInt8(1)), ("b", 2)] {
            let file = try File(path + "/" + name, .create)
            try file.write([byte].span, at: 0)
            try file.synchronizeData()
        }
        try Directory.synchronize(path)
        let disk = try SimulatedDisk(path) { 0 }
        try Directory.exchange(path + "/a", path + "/b")
        #expect(try crashes(disk) == [["a": [1], "b": [2]], ["a": [2], "b": [1]]])
        let second = try SimulatedDisk(path) { 0 }
        try Directory.exchange(path + "/a", path + "/b")
        try Directory.synchronize(path)
        #expect(try crashes(second) == [["a": [1], "b": [2]]])
    }

    @Test func `with both synced there is one outcome`() throws {
        let disk = try SimulatedDisk(path) { 0 }
        let file = try File(path + "/f", .create)
        try file.write([1, 2, 3].span, at: 0)
        try file.synchronizeData()
        try Directory.synchronize(path)
        #expect(try crashes(disk) == [["f": [1, 2, 3]]])
    }

    @Test func `each sector is as it was at some moment, and never torn`() throws {
        let file = try File(path + "/f", .create)
        try file.write([UInt8](repeating: 1, count: 1024).span, at: 0)
        let disk = try SimulatedDisk(path) { 0 }
        let watched = try File(path + "/f", .readWrite)
        try watched.write([UInt8](repeating: 2, count: 600).span, at: 100)
        try watched.write([UInt8](repeating: 3, count: 50).span, at: 100)
        func bytes(_ first: Int, _ second: Int) -> [UInt8] {
            var bytes = [UInt8](repeating: 1, count: 1024)
            if first > 0 { for index in 100..<512 { bytes[index] = 2 } }
            if first > 1 { for index in 100..<150 { bytes[index] = 3 } }
            if second > 0 { for index in 512..<700 { bytes[index] = 2 } }
            return bytes
        }
        let allowed = (0...2).flatMap { first in (0...1).map { ["f": bytes(first, $0)] } }
        #expect(try crashes(disk) == Set(allowed))
    }

    @Test func `a replaced file is the old one or the new one, whole`() throws {
        try File.replace(path + "/f", with: [1, 1, 1])
        let disk = try SimulatedDisk(path) { 0 }
        let fresh = try File(path + "/f.tmp", .replace)
        try fresh.write([2, 2].span, at: 0)
        try fresh.synchronize()
        try Directory.rename(path + "/f.tmp", to: path + "/f")
        let found = try crashes(disk)
        #expect(Set(found.compactMap { $0["f"] }) == [[1, 1, 1], [2, 2]])
        #expect(found.count == 3)  // the third: the fresh one has its first name still
    }

    @Test func `a length that was not synced may be the old one, and what was cut is cut`() throws {
        let file = try File(path + "/f", .create)
        try file.write([1, 2, 3, 4].span, at: 0)
        let disk = try SimulatedDisk(path) { 0 }
        let watched = try File(path + "/f", .readWrite)
        try watched.truncate(to: 2)
        try watched.truncate(to: 4)
        #expect(try crashes(disk) == [["f": [1, 2, 3, 4]], ["f": [1, 2]], ["f": [1, 2, 0, 0]]])
    }

    @Test(arguments: UInt64(1)...20)
    func `every change is told: played back, the folder is what it is`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let disk = try SimulatedDisk(path) { 0 }
        for number in 0..<60 { try change(number, &random) }
        let real = try contents(of: path)
        try disk.forEachBoundary { boundary in
            guard boundary.next == nil else { return }
            var crash = DiskCrash.ofProcess(seed: 1, during: nil)
            try boundary.image.write(&crash, to: left.path + "/disk")
        }
        #expect(try contents(of: left.path + "/disk") == real)
        #expect(disk.changeCount > 60)
    }

    /// Something random in a folder of a few names.
    private func change(_ number: Int, _ random: inout SeededRandom) throws {
        let folder = path + "/d\(Int.random(in: 0..<2, using: &random))"
        try Directory.create(folder)
        let name = folder + "/f\(Int.random(in: 0..<3, using: &random))"
        let range = Int.random(in: 0..<1000, using: &random)..<Int.random(in: 1000..<3000, using: &random)
        switch Int.random(in: 0..<11, using: &random) {
        case 0: try Directory.removeFile(name)
        case 1: try Directory.removeTree(folder)
        case 2: try Directory.removeIfEmpty(folder)
        case 3: try File.replace(name, with: [UInt8](repeating: 7, count: range.count), keepsBackup: true)
        case 4: try File(name, .replace).write([1, 2, 3].span, at: range.lowerBound)
        case 5: try File(name, .create).truncate(to: range.count)
        case 6: try File(name, .create).allocate(byteCount: range.upperBound)
        case 7, 8:
            let file = try File(name, .create)
            try file.allocate(byteCount: range.upperBound)
            if number % 2 == 0 { try file.zero(range) } else { try file.discard(range) }
        case 9:
            let file = try File(name, .create)
            try file.allocate(byteCount: 3000)
            let mapping = try Mapping(file, byteCount: 3000, writable: true)
            mapping.store(bigEndian: Int64(number), at: range.lowerBound)
            try mapping.synchronize()
        default: try File(name, .create).write([UInt8](repeating: 5, count: range.count).span, at: range.lowerBound)
        }
    }
}
