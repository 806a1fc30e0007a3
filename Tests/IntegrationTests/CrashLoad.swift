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

    /// One request's answer.
    func ask(_ request: RemotingCommand) async throws -> RemotingCommand {
        let loop = try EventLoop("crash-ask")
        let client = RemotingClient(loop: loop)
        loop.start()
        defer {
            client.close()
            loop.stop()
        }
        return try await withCheckedThrowingContinuation { continuation in
            client.invoke(request, to: address, timeoutMilliseconds: 10_000) { continuation.resume(with: $0) }
        }
    }

    static func send(_ number: Int, properties: String = "") -> RemotingCommand {
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

    /// Everything in one queue from `offset` on: the numbers in order.
    func pullAll(_ queue: Int, from offset: Int64) async throws -> [Int?] {
        let loop = try EventLoop("crash-pull")
        let client = RemotingClient(loop: loop)
        loop.start()
        defer {
            client.close()
            loop.stop()
        }
        var numbers: [Int?] = []
        while true {
            let answer = try await pull(client, queue, offset + Int64(numbers.count))
            guard answer.responseCode == .success else {
                guard answer.responseCode == .pullNotFound else { throw TestFailure("pull: \(answer.remark ?? "")") }
                return numbers
            }
            numbers += try Self.records(answer.body, from: offset + Int64(numbers.count))
        }
    }

    private func pull(_ client: RemotingClient, _ queue: Int, _ offset: Int64) async throws -> RemotingCommand {
        let request = RemotingCommand(
            .pullMessage,
            [
                "consumerGroup": "crash-consumers", "topic": Self.topic, "queueId": String(queue),
                "queueOffset": String(offset), "maxMsgNums": "32", "sysFlag": "4", "commitOffset": "0",
                "suspendTimeoutMillis": "0", "subscription": "*", "subVersion": "0", "expressionType": "TAG",
            ])
        return try await withCheckedThrowingContinuation { continuation in
            client.invoke(request, to: address, timeoutMilliseconds: 10_000) { continuation.resume(with: $0) }
        }
    }

    /// The numbers of the records that lie back to back in a pull's body, whose queue offsets must count up.
    private static func records(_ body: [UInt8], from offset: Int64) throws -> [Int?] {
        var numbers: [Int?] = []
        var position = 0
        while position < body.count {
            let rest = Array(body[position...].prefix(8192))
            let record = try MessageRecord(rest.span)
            guard record.queueOffset == offset + Int64(numbers.count) else {
                throw TestFailure("offset \(record.queueOffset) where \(offset + Int64(numbers.count)) belongs")
            }
            numbers.append(number(in: Array(rest[record.body])))
            position += record.byteCount
        }
        return numbers
    }
}

extension CrashLoad {
    /// Compares every queue with what was answered; returns where the queues end.
    @discardableResult
    func check(_ place: String) async throws -> [Int64] {
        let acknowledged = self.acknowledged
        let sent = sentCount
        var seen = Set<Int>()
        var ends: [Int64] = []
        for queue in 0..<Self.queueCount {
            let numbers = try await pullAll(queue, from: 0)
            ends.append(Int64(numbers.count))
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
        return ends
    }
}
