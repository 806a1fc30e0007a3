import Foundation
import MQProtocol
import MQTestKit
import Testing

/// Goal: while a write to the log does not end, its loop's sends wait in their sockets, and are refused when it has; another loop's
/// are refused meanwhile, in RocketMQ's words, so that producers try another broker and nothing is stored that they have long
/// given up. What comes then is taken at once.
@Suite(.whereBuilt, .serialized, .timeLimit(.minutes(3))) struct SlowWriteTests {
    @Test(.whereTraceable)
    func `what lay here while a write stood still is refused, what was written is answered`() async throws {
        try await Running.run { running in
            let broker = try await running.broker(
                [],
                [
                    "flushDiskType": "ASYNC_FLUSH", "osPageCacheBusyTimeOutMills": "500",
                    "serverSelectorThreads": "1",  // both peers at one loop
                ])
            let load = CrashLoad(port: broker.port)
            try await load.run(acknowledgements: 1)  // makes the topic
            try await broker.stop()
            // The third write of a thread to the log takes two seconds.
            try await broker.start(under: running.slow("pwrite64", seconds: 2, when: "3"))
            let (first, second) = (try RemotingPeer(port: broker.port), try RemotingPeer(port: broker.port))
            for number in 0..<2 { #expect(try first.ask(CrashLoad.send(number)).responseCode == .success) }
            #expect(try second.ask(RemotingCommand(.getBrokerRuntimeInfo)).responseCode == .success)
            let begun = ContinuousClock.now
            first.post(CrashLoad.send(2))
            var still = 0
            try await eventually("the loop stands still in its write") {
                still = try Self.state(of: "io-0", in: broker.processID) == "t" ? still + 1 : 0
                return still >= 3
            }
            for number in 3..<6 { second.post(CrashLoad.send(number)) }
            #expect(try first.receive().responseCode == .success, "what is in the log is answered")
            #expect(ContinuousClock.now - begun > .milliseconds(1900))
            for _ in 0..<3 {
                let refused = try second.receive()
                #expect(refused.responseCode == .systemBusy)
                let remark = try #require(refused.remark)
                let words = "[PCBUSY_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: "
                #expect(remark.hasPrefix(words) && remark.hasSuffix("ms, size of queue: 0"), "\(remark)")
            }
            for peer in [first, second] { #expect(try peer.ask(CrashLoad.send(6)).responseCode == .success) }
        }
    }

    @Test(.whereTraceable)
    func `while one loop stands in a write another one refuses what it cannot append, and serves the rest`()
        async throws
    {
        try await Running.run { running in
            let broker = try await running.broker(
                [],
                [
                    "flushDiskType": "ASYNC_FLUSH", "osPageCacheBusyTimeOutMills": "300",
                    "serverSelectorThreads": "2",
                ])
            let load = CrashLoad(port: broker.port)
            try await load.run(acknowledgements: 1)  // makes the topic
            try await broker.stop()
            // The second write of a thread to the log takes four seconds.
            try await broker.start(under: running.slow("pwrite64", seconds: 4, when: "2"))
            let peers = try (0..<2).map { _ in try RemotingPeer(port: broker.port) }  // one at each loop, in turn
            #expect(try peers[0].ask(CrashLoad.send(0)).responseCode == .success)
            peers[0].post(CrashLoad.send(1))
            try await eventually("a loop stands still in its write") {
                try ["io-0", "io-1"].contains { try Self.state(of: $0, in: broker.processID) == "t" }
            }
            let begun = ContinuousClock.now
            for number in 2..<6 {
                let refused = try peers[1].ask(CrashLoad.send(number))
                #expect(refused.responseCode == .systemBusy)
                #expect(refused.remark?.hasPrefix("[PCBUSY_CLEAN_QUEUE]broker busy, start flow control") == true)
                let end = try peers[1].ask(RemotingCommand(.getMaxOffset, ["topic": CrashLoad.topic, "queueId": "0"]))
                #expect(end.responseCode == .success, "\(end)")
            }
            #expect(ContinuousClock.now - begun < .milliseconds(2000), "the patience is 300 ms")
            #expect(try peers[0].receive().responseCode == .success, "what is in the log is answered")
            #expect(try peers[1].ask(CrashLoad.send(6)).responseCode == .success)
            // What the loop that stood still reads first may have lain there.
            _ = try peers[0].ask(CrashLoad.send(7))
            #expect(try peers[0].ask(CrashLoad.send(8)).responseCode == .success)
        }
    }

    /// Which state the system says a thread is in.
    private static func state(of thread: String, in process: Int32) throws -> Substring? {
        let tasks = "/proc/\(process)/task"
        for task in try FileManager.default.contentsOfDirectory(atPath: tasks) {
            let text = try String(contentsOfFile: "\(tasks)/\(task)/stat", encoding: .utf8)
            guard text.contains("(\(thread))") else { continue }
            return text.split(separator: ")").last?.split(separator: " ").first
        }
        return nil
    }

    @Test(.whereTraceable)
    func `an operator sees how many sends wait for the disk, and for how long`() async throws {
        try await Running.run { running in
            let broker = try await running.broker([], ["flushDiskType": "SYNC_FLUSH", "syncFlushTimeout": "9000"])
            let load = CrashLoad(port: broker.port)
            try await load.run(acknowledgements: 1)
            try await broker.stop()
            try await broker.start(under: running.slow("fdatasync", seconds: 2, when: "1"))
            let (producer, admin) = (try RemotingPeer(port: broker.port), try RemotingPeer(port: broker.port))
            func figures() throws -> [String: String] {
                try KVTable(parsing: admin.ask(RemotingCommand(.getBrokerRuntimeInfo)).body).table
            }
            #expect(try figures()["sendThreadPoolQueueSize"] == "0")
            for number in 0..<3 { producer.post(CrashLoad.send(number)) }
            try await eventually("three sends wait") {
                let present = try figures()
                return present["sendThreadPoolQueueSize"] == "3"
                    && (present["sendThreadPoolQueueHeadWaitTimeMills"].flatMap { Int($0) } ?? 0) >= 300
            }
            for _ in 0..<3 { #expect(try producer.receive().responseCode == .success) }
            let after = try figures()
            #expect(after["sendThreadPoolQueueSize"] == "0" && after["sendThreadPoolQueueHeadWaitTimeMills"] == "0")
            #expect(after["sendThreadPoolQueueCapacity"] == "10000" && after["pullThreadPoolQueueSize"] == "0")
        }
    }
}
