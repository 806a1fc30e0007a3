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
    let stats: BrokerStats
    let topicStats: StatsTable
    let coldReads: WorkerPool
    let brokerName: String
    private let loopIndex: Int
    private var watch: ConfigWatch
    private(set) var broker: PullHandler.Settings
    private(set) var settings: PopSettings
    var gate: PopGate
    private var random = SeededRandom(seed: .random(in: .min ... .max))
    private var nextReviveQueue: Int32 = 0
    var units = ByteBuffer(capacity: 32 << 10)
    var recent: RecentTail
    var found = ReadResult()
    // Parked requests: PopHandler+Parking.
    var polling: PopPolling
    var parked: [UInt64: Parked] = [:]
    var byChannel: [UInt64: Set<UInt64>] = [:]
    var watched: [PopPolling.Key: [ObjectIdentifier: ConsumeQueue]] = [:]
    var watchers: [ObjectIdentifier: Set<PopPolling.Key>] = [:]
    var nextID: UInt64 = 1
    var toServe: [PopPolling.Key] = []
    var isToServe: Set<PopPolling.Key> = []

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
        polling = PopPolling(counts: service.pollCounts)
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
        if kind == .pop { try commits.admit() } else if let refusal = service.refusal { throw refusal }
        let request = try gate.admit(kind, header, in: bytes, on: channel, broker, now: loop.wall.rawValue)
        attempt(request)
    }

    /// POLLING_INFO: how many pops wait.
    func pollingInfo(
        _ header: borrowing RemotingHeader, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) throws(Refusal) {
        follow()
        let request = try gate.admit(.peek, header, in: bytes, on: channel, broker, now: loop.wall.rawValue)
        let answer = RemotingCommand(.success, ["pollingNum": String(service.pollCounts.count(request.pollKey))])
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

    func advance(_ session: PopSession) {
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
            session.key, now: session.asks(at: loop.wall.rawValue), openMax: settings.openMax,
            isOrdered: request.isOrdered,
            attemptID: request.attemptID, initial: initialOffset(queue, step, request))
    }

    /// Where a group begins that was never here. Source: `PopMessageProcessor.java` `getInitOffset`.
    private func initialOffset(_ queue: ConsumeQueue, _ step: PopSession.Step, _ request: PopRequest) -> Int64 {
        if request.beginsAtStart || step.kind != .normal { return store.firstOffset(queue) }
        let isRecent = queue.minOffset <= 0 && !store.isFarBack(store.minOffset.rawValue)
        if settings.beginsAtStartIfRecent, isRecent { return 0 }
        return max(0, queue.maxOffset - 1)
    }
}
