import MQBytes
import MQProtocol

/// Encoded route answers, by topic and form, until the tables they were made from change: most requests a name server
/// gets ask for the same few topics.
struct RouteCache {
    /// More bytes than this are not kept.
    static let byteCountMax = 16 << 20

    private var version: UInt64 = 0
    private var byteCount = 0
    private var standard = ByteTable<[UInt8]>()
    private var compact = ByteTable<[UInt8]>()

    /// The body for `topic`, if it is known and was made at `version`.
    func body(_ topic: Span<UInt8>, isStandard: Bool, at version: UInt64) -> [UInt8]? {
        guard version == self.version else { return nil }
        return isStandard ? standard[topic] : compact[topic]
    }

    /// Keeps `body`; what belongs to another version is forgotten.
    mutating func keep(_ body: [UInt8], for topic: Span<UInt8>, isStandard: Bool, at version: UInt64) {
        if version != self.version || byteCount + body.count > Self.byteCountMax { removeAll() }
        self.version = version
        guard body.count <= Self.byteCountMax / 4 else { return }
        byteCount += body.count + topic.count
        if isStandard { standard.set(topic, to: body) } else { compact.set(topic, to: body) }
    }

    mutating func removeAll() {
        standard.removeAll()
        compact.removeAll()
        byteCount = 0
    }
}
