import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import MQTransport

/// The second half of a send: appends what a wake-up staged, with one lock and one write, and answers at once or when
/// the flush has come. One per loop, loop only.
final class SendCommit {
    /// Staged bytes over this are appended before the wake-up ends: the stage stays in the processor's nearer caches
    /// while it is written, summed up and copied. What waits for a sync is not cut up so: its group would be, too.
    private let stagedByteCountMax: Int

    private let store: MessageStore
    /// How every `msgId` begins: the broker's address.
    private let hostDigits: [UInt8]
    private let regionID: [UInt8]
    private let traceOn: StaticString
    private var flushTimeoutMilliseconds: Int64
    private var flow = SendFlow()
    private var flowSettings: FlowSettings
    private var watch: ConfigWatch
    private let stats: BrokerStats
    private let waiting: WaitingGauge
    private let transactions: Transactions
    private let loop: EventLoop
    private var gate = AckGate<SendBatch>()
    private var spare: [SendBatch] = []
    private var gateTimer: TimerToken?

    /// What the handlers stage into.
    private(set) var batch: SendBatch

    init(
        store: MessageStore, settings: SendHandler.Settings, config: LiveConfig, stats: BrokerStats,
        transactions: Transactions, loop: EventLoop
    ) {
        self.store = store
        stagedByteCountMax = store.config.isFlushSynchronous ? 4 << 20 : 128 << 10
        batch = SendBatch(store)
        hostDigits = MessageID.hostDigits(settings.storeHost)
        regionID = settings.regionID
        traceOn = settings.isTraceOn ? "true" : "false"
        watch = ConfigWatch(config)
        flushTimeoutMilliseconds = config.current.send.syncFlushTimeoutMilliseconds
        flowSettings = config.current.flow
        self.stats = stats
        waiting = stats.waitingSends.make()
        self.transactions = transactions
        self.loop = loop
    }

    /// Takes another send, or not: those that wait for the flush must not become too many or too old.
    /// - Parameter queuedAt: when it came, if it has waited for a thread of ours meanwhile.
    /// - Throws: `systemBusy`, in the words that clients know.
    @inline(__always) func admit(queuedAt: Instant? = nil) throws(Refusal) {
        if !gate.isEmpty || flow.isStalled { try admitBehindOthers(queuedAt) }
    }

    private func admitBehindOthers(_ queuedAt: Instant?) throws(Refusal) {
        follow()
        if let refusal = flow.refusal(
            oldest: gate.oldest?.begun, now: loop.now, queuedAt: queuedAt, flowSettings)
        {
            stats.sendsFailed.add(1)
            throw refusal
        }
    }

    private func follow() {
        guard watch.hasChanged() else { return }
        flushTimeoutMilliseconds = watch.config.current.send.syncFlushTimeoutMilliseconds
        flowSettings = watch.config.current.flow
    }

    /// Appends early if much is staged.
    func commitIfLarge() {
        guard batch.records.byteCount > stagedByteCountMax else { return }
        append()
        if !gate.isEmpty { releaseGate() }
    }

    /// Appends what is staged. End of every wake-up.
    func commit() {
        if !batch.waiting.isEmpty || !batch.records.entries.isEmpty { append() }
        if !gate.isEmpty { releaseGate() }
        if flow.isStalled { flow.endWakeUp() }
    }

    private func append() {
        let sent = batch
        sent.begun = SystemClock.now()
        do throws(AppendError) {
            try store.append(sent.records, at: loop.wall) {
                follow()
                return flowSettings.busyMilliseconds
            }
            noteWrite(since: sent.begun)
        } catch {
            if !error.isBusy { noteWrite(since: sent.begun) }  // what comes next is tried anew: it has not waited long
            stats.sendsFailed.add(sent.waiting.count)
            if !sent.halves.isEmpty { transactions.release(sent.halves) }
            refuse(sent, error.answer) { _ in true }
            return sent.removeAll()
        }
        if !sent.halves.isEmpty { transactions.end(sent.halves) }
        stats.messagesIn.add(sent.records.entries.count)
        stats.bytesIn.add(sent.records.byteCount)
        sent.settleCredits()
        guard sent.needsFlush, store.config.isFlushSynchronous, store.flushedOffset < sent.records.end else {
            note(sent)
            answer(sent, .success) { _ in true }
            return sent.removeAll()
        }
        answer(sent, .success) { !$0.waitsForFlush }
        follow()
        flow.hold(sent.load)
        let deadline = loop.now.advanced(byMilliseconds: flushTimeoutMilliseconds)
        gate.hold(sent, until: sent.records.end, deadline: deadline)
        waiting.note(flow.held.requests, oldest: gate.oldest?.begun)
        batch = spare.popLast() ?? SendBatch(store)
        batch.records.takeMemory(of: sent.records)
    }

    private func noteWrite(since begun: Instant) {
        let milliseconds = SystemClock.now().milliseconds(since: begun)
        guard milliseconds > 0 else { return }
        follow()
        flow.wrote(in: milliseconds, flowSettings)
    }

