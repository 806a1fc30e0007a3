import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import MQTransport

/// One loop's service: hands each request to its corridor by code, and closes the wake-up with one append. Loop only.
final class LoopService: RemotingService {
    private let sends: SendHandler
    private let commits: SendCommit
    private let sendBacks: SendBackHandler
    private let ends: EndTransactionHandler
    private let recalls: RecallHandler
    private let replies: ReplyHandler
    private let pulls: PullHandler?
    private let pops: PopHandler
    private let assignments: AssignmentHandler
    private let queries: QueryHandler
    private let transactions: Transactions
    private let control: ControlService
    private let coldReads: WorkerPool
    private let store: MessageStore

    /// - Parameter pulls: `nil` on the port that does not serve pulls; nor does it serve pops, but it serves their acks.
    init(
        sends: SendHandler, commits: SendCommit, sendBacks: SendBackHandler, replies: ReplyHandler,
        ends: EndTransactionHandler, recalls: RecallHandler, pulls: PullHandler?, pops: PopHandler,
        assignments: AssignmentHandler, queries: QueryHandler, transactions: Transactions, control: ControlService,
        coldReads: WorkerPool,
        store: MessageStore
    ) {
        self.sends = sends
        self.commits = commits
        self.sendBacks = sendBacks
        self.ends = ends
        self.recalls = recalls
        self.replies = replies
        self.pulls = pulls
        self.pops = pops
        self.assignments = assignments
        self.queries = queries
        self.transactions = transactions
        self.control = control
        self.coldReads = coldReads
        self.store = store
    }

    func handle(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) {
        do throws(Refusal) {
            switch RequestCode(rawValue: header.code) {
            case .sendMessageV2, .sendMessage, .sendBatchMessage:
                try commits.admit()
                stageSend(header, frame, in: bytes, on: channel)
                commits.commitIfLarge()
            case .endTransaction:
                try end(EndTransactionRequest(header, in: bytes), on: channel)
                commits.commitIfLarge()
            case .sendReplyMessage, .sendReplyMessageV2:
                try commits.admit()
                let reply = channel.reply(to: header.opaque, isOneWay: header.isOneWay)
                try replies.handle(header, frame, in: bytes, on: channel, reply, into: commits.batch)
                commits.commitIfLarge()
            case .pullMessage, .litePullMessage:
                guard let pulls else { return handleRest(header, frame, in: bytes, on: channel) }
                try pulls.handle(header, in: bytes, on: channel)
            case .ackMessage: try pops.ack(header, in: bytes, on: channel)
            case .popMessage where pulls != nil: try pops.handle(.pop, header, in: bytes, on: channel)
            case .peekMessage where pulls != nil: try pops.handle(.peek, header, in: bytes, on: channel)
            case .notification where pulls != nil: try pops.handle(.notify, header, in: bytes, on: channel)
            case .pollingInfo where pulls != nil: try pops.pollingInfo(header, in: bytes, on: channel)
            case .changeMessageInvisibleTime: try pops.changeInvisibleTime(header, in: bytes, on: channel)
            case .batchAckMessage: try pops.ackMany(RemotingCommand(header, frame, in: bytes), on: channel)
            default:
                handleRest(header, frame, in: bytes, on: channel)
            }
        } catch {
            channel.reply(to: header.opaque, isOneWay: header.isOneWay).send(error.answer)
        }
    }

    /// Stages a send. Refusals tell region and trace, too, as every answer to a producer does.
    @inline(__always) private func stageSend(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) {
        do throws(Refusal) {
            try sends.stage(header, frame, in: bytes, on: channel, into: commits.batch)
        } catch {
            let answer = commits.annotated(error.answer)
            channel.reply(to: header.opaque, isOneWay: header.isOneWay).send(answer)
        }
    }

    /// What is not sent or pulled: requests as values.
    private func handleRest(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) {
        let reply = channel.reply(to: header.opaque, isOneWay: header.isOneWay)
        do throws(Refusal) {
            switch RequestCode(rawValue: header.code) {
            case .pullMessage, .litePullMessage: reply.send(.notSupported(header.code))
            case .queryAssignment: try assignments.query(RemotingCommand(header, frame, in: bytes), reply)
            case .setMessageRequestMode: try assignments.setMode(RemotingCommand(header, frame, in: bytes), reply)
            case .getAllMessageRequestMode: reply.send(assignments.allModes())
            case .consumerSendMessageBack:
                try commits.admit()
                try sendBack(RemotingCommand(header, frame, in: bytes), on: channel, reply)
            case .recallMessage:
                try commits.admit()
                try recalls.stage(RemotingCommand(header, frame, in: bytes), on: channel, into: commits.batch)
            case .queryMessage:
                try query(RemotingCommand(header, frame, in: bytes), reply) { $0.byKey($1) }
            case .resumeCheckHalfMessage:
                let messageID = try RemotingCommand(header, frame, in: bytes).required("msgId")
                try inBackground(reply) { [transactions] () throws(Refusal) in try transactions.resume(messageID) }
            case .viewMessageByID:
                try query(RemotingCommand(header, frame, in: bytes), reply) { $0.byOffset($1) }
            default:
                control.handle(RemotingCommand(header, frame, in: bytes), on: channel, reply: reply)
            }
        } catch {
            reply.send(error.answer)
        }
    }

