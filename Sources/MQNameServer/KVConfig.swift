import MQJSON
import MQProtocol

/// Keys and values under namespaces, among them the order of topics (`ORDER_TOPIC_CONFIG`: topic → `broker-a:8;…`).
/// Pure; written to `kvConfigPath` after each change.
///
/// Source: `KVConfigManager.java`, RocketMQ 5.3.
struct KVConfig: Equatable, Sendable {
    /// The namespace of topics that are consumed in global order.
    static let orderTopicNamespace = "ORDER_TOPIC_CONFIG"
    /// Most keys, and most bytes of all names and values.
    static let keysMax = 20_000
    static let byteCountMax = 4 << 20

    /// Namespace → key → value. A namespace stays when its last key goes, as in RocketMQ.
    private(set) var namespaces: [String: [String: String]] = [:]
    private var keyCount = 0
    private var byteCount = 0

    /// Why a key is not taken: a sentence for the remark.
    enum Refusal: Error, Equatable, CustomStringConvertible {
        case tooManyKeys
        case tooManyBytes

        var description: String {
            switch self {
            case .tooManyKeys: "KV configuration holds \(KVConfig.keysMax) keys at most"
            case .tooManyBytes: "KV configuration holds \(KVConfig.byteCountMax) bytes at most"
            }
        }
    }

    init() {}

    subscript(namespace: String, key: String) -> String? { namespaces[namespace]?[key] }

    mutating func put(_ namespace: String, _ key: String, _ value: String) throws(Refusal) {
        let before = self[namespace, key]
        // An empty namespace counts as a key, because it stays.
        let added = (namespaces[namespace] == nil ? 1 : 0) + (before == nil ? 1 : 0)
        guard keyCount + added <= Self.keysMax else { throw .tooManyKeys }
        var bytes = byteCount + value.utf8.count - (before?.utf8.count ?? 0)
        if before == nil { bytes += key.utf8.count }
        if namespaces[namespace] == nil { bytes += namespace.utf8.count }
        guard bytes <= Self.byteCountMax else { throw .tooManyBytes }
        keyCount += added
        byteCount = bytes
        namespaces[namespace, default: [:]][key] = value
    }

    /// - Returns: whether the key was there.
    mutating func delete(_ namespace: String, _ key: String) -> Bool {
        guard let value = namespaces[namespace]?.removeValue(forKey: key) else { return false }
        keyCount -= 1
        byteCount -= key.utf8.count + value.utf8.count
        return true
    }

    // MARK: - The file: {"configTable":{namespace:{key:value}}}

    /// Reads the file's bytes.
    /// - Throws: ``BodyError`` if it is not such a table; too large a table is ``BodyError/badMember(body:member:)``.
    init(parsing bytes: [UInt8]) throws(BodyError) {
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: bytes) } catch { throw .json(error) }
        guard case .object(let file) = json else { throw .notAnObject(body: "KVConfigSerializeWrapper") }
        guard let table = file["configTable"], !table.isNull else { return }
        let bad = BodyError.badMember(body: "KVConfigSerializeWrapper", member: "configTable")
        guard let table = table.object else { throw bad }
        for space in table {
            guard let name = space.key.string, let keys = space.value.object else { throw bad }
            namespaces[name] = [:]
            keyCount += 1
            byteCount += name.utf8.count
            for member in keys where !member.value.isNull {
                guard let key = member.key.string, let value = member.value.string else { throw bad }
                do throws(Refusal) { try put(name, key, value) } catch { throw bad }
            }
        }
    }

    /// The file's bytes.
    var encoded: [UInt8] {
        let table = namespaces.sorted { $0.key < $1.key }.map { entry in
            let keys = entry.value.sorted { $0.key < $1.key }.map { (JSONKey.string($0.key), JSON.string($0.value)) }
            return (JSONKey.string(entry.key), JSON.object(JSONObject(keys)))
        }
        return JSON.object(JSONObject([(.string("configTable"), .object(JSONObject(table)))])).encoded()
    }
}
