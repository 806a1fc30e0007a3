public import MQSystem

/// Why a request of ours has no answer.
public enum RemotingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No connection to the peer. Nothing was sent: try another one, or later.
    case cannotConnect(SystemError)
    /// The connection ended first; the peer may have done what it was asked.
    case connectionLost(String)
    /// No answer in time; the peer may still do what it was asked.
    case timedOut(milliseconds: Int64)
    /// Too many requests wait on this connection already. Nothing was sent: wait for some of them.
    case tooManyInFlight(limit: Int)
    /// The answer is not one.
    case badAnswer(String)

    public var description: String {
        switch self {
        case .cannotConnect(let error): "cannot \(error)"
        case .connectionLost(let reason): "connection lost: \(reason)"
        case .timedOut(let milliseconds): "no answer within \(milliseconds) ms"
        case .tooManyInFlight(let limit): "\(limit) requests wait on this connection already"
        case .badAnswer(let reason): "bad answer: \(reason)"
        }
    }
}
