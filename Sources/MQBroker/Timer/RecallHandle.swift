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
        return Base64URL.encode(raw.span)
    }

    /// - Returns: `nil` for anything that is no handle.
    init?(_ text: String) {
        guard let bytes = Base64URL.decode(Array(text.utf8).span) else { return nil }
        let items = String(decoding: bytes, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard items.count >= 5, items[0] == Self.version else { return nil }
        topic = String(items[1])
        brokerName = String(items[2])
        time = String(items[3])
        uniqueKey = String(items[4])
    }
}

/// RFC 4648 base64 with `-` and `_`. Written with padding, read with or without.
enum Base64URL {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    static func encode(_ bytes: Span<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group: UInt32 = 0
            for index in 0..<3 { group = group << 8 | (index < count ? UInt32(bytes[start + index]) : 0) }
            for index in 0..<4 {
                let letter = letters[Int(group >> UInt32(18 - 6 * index) & 63)]
                text.append(index <= count ? letter : UInt8(ascii: "="))
            }
        }
        return text
    }

    /// - Returns: `nil` for another letter or a length that cannot be.
    static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        var end = text.count
        while end > 0, text.count - end < 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
        guard end % 4 != 1, end == text.count || text.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        var group: UInt32 = 0
        for index in 0..<end {
            guard let value = value(text[index]) else { return nil }
            group = group << 6 | value
            if index % 4 != 0 {
                let shift = UInt32(6 - 2 * (index % 4))
                bytes.append(UInt8(truncatingIfNeeded: group >> shift))
            }
        }
        return bytes
    }

    private static func value(_ letter: UInt8) -> UInt32? {
        switch letter {
        case 65...90: UInt32(letter) - 65
        case 97...122: UInt32(letter) - 71
        case 48...57: UInt32(letter) + 4
        case 45: 62
        case 95: 63
        default: nil
        }
    }
}
