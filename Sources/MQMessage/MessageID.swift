public import MQBase
public import MQBytes

/// The ids of a message. Source: `MessageDecoder.java`, `MessageClientIDSetter.java`, RocketMQ 5.3.
public enum MessageID {
    /// Appends the id that names a record by its broker and physical offset: address, port and offset in hexadecimal,
    /// 32 or 56 digits.
    @inlinable public static func appendOffsetID(
        host: MessageHost, offset: PhysicalOffset, to buffer: inout ByteBuffer
    ) {
        if host.isIPv6 {
            buffer.append(hex: host.high, digits: 16)
            buffer.append(hex: host.low, digits: 16)
        } else {
            buffer.append(hex: host.high >> 32, digits: 8)
        }
        buffer.append(hex: UInt64(UInt32(bitPattern: host.port)), digits: 8)
        buffer.append(hex: UInt64(offset.rawValue), digits: 16)
    }

    /// What ``appendOffsetID(host:offset:to:)`` appends before the offset's 16 digits.
    public static func hostDigits(_ host: MessageHost) -> [UInt8] {
        var text = ByteBuffer(capacity: 56)
        appendOffsetID(host: host, offset: .zero, to: &text)
        text.truncate(to: text.count - 16)
        return text.toArray()
    }

    /// The id of ``appendOffsetID(host:offset:to:)`` as text.
    public static func offsetID(host: MessageHost, offset: PhysicalOffset) -> String {
        var text = ByteBuffer(capacity: 56)
        appendOffsetID(host: host, offset: offset, to: &text)
        return text.span.toString()
    }

    /// The broker and offset that `text` names; `nil` if it is not such an id.
    public static func decodeOffsetID(_ text: String) -> (host: MessageHost, offset: PhysicalOffset)? {
        guard text.utf8.count == 32 || text.utf8.count == 56, let bytes = Hex.decode(Array(text.utf8).span) else {
            return nil
        }
        let span = bytes.span
        let isIPv6 = bytes.count == 28
        let host = MessageHost(span, at: 0, isIPv6: isIPv6)
        let offset = span.int64(at: isIPv6 ? 20 : 8)
        return offset < 0 ? nil : (host, PhysicalOffset(rawValue: offset))
    }
}

/// Makes the ids that clients put into `UNIQ_KEY`: address, process id, a number of this maker, milliseconds since the
/// month began, and a counter, in hexadecimal. Not safe for several threads; one for each owner.
public struct UniqueIDMaker: Sendable {
    /// Address, process and maker, in digits.
    private let front: [UInt8]
    private var monthStart: Int64
    private var nextMonth: Int64
    private var counter: UInt16 = 0
    private let monthBounds: @Sendable (Int64) -> (start: Int64, end: Int64)

    /// - Parameters:
    ///   - makerID: tells makers of one process apart.
    ///   - monthBounds: when the month of a moment began and when it ends, in milliseconds since 1970, local time.
    public init(
        ip: [UInt8], processID: Int32, makerID: UInt32,
        monthBounds: @escaping @Sendable (Int64) -> (start: Int64, end: Int64)
    ) {
        var front = ByteBuffer(capacity: 64)
        for byte in ip { front.append(hex: UInt64(byte), digits: 2) }
        front.append(hex: UInt64(UInt16(truncatingIfNeeded: processID)), digits: 4)
        front.append(hex: UInt64(makerID), digits: 8)
        self.front = front.toArray()
        self.monthBounds = monthBounds
        monthStart = 0
        nextMonth = 0
    }

    /// Appends the next id: 32 digits for an IPv4 address, 56 for IPv6.
    public mutating func append(at now: Timestamp, to buffer: inout ByteBuffer) {
        if now.rawValue >= nextMonth || now.rawValue < monthStart {
            (monthStart, nextMonth) = monthBounds(now.rawValue)
        }
        buffer.append(front)
        buffer.append(hex: UInt64(UInt32(truncatingIfNeeded: now.rawValue - monthStart)), digits: 8)
        buffer.append(hex: UInt64(counter), digits: 4)
        counter &+= 1
    }
}
