import MQBase
import MQConfig
import MQMessage
public import MQObserve
import MQProtocol
import MQRemoting
import MQStore
import MQSystem
import MQTLS
import MQTransport

/// Why a broker does not start: one sentence for the operator.
public struct BrokerStartError: Error, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String

    init(_ description: String) { self.description = description }

    /// Runs one step of the start; whatever goes wrong becomes the sentence.
    static func wrap<R>(_ body: () throws -> R) throws(BrokerStartError) -> R {
        do { return try body() } catch { throw BrokerStartError("\(error)") }
    }
}

/// One broker: assembles its parts, hands each what it needs, starts them in order and stops them in reverse.
public final class Broker: Sendable {
    private let files: ConfigFiles
    private let tables: BrokerTables
    let store: MessageStore
    private let delay: DelayDelivery
    private let pop: PopService
    private let popExpiry: PopExpiry
    private let assignments: AssignmentHandler
    private let transactions: Transactions
    private let timer: TimerDelivery?
    private let coldReads: WorkerPool
    private let compactor: Compactor
    private let control: ControlService
    private let registrar: NameServerRegistrar
    private let services: [LoopBound<LoopService>]
    private let loops: [EventLoop]
    private let servers: [RemotingServer]
    private let delayThread = Lock<Thread?>(nil)
    private let transactionThread = Lock<Thread?>(nil)
    private let timerThread = Lock<Thread?>(nil)

    /// Who it is and where it listens.
    public let identity: BrokerIdentity
    private let nameServers: [String]
    private let config: LiveConfig

    /// Opens the store, reads the tables and binds the ports. When it returns nothing is served yet.
    public init(_ config: LiveConfig, log: Log) throws(BrokerStartError) {
        let settings = config.current
        let loopCount = settings.loopCount(processors: ThisProcess.processorCount)
        precondition((1...PopHandler.loopsMax).contains(loopCount), "\(loopCount) loops")
        let loops = try BrokerStartError.wrap { try (0..<loopCount).map { try EventLoop("io-\($0)") } }
        let tls = try BrokerStartError.wrap { try config.gate() }
        let cipher = try BrokerStartError.wrap { try config.outgoingCipher() }
        self.config = config
        identity = settings.identity
        nameServers = settings.registration.nameServers
        let files = ConfigFiles(folder: settings.store.root + "/config", log: log)
        let store = try BrokerStartError.wrap {
            let batchTopics = TopicTable.batchTopics(in: try files.load(TopicTable.fileName))
            return try MessageStore(settings.store, batchTopics: batchTopics, log: log)
        }
        let tables = try BrokerTables(
            config, files: files, queueCounts: store.queueCounts, batchTopics: store.batchTopics, log: log)
        let stats = BrokerStats(now: SystemClock.now(), wall: SystemClock.wall(), topics: tables.topics.stats)
        let coldReads = WorkerPool("cold-read", threads: 2, nice: 5) { config.flow[$0] }
        let send = SendHandler.Settings(settings)
        let redelivery = Redelivery(
            store: store, storeHost: send.storeHost, queueIDMax: settings.limits.queuesPerTopicMax,
            began: { [topics = tables.topics] in topics.adopt($0, queueID: $1) })
        let delay = try BrokerStartError.wrap {
            try DelayDelivery(
                store: store, redelivery: redelivery,
                stored: files.load(DelayDelivery.fileName), stats: stats, log: log)
        }
        delay.persist(to: files, everyMilliseconds: settings.send.flushDelayOffsetMilliseconds)
        let pop = try Self.pop(settings, store, tables, files, log)
        let modes = RequestModes(stored: try BrokerStartError.wrap { try files.load(RequestModes.fileName) })
        modes.persist(to: files)
        registrar = NameServerRegistrar(
            config: config, topics: tables.topics, loop: loops[0], cipher: cipher, log: log)
        let transactions = try BrokerStartError.wrap {
            try Transactions(
                store: store, config: config, tables: tables, redelivery: redelivery, stats: stats, log: log)
        }
        let timer = try Self.timer(settings, store, redelivery, files, stats, log)
        let control = ControlService(
            config: config, topics: tables.topics, groups: tables.groups, offsets: tables.offsets,
            clients: tables.clients, filters: tables.filters,
            store: StoreView(
                store: store, delay: delay, timer: timer,
                queues: QueueFigures(coldReads: coldReads, stats: stats, config: config)),
            stats: stats, files: files,
            registrar: registrar, coldData: tables.coldData, log: log)
        let assignments = AssignmentHandler(
            config: config, tables: tables, modes: modes, files: files, pool: control.pool, loop: loops[0],
            cipher: cipher)
        let corridors = Corridors(
            config: config, send: send, tables: tables, store: store, coldReads: coldReads, control: control,
            transactions: transactions, stats: stats, pop: pop, assignments: assignments, timer: timer)
        let parts = loops.enumerated().map { corridors.make(on: $1, index: $0) }
        services = zip(loops, parts).map { LoopBound($1.main, on: $0) }
        do throws(BrokerStartError) {
            servers = try Self.open(identity, tls: tls, loops: loops, parts: parts, log: log)
        } catch {
            coldReads.stop()
            store.stop()
            throw error
        }
        let adoption = ReviveTopic(
            service: pop, clusterName: settings.identity.clusterName, queueCount: settings.pop.reviveQueueCount,
            log: log)
        popExpiry = PopExpiry(
            config: config, service: pop, tables: tables, adoption: adoption, redelivery: redelivery, stats: stats,
            log: log)
        self.pop = pop
        self.assignments = assignments
        self.loops = loops
        self.store = store
        self.files = files
        self.tables = tables
        self.delay = delay
        self.transactions = transactions
        self.timer = timer
        self.coldReads = coldReads
        compactor = Compactor(config: config, topics: tables.topics, store: store, log: log)
        self.control = control
    }

