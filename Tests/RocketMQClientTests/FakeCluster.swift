import MQBase
import MQBytes
import MQJSON
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

@testable import RocketMQClient

/// Name server and broker in one, on a loop of its own: keeps records in memory, holds pulls until something comes, and
/// does what a test tells it to before it answers.
final class FakeCluster: Sendable {
    struct State {
        /// Topic → queue → records.
        var queues: [String: [[[UInt8]]]] = [:]
        var offsets: [String: Int64] = [:]
        var members: [String] = []
        var heartbeats: [HeartbeatData] = []
        var seen: [RemotingCommand] = []
        var parked: [(request: RemotingCommand, reply: Reply)] = []
        /// Answers to give in place of the real ones, by request code, first one first.
        var scripted: [Int32: [RemotingCommand]] = [:]
        /// Requests are not noted in ``seen``.
        var forgetsRequests = false
        /// Where routes say the broker is, if not here.
        var advertised: String?
        /// Sends are stored and not answered until ``FakeCluster/answerHeld()``.
        var holdsAnswers = false
        var held: [(reply: Reply, answer: RemotingCommand)] = []
        /// Topics that are popped, and how far each of their queues is.
        var popped: [String: [Int]] = [:]
        /// Offsets of a queue below this are gone.
        var firstOffset: Int64 = 0
    }

    let loop: EventLoop
    private let server: RemotingServer
    private let service: LoopBound<Service>
    let state = Lock(State())

    var address: String { server.address.description }

    init(topics: [String: Int]) throws {
        loop = try EventLoop("fake")
        let service = Service()
        self.service = LoopBound(service, on: loop)
        server = try RemotingServer(
            SocketAddress(ip: [127, 0, 0, 1], port: 0), loops: [loop], log: .silent
        ) { _ in service }
        service.cluster = self
        state.withLock { state in
            for (topic, count) in topics { state.queues[topic] = .init(repeating: [], count: count) }
        }
        loop.start()
        server.start()
    }

    /// Ends all connections, as a broker that is killed.
    func hangUp() {
        service.execute { service in
            for channel in service.channels.values { channel.connection.close("hung up") }
        }
    }

    func stop() {
        server.stop()
        loop.stop()
    }

    /// The next request with `code` is answered so.
    func script(_ code: RequestCode, _ answer: RemotingCommand) {
        state.withLock { $0.scripted[code.rawValue, default: []].append(answer) }
    }

    func requests(_ code: RequestCode) -> [RemotingCommand] {
        state.withLock { $0.seen.filter { $0.code == code.rawValue } }
    }

    func count(_ topic: String) -> Int { state.withLock { $0.queues[topic]?.reduce(0) { $0 + $1.count } ?? 0 } }

    private final class Service: RemotingService {
        weak var cluster: FakeCluster?
        var channels: [UInt64: RemotingChannel] = [:]

        func handle(
            _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
        ) {
            let request = RemotingCommand(header, frame, in: bytes)
            channels[channel.connection.id] = channel
            cluster?.handle(request, channel.reply(to: header.opaque, isOneWay: header.isOneWay))
        }

        func closed(_ channel: RemotingChannel, because reason: CloseReason) {
            channels[channel.connection.id] = nil
        }
    }

    // MARK: - Answers

