import MQBase
public import MQProtocol
import MQRemoting
import MQSystem
import MQTLS
import MQTransport

/// Connections to one cluster: finds name servers and brokers and asks them. Producers, consumers and tools share one,
/// or have one each. One thread of its own; everything else runs on Swift's pool.
///
/// Start it once, shut it down once; between the two every call may come from any task.
public final class ClusterLink: Sendable {
    /// As given.
    public let options: ClientOptions
    /// `ip@instance`: how brokers tell clients apart.
    public let clientID: String

    let members = Members()
    /// Requests of producers that wait for a reply.
    let requests = OpenRequests()
    let routes: RouteCache
    private let loop: EventLoop
    private let loopTasks: LoopTaskExecutor
    private let remoting: RemotingClient
    private let calls = OpenCalls()
    private let addresses = AddressBook()
    let plans = PublishPlans()
    private let pipes = Lock<[SocketAddress: SendPipe]>([:])
    private let currentNameServer = Lock(0)
    /// Upkeep, and whatever else goes on beside the calls. None of it outlives the link.
    let side = SideTasks()
    /// Connections lost since brokers heard of us last.
    let losses = Lock(0)
    private let life = Lock(Life.idle)

    /// idle → open → closed; never back.
    private enum Life { case idle, open, closed }

    /// Runs tasks on the thread of the link's connections, for programs that send very much: a send's answer then changes no
    /// thread, and what all tasks send while the answers of one wake-up are handed out leaves in one write.
    ///
    /// ```swift
    /// await withTaskGroup(of: Void.self) { group in
    ///     for _ in 0..<256 { group.addTask(executorPreference: link.executor) { … try await producer.send(message) … } }
    /// }
    /// ```
    /// Such a task must neither block nor compute for long: meanwhile nothing of the link is read or written. Before
    /// ``start()`` and after ``shutdown()`` it runs on Swift's pool.
    public var executor: any TaskExecutor { loopTasks }

    /// A link that does nothing yet.
    /// - Throws: `noNameServer` if the options name none; `invalid` if a file for TLS cannot be used; `system` if there are
    ///   no descriptors left.
    public convenience init(_ options: ClientOptions) throws(ClientError) {
        guard !options.nameServers.isEmpty else { throw .noNameServer }
        try self.init(nameServersOptional: options)
    }

    /// As ``init(_:)``, also without name servers: what needs one then throws `noNameServer`.
    package init(nameServersOptional options: ClientOptions) throws(ClientError) {
        self.options = options
        clientID = Self.makeClientID(options)
        let cipher = try Self.cipher(options.tls, addresses)
        do throws(SystemError) {
            loop = try EventLoop("mq-client")
        } catch {
            throw .system(error.description)
        }
        loopTasks = LoopTaskExecutor(on: loop)
        let pushes = PushedRequests(options, members: members, replies: requests)
        remoting = RemotingClient(
            loop: loop, service: pushes, connectTimeoutMilliseconds: options.requestTimeout.milliseconds, cipher: cipher
        )
        routes = RouteCache()
        pushes.onLostConnection { [weak self] in self?.heartbeatSoon() }
    }

    private static func cipher(
        _ options: TLSOptions?, _ addresses: AddressBook
    ) throws(ClientError) -> (@Sendable (SocketAddress) -> any ConnectionCipher)? {
        guard let options else { return nil }
        do throws(TLSError) {
            let context = try TLSContext.client(options)
            return { TLSSession(context, host: addresses.host(of: $0)) }
        } catch {
            throw .invalid(error.description)
        }
    }

    static func makeClientID(_ options: ClientOptions) -> String {
        let ip = options.clientIP ?? SocketAddress.ofThisMachine().host
        let instance = options.instanceName ?? "\(ThisProcess.id)#\(SystemClock.now().nanoseconds)"
        return "\(ip)@\(instance)"
    }

    deinit {
        side.cancel()
        // Forgotten without a shutdown: the loop must not outlive what its connections refer to.
        guard life.withLock({ $0 }) == .open else { return }
        Task.detached { [remoting, loop, loopTasks] in
            remoting.close()
            loop.stop()
            loopTasks.end()
        }
    }

    /// Starts the loop and the upkeep of routes and heartbeats. A second call does nothing, nor one after a shutdown.
    public func start() {
        let isFirst = life.withLock { life in
            guard life == .idle else { return false }
            life = .open
            return true
        }
        guard isFirst else { return }
        loop.start()
        loopTasks.begin()
        side.run { [weak self, interval = options.routeRefreshInterval] in
            while await pause(interval), let self { await self.refreshRoutes() }
        }
        side.run { [weak self, interval = options.heartbeatInterval] in
            var wait = Duration.seconds(1)
            while await pause(wait), let self {
                _ = await self.heartbeat()
                wait = interval
            }
        }
    }

