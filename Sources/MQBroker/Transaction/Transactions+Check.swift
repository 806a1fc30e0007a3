import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import MQTransport

/// Checks: half messages that stay open are stored again and their producers asked.
extension Transactions {
    private static let batchCountMax = 256
    private static let batchByteCountMax = 1 << 20
    /// Bytes of questions that may wait for their loops.
    private static let askingByteCountMax = 8 << 20
    /// A producer that has so much to read is not asked this time.
    private static let unreadByteCountMax = 1 << 20

    /// One half message of a round.
    private struct Copy {
        let half: HalfMessage
        let action: HalfFacts.Action
        /// What to ask its producer, but for the copy's place.
        var question: Question?
    }

    /// CHECK_TRANSACTION_STATE before the copy has its place.
    private struct Question {
        let group: String
        let uniqueKey: String?
        var record: [UInt8]
    }

    /// Looks at every half message that is open now, oldest first, up to the first that is too young.
    /// - Returns: `false` if it could not be done; it is to be tried again.
    func round(at now: Int64, _ watch: inout Watch) -> Bool {
        let rules = rules
        let end = halfQueue.maxOffset
        var offset: Int64 = 0
        var copies: [Copy] = []
        var isDone = false
        defer { watch.batch.removeAll() }
        while !isDone, !isStopping {
            watch.batch.removeAll()
            copies.removeAll(keepingCapacity: true)
            while copies.count < Self.batchCountMax, watch.batch.byteCount < Self.batchByteCountMax {
                guard let open = table.withLock({ $0.firstOpen(from: offset, below: end) }) else {
                    isDone = true
                    break
                }
                do throws(SystemError) {
                    guard let copy = try stage(open, now, rules, watch.batch) else {
                        isDone = true
                        break
                    }
                    copies.append(copy)
                } catch {
                    log.error("cannot read half messages", ["reason": error.description])
                    return false
                }
                offset = open + 1
            }
            if !commit(copies, now, &watch) { return false }
        }
        return true
    }

    /// Stages what is to become of one half message.
    /// - Returns: `nil` if it is too young, and so are those behind it.
    private func stage(
        _ offset: Int64, _ now: Int64, _ rules: HalfFacts.Rules, _ batch: AppendBatch
    ) throws(SystemError) -> Copy? {
        let gone = Copy(half: HalfMessage(offset: offset, root: offset), action: .giveUp)
        guard let unit = try halfQueue.unit(at: offset) else { return gone }
        let found = store.withRecord(at: unit.physicalOffset) { record, bytes -> Copy? in
            let text = bytes.extracting(record.properties)
            let facts = HalfFacts(text, bornTimestamp: record.bornTimestamp.rawValue)
            let half = facts.half(at: offset)
            var action = facts.action(at: now, rules)
            switch action {
            case .wait: return nil
            case .keep:
                if !stageCopy(record, bytes, half: half, times: facts.checkTimes, batch) { action = .giveUp }
            case .ask(let times):
                if stageCopy(record, bytes, half: half, times: times, batch) {
                    let question = question(facts, record, bytes, half, times)
                    return Copy(half: half, action: action, question: question)
                }
                action = .giveUp
            case .giveUp: break
            }
            if case .giveUp = action { stageGivenUp(record, bytes, batch) }
            return Copy(half: half, action: action)
        }
        guard let found else {
            log.warn("half message lost its record", ["offset": String(offset)])
            return gone
        }
        return found
    }

    /// Stages a half message once more, for the end of its queue.
    /// - Returns: `false` if it does not fit with its new properties; only one from another broker can be so long.
    func stageCopy(
        _ record: MessageRecord, _ bytes: Span<UInt8>, half: HalfMessage?, times: Int64?, _ batch: AppendBatch
    ) -> Bool {
        stage(record, bytes, in: halfQueue, batch) { buffer in
            HalfFacts.appendCopy(of: bytes.extracting(record.properties), half: half, times: times, to: &buffer)
        }
    }

    private func stageGivenUp(_ record: MessageRecord, _ bytes: Span<UInt8>, _ batch: AppendBatch) {
        let name = SystemTopics.transactionCheckMax
        do throws(Refusal) {
            if topics.config(of: name) == nil {
                try topics.put(TopicConfig(topicName: name, readQueueNums: 1, writeQueueNums: 1))
            }
        } catch {
            log.warn("no topic for half messages that are given up", ["reason": error.remark])  // queries find it still
        }
        let isStaged = stage(record, bytes, in: store.queue(name, 0), batch) { buffer in
            buffer.append(bytes.extracting(record.properties))
        }
        if !isStaged {
            log.error("half message is given up without a trace", ["offset": String(record.physicalOffset)])
        }
    }

