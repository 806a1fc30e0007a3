import Foundation
import MQBase
import MQBytes
import MQSystem
import MQTestKit
import Testing

@testable import MQBroker

/// The files of pop's journal: what was written comes back, whatever a crash or a bad disk leaves.
@Suite struct PopJournalTests {
    private let folder: TemporaryFolder
    private var path: String { folder.url.appending(path: "pop").path }

    init() throws { folder = try TemporaryFolder("apus-pop-journal") }

    private func record(_ number: Int) -> PopRecord { .ack(number, PopSpan.Key(start: 1, popTime: 2), 3) }

    private func read() throws -> (numbers: [Int], end: Int64, isTorn: Bool) {
        var numbers: [Int] = []
        let (end, isTorn) = try PopJournal.replay(path) { record in
            if case .ack(let number, _, _) = record { numbers.append(number) }
        }
        return (numbers, end, isTorn)
    }

    private func write(_ journal: PopJournal, _ numbers: Int...) throws -> Int64 {
        try #require(
            try journal.append { records in for number in numbers { record(number).append(to: &records) } })
    }

    private var files: [URL] {
        get throws {
            try FileManager.default.contentsOfDirectory(at: URL(filePath: path), includingPropertiesForKeys: nil)
                .sorted { $0.path < $1.path }
        }
    }

    @Test func `what was written comes back in order, and a new file takes the old one's place`() throws {
        let journal = try PopJournal(path, end: 0, state: [])
        let first = try write(journal, 1, 2)
        let second = try write(journal, 3)
        #expect(second > first && journal.synced < first)
        try journal.synchronize()
        #expect(journal.synced == second)
        #expect(try read().numbers == [1, 2, 3])
        try journal.turn()
        _ = try write(journal, 4)
        #expect(try read().numbers == [1, 2, 3, 4])
        try journal.dropOldFiles()
        #expect(try read().numbers == [4] && files.count == 1)
        var state: [UInt8] = []
        record(9).append(to: &state)
        _ = try PopJournal(path, end: try read().end, state: state)
        #expect(try read().numbers == [9] && files.count == 1)
    }

    @Test func `an end that was cut anywhere costs the last write at most`() throws {
        let journal = try PopJournal(path, end: 0, state: [])
        var ends = [0]
        for number in 1...4 {
            _ = try write(journal, number)
            ends.append(try Data(contentsOf: files[0]).count)
        }
        let whole = try Data(contentsOf: files[0])
        for count in 0...whole.count {
            try whole[..<count].write(to: files[0])
            let (numbers, _, isTorn) = try read()
            let complete = ends.dropFirst().filter { $0 <= count }.count
            #expect(numbers == Array(1...4).prefix(complete).map { $0 })
            #expect(isTorn == (count > 0 && count != 16 && !ends.dropFirst().contains(count)), "\(count)")
        }
    }

    @Test func `a new file counts only if the one before it is whole, whatever of both a machine has kept`() throws {
        let journal = try PopJournal(path, end: 0, state: [])
        _ = try write(journal, 1)
        _ = try write(journal, 2)
        let whole = try Data(contentsOf: files[0])
        try journal.turn()
        let end = try write(journal, 3)
        #expect(journal.synced < end)
        #expect(try read().numbers == [1, 2, 3] && read().isTorn == false)
        for count in 0..<whole.count {
            try whole[..<count].write(to: files[0])
            let (numbers, readEnd, isTorn) = try read()
            #expect(numbers == [1, 2].prefix(numbers.count).map { $0 } && numbers.count < 2, "cut at \(count)")
            #expect(isTorn && readEnd == end, "nothing is written where something was")
        }
        try whole.write(to: files[0])
        try journal.synchronize()
        #expect(journal.synced == end)
        try FileManager.default.removeItem(at: files[0])
        #expect(try read().numbers == [3], "the old one was not needed any more")
    }

    @Test func `a start replaces what it could not believe`() throws {
        let journal = try PopJournal(path, end: 0, state: [])
        _ = try write(journal, 1)
        try journal.turn()
        _ = try write(journal, 2)
        try Data().write(to: files[0])
        var state: [UInt8] = []
        record(9).append(to: &state)
        _ = try PopJournal(path, end: try read().end, state: state)
        #expect(try read().numbers == [9] && files.count == 1)
    }

    @Test func `a file of which a machine has kept the length alone is empty`() throws {
        let journal = try PopJournal(path, end: 0, state: [])
        _ = try write(journal, 1)
        try Data(count: 100).write(to: files[0])
        #expect(try read().numbers == [] && read().isTorn)
    }

    @Test func `a byte that has changed ends what is believed, and never traps`() throws {
        let journal = try PopJournal(path, end: 0, state: [])
        for number in 1...4 { _ = try write(journal, number) }
        let whole = try Data(contentsOf: files[0])
        for index in 16..<whole.count {
            var damaged = whole
            damaged[index] ^= 0x41
            try damaged.write(to: files[0])
            let (numbers, _, isTorn) = try read()
            #expect(isTorn && numbers == Array(1...4).prefix(numbers.count).map { $0 } && numbers.count < 4)
        }
        var foreign = whole
        foreign[0] = 0
        try foreign.write(to: files[0])
        #expect(throws: PopJournalError.self) { try read() }
    }

    @Test func `a record that nobody knows ends the start`() throws {
        let journal = try PopJournal(path, end: 0, state: [])
        _ = try journal.append { $0 = [200, 0, 0, 0, 0] }
        #expect(throws: PopJournalError.self) { try read() }
    }
}
