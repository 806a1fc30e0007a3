import Foundation
import MQBase
import MQBytes
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Goal: what is written into units, index files and the checkpoint is read back, whatever the numbers are.
@Suite struct FormatTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private static let extremes: [Int64] = [
        .min, .min + 1, -2_147_483_649, -1, 0, 1, 0x7FFF_FFFF, 1 << 40, .max - 1, .max,
    ]

    private func number(_ random: inout SeededRandom) -> Int64 {
        Bool.random(using: &random)
            ? .random(in: .min ... .max, using: &random) : Self.extremes.randomElement(using: &random) ?? 0
    }

    @Test(arguments: seeds)
    func `units read back as they were written`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var units: [QueueUnit] = []
        var bytes = ByteBuffer()
        for _ in 0..<500 {
            let unit = QueueUnit(
                physicalOffset: number(&random), size: Int32(truncatingIfNeeded: number(&random)),
                tagsCode: number(&random))
            unit.append(to: &bytes)
            units.append(unit)
            #expect(bytes.count == units.count * QueueUnit.byteCount)
        }
        let span = bytes.span
        for (index, unit) in units.enumerated() { #expect(QueueUnit(span, at: index * QueueUnit.byteCount) == unit) }
    }

    @Test(arguments: seeds)
    func `a checkpoint reads back as it was written, and is trusted no further than it says`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let path = folder.path + "/checkpoint"
        for _ in 0..<50 {
            var values = Checkpoint.Values()
            values.log = number(&random)
            values.queues = number(&random)
            values.index = number(&random)
            values.masterFlushedOffset = number(&random)
            values.confirmOffset = number(&random)
            let checkpoint = try Checkpoint(path)
            try checkpoint.update { [values] in $0 = values }
            #expect(try Checkpoint(path).current == values)
            #expect(try File(path, .read).byteCount() == 4096)
            #expect(values.trusted >= 0 && values.trusted <= max(0, min(values.log, values.queues)))
        }
    }

    @Test(arguments: seeds)
    func `an index file finds every entry by its hash and time, newest first`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let path = folder.path + "/20260101000000000"
        let file = try IndexFile(path, slotCount: 7, entryCount: 300)
        let hashes = (0..<20).map { _ in IndexFile.keyHash(.random(in: .min ... .max, using: &random)) } + [0, .max]
        var model: [(hash: Int32, offset: Int64, time: Int64)] = []
        let start = Int64.random(in: 0...2_000_000_000_000, using: &random)
        var time = start
        for number in 0..<299 {
            // Now and then a clock goes back; the far future counts as far as seconds reach.
            time += [0, 1, 999, 1000, -5000, 1 << 42].randomElement(using: &random) ?? 0
            time = min(max(0, time), start + Int64(Int32.max) * 1000)
            let hash = hashes.randomElement(using: &random) ?? 0
            try file.put(keyHash: hash, physicalOffset: Int64(number) << 30, storeTimestamp: time)
            model.append((hash, Int64(number) << 30, time))
        }
        #expect(file.isFull)
        let again = try IndexFile(path, slotCount: 7, entryCount: 300)
        for hash in hashes {
            var found: [Int64] = []
            again.collect(keyHash: hash, time: 0...(.max / 2), limit: .max, into: &found)
            #expect(found == model.filter { $0.hash == hash }.map(\.offset).reversed())
            found = []
            again.collect(keyHash: hash, time: 0...(.max / 2), limit: 3, into: &found)
            #expect(found == model.filter { $0.hash == hash }.map(\.offset).suffix(3).reversed())
        }
        #expect(again.beginTimestamp == model[0].time && again.endTimestamp == model[298].time)
    }
}