    /// The state of pop, from its journal and what a Java broker wrote beside it.
    private static func pop(
        _ settings: BrokerConfig, _ store: MessageStore, _ tables: BrokerTables, _ files: ConfigFiles, _ log: Log
    ) throws(BrokerStartError) -> PopService {
        let pop = try BrokerStartError.wrap {
            try PopService(
                root: settings.store.root, store: store, offsets: tables.offsets,
                ordered: OrderInfoFile.pops(files.load(OrderInfoFile.name)), log: log)
        }
        let known = Lock<[UInt8]>(OrderInfoFile.text(pop.withTable { $0.orderedPops }))
        files.register(
            OrderInfoFile.name, everyMilliseconds: settings.groups.flushConsumerOffsetMilliseconds,
            isChanged: {
                let text = OrderInfoFile.text(pop.withTable { $0.orderedPops })
                return known.withLock { $0 != text }
            },
            text: {
                let text = OrderInfoFile.text(pop.withTable { $0.orderedPops })
                known.withLock { $0 = text }
                return text
            })
        return pop
    }

    /// What is printed and logged when it serves, in RocketMQ's words.
    public var bootLine: String {
        let line = "The broker[\(identity.brokerName), \(identity.address)] boot success. serializeType=JSON"
        return nameServers.isEmpty ? line : line + " and name server is " + nameServers.joined(separator: ";")
    }

    /// What delivers messages at their time, unless `timerWheelEnable` is off.
    private static func timer(
        _ settings: BrokerConfig, _ store: MessageStore, _ redelivery: Redelivery, _ files: ConfigFiles,
        _ stats: BrokerStats, _ log: Log
    ) throws(BrokerStartError) -> TimerDelivery? {
        guard settings.timer.isEnabled else { return nil }
        return try BrokerStartError.wrap {
            try TimerDelivery(
                store: store, settings: settings.timer, redelivery: redelivery, files: files, stats: stats, log: log)
        }
    }

    /// Binds the ports: the main one, and two below it the fast one (RocketMQ's VIP channel), which does not pull.
    private static func open(
        _ identity: BrokerIdentity, tls: TLSGate, loops: [EventLoop], parts: [(main: LoopService, fast: LoopService)],
        log: Log
    ) throws(BrokerStartError) -> [RemotingServer] {
        var limits = RemotingServer.Limits()
        limits.idleSeconds = identity.idleSeconds
        var ports = [(port: identity.listenPort, isFast: false)]
        if let fast = identity.fastPort { ports.append((fast, true)) }
        return try ports.map { port, isFast throws(BrokerStartError) in
            do throws(SystemError) {
                let address = try SocketAddress.resolve(host: identity.bindAddress, port: port)
                return try RemotingServer(address, loops: loops, limits: limits, gate: tls, log: log) { loop in
                    let index = loops.firstIndex { $0 === loop } ?? 0
                    return isFast ? parts[index].fast : parts[index].main
                }
            } catch {
                guard error.isAddressInUse else { throw BrokerStartError("cannot \(error)") }
                let what = isFast ? "two below listenPort" : "listenPort"
                throw BrokerStartError(
                    "port \(port) (\(what)) on \(identity.bindAddress) is in use: another broker may be running, or set "
                        + "another listenPort")
            }
        }
    }

