import MQConfig
import MQObserve
import MQProtocol
import MQRemoting
import MQSystem

/// KV configuration and the server's own.
extension NameService {
    // MARK: - KV

    /// `PUT_KV_CONFIG` (100); answered when the file is written.
    func putKVConfig(_ request: RemotingCommand, _ reply: Reply) throws(Refusal) -> RemotingCommand? {
        guard let namespace = request["namespace"], let key = request["key"] else {
            throw Refusal(.systemError, "namespace or key is null")
        }
        var changed = kvConfig
        do throws(KVConfig.Refusal) {
            try changed.put(namespace, key, request["value"] ?? "")
        } catch {
            throw Refusal(.systemError, error.description)
        }
        return try replaceKVConfig(by: changed, reply)
    }

    /// `GET_KV_CONFIG` (101).
    func getKVConfig(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let namespace = request["namespace"] ?? "null"
        let key = request["key"] ?? "null"
        guard let value = kvConfig[namespace, key] else {
            throw Refusal(.queryNotFound, "No config item, Namespace: \(namespace) Key: \(key)")
        }
        return RemotingCommand(.success, ["value": value])
    }

    /// `DELETE_KV_CONFIG` (102); answered when the file is written.
    func deleteKVConfig(_ request: RemotingCommand, _ reply: Reply) throws(Refusal) -> RemotingCommand? {
        guard let namespace = request["namespace"], let key = request["key"] else {
            throw Refusal(.systemError, "namespace or key is null")
        }
        var changed = kvConfig
        guard changed.delete(namespace, key) else { return RemotingCommand(.success) }
        return try replaceKVConfig(by: changed, reply)
    }

    /// `GET_KVLIST_BY_NAMESPACE` (219).
    func kvList(_ request: RemotingCommand) throws(Refusal) -> RemotingCommand {
        let namespace = request["namespace"] ?? "null"
        guard let table = kvConfig.namespaces[namespace] else {
            throw Refusal(.queryNotFound, "No config item, Namespace: \(namespace)")
        }
        return RemotingCommand(.success, body: KVTable(table: table).encoded())
    }

    private func replaceKVConfig(by changed: KVConfig, _ reply: Reply) throws(Refusal) -> RemotingCommand? {
        try save(changed.encoded, to: config[NameServerKeys.kvConfigPath], reply)
        kvConfig = changed
        cache.removeAll()  // routes may carry the order of topics
        return nil
    }

    // MARK: - The server's own

    /// `UPDATE_NAMESRV_CONFIG` (318); answered when the file is written.
    func updateConfig(_ request: RemotingCommand, _ reply: Reply) throws(Refusal) -> RemotingCommand? {
        guard !request.body.isEmpty else { return RemotingCommand(.success) }
        let text = String(decoding: request.body, as: UTF8.self)
        let named: [Property]
        do throws(PropertiesError) {
            named = try PropertiesText.parse(text)
        } catch {
            throw Refusal(.systemError, "string2Properties error")
        }
        let blackList = config[NameServerKeys.configBlackList].split(separator: ";")
        let isForbidden = named.contains { Self.neverUpdated.contains($0.key) || blackList.contains($0.key[...]) }
        if isForbidden { throw .blackList }
        var changed = config
        let changes: [ConfigValues.Change]
        do throws(ConfigError) {
            changes = try changed.update(text)
        } catch {
            throw Refusal(.systemError, error.description)
        }
        guard !changes.isEmpty else { return RemotingCommand(.success) }
        try save(Array(PropertiesText.text(changed.changed).utf8), to: config[NameServerKeys.configStorePath], reply)
        config = changed
        table.setRules(RouteTable.Rules(config))
        cache.removeAll()
        for change in changes {
            log.info("configuration changed", ["key": change.key, "old": change.old, "new": change.new])
        }
        return nil
    }

    /// Paths and the list itself, whatever a file makes of the list.
    private static let neverUpdated: Set<String> = ["configBlackList", "configStorePath", "kvConfigPath"]

    /// Writes a file off the loop and answers then.
    private func save(_ text: [UInt8], to path: String, _ reply: Reply) throws(Refusal) {
        let log = log
        let isAccepted = saver.save(text, to: path) { error in
            guard let error else { return reply.send(RemotingCommand(.success)) }
            log.error("configuration is in effect but not saved", ["reason": error.description])
            reply.send(RemotingCommand(.systemError, remark: "in effect but not saved: \(error)"))
        }
        guard isAccepted else { throw .busy }
    }
}
