import MQBase
import MQBytes
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import MQTransport

/// PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361): subscription → queue units → records from the log, or parked until
/// something arrives. One per loop, loop only.
///
/// Source of rules and texts: `PullMessageProcessor.java`, `PullRequestHoldService.java`, RocketMQ 5.3.
final class PullHandler {
    /// What a pull needs to know of the broker.
    struct Settings: Sendable {
        var limits: ReadLimits
        var isLongPollingEnabled: Bool
        var shortPollingMilliseconds: Int64
        /// `enablePropertyFilter`.
        var isPropertyFilterEnabled: Bool
        var servesLitePulls: Bool
        /// `filterSupportRetry`.
        var filtersRetries: Bool
        /// `enableCompaction`.
        var servesCompacted: Bool
        var isBrokerReadable: Bool
        /// What groups may read from the disk.
        var cold: ColdDataLimits
        /// `dataReadAheadEnable`.
        var readsAhead: Bool
        var brokerIP: String
        /// Pulls one loop keeps parked; about 400 bytes each.
        var parkedMax = 100_000
        /// Longest time a pull is parked, whatever it asks for.
        var suspendMillisecondsMax: Int64 = 300_000
    }

    private struct ParkedPull {
        var pull: Pull
        let deadline: Instant
        var timer: TimerToken?
    }

    private var settings: Settings
    private var watch: ConfigWatch
    private let offsets: OffsetTable
    private let store: MessageStore
    private let coldReads: WorkerPool
    private let coldData: ColdData
    private let stats: BrokerStats
    private let loop: EventLoop
    private let loopIndex: Int
    private var gate: PullGate
    private var units = ByteBuffer(capacity: 32 << 10)
    private var recent: RecentTail
    /// What the last look found: one for all pulls, so that looking allocates nothing.
    private var found = ReadResult()
    private var hold: PullHold<ObjectIdentifier>
    private var parked: [UInt64: ParkedPull] = [:]
    private var byChannel: [UInt64: Set<UInt64>] = [:]
    private var nextID: UInt64 = 1
    /// Pulls whose group has read its share from the disk.
    private var heldCount = 0

    init(
        config: LiveConfig, tables: BrokerTables, store: MessageStore, coldReads: WorkerPool, stats: BrokerStats,
        loop: EventLoop, loopIndex: Int
    ) {
        watch = ConfigWatch(config)
        settings = Settings(config.current)
        offsets = tables.offsets
        coldData = tables.coldData
        self.store = store
        self.coldReads = coldReads
        self.stats = stats
        self.loop = loop
        self.loopIndex = loopIndex
        gate = PullGate(tables: tables, store: store)
        recent = RecentTail(now: loop.now, written: store.writtenOffset)
        hold = PullHold(waitersMax: settings.parkedMax)
    }

    // MARK: - Requests

    /// Answers a pull, or parks it.
    /// - Throws: ``Refusal``.
    func handle(
        _ header: RemotingHeader, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) throws(Refusal) {
        if watch.hasChanged() { settings = Settings(watch.config.current) }
        let request: PullMessageRequest
        do throws(WireError) { request = try PullMessageRequest(header, in: bytes) } catch {
            throw Refusal(.systemError, "bad pull header: \(error)")
        }
        let isLite = header.code == RequestCode.litePullMessage.rawValue
        let pull = try gate.admit(request, header.opaque, isLite: isLite, in: bytes, on: channel, settings)
        if answerReset(pull) { return }
        if request.flags.contains(.commitOffset), request.commitOffset >= 0 {
            _ = offsets.consumed(
                group: pull.group, topic: pull.queue.topic, queueID: request.queueID, offset: request.commitOffset,
                end: pull.queue.assignedEnd, by: channel.connection.peer.description)
        }
        var wait: Int64 = 0
        if request.flags.contains(.suspend) {
            wait = settings.isLongPollingEnabled ? request.suspendMilliseconds : settings.shortPollingMilliseconds
            wait = min(max(wait, 0), settings.suspendMillisecondsMax)
        }
        look(pull, parkMilliseconds: wait)
    }

    /// Tells the group's consumer that an administrator has moved it, if one has; commits of its own do not count then.
    private func answerReset(_ pull: Pull) -> Bool {
        let queue = pull.queue
        guard
            let offset = offsets.takeReset(group: pull.group, topic: queue.topic, queueID: Int32(queue.queueID))
        else { return false }
        answerNothing(
            pull,
            ReadResult(
                status: .offsetReset, nextOffset: offset, minOffset: queue.minOffset, maxOffset: queue.maxOffset))
        return true
    }

    // MARK: - Looking

    /// Looks for messages; answers, or parks the pull for `parkMilliseconds` if there is nothing yet.
    private func look(_ pull: Pull, parkMilliseconds: Int64) {
        if pull.isCompacted, settings.servesCompacted, pull.look.nextOffset < store.compaction.end(pull.queue) {
            return fetch(pull, parkMilliseconds: parkMilliseconds, isCompacted: true)
        }
        guard read(pull) else { return }
        if found.needsDisk { return fetch(pull, parkMilliseconds: parkMilliseconds) }
        conclude(pull, parkMilliseconds: parkMilliseconds)
    }

