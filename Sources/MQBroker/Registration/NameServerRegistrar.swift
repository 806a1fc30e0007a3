import MQBase
import MQBytes
import MQJSON
public import MQObserve
import MQProtocol
import MQRemoting
import MQSystem
public import MQTransport

/// Keeps the name servers informed: registers with all of them at once, every `registerNameServerPeriod`, when the
/// topics change, and soon after a failure; takes the broker back at the stop. One thread decides and looks
/// names up; the connections live on a loop and stay open. A name server that is down delays no other.
///
/// Source: `BrokerController.java` `registerBrokerAll`, `BrokerOuterAPI.java`, RocketMQ 5.3.
public final class NameServerRegistrar: Sendable {
    /// The least time between two registrations that carry changes: the first travels at once, what follows it together. A
    /// producer that was answered may ask a name server for its new topic in the next moment.
    private static let gatherMilliseconds: Int64 = 10
    /// Registrations take at most this part of the registrar's time: one of many topics is not made for each of them.
    private static let restFactor: Int64 = 10
    /// When to try again after a failure.
    private static let retryMilliseconds: Int64 = 2000
    /// When to try again after a lost connection: a name server that was only restarted is back by then.
    private static let reconnectMilliseconds: Int64 = 1000
    /// The longest wait for answers at the stop.
    private static let goodbyeMilliseconds: Int64 = 3000

    private enum Outcome: Equatable {
        case registered
        case failed(String)
    }

    private struct State {
        var isStopping = false
        var isWanted = false
        /// Counts registrations; the present one carries every change before it.
        var round: UInt64 = 0
        var due: Int64 = 0
        var hasNewDue = false
    }

    private struct Progress {
        var outcomes: [String: Outcome] = [:]
        /// The last round that each name server has taken.
        var rounds: [String: UInt64] = [:]
        var waiting: [(round: UInt64, body: @Sendable () -> Void)] = []
        var addresses: [String: SocketAddress] = [:]
        /// Answers to goodbyes still missing.
        var goodbyes = 0

        /// Whether each of `servers` has taken a round, or takes none at present.
        func hasTaken(_ round: UInt64, _ servers: [String]) -> Bool {
            servers.allSatisfy { server in
                if case .failed = outcomes[server] { return true }
                return rounds[server] ?? 0 >= round
            }
        }
    }

    private let config: LiveConfig
    private let topics: TopicTable
    private let servers: [String]
    private let client: RemotingClient
    private let log: Log
    /// When to do what; the registrar's thread waits here.
    private let state = Monitor(State())
    /// What came of it; `start` and `stop` wait here.
    private let progress = Monitor(Progress())
    private let thread = Lock<Thread?>(nil)

    /// A registrar that does nothing yet. `loop` carries its connections; it must run from ``start(waitMilliseconds:)``
    /// until after ``stop()``. They go behind what `cipher` makes.
    public init(
        config: LiveConfig, topics: TopicTable, loop: EventLoop,
        cipher: (@Sendable (SocketAddress) -> any ConnectionCipher)? = nil, log: Log = .silent
    ) {
        self.config = config
        self.topics = topics
        self.log = log
        servers = config.current.registration.nameServers
        let watcher = Watcher()
        client = RemotingClient(loop: loop, service: watcher, cipher: cipher)
        watcher.listener.withLock { $0.lost = { [weak self] in self?.connectionLost() } }
    }

    /// Registers for the first time and from then on.
    /// - Parameter waitMilliseconds: how long to wait until each name server has answered or failed once.
    public func start(waitMilliseconds: Int64 = 0) {
        guard !servers.isEmpty else { return }
        topics.onChange { [weak self] in self?.topicsChanged() }
        thread.withLock { thread in
            if thread == nil { thread = Thread("registrar") { self.run() } }
        }
        guard waitMilliseconds > 0 else { return }
        let all = servers
        _ = progress.wait(milliseconds: waitMilliseconds) { progress in
            all.allSatisfy { progress.outcomes[$0] != nil } ? true : nil
        }
    }

    /// Takes the broker back at all name servers, waiting at most three seconds, and closes the connections. Blocks.
    public func stop() {
        state.signal { state in
            state.isStopping = true
            return true
        }
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let running else { return }
        running.join()
        sayGoodbye()
        client.close()
        release(all: true)
    }

    /// Whether every name server has the broker now.
    public var isRegisteredEverywhere: Bool {
        let all = servers
        return progress.withLock { progress in all.allSatisfy { progress.outcomes[$0] == .registered } }
    }

