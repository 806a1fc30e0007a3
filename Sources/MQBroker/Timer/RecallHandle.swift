import MQBytes

/// By what a message that waits for its time can be taken back: base64url of `v1 topic broker time uniqueKey`, blanks
/// between. The time is one millisecond behind the slot it waits in, so that it leads to the same slot.
/// Source: `RecallMessageHandle.java`, `SendMessageProcessor.java` `attachRecallHandle`, RocketMQ 5.3.
struct RecallHandle: Equatable {
    var topic: String
    var brokerName: String
    /// Milliseconds since 1970, as text: RocketMQ reads a bad number as -1.
    var time: String
    var uniqueKey: String

    private static let version = "v1"

    /// The handle of a message that waits in the slot `out`, as answers carry it.
    static func text(topic: [UInt8], brokerName: [UInt8], out: Int64, uniqueKey: Span<UInt8>) -> [UInt8] {
        var raw = ByteBuffer(capacity: 64 + topic.count + brokerName.count + uniqueKey.count)
        raw.append("v1 ")
        raw.append(topic)
        raw.append(UInt8(ascii: " "))
        raw.append(brokerName)
        raw.append(UInt8(ascii: " "))
        raw.append(decimal: out + 1)
        raw.append(UInt8(ascii: " "))
        raw.append(uniqueKey)
        return Base64.url.encode(raw.span)
    }

    /// - Returns: `nil` for anything that is no handle.
    init?(_ text: String) {
        guard let bytes = Base64.url.decode(Array(text.utf8).span) else { return nil }
        let items = String(decoding: bytes, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard items.count >= 5, items[0] == Self.version else { return nil }
        topic = String(items[1])
        brokerName = String(items[2])
        time = String(items[3])
        uniqueKey = String(items[4])
    }
}
