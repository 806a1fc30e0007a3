import Foundation
import Glibc
import MQProtocol
import MQTestKit
import Testing

@testable import RocketMQClient

/// Goal: with a disk that does not keep up, and with peers that never read their answers, the real broker refuses in words that
/// producers know, serves the others, and stays small.
@Suite(.whereBuilt, .serialized, .timeLimit(.minutes(5))) struct FlowControlTests {
    @Test(.whereTraceable)
    func `a producer that is refused tries again, says why in the end, and goes on when the disk does`()
        async throws
    {
        try await Running.run { running in
            let nameServer = try await running.nameServer()
            let settings = [
                "flushDiskType": "SYNC_FLUSH", "osPageCacheBusyTimeOutMills": "200", "syncFlushTimeout": "9000",
            ]
            let broker = try await running.broker([nameServer], settings)
            let load = CrashLoad(port: broker.port)
            try await load.run(acknowledgements: 1)  // makes the topic
            try await broker.stop()
            // A sync of the log takes three seconds.
            try await broker.start(under: running.slow("fdatasync", seconds: 3, when: "1+"))
            let first = Task { try await load.ask(CrashLoad.send(1000)) }
            var options = Producer.Options()
            options.retries = 2
            options.sendTimeout = .seconds(9)
            let producer = try Producer(
                group: "p", options: options, client: ClientOptions(nameServers: nameServer.address))
            try await producer.start()
            let message = Message(topic: CrashLoad.topic, body: Array("refused".utf8))
            let clock = ContinuousClock()
            let begun = clock.now
            var refusal: ClientError?
            while refusal == nil, clock.now - begun < .seconds(2) {
                do throws(ClientError) {
                    // Not waited for: only whether it is taken is asked.
                    var hasty = message
                    hasty.waitsForStore = false
                    _ = try await producer.send(hasty)
                } catch {
                    refusal = error
                }
            }
            guard case .refused(_, let code, let remark) = refusal else {
                throw TestFailure("not refused, but \(String(describing: refusal))")
            }
            #expect(code == 2)
            #expect(remark == "[REJECTREQUEST]system busy, start flow control for a while")
            #expect(try await first.value.responseCode == .success, "what was taken is answered when it is on the disk")
            #expect(try await producer.send(message).status == .sendOK)
            await producer.shutdown()
        }
    }

    @Test(arguments: ["ASYNC_FLUSH", "SYNC_FLUSH"])
    func `peers that send and never read cost little, and others are served beside them`(flush: String) async throws {
        try await Running.run { running in
            let broker = try await running.broker([], ["flushDiskType": flush])
            let load = CrashLoad(port: broker.port)
            try await load.run(acknowledgements: 10)
            let before = try Self.residentKilobytes(broker.processID)
            let peers = try (0..<24).map { _ in try DeafPeer(port: broker.port) }
            var requests: [UInt8] = []
            for number in 0..<64 {
                var request = CrashLoad.send(number)
                request.opaque = Int32(number)
                requests += request.frame(as: .json)
            }
            // Rounds over all of them, until the broker reads no more of any.
            var pushed = 0
            for _ in 0..<100 {
                let round = peers.reduce(0) { $0 + $1.push(requests) }
                pushed += round
                if round == 0 { break }
                _ = try await load.ask(CrashLoad.send(1))
            }
            #expect(pushed > 24 * 64 << 10, "much was sent: \(pushed) bytes")
            let answer = try await load.ask(CrashLoad.send(2))
            #expect([0, 2].contains(answer.code), "served, or told to slow down: \(answer.remark ?? "")")
            let grown = try Self.residentKilobytes(broker.processID) - before
            #expect(grown < 128 << 10, "anonymous memory grew by \(grown) KiB for \(pushed) bytes")
            withExtendedLifetime(peers) {}
        }
    }

    /// Anonymous memory: mapped files are the system's to give up.
    private static func residentKilobytes(_ process: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
        return try #require(line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) })
    }
}

/// A connection that takes what it may send and never reads.
private final class DeafPeer {
    private let socket: RawSocket
    private var held: ArraySlice<UInt8> = []

    init(port: Int) throws {
        socket = try RawSocket(port: port)
        var small: Int32 = 4096
        setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUF, &small, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Sends `bytes`, behind what was left of them the last time, as far as nobody waits.
    func push(_ bytes: [UInt8]) -> Int {
        if held.isEmpty { held = bytes[...] }
        let sent = held.withUnsafeBytes {
            Glibc.send(socket.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        }
        guard sent > 0 else { return 0 }
        held = held.dropFirst(sent)
        return sent
    }
}
