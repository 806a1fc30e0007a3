import MQBase
import MQMessage
import MQProtocol
import MQSystem

/// Sends messages that consumers get if, and only if, a local transaction is committed. Start it once, shut it down
/// once; sends may come from any number of tasks. It must stay running for the broker to ask what became of transactions
/// that are open.
public final class TransactionProducer: Sendable {
    /// How many checks run at the same time, and how many may wait for their turn.
    public struct CheckLimits: Sendable {
        /// Checks that run at the same time.
        public var runningMax = 4
        /// Checks that run or wait; what the broker asks beyond that it asks again later.
        public var waitingMax = 2000

        /// Four at a time, 2000 at all.
        public init() {}
    }

    /// What it sends with; also for messages outside of transactions.
    public let producer: Producer
    private let checks: TransactionChecks

    /// A producer with a link of its own.
    /// - Parameter check: asked what became of transactions that stay open.
    public convenience init(
        group: String, options: Producer.Options = Producer.Options(), client: ClientOptions = ClientOptions(),
        limits: CheckLimits = CheckLimits(), check: @escaping TransactionCheck
    ) throws(ClientError) {
        self.init(try Producer(group: group, options: options, client: client), limits, check)
    }

    /// A producer over a link that others use too; one of a group.
    public convenience init(
        group: String, options: Producer.Options = Producer.Options(), link: ClusterLink,
        limits: CheckLimits = CheckLimits(), check: @escaping TransactionCheck
    ) throws(ClientError) {
        self.init(try Producer(group: group, options: options, link: link), limits, check)
    }

    private init(_ producer: Producer, _ limits: CheckLimits, _ check: @escaping TransactionCheck) {
        self.producer = producer
        let namespace = producer.namespace
        checks = TransactionChecks(group: producer.group, limits: limits) { message in
            var plain = message
            plain.topic = namespace.unwrap(message.topic)
            return try await check(plain)
        } told: { message, state in
            producer.noteEnd(
                state, of: message.messageID, message.properties, topic: message.topic,
                at: message.storeHost.description, isFromCheck: true)
        }
    }

    /// Its group: the broker may ask any producer of it.
    public var group: String { producer.group }

    /// Makes it ready to send and to be asked.
    public func start() async throws(ClientError) {
        producer.link.members.add(checks, transactionGroup: group)
        do throws(ClientError) {
            try await producer.start()
        } catch {
            producer.link.members.remove(transactionGroup: group)
            throw error
        }
    }

    /// Waits for checks that run, at most three seconds, tells the brokers, and closes the link if it is its own. All of it
    /// also when the task is cancelled.
    public func shutdown() async {
        await uncancelled { [self] in
            producer.link.members.remove(transactionGroup: group)
            await checks.close()
            await producer.shutdown()
        }
    }

    /// Starts, runs until the task is cancelled, and shuts down: how a service of a server is run. Sends come from other
    /// tasks.
    public func run() async throws(ClientError) {
        try await start()
        while await pause(.seconds(3600)) {}
        await shutdown()
    }

    /// Sends a message, which the broker holds back; runs `execute`; tells the broker what it said.
    ///
    /// When it returns with ``TransactionState/commit`` and ``TransactionResult/notTold`` is `nil`, the broker has stored the
    /// message for consumers, as safely as its settings promise.
    /// - Throws: `invalid`, `topicNotFound`, `refused`, … before `execute` has run: as ``Producer/send(_:timeout:)-(Message,_)``.
    @discardableResult
    public func send(
        _ message: Message, executing execute: TransactionExecutor
    ) async throws(ClientError) -> TransactionResult {
        var message = message
        let id = message.properties[PropertyName.uniqueKey] ?? producer.makeID()
        message.properties[PropertyName.uniqueKey] = id
        message.properties[PropertyName.transactionPrepared] = "true"
        message.properties[PropertyName.producerGroup] = group
        message.delayLevel = nil  // as Java does: its broker would ask about the message for ever
        let sent = try await producer.send(message)
        var state = TransactionState.rollback
        var remark: String?
        if sent.status == .sendOK {
            message.properties[PropertyName.transactionID] = id
            do {
                state = try await execute(message, id)
            } catch {
                state = .unknown
                remark = "executeLocalTransactionBranch exception: \(error)"
            }
        }
        let failure = await tell(sent, state, remark, of: message)
        return TransactionResult(sent: sent, transactionID: id, state: state, notTold: failure)
    }

