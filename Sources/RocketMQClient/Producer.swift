import MQBase
import MQBytes
import MQCompression
import MQMessage
public import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// Sends messages. Start it once, shut it down once; sends may come from any number of tasks.
public final class Producer: Sendable {
    /// How a producer sends.
    public struct Options: Sendable {
        /// How long one send may take, its retries included.
        public var sendTimeout: Duration = .seconds(3)
        /// Further tries at other queues after a failure.
        public var retries = 2
        /// Bodies of this many bytes and more are compressed with zlib; `nil` never.
        public var compressFrom: Int? = 4096
        /// zlib's level, 0…9.
        public var compressLevel = 5
        /// Larger bodies are refused here.
        public var bodyByteCountMax = 4 << 20
        /// Queues asked for when the broker makes the topic.
        public var defaultQueueCount = 4
        /// Whether an answer other than `SEND_OK`, which means stored but less safely, is tried elsewhere.
        public var retriesWhenNotStoredOK = false

        /// RocketMQ's defaults.
        public init() {}
    }

    /// Its group, which transactions and `mqadmin producerConnection` know it by.
    public let group: String
    /// As given.
    public let options: Options
    /// What it sends over.
    public let link: ClusterLink
    private let ownsLink: Bool
    private let ids: Lock<UniqueIDMaker>
    private let turn: Lock<Int>
    private let isRunning = Lock(false)

    /// Answers after which another queue is tried. Source: `DefaultMQProducer.java` `retryResponseCodes`, 5.3.
    private static let retryCodes: Set<Int32> = [17, 14, 1, 2, 16, 204, 205, 1500]

    /// A producer with a link of its own.
    public convenience init(
        group: String, options: Options = Options(), client: ClientOptions = ClientOptions()
    ) throws(ClientError) {
        try self.init(group: group, options: options, link: try ClusterLink(client), ownsLink: true)
    }

    /// A producer over a link that others use too.
    public convenience init(group: String, options: Options = Options(), link: ClusterLink) throws(ClientError) {
        try self.init(group: group, options: options, link: link, ownsLink: false)
    }

    private init(group: String, options: Options, link: ClusterLink, ownsLink: Bool) throws(ClientError) {
        if let refusal = NameRules.refusal(ofGroup: group) { throw .invalid(refusal) }
        guard group != "DEFAULT_PRODUCER" else {
            throw .invalid("producerGroup can not equal DEFAULT_PRODUCER, please specify another one.")
        }
        self.group = group
        self.options = options
        self.link = link
        self.ownsLink = ownsLink
        var random = SystemRandomNumberGenerator()
        ids = Lock(
            UniqueIDMaker(
                ip: SocketAddress.ofThisMachine().ip, processID: ThisProcess.id,
                makerID: UInt32.random(in: .min ... .max, using: &random), monthBounds: SystemClock.monthBounds))
        turn = Lock(Int.random(in: 0..<65_536, using: &random))
    }

    /// Makes it ready to send.
    public func start() async throws(ClientError) {
        let wasRunning = isRunning.withLock { isRunning in
            defer { isRunning = true }
            return isRunning
        }
        guard !wasRunning else { return }
        link.start()
        link.members.add(producerGroup: group)
        _ = await link.heartbeat()
    }

    /// Tells the brokers, and closes the link if it is its own. Sends that run fail.
    public func shutdown() async {
        let wasRunning = isRunning.withLock { isRunning in
            defer { isRunning = false }
            return isRunning
        }
        guard wasRunning else { return }
        if link.members.remove(producerGroup: group) { await link.unregister(producerGroup: group) }
        if ownsLink { await link.shutdown() }
    }

    // MARK: - Sending

    /// Sends and waits for the broker's answer. Tries other queues if one fails, within the time allowed.
    /// - Throws: `invalid` before anything is sent; `topicNotFound`, `noQueue`; `refused` and `noAnswer` of the last
    ///   try: the message may then have been stored all the same.
    @discardableResult
    public func send(_ message: Message) async throws(ClientError) -> SendResult {
        let prepared = try prepare(message)
        let deadline = SystemClock.now().advanced(byMilliseconds: options.sendTimeout.milliseconds)
        var queues = try await publishQueues(of: message.topic)
        var failure = ClientError.noQueue(topic: message.topic, wanted: "written")
        var failedBroker: String?
        for attempt in 0...max(0, options.retries) {
            guard let queue = queues.pick(nextTurn(), avoiding: failedBroker) else { break }
            let left = deadline.milliseconds(since: SystemClock.now())
            guard left > 0 else {
                if attempt == 0 {  // finding the queues took it all
                    let allowed = options.sendTimeout.milliseconds
                    failure = .noAnswer(from: "the name server", .timedOut(milliseconds: allowed))
                }
                break
            }
            do throws(ClientError) {
                let result = try await send(prepared, to: queue, timeout: .milliseconds(left))
                let mayRetry = options.retriesWhenNotStoredOK && attempt < options.retries
                if result.status == .sendOK || !mayRetry { return result }
            } catch {
                failure = error
                await link.routes.forgetDefault(message.topic)
                guard Self.isWorthRetrying(error) else { throw error }
            }
            failedBroker = queue.brokerName
            if let fresh = try? await publishQueues(of: message.topic) { queues = fresh }  // else the old ones serve
        }
        throw failure
    }

