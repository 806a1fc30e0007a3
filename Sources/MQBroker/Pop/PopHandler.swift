import MQBase
import MQBytes
import MQFilter
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import MQTransport

/// POP_MESSAGE (200050), PEEK_MESSAGE (200052), NOTIFICATION (200054) and POLLING_INFO (200055): gate → queues in turn →
/// records, or parked until something arrives. One per loop, loop only.
///
/// Source of rules and texts: `PopMessageProcessor.java`, `PopLongPollingService.java`, RocketMQ 5.3.
final class PopHandler {
    /// The bit by which queues know that pops of a loop wait for their messages; pulls have the lower ones.
    static func waiterIndex(loop: Int) -> Int { 40 + loop }
    /// Loops that there are bits for.
    static let loopsMax = 16

    struct Parked {
        let request: PopRequest
        let timer: TimerToken
    }

    let service: PopService
    let commits: PopCommit
    let store: MessageStore
    let loop: EventLoop
    private let stats: BrokerStats
    private let topicStats: StatsTable
    private let coldReads: WorkerPool
    private let brokerName: String
    private let loopIndex: Int
    private var watch: ConfigWatch
    private(set) var broker: PullHandler.Settings
    private(set) var settings: PopSettings
    var gate: PopGate
    private var random = SeededRandom(seed: .random(in: .min ... .max))
    private var nextReviveQueue: Int32 = 0
    private var units = ByteBuffer(capacity: 32 << 10)
    private var recent: RecentTail
    private var found = ReadResult()
    // Parked requests: PopHandler+Parking.
    var polling = PopPolling()
    var parked: [UInt64: Parked] = [:]
    var byChannel: [UInt64: Set<UInt64>] = [:]
    var watched: [PopPolling.Key: [ObjectIdentifier: ConsumeQueue]] = [:]
    var watchers: [ObjectIdentifier: Set<PopPolling.Key>] = [:]
    var nextID: UInt64 = 1
    var toServe: [PopPolling.Key] = []
    var isServing = false

    init(
        config: LiveConfig, tables: BrokerTables, service: PopService, commits: PopCommit, coldReads: WorkerPool,
        stats: BrokerStats, loop: EventLoop, loopIndex: Int
    ) {
        let present = config.current
        watch = ConfigWatch(config)
        broker = PullHandler.Settings(present)
        settings = present.pop
        brokerName = present.identity.brokerName
        self.service = service
        self.commits = commits
        self.coldReads = coldReads
        self.stats = stats
        topicStats = tables.topics.stats
        self.loop = loop
        self.loopIndex = loopIndex
        store = service.store
        gate = PopGate(tables: tables, store: service.store)
        recent = RecentTail(now: loop.now, written: service.store.writtenOffset)
    }

    /// The bit of this loop.
    var waiterIndex: Int { Self.waiterIndex(loop: loopIndex) }

    // MARK: - Requests

    /// Answers a pop, a peek or a notification, or parks it.
    /// - Throws: ``Refusal``.
    func handle(
        _ kind: PopRequest.Kind, _ header: borrowing RemotingHeader, in bytes: Span<UInt8>,
        on channel: RemotingChannel
    ) throws(Refusal) {
        follow()
        if let refusal = service.refusal { throw refusal }
        let request = try gate.admit(kind, header, in: bytes, on: channel, broker, now: loop.wall.rawValue)
        attempt(request)
    }

    /// POLLING_INFO: how many pops wait at this loop.
    func pollingInfo(
        _ header: borrowing RemotingHeader, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) throws(Refusal) {
        follow()
        let request = try gate.admit(.peek, header, in: bytes, on: channel, broker, now: loop.wall.rawValue)
        let answer = RemotingCommand(.success, ["pollingNum": String(polling.count(request.pollKey))])
        channel.reply(to: header.opaque, isOneWay: header.isOneWay).send(answer)
    }

    /// Takes over a changed configuration.
    func follow() {
        guard watch.hasChanged() else { return }
        broker = PullHandler.Settings(watch.config.current)
        settings = watch.config.current.pop
    }

    // MARK: - One attempt

    /// Looks through the queues of a request; answers it or parks it.
    func attempt(_ request: PopRequest) {
        guard request.channel.connection.isOpen else { return }
        let session = PopSession(request, popTime: loop.wall.rawValue, reviveQueue: reviveQueue(request))
        session.steps = steps(request)
        advance(session)
    }

    private func reviveQueue(_ request: PopRequest) -> Int32 {
        if request.isOrdered { return PopHandle.orderedReviveQueue }
        nextReviveQueue = (nextReviveQueue + 1) % Int32(settings.reviveQueueCount)
        return nextReviveQueue
    }