    /// Calls `body` once, when every name server has taken the topics as they are now; one that answered its last
    /// registration badly or not at all is not waited for. At once if there is nothing to wait for. Any thread; `body`
    /// is called on the caller's, the loop's or the registrar's, and must not wait.
    ///
    /// Source: `BrokerController.java` `registerIncrementBrokerData`, which the answer to an administrator follows.
    public func whenRegistered(_ body: @escaping @Sendable () -> Void) {
        var round: UInt64 = 0
        state.signal { state in
            guard !servers.isEmpty, !state.isStopping else { return false }
            round = state.isWanted ? state.round + 1 : state.round
            return false
        }
        let isThere = progress.withLock { progress in
            if progress.hasTaken(round, servers) { return true }
            progress.waiting.append((round, body))
            return false
        }
        if isThere { body() }
    }

    /// Lets those go whose round has been taken, or, at the stop, all.
    private func release(all: Bool = false) {
        let ready = progress.withLock { progress in
            let isReady = { [progress, servers] (round: UInt64) in all || progress.hasTaken(round, servers) }
            defer { progress.waiting.removeAll { isReady($0.round) } }
            return progress.waiting.filter { isReady($0.round) }
        }
        for waiter in ready { waiter.body() }
    }

    // MARK: - When

    private func topicsChanged() {
        state.signal { state in
            state.isWanted = true
            return true
        }
    }

    private func connectionLost() { bringForward(to: Self.reconnectMilliseconds) }

    private func bringForward(to milliseconds: Int64) {
        let due = Self.now() + milliseconds
        state.signal { state in
            guard due < state.due else { return false }
            state.due = due
            state.hasNewDue = true
            return true
        }
    }

    private static func now() -> Int64 { SystemClock.now().nanoseconds / 1_000_000 }

    private enum Step { case stop, change, lookAgain }

    private func run() {
        var last: Int64 = 0
        var took: Int64 = 0
        while true {
            let left = max(0, state.withLock { $0.due } - Self.now())
            let step: Step? = state.wait(milliseconds: left) { state in
                if state.isStopping { return .stop }
                if state.isWanted { return .change }
                guard state.hasNewDue else { return nil }
                state.hasNewDue = false
                return .lookAgain
            }
            switch step {
            case .stop: return
            case .lookAgain: continue
            case .change: gather(since: last, took)
            case nil: break
            }
            last = Self.now()
            let next = last + config.current.registration.periodMilliseconds
            let round = state.withLock { state in
                state.isWanted = false
                state.round += 1
                state.due = next
                return state.round
            }
            register(round)
            took = Self.now() - last
        }
    }

    /// Lets changes that come close together travel together.
    /// - Parameter took: how long it took to make the last registration, milliseconds.
    private func gather(since last: Int64, _ took: Int64) {
        let rest = last + max(Self.gatherMilliseconds, min(1000, took * Self.restFactor)) - Self.now()
        if rest > 0 { _ = state.wait(milliseconds: rest) { $0.isStopping ? true : nil } }
    }

    // MARK: - What

    private func register(_ round: UInt64) {
        guard let request = makeRegistration() else { return }
        let timeout = config.current.registration.timeoutMilliseconds
        forEachAddress { server, address in
            client.invoke(request, to: address, timeoutMilliseconds: timeout) { [weak self] result in
                self?.answered(server, round, result)
            }
        }
    }

    /// Calls `body` with each name server's address: those that are known first, because looking one up may wait.
    private func forEachAddress(_ body: (String, SocketAddress) -> Void) {
        let known = progress.withLock { $0.addresses }
        for server in servers {
            if let address = known[server] { body(server, address) }
        }
        for server in servers where known[server] == nil {
            do throws(SystemError) {
                let address = try SocketAddress.resolve(server)
                progress.withLock { $0.addresses[server] = address }
                body(server, address)
            } catch {
                note(server, .failed(error.description))
            }
        }
    }

    private func makeRegistration() -> RemotingCommand? {
        let config = config.current
        let body: [UInt8]
        do throws(BodyError) {
            let registration = RegisterBrokerBody(table(of: config))
            body = config.registration.compressedRegister ? try registration.compressed() : registration.encoded()
        } catch {
            log.error("cannot make a registration", ["reason": error.description])
            return nil
        }
        return Self.request(config.identity, body: body, isCompressed: config.registration.compressedRegister)
    }

