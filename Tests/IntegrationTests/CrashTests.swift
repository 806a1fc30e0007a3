import Foundation
import MQTestKit
import Testing

/// Goal: kill -9 at any moment loses nothing that was acknowledged and invents nothing.
/// Method: a producer without retries keeps 32 messages under way; the broker is killed at a random moment and started
/// again, several times over the same store, whose files are small; then every queue is read and compared with what was
/// answered. Meanwhile a group reads, commits, gives messages back and sends delayed ones.
/// `MQ_CYCLES` sets how often, `MQ_SEED` repeats the moments.
@Suite(.whereBuilt, .timeLimit(.minutes(30))) struct CrashTests {
    private static let environment = ProcessInfo.processInfo.environment

    @Test(arguments: ["ASYNC_FLUSH", "SYNC_FLUSH"])
    func `kill -9 loses nothing that was acknowledged`(flush: String) async throws {
        let cycles = Self.environment["MQ_CYCLES"].flatMap { Int($0) } ?? 10
        let seed = Self.environment["MQ_SEED"].flatMap { UInt64($0) } ?? .random(in: .min ... .max)
        var random = Moments(seed: seed)
        try await Running.run { running in
            let broker = try await running.broker(
                [],
                [
                    "flushDiskType": flush, "mappedFileSizeCommitLog": "1048576", "mappedFileSizeConsumeQueue": "6000",
                    "messageDelayLevel": Array(repeating: "1s", count: 18).joined(separator: " "),
                ])
            let load = CrashLoad(port: broker.port)
            let reader = CrashReader(load)
            var before = [[Int]](repeating: [], count: CrashLoad.queueCount)
            for cycle in 1...cycles {
                let place = "seed \(seed) cycle \(cycle) \(flush)"
                let wanted = load.acknowledged.count + random.next(1...1500)
                async let sending: Void = load.run()
                async let reading: Void = reader.run()
                try await eventually("messages are acknowledged") { load.acknowledged.count >= wanted }
                try await broker.kill()
                try await sending
                await reading
                try await broker.start()
                let queues = try await load.check(place, known: cycle % 10 == 0 || cycle == cycles ? [] : before)
                for (queue, numbers) in queues.enumerated() {
                    #expect(numbers.starts(with: before[queue]), "\(place): queue \(queue) is another one")
                }
                before = queues
                try await reader.check(queues, place)
            }
            try await reader.checkArrivals("seed \(seed) \(flush)")
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
