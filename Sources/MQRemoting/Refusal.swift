public import MQProtocol

/// Why a request is refused: the peer's fault, or a state it must be told of. Becomes the answer's code and remark.
public struct Refusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// What the answer says to a machine.
    public let code: ResponseCode
    /// What is closed to a pull, which its answer says in an ext field of this name; 0: nothing. Beside the code, where it
    /// takes no room: refusals are returned in registers.
    public let forbiddenType: UInt8
    /// What it says to a person. RocketMQ's text where clients match on it.
    public let remark: String

    /// A refusal.
    public init(_ code: ResponseCode, _ remark: String, forbiddenType: UInt8 = 0) {
        self.code = code
        self.forbiddenType = forbiddenType
        self.remark = remark
    }

    /// A body that cannot be read.
    public init(_ error: BodyError) { self.init(.systemError, error.description) }

    /// The answer.
    public var answer: RemotingCommand {
        var answer = RemotingCommand(code, remark: remark)
        if forbiddenType != 0 { answer["forbiddenType"] = String(forbiddenType) }
        return answer
    }

    /// Both, in one line.
    public var description: String { "\(code): \(remark)" }

    /// Something bounded is full; clients try again. Source: `BrokerFastFailure.java`, RocketMQ 5.3.
    public static let busy = Refusal(.systemBusy, "[OVERLOAD]system busy, start flow control for a while")

    /// A configuration key that may not be changed from outside. Source: `AdminBrokerProcessor.java`, RocketMQ 5.3.
    public static let blackList = Refusal(.noPermission, "Can not update config in black list.")

    /// Behind remarks about topics that do not exist. Source: `FAQUrl.java`, RocketMQ 5.3.
    public static let topicHelp = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
}

extension RemotingCommand {
    /// The ext field called `name`.
    /// - Throws: if it is missing.
    public func required(_ name: String) throws(Refusal) -> String {
        guard let text = self[name] else { throw Refusal(.systemError, "the custom field <\(name)> is null") }
        return text
    }

    /// The ext field called `name` as a number; `fallback` if it is absent.
    /// - Throws: if it is there and not a number in `range`, or missing without a fallback.
    public func number(
        _ name: String, default fallback: Int64? = nil, in range: ClosedRange<Int64> = .min ... .max
    ) throws(Refusal) -> Int64 {
        guard let text = self[name] else {
            guard let fallback else { throw Refusal(.systemError, "the custom field <\(name)> is null") }
            return fallback
        }
        guard let value = Int64(text), range.contains(value) else {
            let allowed = range == .min ... .max ? "" : " in \(range)"
            let reason = "the custom field <\(name)> is not a number\(allowed): \(text.prefix(64))"
            throw Refusal(.invalidParameter, reason)
        }
        return value
    }
}
