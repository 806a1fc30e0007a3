import Foundation
import MQAdmin
import MQProtocol
import MQTestKit
import Testing

/// Goal: a disk that fails, or is full, at any call costs no message that was acknowledged: the store says once that it
/// takes nothing more, or goes on when there is room; the next start finds every message once, in order, unharmed.
/// Method: the real broker under strace, which lets the n-th call of one kind fail, in each thread; a producer that sends each
/// number once; then a start without strace. All calls of a fault fail over the same store, one start after the other.
/// `MQ_FAULTS=50` sets up to which n; a few are tried otherwise.
@Suite(.whereBuilt, .whereTraceable, .serialized, .timeLimit(.minutes(30))) struct FaultTests {
    /// A call that fails.
    struct Fault: Sendable, CustomTestStringConvertible {
        let call: String
        let error: String
        var flush = "SYNC_FLUSH"
        /// Whether only calls on the log's files fail.
        var isOfLog = true
        /// Whether every later call fails too.
        var isLasting = false

        var testDescription: String {
            "\(call) \(error) \(flush)\(isOfLog ? " on the log" : "")\(isLasting ? " for good" : "")"
        }

        /// strace as it lets the n-th call fail.
        func tracer(_ number: Int, log: String) -> [String] {
            let files = (0..<64).map { index in
                let name = String(index * FaultTests.fileByteCount)
                return log + "/" + String(repeating: "0", count: 20 - name.count) + name
            }
            return Tracer.command(
                call, "error=\(error):when=\(number)\(isLasting ? "+" : "")", on: isOfLog ? files : [])
        }
    }

    private static let fileByteCount = 1 << 18
    private static let numbers: [Int] = {
        let limit = ProcessInfo.processInfo.environment["MQ_FAULTS"].flatMap { Int($0) }
        return limit.map { Array(1...max($0, 1)) } ?? [1, 2, 3, 11]
    }()

    @Test(arguments: [
        Fault(call: "fdatasync", error: "EIO"),
        Fault(call: "fdatasync", error: "EIO", flush: "ASYNC_FLUSH"),
        Fault(call: "fdatasync", error: "EIO", isOfLog: false, isLasting: true),
        Fault(call: "pwrite64", error: "EIO"),
        Fault(call: "pwrite64", error: "ENOSPC"),
        Fault(call: "pwrite64", error: "ENOSPC", flush: "ASYNC_FLUSH", isLasting: true),
        Fault(call: "pwrite64", error: "EIO", isOfLog: false),
        Fault(call: "fallocate", error: "ENOSPC"),
        Fault(call: "fallocate", error: "EIO"),
        Fault(call: "fallocate", error: "ENOSPC", isLasting: true),
    ])
    func `what was acknowledged outlives a disk that fails`(fault: Fault) async throws {
        try await Running.run { running in
            let broker = try await running.broker(
                [],
                [
                    "flushDiskType": fault.flush, "mappedFileSizeCommitLog": String(Self.fileByteCount),
                    "mappedFileSizeConsumeQueue": "6000", "maxHashSlotNum": "500", "maxIndexNum": "2000",
                    "flushIntervalCommitLog": "20", "syncFlushTimeout": "2000",
                ])
            try await broker.stop()
            let course = Course(broker: broker, folder: running.folder.url, load: CrashLoad(port: broker.port))
            for number in Self.numbers { try await course.run(fault, number) }
        }
    }

    @Test func `a send that waits too long for a slow disk is answered so, and one that need not wait is not`()
        async throws
    {
        try await Running.run { running in
            let settings = ["flushDiskType": "SYNC_FLUSH", "syncFlushTimeout": "300"]
            let broker = try await running.broker([], settings)
            let load = CrashLoad(port: broker.port)
            try await load.run(acknowledgements: 1)  // makes the topic
            try await broker.stop()
            try await broker.start(under: running.slow("fdatasync", seconds: 3, when: "1+"))
            let late = try await load.ask(CrashLoad.send(1000))
            #expect(late.code == 10)  // FLUSH_DISK_TIMEOUT
            for field in ["msgId", "queueId", "queueOffset", "transactionId"] {
                #expect(late[field]?.isEmpty == false, "\(field) is missing")
            }
            let clock = ContinuousClock()
            let began = clock.now
            let hasty = try await load.ask(CrashLoad.send(1001, properties: "WAIT\u{1}false\u{2}"))
            #expect(hasty.responseCode == .success)
            #expect(clock.now - began < .milliseconds(300))
            #expect(hasty["msgId"]?.isEmpty == false)
            try await broker.kill()
            try await broker.start()
            let found = try await load.pullAll(1000 % CrashLoad.queueCount, from: 0)
            #expect(found.contains { $0.number == 1000 })
        }
    }

    /// One broker that fails and is started again, with the producer that remembers.
    private struct Course {
        let broker: Server
        let folder: URL
        let load: CrashLoad

        func run(_ fault: Fault, _ number: Int) async throws {
            let place = "\(fault.testDescription), call \(number)"
            let linesBefore = fenceLines
            do {
                try await broker.start(under: fault.tracer(number, log: folder.path + "/store/commitlog"))
            } catch {
                // A start that fails is an answer too, if it says why.
                #expect(broker.exitStatus == 1, "\(place): \(error)")
                #expect(broker.printed.contains("Input/output error") || broker.printed.contains("No space left"))
                try await broker.kill()
                return try await startAgain(place)
            }
            try await load.run(acknowledgements: 300, refusals: 100)
            #expect(load.acknowledgedAfterFence.isEmpty, "\(place): acknowledged after the fence")
            if fault.isOfLog, !load.acknowledged.isEmpty {
                if fault.flush == "ASYNC_FLUSH" {  // acknowledged before it is in the queues
                    try await eventually("\(place): dispatched") { try await info()["dispatchBehindBytes"] == "0" }
                }
                try await load.check(place + ", before the restart")
            }
            let isFenced = try await self.isFenced(place)
            if isFenced {
                try await eventually("\(place): the log says so") { fenceLines > linesBefore }
            }
            if number.isMultiple(of: 2) || fault.isLasting {
                try await broker.kill()
            } else {
                try await broker.stop()
                let abort = FileManager.default.fileExists(atPath: folder.appending(path: "store/abort").path)
                #expect(abort || !isFenced, "\(place): closed as if nothing had happened")
            }
            #expect(fenceLines - linesBefore <= 1, "\(place): said more than once")
            try await startAgain(place)
        }

        private func startAgain(_ place: String) async throws {
            try await broker.start()
            // Before the first message there is no topic to read.
            if !load.acknowledged.isEmpty { try await load.check(place) }
            try await broker.stop()
        }

        /// The broker is asked itself; no name server runs.
        private func info() async throws -> [String: String] {
            try await withAdmin([broker]) { try await $0.runtimeInfo(at: broker.address) }
        }

        /// Whether the broker tells its operator that it takes nothing any more.
        private func isFenced(_ place: String) async throws -> Bool {
            let info = try await info()
            let reason = info["storeFenced"]
            #expect(info["brokerActive"] == String(reason == nil), "\(place)")
            return reason != nil
        }

        /// How often the log says that the store takes nothing any more.
        private var fenceLines: Int {
            let text = try? String(contentsOf: folder.appending(path: "logs/broker.log"), encoding: .utf8)
            return (text ?? "").split(separator: "\n").count { $0.contains("the store takes no more messages") }
        }
    }
}

extension Trait where Self == ConditionTrait {
    /// Only where one process may trace another and make its calls fail.
    static var whereTraceable: Self {
        .enabled("needs strace and permission to trace") {
            let probe = try? await Command.run(
                URL(filePath: "/usr/bin/env"),
                [
                    "strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync", "-e",
                    "inject=fdatasync:error=EIO:when=1", "true",
                ], environment: ProcessInfo.processInfo.environment, in: FileManager.default.temporaryDirectory)
            return probe?.status == 0
        }
    }
}
