import Foundation
import MQBase
import MQBytes
import MQConfig
import MQMessage
import MQObserve
import MQSystem
import MQTestKit
import Synchronization
import Testing

@testable import MQBroker
@testable import MQStore

/// The timer over a real log, on a clock that is moved by hand: no thread runs, the test does their work.
@Suite struct TimerWorkerTests {
    /// A store, its timer and a clock.
    private final class Bench {
        static let start: Int64 = 1_795_240_569_000

        let folder: TemporaryFolder
        private(set) var store: MessageStore?
        private(set) var worker: TimerWorker?
        private let clock = HandClock()
        private let settings: TimerSettings
        private let host = MessageHost(ip: [127, 0, 0, 1], port: 10911)

        var now: Int64 {
            get { clock.now }
            set { clock.now = newValue }
        }

        init(_ keys: [String: String] = [:]) throws {
            folder = try TemporaryFolder(isInMemory: true)
            var values = ConfigValues(.broker, on: ConfigMachine(home: "/tmp"))
            try values.set("mappedFileSizeTimerLog", to: "8192")
            for (key, value) in keys { try values.set(key, to: value) }
            settings = TimerSettings(values)
            clock.now = Self.start
            try open()
        }

        func open() throws {
            var config = StoreConfig(root: folder.path)
            config.commitLogFileByteCount = 1 << 20
            config.fillsFilesAhead = false
            let store = try MessageStore(config, log: .silent)
            self.store = store
            let timer = try TimerWorker.open(store, settings, now: now, log: .silent)
            let parts = TimerWorker.Parts(
                store: store, timer: timer, redelivery: Redelivery(store: store, storeHost: host, queueIDMax: 100),
                counts: TimerCounts(stored: nil),
                stats: BrokerStats(now: SystemClock.now(), wall: Timestamp(rawValue: now)),
                clock: WallClock { [clock] in clock.now }, syncMilliseconds: 1000, log: .silent, pause: { _ in false })
            worker = TimerWorker(parts)
        }

        /// As a killed process does.
        func kill() { (store, worker) = (nil, nil) }

        /// Stores a message as the send path does.
        func send(_ body: String, out: Int64, _ more: [(name: String, value: String)] = []) throws {
            let store = try #require(store)
            let batch = AppendBatch()
            let head = RecordHead(
                queueID: 0, flag: 3, sysFlag: [], bornTimestamp: Timestamp(rawValue: now), bornHost: host,
                storeHost: host)
            let properties = Properties.encode(
                [
                    ("UNIQ_KEY", body), ("TIMER_OUT_MS", String(out)), ("REAL_TOPIC", "T"), ("REAL_QID", "2"),
                ] + more)
            try batch.stage(
                head, topic: Array(TimerWorker.topic.utf8).span, body: Array(body.utf8).span,
                in: store.queue(TimerWorker.topic, 0)
            ) { $0.append(properties) }
            try store.append(batch, at: Timestamp(rawValue: now))
            try store.dispatcher.catchUp { _ in }
        }

        /// One round, and what it stored is dispatched.
        @discardableResult
        func round() throws -> Int64? {
            let next = try #require(worker).round()
            try #require(store).dispatcher.catchUp { _ in }
            return next
        }

        /// Rounds on the way to `end`, as the thread would do them.
        func run(to end: Int64) throws {
            while let next = try round(), next <= end {
                if next <= now { try sync() } else { now = next }
            }
            now = end
            try round()
        }

        func sync() throws {
            try #require(store).flusher.flush()
            let worker = try #require(worker)
            guard let sync = worker.takeSync(isClosing: true) else { return }
            try sync.run()
            worker.finished(sync, nil)
        }

        /// Bodies, store times and properties of what was delivered.
        func delivered() throws -> [(body: String, storedAt: Int64, properties: [String: String])] {
            let store = try #require(store)
            guard let queue = store.existingQueue("T", 2) else { return [] }
            return try (queue.minOffset..<queue.maxOffset).map { offset in
                let unit = try #require(try queue.unit(at: offset))
                let found = store.withRecord(at: unit.physicalOffset) { record, bytes in
                    (
                        bytes.extracting(record.body).toString(), record.storeTimestamp.rawValue,
                        Dictionary(
                            Properties.list(bytes.extracting(record.properties)).map { ($0.name, $0.value) },
                            uniquingKeysWith: { $1 })
                    )
                }
                return try #require(found)
            }
        }
    }

    private final class HandClock: Sendable {
        private let time = Atomic<Int64>(0)
        var now: Int64 {
            get { time.load(ordering: .relaxed) }
            set { time.store(newValue, ordering: .relaxed) }
        }
    }

    @Test(arguments: [false, true])
    func `what was taken back does not come after a kill over its time, whether progress was written or not`(
        reads: Bool
    ) throws {
        let bench = try Bench()
        try bench.send("a", out: Bench.start + 2000)
        try bench.send("b", out: Bench.start + 2000)
        if reads { try bench.round() }
        try bench.send("r", out: Bench.start + 2000, [("TIMER_DEL_UNIQKEY", "T+a")])
        for _ in 0..<2 {
            bench.kill()
            bench.now += 10_000
            try bench.open()
        }
        try bench.run(to: bench.now + 1000)
        #expect(try bench.delivered().map(\.body) == ["b"])
    }

