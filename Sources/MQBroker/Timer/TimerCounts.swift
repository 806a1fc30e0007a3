import MQBytes
import MQJSON
import MQProtocol
import MQSystem

/// How many messages of each topic wait for their time: `timermetrics`, and the answer of code 61. Any thread.
///
/// After a crash it may be off by what was handled twice, as RocketMQ's is.
/// Source: `TimerMetrics.java`, RocketMQ 5.3.
final class TimerCounts: Sendable {
    static let fileName = "timermetrics"
    /// Topics that are counted; more are not.
    private static let topicsMax = 100_000

    private struct State {
        var counts: [String: (count: Int64, changedAt: Int64)] = [:]
        var version: DataVersion
        var savedVersion: DataVersion
    }

    private let state: Lock<State>

    /// - Parameter stored: the file's content. What cannot be read of it counts as nothing.
    init(stored: JSON?) {
        let version = stored.flatMap { try? DataVersion(json: $0["dataVersion"]) } ?? DataVersion()
        var state = State(version: version, savedVersion: version)
        for member in stored?["timingCount"].object ?? JSONObject() {
            guard let topic = member.key.string, let count = member.value["count"].int64,
                state.counts.count < Self.topicsMax
            else { continue }
            state.counts[topic] = (count, member.value["timeStamp"].int64 ?? 0)
        }
        self.state = Lock(state)
    }

    /// One message more or less waits.
    func add(_ change: Int64, to topic: Span<UInt8>, now: Int64) {
        let name = topic.toString()
        state.withLock { state in
            if let known = state.counts[name] {
                state.counts[name] = (known.count &+ change, now)
            } else if state.counts.count < Self.topicsMax {
                state.counts[name] = (change, now)
            }
            state.version.advance(now: now)
        }
    }

    /// Nothing waits: whatever was counted wrong is forgotten.
    func settle(now: Int64) {
        state.withLock { state in
            guard state.counts.values.contains(where: { $0.count != 0 }) else { return }
            for topic in state.counts.keys { state.counts[topic]?.count = 0 }
            state.version.advance(now: now)
        }
    }

    var isChanged: Bool { state.withLock { $0.version != $0.savedVersion } }

    /// The file.
    func text() -> [UInt8] {
        let json = state.withLock { state in
            state.savedVersion = state.version
            return Self.json(state)
        }
        return json.encoded(.compact)
    }

    /// As ``text()``, for an answer.
    var body: [UInt8] { state.withLock { Self.json($0) }.encoded(.compact) }

    private static func json(_ state: State) -> JSON {
        let members = state.counts.sorted { $0.key < $1.key }.map { topic, entry -> (JSONKey, JSON) in
            (.string(topic), ["count": .integer(entry.count), "timeStamp": .integer(entry.changedAt)])
        }
        return ["dataVersion": state.version.json, "timingCount": .object(JSONObject(members))]
    }
}
