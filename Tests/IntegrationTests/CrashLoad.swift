import Foundation
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQTestKit
import MQTransport
import Testing

/// Sends numbered messages to one broker over plain remoting until the connection breaks, and knows what was answered.
final class CrashLoad: @unchecked Sendable {
    // @unchecked: the changing members are reached under the lock only.
    struct Place: Hashable {
        let queue: Int
        let offset: Int64
    }

    static let topic = "CrashTopic"
    static let queueCount = 4
    /// Messages under way at once.
    private static let window = 32

    private let address: SocketAddress
    private let lock = NSLock()
    private var next = 0
    private var acknowledgedPlaces: [Place: Int] = [:]
    private var inFlight = 0
    private var asking: (loop: EventLoop, client: RemotingClient)?
    private var isEnding = false
    private var refusalsLeft = Int.max
    private var acknowledgementsLeft = Int.max
    private var fencedFrom: Int?
    private var afterFence: [Int] = []
    private var refusals: [String: Int] = [:]

    init(port: Int) { address = SocketAddress(ip: [127, 0, 0, 1], port: port) }

    /// Numbers that were answered with SEND_OK, by place.
    var acknowledged: [Place: Int] { lock.withLock { acknowledgedPlaces } }
    /// Numbers below it were used.
    var sentCount: Int { lock.withLock { next } }

    /// Numbers that were acknowledged although they were sent after the store had said that it takes nothing any more.
    var acknowledgedAfterFence: [Int] { lock.withLock { afterFence } }
    /// How often each remark was answered instead of SEND_OK.
    var refused: [String: Int] { lock.withLock { refusals } }

    /// Sends until the broker is gone, or until so much was acknowledged or refused; returns when nothing is under way
    /// any more.
    func run(acknowledgements: Int = .max, refusals: Int = .max) async throws {
        let loop = try EventLoop("crash-load")
        let client = RemotingClient(loop: loop)
        loop.start()
        lock.withLock {
            isEnding = false
            fencedFrom = nil
            (acknowledgementsLeft, refusalsLeft) = (acknowledgements, refusals)
            self.refusals = [:]
        }
        for _ in 0..<Self.window { sendNext(client) }
        try await eventually("all sends are answered or failed") { lock.withLock { inFlight == 0 } }
        client.close()
        loop.stop()
    }

    private func sendNext(_ client: RemotingClient) {
        let number: Int? = lock.withLock {
            guard !isEnding else { return nil }
            next += 1
            inFlight += 1
            return next - 1
        }
        guard let number else { return }
        client.invoke(Self.send(number), to: address, timeoutMilliseconds: 10_000) { [self] result in
            let goesOn = lock.withLock {
                inFlight -= 1
                guard case .success(let answer) = result, answer.responseCode == .success,
                    let queue = answer.int32("queueId"), let offset = answer.int64("queueOffset")
                else {
                    noteRefusal(result)
                    return !isEnding
                }
                if let fencedFrom, number >= fencedFrom { afterFence.append(number) }
                acknowledgedPlaces[Place(queue: Int(queue), offset: offset)] = number
                acknowledgementsLeft -= 1
                if acknowledgementsLeft <= 0 { isEnding = true }
                return !isEnding
            }
            if goesOn { sendNext(client) }
        }
    }

    /// Lock held.
    private func noteRefusal(_ result: Result<RemotingCommand, RemotingError>) {
        guard case .success(let answer) = result else {
            isEnding = true  // no retries: each number is sent once
            return
        }
        let remark = answer.remark ?? ""
        refusals[remark, default: 0] += 1
        if remark.contains("is not writable"), fencedFrom == nil { fencedFrom = next }
        refusalsLeft -= 1
        if refusalsLeft <= 0 { isEnding = true }
    }

    /// One request's answer, over a connection that stays until the broker goes.
    @discardableResult
    func ask(_ request: RemotingCommand) async throws -> RemotingCommand {
        let client = try lock.withLock {
            if let asking { return asking.client }
            let loop = try EventLoop("crash-ask")
            let client = RemotingClient(loop: loop)
            loop.start()
            asking = (loop, client)
            return client
        }
        return try await withCheckedThrowingContinuation { continuation in
            client.invoke(request, to: address, timeoutMilliseconds: 10_000) { continuation.resume(with: $0) }
        }
    }

    deinit {
        asking?.client.close()
        asking?.loop.stop()
    }

    static func send(_ number: Int, to topic: String = topic, properties: String = "") -> RemotingCommand {
        RemotingCommand(
            .sendMessageV2,
            [
                "a": "crash-producers", "b": topic, "c": "TBW102", "d": String(queueCount),
                "e": String(number % queueCount), "f": "0", "g": "1700000000000", "h": "0",
                "i": "UNIQ_KEY\u{1}CRASH\(number)\u{2}TAGS\u{1}T\(number % 3)\u{2}\(properties)", "j": "0",
                "k": "false",
                "m": "false",
            ], body: body(number))
    }