    /// Tells the broker what became of a transaction; what fails is asked by the broker.
    private func tell(
        _ sent: SendResult, _ state: TransactionState, _ remark: String?, of message: Message
    ) async -> ClientError? {
        let topic = producer.namespace.wrap(message.topic)
        guard let place = MessageID.decodeOffsetID(sent.offsetMessageID)?.offset else {
            return .badAnswer(from: sent.queue.brokerName, "\(sent.offsetMessageID) is not the id of a stored message")
        }
        guard let address = await producer.link.brokerAddress(sent.queue.brokerName) else {
            return .brokerNotFound(sent.queue.brokerName)
        }
        var request = RemotingCommand(
            .endTransaction,
            [
                "topic": topic, "producerGroup": group, "tranStateTableOffset": String(sent.queueOffset),
                "commitLogOffset": String(place.rawValue), "commitOrRollback": String(state.commitOrRollback),
                "fromTransactionCheck": "false", "msgId": sent.messageID, "transactionId": sent.messageID,
                "bname": sent.queue.brokerName,
            ])
        request.remark = remark
        defer {
            producer.noteEnd(
                state, of: sent.messageID, message.properties, topic: topic, at: address, isFromCheck: false)
        }
        do throws(ClientError) {
            if state == .unknown {  // brokers do not answer that
                request.isOneWay = true
                try await producer.link.tell(request, to: address)
            } else {
                try await producer.link.ask(request, at: address)
            }
            return nil
        } catch {
            return error
        }
    }
}

/// Answers CHECK_TRANSACTION_STATE for one group.
final class TransactionChecks: TransactionMember {
    private let group: String
    private let limits: TransactionProducer.CheckLimits
    private let check: TransactionCheck
    /// Hears what the broker is told.
    private let told: @Sendable (MessageExt, TransactionState) -> Void
    private let pool: HandlerPool
    private let waiting = Lock(0)

    init(
        group: String, limits: TransactionProducer.CheckLimits, check: @escaping TransactionCheck,
        told: @escaping @Sendable (MessageExt, TransactionState) -> Void = { _, _ in }
    ) {
        self.told = told
        self.group = group
        self.limits = limits
        self.check = check
        pool = HandlerPool(workersMax: max(1, limits.runningMax))
    }

    func close() async { await pool.close(waitingAtMost: .seconds(3)) }

    func check(
        _ message: MessageExt, for request: RemotingCommand, answer: @escaping @Sendable (RemotingCommand) -> Void
    ) {
        let isTaken = waiting.withLock { waiting in
            guard waiting < limits.waitingMax else { return false }
            waiting += 1
            return true
        }
        guard isTaken else { return }
        pool.add { [self] _ in
            var state = TransactionState.unknown
            var remark: String?
            do {
                state = try await check(message)
            } catch {
                remark = "checkLocalTransactionState Exception: \(error)"
            }
            waiting.withLock { $0 -= 1 }
            answer(end(request, message, state, remark))
            told(message, state)
        }
    }

    private func end(
        _ request: RemotingCommand, _ message: MessageExt, _ state: TransactionState, _ remark: String?
    ) -> RemotingCommand {
        var end = RemotingCommand(
            .endTransaction,
            [
                "producerGroup": group, "commitOrRollback": String(state.commitOrRollback),
                "fromTransactionCheck": "true", "msgId": message.messageID,
            ])
        for name in ["topic", "tranStateTableOffset", "commitLogOffset", "transactionId", "bname"] {
            end[name] = request[name]
        }
        end.remark = remark
        end.isOneWay = true
        return end
    }
}