    private func releaseGate() {
        gate.release(flushed: store.flushedOffset, now: loop.now) { sent, outcome in
            note(sent)
            answer(sent, outcome == .durable ? .success : .flushDiskTimeout) { $0.waitsForFlush }
            flow.release(sent.load)
            recycle(sent)
        }
        if let reason = store.fenceReason {  // what is left will never be durable
            gate.releaseAll { sent in
                refuse(sent, AppendError.fenced(reason).answer) { $0.waitsForFlush }
                flow.release(sent.load)
                recycle(sent)
            }
        }
        waiting.note(flow.held.requests, oldest: gate.oldest?.begun)
        if let deadline = gate.nextDeadline, gateTimer == nil {
            // The hook that runs after every wake-up releases; the timer only makes sure that there is one.
            gateTimer = loop.schedule(at: deadline) { [unowned self] in gateTimer = nil }
        }
    }

    /// Notes how long the batch took; once for all its records.
    private func note(_ sent: SendBatch) {
        let nanoseconds = SystemClock.now().nanoseconds - sent.begun.nanoseconds
        stats.notePut(nanoseconds: nanoseconds, records: sent.records.entries.count)
    }

    private func recycle(_ sent: SendBatch) {
        sent.removeAll()
        if spare.count < 8 { spare.append(sent) }
    }

    // MARK: - Answers

    /// The answer to a producer with the fields that all of them have.
    func annotated(_ refusal: RemotingCommand) -> RemotingCommand {
        var answer = refusal
        answer[PropertyName.messageRegion.description] = String(decoding: regionID, as: UTF8.self)
        answer[PropertyName.traceOn.description] = traceOn.description
        return answer
    }

    private func refuse(_ sent: SendBatch, _ refusal: RemotingCommand, where isMeant: (SendBatch.Waiting) -> Bool) {
        let toProducer = annotated(refusal)
        sent.forEachRun { channel, run in
            for index in run where !sent.waiting[index].isOneWay && isMeant(sent.waiting[index]) {
                let waiting = sent.waiting[index]
                var answer = waiting.isSendBack || waiting.isRecall ? refusal : toProducer
                answer.opaque = sent.waiting[index].opaque
                channel.send(answer)
            }
        }
    }

    /// Answers the requests that `isMeant` picks, those of one channel in one piece.
    @inline(__always)  // a closure call for each message otherwise
    private func answer(_ sent: SendBatch, _ code: ResponseCode, where isMeant: (SendBatch.Waiting) -> Bool) {
        sent.forEachRun { channel, run in
            channel.connection.send { output in
                for index in run where isMeant(sent.waiting[index]) {
                    append(sent.waiting[index], of: sent, code, as: channel.serializeType, to: &output)
                }
            }
        }
    }

    private func append(
        _ waiting: SendBatch.Waiting, of sent: SendBatch, _ code: ResponseCode, as type: SerializeType,
        to output: inout ByteBuffer
    ) {
        let range = waiting.entries
        guard !waiting.isOneWay, !range.isEmpty else { return }
        guard !waiting.isSendBack else {
            let writer = ResponseWriter(&output, type: type, code: code.rawValue)
            return writer.finish(opaque: waiting.opaque, in: &output)
        }
        guard !waiting.isRecall else {
            var writer = ResponseWriter(&output, type: type, code: code.rawValue)
            sent.keys.withBytes(waiting.uniqueKey) { writer.field("msgId", escaping: $0, to: &output) }
            return writer.finish(opaque: waiting.opaque, in: &output)
        }
        let first = range.lowerBound
        var answer = SendMessageAnswer(
            code: code, opaque: waiting.opaque, queueID: Int64(waiting.queueID),
            queueOffset: sent.records.entries[first].queueOffset, traceOn: traceOn)
        answer.isInnerBatch = sent.records.entries[first].isInnerBatch
        if !waiting.recallHandle.isEmpty {
            answer.recallHandle = sent.keys.withBytes(waiting.recallHandle) { $0.toArray() }
        }
        answer.append(
            to: &output, as: type,
            transactionID: { output in
                sent.keys.withBytes(waiting.uniqueKey) { ResponseWriter.append(inString: $0, as: type, to: &output) }
            },
            messageIDs: { output in
                for index in range {
                    if index > first { output.append(UInt8(ascii: ",")) }
                    output.append(hostDigits)
                    output.append(hex: UInt64(sent.records.entries[index].physicalOffset), digits: 16)
                }
            }, region: regionID)
    }
}

extension AppendError {
    var isBusy: Bool { if case .busy = self { true } else { false } }

    /// The producer's view.
    var answer: RemotingCommand {
        switch self {
        case .busy(let milliseconds): Refusal.droppedWhileBusy(milliseconds: milliseconds, left: 0).answer
        case .fenced:
            RemotingCommand(
                .serviceNotAvailable,
                remark: "service not available now. It may be caused by one of the "
                    + "following reasons: the broker's disk is full or failed [\(self)], messages are put to the slave, message store has been shut down, etc."
            )
        case .diskFull:
            RemotingCommand(
                .serviceNotAvailable,
                remark: "service not available now. It may be caused by one of the "
                    + "following reasons: the broker's disk is full [\(self)], messages are put to the slave, message store has been shut down, etc."
            )
        case .tooLarge: RemotingCommand(.messageIllegal, remark: description)
        }
    }
}