    fileprivate func handle(_ request: RemotingCommand, _ reply: Reply) {
        let scripted: RemotingCommand? = state.withLock { state in
            if !state.forgetsRequests { state.seen.append(request) }
            guard let answer = state.scripted[request.code]?.first else { return nil }
            state.scripted[request.code]?.removeFirst()
            return answer
        }
        if let scripted { return reply.send(scripted) }
        switch request.requestCode {
        case .getRouteInfoByTopic: reply.send(route(request["topic"] ?? ""))
        case .sendMessageV2, .sendBatchMessage:
            let answer = request.requestCode == .sendMessageV2 ? store(request) : storeBatch(request)
            let isHeld = state.withLock { state in
                if state.holdsAnswers { state.held.append((reply, answer)) }
                return state.holdsAnswers
            }
            if !isHeld { reply.send(answer) }
        case .heartBeat:
            let data = try? HeartbeatData(parsing: request.body)
            state.withLock { state in
                guard let data else { return }
                state.heartbeats.append(data)
                if !data.consumerDataSet.isEmpty, !state.members.contains(data.clientID) {
                    state.members.append(data.clientID)
                }
            }
            reply.send(RemotingCommand(.success))
        case .getConsumerListByGroup:
            reply.send(
                RemotingCommand(.success, body: ConsumerIDList(consumerIDList: state.withLock { $0.members }).encoded())
            )
        case .queryConsumerOffset:
            let offset = state.withLock { $0.offsets[Self.key(request)] }
            reply.send(
                offset.map { RemotingCommand(.success, ["offset": String($0)]) } ?? RemotingCommand(.queryNotFound))
        case .updateConsumerOffset:
            state.withLock { $0.offsets[Self.key(request)] = request.int64("commitOffset") }
        case .getMaxOffset:
            let end = state.withLock { $0.queues[request["topic"] ?? ""]?[Self.queueID(request)].count ?? 0 }
            reply.send(RemotingCommand(.success, ["offset": String(end)]))
        case .getMinOffset: reply.send(RemotingCommand(.success, ["offset": "0"]))
        case .pullMessage, .litePullMessage: pull(request, reply)
        case .queryAssignment: reply.send(assignment(request))
        case .popMessage: pop(request, reply)
        case .ackMessage: reply.send(RemotingCommand(.success))
        case .changeMessageInvisibleTime:
            reply.send(RemotingCommand(.success, ["popTime": "1", "invisibleTime": "1", "reviveQid": "0"]))
        case .consumerSendMessageBack: reply.send(sendBack(request))
        case .unregisterClient:
            state.withLock { state in state.members.removeAll { $0 == request["clientID"] } }
            reply.send(RemotingCommand(.success))
        default: reply.send(.notSupported(request.code))
        }
    }

    private static func key(_ request: RemotingCommand) -> String {
        "\(request["consumerGroup"] ?? "") \(request["topic"] ?? "") \(request["queueId"] ?? "")"
    }

    private static func queueID(_ request: RemotingCommand) -> Int { Int(request["queueId"] ?? "") ?? 0 }

    private func route(_ topic: String) -> RemotingCommand {
        guard let count = state.withLock({ $0.queues[topic]?.count }) else {
            return RemotingCommand(.topicNotExist, remark: "No topic route info in name server for the topic: \(topic)")
        }
        let route = TopicRouteData(
            brokerDatas: [
                BrokerData(
                    cluster: "c", brokerName: "broker-a", brokerAddrs: [0: state.withLock { $0.advertised } ?? address])
            ],
            queueDatas: [
                QueueData(brokerName: "broker-a", readQueueNums: count, writeQueueNums: count, perm: [.read, .write])
            ])
        return RemotingCommand(.success, body: route.encoded(.standard))
    }

    private func store(_ request: RemotingCommand) -> RemotingCommand {
        let topic = request["b"] ?? ""
        let queueID = Int(request["e"] ?? "") ?? 0
        let offset = append(
            topic: topic, queueID: queueID, body: request.body, properties: request["i"] ?? "",
            sysFlag: SysFlag(rawValue: Int32(request["f"] ?? "") ?? 0))
        return RemotingCommand(
            .success, ["msgId": "00", "queueId": String(queueID), "queueOffset": String(offset)])
    }

    private func storeBatch(_ request: RemotingCommand) -> RemotingCommand {
        let items = (try? MessageBatch.items(request.body.span)) ?? []
        let queueID = Int(request["e"] ?? "") ?? 0
        let offsets = items.map { item in
            append(
                topic: request["b"] ?? "", queueID: queueID, body: Array(request.body[item.body]),
                properties: String(decoding: request.body[item.properties], as: UTF8.self))
        }
        let ids = offsets.map { "id-\($0)" }.joined(separator: ",")
        return RemotingCommand(
            .success, ["msgId": ids, "queueId": String(queueID), "queueOffset": String(offsets.first ?? 0)])
    }

    /// Answers what was held back, and holds back nothing more.
    func answerHeld() {
        let held = state.withLock { state in
            state.holdsAnswers = false
            defer { state.held = [] }
            return state.held
        }
        for (reply, answer) in held { reply.send(answer) }
    }