    @Test func `a worker names the moment of its next slot, and none when nothing waits`() throws {
        let bench = try Bench()
        #expect(try bench.round() == nil)
        try bench.send("a", out: Bench.start + 5000)
        #expect(try bench.round().map { $0 <= Bench.start } == true)  // progress is to be written
        try bench.sync()
        #expect(try bench.round() == Bench.start + 6000)
        bench.now = Bench.start + 5999
        try bench.round()
        #expect(try bench.delivered().isEmpty)
        bench.now = Bench.start + 6000
        try bench.round()
        #expect(try bench.delivered().map(\.body) == ["a"])
        try bench.sync()
        #expect(try bench.round() == nil)
    }

    @Test func `a message far away is stored again on its way and comes in its second`() throws {
        let bench = try Bench(["timerRollWindowSlot": "100"])
        let out = Bench.start + 1_000_000
        try bench.send("far", out: out)
        try bench.run(to: out + 1000)
        let got = try #require(bench.delivered().first)
        #expect(got.body == "far" && got.storedAt == out + 1000)
        let rolls = try #require(got.properties["TIMER_ROLL_TIMES"].flatMap { Int($0) })
        #expect(rolls >= 9 && rolls <= 12)
        #expect(got.properties["REAL_TOPIC"] == "T")
        #expect(try bench.delivered().count == 1)
    }

    @Test func `a recall counts for all of its slot, rolled or not`() throws {
        let bench = try Bench(["timerRollWindowSlot": "100"])
        for (name, distance) in [("near", 5000), ("far", 900_000)] as [(String, Int64)] {
            let out = Bench.start + distance
            try bench.send(name + "1", out: out)
            try bench.send("recall", out: out, [("TIMER_DEL_UNIQKEY", "T+\(name)1")])
            try bench.send("other", out: out, [("TIMER_DEL_UNIQKEY", "T+nobody")])
            try bench.send(name + "2", out: out)
        }
        try bench.run(to: Bench.start + 1_000_000)
        #expect(try bench.delivered().map(\.body) == ["near2", "far2"])
    }

    @Test(arguments: [UInt64(1), 2, 3, .random(in: .min ... .max)])
    func `whatever is killed when, each message comes and none is early`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bench = try Bench(["timerRollWindowSlot": "20"])
        var wanted: [String: Int64] = [:]
        for round in 0..<40 {
            for index in 0..<Int.random(in: 0...20, using: &random) {
                let out = (bench.now + .random(in: -2000...60_000, using: &random)) / 1000 * 1000
                wanted["\(round).\(index)"] = out
                try bench.send("\(round).\(index)", out: out)
            }
            if Bool.random(using: &random) { try bench.round() }
            if Int.random(in: 0..<3, using: &random) == 0 { try bench.sync() }
            bench.now += .random(in: 0...4000, using: &random)
            if Int.random(in: 0..<8, using: &random) == 0 {
                bench.kill()
                try bench.open()
            }
        }
        try bench.run(to: bench.now + 100_000)
        let found = try bench.delivered()
        #expect(Set(found.map(\.body)) == Set(wanted.keys), "seed \(seed)")
        for message in found {
            let out = try #require(wanted[message.body])
            #expect(message.storedAt >= out + 1000, "\(message.body) is early, seed \(seed)")
        }
    }

    @Test func `a machine's crash never lets progress be ahead of the log`() throws {
        let bench = try Bench()
        try bench.send("a", out: Bench.start + 2000)
        try bench.round()
        let worker = try #require(bench.worker)
        bench.now += 1500
        #expect(worker.takeSync() == nil)  // the message is not on the disk yet
        #expect(worker.waitsForFlush)
        try bench.sync()
        #expect(!worker.waitsForFlush && worker.status.checkpoint.queueOffset == 1)
    }

    @Test func `a slot of many is delivered whole, in pieces, in the order of the queue`() throws {
        let bench = try Bench()
        for index in 0..<5000 { try bench.send("\(index)", out: Bench.start + 2000) }
        try bench.run(to: Bench.start + 4000)
        #expect(try bench.delivered().map(\.body) == (0..<5000).map { String($0) })
        #expect(try #require(bench.worker).status.waiting == 0)
    }

    @Test func `a message whose record is gone is passed over`() throws {
        let bench = try Bench()
        try bench.send("gone", out: Bench.start + 2000)
        try bench.send("there", out: Bench.start + 2000)
        try bench.round()
        let file = try File(bench.folder.path + "/commitlog/00000000000000000000", .readWrite)
        try file.write(([0, 0, 0, 1] as [UInt8]).span, at: 4)  // no record begins there any more
        try bench.run(to: Bench.start + 4000)
        #expect(try bench.delivered().map(\.body) == ["there"])
    }
}