    /// Answers with what ``found`` holds, or parks the pull.
    /// - Parameter copy: the records, if they are not to be sent from the log itself.
    private func conclude(_ pull: Pull, parkMilliseconds: Int64, copy: [UInt8]? = nil) {
        switch found.status {
        case .found: deliver(pull, copy: copy)
        case .offsetOverflowOne where parkMilliseconds > 0,
            .noMessageInQueue where parkMilliseconds > 0 && pull.offset == 0,
            .offsetFoundNull where parkMilliseconds > 0:
            park(pull, milliseconds: parkMilliseconds)
        default: answerNothing(pull, found)
        }
    }

    /// Reads into ``found``, as far as it is in memory. `false`: the pull is refused.
    private func read(_ pull: Pull) -> Bool {
        let knownFrom = recent.start(now: loop.now, written: store.writtenOffset)
        do throws(SystemError) {
            try pull.look.read(store, .inMemory(knownFrom: knownFrom), &units, into: &found)
            return true
        } catch {
            refuse(pull, Refusal(.systemError, "cannot read the queue: \(error)"))
            return false
        }
    }

    /// Looks again where that may wait for the disk; a pull whose group has read its share waits once for the next window.
    /// - Parameter isCompacted: what is left of a compacted queue is to be looked through first.
    private func fetch(_ pull: Pull, parkMilliseconds: Int64, isCompacted: Bool = false) {
        let wait =
            settings.cold.isEnabled
            ? coldData.shares.withLock { $0.wait(of: pull.group, settings.cold, now: loop.now, wall: loop.wall) } : nil
        guard let wait else {
            return fetchNow(pull, parkMilliseconds: parkMilliseconds, isCompacted: isCompacted)
        }
        guard parkMilliseconds > 0, heldCount < settings.parkedMax else {
            let remark = "This consumer group is reading cold data. It has been flow control"
            return refuse(pull, Refusal(.systemBusy, remark))
        }
        heldCount += 1
        loop.schedule(afterMilliseconds: wait) { [unowned self] in
            heldCount -= 1
            guard pull.channel.connection.isOpen else { return }
            fetchNow(pull, parkMilliseconds: max(0, parkMilliseconds - wait), isCompacted: isCompacted)
        }
    }

    /// Looks again on a thread that may wait for the disk, which copies what it finds and begins to read what the consumer
    /// will ask for next.
    private func fetchNow(_ pull: Pull, parkMilliseconds: Int64, isCompacted: Bool) {
        let readsAhead = settings.readsAhead
        let bound = LoopBound((self, pull), on: loop)
        let look = pull.look
        let begun = SystemClock.now()
        let refuse: @Sendable (Refusal) -> Void = { refusal in
            bound.execute { handler, pull in handler.refuse(pull, refusal) }
        }
        do throws(Refusal) {
            try coldReads.submit(pull.isLite ? .litePull : .pull, refuse: refuse) { [store] in
                do throws(SystemError) {
                    var found = isCompacted ? try look.readCompacted(store) : nil
                    if found == nil { found = try look.readAhead(store, readsAhead) }
                    guard let (result, copy) = found else { return }
                    bound.execute { handler, pull in
                        guard pull.channel.connection.isOpen else { return }
                        handler.found = result
                        handler.stats.slowestGet.note(SystemClock.now().milliseconds(since: begun))
                        handler.noteCold(copy.count, by: pull.group)
                        handler.conclude(pull, parkMilliseconds: parkMilliseconds, copy: copy)
                    }
                } catch {
                    refuse(Refusal(.systemError, "cannot read the queue: \(error)"))
                }
            }
        } catch {
            self.refuse(pull, error)
        }
    }

    private func noteCold(_ byteCount: Int, by group: String) {
        guard settings.cold.isEnabled else { return }
        coldData.shares.withLock { $0.note(byteCount, by: group, now: loop.now, wall: loop.wall) }
    }

    // MARK: - Parking

    private func park(_ pull: Pull, milliseconds: Int64) {
        let id = nextID
        nextID += 1
        guard hold.park(id, on: ObjectIdentifier(pull.queue)) == .waiting else {
            return refuse(pull, .busy)
        }
        byChannel[pull.channel.connection.id, default: []].insert(id)
        let timer = loop.schedule(afterMilliseconds: milliseconds) { [unowned self] in timeOut(id) }
        let deadline = loop.now.advanced(byMilliseconds: milliseconds)
        parked[id] = ParkedPull(pull: pull, deadline: deadline, timer: timer)
        pull.queue.addWaiter(loop: loopIndex)
        store.waiterCame()
        // Between the read and here a message may have come that nobody told us of.
        if pull.queue.maxOffset > pull.look.nextOffset { lookAgain(id) }
    }

    /// `queue` has new messages.
    func arrived(_ queue: ConsumeQueue) {
        for id in hold.waiting(on: ObjectIdentifier(queue)) { lookAgain(id) }
    }

