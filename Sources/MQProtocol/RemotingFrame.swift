public import MQBytes

/// How a frame's header is written.
public enum SerializeType: UInt8, Sendable {
    case json = 0
    case rocketMQ = 1
}

/// One remoting frame, as ranges of the bytes it was found in. Big-endian; `total` counts every byte after itself.
/// ```
/// | total i32 | serialize type u8 + headerByteCount u24 | header | body |
/// ```
/// Source: `RemotingCommand.java` `decode`, RocketMQ 5.3.
public struct RemotingFrame: Equatable, Sendable {
    /// What most brokers allow a frame to have, in bytes: `com.rocketmq.remoting.frameMaxLength`.
    public static let totalByteCountMax = 16_777_216
    /// More header than any client sends; properties of 32,767 bytes fit even if every byte is escaped.
    public static let headerByteCountMax = 1 << 20

    /// 0 JSON, 1 ROCKETMQ; others are refused by the header decoder.
    public let serializeType: UInt8
    public let header: Range<Int>
    public let body: Range<Int>

    /// Bytes the frame takes, its length field included.
    public var byteCount: Int { body.upperBound }

    /// The frame that begins at `start`; its ranges are relative to the span's first byte.
    /// - Returns: `nil` while bytes are still missing: read more and call again.
    /// - Throws: ``WireError`` if the lengths contradict each other or a limit. The stream is lost: close it.
    @inlinable public static func decode(_ bytes: Span<UInt8>, at start: Int) throws(WireError) -> RemotingFrame? {
        guard bytes.count - start >= 4 else { return nil }
        let total = Int(bytes.int32(at: start))
        guard total >= 4, total <= totalByteCountMax else { throw .lengthOutOfRange("frame length", total) }
        guard bytes.count - start >= 8 else { return nil }
        let word = UInt32(bitPattern: bytes.int32(at: start + 4))
        let headerByteCount = Int(word & 0x00FF_FFFF)
        guard headerByteCount <= total - 4, headerByteCount <= headerByteCountMax else {
            throw .lengthOutOfRange("header length", headerByteCount)
        }
        guard bytes.count - start >= 4 + total else { return nil }
        let headerEnd = start + 8 + headerByteCount
        return RemotingFrame(
            serializeType: UInt8(truncatingIfNeeded: word >> 24), header: (start + 8)..<headerEnd,
            body: headerEnd..<(start + 4 + total))
    }

    @usableFromInline init(serializeType: UInt8, header: Range<Int>, body: Range<Int>) {
        self.serializeType = serializeType
        self.header = header
        self.body = body
    }
}
