import Foundation
import MQTestKit
import Testing

/// Goal: kill -9 at any moment loses nothing that was acknowledged and invents nothing.
/// Method: a producer without retries keeps 32 messages under way; the broker is killed at a random moment and started
/// again, several times over the same store; then every queue is read and compared with what was answered.
/// `MQ_CYCLES` sets how often, `MQ_SEED` repeats the moments.
@Suite(.whereBuilt, .timeLimit(.minutes(30))) struct CrashTests {
    private static let environment = ProcessInfo.processInfo.environment

    @Test(arguments: ["ASYNC_FLUSH", "SYNC_FLUSH"])
    func `kill -9 loses nothing that was acknowledged`(flush: String) async throws {
        let cycles = Self.environment["MQ_CYCLES"].flatMap { Int($0) } ?? 3
        let seed = Self.environment["MQ_SEED"].flatMap { UInt64($0) } ?? .random(in: .min ... .max)
        var random = Moments(seed: seed)
        try await Running.run { running in
            let broker = try await running.broker(
                [],
                ["flushDiskType": flush, "mappedFileSizeCommitLog": "1048576", "mappedFileSizeConsumeQueue": "6000"])
            let load = CrashLoad(port: broker.port)
            var ends = [Int64](repeating: 0, count: CrashLoad.queueCount)
            for cycle in 1...cycles {
                let before = load.acknowledged.count
                async let sending: Void = load.run()
                let wanted = before + random.next(1...1500)
                try await eventually("messages are acknowledged") { load.acknowledged.count >= wanted }
                try await broker.kill()
                try await sending
                try await broker.start()
                let found = try await load.check("seed \(seed) cycle \(cycle) \(flush)")
                for (queue, end) in found.enumerated() {
                    #expect(end >= ends[queue], "queue \(queue) became shorter, seed \(seed)")
                }
                ends = found
            }
        }
    }

    /// When to kill: repeatable from its seed.
    private struct Moments {
        var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func next(_ range: ClosedRange<Int>) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return range.lowerBound + Int((state >> 33) % UInt64(range.count))
        }
    }
}