    /// An administrator has moved some group: its parked pulls hear of it now.
    func offsetsReset() {
        for (id, entry) in parked {
            let (pull, queue) = (entry.pull, entry.pull.queue)
            guard
                offsets.hasReset(group: pull.group, topic: queue.topic, queueID: Int32(queue.queueID))
            else { continue }
            unpark(id)
            _ = answerReset(pull)
        }
    }

    private func lookAgain(_ id: UInt64) {
        guard let entry = parked[id] else { return }
        var pull = entry.pull
        while true {
            guard read(pull) else { return unpark(id) }
            if found.needsDisk {
                unpark(id)
                return fetch(pull, parkMilliseconds: entry.deadline.milliseconds(since: loop.now))
            }
            switch found.status {
            case .found:
                unpark(id)
                return deliver(pull, copy: nil)
            case .noMatchedMessage where found.isStopped:
                unpark(id)  // it costs too much to go on: the consumer hears how far it came
                return answerNothing(pull, found)
            case .noMatchedMessage where found.nextOffset > pull.look.nextOffset:
                pull.look.nextOffset = found.nextOffset  // not for this consumer: it sleeps on
                parked[id]?.pull.look.nextOffset = found.nextOffset
            case .offsetOverflowOne, .offsetFoundNull, .noMatchedMessage: return
            default:
                unpark(id)
                return answerNothing(pull, found)
            }
        }
    }

    private func timeOut(_ id: UInt64) {
        guard let pull = parked[id]?.pull else { return }
        parked[id]?.timer = nil
        unpark(id)
        var result = ReadResult(
            status: .offsetOverflowOne, nextOffset: pull.offset, minOffset: pull.queue.minOffset,
            maxOffset: pull.queue.maxOffset)
        if pull.look.nextOffset > pull.offset {  // the consumer need not be shown the others again
            result.status = .noMatchedMessage
            result.nextOffset = pull.look.nextOffset
        } else if result.maxOffset == 0 {
            result.status = .noMessageInQueue
        }
        answerNothing(pull, result)
    }

    private func unpark(_ id: UInt64) {
        guard let entry = parked.removeValue(forKey: id) else { return }
        if let timer = entry.timer { loop.cancel(timer) }
        byChannel[entry.pull.channel.connection.id]?.remove(id)
        if hold.remove(id) != nil { entry.pull.queue.removeWaiter(loop: loopIndex) }
    }

    /// Forgets the pulls of a connection that is gone.
    func closed(_ channel: RemotingChannel) {
        for id in byChannel.removeValue(forKey: channel.connection.id) ?? [] { unpark(id) }
        byChannel[channel.connection.id] = nil
    }

    // MARK: - Answers

    /// Answers with the messages that ``found`` holds.
    private func deliver(_ pull: Pull, copy: [UInt8]?) {
        stats.pullsFound.add(1)
        stats.messagesOut.add(found.messageCount)
        stats.bytesOut.add(found.byteCount)
        pull.stats.got.add(messages: found.messageCount, bytes: found.byteCount)
        if copy != nil {
            stats.fromDisk.add(messages: found.messageCount, bytes: found.byteCount)
            pull.stats.gotFromDisk.add(messages: found.messageCount, bytes: found.byteCount)
        }
        writeHeader(pull, .success, found)
        defer { found.releaseFiles() }
        let connection = pull.channel.connection
        if let copy { return connection.send { $0.append(copy) } }
        for file in found.ranges.files { connection.send(file.mapping, found.ranges.runs[file.runs]) }
    }

    private func answerNothing(_ pull: Pull, _ result: ReadResult) {
        stats.pullsMissed.add(1)
        writeHeader(pull, result.status.responseCode(requested: pull.offset), result)
    }

    private func writeHeader(_ pull: Pull, _ code: ResponseCode, _ result: ReadResult) {
        pull.stats.pulled?.note(pull.queue.queueID, next: result.nextOffset)
        let answer = PullMessageAnswer(
            code: code, opaque: pull.opaque, remark: result.status.name, nextBeginOffset: result.nextOffset,
            minOffset: result.minOffset, maxOffset: result.maxOffset, groupSysFlag: pull.groupSysFlag,
            topicSysFlag: pull.topicSysFlag)
        let (type, byteCount) = (pull.channel.serializeType, result.byteCount)
        pull.channel.connection.send { answer.append(to: &$0, as: type, bodyByteCount: byteCount) }
    }

    private func refuse(_ pull: Pull, _ refusal: Refusal) {
        pull.channel.reply(to: pull.opaque, isOneWay: false).send(refusal.answer)
    }
}

extension ReadStatus {
    /// The code of a pull's answer. `requested` tells an unused queue from one whose messages are gone.
    func responseCode(requested offset: Int64) -> ResponseCode {
        switch self {
        case .found: .success
        case .messageWasRemoving, .noMatchedMessage: .pullRetryImmediately
        case .noMatchedLogicQueue, .noMessageInQueue: offset != 0 ? .pullOffsetMoved : .pullNotFound
        case .offsetFoundNull, .offsetOverflowOne: .pullNotFound
        case .offsetOverflowBadly, .offsetTooSmall, .offsetReset: .pullOffsetMoved
        }
    }
}
