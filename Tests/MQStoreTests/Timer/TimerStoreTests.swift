import Foundation
import MQBase
import MQBytes
import MQObserve
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// The timer's files without a log of messages: what is put in comes out in its second, whatever happens between.
@Suite struct TimerStoreTests {
    private static let start: Int64 = 1_795_240_569_000

    /// A timer over a queue that is a list, on a clock that is moved by hand.
    private final class Bench {
        let folder: TemporaryFolder
        var times = TimerTimes(precision: 1000, rollWindow: 172_800)
        var fileByteCount = 4096
        var now = TimerStoreTests.start
        /// What is in the queue: the slot each message waits for; its record lies at 1000 times its offset.
        var queue: [Int64] = []
        /// Slots in which messages came out, by queue offset.
        var out: [Int: [Int64]] = [:]
        private(set) var timer: TimerStore?

        init() throws {
            folder = try TemporaryFolder(isInMemory: true)
            try open()
        }

        var root: String { folder.path }

        func open() throws {
            let around = TimerStore.Surroundings(queue: 0..<Int64(queue.count), now: now) { $0 / 1000 }
            timer = try TimerStore.open(
                root: root, logFileByteCount: fileByteCount, times: times, around, log: .silent)
        }

        func kill() { timer = nil }

        /// Reads the queue to its end.
        func enqueue(limit: Int = .max) throws {
            let timer = try #require(timer)
            var records: [TimedRecord] = []
            let first = Int(timer.queueOffset)
            for offset in first..<min(queue.count, limit == .max ? queue.count : first + limit) {
                let slot = queue[offset]
                if timer.isHandled(out: slot, storedAt: TimerStoreTests.start, at: Int64(offset)) { continue }
                if timer.isPast(slot, at: now) {
                    out[offset, default: []].append(slot)
                } else {
                    records.append(
                        TimedRecord(
                            record: Int64(offset) * 1000, byteCount: 100, out: slot, topicHash: 0, isDelete: false))
                }
            }
            try timer.add(records, now: now)
            timer.queueOffset = Int64(min(queue.count, limit == .max ? queue.count : first + limit))
        }

        /// Empties every slot that is due.
        func deliver() throws {
            let timer = try #require(timer)
            while let slot = timer.nextSlot, timer.times.isDue(slot, at: now) {
                var chain = try #require(try timer.chain(of: slot))
                while true {
                    let piece = try chain.next()
                    if piece.isEmpty { break }
                    for unit in piece { out[Int(unit.record / 1000), default: []].append(slot) }
                }
                try timer.clear(slot)
            }
            timer.moveHand(to: now)
        }

        func sync() throws {
            let timer = try #require(timer)
            guard let sync = try timer.sync(now: now, recordStart: 0) else { return }
            try sync.run()
            timer.synced(sync)
        }
    }

    @Test func `nothing is on the disk before the first message`() throws {
        let bench = try Bench()
        try bench.enqueue()
        try bench.deliver()
        try bench.sync()
        #expect(try Directory.names(in: bench.root).isEmpty)
        bench.queue = [Self.start + 5000]
        try bench.enqueue()
        try bench.sync()
        #expect(try Directory.names(in: bench.root) == ["config", "timerlog", "timerwheel"])
        #expect(try Directory.byteCount(bench.root + "/timerwheel") == 38_707_200)
        #expect(try Directory.byteCount(bench.root + "/timerlog/00000000000000000000") == 4096)
    }

    @Test func `messages come out in their second in the order they came`() throws {
        let bench = try Bench()
        bench.queue = (0..<500).map { Self.start + Int64($0 % 7) * 1000 }
        try bench.enqueue()
        #expect(bench.timer?.waiting == 500)
        #expect(bench.timer?.nextSlot == Self.start)
        try bench.deliver()
        #expect(bench.out.isEmpty)  // the first second is not over
        bench.now += 1000
        try bench.deliver()
        #expect(bench.out.keys.sorted() == (0..<500).filter { $0 % 7 == 0 })
        bench.now += 6000
        try bench.deliver()
        #expect(bench.out.count == 500 && bench.out.values.allSatisfy { $0.count == 1 })
        #expect(bench.timer?.waiting == 0 && bench.timer?.nextSlot == nil)
    }

    @Test func `a slot of many thousands comes out whole and in order`() throws {
        let bench = try Bench()
        bench.fileByteCount = 1 << 20
        try bench.open()
        bench.queue = [Int64](repeating: Self.start + 2000, count: 10_000)
        try bench.enqueue()
        let timer = try #require(bench.timer)
        var chain = try #require(try timer.chain(of: Self.start + 2000))
        var records: [Int64] = []
        while true {
            let piece = try chain.next()
            if piece.isEmpty { break }
            records += piece.map(\.record)
        }
        #expect(records == (0..<10_000).map { Int64($0) * 1000 })
        #expect(!chain.wasBroken)
    }

