import MQBase
import MQBytes
import MQMessage
public import MQProtocol
import MQRemoting
import MQSystem
import MQTransport

/// Sends messages. Start it once, shut it down once; sends may come from any number of tasks.
///
/// At most ``Options-swift.struct/inFlightMax`` messages are on their way; a send beyond that waits for its turn.
public final class Producer: Sendable {
    /// Its group, which transactions and `mqadmin producerConnection` know it by; the namespace included.
    public let group: String
    /// As given.
    public let options: Options
    /// What it sends over.
    public let link: ClusterLink
    let namespace: Namespace
    let permits: SendPermits
    private let ownsLink: Bool
    private let ids: Lock<IDs>
    private let turn: Lock<Int>
    private let faults = Lock(FaultLatency())
    private let isRunning = Lock(false)
    private let tracer: TraceSender?
    /// Topics whose brokers know this producer: see ``request(_:timeout:)``.
    let introduced = Lock<Set<String>>([])

    private struct IDs {
        var maker: UniqueIDMaker
        let scratch = Scratch()

        final class Scratch { var bytes = ByteBuffer(capacity: 64) }
    }

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
        namespace = Namespace(link.options.namespace)
        self.group = namespace.wrap(group)
        self.options = options
        self.link = link
        self.ownsLink = ownsLink
        permits = SendPermits(countMax: options.inFlightMax, byteCountMax: options.inFlightByteCountMax)
        var random = SystemRandomNumberGenerator()
        let maker = UniqueIDMaker(
            ip: SocketAddress.ofThisMachine().ip, processID: ThisProcess.id,
            makerID: UInt32.random(in: .min ... .max, using: &random), monthBounds: SystemClock.monthBounds)
        ids = Lock(IDs(maker: maker))
        turn = Lock(Int.random(in: 0..<65_536, using: &random))
        if let trace = options.trace {
            tracer = try TraceSender(topic: trace.topic, group: self.group + "-PRODUCE", link: link)
        } else {
            tracer = nil
        }
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
        try await tracer?.start()
        _ = await link.heartbeat()
    }

    /// Takes no more sends, waits for those that run (they end by their deadlines), tells the brokers, and closes the link
    /// if it is its own.
    public func shutdown() async {
        let wasRunning = isRunning.withLock { isRunning in
            defer { isRunning = false }
            return isRunning
        }
        guard wasRunning else { return }
        let deadline = SystemClock.now().advanced(byMilliseconds: options.sendTimeout.milliseconds)
        while permits.inFlight > 0, SystemClock.now() < deadline, await pause(.milliseconds(5)) {}
        await tracer?.close()
        if link.members.remove(producerGroup: group) { await link.unregister(producerGroup: group) }
        if ownsLink { await link.shutdown() }
    }

    /// Starts, runs `body`, and shuts down whatever came of it: sends of `body` that run are waited for.
    public func withRunning<Value: Sendable>(
        _ body: @Sendable (Producer) async throws -> Value
    ) async throws -> Value {
        try await start()
        return try await finally({ try await body(self) }) { await self.shutdown() }
    }

    // MARK: - Sending

    /// Sends and waits for the broker's answer. Tries other queues if one fails, within the time allowed.
    /// - Parameter timeout: `nil` is ``Options-swift.struct/sendTimeout``.
    /// - Throws: `invalid` before anything is sent; `topicNotFound`, `noQueue`; `tooBusy` if there was no room in time;
    ///   `cancelled`, `refused` and `noAnswer` of the last try: the message may then have been stored all the same.
    @discardableResult
    public func send(_ message: Message, timeout: Duration? = nil) async throws(ClientError) -> SendResult {
        let outgoing = try prepare(message)
        return try await withPermit(outgoing, timeout) { deadline throws(ClientError) in
            try await deliver(outgoing, before: deadline)
        }
    }

    /// Sends to one queue, without retries.
    @discardableResult
    public func send(
        _ message: Message, to queue: MessageQueue, timeout: Duration? = nil
    ) async throws(ClientError) -> SendResult {
        guard queue.topic == message.topic else {
            throw .invalid("the message's topic \(message.topic) is not the queue's topic \(queue.topic)")
        }
        return try await send(message, timeout: timeout) { plan throws(ClientError) in
            let wanted = plan.queues.queues.firstIndex {
                $0.brokerName == queue.brokerName && $0.queueID == queue.queueID
            }
            if let wanted { return (wanted, queue.queueID) }
            guard let sameBroker = plan.queues.queues.firstIndex(where: { $0.brokerName == queue.brokerName }) else {
                throw .brokerNotFound(queue.brokerName)
            }
            return (sameBroker, queue.queueID)  // the broker says what is wrong with the queue
        }
    }

    /// Sends to the queue that `selector` chooses, without retries: messages of one key stay in order.
    @discardableResult
    public func send(
        _ message: Message, by selector: QueueSelector, timeout: Duration? = nil
    ) async throws(ClientError) -> SendResult {
        try await send(message, timeout: timeout) { plan throws(ClientError) in
            let queues = plan.queues.queues
            guard !queues.isEmpty else { throw .noQueue(topic: message.topic, wanted: "written") }
            guard let index = selector.index(message, queues), queues.indices.contains(index) else {
                throw .invalid("the selector chose no queue of the \(queues.count) of \(message.topic)")
            }
            return (index, queues[index].queueID)
        }
    }

    /// Sends without waiting for an answer: returns when the message is on its way. It may be lost unnoticed.
    public func sendOneWay(_ message: Message) async throws(ClientError) {
        let outgoing = try prepare(message)
        let deadline = SystemClock.now().advanced(byMilliseconds: options.sendTimeout.milliseconds)
        guard await permits.acquire(outgoing.byteCount, before: deadline) else { throw noPermit() }
        defer { permits.release(outgoing.byteCount) }
        let plan = try await plan(of: outgoing.topic)
        guard let index = pick(plan, avoiding: nil) else {
            throw .noQueue(topic: message.topic, wanted: "written")
        }
        let (broker, queueID) = (plan.brokers[index], plan.queues.queues[index].queueID)
        let error = await (try broker.pipe.get()).sendOneWay { buffer, opaque in
            outgoing.encode(
                into: &buffer, opaque: opaque, isOneWay: true, group: group, queueID: queueID,
                brokerName: broker.nameBytes, defaultQueueCount: options.defaultQueueCount)
        }
        guard let error else { return }
        let failure = ClientError.noAnswer(from: broker.address, error)
        await forget(outgoing.topic, because: failure, at: broker)
        throw failure
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
        try await plan(of: namespace.wrap(topic)).queues.queues.map { queue in
            MessageQueue(topic: topic, brokerName: queue.brokerName, queueID: queue.queueID)
        }
    }

    // MARK: - Steps

    func requireRunning() throws(ClientError) {
        guard isRunning.withLock({ $0 }) else { throw .notRunning("the producer \(group)") }
    }

    private func prepare(_ message: Message) throws(ClientError) -> Outgoing {
        try requireRunning()
        if let refusal = message.refusal(
            bodyByteCountMax: options.bodyByteCountMax, isTopicKnown: link.plans[message.topic] != nil)
        {
            throw .invalid(refusal)
        }
        return Outgoing(message, topic: namespace.wrap(message.topic), options: options, makeID: nextID)
    }

    /// A new unique key.
    func nextID() -> IDText {
        let now = SystemClock.wall()
        return ids.withLock { ids in
            ids.scratch.bytes.removeAll()
            ids.maker.append(at: now, to: &ids.scratch.bytes)
            return ids.scratch.bytes.withBytes(0..<ids.scratch.bytes.count) { IDText($0) }
        }
    }

    /// A new unique key, as text.
    func makeID() -> String { nextID().text }

    func nextTurn() -> Int {
        turn.withLock { turn in
            turn = turn == .max ? 0 : turn + 1
            return turn
        }
    }

    func plan(of topic: String) async throws(ClientError) -> PublishPlan {
        if let plan = link.plans[topic] { return plan }
        return try await link.plan(of: topic, defaultQueueCount: options.defaultQueueCount)
    }

    private func noPermit() -> ClientError {
        if Task.isCancelled { return .cancelled }
        return .tooBusy(inFlightMax: options.inFlightMax, byteCountMax: options.inFlightByteCountMax)
    }

    /// Runs `body` with room for the message, which is given back afterwards.
    func withPermit<Value>(
        _ outgoing: Outgoing, _ timeout: Duration?, _ body: (Instant) async throws(ClientError) -> Value
    ) async throws(ClientError) -> Value {
        let allowed = (timeout ?? options.sendTimeout).milliseconds
        let deadline = SystemClock.now().advanced(byMilliseconds: allowed)
        if !permits.tryAcquire(outgoing.byteCount) {
            guard await permits.acquire(outgoing.byteCount, before: deadline) else { throw noPermit() }
        }
        defer { permits.release(outgoing.byteCount) }
        return try await body(deadline)
    }

    private func pick(_ plan: PublishPlan, avoiding failed: String?) -> Int? {
        let turn = nextTurn()
        guard options.avoidsSlowBrokers else { return plan.queues.pickIndex(turn, avoiding: failed) }
        let now = SystemClock.now()
        return faults.withLock { $0.pick(plan.queues, turn: turn, avoiding: failed, at: now) }
    }

    /// Sends to one queue that `choose` names, once.
    private func send(
        _ message: Message, timeout: Duration?,
        _ choose: (PublishPlan) throws(ClientError) -> (index: Int, queueID: Int)
    ) async throws(ClientError) -> SendResult {
        let outgoing = try prepare(message)
        return try await withPermit(outgoing, timeout) { deadline throws(ClientError) in
            let plan = try await plan(of: outgoing.topic)
            let (index, queueID) = try choose(plan)
            do throws(ClientError) {
                return try await attempt(outgoing, at: plan.brokers[index], queueID: queueID, before: deadline)
            } catch {
                await forget(outgoing.topic, because: error, at: plan.brokers[index])
                throw error
            }
        }
    }

    /// Sends, going round the queues, until a broker has it, a failure is final, or tries or time are used up.
    func deliver(_ outgoing: Outgoing, before deadline: Instant) async throws(ClientError) -> SendResult {
        var failure = ClientError.noQueue(topic: outgoing.topic, wanted: "written")
        var failedBroker: String?
        var plan = try await plan(of: outgoing.topic)
        for attempt in 0...max(0, options.retries) {
            guard let index = pick(plan, avoiding: failedBroker) else { break }
            guard SystemClock.now() < deadline else {
                if attempt == 0 {  // finding the queues took it all
                    failure = .noAnswer(
                        from: "the name server", .timedOut(milliseconds: options.sendTimeout.milliseconds))
                }
                break
            }
            let broker = plan.brokers[index]
            do throws(ClientError) {
                let queueID = plan.queues.queues[index].queueID
                let result = try await self.attempt(outgoing, at: broker, queueID: queueID, before: deadline)
                let mayRetry = options.retriesWhenNotStoredOK && attempt < options.retries
                if result.status == .sendOK || !mayRetry { return result }
            } catch {
                failure = error
                await forget(outgoing.topic, because: error, at: broker)
                guard Self.isWorthRetrying(error) else { throw error }
            }
            failedBroker = broker.name
            if let fresh = try? await self.plan(of: outgoing.topic) { plan = fresh }  // else the old one serves
        }
        throw failure
    }

    /// After a failure the way is looked at anew the next time.
    private func forget(_ topic: String, because error: ClientError, at broker: PublishPlan.Broker) async {
        if case .noAnswer(_, .cannotConnect) = error { link.forgetAddress(broker.address) }
        await link.routes.forgetDefault(topic)
        link.plans.forget(topic)
    }

    /// Answers after which another queue is tried. Source: `DefaultMQProducer.java` `retryResponseCodes`, 5.3.
    private static let retryCodes: Set<Int32> = [17, 14, 1, 2, 16, 204, 205, 1500]

    static func isWorthRetrying(_ error: ClientError) -> Bool {
        switch error {
        case .refused(_, let code, _): retryCodes.contains(code)
        case .noAnswer, .brokerNotFound, .badAddress: true
        default: false
        }
    }

    /// One try at one queue.
    private func attempt(
        _ outgoing: Outgoing, at broker: PublishPlan.Broker, queueID: Int, before deadline: Instant
    ) async throws(ClientError) -> SendResult {
        let pipe = try broker.pipe.get()
        let begun = SystemClock.now()
        let answer = await pipe.answer(before: deadline) { buffer, opaque in
            outgoing.encode(
                into: &buffer, opaque: opaque, isOneWay: false, group: group, queueID: queueID,
                brokerName: broker.nameBytes, defaultQueueCount: options.defaultQueueCount)
        }
        let result = self.result(answer, of: outgoing, at: broker, since: begun)
        if options.avoidsSlowBrokers || tracer != nil { note(result, answer, of: outgoing, at: broker, since: begun) }
        return try result.get()
    }

    private func result(
        _ answer: SendPipe.Answer, of outgoing: Outgoing, at broker: PublishPlan.Broker, since begun: Instant
    ) -> Result<SendResult, ClientError> {
        switch answer {
        case .success(let answer):
            guard let status = SendStatus(ResponseCode(rawValue: answer.code)) else {
                let remark = answer.remark ?? "no reason given"
                return .failure(.refused(by: broker.address, code: answer.code, remark: remark))
            }
            guard let offset = answer.queueOffset, let queueID = answer.queueID else {
                return .failure(.badAnswer(from: broker.address, "a send answer without queueId or queueOffset"))
            }
            let queue = MessageQueue(
                topic: namespace.unwrap(outgoing.topic), brokerName: broker.name, queueID: Int(queueID))
            return .success(
                SendResult(
                    status: status, id: outgoing.id, offsetID: answer.messageID, queue: queue, queueOffset: offset,
                    recallHandle: answer.recallHandle))
        case .failure(let error):
            if Task.isCancelled { return .failure(.cancelled) }
            if case .timedOut = error {
                let waited = SystemClock.now().milliseconds(since: begun)
                return .failure(.noAnswer(from: broker.address, .timedOut(milliseconds: waited)))
            }
            return .failure(.noAnswer(from: broker.address, error))
        }
    }

    /// Notes how long it took, for the choice of the next broker and for the trace.
    private func note(
        _ result: Result<SendResult, ClientError>, _ answer: SendPipe.Answer, of outgoing: Outgoing,
        at broker: PublishPlan.Broker, since begun: Instant
    ) {
        let now = SystemClock.now()
        let latency = now.milliseconds(since: begun)
        let sent = try? result.get()  // a failure is noted as one
        if options.avoidsSlowBrokers {
            faults.withLock { $0.note(broker.name, latency: latency, failed: sent == nil, at: now) }
        }
        guard let tracer else { return }
        let region = (try? answer.get())?.region ?? "DefaultRegion"  // the client's own default, as in Java
        let properties = outgoing.properties
        let kind =
            properties[PropertyName.transactionPrepared] == "true"
            ? 1 : properties[PropertyName.delay] != nil || properties.isTimed ? 3 : 0
        tracer.add(
            TraceRecord(
                content: .publish(
                    TraceRecord.Publish(
                        timestamp: SystemClock.wall().rawValue - latency, region: region,
                        group: namespace.unwrap(group), topic: namespace.unwrap(outgoing.topic),
                        messageID: outgoing.id.text, tags: properties[PropertyName.tags] ?? "",
                        keys: properties[PropertyName.keys] ?? "", storeHost: broker.address,
                        bodyByteCount: outgoing.body.count, milliseconds: latency, kind: kind,
                        offsetMessageID: sent?.offsetMessageID ?? "", isSuccess: sent != nil)), region: region))
    }
}
