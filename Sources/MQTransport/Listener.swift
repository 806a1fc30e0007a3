import CMQLinux
import Glibc
public import MQSystem

/// A listening socket. Accepts on its first loop and deals connections to all loops in turn.
@safe public final class Listener: EventSource, @unchecked Sendable {
    // @unchecked: after `start`, touched only by the first loop's thread.
    private let descriptor: Int32
    private let loops: [EventLoop]
    private let connectionsMax: Int
    private let gate: (any ConnectionGate)?
    private let accepted: @Sendable (Connection) -> (any ConnectionHandler)?
    private var turn = 0
    private var slot = -1
    private var isOpen = true
    /// Where it listens; with the port the system chose if 0 was asked for.
    public let address: SocketAddress

    /// Binds and listens; nothing is accepted before ``start()``.
    /// - Parameters:
    ///   - gate: asked about each connection's first byte; `nil` takes all as they are.
    ///   - accepted: called on the connection's own loop; `nil` refuses the connection.
    /// - Throws: `isAddressInUse` if another process has the port.
    public init(
        _ address: SocketAddress, loops: [EventLoop], connectionsMax: Int = 100_000,
        gate: (any ConnectionGate)? = nil,
        accepted: @escaping @Sendable (Connection) -> (any ConnectionHandler)?
    ) throws(SystemError) {
        precondition(!loops.isEmpty, "a listener without a loop")
        self.loops = loops
        self.accepted = accepted
        self.connectionsMax = connectionsMax
        self.gate = gate
        let family = address.isIPv6 ? AF_INET6 : AF_INET
        let descriptor = socket(
            family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw .last("socket", address.description) }
        self.descriptor = descriptor
        var on: Int32 = 1
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        let bound = unsafe address.withSockaddr { unsafe bind(descriptor, $0, $1) }
        guard bound == 0, listen(descriptor, 1024) == 0 else {
            let error = SystemError.last("listen on", address.description)
            Glibc.close(descriptor)
            throw error
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        self.address = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                unsafe getsockname(descriptor, name, &length) == 0 ? unsafe SocketAddress(name) : address
            }
        }
    }

    /// Begins to accept.
    public func start() {
        loops[0].execute {
            do throws(SystemError) {
                self.slot = try self.loops[0].register(self, self.descriptor, events: .readable)
            } catch {
                preconditionFailure("cannot watch the listening socket: \(error)")
            }
        }
    }

    /// Stops accepting and gives the port back. Connections stay.
    public func stop() { loops[0].execute { self.loopEnds() } }

    func ready(_ events: Poller.Events) {
        for _ in 0..<64 {  // level-triggered: the rest comes with the next wake-up
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            var peer: SocketAddress?
            let socket = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                    let socket = unsafe mq_accept(descriptor, name, &length)
                    if socket >= 0 { peer = unsafe SocketAddress(name) }
                    return socket
                }
            }
            guard socket >= 0, let peer else {
                // Out of descriptors: the waiting connection would wake us for ever. Let it wait a little.
                if errno == EMFILE || errno == ENFILE { pause() }
                return
            }
            guard openConnections.increment(below: connectionsMax) else {
                Glibc.close(socket)
                continue
            }
            adopt(socket, peer)
        }
    }

    private let openConnections = Gauge()

    private func adopt(_ socket: Int32, _ peer: SocketAddress) {
        var on: Int32 = 1
        unsafe setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let loop = loops[turn % loops.count]
        turn &+= 1
        loop.execute { [accepted, openConnections, gate] in
            let connection = Connection(loop: loop, descriptor: socket, peer: peer)
            connection.gate = gate
            guard let handler = accepted(connection) else {
                openConnections.decrement()
                return connection.close("refused")
            }
            connection.begin(Counted(handler, openConnections))
        }
    }

    private func pause() {
        guard slot >= 0 else { return }
        loops[0].change(slot, descriptor, events: [])
        loops[0].schedule(afterMilliseconds: 100) { [self] in
            if isOpen, slot >= 0 { loops[0].change(slot, descriptor, events: .readable) }
        }
    }

    func loopEnds() {
        guard isOpen else { return }
        isOpen = false
        if slot >= 0 { loops[0].unregister(slot, descriptor) }
        Glibc.close(descriptor)
    }

    /// Passes everything on, and tells the listener's count when the connection is gone.
    private final class Counted: ConnectionHandler {
        private let inner: any ConnectionHandler
        private let gauge: Gauge

        init(_ inner: any ConnectionHandler, _ gauge: Gauge) {
            self.inner = inner
            self.gauge = gauge
        }

        func received(_ bytes: Span<UInt8>, on connection: Connection) -> Int {
            inner.received(bytes, on: connection)
        }

        func closed(_ connection: Connection, because reason: CloseReason) {
            gauge.decrement()
            inner.closed(connection, because: reason)
        }
    }
}
