import MQBase
import MQBytes
import MQFilter
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
        var isBrokerReadable: Bool
        var brokerIP: String
        /// Pulls one loop keeps parked; about 400 bytes each.
        var parkedMax = 100_000
        /// Longest time a pull is parked, whatever it asks for.
        var suspendMillisecondsMax: Int64 = 300_000
    }

    /// One pull, parsed: what remains of a request when its frame is gone.
    final class Pull {
        let channel: RemotingChannel
        let opaque: Int32
        let queue: ConsumeQueue
        let group: String
        let filter: TagFilter
        /// Decides instead of `filter` where the subscription is an SQL92 expression.
        let properties: SQLFilter?
        let limits: ReadLimits
        /// The offset asked for.
        let offset: Int64
        /// Where the next look begins: messages before it were looked at and not wanted.
        var nextOffset: Int64
        let topicSysFlag: Int
        let groupSysFlag: Int
        var timer: TimerToken?

        init(
            channel: RemotingChannel, opaque: Int32, queue: ConsumeQueue, group: String,
            filter: (TagFilter, SQLFilter?), limits: ReadLimits, offset: Int64, topicSysFlag: Int, groupSysFlag: Int
        ) {
            self.channel = channel
            self.opaque = opaque
            self.queue = queue
            self.group = group
            (self.filter, properties) = filter
            self.limits = limits
            self.offset = offset
            nextOffset = offset
            self.topicSysFlag = topicSysFlag
            self.groupSysFlag = groupSysFlag
        }
    }

    private var settings: Settings
    private var watch: ConfigWatch
    private let groups: GroupTable
    private let clients: ClientTable
    private let offsets: OffsetTable
    let store: MessageStore
    let coldReads: WorkerPool
    private let stats: BrokerStats
    let loop: EventLoop
    private let loopIndex: Int
    private var lookup: TopicLookup
    var units = ByteBuffer(capacity: 32 << 10)
    private var hold: PullHold<ObjectIdentifier>
    private var parked: [UInt64: Pull] = [:]
    private var byChannel: [UInt64: Set<UInt64>] = [:]
    private var nextID: UInt64 = 1

    init(
        config: LiveConfig, tables: BrokerTables, store: MessageStore, coldReads: WorkerPool, stats: BrokerStats,
        loop: EventLoop, loopIndex: Int
    ) {
        watch = ConfigWatch(config)
        settings = Settings(config.current)
        groups = tables.groups
        clients = tables.clients
        offsets = tables.offsets
        self.store = store
        self.coldReads = coldReads
        self.stats = stats
        self.loop = loop
        self.loopIndex = loopIndex
        lookup = TopicLookup(tables.topics, store: store)
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
        let pull = try self.pull(request, header.opaque, in: bytes, channel)
        if request.flags.contains(.commitOffset), request.commitOffset >= 0 {
            _ = offsets.commit(
                group: pull.group, topic: pull.queue.topic, queueID: request.queueID, offset: request.commitOffset)
        }
        var wait: Int64 = 0
        if request.flags.contains(.suspend) {
            wait = settings.isLongPollingEnabled ? request.suspendMilliseconds : settings.shortPollingMilliseconds
            wait = min(max(wait, 0), settings.suspendMillisecondsMax)
        }
        look(pull, parkMilliseconds: wait)
    }

    private func pull(
        _ request: PullMessageRequest, _ opaque: Int32, in bytes: Span<UInt8>, _ channel: RemotingChannel
    ) throws(Refusal) -> Pull {
        guard settings.isBrokerReadable else {
            throw Refusal(.noPermission, "the broker[\(settings.brokerIP)] pulling message is forbidden")
        }
        let group = request.consumerGroup.string(in: bytes)
        if let refusal = NameRules.refusal(ofGroup: group) { throw Refusal(.systemError, refusal) }
        guard let config = groups.config(of: group) else {
            throw Refusal(
                .subscriptionGroupNotExist, "subscription group [\(group)] does not exist, \(Refusal.topicHelp)")
        }
        guard config.consumeEnable else {
            throw Refusal(.noPermission, "subscription group no permission, \(group)")
        }
        guard let route = lookup.route(request.topic, in: bytes) else {
            throw Refusal(
                .topicNotExist,
                "topic[\(request.topic.string(in: bytes))] not exist, apply first please! \(Refusal.topicHelp)")
        }
        guard route.isReadable else {
            throw Refusal(.noPermission, "the topic[\(route.name)] pulling message is forbidden")
        }
        guard request.queueID >= 0, Int(request.queueID) < route.config.readQueueNums else {
            throw Refusal(
                .invalidParameter,
                "queueId[\(request.queueID)] is illegal, topic:[\(route.name)] topicConfig.readQueueNums:"
                    + "[\(route.config.readQueueNums)] consumer:[\(channel.connection.peer)]")
        }
        let filter = try self.filter(
            request, group: group, route: route, broadcasts: config.consumeBroadcastEnable, bytes)
        var limits = settings.limits
        limits.messageCount = min(max(Int(request.maxMessageCount), 1), limits.messageCount)
        if let bound = request.maxMessageByteCount, bound > 0 { limits.byteCount = min(Int(bound), limits.byteCount) }
        return Pull(
            channel: channel, opaque: opaque, queue: route.queue(Int(request.queueID)), group: group, filter: filter,
            limits: limits, offset: request.queueOffset, topicSysFlag: route.config.topicSysFlag,
            groupSysFlag: config.groupSysFlag)
    }

    /// The filter of the request itself, or the one the group's heartbeats told.
    private func filter(
        _ request: PullMessageRequest, group: String, route: TopicRoute, broadcasts: Bool, _ bytes: Span<UInt8>
    ) throws(Refusal) -> (TagFilter, SQLFilter?) {
        if request.flags.contains(.subscription) {
            if let type = request.expressionType, !type.isEmpty, !bytes.extracting(type.range).equals("TAG") {
                let filter = try clients.expressions.filter(
                    request.subscription?.string(in: bytes) ?? "", type: type.string(in: bytes),
                    isEnabled: settings.isPropertyFilterEnabled, else: .subscriptionParseFailed,
                    "parse the consumer's subscription failed: ")
                return (.all, filter)
            }
            let text = request.subscription?.string(in: bytes) ?? "*"
            guard let filter = TagFilter(text) else {
                throw Refusal(.subscriptionParseFailed, "parse the consumer's subscription failed")
            }
            return (filter, nil)
        }
        guard let info = clients.consumerGroup(group) else {
            throw Refusal(.subscriptionNotExist, "the consumer's group info not exist\(Refusal.topicHelp)")
        }
        if !broadcasts, info.messageModel == .broadcasting {
            throw Refusal(.noPermission, "the consumer group[\(group)] can not consume by broadcast way")
        }
        guard let subscription = clients.subscription(group: group, topic: route.name) else {
            throw Refusal(.subscriptionNotExist, "the consumer's subscription not exist\(Refusal.topicHelp)")
        }
        guard subscription.subVersion >= request.subscriptionVersion else {
            throw Refusal(.subscriptionNotLatest, "the consumer's subscription not latest")
        }
        guard subscription.expressionType.isEmpty || subscription.expressionType == "TAG" else {
            let filter = try clients.expressions.filter(
                subscription.subString, type: subscription.expressionType,
                isEnabled: settings.isPropertyFilterEnabled, else: .filterDataNotExist,
                "The broker's consumer filter data is not exist!Your expression may be wrong! ")
            return (.all, filter)
        }
        if subscription.subString == "*" { return (.all, nil) }
        if !subscription.codeSet.isEmpty { return (TagFilter(codes: subscription.codeSet.map { Int($0) }), nil) }
        return (TagFilter(subscription.subString) ?? .all, nil)
    }

    // MARK: - Looking

    /// Looks for messages; answers, or parks the pull for `parkMilliseconds` if there is nothing yet.
    private func look(_ pull: Pull, parkMilliseconds: Int64) {
        guard let result = read(pull) else { return }
        settle(pull, result, parkMilliseconds: parkMilliseconds)
    }

    /// Answers with what a look found, or parks the pull.
    func settle(_ pull: Pull, _ result: ReadResult, parkMilliseconds: Int64) {
        switch result.status {
        case .found: deliver(pull, result)
        case .noMatchedMessage where result.stop != nil: goOn(pull, result, parkMilliseconds: parkMilliseconds)
        case .offsetOverflowOne where parkMilliseconds > 0,
            .noMessageInQueue where parkMilliseconds > 0 && pull.offset == 0,
            .offsetFoundNull where parkMilliseconds > 0:
            park(pull, milliseconds: parkMilliseconds)
        default: answerNothing(pull, result)
        }
    }

    private func read(_ pull: Pull) -> ReadResult? {
        do throws(SystemError) {
            if let properties = pull.properties { return try read(pull, properties) }
            return try store.read(
                pull.queue, from: pull.nextOffset, limits: pull.limits, units: &units,
                matches: { pull.filter.matches($0) })
        } catch {
            refuse(pull, .unreadable(error))
            return nil
        }
    }

    // MARK: - Parking

    private func park(_ pull: Pull, milliseconds: Int64) {
        let id = nextID
        nextID += 1
        guard hold.park(id, on: ObjectIdentifier(pull.queue)) == .waiting else {
            return refuse(pull, .busy)
        }
        parked[id] = pull
        byChannel[pull.channel.connection.id, default: []].insert(id)
        pull.timer = loop.schedule(afterMilliseconds: milliseconds) { [unowned self] in timeOut(id) }
        pull.queue.addWaiter(loop: loopIndex)
        store.waiterCame()
        // Between the read and here a message may have come that nobody told us of.
        if pull.queue.maxOffset > pull.nextOffset { lookAgain(id) }
    }

    /// `queue` has new messages.
    func arrived(_ queue: ConsumeQueue) {
        for id in hold.waiting(on: ObjectIdentifier(queue)) { lookAgain(id) }
    }

    private func lookAgain(_ id: UInt64) {
        guard let pull = parked[id] else { return }
        while true {
            guard let result = read(pull) else { return unpark(id) }
            switch result.status {
            case .found:
                unpark(id)
                return deliver(pull, result)
            case .noMatchedMessage where result.stop != nil:
                unpark(id)
                return goOn(pull, result, parkMilliseconds: 0)
            case .noMatchedMessage where result.nextOffset > pull.nextOffset:
                pull.nextOffset = result.nextOffset  // not for this consumer: it sleeps on
            case .offsetOverflowOne, .offsetFoundNull, .noMatchedMessage: return
            default:
                unpark(id)
                return answerNothing(pull, result)
            }
        }
    }

    private func timeOut(_ id: UInt64) {
        guard let pull = parked[id] else { return }
        pull.timer = nil
        unpark(id)
        var result = ReadResult(
            status: .offsetOverflowOne, nextOffset: pull.offset, minOffset: pull.queue.minOffset,
            maxOffset: pull.queue.maxOffset)
        if pull.nextOffset > pull.offset {  // the consumer need not be shown the others again
            result.status = .noMatchedMessage
            result.nextOffset = pull.nextOffset
        } else if result.maxOffset == 0 {
            result.status = .noMessageInQueue
        }
        answerNothing(pull, result)
    }

    private func unpark(_ id: UInt64) {
        guard let pull = parked.removeValue(forKey: id) else { return }
        if let timer = pull.timer { loop.cancel(timer) }
        byChannel[pull.channel.connection.id]?.remove(id)
        if hold.remove(id) != nil { pull.queue.removeWaiter(loop: loopIndex) }
    }

    /// Forgets the pulls of a connection that is gone.
    func closed(_ channel: RemotingChannel) {
        for id in byChannel.removeValue(forKey: channel.connection.id) ?? [] { unpark(id) }
        byChannel[channel.connection.id] = nil
    }

    // MARK: - Answers

    private func deliver(_ pull: Pull, _ result: ReadResult) {
        count(result)
        guard result.isCold else {
            writeHeader(pull, .success, result)
            for range in result.ranges {
                guard let mapping = range.recent else { preconditionFailure("a loop would read what is not in memory") }
                pull.channel.connection.send(mapping, offset: range.offset, byteCount: range.byteCount)
            }
            return
        }
        // Not surely in memory: a thread that may wait copies the records first.
        let bound = LoopBound((self, pull), on: loop)
        let accepted = coldReads.submit {
            let copied = Self.copy(result)
            bound.execute { handler, pull in handler.deliver(pull, result, copied: copied) }
        }
        if !accepted {
            refuse(pull, .busy)
        }
    }

    /// The records' bytes; `nil` if their file was deleted meanwhile. May wait for the disk.
    static func copy(_ result: ReadResult) -> [UInt8]? {
        var body = ByteBuffer(capacity: result.byteCount)
        for range in result.ranges {
            // Whatever the reason: the consumer asks again, and hears it if it lasts.
            guard let mapping = try? range.mapping else { return nil }
            body.append(mapping.bytes(range.offset..<(range.offset + range.byteCount)))
        }
        return body.toArray()
    }

    func deliver(_ pull: Pull, _ result: ReadResult, copied: [UInt8]?) {
        guard let copied else { return answerRemoved(pull, result) }
        writeHeader(pull, .success, result)
        pull.channel.connection.send { $0.append(copied) }
    }

    func count(_ result: ReadResult) {
        stats.pullsFound.add(1)
        stats.messagesOut.add(result.messageCount)
        stats.bytesOut.add(result.byteCount)
    }

    /// The file of the records went between the read and now: the consumer asks again and hears where the queue begins.
    private func answerRemoved(_ pull: Pull, _ result: ReadResult) {
        var result = ReadResult(
            status: .messageWasRemoving, nextOffset: pull.nextOffset, minOffset: pull.queue.minOffset,
            maxOffset: pull.queue.maxOffset)
        result.nextOffset = max(result.nextOffset, result.minOffset)
        answerNothing(pull, result)
    }

    func answerNothing(_ pull: Pull, _ result: ReadResult) {
        stats.pullsMissed.add(1)
        writeHeader(pull, result.status.responseCode(requested: pull.offset), result)
    }

    private func writeHeader(_ pull: Pull, _ code: ResponseCode, _ result: ReadResult) {
        let type = pull.channel.serializeType
        pull.channel.connection.send { output in
            var writer = ResponseWriter(&output, type: type, code: code.rawValue)
            writer.field("suggestWhichBrokerId", 0, to: &output)
            writer.field("groupSysFlag", Int64(pull.groupSysFlag), to: &output)
            writer.field("nextBeginOffset", result.nextOffset, to: &output)
            writer.field("maxOffset", result.maxOffset, to: &output)
            writer.field("minOffset", result.minOffset, to: &output)
            writer.field("topicSysFlag", Int64(pull.topicSysFlag), to: &output)
            writer.finish(
                opaque: pull.opaque, remark: result.status.name, bodyByteCount: result.byteCount, in: &output)
        }
    }

    func refuse(_ pull: Pull, _ refusal: Refusal) {
        pull.channel.reply(to: pull.opaque, isOneWay: false).send(refusal.answer)
    }
}

extension Refusal {
    static func unreadable(_ error: SystemError) -> Refusal {
        Refusal(.systemError, "cannot read the queue: \(error)")
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
        case .offsetOverflowBadly, .offsetTooSmall: .pullOffsetMoved
        }
    }
}
