public import MQBytes

/// The body of a SEND_BATCH_MESSAGE request: messages back to back, each
/// `totalSize i32 | magic i32 | bodyCRC i32 | flag i32 | bodyLength i32, body | propertiesLength i16, properties`.
/// Source: `MessageDecoder.encodeMessages`, RocketMQ 5.3.
public enum MessageBatch {
    /// One message of a batch; the ranges are relative to the batch's first byte.
    public struct Item: Equatable, Sendable {
        /// The sender's, opaque.
        public let flag: Int32
        /// Where the body lies.
        public let body: Range<Int>
        /// Where the properties lie.
        public let properties: Range<Int>
    }

    /// Most messages in one batch: 4 MiB of the smallest possible messages is fewer.
    public static let itemsMax = 65_536

    /// Takes a batch apart and checks every length, so that none of it is stored when any of it lies.
    public static func items(_ bytes: Span<UInt8>) throws(WireError) -> [Item] {
        var reader = WireReader(bytes)
        var items: [Item] = []
        while reader.remaining > 0 {
            guard items.count < itemsMax else { throw .tooMany("messages in a batch", limit: itemsMax) }
            let start = reader.position
            let total = Int(try reader.int32("batch item size"))
            _ = try reader.range(8, "batch item magic")
            let flag = try reader.int32("batch item flag")
            let bodyByteCount = Int(try reader.int32("batch item body length"))
            let body = try reader.range(bodyByteCount, "batch item body")
            let propertiesByteCount = Int(try reader.int16("batch item properties length"))
            let properties = try reader.range(propertiesByteCount, "batch item properties")
            guard reader.position - start == total else { throw .lengthOutOfRange("batch item size", total) }
            items.append(Item(flag: flag, body: body, properties: properties))
        }
        return items
    }

    /// Appends one message to a batch.
    public static func append(flag: Int32, body: Span<UInt8>, properties: Span<UInt8>, to buffer: inout ByteBuffer) {
        buffer.append(bigEndian: Int32(22 + body.count + properties.count))
        buffer.append(bigEndian: Int64(0))
        buffer.append(bigEndian: flag)
        buffer.append(bigEndian: Int32(body.count))
        buffer.append(body)
        buffer.append(bigEndian: Int16(properties.count))
        buffer.append(properties)
    }
}