    /// Everything stays as it is, but for the queue and the properties.
    private func stage(
        _ record: MessageRecord, _ bytes: Span<UInt8>, in queue: ConsumeQueue, _ batch: AppendBatch,
        properties: (inout ByteBuffer) -> Void
    ) -> Bool {
        redelivery.stage(
            record, bytes, topic: Array(queue.topic.utf8).span, in: queue, into: batch, properties: properties)
    }

    /// Appends the copies of one batch; then the table knows, and producers are asked.
    private func commit(_ copies: [Copy], _ now: Int64, _ watch: inout Watch) -> Bool {
        if !watch.batch.entries.isEmpty {
            do throws(AppendError) {
                try store.append(watch.batch, at: SystemClock.wall())
            } catch {
                log.error("cannot store half messages again", ["reason": error.description])
                return false
            }
            stats.messagesIn.add(watch.batch.entries.count)
            stats.bytesIn.add(watch.batch.byteCount)
        }
        var staged = 0
        for copy in copies {
            guard copy.action != .giveUp else {
                table.withLock { $0.gaveUp(copy.half) }
                continue
            }
            while watch.batch.entries[staged].queue !== halfQueue { staged += 1 }  // those that were given up
            let entry = watch.batch.entries[staged]
            staged += 1
            let isOpen = table.withLock { $0.copied(copy.half, to: entry.queueOffset) }
            if isOpen, let question = copy.question { ask(question, at: entry, &watch.turn) }
        }
        return true
    }

    // MARK: - Questions

    private func question(
        _ facts: HalfFacts, _ record: MessageRecord, _ bytes: Span<UInt8>, _ half: HalfMessage, _ times: Int64
    ) -> Question? {
        let text = bytes.extracting(record.properties)
        guard let group = facts.producerGroup, let topic = facts.realTopic else { return nil }
        let groupName = text.extracting(group).toString()
        guard clients.hasProducer(in: groupName) else { return nil }
        let head = RecordHead(
            queueID: Int32(truncatingIfNeeded: facts.realQueueID ?? 0), flag: record.flag,
            sysFlag: record.sysFlag.subtracting(.transactionRollback), bornTimestamp: record.bornTimestamp,
            bornHost: record.bornHost, storeHost: storeHost, reconsumeTimes: record.reconsumeTimes)
        var buffer = ByteBuffer(capacity: record.byteCount + 256)
        do throws(WireError) {
            _ = try head.encode(topic: text.extracting(topic), body: bytes.extracting(record.body), into: &buffer) {
                HalfFacts.appendCopy(of: text, half: half, times: times, to: &$0)
            }
        } catch {
            return nil  // the copy that was staged is as long; its real topic is longer
        }
        buffer.store(
            bigEndian: record.storeTimestamp.rawValue,
            at: RecordLayout.storeTimestamp(bornIPv6: head.bornHost.isIPv6))
        return Question(
            group: groupName, uniqueKey: facts.uniqueKey.map { text.extracting($0).toString() },
            record: buffer.toArray())
    }

    /// Sends CHECK_TRANSACTION_STATE (39) to one of the group's producers; each question to another one. Waits while too
    /// much is on its way.
    private func ask(_ question: Question, at entry: AppendBatch.Entry, _ turn: inout Int) {
        turn = turn &+ 1
        guard let target = clients.producerTarget(of: question.group, turn: turn) else { return }
        var body = ByteBuffer(capacity: question.record.count)
        body.append(question.record.span)
        body.store(bigEndian: entry.queueOffset, at: RecordLayout.queueOffset)
        body.store(bigEndian: entry.physicalOffset, at: RecordLayout.physicalOffset)
        let id = MessageID.offsetID(host: storeHost, offset: PhysicalOffset(rawValue: entry.physicalOffset))
        var request = RemotingCommand(
            .checkTransactionState,
            [
                "topic": halfQueue.topic, "tranStateTableOffset": String(entry.queueOffset),
                "commitLogOffset": String(entry.physicalOffset), "offsetMsgId": id, "bname": brokerName,
            ], body: body.toArray())
        request["msgId"] = question.uniqueKey
        request["transactionId"] = question.uniqueKey
        request.opaque = Int32(truncatingIfNeeded: turn & 0x7FFF_FFFF)
        request.isOneWay = true
        let byteCount = request.body.count
        _ = monitor.wait(milliseconds: 1000) { wishes in
            guard wishes.askingByteCount < Self.askingByteCountMax || wishes.isStopping else { return nil }
            wishes.askingByteCount += byteCount
            return true
        }.map { (_: Bool) in
            clients.offer(request, to: target, unreadMax: Self.unreadByteCountMax) { [monitor] in
                monitor.signal { wishes in
                    wishes.askingByteCount -= byteCount
                    return true
                }
            }
        }
    }
}