    /// What recovery must give back: each message in its second or later, once if nothing was killed.
    @Test(arguments: seeds) func `kills lose nothing and nothing is early`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bench = try Bench()
        for _ in 0..<60 {
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                bench.queue.append(bench.times.floor(bench.now) + .random(in: -3...30, using: &random) * 1000)
            }
            try bench.enqueue(limit: .random(in: 0...60, using: &random))
            if Bool.random(using: &random) { try bench.deliver() }
            if Bool.random(using: &random) { try bench.sync() }
            bench.now += .random(in: 0...3000, using: &random)
            if Int.random(in: 0..<6, using: &random) == 0 {
                bench.kill()
                try bench.open()
            }
        }
        bench.now += 60_000
        try bench.enqueue()
        try bench.deliver()
        for (offset, slot) in bench.queue.enumerated() {
            let found = bench.out[offset] ?? []
            #expect(!found.isEmpty, "message \(offset) for \(slot) is lost, seed \(seed)")
            #expect(found.allSatisfy { $0 == slot })
        }
    }

    @Test func `without a kill everything comes once`() throws {
        let bench = try Bench()
        var random = SeededRandom(seed: 7)
        for _ in 0..<30 {
            for _ in 0..<20 {
                bench.queue.append(bench.times.floor(bench.now) + .random(in: -2...20, using: &random) * 1000)
            }
            try bench.enqueue()
            try bench.deliver()
            bench.now += .random(in: 0...2000, using: &random)
            if Bool.random(using: &random) {
                try bench.sync()
                bench.kill()
                try bench.open()
            }
        }
        bench.now += 60_000
        try bench.deliver()
        #expect(bench.out.count == bench.queue.count && bench.out.values.allSatisfy { $0.count == 1 })
    }

    /// 100 messages put in and synced, 20 more put in and not synced, 10 seconds emptied.
    private func prepared() throws -> Bench {
        let bench = try Bench()
        bench.queue = (0..<100).map { Self.start + Int64($0) * 1000 }
        try bench.enqueue()
        bench.now += 10_000
        try bench.deliver()
        try bench.sync()
        #expect(bench.out.count == 10)
        bench.queue += (0..<20).map { Self.start + 50_000 + Int64($0) * 1000 }
        try bench.enqueue()
        bench.kill()
        return bench
    }

    private func expectTheRest(_ bench: Bench) throws {
        try bench.open()
        try bench.enqueue()
        try bench.deliver()
        bench.now += 200_000
        try bench.deliver()
        #expect(bench.out.count == 120)
        #expect(bench.out.values.allSatisfy { $0.count == 1 })
        for (offset, slots) in bench.out { #expect(slots == [bench.queue[offset]]) }
        try bench.sync()
        bench.kill()
        try bench.open()
        #expect(bench.timer?.waiting == 0 && bench.timer?.queueOffset == 120)
    }

    @Test func `a killed timer goes on from its checkpoint`() throws { try expectTheRest(prepared()) }

    @Test func `a missing wheel is built again from the timer log`() throws {
        let bench = try prepared()
        try Directory.removeFile(bench.root + "/timerwheel")
        try expectTheRest(bench)
    }

    @Test(arguments: [0, 8, 16, 24]) func `a damaged slot is built again from the timer log`(field: Int) throws {
        let bench = try prepared()
        let wheel = try File(bench.root + "/timerwheel", .readWrite)
        let index = bench.times.index(of: Self.start + 40_000)
        try wheel.write(([0x7F, 0xFF, 1, 2] as [UInt8]).span, at: index * 32 + field)
        try expectTheRest(bench)
    }

    @Test func `a wheel of another length is built again`() throws {
        let bench = try prepared()
        try File(bench.root + "/timerwheel", .readWrite).truncate(to: 777)
        try expectTheRest(bench)
    }

    @Test func `a missing timer log is built again from the queue`() throws {
        let bench = try prepared()
        try Directory.removeTree(bench.root + "/timerlog")
        try expectTheRest(bench)
    }

    @Test func `a timer log without its first file is built again from the queue`() throws {
        let bench = try prepared()
        try Directory.removeFile(bench.root + "/timerlog/00000000000000000000")
        try expectTheRest(bench)
    }

    @Test func `a kill while the log is built again begins it anew`() throws {
        let bench = try prepared()
        try Directory.removeTree(bench.root + "/timerlog")
        try bench.open()
        try bench.enqueue(limit: 50)
        try bench.sync()
        bench.kill()
        try expectTheRest(bench)
    }

    @Test func `a missing checkpoint loses nothing`() throws {
        let bench = try prepared()
        try Directory.removeFile(bench.root + "/config/timercheck")
        try bench.open()
        try bench.enqueue()
        bench.now += 200_000
        try bench.deliver()
        #expect(bench.out.count == 120)  // those of the first ten seconds came twice
        #expect(bench.out.values.allSatisfy { $0.count <= 2 })
    }

    @Test func `a file of another size is refused by name`() throws {
        let bench = try prepared()
        bench.fileByteCount = 8192
        let error = #expect(throws: TimerOpenError.self) { try bench.open() }
        #expect(error?.description.contains("mappedFileSizeTimerLog is 8192") == true)
    }

    @Test func `a chain that is broken is searched in the whole log`() throws {
        let bench = try Bench()
        bench.queue = [Int64](repeating: Self.start + 5000, count: 30)
        try bench.enqueue()
        try bench.sync()
        let file = try File(bench.root + "/timerlog/00000000000000000000", .readWrite)
        // What unit 20 says of the one before it.
        try file.write(([0, 0, 0, 0, 0, 0, 0x7F, 0] as [UInt8]).span, at: 52 * 20 + 4)
        bench.now += 10_000
        try bench.deliver()
        #expect(bench.out.count == 30 && bench.out.values.allSatisfy { $0.count == 1 })
    }

    @Test func `a clock that is set back makes nothing early`() throws {
        let bench = try Bench()
        bench.queue = [Self.start + 3000]
        try bench.enqueue()
        bench.now += 3_600_000
        try bench.deliver()
        #expect(bench.out[0] == [Self.start + 3000])
        try bench.sync()
        bench.now = Self.start  // an hour back
        bench.queue.append(Self.start + 3000)
        try bench.enqueue()
        try bench.deliver()
        #expect(bench.out[1] == nil)
        bench.now += 4000
        try bench.sync()
        bench.kill()
        try bench.open()
        try bench.deliver()
        #expect(bench.out[1] == [Self.start + 3000])
        #expect(bench.out[0]?.count == 1)
    }

    @Test func `old files of the log go`() throws {
        let bench = try Bench()
        for round in 0..<10 {
            bench.queue += [Int64](repeating: bench.times.floor(bench.now) + 1000, count: 100)
            try bench.enqueue()
            bench.now += 3000
            try bench.deliver()
            try bench.sync()
            #expect(bench.out.count == (round + 1) * 100)
        }
        try bench.sync()
        let files = try Directory.names(in: bench.root + "/timerlog")
        #expect(files.count <= 3, "\(files)")
        bench.kill()
        try bench.open()
        #expect(bench.timer?.waiting == 0 && bench.timer?.queueOffset == 1000)
    }

    @Test func `the hand goes round the wheel`() throws {
        let bench = try Bench()
        bench.times = TimerTimes(precision: 1000, rollWindow: 600_000)
        try bench.open()
        for _ in 0..<30 {
            bench.queue.append(bench.times.floor(bench.now) + 500_000_000)
            bench.queue.append(bench.times.floor(bench.now) + 1000)
            try bench.enqueue()
            bench.now += 120_000_000
            try bench.deliver()
        }
        bench.now += 700_000_000
        try bench.deliver()
        #expect(bench.out.count == 60)
        for (offset, slots) in bench.out { #expect(slots == [bench.queue[offset]]) }
    }
}

/// What RocketMQ 5.3.3 wrote.
@Suite struct TimerGoldenTests {
    @Test(arguments: ["clean", "crashed"]) func `Java's timer opens and tells what waits`(state: String) throws {
        let folder = try TemporaryFolder()
        let root = try Golden.unpackStore(version: "5.3.3", state: state, into: folder.url)
        let now: Int64 = 1_795_240_700_000
        let around = TimerStore.Surroundings(queue: 0..<25, now: now) { _ in nil }
        for round in 0..<2 {  // Java's own files, then as we left them
            let timer = try TimerStore.open(
                root: root.path, logFileByteCount: 102_400, times: TimerTimes(), around, log: .silent)
            #expect(timer.queueOffset == 25 && timer.waiting == 23)
            var slot = timer.nextSlot
            var found: [Int64: [Int64]] = [:]
            while let time = slot {
                guard var chain = try timer.chain(of: time) else { break }  // all round the wheel
                found[time] = try chain.next().map(\.record)
                #expect(!chain.wasBroken)
                slot = timer.wheel.next(from: time + 1000)
            }
            #expect(
                found.count == 7 && found[1_795_247_768_000] == [2_916_004, 2_916_997, 2_919_302, 2_921_800, 2_924_298])
            #expect(found[1_795_326_969_000] == [2_916_668])
            if round == 0 {
                let sync = try #require(try timer.sync(now: now, recordStart: 0))
                try sync.run()
            }
        }
        let checkpoint = try TimerCheckpoint.read(TimerCheckpoint.path(in: root.path))
        #expect(checkpoint?.isSealed == true && checkpoint?.values.logEnd == 1300)
        #expect(checkpoint?.values.queueOffset == 25 && checkpoint?.values.masterQueueOffset == 25)
    }
}