    /// The queues to look at, in turn: the retry topic first or last, and all queues from a random one on.
    private func steps(_ request: PopRequest) -> [PopSession.Step] {
        var steps: [PopSession.Step] = []
        guard let route = gate.route(request.topic) else { return [] }
        let retries = request.isOrdered ? [] : settings.retryKinds
        let isRetryFirst = Int.random(in: 0..<100, using: &random) < settings.retryFirstPercent
        func add(_ kind: PopTopicKind) {
            let name = kind.name(topic: request.topic, group: request.group)
            if let route = gate.route(name) { append(route, kind, to: &steps) }
        }
        if isRetryFirst { for kind in retries { add(kind) } }
        if request.queueID < 0 {
            append(route, PopTopicKind(of: request.topic), to: &steps)
        } else if Int(request.queueID) < route.readQueueCount {
            let kind = PopTopicKind(of: request.topic)
            steps.append(PopSession.Step(route: route, kind: kind, queueID: Int(request.queueID), isRetry: false))
        }
        if !isRetryFirst { for kind in retries { add(kind) } }
        return steps
    }

    private func append(_ route: TopicRoute, _ kind: PopTopicKind, to steps: inout [PopSession.Step]) {
        guard route.isReadable, route.readQueueCount > 0 else { return }
        let start = Int.random(in: 0..<route.readQueueCount, using: &random)
        let isRetry = kind != .normal
        for index in 0..<route.readQueueCount {
            let queueID = (start + index) % route.readQueueCount
            steps.append(PopSession.Step(route: route, kind: kind, queueID: queueID, isRetry: isRetry))
        }
    }

    private func advance(_ session: PopSession) {
        let request = session.request
        while session.index < session.steps.count {
            let step = session.steps[session.index]
            let queue = step.route.queue(step.queueID)
            session.key = PopQueueKey(group: request.group, topic: step.route.name, queueID: Int32(step.queueID))
            session.seen(queue)
            guard request.kind == .pop, session.count < request.maxCount else {
                guard lookOn(session, step, queue) else { return }
                continue
            }
            switch begin(session, step, queue) {
            case .busy(let next), .full(let next):
                if !request.isOrdered { session.rest += max(0, queue.maxOffset - next) }
                session.index += 1
            case .blocked: session.index += 1
            case .read(let from): guard read(session, queue, from: from) else { return }
            }
        }
        finish(session)
    }

    /// Looks at a queue without taking anything; `false`: it is read elsewhere, and that goes on later.
    private func lookOn(_ session: PopSession, _ step: PopSession.Step, _ queue: ConsumeQueue) -> Bool {
        let request = session.request
        let next = service.next(session.key) ?? initialOffset(queue, step, request)
        if request.kind == .peek, session.count < request.maxCount { return read(session, queue, from: next) }
        if !blocks(request, session.key) { session.rest += max(0, queue.maxOffset - next) }
        session.index += 1
        return true
    }

    private func blocks(_ request: PopRequest, _ key: PopQueueKey) -> Bool {
        request.isOrdered && service.isBlocked(key, attemptID: request.attemptID, now: loop.wall.rawValue)
    }

    private func begin(_ session: PopSession, _ step: PopSession.Step, _ queue: ConsumeQueue) -> PopTable.Begin {
        let request = session.request
        return service.begin(
            session.key, now: loop.wall.rawValue, openMax: settings.openMax, isOrdered: request.isOrdered,
            attemptID: request.attemptID, initial: initialOffset(queue, step, request))
    }

    /// Where a group begins that was never here. Source: `PopMessageProcessor.java` `getInitOffset`.
    private func initialOffset(_ queue: ConsumeQueue, _ step: PopSession.Step, _ request: PopRequest) -> Int64 {
        if request.beginsAtStart || step.kind != .normal { return queue.minOffset }
        let isRecent = queue.minOffset <= 0 && !store.isFarBack(store.minOffset.rawValue)
        if settings.beginsAtStartIfRecent, isRecent { return 0 }
        return max(0, queue.maxOffset - 1)
    }

    // MARK: - Reading

