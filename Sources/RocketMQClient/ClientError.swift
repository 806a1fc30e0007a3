public import MQRemoting

/// Why the client could not do what it was asked; the text says what to do about it.
public enum ClientError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No name server was given.
    case noNameServer
    /// None of the name servers answers.
    case nameServersUnreachable(addresses: String, last: RemotingError)
    /// No name server knows the topic, and none offers a default for new topics.
    case topicNotFound(String)
    /// The topic has no queue that may be written (or read).
    case noQueue(topic: String, wanted: String)
    /// The routes name no such broker, or it has no master.
    case brokerNotFound(String)
    /// An address that is none, or a name that cannot be resolved.
    case badAddress(String)
    /// A broker could not be asked, or did not answer.
    case noAnswer(from: String, RemotingError)
    /// The peer refused. `code` is RocketMQ's response code.
    case refused(by: String, code: Int32, remark: String)
    /// The peer's answer is not what it should be.
    case badAnswer(from: String, String)
    /// The request makes no sense; it was not sent.
    case invalid(String)
    /// The client was not started, or is shut down.
    case notRunning(String)
    /// No room among the messages on their way in the time allowed: send less at a time, or raise the limit.
    case tooBusy(inFlightMax: Int, byteCountMax: Int)
    /// The task was cancelled. What it had sent may have been done all the same.
    case cancelled
    /// A request of a batch failed; messages before it are stored, the others must be sent again.
    case batchFailed(stored: Int, of: Int, because: String)
    /// The loop or another part of the machine is not to be had.
    case system(String)

    /// One sentence.
    public var description: String {
        switch self {
        case .noNameServer:
            "no name server is known; set NAMESRV_ADDR or give an address such as localhost:9876"
        case .nameServersUnreachable(let addresses, let last):
            "no name server answers at \(addresses) (\(last)); is it running there?"
        case .topicNotFound(let topic):
            "no route info of this topic: \(topic); create it with mqadmin updateTopic, or let the broker create topics"
        case .noQueue(let topic, let wanted):
            "topic \(topic) has no queue that may be \(wanted); look at its permissions"
        case .brokerNotFound(let name): "the broker \(name) is not known to the name server, or has no master now"
        case .badAddress(let text): "\(text) is not an address that can be found; expected host:port"
        case .noAnswer(let address, let error): "\(address) does not answer: \(error)"
        case .refused(let address, let code, let remark): "CODE: \(code)  DESC: \(remark)  BROKER: \(address)"
        case .badAnswer(let address, let reason): "\(address) answered something else than expected: \(reason)"
        case .invalid(let reason): reason
        case .notRunning(let what): "\(what) is not running; start it first"
        case .tooBusy(let count, let byteCount):
            "\(count) messages or \(byteCount) bytes are on their way and none came through in the time allowed; "
                + "send less at a time, or raise inFlightMax"
        case .cancelled: "the task was cancelled; what it had sent may have been done all the same"
        case .batchFailed(let stored, let count, let reason):
            "\(stored) of \(count) messages of the batch are stored, send the others again: \(reason)"
        case .system(let reason): "the system refused: \(reason)"
        }
    }
}
