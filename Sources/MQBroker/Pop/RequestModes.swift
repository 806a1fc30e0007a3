import MQConfig
import MQJSON
import MQProtocol
import MQRemoting
import MQSystem

/// How clients are told to take messages of a topic in a group; `messageRequestMode.json`. Any thread.
///
/// Source: `MessageRequestModeManager.java`, RocketMQ 5.3.
final class RequestModes: Sendable {
    static let fileName = "messageRequestMode.json"
    /// Settings a broker keeps; about 300 bytes each.
    static let countMax = 100_000

    private struct Key: Hashable {
        let topic: String
        let group: String
    }

    private let modes: Lock<[Key: RequestModeBody]>

    /// What `stored`, the content of the file, says.
    init(stored: JSON?) {
        var modes: [Key: RequestModeBody] = [:]
        for topic in stored?["messageRequestModeMap"].object ?? JSONObject() {
            for group in topic.value.object ?? JSONObject() {
                guard let body = try? RequestModeBody(json: group.value) else { continue }
                modes[Key(topic: body.topic, group: body.group)] = body
            }
        }
        self.modes = Lock(modes)
    }

    /// Writes the file whenever something is set.
    func persist(to files: ConfigFiles) {
        files.register(Self.fileName, isChanged: { false }, text: { [self] in text() })
    }

    /// What is set; `nil` if nothing is.
    func mode(topic: String, group: String) -> RequestModeBody? {
        modes.withLock { $0[Key(topic: topic, group: group)] }
    }

    /// Sets it.
    func set(_ body: RequestModeBody) throws(Refusal) {
        let isTaken = modes.withLock { modes in
            let key = Key(topic: body.topic, group: body.group)
            guard modes[key] != nil || modes.count < Self.countMax else { return false }
            modes[key] = body
            return true
        }
        if !isTaken { throw Refusal(.systemBusy, "this broker keeps at most \(Self.countMax) request modes") }
    }

    private func text() -> [UInt8] { json.encoded(.pretty) }

    /// All that is set: the file's content, and the body of code 402.
    var json: JSON {
        let modes = modes.withLock { $0.values.sorted { ($0.topic, $0.group) < ($1.topic, $1.group) } }
        let byTopic = Dictionary(grouping: modes, by: \.topic).sorted { $0.key < $1.key }
        let topics = byTopic.map { topic, modes in
            let groups = modes.map { (JSONKey.string($0.group), $0.json) }
            return (JSONKey.string(topic), JSON.object(JSONObject(groups)))
        }
        return PopBody.object([("messageRequestModeMap", .object(JSONObject(topics)))])
    }
}
