import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// The second half of a send: appends what a wake-up staged, with one lock and one write, and answers at once or when
/// the flush has come. One per loop, loop only.
final class SendCommit {
    /// Staged bytes over this are appended before the wake-up ends, so that the stage stays small.
    static let stagedByteCountMax = 4 << 20

    private let store: MessageStore
    private let storeHost: MessageHost
    private let regionID: [UInt8]
    private let traceOn: StaticString
    private var flushTimeoutMilliseconds: Int64
    private var watch: ConfigWatch
    private let stats: BrokerStats
    private let loop: EventLoop
    private var gate = AckGate<SendBatch>()
    private var spare: [SendBatch] = []
    private var gateTimer: TimerToken?

    /// What the handlers stage into.
    private(set) var batch: SendBatch

    init(
        store: MessageStore, settings: SendHandler.Settings, config: LiveConfig, stats: BrokerStats,
        loop: EventLoop
    ) {
        self.store = store
        batch = SendBatch(appendsChecksum: store.config.appendsChecksum)
        storeHost = settings.storeHost
        regionID = settings.regionID
        traceOn = settings.isTraceOn ? "true" : "false"
        watch = ConfigWatch(config)
        flushTimeoutMilliseconds = config.current.send.syncFlushTimeoutMilliseconds
        self.stats = stats
        self.loop = loop
    }

    /// Appends early if much is staged.
    func commitIfLarge() {
        if batch.records.byteCount > Self.stagedByteCountMax { commit() }
    }

    /// Appends what is staged. End of every wake-up.
    func commit() {
        if !batch.waiting.isEmpty || !batch.records.entries.isEmpty { append() }
        if !gate.isEmpty { releaseGate() }
    }

    private func append() {
        let sent = batch
        do throws(AppendError) {
            try store.append(sent.records, at: loop.wall)
        } catch {
            stats.sendsFailed.add(sent.waiting.count)
            for waiting in sent.waiting where !waiting.isOneWay { answer(waiting, refused: error.answer) }
            return sent.removeAll()
        }
        stats.messagesIn.add(sent.records.entries.count)
        stats.bytesIn.add(sent.records.byteCount)
        guard sent.needsFlush, store.config.isFlushSynchronous, store.flushedOffset < sent.records.end else {
            for waiting in sent.waiting { answer(waiting, in: sent, .success) }
            return sent.removeAll()
        }
        for waiting in sent.waiting where !waiting.waitsForFlush { answer(waiting, in: sent, .success) }
        if watch.hasChanged() { flushTimeoutMilliseconds = watch.config.current.send.syncFlushTimeoutMilliseconds }
        let deadline = loop.now.advanced(byMilliseconds: flushTimeoutMilliseconds)
        gate.hold(sent, until: sent.records.end, deadline: deadline)
        batch = spare.popLast() ?? SendBatch(appendsChecksum: store.config.appendsChecksum)
    }

    private func releaseGate() {
        gate.release(flushed: store.flushedOffset, now: loop.now) { sent, outcome in
            for waiting in sent.waiting where waiting.waitsForFlush {
                answer(waiting, in: sent, outcome == .durable ? .success : .flushDiskTimeout)
            }
            recycle(sent)
        }
        if let reason = store.fenceReason {  // what is left will never be durable
            gate.releaseAll { sent in
                for waiting in sent.waiting where waiting.waitsForFlush && !waiting.isOneWay {
                    answer(waiting, refused: AppendError.fenced(reason).answer)
                }
                recycle(sent)
            }
        }
        if let deadline = gate.nextDeadline, gateTimer == nil {
            // The hook that runs after every wake-up releases; the timer only makes sure that there is one.
            gateTimer = loop.schedule(at: deadline) { [unowned self] in gateTimer = nil }
        }
    }

    private func recycle(_ sent: SendBatch) {
        sent.removeAll()
        if spare.count < 8 { spare.append(sent) }
    }

    // MARK: - Answers

    private func answer(_ waiting: SendBatch.Waiting, refused answer: RemotingCommand) {
        var answer = answer
        answer.opaque = waiting.opaque
        waiting.channel.send(answer)
    }

    private func answer(_ waiting: borrowing SendBatch.Waiting, in sent: SendBatch, _ code: ResponseCode) {
        guard !waiting.isOneWay, !waiting.entries.isEmpty else { return }
        let range = waiting.entries
        let first = range.lowerBound
        let type = waiting.channel.serializeType
        let opaque = waiting.opaque
        guard !waiting.isSendBack else {
            return waiting.channel.connection.send { output in
                ResponseWriter(&output, type: type, code: code.rawValue).finish(opaque: opaque, in: &output)
            }
        }
        let answer = SendMessageAnswer(
            code: code, opaque: opaque, queueID: Int64(waiting.queueID),
            queueOffset: sent.records.entries[first].queueOffset, traceOn: traceOn)
        let key = waiting.uniqueKey
        waiting.channel.connection.send { output in
            answer.append(
                to: &output, as: type,
                transactionID: { output in
                    sent.keys.withBytes(key) { ResponseWriter.append(inString: $0, as: type, to: &output) }
                },
                messageIDs: { output in
                    for index in range {
                        if index > first { output.append(UInt8(ascii: ",")) }
                        MessageID.appendOffsetID(
                            host: storeHost,
                            offset: PhysicalOffset(rawValue: sent.records.entries[index].physicalOffset), to: &output)
                    }
                }, region: regionID)
        }
    }
}

extension AppendError {
    /// The producer's view.
    var answer: RemotingCommand {
        switch self {
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