    /// Reads one queue; `false`: a thread that may wait for the disk does, and goes on later.
    private func read(_ session: PopSession, _ queue: ConsumeQueue, from offset: Int64) -> Bool {
        var limits = broker.limits
        limits.messageCount = min(session.request.maxCount - session.count, limits.messageCount)
        limits.byteCount = max(1, limits.byteCount - session.byteCount)
        let filter = session.steps[session.index].isRetry ? .tags(.all) : session.request.filter
        let look = PullLook(queue: queue, filter: filter, limits: limits, nextOffset: offset)
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

    private func fetch(_ session: PopSession, _ look: PullLook) {
        let bound = LoopBound((self, session), on: loop)
        let refuse: @Sendable (Refusal) -> Void = { refusal in
            bound.execute { handler, session in handler.giveUp(session, refusal) }
        }
        do throws(Refusal) {
            try coldReads.submit(.pull, refuse: refuse) { [store] in
                do throws(SystemError) {
                    let (result, copy) = try look.readAhead(store)
                    bound.execute { handler, session in
                        handler.found = result
                        handler.conclude(session, from: look.nextOffset, copy: copy)
                        handler.advance(session)
                    }
                } catch {
                    bound.execute { handler, session in
                        handler.fail(session, error)
                        handler.advance(session)
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

    // MARK: - Answers

    private func finish(_ session: PopSession) {
        let request = session.request
        if request.kind == .notify {
            if session.rest > 0 { return answerNotification(request, hasMessages: true) }
            return park(session)
        }
        if session.count > 0 {
            stats.pullsFound.add(1)
            guard request.kind == .pop else { return deliver(session) }
            if session.rest > 0 { serveLater(request.pollKey) }
            commits.whenKept { [self] refusal in
                if let refusal { refuse(request, refusal) } else { deliver(session) }
            }
            return
        }
        if let refusal = session.refusal { return refuse(request, refusal) }
        stats.pullsMissed.add(1)
        if request.kind == .peek { return answerNothing(request, .pullNotFound, rest: session.rest) }
        if session.hasPassed, session.rest > 0 {
            // It has looked at as much as one look may, and there is more: others come first.
            let bound = LoopBound((self, request), on: loop)
            return loop.execute { bound.execute { handler, request in handler.attempt(request) } }
        }
        park(session)
    }

    private func deliver(_ session: PopSession) {
        let connection = session.request.channel.connection
        guard connection.isOpen else { return }
        connection.send { writeHeader(session, to: &$0) }
        for piece in session.pieces {
            switch piece {
            case .bytes(let bytes): connection.send { $0.append(bytes) }
            case .ranges(let ranges):
                for file in ranges.files { connection.send(file.mapping, ranges.runs[file.runs]) }
            }
        }
    }

    private func writeHeader(_ session: PopSession, to buffer: inout ByteBuffer) {
        let request = session.request
        let isTaken = request.kind == .pop
        var byteCount = 0
        for piece in session.pieces {
            switch piece {
            case .bytes(let bytes): byteCount += bytes.count
            case .ranges(let ranges): for run in ranges.runs { byteCount += run.count }
            }
        }
        var writer = ResponseWriter(&buffer, type: request.channel.serializeType, code: 0)
        writer.field("popTime", isTaken ? session.popTime : 0, to: &buffer)
        writer.field("invisibleTime", isTaken ? request.invisibleTime : 0, to: &buffer)
        writer.field("reviveQid", isTaken ? Int64(session.reviveQueue) : 0, to: &buffer)
        writer.field("restNum", session.rest, to: &buffer)
        if isTaken { session.info.write(isOrdered: request.isOrdered, to: &writer, &buffer) }
        writer.finish(opaque: request.opaque, remark: "FOUND", bodyByteCount: byteCount, in: &buffer)
    }

    /// Answers that there is nothing.
    func answerNothing(_ request: PopRequest, _ code: ResponseCode, rest: Int64) {
        guard request.channel.connection.isOpen else { return }
        guard request.kind != .notify else { return answerNotification(request, hasMessages: false) }
        let isPop = request.kind == .pop
        var answer = RemotingCommand(
            code, remark: "NO_MESSAGE_IN_QUEUE",
            [
                "popTime": String(isPop ? loop.wall.rawValue : 0),
                "invisibleTime": String(isPop ? request.invisibleTime : 0),
                "reviveQid": isPop && request.isOrdered ? "999" : "0", "restNum": String(rest),
            ])
        if isPop {
            answer["startOffsetInfo"] = ""
            answer["msgOffsetInfo"] = ""
        }
        if isPop, request.isOrdered { answer["orderCountInfo"] = "" }
        send(answer, to: request)
    }

    func answerNotification(_ request: PopRequest, hasMessages: Bool, isFull: Bool = false) {
        send(
            RemotingCommand(.success, ["hasMsg": String(hasMessages), "pollingFull": String(isFull)]), to: request)
    }

    func refuse(_ request: PopRequest, _ refusal: Refusal) { send(refusal.answer, to: request) }

    private func send(_ answer: RemotingCommand, to request: PopRequest) {
        request.channel.reply(to: request.opaque, isOneWay: false).send(answer)
    }
}