    /// Sends to one queue, without retries.
    @discardableResult
    public func send(_ message: Message, to queue: MessageQueue) async throws(ClientError) -> SendResult {
        guard queue.topic == message.topic else {
            throw .invalid("the message's topic \(message.topic) is not the queue's topic \(queue.topic)")
        }
        let prepared = try prepare(message)
        _ = try await publishQueues(of: message.topic)  // so that the broker's address is known
        return try await send(prepared, to: queue, timeout: options.sendTimeout)
    }

    /// Sends without waiting for an answer: returns when the message is on its way. It may be lost unnoticed.
    public func sendOneWay(_ message: Message) async throws(ClientError) {
        let prepared = try prepare(message)
        guard let queue = try await publishQueues(of: message.topic).pick(nextTurn()) else {
            throw .noQueue(topic: message.topic, wanted: "written")
        }
        try await link.tell(request(prepared, to: queue), to: try await masterAddress(queue.brokerName))
    }

    /// Sends, and calls `done` once with what came of it. For code that is not `async`.
    public func send(_ message: Message, _ done: @escaping @Sendable (Result<SendResult, ClientError>) -> Void) {
        Task {
            do throws(ClientError) {
                done(.success(try await send(message)))
            } catch {
                done(.failure(error))
            }
        }
    }

    /// The queues the topic may be sent to.
    public func queues(of topic: String) async throws(ClientError) -> [MessageQueue] {
        try await publishQueues(of: topic).queues
    }

    // MARK: - Steps

    /// A message as it travels.
    private struct Prepared {
        var message: Message
        var body: [UInt8]
        var sysFlag: SysFlag
        var id: String
    }

    private func prepare(_ message: Message) throws(ClientError) -> Prepared {
        guard isRunning.withLock({ $0 }) else { throw .notRunning("the producer \(group)") }
        if let refusal = message.refusal(bodyByteCountMax: options.bodyByteCountMax) { throw .invalid(refusal) }
        var prepared = Prepared(message: message, body: message.body, sysFlag: [], id: "")
        if let id = message.properties[PropertyName.uniqueKey] {
            prepared.id = id
        } else {
            prepared.id = makeID()
            prepared.message.properties[PropertyName.uniqueKey] = prepared.id
        }
        if let from = options.compressFrom, message.body.count >= from,
            let smaller = try? Zlib.deflate(message.body.span, level: options.compressLevel)  // else it goes as it is
        {
            prepared.body = smaller
            prepared.sysFlag = [.compressed, SysFlag(rawValue: 0x300)]
        }
        if message.properties[PropertyName.transactionPrepared] == "true" {
            prepared.sysFlag.insert(.transactionPrepared)
        }
        return prepared
    }

    /// A new unique key.
    func makeID() -> String {
        let now = SystemClock.wall()
        return ids.withLock { ids in
            var text = ByteBuffer(capacity: 56)
            ids.append(at: now, to: &text)
            return text.span.toString()
        }
    }

    private func nextTurn() -> Int {
        turn.withLock { turn in
            turn = turn == .max ? 0 : turn + 1
            return turn
        }
    }

    private func publishQueues(of topic: String) async throws(ClientError) -> PublishQueues {
        let route = try await link.publishRoute(of: topic, defaultQueueCount: options.defaultQueueCount)
        return PublishQueues(topic: topic, route: route)
    }

    private func masterAddress(_ name: String) async throws(ClientError) -> String {
        guard let address = await link.brokerAddress(name) else { throw .brokerNotFound(name) }
        return address
    }

    private func request(_ prepared: Prepared, to queue: MessageQueue) -> RemotingCommand {
        let message = prepared.message
        return RemotingCommand(
            .sendMessageV2,
            [
                "a": group, "b": message.topic, "c": ClusterLink.defaultTopic, "d": String(options.defaultQueueCount),
                "e": String(queue.queueID), "f": String(prepared.sysFlag.rawValue),
                "g": String(SystemClock.wall().rawValue), "h": String(message.flag),
                "i": String(decoding: message.properties.stored, as: UTF8.self), "j": "0", "k": "false", "m": "false",
                "n": queue.brokerName,
            ], body: prepared.body)
    }

    private func send(
        _ prepared: Prepared, to queue: MessageQueue, timeout: Duration
    ) async throws(ClientError) -> SendResult {
        let address = try await masterAddress(queue.brokerName)
        let answer = try await link.answer(to: request(prepared, to: queue), at: address, timeout: timeout)
        guard let status = SendStatus(answer.responseCode) else {
            throw .refused(by: address, code: answer.code, remark: answer.remark ?? "no reason given")
        }
        guard let offset = answer.int64("queueOffset"), let queueID = answer.int32("queueId") else {
            throw .badAnswer(from: address, "a send answer without queueId or queueOffset")
        }
        return SendResult(
            status: status, messageID: prepared.id, offsetMessageID: answer["msgId"] ?? "",
            queue: MessageQueue(topic: queue.topic, brokerName: queue.brokerName, queueID: Int(queueID)),
            queueOffset: offset, recallHandle: answer["recallHandle"])
    }

    private static func isWorthRetrying(_ error: ClientError) -> Bool {
        switch error {
        case .refused(_, let code, _): retryCodes.contains(code)
        case .noAnswer, .brokerNotFound, .badAddress: true
        default: false
        }
    }
}
