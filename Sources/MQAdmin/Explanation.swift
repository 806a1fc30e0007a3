import MQProtocol
import RocketMQClient

/// Which trouble an error is, and what to do about it: one sentence for the operator. Pure.
func explanation(of error: ClientError, nameServers: [String]) -> String {
    switch error {
    case .noNameServer:
        "no name server is known: give one with -n localhost:9876, or set NAMESRV_ADDR"
    case .nameServersUnreachable(let addresses, let last):
        "name server down: no name server answers at \(addresses) (\(last)); start mqnamesrv there, or correct -n or "
            + "NAMESRV_ADDR"
    case .noAnswer(let address, let reason) where nameServers.contains(address):
        "name server down: \(address) does not answer (\(reason)); start mqnamesrv there, or take it out of -n or "
            + "NAMESRV_ADDR"
    case .noAnswer(let address, let reason):
        "broker gone: \(address) does not answer (\(reason)); start it again, or see with mqadmin clusterList which "
            + "brokers there are"
    case .topicNotFound(let topic): unknownTopic(topic)
    case .brokerNotFound(let name):
        "broker gone: no name server knows a master called \(name); see mqadmin clusterList"
    case .refused(let address, let code, let remark): refusal(address, code, remark)
    case .badAddress, .noQueue, .badAnswer, .invalid, .notRunning, .tooBusy, .cancelled, .batchFailed, .system:
        error.description
    }
}

private func unknownTopic(_ topic: String) -> String {
    guard topic.hasPrefix(Admin.retryPrefix) else {
        return "topic unknown: no route info of this topic: \(topic); see mqadmin topicList, or make it with mqadmin "
            + "updateTopic"
    }
    let group = topic.dropFirst(Admin.retryPrefix.count)
    return "group unknown: \(group) has never consumed here; see mqadmin consumerProgress for the groups that have"
}

private func refusal(_ address: String, _ code: Int32, _ remark: String) -> String {
    let words = "CODE: \(code)  DESC: \(firstLine(remark))  BROKER: \(address)"
    switch ResponseCode(rawValue: code) {
    case .noPermission where remark.contains("black list"):
        return "no permission: \(words); configBlackList in the broker's file says which keys are closed"
    case .noPermission where isAboutAccount(remark):
        return "no permission: \(words); $ROCKETMQ_HOME/conf/tools.yml holds the account that mqadmin signs with"
    case .noPermission:
        return "no permission: \(words); see mqadmin updateTopicPerm and brokerPermission in mqadmin getBrokerConfig"
    case .topicNotExist: return "topic unknown: \(words); see mqadmin topicList"
    case .subscriptionGroupNotExist: return "group unknown: \(words); make it with mqadmin updateSubGroup"
    case .consumerNotOnline: return "group not online: \(words); start a consumer of the group first"
    case .systemBusy: return "broker busy: \(words); try again later"
    case .requestCodeNotSupported: return "not served by that broker: \(words)"
    default: return words
    }
}

/// Whether a broker with access control does not know who asks, or lets that account do less: Java's words of 4.9 and 5.3.
private func isAboutAccount(_ remark: String) -> Bool {
    ["signature", "username", "User:", "accessKey", "AccessKey", "No acl config", "No default permission"]
        .contains { remark.contains($0) }
}

/// Java's remarks may hold a second line with a link, or a stack trace.
private func firstLine(_ text: String) -> String {
    String(text.prefix { !$0.isNewline })
}