    /// The number, a checksum and as many bytes as the number says.
    static func body(_ number: Int) -> [UInt8] {
        var random = UInt64(number) &* 0x9E37_79B9_7F4A_7C15 | 1
        var filler: [UInt8] = []
        let byteCount = number * 37 % 2000
        while filler.count < byteCount {
            random = random &* 6_364_136_223_846_793_005 &+ 1
            withUnsafeBytes(of: random) { filler.append(contentsOf: $0) }
        }
        return Array("\(number) \(CRC32.value(of: filler.span)) ".utf8) + filler
    }

    /// The number in a body; `nil` if it is not one that was sent.
    static func number(in stored: [UInt8]) -> Int? {
        let digits = stored.prefix { $0 != 32 }
        guard let number = Int(String(decoding: digits, as: UTF8.self)), body(number) == stored else { return nil }
        return number
    }

    // MARK: - Reading

    /// A message as a pull brings it.
    struct Stored {
        /// The number in its body; `nil` if that was never sent.
        let number: Int?
        let physicalOffset: Int64
    }

    /// Everything in one queue from `offset` on, in order.
    func pullAll(_ queue: Int, from offset: Int64, topic: String = topic) async throws -> [Stored] {
        var found: [Stored] = []
        while true {
            let answer = try await pull(queue, offset + Int64(found.count), topic: topic)
            guard answer.responseCode == .success else {
                let isEnd = [.pullNotFound, .pullOffsetMoved, .topicNotExist].contains(answer.responseCode)
                guard isEnd else { throw TestFailure("pull: \(answer.remark ?? "")") }
                return found
            }
            found += try Self.records(answer.body, from: offset + Int64(found.count))
        }
    }

    func pull(
        _ queue: Int, _ offset: Int64, topic: String = topic, group: String = "crash-consumers"
    ) async throws -> RemotingCommand {
        try await ask(
            RemotingCommand(
                .pullMessage,
                [
                    "consumerGroup": group, "topic": topic, "queueId": String(queue), "queueOffset": String(offset),
                    "maxMsgNums": "32", "sysFlag": "4", "commitOffset": "0", "suspendTimeoutMillis": "0",
                    "subscription": "*", "subVersion": "0", "expressionType": "TAG",
                ]))
    }

    /// The records that lie back to back in a pull's body, whose queue offsets must count up.
    static func records(_ body: [UInt8], from offset: Int64) throws -> [Stored] {
        var found: [Stored] = []
        var position = 0
        while position < body.count {
            let rest = Array(body[position...].prefix(8192))
            let record = try MessageRecord(rest.span)
            guard record.queueOffset == offset + Int64(found.count) else {
                throw TestFailure("offset \(record.queueOffset) where \(offset + Int64(found.count)) belongs")
            }
            found.append(Stored(number: number(in: Array(rest[record.body])), physicalOffset: record.physicalOffset))
            position += record.byteCount
        }
        return found
    }
}

extension CrashLoad {
    /// Compares every queue with what was answered.
    /// - Parameter known: what an earlier check returned: it is not read again, but for its end.
    /// - Returns: the numbers that each queue holds, from its beginning.
    @discardableResult
    func check(_ place: String, known: [[Int]] = []) async throws -> [[Int]] {
        let acknowledged = self.acknowledged
        let sent = sentCount
        var seen = Set<Int>()
        var queues: [[Int]] = []
        for queue in 0..<Self.queueCount {
            let old = queue < known.count ? known[queue] : []
            let start = max(0, old.count - 64)
            let pulled = try await pullAll(queue, from: Int64(start))
            let numbers: [Int?] = old[..<start].map(Optional.some) + pulled.map(\.number)
            queues.append(numbers.map { $0 ?? -1 })
            for (offset, number) in numbers.enumerated() {
                guard let number else {
                    throw TestFailure("\(place): a body in queue \(queue) at \(offset) was never sent")
                }
                if number >= sent || number % Self.queueCount != queue || !seen.insert(number).inserted {
                    Issue.record(
                        "\(place): message \(number) in queue \(queue) at \(offset) is invented or there twice")
                }
                if let expected = acknowledged[Place(queue: queue, offset: Int64(offset))], expected != number {
                    Issue.record(
                        "\(place): message \(number) where \(expected) was acknowledged, queue \(queue) at \(offset)")
                }
            }
        }
        let missing = acknowledged.filter { !seen.contains($0.value) }
        #expect(missing.isEmpty, "\(place): \(missing.count) acknowledged messages are gone, \(missing.first as Any)")
        #expect(seen.count >= acknowledged.count)
        return queues
    }
}