    /// Closes all connections and ends the loop and all tasks. Shut producers and consumers down first.
    public func shutdown() async {
        let wasOpen = life.withLock { life in
            defer { life = .closed }
            return life == .open
        }
        guard wasOpen else { return }
        // Not on the loop, which the caller's task may prefer.
        await uncancelled { [side, remoting, loop, loopTasks] in
            await side.close()
            remoting.close()
            loop.stop()  // waits for the wake-up the loop is in, well under a millisecond
            loopTasks.end()
        }
        calls.close()
        let pipes = pipes.withLock { pipes in
            defer { pipes = [:] }
            return Array(pipes.values)
        }
        for pipe in pipes { pipe.close() }
        plans.forgetAll()
        requests.close()
    }

    // MARK: - Sending

    /// Calls that wait, for tests.
    var openCallCount: Int { calls.count + pipes.withLock { $0.values.count { !$0.isIdle } } }

    /// What sends to a broker travel in; one for each address, however many producers there are.
    func pipe(to address: String) async throws(ClientError) -> SendPipe {
        guard life.withLock({ $0 }) == .open else { throw .notRunning("the client") }
        let socket = try await addresses.resolve(address)
        return pipes.withLock { pipes in
            if let pipe = pipes[socket] { return pipe }
            let pipe = SendPipe(to: socket, over: remoting)
            pipes[socket] = pipe
            return pipe
        }
    }

    /// Ends the connection to `address`, which is made anew when it is needed. What waits on it fails.
    func disconnect(_ address: String) async {
        guard let socket = try? await addresses.resolve(address) else { return }  // then there is no connection either
        remoting.disconnect(socket)
    }

    /// The name behind an address may lead elsewhere by now.
    func forgetAddress(_ address: String) { addresses.forget(address) }

    // MARK: - Asking

    /// Asks the peer at `address` (`host:port`).
    /// - Throws: `badAddress`, `noAnswer`, `cancelled`. A refusal is an answer: look at its code, or use
    ///   ``ask(_:at:timeout:)``.
    public func answer(
        to request: RemotingCommand, at address: String, timeout: Duration? = nil
    ) async throws(ClientError) -> RemotingCommand {
        guard life.withLock({ $0 }) == .open else { throw .notRunning("the client") }
        let socket = try await addresses.resolve(address)
        let milliseconds = (timeout ?? options.requestTimeout).milliseconds
        let request = options.signed(request)
        switch await calls.answer(to: request, from: socket, timeoutMilliseconds: milliseconds, over: remoting) {
        case .success(let answer): return answer
        case .failure(let error):
            if Task.isCancelled { throw .cancelled }
            if case .cannotConnect = error { addresses.forget(address) }
            throw .noAnswer(from: address, error)
        }
    }

    /// As ``answer(to:at:timeout:)``, and takes nothing but success.
    /// - Throws: `refused` with the peer's words as well.
    @discardableResult
    public func ask(
        _ request: RemotingCommand, at address: String, timeout: Duration? = nil
    ) async throws(ClientError) -> RemotingCommand {
        let answer = try await answer(to: request, at: address, timeout: timeout)
        guard answer.responseCode == .success else {
            throw .refused(by: address, code: answer.code, remark: answer.remark ?? "no reason given")
        }
        return answer
    }

    /// Tells the peer at `address` something; returns when it is on its way.
    public func tell(_ request: RemotingCommand, to address: String) async throws(ClientError) {
        guard life.withLock({ $0 }) == .open else { throw .notRunning("the client") }
        let socket = try await addresses.resolve(address)
        if let error = await calls.send(oneWay: options.signed(request), to: socket, over: remoting) {
            if Task.isCancelled { throw .cancelled }
            throw .noAnswer(from: address, error)
        }
    }

    /// Asks one name server; the next one if it does not answer.
    /// - Throws: `nameServersUnreachable`, or `badAddress` if none can be resolved. A refusal is an answer.
    public func nameServerAnswer(to request: RemotingCommand) async throws(ClientError) -> RemotingCommand {
        let servers = options.nameServers
        let first = currentNameServer.withLock { $0 }
        var last = ClientError.noNameServer
        for step in servers.indices {
            let index = (first + step) % servers.count
            do throws(ClientError) {
                let answer = try await answer(to: request, at: servers[index])
                if step > 0 { currentNameServer.withLock { $0 = index } }
                return answer
            } catch {
                if case .cancelled = error { throw error }
                last = error
            }
        }
        guard case .noAnswer(_, let reason) = last else { throw last }
        throw .nameServersUnreachable(addresses: servers.joined(separator: ";"), last: reason)
    }
}