    /// Stages the message for its next attempt; one that may not be in memory is fetched by a thread that may wait.
    private func sendBack(_ request: RemotingCommand, on channel: RemotingChannel, _ reply: Reply) throws(Refusal) {
        let offset = request.int64("offset") ?? 0
        guard !store.isInMemory(offset) || sendBacks.isGone(offset) else {
            if try !sendBacks.stage(request, on: channel, into: commits.batch) { reply.send(RemotingCommand(.success)) }
            return
        }
        let bound = LoopBound((self, channel), on: channel.connection.loop)
        let queuedAt = SystemClock.now()
        try coldReads.submit(.send, refuse: { reply.send($0.answer) }) { [store] in
            // Now it is in memory.
            let found = store.withRecord(at: offset) { record, bytes in record.hasIntactBody(bytes) }
            let copy = found == nil ? SendBackHandler.compacted(request, in: store) : nil
            bound.execute { service, channel in
                do throws(Refusal) {
                    try service.commits.admit(queuedAt: queuedAt)
                    let isStaged = try service.sendBacks.stage(
                        request, copy: copy, on: channel, into: service.commits.batch)
                    if !isStaged { reply.send(RemotingCommand(.success)) }
                } catch {
                    reply.send(error.answer)
                }
            }
        }
    }

    /// Ends a transaction; a half message that may not be in memory is fetched by a thread that may wait.
    private func end(_ request: EndTransactionRequest, on channel: RemotingChannel) throws(Refusal) {
        guard store.isInMemory(request.commitLogOffset) else {
            let bound = LoopBound((self, channel), on: channel.connection.loop)
            let reply = channel.reply(to: request.opaque, isOneWay: request.isOneWay)
            return try coldReads.submit(.transaction, refuse: { reply.send($0.answer) }) { [store] in
                // Now it is in memory.
                _ = store.withRecord(at: request.commitLogOffset) { record, bytes in record.hasIntactBody(bytes) }
                bound.execute { service, channel in
                    do throws(Refusal) {
                        try service.endInMemory(request, on: channel)
                    } catch {
                        reply.send(error.answer)
                    }
                }
            }
        }
        try endInMemory(request, on: channel)
    }

    private func endInMemory(_ request: EndTransactionRequest, on channel: RemotingChannel) throws(Refusal) {
        if try ends.end(request, on: channel, into: commits.batch) == .rolledBack {
            channel.reply(to: request.opaque, isOneWay: request.isOneWay).send(RemotingCommand(.success))
        }
    }

    /// Runs `body` on a thread that may wait, and answers success when it is done.
    private func inBackground(_ reply: Reply, _ body: @escaping @Sendable () throws(Refusal) -> Void) throws(Refusal) {
        try coldReads.submit(.admin, refuse: { reply.send($0.answer) }) {
            do throws(Refusal) {
                try body()
                reply.send(RemotingCommand(.success))
            } catch {
                reply.send(error.answer)
            }
        }
    }

    private func query(
        _ request: RemotingCommand, _ reply: Reply,
        _ body: @escaping @Sendable (QueryHandler, RemotingCommand) -> RemotingCommand
    ) throws(Refusal) {
        try coldReads.submit(.query, refuse: { reply.send($0.answer) }) { [queries] in
            reply.send(body(queries, request))
        }
    }

    /// A queue that pulls of this loop wait on has new messages.
    func arrived(_ queue: ConsumeQueue) { pulls?.arrived(queue) }

    /// A queue that pops of this loop wait on has new messages.
    func arrivedForPops(_ queue: ConsumeQueue) { pops.arrived(queue) }

    /// Popped messages come again; see ``PopHandler/retried(group:topic:)``.
    func retried(group: String, topic: String) { pops.retried(group: group, topic: topic) }

    /// An ordered pop of the queue blocks no more.
    func freed(_ key: PopQueueKey) { pops.freed(key) }

    /// An administrator has moved a group.
    func offsetsReset() { pulls?.offsetsReset() }

    func closed(_ channel: RemotingChannel, because reason: CloseReason) {
        pulls?.closed(channel)
        pops.closed(channel)
        control.channelClosed(channel)
    }
}
