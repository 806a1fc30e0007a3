import MQBase
import MQSystem
import MQTestKit
import Testing

@testable import MQStore

/// Makes the crashes of one workload and opens what they leave.
final class StoreCrashes {
    private let history: StoreHistory
    private let seed: UInt64
    private let isSynchronous: Bool
    private let thoroughOneIn: Int
    private let folder: TemporaryFolder
    private let folderOfSecond: TemporaryFolder
    private(set) var count = 0
    private var failureCount = 0
    private var visits = 0

    /// - Parameter thoroughOneIn: one recovery in so many is crashed at all its boundaries, the others at one.
    init(_ history: StoreHistory, seed: UInt64, isSynchronous: Bool, thoroughOneIn: Int = 256) throws {
        self.thoroughOneIn = thoroughOneIn
        self.history = history
        self.seed = seed
        self.isSynchronous = isSynchronous
        folder = try TemporaryFolder(isInMemory: true)
        folderOfSecond = try TemporaryFolder(isInMemory: true)
    }

    private func random(_ parts: Int...) -> SeededRandom {
        var mixed = seed
        for part in parts { mixed = (mixed ^ UInt64(truncatingIfNeeded: part)) &* 0x9E37_79B9_7F4A_7C15 }
        return SeededRandom(seed: mixed)
    }

    /// One crash of the machine, and sometimes one of the process.
    func crash(at boundary: SimulatedDisk<StorePromise>.Boundary) throws {
        visits += 1
        var random = random(boundary.number, visits)
        // Nine stores into the index are one entry.
        if case .store = boundary.next, Int.random(in: 0..<8, using: &random) > 0 { return }
        try crash(at: boundary, isMachine: true, random.next())
        if Int.random(in: 0..<3, using: &random) == 0 { try crash(at: boundary, isMachine: false, random.next()) }
    }

    private func crash(
        at boundary: SimulatedDisk<StorePromise>.Boundary, isMachine: Bool, _ crashSeed: UInt64
    ) throws {
        var random = SeededRandom(seed: crashSeed)
        let place = { [seed, isSynchronous] in
            Self.place(boundary, isMachine: isMachine, "seed \(seed), \(isSynchronous ? "sync" : "async")")
        }
        try leave(boundary.image, boundary.next, isMachine: isMachine, random.next(), in: folder)
        let promise = boundary.mark
        let disk = try SimulatedDisk(folder.path + "/disk") { promise }
        count += 1
        let found: Int
        do {
            let store = try TestStore(config(folder), in: folder, batchTopics: StoreHistory.batchTopics)
            found = try history.check(
                store, required: isMachine ? promise.flushed : promise.written, promise)
        } catch {
            try disk.forEachBoundary(upTo: 0) { _ in }
            return try fail(place(), error)
        }
        let chosen = Int.random(in: 0...disk.changeCount, using: &random)
        let isThorough = Int.random(in: 0..<thoroughOneIn, using: &random) == 0
        try disk.forEachBoundary(upTo: isThorough ? .max : chosen) { second in
            guard isThorough || second.number == chosen else { return }
            var required = isMachine ? promise.flushed : promise.written
            if second.next == nil, found > 0 { required = max(required, history.sent[found - 1].end) }
            try crashAgain(
                at: second, required: required, isMachine: Bool.random(using: &random), place, random.next())
        }
    }

    /// A crash while the first one was being recovered from. Then the store goes on, and is stopped and opened once more.
    private func crashAgain(
        at boundary: SimulatedDisk<StorePromise>.Boundary, required: Int64, isMachine: Bool, _ first: () -> String,
        _ crashSeed: UInt64
    ) throws {
        var stage = ", recovery"
        count += 1
        try leave(boundary.image, boundary.next, isMachine: isMachine, crashSeed, in: folderOfSecond)
        do {
            let store = try TestStore(config(folderOfSecond), in: folderOfSecond, batchTopics: StoreHistory.batchTopics)
            let promise = boundary.mark
            let found = try history.check(store, required: required, promise)
            var after = history.prefix(found)
            store.now += 1_000_000
            for number in 0..<3 {
                let messages = (0..<3).map { queueID in
                    TestMessage(
                        queueID: queueID, body: .text("after \(number)"),
                        properties: [("UNIQ_KEY", "after\(number)\(queueID)"), ("KEYS", "a")])
                }
                after.add(try store.send(messages))
            }
            try store.settle()
            stage += ", went on"
            _ = try after.check(store, required: .max, promise)
            try store.close()
            stage += ", opened again"
            try store.open()
            _ = try after.check(store, required: .max, promise)
        } catch {
            try fail(Self.place(boundary, isMachine: isMachine, first() + stage), error)
        }
    }

    /// A few failures of one course are enough.
    private func fail(_ place: String, _ error: any Error) throws {
        Issue.record("\(place): \(error)")
        failureCount += 1
        if failureCount == 5 { throw TestFailure("seed \(seed) fails in many places; the rest is left out") }
    }

    private func config(_ folder: TemporaryFolder) -> StoreConfig {
        StoreWorkload.config(in: folder, isSynchronous: isSynchronous, isIndexed: history.isIndexed)
    }

    private static func place(
        _ boundary: SimulatedDisk<StorePromise>.Boundary, isMachine: Bool, _ before: String
    ) -> String {
        let next = boundary.next.map { "\($0)".prefix(120) } ?? "the end"
        return "\(before), \(isMachine ? "machine" : "process") crashed at \(boundary.number) before \(next)"
    }

    /// Puts what a crash leaves into `folder`.
    private func leave(
        _ image: DiskImage, _ next: DiskChange?, isMachine: Bool, _ crashSeed: UInt64, in folder: TemporaryFolder
    ) throws {
        var crash =
            isMachine
            ? DiskCrash.ofMachine(seed: crashSeed, during: next) : DiskCrash.ofProcess(seed: crashSeed, during: next)
        try image.write(&crash, to: folder.path + "/disk")
        let abort = folder.path + "/disk/store/abort"
        guard isMachine, let told = AbortFile.read(abort) else { return }
        // The machine was started again: it has another name for this boot. Or RocketMQ opened the store and was killed, which
        // stays so until a start has come to its end.
        let isForeign = told.boot == nil || crashSeed % 8 == 0
        try File.replace(abort, with: Array((isForeign ? "17" : "17\nanother boot\n").utf8))
    }
}
