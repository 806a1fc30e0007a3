import Foundation
import MQTestKit
import Testing

/// Goal: what RocketMQ promises holds together: nothing acknowledged is lost, order in a queue, nothing early, no half
/// message seen, nothing popped that was acknowledged, dead letters after the last attempt, counts that agree.
/// Method: random requests on several connections at once against a real broker, which is stopped and killed in between,
/// and a model that knows what each answer promises; in the end all queues are read and compared with it.
/// `MQ_SEEDS` sets how many courses, `MQ_SEED` repeats one (its requests; the broker's threads and the clock are real).
@Suite(.enabled(if: Machine.has("mqbroker")), .timeLimit(.minutes(60))) struct ModelTests {
    private static let seeds: [UInt64] = {
        let environment = ProcessInfo.processInfo.environment
        if let seed = environment["MQ_SEED"].flatMap({ UInt64($0) }) { return [seed] }
        let count = environment["MQ_SEEDS"].flatMap { Int($0) } ?? 6
        return (0..<count).map { _ in .random(in: .min ... .max) }
    }()
    /// Courses at once: they mostly wait.
    private static let width = 6

    @Test func `what is promised holds, whatever happens in between`() async throws {
        var rest = Self.seeds[...]
        await withTaskGroup(of: (UInt64, [String]).self) { group in
            func begin() {
                guard let seed = rest.popFirst() else { return }
                group.addTask { (seed, await Self.run(seed)) }
            }
            for _ in 0..<Self.width { begin() }
            for await (seed, problems) in group {
                for problem in problems { Issue.record("seed \(seed): \(problem)") }
                begin()
            }
        }
    }

    private static func run(_ seed: UInt64) async -> [String] {
        do {
            let folder = try TemporaryFolder("apus-model")
            let settings = [
                "messageDelayLevel": "1s 1s 2s", "timerPrecisionMs": "100",
                "recallMessageEnable": "true", "enablePropertyFilter": "true",
                "transactionTimeOut": "1000", "transactionCheckInterval": "1000",
                "flushDiskType": seed % 2 == 0 ? "ASYNC_FLUSH" : "SYNC_FLUSH",
                "popFromRetryProbability": "50", "mappedFileSizeCommitLog": "1048576",
                "mappedFileSizeConsumeQueue": "6000",
            ]
            let server = try Server.broker(nameServers: [], settings: settings, in: folder.url)
            let course = ModelCourse(port: server.port, seed: seed)
            do {
                try await run(course, server)
                try await server.stop()
            } catch {
                try? await server.kill()
                return course.state.problems + ["\(error)"]
            }
            return course.state.problems
        } catch {
            return ["\(error)"]
        }
    }

    private static func run(_ course: ModelCourse, _ server: Server) async throws {
        try await server.start()
        try await onThread {
            try course.connect()
            try course.prepare()
        }
        for _ in 0..<3 {
            let rounds = Int(course.number(10...60))
            try await onThread { try course.run(rounds: rounds) }
            if course.chance(50) {
                course.runInto()
                try await server.kill()
                let now = ModelCourse.now()
                try await onThread { try course.killed(now: now) }
            } else {
                try await server.stop()
            }
            try await server.start()
            try await onThread { try course.connect() }
        }
        try await onThread { try course.drain() }
        try await server.stop()
        try await server.start()
        try await onThread {
            try course.connect()
            try course.audit()
        }
    }

    /// Runs what blocks on a thread of its own: the pool's threads are few.
    private static func onThread(_ body: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }
}