    /// Starts threads, opens the doors and tells the name servers.
    public func start() {
        files.start()
        coldReads.start()
        compactor.start()
        store.start(
            MessageStore.Events(
                arrived: { [services, delay, transactions, timer] queue in
                    let waiters = queue.waiters
                    if waiters & 1 << UInt64(DelayDelivery.waiterIndex) != 0 {
                        if queue === transactions.halfQueue {
                            transactions.arrived()
                        } else if let timer, timer.owns(queue) {
                            timer.arrived()
                        } else {
                            delay.arrived()
                        }
                    }
                    for (index, service) in services.enumerated() {
                        if waiters & 1 << UInt64(index) != 0 { service.execute { $0.arrived(queue) } }
                        if waiters & 1 << UInt64(PopHandler.waiterIndex(loop: index)) != 0 {
                            service.execute { $0.arrivedForPops(queue) }
                        }
                    }
                },
                flushed: { [loops, timer] in
                    for loop in loops { loop.wake() }
                    timer?.flushed()
                },
                retention: { [config] in config.current.store.retention },
                mayDelete: { [compactor] in compactor.mayDelete(before: $0, isDiskFull: $1) },
                bitMap: tables.filters.bitMapMaker))
        tables.offsets.onEachReset { [pop] key, offset in pop.reset(key, to: offset) }
        tables.offsets.onReset { [services] in for service in services { service.execute { $0.offsetsReset() } } }
        for loop in loops { loop.start() }
        pop.start(
            PopService.Events(
                retried: { [services] group, topic in
                    for service in services { service.execute { $0.retried(group: group, topic: topic) } }
                },
                freed: { [services] key in for service in services { service.execute { $0.freed(key) } } },
                synced: { [loops] in for loop in loops { loop.wake() } }), expire: { [popExpiry] in popExpiry.run() })
        delayThread.withLock { [delay] in $0 = Thread("delay") { delay.run() } }
        transactionThread.withLock { [transactions] in $0 = Thread("transactions") { transactions.run() } }
        if let timer { timerThread.withLock { $0 = Thread("timer") { timer.run() } } }
        control.start(on: loops[0])
        for server in servers { server.start() }
        registrar.start(waitMilliseconds: 1000)
    }

    /// Takes leave of the name servers, closes the doors, and makes everything durable.
    public func stop() {
        registrar.stop()
        for server in servers { server.stop() }
        control.stop()
        delay.stop()
        timer?.stop()
        delayThread.withLock { $0 }?.join()
        timerThread.withLock { $0 }?.join()
        assignments.stop()
        compactor.stop()
        coldReads.stop()
        for loop in loops { loop.stop() }
        transactions.stop()
        transactionThread.withLock { $0 }?.join()
        pop.stopThreads()
        pop.close()
        store.stop()
        timer?.close()
        files.stop()
    }
}

/// The parts of the data plane, made once for each loop.
struct Corridors {
    let config: LiveConfig
    let send: SendHandler.Settings
    let tables: BrokerTables
    let store: MessageStore
    let coldReads: WorkerPool
    let control: ControlService
    let transactions: Transactions
    let stats: BrokerStats
    let pop: PopService
    let assignments: AssignmentHandler
    let timer: TimerDelivery?

