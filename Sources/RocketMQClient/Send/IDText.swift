import MQBytes

/// A message id as text. Ids of clients and brokers have 32 or 56 digits and are held without an allocation: a producer
/// makes one for each message and reads another from each answer.
struct IDText: Sendable, Equatable {
    private var digits = InlineArray<56, UInt8>(repeating: 0)
    private var count: UInt8 = 0
    /// The id, if it is longer. An object: copying none costs nothing, copying no text costs two calls.
    private var long: Long?

    private final class Long: Sendable {
        let text: String
        init(_ text: String) { self.text = text }
    }

    /// No id.
    init() {}

    init(_ bytes: Span<UInt8>) {
        guard bytes.count <= 56 else {
            long = Long(bytes.toString())
            return
        }
        for index in 0..<bytes.count { digits[index] = bytes[index] }
        count = UInt8(bytes.count)
    }

    init(_ text: String) {
        guard text.utf8.count <= 56 else {
            long = Long(text)
            return
        }
        for byte in text.utf8 {
            digits[Int(count)] = byte
            count += 1
        }
    }

    /// The id.
    var text: String { long?.text ?? digits.span.extracting(0..<Int(count)).toString() }

    func append(to buffer: inout ByteBuffer) {
        if let long {
            buffer.append(escaping: long.text)
        } else {
            buffer.append(digits.span.extracting(0..<Int(count)))
        }
    }

    static func == (left: Self, right: Self) -> Bool { left.text == right.text }
}

extension ByteBuffer {
    /// Appends `text` as the inside of a JSON string.
    mutating func append(escaping text: String) {
        let bytes = text.utf8.span
        if bytes.nextToEscape(from: 0) == bytes.count { append(bytes) } else { appendEscaped(bytes) }
    }
}
