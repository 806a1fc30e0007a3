import Glibc
public import MQSystem

extension EventLoop {
    /// Connects to `address`. `done` runs on the loop once: with a connection that nobody reads yet (call
    /// ``Connection/attach(_:)``), or with why there is none.
    public func connect(
        to address: SocketAddress, timeoutMilliseconds: Int64,
        _ done: @escaping @Sendable (Result<Connection, SystemError>) -> Void
    ) {
        execute { Connector(self, address, timeoutMilliseconds, done).start() }
    }
}

extension Connection {
    /// Starts reading a connection that ``EventLoop/connect(to:timeoutMilliseconds:_:)`` made. Loop only, once.
    public func attach(_ handler: any ConnectionHandler) { begin(handler) }
}

/// A socket on its way to being connected.
@safe private final class Connector: EventSource, @unchecked Sendable {
    // @unchecked: touched only by the loop's thread.
    private let loop: EventLoop
    private let address: SocketAddress
    private let timeoutMilliseconds: Int64
    private let done: @Sendable (Result<Connection, SystemError>) -> Void
    private var descriptor: Int32 = -1
    private var slot = -1
    private var timer: TimerToken?
    private var isOver = false

    init(
        _ loop: EventLoop, _ address: SocketAddress, _ timeoutMilliseconds: Int64,
        _ done: @escaping @Sendable (Result<Connection, SystemError>) -> Void
    ) {
        self.loop = loop
        self.address = address
        self.timeoutMilliseconds = timeoutMilliseconds
        self.done = done
    }

    func start() {
        let family = address.isIPv6 ? AF_INET6 : AF_INET
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { return finish(.last("socket", address.description)) }
        var on: Int32 = 1
        unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let result = unsafe address.withSockaddr { unsafe Glibc.connect(descriptor, $0, $1) }
        if result == 0 { return finish(nil) }
        guard errno == EINPROGRESS else { return finish(.last("connect to", address.description)) }
        do throws(SystemError) {
            slot = try loop.register(self, descriptor, events: .writable)
            timer = loop.schedule(afterMilliseconds: timeoutMilliseconds) { [self] in
                finish(SystemError(code: ETIMEDOUT, call: "connect to", subject: address.description))
            }
        } catch {
            finish(error)
        }
    }

    func ready(_ events: Poller.Events) {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        finish(code == 0 ? nil : SystemError(code: code, call: "connect to", subject: address.description))
    }

    func loopEnds() { finish(SystemError(code: ECANCELED, call: "connect to", subject: address.description)) }

    private func finish(_ error: SystemError?) {
        guard !isOver else { return }
        isOver = true
        if let timer { loop.cancel(timer) }
        if slot >= 0 { loop.unregister(slot, descriptor) }
        if let error {
            if descriptor >= 0 { close(descriptor) }
            return done(.failure(error))
        }
        done(.success(Connection(loop: loop, descriptor: descriptor, peer: address)))
    }
}