    /// The topics as clients may use them: never more than `brokerPermission` allows.
    private func table(of config: BrokerConfig) -> TopicConfigSerializeWrapper {
        var table = topics.wrapper()
        let allowed = TopicPermission(rawValue: config.topics.brokerPermission)
        if !allowed.isSuperset(of: [.read, .write]) {
            for (name, topic) in table.topicConfigTable {
                let kept = topic.perm.subtracting([.read, .write]).union(topic.perm.intersection(allowed))
                table.topicConfigTable[name]?.perm = kept
            }
        }
        table.mappingDataVersion = DataVersion()
        table.topicQueueMappingDetailMap = [:]
        table.topicQueueMappingInfoMap = [:]
        return table
    }

    /// `REGISTER_BROKER` (103).
    static func request(_ identity: BrokerIdentity, body: [UInt8], isCompressed: Bool) -> RemotingCommand {
        RemotingCommand(
            .registerBroker,
            [
                "brokerName": identity.brokerName, "brokerAddr": identity.address,
                "clusterName": identity.clusterName, "haServerAddr": identity.haAddress,
                "brokerId": String(identity.brokerID), "enableActingMaster": "false",
                "compressed": isCompressed ? "true" : "false", "bodyCrc32": String(Self.checksum(body)),
            ], body: body)
    }

    /// Source: `UtilAll.java` `crc32`, which drops the highest bit.
    static func checksum(_ body: [UInt8]) -> UInt32 { CRC32.value(of: body.span) & 0x7FFF_FFFF }

    // MARK: - What they say

    private func answered(_ server: String, _ round: UInt64, _ result: Result<RemotingCommand, RemotingError>) {
        switch result {
        case .failure(let error):
            progress.withLock { $0.addresses[server] = nil }  // it may live elsewhere by now
            note(server, .failed(error.description))
        case .success(let answer) where answer.responseCode == .success:
            progress.withLock { $0.rounds[server] = max($0.rounds[server] ?? 0, round) }
            note(server, .registered)
            if server == servers.first { takeOrder(answer.body) }
        case .success(let answer):
            note(server, .failed("code \(answer.code), \(answer.remark ?? "no remark")"))
        }
    }

    /// Topics that the first name server keeps an order for (`ORDER_TOPIC_CONFIG`).
    private func takeOrder(_ body: [UInt8]) {
        guard !body.isEmpty else { return }
        do throws(BodyError) {
            topics.markOrdered(try KVTable(parsing: body).table.keys)
        } catch {
            log.warn("order configuration unreadable", ["reason": error.description])
        }
    }

    /// Remembers how it is with `server`, and logs it if that is news.
    private func note(_ server: String, _ outcome: Outcome) {
        var before: Outcome?
        progress.signal { progress in
            before = progress.outcomes.updateValue(outcome, forKey: server)
            return true
        }
        switch outcome {
        case .registered:
            if before != outcome { log.info("registered", ["nameServer": server]) }
        case .failed(let reason):
            if before != outcome { log.warn("registration failed", ["nameServer": server, "reason": reason]) }
            bringForward(to: Self.retryMilliseconds)
        }
        release()
    }

    // MARK: - Goodbye

    private func sayGoodbye() {
        let identity = config.current.identity
        let request = RemotingCommand(
            .unregisterBroker,
            [
                "brokerName": identity.brokerName, "brokerAddr": identity.address,
                "clusterName": identity.clusterName, "brokerId": String(identity.brokerID),
            ])
        let (addresses, outcomes) = progress.withLock { ($0.addresses, $0.outcomes) }
        let reachable = addresses.filter { outcomes[$0.key] == .registered }
        progress.withLock { $0.goodbyes = reachable.count }
        for (_, address) in reachable {
            client.invoke(request, to: address, timeoutMilliseconds: Self.goodbyeMilliseconds) { [weak self] _ in
                self?.progress.signal { progress in
                    progress.goodbyes -= 1
                    return true
                }
            }
        }
        _ = progress.wait(milliseconds: Self.goodbyeMilliseconds) { $0.goodbyes <= 0 ? true : nil }
        log.info("unregistered", ["nameServers": String(reachable.count)])
    }
}

/// Name servers ask nothing of a broker yet; a lost connection means that they have forgotten it.
private final class Watcher: RemotingService {
    let listener = Lock(Listener())

    struct Listener {
        var lost: (@Sendable () -> Void)?
    }

    func handle(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) {
        channel.reply(to: header.opaque, isOneWay: header.isOneWay).send(.notSupported(header.code))
    }

    func closed(_ channel: RemotingChannel, because reason: CloseReason) { listener.withLock { $0.lost }?() }
}
