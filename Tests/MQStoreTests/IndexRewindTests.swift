import Foundation
import MQBase
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: after a crash of the machine the newest index file is what it was at the last sync, whatever of the rest the disk has.
/// Method: a file whose sectors are each of some moment since the sync goes back; its bytes are compared with those of the sync.
@Suite struct IndexRewindTests {
    private struct Course {
        let folder: TemporaryFolder
        var random: SeededRandom
        let slotCount: Int
        let entryCount = 3000
        let file: IndexFile
        private var number = 0

        init(seed: UInt64) throws {
            folder = try TemporaryFolder()
            random = SeededRandom(seed: seed)
            slotCount = Int.random(in: 1...1500, using: &random)
            file = try IndexFile(folder.path + "/1", slotCount: slotCount, entryCount: entryCount)
        }

        mutating func put(_ count: Int) throws {
            for _ in 0..<count where !file.isFull {
                number += 1
                let hash = Int32.random(in: 0 ... .max, using: &random)
                try file.put(
                    keyHash: hash, physicalOffset: Int64(number) * 100,
                    storeTimestamp: 1_700_000_000_000 + Int64(number) * 1000)
            }
        }

        func bytes(_ name: String = "1") throws -> [UInt8] {
            try File(folder.path + "/" + name, .read).readAll(limit: 1 << 20)
        }

        /// A file each of whose sectors is as it was at one of `moments`.
        mutating func mixed(_ moments: [[UInt8]]) throws -> IndexFile {
            var mixed: [UInt8] = []
            for start in stride(from: 0, to: moments[0].count, by: 512) {
                let moment = moments[Int.random(in: moments.indices, using: &random)]
                mixed += moment[start..<min(start + 512, moment.count)]
            }
            try File(folder.path + "/2", .create).write(mixed.span, at: 0)
            return try IndexFile(folder.path + "/2", slotCount: slotCount, entryCount: entryCount)
        }

        /// What must be as it was: all but the end's time, which a recovery point tells a second more of.
        func counted(_ bytes: [UInt8], entries: Int64) -> [UInt8] {
            Array(bytes[..<8]) + Array(bytes[16..<(40 + slotCount * 4 + Int(entries) * 20)])
        }
    }

    @Test(arguments: seeds, [1 << 18, 64])
    func `what was synced is there again, whatever moment each sector is of`(seed: UInt64, step: Int) throws {
        var course = try Course(seed: seed)
        try course.put(Int.random(in: 1...1000, using: &course.random))
        let synced = course.file.state
        var moments = [try course.bytes()]
        for _ in 0..<4 {
            try course.put(Int.random(in: 0...600, using: &course.random))
            moments.append(try course.bytes())
        }
        for _ in 0..<5 {
            let file = try course.mixed(moments)
            try file.rewind(to: synced, step: step)
            let again = try course.bytes("2")
            #expect(
                course.counted(again, entries: synced.entries) == course.counted(moments[0], entries: synced.entries))
            #expect(file.endTimestamp == synced.endTimestamp)
            // A crash of this start finds it half done, or done: each sector as before or as now.
            moments.append(again)
        }
    }

    @Test func `an interrupted return is done again`() throws {
        var course = try Course(seed: 3)
        try course.put(500)
        let synced = course.file.state
        let before = try course.bytes()
        try course.put(500)
        let after = try course.bytes()
        var torn = after
        torn.replaceSubrange(40..<(40 + course.slotCount * 2), with: before[40..<(40 + course.slotCount * 2)])
        let file = try course.mixed([torn])
        try file.rewind(to: synced)
        let again = course.counted(try course.bytes("2"), entries: synced.entries)
        #expect(again == course.counted(before, entries: synced.entries))
    }

    @Test func `a file that became shorter is named`() throws {
        var course = try Course(seed: 4)
        try course.put(500)
        let synced = course.file.state
        try course.put(500)
        // Its end only: what is mapped and gone must not be touched.
        let file = try IndexFile(course.folder.path + "/1", slotCount: course.slotCount, entryCount: course.entryCount)
        try File(course.folder.path + "/1", .readWrite).truncate(to: 4096)
        let error = #expect(throws: SystemError.self) { try file.rewind(to: synced) }
        #expect(error?.description.contains(course.folder.path) == true)
    }
}
