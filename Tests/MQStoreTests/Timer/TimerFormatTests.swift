import MQBase
import MQBytes
import MQTestKit
import Testing

@testable import MQStore

/// Bytes and positions of the timer's files. The golden bytes are from `store-5.3.3-clean`.
@Suite struct TimerFormatTests {
    // Spans do not go through the macros.
    private func hex(_ text: String) -> [UInt8] { Hex.decode(Array(text.utf8).span) ?? [] }
    private func unit(_ bytes: [UInt8]) -> TimerUnit? { TimerUnit(bytes.span, at: 0) }
    private func slot(_ bytes: [UInt8]) -> TimerSlot { TimerSlot(bytes.span, at: 0) }
    private func checkpoint(_ bytes: [UInt8]) -> TimerCheckpoint? { TimerCheckpoint(bytes.span) }
    private func isSealed(_ bytes: [UInt8]) -> Bool { TimerCheckpoint.isSealed(bytes.span) }

    private func encoded(_ unit: TimerUnit) -> [UInt8] {
        var bytes = ByteBuffer()
        unit.append(to: &bytes)
        return bytes.toArray()
    }

    @Test func `a unit has Java's bytes`() {
        let bytes = hex(
            "00000034FFFFFFFFFFFFFFFF00000003000001A1FCAD28A805265C0000000000002C813C00000149B7F3D4E400000000"
                + "00000000")
        let known = TimerUnit(
            previous: -1, kind: [.message, .roll], writtenAt: 1_795_240_569_000, delay: 86_400_000, record: 2_916_668,
            recordByteCount: 329, topicHash: -1_208_757_020)
        #expect(encoded(known) == bytes && bytes.count == TimerUnit.byteCount)
        #expect(unit(bytes) == known)
        #expect(known.slotTime == 1_795_326_969_000)
    }

    @Test(arguments: seeds) func `units, slots and checkpoints read as they were written`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let someUnit = TimerUnit(
                previous: .random(in: -1...1 << 50, using: &random),
                kind: TimerUnit.Kind(rawValue: .random(in: 0...15, using: &random)),
                writtenAt: .random(in: 1 << 32...1 << 45, using: &random),
                delay: .random(in: -1_000_000 ... .max, using: &random),
                record: .random(in: 0...1 << 60, using: &random),
                recordByteCount: .random(in: 1 ... .max, using: &random),
                topicHash: .random(in: .min ... .max, using: &random))
            #expect(unit(encoded(someUnit)) == someUnit)
            var someSlot = TimerSlot(
                number: .random(in: 1 ... .max, using: &random), unit: .random(in: 0 ... .max, using: &random), count: 1
            )
            someSlot.add(7, isDelete: Bool.random(using: &random))
            var bytes = ByteBuffer()
            someSlot.append(to: &bytes)
            let slotBytes = bytes.toArray()
            #expect(slot(slotBytes) == someSlot)
            var point = TimerCheckpoint()
            point.readTime = .random(in: 0...1 << 50, using: &random)
            point.logEnd = .random(in: 0...1 << 50, using: &random)
            point.queueOffset = .random(in: 0...1 << 50, using: &random)
            point.counter = .random(in: .min ... .max, using: &random)
            let file = point.encoded
            #expect(file.count == 4096 && checkpoint(file) == point && isSealed(file))
        }
    }

    @Test(arguments: seeds) func `no bytes are a unit that cannot be`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            var bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if bytes.count >= 4, Bool.random(using: &random) { bytes.replaceSubrange(0..<4, with: [0, 0, 0, 52]) }
            guard let found = unit(bytes) else { continue }
            #expect(found.record >= 0 && found.recordByteCount > 0 && found.slotTime >= 0)
        }
        #expect(unit([UInt8](repeating: 0, count: 52)) == nil)
    }

    @Test func `a checkpoint that another program changed is not sealed`() {
        var file = TimerCheckpoint().encoded
        file[7] = 1
        #expect(!isSealed(file))
        #expect(checkpoint(file)?.readTime == 1)
        file[0] = 0xFF
        #expect(checkpoint(file) == nil)
    }

    @Test func `a file ends with a blank and the next begins`() {
        let layout = TimerLogLayout(fileByteCount: 52 * 3 + 20)
        #expect(layout.place(at: 0) == 0)
        #expect(layout.place(at: 104) == 104)
        #expect(layout.place(at: 156) == 176)
        #expect(layout.isPlace(52) && layout.isPlace(176) && layout.isPlace(176 + 52))
        #expect(!layout.isPlace(156) && !layout.isPlace(53) && !layout.isPlace(-52))
        // Java's files: 1968 units of 52 bytes in 102,400 bytes, and a blank of 64.
        let java = TimerLogLayout(fileByteCount: 102_400)
        #expect(java.place(at: 1967 * 52) == 1967 * 52)
        #expect(java.place(at: 1968 * 52) == 102_400)
    }

    @Test func `a slot is due at its end, never before the message`() {
        let times = TimerTimes()
        for deliver: Int64 in [1, 999, 1000, 1001, 5300, 6000, 1_795_240_568_999, 1_795_240_569_000] {
            let out = times.out(for: deliver)
            #expect(out % 1000 == 0 && times.due(out) >= deliver && times.due(out) - deliver < 1000)
            #expect(!times.isDue(out, at: deliver - 1) || deliver % 1000 == 0)
        }
    }

    @Test func `what is too far away waits on its way`() {
        let times = TimerTimes(rollWindow: 172_800)
        let now: Int64 = 1_795_240_569_000
        #expect(times.place(out: now + 172_799_000, now: now + 400) == (now + 172_799_000, false))
        // As Java did: 199,999 s away, put in after one day.
        #expect(times.place(out: 1_795_440_568_000, now: now) == (now + 86_400_000, true))
        #expect(times.place(out: now + 300_000_000, now: now) == (now + 172_800_000, true))
        #expect(TimerTimes(rollWindow: 2).place(out: now + 2000, now: now) == (now + 1000, true))
        #expect(TimerTimes(rollWindow: 1).rollSlots == 7 * 86_400 - 60)
        #expect(TimerTimes(rollWindow: 700_000).rollSlots == 7 * 86_400 - 60)
    }

    @Test(arguments: seeds) func `a message that rolls arrives in its slot and every way is in reach`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            let times = TimerTimes(precision: 1000, rollWindow: .random(in: 2...1000, using: &random))
            var now: Int64 = .random(in: 1 << 40...1 << 41, using: &random)
            let out = times.floor(now + .random(in: 0...20_000_000, using: &random))
            var place = times.place(out: out, now: now)
            var ways = 0
            while place.rolls {
                #expect(place.slot > now - 1000 && place.slot < out && place.slot - now <= times.rollSlots * 1000)
                now = times.due(place.slot)
                place = times.place(out: out, now: now)
                ways += 1
                if ways > 100_000 { break }
            }
            #expect(place.slot == out)
        }
    }
}
