import MQBase
import MQBytes
import MQMessage
public import MQProtocol
import MQRemoting
import MQSystem
import MQTransport
import Synchronization

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
    private let turn: Atomic<Int>
    private let sendTimeoutMilliseconds: Int64
    let plans = Lock(SendPlans())
    let faults = Lock(FaultLatency())
    private let isRunning = Atomic<Bool>(false)
    let tracer: TraceSender?
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
        turn = Atomic(Int.random(in: 0..<65_536, using: &random))
        sendTimeoutMilliseconds = options.sendTimeout.milliseconds
        if let trace = options.trace {
            tracer = try TraceSender(topic: trace.topic, group: self.group + "-PRODUCE", link: link)
        } else {
            tracer = nil
        }
    }

    /// Makes it ready to send.
    public func start() async throws(ClientError) {
        let wasRunning = isRunning.exchange(true, ordering: .acquiringAndReleasing)
        guard !wasRunning else { return }
        link.start()
        do throws(ClientError) {
            try await tracer?.start()
        } catch {
            isRunning.store(false, ordering: .releasing)
            throw error
        }
        link.members.add(producerGroup: group)
        _ = await link.heartbeat()
    }

    /// Takes no more sends, waits for those that run (they end by their deadlines), tells the brokers, and closes the link
    /// if it is its own. All of it also when the task is cancelled.
    public func shutdown() async {
        let wasRunning = isRunning.exchange(false, ordering: .acquiringAndReleasing)
        guard wasRunning else { return }
        await uncancelled { [self] in
            await permits.drained()
            await tracer?.close()
            if link.members.remove(producerGroup: group) { await link.unregister(producerGroup: group) }
            if ownsLink { await link.shutdown() }
        }
    }

    /// Starts, runs until the task is cancelled, and shuts down: how a service of a server is run. Sends come from other
    /// tasks; they throw `notRunning` before and after.
    public func run() async throws(ClientError) {
        try await start()
        while await pause(.seconds(3600)) {}
        await shutdown()
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
    // nonisolated(nonsending), and all it calls for each message: where the caller runs, without a look for another place
    // at each call and return. That took a third of a send's instructions for tasks of the link's executor.
    @discardableResult
    nonisolated(nonsending) public func send(
        _ message: Message, timeout: Duration? = nil
    ) async throws(ClientError) -> SendResult {
        let (outgoing, plan) = try prepare(message)
        let now = SystemClock.now()
        return try await deliver(outgoing, plan, since: now, before: deadline(timeout, since: now))
    }

    /// Sends to one queue, without retries.
    @discardableResult
    nonisolated(nonsending) public func send(
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
    nonisolated(nonsending) public func send(
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
    /// - Throws: as ``send(_:timeout:)-(Message,_)``, but for what only an answer could tell.
    public func sendOneWay(_ message: Message, timeout: Duration? = nil) async throws(ClientError) {
        let (outgoing, _) = try prepare(message)
        let deadline = deadline(timeout, since: SystemClock.now())
        try await takePermit(outgoing, before: deadline)
        defer { permits.release(outgoing.byteCount) }
        let plan = try await plan(of: outgoing.topic, before: deadline).plan
        guard let index = pick(plan, avoiding: nil) else {
            throw .noQueue(topic: message.topic, wanted: "written")
        }
        let broker = plan.brokers[index]
        let fields = fields(of: outgoing, queueID: plan.queues.queues[index].queueID, at: broker)
        let encode = encoding(outgoing, fields, isOneWay: true)
        let error = await (try broker.pipe.get()).sendOneWay(before: deadline, encode)
        guard let error else { return }
        if Task.isCancelled { throw .cancelled }
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
        try await plan(of: namespace.wrap(topic), before: nil).plan.queues.queues.map { queue in
            MessageQueue(topic: topic, brokerName: queue.brokerName, queueID: queue.queueID)
        }
    }

    // MARK: - Steps

    func requireRunning() throws(ClientError) {
        guard isRunning.load(ordering: .relaxed) else { throw .notRunning("the producer \(group)") }
    }

    /// The message as it travels, and the way to its topic's queues if that is known already.
    func prepare(_ message: Message) throws(ClientError) -> (Outgoing, SendPlan?) {
        try requireRunning()
        let topic = namespace.wrap(message.topic)
        let plan = plans.withLock { $0.current(topic) }
        if let refusal = message.refusal(bodyByteCountMax: options.bodyByteCountMax, isTopicKnown: plan != nil) {
            throw .invalid(refusal)
        }
        return (Outgoing(message, topic: topic, options: options, makeID: nextID), plan)
    }

    /// Until when a send that began at `begun` may take.
    func deadline(_ timeout: Duration?, since begun: Instant) -> Instant {
        begun.advanced(byMilliseconds: timeout?.milliseconds ?? sendTimeoutMilliseconds)
    }

    /// A new unique key.
    func nextID(at now: Timestamp) -> IDText {
        ids.withLock { ids in
            ids.scratch.bytes.removeAll()
            ids.maker.append(at: now, to: &ids.scratch.bytes)
            return ids.scratch.bytes.withBytes(0..<ids.scratch.bytes.count) { IDText($0) }
        }
    }

    /// A new unique key, as text.
    func makeID() -> String { nextID(at: SystemClock.wall()).text }

    func nextTurn() -> Int { turn.wrappingAdd(1, ordering: .relaxed).newValue & .max }
}
