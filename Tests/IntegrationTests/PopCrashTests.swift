import Foundation
import MQMessage
import MQProtocol
import MQTestKit
import Testing

/// Goal: a message whose ack was answered is never popped again, and one that was not acknowledged is popped until it is,
/// though the broker is killed at random moments. Method: the real broker, `kill -9`, one consumer that notes every answer.
@Suite(.enabled(if: Machine.has("mqbroker")), .serialized) struct PopCrashTests {
    // Both at once: most of the time they wait for messages to become visible again.
    @Test func `acks survive kills of the broker`() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for flush in ["ASYNC_FLUSH", "SYNC_FLUSH"] { group.addTask { try await acksSurvive(flush) } }
            try await group.waitForAll()
        }
    }

    private func acksSurvive(_ flush: String) async throws {
        try await Running.run { running in
            let server = try await running.broker([], ["flushDiskType": flush, "popFromRetryProbability": "50"])
            let port = server.port
            let course = PopCourse(port: port)
            try course.send(200)
            for _ in 0..<4 {
                async let consuming: Void = ownThread { course.consumeUntilLost() }
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...700)))
                try await server.kill()
                try await consuming
                try await server.start()
                try course.send(50)
            }
            try await ownThread { try course.consumeAll() }
            #expect(course.problems.isEmpty, "\(flush): \(course.problems)")
            #expect(course.acked.count == course.sent)
        }
    }
}

/// Runs what blocks on a thread of its own: the pool's threads are few.
private func ownThread(_ body: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}

/// One producer and consumer. Used by one thread at a time.
private final class PopCourse: @unchecked Sendable {
    // @unchecked: the test hands it from one thread to the next and waits for each.
    let port: Int
    private(set) var sent = 0
    private(set) var acked: Set<String> = []
    private(set) var problems: [String] = []
    /// Acks that went out and were not answered: either may be.
    private var unknown: Set<String> = []

    init(port: Int) { self.port = port }

    func send(_ count: Int) throws {
        let peer = try RemotingPeer(port: port)
        for _ in 0..<count {
            let answer = try peer.ask(
                RemotingCommand(
                    .sendMessageV2,
                    [
                        "a": "p", "b": "crash", "c": "TBW102", "d": "4", "e": String(sent % 4), "f": "0",
                        "g": "1795241524644", "h": "0", "i": "", "j": "0", "k": "false", "m": "false",
                    ], body: Array("m\(sent)".utf8)))
            guard answer.responseCode == .success else { throw TestFailure("\(answer)") }
            sent += 1
        }
    }

    private func pop(_ peer: RemotingPeer, invisible: Int) throws -> [(body: String, ack: RemotingCommand)] {
        let answer = try peer.ask(
            RemotingCommand(
                .popMessage,
                [
                    "consumerGroup": "g", "topic": "crash", "queueId": "-1", "maxMsgNums": "8",
                    "invisibleTime": String(invisible), "pollTime": "200", "bornTime": "0", "initMode": "0",
                    "order": "false",
                ]))
        guard answer.responseCode == .success else { return [] }
        return try CrashRecord.all(answer).map { record in
            let ack = RemotingCommand(
                .ackMessage,
                [
                    "consumerGroup": "g", "topic": record.topic, "queueId": String(record.queueID),
                    "extraInfo": record.handle, "offset": String(record.offset),
                ])
            return (record.body, ack)
        }
    }

    private func take(_ peer: RemotingPeer, invisible: Int, ackPercent: Int, _ random: inout some RandomNumberGenerator)
        throws
    {
        for (body, ack) in try pop(peer, invisible: invisible) {
            if acked.contains(body) { problems.append("\(body) was acknowledged and came again") }
            guard Int.random(in: 0..<100, using: &random) < ackPercent else { continue }
            unknown.insert(body)
            guard try peer.ask(ack).responseCode == .success else { continue }
            // An ack that came too late is answered with success too: only one in time counts.
            acked.insert(body)
            unknown.remove(body)
        }
    }

    func consumeUntilLost() {
        var random = SystemRandomNumberGenerator()
        guard let peer = try? RemotingPeer(port: port) else { return }
        while true {
            do { try take(peer, invisible: 30_000, ackPercent: 70, &random) } catch { return }
        }
    }

    func consumeAll() throws {
        var random = SystemRandomNumberGenerator()
        let peer = try RemotingPeer(port: port)
        let deadline = ContinuousClock.now + .seconds(90)
        while acked.count < sent, ContinuousClock.now < deadline {
            try take(peer, invisible: 30_000, ackPercent: 100, &random)
            // An ack that was not answered may have counted all the same.
            if acked.union(unknown).count == sent { acked.formUnion(unknown) }
        }
    }
}

/// What a consumer needs of a popped record.
private struct CrashRecord {
    let topic: String
    let queueID: Int
    let offset: Int64
    let body: String
    let handle: String

    /// The records of a pop's answer, with the handles that a client makes.
    static func all(_ answer: RemotingCommand) throws -> [CrashRecord] {
        var rest = answer.body
        var records: [CrashRecord] = []
        while !rest.isEmpty {
            let record = try MessageRecord(rest.span)
            let properties = Properties.list(Array(rest[record.properties]).span)
            var handle = properties.first { $0.name == "POP_CK" }?.value
            if handle == nil {
                let start = (answer["startOffsetInfo"] ?? "").split(separator: ";").first {
                    $0.hasPrefix("0 \(record.queueID) ")
                }
                handle = [
                    String(start?.split(separator: " ")[2] ?? ""), answer["popTime"] ?? "",
                    answer["invisibleTime"] ?? "", answer["reviveQid"] ?? "", "0", "broker-a", "\(record.queueID)",
                    "\(record.queueOffset)",
                ].joined(separator: " ")
            }
            let parts = (handle ?? "").split(separator: " ")
            records.append(
                CrashRecord(
                    topic: parts[4] == "1" ? "%RETRY%g_crash" : "crash", queueID: Int(parts[6]) ?? -1,
                    offset: Int64(parts[7]) ?? -1, body: String(decoding: rest[record.body], as: UTF8.self),
                    handle: handle ?? ""))
            rest.removeFirst(record.byteCount)
        }
        return records
    }
}
