import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// END_TRANSACTION (37): commits or rolls back a half message. A commit stages the final message with the loop's other
/// sends, and is answered as durable as they are. One per loop, loop only.
///
/// Source of the rules and texts: `EndTransactionProcessor.java`, RocketMQ 5.3. Unlike there, a message that is over is
/// not ended again.
final class EndTransactionHandler {
    /// What became of a request.
    enum Outcome: Equatable {
        /// Nothing was to be done, and nothing is answered.
        case ignored
        /// The half message is rolled back: answer success.
        case rolledBack
        /// The final message is staged; it is answered when that is committed.
        case staged
    }

    private let transactions: Transactions
    private let store: MessageStore
    private var watch: ConfigWatch
    private var timeoutMilliseconds: Int64
    private var timer: TimerSettings
    private let delayLevelCount: Int
    private let bodyByteCountMax: Int
    private let storeHost: MessageHost
    private let queueIDMax: Int
    private let isSlave: Bool
    private let loop: EventLoop
    private var lookup: TopicLookup

    init(
        transactions: Transactions, topics: TopicTable, store: MessageStore, config: LiveConfig, loop: EventLoop
    ) {
        self.transactions = transactions
        self.store = store
        watch = ConfigWatch(config)
        timeoutMilliseconds = config.current.transactions.timeoutMilliseconds
        timer = config.current.timer
        delayLevelCount = config.current.store.delayLevels.count
        bodyByteCountMax = config.current.send.bodyByteCountMax
        storeHost = transactions.storeHost
        queueIDMax = config.current.limits.queuesPerTopicMax
        isSlave = config.current.identity.brokerID != 0
        self.loop = loop
        lookup = TopicLookup(topics, store: store)
    }

    /// Ends the half message that `request` names.
    /// - Throws: ``Refusal``; nothing has changed then.
    func end(_ request: EndTransactionRequest, on channel: RemotingChannel, into batch: SendBatch) throws(Refusal)
        -> Outcome
    {
        guard !isSlave else { throw Refusal(.slaveNotAvailable, "a slave ends no transactions") }
        guard let decision = request.decision else { return .ignored }
        if watch.hasChanged() {
            timeoutMilliseconds = watch.config.current.transactions.timeoutMilliseconds
            timer = watch.config.current.timer
        }
        let result = store.withRecord(at: request.commitLogOffset) { record, bytes -> Result<Outcome, Refusal> in
            do throws(Refusal) {
                return .success(try end(record, bytes, request, decision, on: channel, into: batch))
            } catch {
                return .failure(error)
            }
        }
        guard let result else { throw Self.notFound }
        return try result.get()
    }

    private static let notFound = Refusal(.systemError, "Find prepared transaction message failed")

    private func end(
        _ record: MessageRecord, _ bytes: Span<UInt8>, _ request: EndTransactionRequest,
        _ decision: EndTransactionRequest.Decision, on channel: RemotingChannel, into batch: SendBatch
    ) throws(Refusal) -> Outcome {
        guard bytes.extracting(record.topic).equals(Transactions.halfTopic), record.queueID == 0 else {
            throw Self.notFound
        }
        let text = bytes.extracting(record.properties)
        let facts = HalfFacts(text, bornTimestamp: record.bornTimestamp.rawValue)
        try check(facts, text, record, request)
        let half = facts.half(at: record.queueOffset)
        guard transactions.claim(half) else {
            throw Refusal(
                .illegalOperation,
                "the transaction is over: it was committed, rolled back or given up, or its producer is being asked again"
            )
        }
        guard decision == .commit else {
            transactions.end([half])
            return .rolledBack
        }
        let first = batch.records.entries.count
        do throws(Refusal) {
            try stage(record, bytes, facts, text, half: request.commitLogOffset, batch)
        } catch {
            transactions.release([half])
            throw error
        }
        batch.halves.append(half)
        batch.waiting.append(
            SendBatch.Waiting(
                channel: batch.place(of: channel), opaque: request.opaque, isOneWay: request.isOneWay, queueID: 0,
                entries: first..<batch.records.entries.count, uniqueKey: 0..<0, isSendBack: true, waitsForFlush: true))
        batch.needsFlush = true
        return .staged
    }

