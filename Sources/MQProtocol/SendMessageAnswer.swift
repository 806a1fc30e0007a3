public import MQBytes

/// The answer to a send, written in one go: `{msgId, queueId, queueOffset, transactionId, MSG_REGION, TRACE_ON}` in
/// fastjson's order. With a JSON header it is straight-line literals, half the instructions of ``ResponseWriter``'s
/// general way; the binary form goes through that.
public struct SendMessageAnswer {
    public var code: ResponseCode
    public var opaque: Int32
    public var queueID: Int64
    public var queueOffset: Int64
    /// `true` or `false`.
    public var traceOn: StaticString
    /// The messages were stored as one record: the unique key is told as `batchUniqId` too.
    public var isInnerBatch = false
    /// By which a message with a time of delivery can be taken back; empty: left out. Nothing that JSON would escape.
    public var recallHandle: [UInt8] = []

    /// An answer.
    public init(code: ResponseCode, opaque: Int32, queueID: Int64, queueOffset: Int64, traceOn: StaticString) {
        self.code = code
        self.opaque = opaque
        self.queueID = queueID
        self.queueOffset = queueOffset
        self.traceOn = traceOn
    }

    /// Appends the whole frame.
    /// - Parameters:
    ///   - transactionID: appends the message's unique key.
    ///   - messageIDs: appends the offset id, or several with commas between them.
    ///   - region: `regionId`, without anything that JSON would escape.
    @inlinable public func append(
        to buffer: inout ByteBuffer, as type: SerializeType, transactionID: (inout ByteBuffer) -> Void,
        messageIDs: (inout ByteBuffer) -> Void, region: [UInt8]
    ) {
        guard type == .json, !isInnerBatch else {
            return appendGenerally(
                to: &buffer, as: type, transactionID: transactionID, messageIDs: messageIDs, region: region)
        }
        let start = buffer.count
        buffer.reserve(640)
        buffer.append(bigEndian: UInt64(0))
        buffer.append("{\"code\":")
        buffer.append(decimal: Int64(code.rawValue))
        buffer.append(",\"extFields\":{\"queueId\":\"")
        buffer.append(decimal: queueID)
        buffer.append("\",\"transactionId\":\"")
        transactionID(&buffer)
        buffer.append("\",\"msgId\":\"")
        messageIDs(&buffer)
        buffer.append("\",\"TRACE_ON\":\"")
        buffer.append(traceOn)
        buffer.append("\",\"MSG_REGION\":\"")
        buffer.append(region)
        buffer.append("\",\"queueOffset\":\"")
        buffer.append(decimal: queueOffset)
        if !recallHandle.isEmpty {
            buffer.append("\",\"recallHandle\":\"")
            buffer.append(recallHandle)
        }
        buffer.append("\"},\"flag\":1,\"language\":\"JAVA\",\"opaque\":")
        buffer.append(decimal: Int64(opaque))
        buffer.append(",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":")
        buffer.append(ProtocolVersion.currentDigits)
        buffer.append(UInt8(ascii: "}"))
        let headerByteCount = buffer.count - start - 8
        buffer.store(bigEndian: Int32(4 + headerByteCount), at: start)
        buffer.store(bigEndian: Int32(headerByteCount), at: start + 4)
    }

    @usableFromInline func appendGenerally(
        to buffer: inout ByteBuffer, as type: SerializeType, transactionID: (inout ByteBuffer) -> Void,
        messageIDs: (inout ByteBuffer) -> Void, region: [UInt8]
    ) {
        var writer = ResponseWriter(&buffer, type: type, code: code.rawValue)
        writer.field("queueId", queueID, to: &buffer)
        writer.field("transactionId", to: &buffer, transactionID)
        writer.field("msgId", to: &buffer, messageIDs)
        if isInnerBatch { writer.field("batchUniqId", to: &buffer, transactionID) }
        writer.field("TRACE_ON", traceOn, to: &buffer)
        writer.field("MSG_REGION", to: &buffer) { $0.append(region) }
        writer.field("queueOffset", queueOffset, to: &buffer)
        if !recallHandle.isEmpty { writer.field("recallHandle", to: &buffer) { $0.append(recallHandle) } }
        writer.finish(opaque: opaque, in: &buffer)
    }
}
