import MQBase
import MQBytes
import MQFilter
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import MQTransport

/// One queue of a pop: its units, the records they point to, and what becomes of them.
extension PopHandler {
    /// Reads one queue; `false`: a thread that may wait for the disk does, and goes on later.
    func read(_ session: PopSession, _ queue: ConsumeQueue, from offset: Int64) -> Bool {
        var limits = broker.limits
        limits.messageCount = min(session.request.maxCount - session.count, limits.messageCount)
        limits.byteCount = max(1, limits.byteCount - session.byteCount)
        let filter = session.steps[session.index].isRetry ? .tags(.all) : session.request.filter
        let look = PullLook(queue: queue, filter: filter, limits: limits, nextOffset: offset)
        if session.steps[session.index].route.isCompacted, broker.servesCompacted, offset < store.compaction.end(queue)
        {
            fetch(session, look, isCompacted: true)
            return false
        }
        let knownFrom = recent.start(now: loop.now, written: store.writtenOffset)
        do throws(SystemError) {
            try look.read(store, .inMemory(knownFrom: knownFrom), &units, into: &found)
        } catch {
            fail(session, error)
            return true
        }
        if found.needsDisk {
            fetch(session, look)
            return false
        }
        conclude(session, from: offset, copy: nil)
        return true
    }

    /// - Parameter isCompacted: what is left of a compacted queue is to be looked through.
    private func fetch(_ session: PopSession, _ look: PullLook, isCompacted: Bool = false) {
        let bound = LoopBound((self, session), on: loop)
        let refuse: @Sendable (Refusal) -> Void = { refusal in
            bound.execute { handler, session in handler.giveUp(session, refusal) }
        }
        do throws(Refusal) {
            try coldReads.submit(.pull, refuse: refuse) { [store] in
                do throws(SystemError) {
                    var read = isCompacted ? try look.readCompacted(store) : nil
                    if read == nil { read = try look.readAhead(store) }
                    guard let (result, copy) = read else { return }
                    bound.execute { handler, session in
                        handler.found = result
                        handler.conclude(session, from: look.nextOffset, copy: copy)
                        handler.goOn(session)
                    }
                } catch {
                    bound.execute { handler, session in
                        handler.fail(session, error)
                        handler.goOn(session)
                    }
                }
            }
        } catch {
            giveUp(session, error)
        }
    }

    private func giveUp(_ session: PopSession, _ refusal: Refusal) {
        release(session)
        session.refusal = refusal
        session.index = session.steps.count
        finish(session)
    }

    private func goOn(_ session: PopSession) {
        advance(session)
        // Those who found the queue busy meanwhile.
        retried(group: session.request.group, topic: session.request.topic)
    }

    private func fail(_ session: PopSession, _ error: SystemError) {
        release(session)
        session.refusal = Refusal(.systemError, "cannot read the queue: \(error)")
        session.index = session.steps.count
    }

    private func release(_ session: PopSession) {
        guard session.request.kind == .pop else { return }
        service.withTable { $0.release(session.key) }
    }

    /// Takes what ``found`` holds.
    private func conclude(_ session: PopSession, from start: Int64, copy: [UInt8]?) {
        let isTaken = session.request.kind == .pop
        defer { found.releaseFiles() }
        switch found.status {
        case .found: take(session, from: start, copy: copy)
        case .noMatchedMessage, .messageWasRemoving, .noMatchedLogicQueue, .offsetFoundNull:
            if isTaken { service.withTable { $0.pass(session.key, to: found.nextOffset) } }
            if found.nextOffset > start { session.hasPassed = true }
            session.rest += max(0, found.maxOffset - found.nextOffset)
        case .offsetTooSmall, .offsetOverflowBadly, .noMessageInQueue, .offsetReset:
            let isWrong = found.nextOffset != start
            if isTaken {
                service.withTable { isWrong ? $0.correct(session.key, to: found.nextOffset) : $0.release(session.key) }
            }
            if isWrong, found.nextOffset < found.maxOffset, session.corrections < 2, isTaken {
                session.corrections += 1
                return  // once more, from where the queue begins or ends
            }
        case .offsetOverflowOne: release(session)
        }
        session.index += 1
    }

    private func take(_ session: PopSession, from start: Int64, copy: [UInt8]?) {
        let request = session.request
        let step = session.steps[session.index]
        guard var records = PopRecords(found.ranges, copy: copy) else {
            release(session)
            session.refusal = Refusal(.systemError, "the queue \(step.route.name)/\(step.queueID) points to no records")
            return
        }
        if request.kind == .pop {
            session.takes(at: loop.wall.rawValue)
            guard give(session, step, &records, from: start) else { return }
        }
        session.rest += max(0, found.maxOffset - found.nextOffset)
        session.count += records.offsets.count
        session.byteCount += found.byteCount
        stats.messagesOut.add(records.offsets.count)
        stats.bytesOut.add(found.byteCount)
        // Retries are few: their counters are looked up.
        let taken = step.isRetry ? topicStats.group(request.group, in: step.route.stats) : request.stats
        taken.got.add(messages: records.offsets.count, bytes: found.byteCount)
        if copy != nil { taken.gotFromDisk.add(messages: records.offsets.count, bytes: found.byteCount) }
        if step.isRetry, !settings.sendsActualRetryTopic, request.topic != step.route.name {
            let handle = PopHandle(
                start: start, popTime: session.popTime, invisibleTime: request.invisibleTime,
                reviveQueue: session.reviveQueue)
            let broker = brokerName
            records.rename(to: request.topic) { queueID, offset, buffer in
                handle.append(kind: step.kind, broker: broker, queueID: queueID, offset: offset, to: &buffer)
            }
        }
        session.pieces.append(records.piece)
    }

    /// Makes what was read invisible. `false`: none of it is to be given.
    private func give(
        _ session: PopSession, _ step: PopSession.Step, _ records: inout PopRecords, from start: Int64
    ) -> Bool {
        let request = session.request
        let queueID = Int32(step.queueID)
        if request.isOrdered {
            let pop = OrderedPop(
                popTime: session.popTime, invisibleTime: request.invisibleTime, offsets: records.offsets,
                lastConsumed: session.popTime, attemptID: request.attemptID)
            guard let kept = service.withTable({ $0.giveOrdered(session.key, pop) }) else { return false }
            records.keep(kept.offsets)
            session.info.add(step.kind, queueID: queueID, start: start, offsets: kept.offsets)
            let counts = kept.counts
            session.info.add(step.kind, queueID: queueID, counts: counts.each, least: counts.least)
            return true
        }
        let key = PopSpan.Key(start: start, popTime: session.popTime)
        let deadline = session.popTime + request.invisibleTime
        guard let span = PopSpan(key, offsets: records.offsets, deadline: deadline) else {
            release(session)
            session.refusal = Refusal(.systemError, "the queue \(step.route.name)/\(queueID) points to other records")
            return false
        }
        service.withTable { $0.give(session.key, span, next: found.nextOffset) }
        session.info.add(step.kind, queueID: queueID, start: start, offsets: records.offsets)
        return true
    }
}
