import MQCompression
import MQJSON
import MQProtocol

/// A request that is answered with an error. RocketMQ's remarks where it has one.
struct Refusal: Error, Equatable {
    let code: ResponseCode
    let remark: String

    init(_ code: ResponseCode = .systemError, _ remark: String) {
        self.code = code
        self.remark = remark
    }

    var answer: RemotingCommand { RemotingCommand(code, remark: remark) }

    /// Source: `FAQUrl.java`, `ClientRequestProcessor.java`, RocketMQ 5.3. Clients show it as it is.
    static func noRoute(_ topic: String) -> Refusal {
        Refusal(
            .topicNotExist,
            "No topic route info in name server for the topic: \(topic)\n"
                + "See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.")
    }

    static let notReady = Refusal(.systemError, "name server not ready")
    static let listDisabled = Refusal(.systemError, "disable")
    static let blackList = Refusal(.noPermission, "Can not update config in black list.")
    static let wrongChecksum = Refusal(.systemError, "crc32 not match")
    static let busy = Refusal(.systemBusy, "[OVERLOAD]system busy, start flow control for a while")
}

extension RouteRefusal {
    var refusal: Refusal { Refusal(.systemError, description) }
}

extension BodyError {
    var refusal: Refusal {
        let sentence =
            switch self {
            case .json(.tooLong(let byteCount, let max)): "the body has \(byteCount) bytes, limit \(max)"
            case .json(.tooDeep(let max, let at)): "the body nests deeper than \(max) levels at offset \(at)"
            case .json(.tooManyElements(let max)): "the body has more than \(max) values"
            case .json(.truncated(let at)): "the body ends inside a value at offset \(at)"
            case .json(.unexpected(_, let at)), .json(.badNumber(let at)), .json(.badEscape(let at)),
                .json(.trailing(let at)):
                "the body is no JSON at offset \(at)"
            case .compression(.tooLarge(let max)): "the compressed body expands to more than \(max) bytes"
            case .compression(.truncated): "the compressed body is cut off"
            case .compression(.corrupt): "the compressed body is no zlib stream"
            case .compression(.outOfMemory): "there is no memory to expand the compressed body"
            default: description
            }
        return Refusal(.systemError, sentence)
    }
}

extension RequestCode {
    static let getBrokerMemberGroup = RequestCode(rawValue: 901)
    static let brokerHeartbeat = RequestCode(rawValue: 904)
}

extension RemotingCommand {
    /// The ext field called `name`, which must be there.
    func text(_ name: String) throws(Refusal) -> String {
        guard let value = self[name] else { throw Refusal(.systemError, "the custom field <\(name)> is null") }
        return value
    }

    /// The ext field called `name` as a number, or `fallback` if it is absent.
    func number(_ name: String, default fallback: Int64) throws(Refusal) -> Int64 {
        guard let text = self[name], !text.isEmpty else { return fallback }
        guard let value = Int64(text) else {
            throw Refusal(.systemError, "\(name) is not a number: \(text.prefix(40))")
        }
        return value
    }
}
