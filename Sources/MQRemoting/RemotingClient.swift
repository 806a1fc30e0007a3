import MQBase
public import MQProtocol
import MQSystem
public import MQTransport

/// Keeps one connection for each address and sends requests over them. Any thread may call; `done` and what the peers
/// ask of us run on the loop.
public final class RemotingClient: Sendable {
    /// Requests that may wait for one connection to come up.
    private static let connectingMax = 65_535

    /// The loop all connections live on.
    public let loop: EventLoop
    private let connections: LoopBound<Connections>
    private let connectTimeoutMilliseconds: Int64
    private let serializeType: SerializeType
    private let cipher: (@Sendable (SocketAddress) -> any ConnectionCipher)?

    /// A client without connections. On the loop, or before it starts.
    /// - Parameters:
    ///   - service: answers what peers ask of us over these connections; `nil` refuses everything.
    ///   - cipher: makes what each connection to an address goes behind, on the loop; `nil`: nothing.
    public init(
        loop: EventLoop, service: (any RemotingService)? = nil, connectTimeoutMilliseconds: Int64 = 3000,
        serializeType: SerializeType = .json, cipher: (@Sendable (SocketAddress) -> any ConnectionCipher)? = nil
    ) {
        self.cipher = cipher
        self.loop = loop
        connections = LoopBound(Connections(service ?? RefusingService()), on: loop)
        self.connectTimeoutMilliseconds = connectTimeoutMilliseconds
        self.serializeType = serializeType
    }

    /// Sends `request` to `address`, connecting first if need be. The time counts from now.
    public func invoke(
        _ request: RemotingCommand, to address: SocketAddress, timeoutMilliseconds: Int64,
        _ done: @escaping @Sendable (Result<RemotingCommand, RemotingError>) -> Void
    ) {
        loop.execute { [self] in
            let deadline = loop.now.advanced(byMilliseconds: timeoutMilliseconds)
            withChannel(to: address) { result in
                switch result {
                case .failure(let error): done(.failure(error))
                case .success(let channel):
                    let left = deadline.milliseconds(since: self.loop.now)
                    guard left > 0 else { return done(.failure(.timedOut(milliseconds: timeoutMilliseconds))) }
                    channel.invoke(request, timeoutMilliseconds: left, done)
                }
            }
        }
    }

    /// Sends `request` without wanting an answer; `done` tells whether it went into a connection.
    public func sendOneWay(
        _ request: RemotingCommand, to address: SocketAddress,
        _ done: @escaping @Sendable (RemotingError?) -> Void = { _ in }
    ) {
        loop.execute { [self] in
            withChannel(to: address) { result in
                switch result {
                case .failure(let error): done(error)
                case .success(let channel):
                    var request = request
                    request.isOneWay = true
                    channel.send(request)
                    done(nil)
                }
            }
        }
    }

    /// Sends `request` and waits. Never on a loop.
    public func invokeAndWait(
        _ request: RemotingCommand, to address: SocketAddress, timeoutMilliseconds: Int64
    ) -> Result<RemotingCommand, RemotingError> {
        precondition(!loop.isOnLoop, "waiting on the loop that must answer")
        let answer = Monitor<Result<RemotingCommand, RemotingError>?>(nil)
        invoke(request, to: address, timeoutMilliseconds: timeoutMilliseconds) { result in
            answer.signal {
                $0 = result
                return true
            }
        }
        // A loop that has stopped answers nothing: never wait much longer than it might take.
        let patience = min(max(timeoutMilliseconds, 0), .max / 4) + connectTimeoutMilliseconds + 100
        return answer.wait(milliseconds: patience) { $0 } ?? .failure(.timedOut(milliseconds: timeoutMilliseconds))
    }

    /// Closes the connection to `address`, if there is one.
    public func disconnect(_ address: SocketAddress) {
        connections.execute { $0.channels[address]?.connection.close("not needed any more") }
    }

    /// Closes all connections; what waits for an answer fails.
    public func close() {
        connections.execute { connections in
            for channel in Array(connections.channels.values) { channel.connection.close("client closed") }
        }
    }

    /// Calls `body` with the channel to `address`, which is connected first if need be. Loop only, and so is `body`.
    public func withChannel(
        to address: SocketAddress, _ body: @escaping (Result<RemotingChannel, RemotingError>) -> Void
    ) {
        let connections = connections.value
        if let channel = connections.channels[address] { return body(.success(channel)) }
        if let waiting = connections.connecting[address] {
            guard waiting.count < Self.connectingMax else {
                return body(.failure(.tooManyInFlight(limit: Self.connectingMax)))
            }
            connections.connecting[address]?.append(body)
            return
        }
        connections.connecting[address] = [body]
        loop.connect(to: address, timeoutMilliseconds: connectTimeoutMilliseconds) { [self] result in
            connected(address, result)
        }
    }

    private func connected(_ address: SocketAddress, _ result: Result<Connection, SystemError>) {
        let connections = connections.value
        let waiting = connections.connecting.removeValue(forKey: address) ?? []
        switch result {
        case .failure(let error):
            for body in waiting { body(.failure(.cannotConnect(error))) }
        case .success(let connection):
            let channel = RemotingChannel(
                connection, service: connections, scratch: connections.scratch, serializeType: serializeType)
            connections.channels[address] = channel
            connection.attach(channel)
            if let cipher { connection.seal(with: cipher(address)) }
            for body in waiting { body(.success(channel)) }
        }
    }

    /// What belongs to the loop. Forgets closed channels before the service hears of them.
    private final class Connections: RemotingService {
        let service: any RemotingService
        let scratch = RemotingChannel.HeaderScratch()
        var channels: [SocketAddress: RemotingChannel] = [:]
        /// Who waits for a connection that is coming up.
        var connecting: [SocketAddress: [(Result<RemotingChannel, RemotingError>) -> Void]] = [:]

        init(_ service: any RemotingService) { self.service = service }

        func handle(
            _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
        ) {
            service.handle(header, frame, in: bytes, on: channel)
        }

        func closed(_ channel: RemotingChannel, because reason: CloseReason) {
            let address = channel.connection.peer
            if channels[address] === channel { channels[address] = nil }
            service.closed(channel, because: reason)
        }
    }
}

/// Answers every request with "not supported".
public final class RefusingService: RemotingService {
    public init() {}

    public func handle(
        _ header: RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel
    ) {
        channel.reply(to: header.opaque, isOneWay: header.isOneWay).send(.notSupported(header.code))
    }

    public func closed(_ channel: RemotingChannel, because reason: CloseReason) {}
}

extension RemotingCommand {
    /// What RocketMQ answers to a code it does not serve; the leading blank is part of the text.
    public static func notSupported(_ code: Int32) -> RemotingCommand {
        RemotingCommand(.requestCodeNotSupported, remark: " request type \(code) not supported")
    }
}