    private func check(
        _ facts: HalfFacts, _ text: Span<UInt8>, _ record: MessageRecord, _ request: EndTransactionRequest
    ) throws(Refusal) {
        if !request.isFromCheck,
            facts.isTooLate(at: loop.wall.rawValue, timeoutMilliseconds: timeoutMilliseconds)
        {
            throw Refusal(
                .illegalOperation, "the transaction is older than its CHECK_IMMUNITY_TIME_IN_SECONDS; wait to be asked")
        }
        let group = request.producerGroup
        guard let range = facts.producerGroup, text.extracting(range).equals(group.span) else {
            throw Refusal(.systemError, "The producer group wrong")
        }
        guard record.queueOffset == request.tranStateTableOffset else {
            throw Refusal(.systemError, "The transaction state table offset wrong")
        }
        guard record.physicalOffset == request.commitLogOffset else {
            throw Refusal(.systemError, "The commit log offset wrong")
        }
    }

    /// Stages the final message, for its queue or where its delay passes. Java keeps all properties of the half message, and
    /// so do we; but only one with an immunity of its own has the place of its first copy there.
    private func stage(
        _ record: MessageRecord, _ bytes: Span<UInt8>, _ facts: HalfFacts, _ text: Span<UInt8>, half: Int64,
        _ batch: SendBatch
    ) throws(Refusal) {
        guard let topicRange = facts.realTopic, NameRules.refusal(ofTopic: text.extracting(topicRange)) == nil,
            let queueID = facts.realQueueID, (0...Int64(queueIDMax)).contains(queueID)
        else { throw Refusal(.systemError, "the half message does not say which queue it is for") }
        let wait = try CommitWait(text, levelCount: delayLevelCount, timer: timer, now: loop.wall.rawValue)
        let final = Final(record: record, facts: facts, wait: wait, half: half)
        if let place = wait.place {
            let queue = store.queue(place.topic, place.queueID)
            try put(final, bytes, text, under: Array(place.topic.utf8).span, queue, batch)
        } else {
            let topic = text.extracting(topicRange)
            try put(final, bytes, text, under: topic, queue(topic, Int(queueID)), batch)
        }
    }

    /// What becomes of a half message.
    private struct Final {
        let record: MessageRecord
        let facts: HalfFacts
        let wait: CommitWait
        /// Where the half message lies in the log.
        let half: Int64
    }

    private func put(
        _ final: Final, _ bytes: Span<UInt8>, _ text: Span<UInt8>, under topic: Span<UInt8>, _ queue: ConsumeQueue,
        _ batch: SendBatch
    ) throws(Refusal) {
        let (record, wait) = (final.record, final.wait)
        let head = RecordHead(
            queueID: Int32(queue.queueID), flag: record.flag,
            sysFlag: record.sysFlag.subtracting(.transactionRollback).union(.transactionCommit),
            bornTimestamp: record.bornTimestamp, bornHost: record.bornHost, storeHost: storeHost,
            reconsumeTimes: record.reconsumeTimes, preparedTransactionOffset: final.half)
        let staged = batch.records.entries.count
        do throws(WireError) {
            try batch.records.stage(head, topic: topic, body: bytes.extracting(record.body), in: queue) { buffer in
                if final.facts.immunity != nil { return wait.append(text, to: &buffer) }
                guard wait != .none else { return HalfFacts.appendCopy(of: text, half: nil, times: nil, to: &buffer) }
                var kept = ByteBuffer(capacity: text.count)
                HalfFacts.appendCopy(of: text, half: nil, times: nil, to: &kept)
                kept.withBytes(0..<kept.count) { wait.append($0, to: &buffer) }
            }
        } catch {
            throw tooLong
        }
        guard batch.records.entries[staged].byteCount <= store.recordByteCountMax else {
            batch.records.truncate(to: staged)
            throw tooLong
        }
        if let route = lookup.route(topic) {
            batch.credit(route, messages: 1, bytes: batch.records.entries[staged].byteCount)
        }
    }

    private var tooLong: Refusal {
        Refusal(
            .messageIllegal,
            "The message is illegal, maybe msg body or properties length not matched. msg body length limit "
                + "\(bodyByteCountMax)B, msg properties length limit 32KB.")
    }

    /// The queue of the final message, also of a topic that was deleted meanwhile.
    private func queue(_ topic: Span<UInt8>, _ queueID: Int) -> ConsumeQueue {
        if let route = lookup.route(topic), route.hasQueue(queueID) { return route.queue(queueID) }
        return transactions.redelivery.target(topic.toString(), queueID)
    }
}
