import MQBase
public import MQObserve
public import MQProtocol
public import MQSystem
public import MQTransport

/// Listens on one port and hands every request to the service of the loop that its connection belongs to.
public final class RemotingServer: Sendable {
    /// How a server treats its connections.
    public struct Limits: Sendable {
        /// A connection that is silent this long, both ways, is closed. `serverChannelMaxIdleTimeSeconds`.
        public var idleSeconds: Int64 = 120
        /// Connections over this number are refused, and over a quarter of the files this process may have open: a
        /// flood of connections must not keep the store from opening its files.
        public var connectionsMax = 100_000

        public init() {}
    }

    private let listener: Listener
    private let parts: [LoopBound<PerLoop>]

    /// Where it listens.
    public var address: SocketAddress { listener.address }

    /// Binds the port; nothing is served before ``start()``. Before the loops start.
    /// - Parameters:
    ///   - gate: asked about each connection's first byte; `nil` takes all as they are.
    ///   - makeService: called once for each loop, on the caller's thread, before the loop sees a connection.
    /// - Throws: `isAddressInUse` if another process has the port.
    public init(
        _ address: SocketAddress, loops: [EventLoop], limits: Limits = Limits(), serializeType: SerializeType = .json,
        gate: (any ConnectionGate)? = nil, log: Log, makeService: (EventLoop) -> any RemotingService
    ) throws(SystemError) {
        let parts = loops.map { loop in
            let part = PerLoop(
                loop: loop, service: makeService(loop), limits: limits, serializeType: serializeType, log: log)
            return LoopBound(part, on: loop)
        }
        self.parts = parts
        ThisProcess.raiseOpenFilesLimit()
        let connectionsMax = min(limits.connectionsMax, max(16, ThisProcess.openFilesMax / 4))
        listener = try Listener(address, loops: loops, connectionsMax: connectionsMax, gate: gate) { connection in
            parts.first { $0.loop === connection.loop }?.value.accept(connection)
        }
    }

    /// Begins to serve.
    public func start() {
        for part in parts { part.execute { $0.watchIdle() } }
        listener.start()
    }

    /// Stops listening. Connections live until their loops stop.
    public func stop() { listener.stop() }
}

/// A server's channels on one loop. Loop only.
private final class PerLoop: RemotingService {
    private let loop: EventLoop
    private let service: any RemotingService
    private let limits: RemotingServer.Limits
    private let serializeType: SerializeType
    private let log: Log
    private let scratch = RemotingChannel.HeaderScratch()
    private var channels: [UInt64: RemotingChannel] = [:]

    init(
        loop: EventLoop, service: any RemotingService, limits: RemotingServer.Limits, serializeType: SerializeType,
        log: Log
    ) {
        self.loop = loop
        self.service = service
        self.limits = limits
        self.serializeType = serializeType
        self.log = log
    }

    func accept(_ connection: Connection) -> any ConnectionHandler {
        let channel = RemotingChannel(connection, service: self, scratch: scratch, serializeType: serializeType)
        channels[connection.id] = channel
        return channel
    }

    func handle(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) {
        service.handle(header, frame, in: bytes, on: channel)
    }

    func closed(_ channel: RemotingChannel, because reason: CloseReason) {
        channels[channel.connection.id] = nil
        switch reason {
        case .local(let why) where why.hasPrefix("bad frame"):
            log.warn("connection refused", ["peer": channel.connection.peer.description, "reason": why])
        default:
            log.debug("connection closed", ["peer": channel.connection.peer.description, "reason": reason.description])
        }
        service.closed(channel, because: reason)
    }

    /// Closes what has been silent too long, now and from now on.
    func watchIdle() {
        let limit = limits.idleSeconds * 1000
        for channel in Array(channels.values)
        where loop.now.milliseconds(since: channel.connection.lastActivity) >= limit {
            channel.connection.close("idle for \(limits.idleSeconds) s")
        }
        let period = min(max(limit / 4, 250), 30_000)
        loop.schedule(afterMilliseconds: period) { [weak self] in self?.watchIdle() }
    }
}
