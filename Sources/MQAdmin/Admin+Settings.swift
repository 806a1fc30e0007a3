import MQProtocol
public import RocketMQClient

extension Admin {
    /// Changes one key of the configuration of the broker at `address`, while it runs.
    public func setConfiguration(_ key: String, _ value: String, at address: String) async throws(ClientError) {
        let text = try propertyLine(key, value)
        try await link.ask(RemotingCommand(.updateBrokerConfig, body: Array(text.utf8)), at: address)
    }

    /// The configuration of the name server at `address`, key and value, in its order.
    public func nameServerConfiguration(
        at address: String
    ) async throws(ClientError) -> [(key: String, value: String)] {
        properties(in: try await link.ask(RemotingCommand(.getNameServerConfig), at: address))
    }

    /// Changes one key of the configuration of all name servers.
    public func setNameServerConfiguration(_ key: String, _ value: String) async throws(ClientError) {
        let text = try propertyLine(key, value)
        try await askAllNameServers(RemotingCommand(.updateNameServerConfig, body: Array(text.utf8)))
    }

    /// Takes the write permission of all topics of a broker away at one name server, or gives it back.
    /// - Returns: how many topics changed.
    public func setWritePermission(
        _ isWritable: Bool, ofBroker name: String, atNameServer address: String
    ) async throws(ClientError) -> Int64 {
        let code: RequestCode = isWritable ? .addWritePermOfBroker : .wipeWritePermOfBroker
        let answer = try await link.ask(RemotingCommand(code, ["brokerName": name]), at: address)
        return answer.int64(isWritable ? "addTopicCount" : "wipeTopicCount") ?? 0
    }

    /// Sets a value of the name servers' key-value store; `nil` removes it.
    public func setValue(_ value: String?, of key: String, namespace: String) async throws(ClientError) {
        var request = RemotingCommand(
            value == nil ? .deleteKVConfig : .putKVConfig, ["namespace": namespace, "key": key])
        request["value"] = value
        try await askAllNameServers(request)
    }

    /// A value of the name servers' key-value store.
    /// - Throws: `refused` with code 22 if there is none.
    public func value(of key: String, namespace: String) async throws(ClientError) -> String {
        try await askNameServer(RemotingCommand(.getKVConfig, ["namespace": namespace, "key": key]))["value"] ?? ""
    }

    /// The lines of a properties text, comments left out.
    func properties(in answer: RemotingCommand) -> [(key: String, value: String)] {
        String(decoding: answer.body, as: UTF8.self).split(separator: "\n").compactMap { line in
            guard !line.hasPrefix("#"), let equals = line.firstIndex(of: "=") else { return nil }
            return (String(line[..<equals]), String(line[line.index(after: equals)...]))
        }
    }

    /// `key=value` and a line end.
    func propertyLine(_ key: String, _ value: String) throws(ClientError) -> String {
        guard !(key + value).contains(where: \.isNewline), !key.contains("=") else {
            throw .invalid("a key or value with a line break, or a key with =, cannot be set")
        }
        return "\(key)=\(value)\n"
    }
}