    @discardableResult
    func append(
        topic: String, queueID: Int, body: [UInt8], properties: String, sysFlag: SysFlag = [], reconsumeTimes: Int32 = 0
    ) -> Int {
        let host = MessageHost(ip: [127, 0, 0, 1], port: 1)
        let head = RecordHead(
            queueID: Int32(queueID), flag: 0, sysFlag: sysFlag, bornTimestamp: Timestamp(rawValue: 1), bornHost: host,
            storeHost: host, reconsumeTimes: reconsumeTimes)
        var buffer = ByteBuffer()
        _ = try? head.encode(topic: Array(topic.utf8).span, body: body.span, into: &buffer) {
            $0.append(Array(properties.utf8))
        }
        let (offset, waiting) = state.withLock { state in
            if state.queues[topic] == nil { state.queues[topic] = .init(repeating: [], count: 4) }
            let offset = state.queues[topic]?[queueID].count ?? 0
            buffer.store(bigEndian: Int64(offset), at: RecordLayout.queueOffset)
            state.queues[topic]?[queueID].append(buffer.toArray())
            defer { state.parked = [] }
            return (offset, state.parked)
        }
        for (request, reply) in waiting {
            if request.requestCode == .popMessage { pop(request, reply) } else { pull(request, reply) }
        }
        return offset
    }

    private func pull(_ request: RemotingCommand, _ reply: Reply) {
        let from = request.int64("queueOffset") ?? 0
        let answer: RemotingCommand? = state.withLock { state in
            let records = state.queues[request["topic"] ?? ""]?[Self.queueID(request)] ?? []
            func result(_ code: ResponseCode, _ next: Int64, _ body: [UInt8] = []) -> RemotingCommand {
                RemotingCommand(
                    code,
                    [
                        "nextBeginOffset": String(next), "minOffset": "0", "maxOffset": String(records.count),
                        "suggestWhichBrokerId": "0",
                    ], body: body)
            }
            if from < state.firstOffset { return result(.pullOffsetMoved, state.firstOffset) }
            guard from < records.count else {
                state.parked.append((request, reply))
                return nil
            }
            let end = min(records.count, Int(from) + Int(request.int64("maxMsgNums") ?? 32))
            return result(.success, Int64(end), records[Int(from)..<end].flatMap { $0 })
        }
        if let answer { reply.send(answer) }
    }

    private func assignment(_ request: RemotingCommand) -> RemotingCommand {
        let topic = (try? JSON(parsing: request.body))?["topic"].string ?? ""
        guard state.withLock({ $0.popped[topic] }) != nil else {
            return RemotingCommand(.requestCodeNotSupported, remark: "as brokers of RocketMQ 4")
        }
        let queue = MessageQueue(topic: topic, brokerName: "broker-a", queueID: -1)
        let body: JSON = ["messageQueueAssignments": .array([["messageQueue": queue.json, "mode": "POP"]])]
        return RemotingCommand(.success, body: body.encoded(.compact))
    }

    private func pop(_ request: RemotingCommand, _ reply: Reply) {
        let topic = request["topic"] ?? ""
        let answer: RemotingCommand? = state.withLock { state in
            var body: [UInt8] = []
            var starts: [String] = []
            let queues = state.queues[topic] ?? []
            for index in queues.indices {
                let from = state.popped[topic]?[index] ?? 0
                guard from < queues[index].count else { continue }
                starts.append("0 \(index) \(from)")
                body += queues[index][from...].flatMap { $0 }
                state.popped[topic]?[index] = queues[index].count
            }
            if body.isEmpty {
                state.parked.append((request, reply))
                return nil
            }
            return RemotingCommand(
                .success,
                [
                    "popTime": String(SystemClock.wall().rawValue), "invisibleTime": request["invisibleTime"] ?? "",
                    "reviveQid": "3", "restNum": "0", "startOffsetInfo": starts.joined(separator: ";"),
                ], body: body)
        }
        if let answer { reply.send(answer) }
    }

    private func sendBack(_ request: RemotingCommand) -> RemotingCommand {
        let topic = request["originTopic"] ?? ""
        let body: [UInt8]? = state.withLock { state in
            state.queues[topic]?.joined().compactMap { try? MessageExt($0.span) }
                .first { $0.messageID == request["originMsgId"] }?.body
        }
        append(
            topic: "%RETRY%" + (request["group"] ?? ""), queueID: 0, body: body ?? [],
            properties: "RETRY_TOPIC\u{1}\(topic)\u{2}", reconsumeTimes: 1)
        return RemotingCommand(.success)
    }
}

/// What handlers saw; a test waits until there is enough of it.
final class Collector: Sendable {
    private struct State {
        var messages: [MessageExt] = []
        var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Lock(State())

    var messages: [MessageExt] { state.withLock { $0.messages } }

    func add(_ message: MessageExt) {
        let ready = state.withLock { state in
            state.messages.append(message)
            let ready = state.waiting.filter { $0.count <= state.messages.count }
            state.waiting.removeAll { $0.count <= state.messages.count }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    func wait(for count: Int) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.messages.count >= count { return true }
                state.waiting.append((count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }
}