    /// The services of one loop: of the main port, and of the fast one, which does not pull.
    func make(on loop: EventLoop, index: Int) -> (main: LoopService, fast: LoopService) {
        let local = SocketAddress.ofThisMachine()
        let ids = UniqueIDMaker(
            ip: local.ip, processID: ThisProcess.id, makerID: UInt32.random(in: .min ... .max),
            monthBounds: SystemClock.monthBounds)
        let sends = SendHandler(
            settings: send, config: config, topics: tables.topics, groups: tables.groups, locks: control.locks,
            store: store, loop: loop, ids: ids, timerCount: { [timer] in timer?.count($0) })
        let commits = SendCommit(
            store: store, settings: send, config: config, stats: stats, transactions: transactions, loop: loop)
        let ends = EndTransactionHandler(
            transactions: transactions, topics: tables.topics, store: store, config: config, loop: loop)
        let sendBacks = SendBackHandler(topics: tables.topics, groups: tables.groups, store: store, settings: send)
        let recalls = RecallHandler(config: config, settings: send, topics: tables.topics, store: store)
        let replies = ReplyHandler(
            clients: tables.clients, topics: tables.topics, sends: sends, config: config, settings: send)
        let pulls = PullHandler(
            config: config, tables: tables, store: store, coldReads: coldReads, stats: stats, loop: loop,
            loopIndex: index)
        let popCommits = PopCommit(pop, config: config, stats: stats, loop: loop)
        let pops = PopHandler(
            config: config, tables: tables, service: pop, commits: popCommits, coldReads: coldReads, stats: stats,
            loop: loop, loopIndex: index)
        let queries = QueryHandler(store: store, config: config)
        func service(_ pulls: PullHandler?) -> LoopService {
            LoopService(
                sends: sends, commits: commits, sendBacks: sendBacks, replies: replies, ends: ends, recalls: recalls,
                pulls: pulls, pops: pops, assignments: assignments, queries: queries, transactions: transactions,
                control: control, coldReads: coldReads, store: store)
        }
        loop.onEndOfWakeUp { commits.commit() }
        loop.onEndOfWakeUp { popCommits.commit() }
        return (service(pulls), service(nil))
    }
}

extension SendHandler.Settings {
    init(_ config: BrokerConfig) {
        // The address was checked when the configuration was read.
        let address = try? SocketAddress.resolve(host: config.identity.brokerIP1, port: config.identity.listenPort)
        let host = address ?? SocketAddress(ip: [127, 0, 0, 1], port: config.identity.listenPort)
        self.init(
            storeHost: MessageHost(ip: host.ip, port: host.port), clusterName: Array(config.identity.clusterName.utf8),
            // Written into every answer as it is: nothing that JSON would escape.
            regionID: config.send.regionID.utf8.filter { $0 > 32 && $0 < 127 && $0 != 34 && $0 != 92 },
            isTraceOn: config.send.isTraceOn,
            bodyByteCountMax: config.send.bodyByteCountMax,
            isBrokerWritable: config.topics.brokerPermission & 2 != 0, brokerIP: config.identity.brokerIP1,
            delayLevelCount: config.store.delayLevels.count,
            isRejectingTransactions: config.transactions.isRejecting,
            checksMessageTypes: config.send.checksMessageTypes,
            brokerName: Array(config.identity.brokerName.utf8), timer: config.timer,
            startAcceptTimestamp: config.send.startAcceptTimestamp)
    }

    /// Takes over what may change while the broker runs.
    mutating func follow(_ config: BrokerConfig) {
        isBrokerWritable = config.topics.brokerPermission & 2 != 0
        isRejectingTransactions = config.transactions.isRejecting
        checksMessageTypes = config.send.checksMessageTypes
        timer.delayMilliseconds = config.timer.delayMilliseconds
        timer.slotCountMax = config.timer.slotCountMax
        timer.isRecallEnabled = config.timer.isRecallEnabled
    }
}

extension PullHandler.Settings {
    init(_ config: BrokerConfig) {
        self.init(
            limits: ReadLimits(
                messageCount: config.pull.countMaxInMemory, byteCount: config.pull.byteCountMaxInMemory,
                coldMessageCount: config.pull.countMaxOnDisk, coldByteCount: config.pull.byteCountMaxOnDisk,
                unitCount: max(1, config.pull.filterByteCountMax / QueueUnit.byteCount)),
            isLongPollingEnabled: config.pull.longPollingEnable,
            shortPollingMilliseconds: config.pull.shortPollingMilliseconds,
            isPropertyFilterEnabled: config.pull.enablePropertyFilter, servesLitePulls: config.pull.servesLitePulls,
            filtersRetries: config.filter.filtersRetries, servesCompacted: config.compaction.isEnabled,
            isBrokerReadable: config.topics.brokerPermission & 4 != 0, cold: config.pull.cold,
            readsAhead: config.pull.readsAhead, brokerIP: config.identity.brokerIP1)
    }
}
