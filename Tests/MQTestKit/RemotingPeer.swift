public import MQProtocol

/// A client of the remoting protocol that does nothing by itself: sends what it is told and waits for answers.
public final class RemotingPeer {
    private let socket: RawSocket
    private var held: [UInt8] = []
    /// What the server asked while an answer was waited for, and ``nextNotice()`` has not taken.
    public private(set) var notices: [RemotingCommand] = []
    private var lastOpaque: Int32 = 0

    /// Connects to 127.0.0.1.
    public init(port: Int) throws { socket = try RawSocket(port: port) }

    /// Sends bytes as they are.
    public func send(_ bytes: [UInt8]) { socket.send(bytes) }

    /// Ends the connection as a killed process would.
    public func hangUp() { socket.hangUp() }

    /// Sends a request with an opaque of its own and says which.
    @discardableResult
    public func post(_ request: RemotingCommand, as type: SerializeType = .json) -> Int32 {
        lastOpaque += 1
        var request = request
        request.opaque = lastOpaque
        send(request.frame(as: type))
        return lastOpaque
    }

    /// The next frame, whatever it is.
    /// - Throws: `ConnectionEnded`; a failure after 20 s; what is wrong with a frame.
    public func receive() throws -> RemotingCommand {
        while true {
            let present = held
            if let frame = try RemotingFrame.decode(present.span, at: 0) {
                held.removeFirst(frame.byteCount)
                return try RemotingCommand(frame: Array(present[..<frame.byteCount]).span)
            }
            let chunk = try socket.next()
            guard !chunk.isEmpty else { throw ConnectionEnded() }
            held.append(contentsOf: chunk)
        }
    }

    /// The answer to `request`; what the server asks meanwhile is put aside.
    @discardableResult
    public func ask(_ request: RemotingCommand, as type: SerializeType = .json) throws -> RemotingCommand {
        try answer(to: post(request, as: type))
    }

    /// The answer to a whole frame.
    public func ask(_ frame: [UInt8]) throws -> RemotingCommand {
        let opaque = try RemotingCommand(frame: frame.span).opaque
        send(frame)
        return try answer(to: opaque)
    }

    private func answer(to opaque: Int32) throws -> RemotingCommand {
        while true {
            let answer = try receive()
            guard answer.isResponse else {
                notices.append(answer)
                continue
            }
            guard answer.opaque == opaque else { throw TestFailure("an answer to \(answer.opaque), not to \(opaque)") }
            return answer
        }
    }

    /// The next request of the server's.
    public func nextNotice() throws -> RemotingCommand { notices.isEmpty ? try receive() : notices.removeFirst() }

    /// Waits until the server has closed the connection; what comes before that is passed over. `false`: it does not.
    public func isClosed() -> Bool {
        while true {
            do { _ = try receive() } catch { return error is ConnectionEnded }
        }
    }
}

/// The other side has closed or reset the connection.
public struct ConnectionEnded: Error {}
