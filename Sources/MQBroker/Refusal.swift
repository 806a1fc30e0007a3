public import MQProtocol

/// Why a request is refused: the peer's fault, or a state it must be told of. Becomes the answer's code and remark.
public struct Refusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// What the answer says to a machine.
    public let code: ResponseCode
    /// What it says to a person. RocketMQ's text where clients match on it.
    public let remark: String

    /// A refusal.
    public init(_ code: ResponseCode, _ remark: String) {
        self.code = code
        self.remark = remark
    }

    /// The answer.
    public var answer: RemotingCommand { RemotingCommand(code, remark: remark) }

    /// Both, in one line.
    public var description: String { "\(code): \(remark)" }

    /// Behind remarks about topics that do not exist. Source: `FAQUrl.java`, RocketMQ 5.3.
    static let topicHelp = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
}

extension Refusal {
    /// A body that cannot be read.
    init(_ error: BodyError) { self.init(.systemError, error.description) }
}
