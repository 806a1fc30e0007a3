import MQBytes
public import MQMessage
public import MQProtocol
public import MQTransport

/// Who answers requests. One service per loop, called on that loop.
public protocol RemotingService: AnyObject {
    /// A request arrived. `header` and `frame` are views over `bytes`; copy what must stay (``RemotingCommand/init(_:_:in:)``).
    // `borrowing`: the header is large, and was copied for each frame.
    func handle(
        _ header: borrowing RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>, on channel: RemotingChannel)
    /// The channel is gone; called once, unless it never carried a request.
    func closed(_ channel: RemotingChannel, because reason: CloseReason)
}

/// Takes the answers to requests that were numbered and encoded outside of their channel, from ``firstOpaque`` on. All
/// calls come from the channel's loop.
public protocol AnswerTaker: AnyObject, Sendable {
    /// A frame arrived, which may be anything.
    /// - Returns: whether it was an answer for it, and is done with. Else its header is read, and if it is an answer all the
    ///   same, it comes again as such.
    func took(_ frame: RemotingFrame, in bytes: Span<UInt8>) -> Bool
    /// An answer arrived. `header` and `frame` are views over `bytes`; copy what must stay.
    func answered(_ header: borrowing RemotingHeader, _ frame: RemotingFrame, in bytes: Span<UInt8>)
    /// The channel is gone; called once.
    func lost(because reason: CloseReason)
}

extension AnswerTaker {
    /// Requests below this number are the channel's own.
    public static var firstOpaque: Int32 { RemotingChannel.firstOpaqueOfTakers }
}

/// A connection that speaks remoting. Loop only, but for ``Reply``.
public final class RemotingChannel: ConnectionHandler {
    /// Requests of ours that may wait for answers on one channel.
    public static let pendingMax = 65_535
    static let firstOpaqueOfTakers: Int32 = 1 << 30

    /// Who takes answers with numbers from ``AnswerTaker/firstOpaque`` on.
    public var taker: (any AnswerTaker)?
    /// The connection underneath.
    public let connection: Connection
    /// The peer's address as records hold it.
    public let peerHost: MessageHost
    /// What the service keeps with the channel.
    public var attachment: AnyObject?
    /// How our frames' headers are written.
    public let serializeType: SerializeType

    private let service: any RemotingService
    private let scratch: HeaderScratch
    private var pending: [Int32: Pending] = [:]
    private var nextOpaque: Int32 = 0
    /// What every ``Reply`` of this channel holds; it holds the channel in turn, until the channel closes.
    private var replies: LoopBound<RemotingChannel>?

    private struct Pending {
        let timer: TimerToken
        let done: (Result<RemotingCommand, RemotingError>) -> Void
    }

    /// One header for all channels of a loop, so that decoding allocates nothing.
    public final class HeaderScratch {
        private var header = RemotingHeader()
        /// An unused scratch.
        public init() {}

        /// Swaps the header with one that is held locally: what a class stores is copied for each call it is passed to.
        func exchange(_ other: inout RemotingHeader) { swap(&header, &other) }
    }

    /// A channel over `connection`, which is not read yet.
    public init(
        _ connection: Connection, service: any RemotingService, scratch: HeaderScratch,
        serializeType: SerializeType = .json
    ) {
        self.connection = connection
        self.service = service
        self.scratch = scratch
        self.serializeType = serializeType
        peerHost = MessageHost(ip: connection.peer.ip, port: connection.peer.port)
    }

    // MARK: - Input

    public func received(_ bytes: Span<UInt8>, on connection: Connection) -> Int {
        var position = 0
        var header = RemotingHeader.unused
        scratch.exchange(&header)
        defer { scratch.exchange(&header) }
        do throws(WireError) {
            // A first byte of 0x16 would be a TLS handshake; it is also a frame of over 352 MiB, so it is refused here
            // until TLS is served.
            while connection.isOpen, let frame = try RemotingFrame.decode(bytes, at: position) {
                position = frame.byteCount
                if let taker, taker.took(frame, in: bytes) { continue }
                try header.decode(frame, in: bytes)
                if header.isResponse, header.opaque >= Self.firstOpaqueOfTakers {
                    taker?.answered(header, frame, in: bytes)
                } else if header.isResponse {
                    answer(RemotingCommand(header, frame, in: bytes))
                } else {
                    service.handle(header, frame, in: bytes, on: self)
                }
            }
        } catch {
            connection.close("bad frame: \(error)")
            return bytes.count
        }
        return position
    }

    public func closed(_ connection: Connection, because reason: CloseReason) {
        replies = nil
        let waiting = pending
        pending = [:]
        for (_, entry) in waiting {
            connection.loop.cancel(entry.timer)
            entry.done(.failure(.connectionLost(reason.description)))
        }
        let taker = self.taker
        self.taker = nil
        taker?.lost(because: reason)
        service.closed(self, because: reason)
    }

    // MARK: - Output

    /// Sends a response or a one-way request. Loop only.
    public func send(_ command: RemotingCommand) {
        connection.send { command.encode(into: &$0, as: serializeType) }
    }

    /// Sends a request; `done` is called once, on the loop.
    public func invoke(
        _ request: RemotingCommand, timeoutMilliseconds: Int64,
        _ done: @escaping (Result<RemotingCommand, RemotingError>) -> Void
    ) {
        guard connection.isOpen else { return done(.failure(.connectionLost("closed"))) }
        guard pending.count < Self.pendingMax else { return done(.failure(.tooManyInFlight(limit: Self.pendingMax))) }
        var request = request
        repeat { nextOpaque = (nextOpaque + 1) % Self.firstOpaqueOfTakers } while pending[nextOpaque] != nil
        request.opaque = nextOpaque
        request.flag = 0
        let opaque = nextOpaque
        let timer = connection.loop.schedule(afterMilliseconds: timeoutMilliseconds) { [weak self] in
            self?.pending.removeValue(forKey: opaque)?.done(.failure(.timedOut(milliseconds: timeoutMilliseconds)))
        }
        pending[opaque] = Pending(timer: timer, done: done)
        send(request)
    }

    private func answer(_ response: RemotingCommand) {
        guard let entry = pending.removeValue(forKey: response.opaque) else { return }  // late: its caller gave up
        connection.loop.cancel(entry.timer)
        entry.done(.success(response))
    }

    /// Where the answer to a request goes. Loop only.
    public func reply(to opaque: Int32, isOneWay: Bool) -> Reply {
        let channel = replies ?? LoopBound(self, on: connection.loop)
        if connection.isOpen { replies = channel }
        return Reply(channel, opaque: opaque, isOneWay: isOneWay)
    }
}

/// Where the answer to one request goes; may be carried to another thread.
public struct Reply: Sendable {
    private let channel: LoopBound<RemotingChannel>
    /// The request's number, which the answer must carry.
    public let opaque: Int32
    private let isOneWay: Bool

    init(_ channel: LoopBound<RemotingChannel>, opaque: Int32, isOneWay: Bool) {
        self.channel = channel
        self.opaque = opaque
        self.isOneWay = isOneWay
    }

    /// Answers; from any thread. Nothing is sent for a one-way request.
    public func send(_ response: RemotingCommand) {
        guard !isOneWay else { return }
        var response = response
        response.opaque = opaque
        response.flag |= 1
        if channel.loop.isOnLoop {
            channel.value.send(response)
        } else {
            channel.execute { [response] in $0.send(response) }
        }
    }
}
