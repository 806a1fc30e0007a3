public import MQBytes

/// The header of the answer to a pull, `{suggestWhichBrokerId, groupSysFlag, nextBeginOffset, maxOffset, minOffset,
/// topicSysFlag}`; the records follow as the frame's body. With a JSON header it is straight-line literals, a third of
/// the instructions of ``ResponseWriter``'s general way; the binary form goes through that.
public struct PullMessageAnswer {
    public var code: ResponseCode
    public var opaque: Int32
    /// How the look ended, in RocketMQ's words; nothing that JSON would escape.
    public var remark: StaticString
    /// Where the consumer goes on.
    public var nextBeginOffset: Int64
    public var minOffset: Int64
    public var maxOffset: Int64
    public var groupSysFlag: Int
    public var topicSysFlag: Int

    /// An answer.
    public init(
        code: ResponseCode, opaque: Int32, remark: StaticString, nextBeginOffset: Int64, minOffset: Int64,
        maxOffset: Int64, groupSysFlag: Int, topicSysFlag: Int
    ) {
        self.code = code
        self.opaque = opaque
        self.remark = remark
        self.nextBeginOffset = nextBeginOffset
        self.minOffset = minOffset
        self.maxOffset = maxOffset
        self.groupSysFlag = groupSysFlag
        self.topicSysFlag = topicSysFlag
    }

    /// Appends the frame up to its body, of which `bodyByteCount` bytes must follow.
    @inlinable public func append(to buffer: inout ByteBuffer, as type: SerializeType, bodyByteCount: Int) {
        guard type == .json else { return appendGenerally(to: &buffer, as: type, bodyByteCount: bodyByteCount) }
        let start = buffer.count
        buffer.reserve(512)
        buffer.append(bigEndian: UInt64(0))
        buffer.append("{\"code\":")
        buffer.append(decimal: Int64(code.rawValue))
        buffer.append(",\"extFields\":{\"suggestWhichBrokerId\":\"0\",\"groupSysFlag\":\"")
        buffer.append(decimal: Int64(groupSysFlag))
        buffer.append("\",\"nextBeginOffset\":\"")
        buffer.append(decimal: nextBeginOffset)
        buffer.append("\",\"maxOffset\":\"")
        buffer.append(decimal: maxOffset)
        buffer.append("\",\"minOffset\":\"")
        buffer.append(decimal: minOffset)
        buffer.append("\",\"topicSysFlag\":\"")
        buffer.append(decimal: Int64(topicSysFlag))
        buffer.append("\"},\"flag\":1,\"language\":\"JAVA\",\"opaque\":")
        buffer.append(decimal: Int64(opaque))
        buffer.append(",\"remark\":\"")
        buffer.append(remark)
        buffer.append("\",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":")
        buffer.append(decimal: Int64(ProtocolVersion.current))
        buffer.append(UInt8(ascii: "}"))
        let headerByteCount = buffer.count - start - 8
        buffer.store(bigEndian: Int32(4 + headerByteCount + bodyByteCount), at: start)
        buffer.store(bigEndian: Int32(headerByteCount), at: start + 4)
    }

    @usableFromInline func appendGenerally(to buffer: inout ByteBuffer, as type: SerializeType, bodyByteCount: Int) {
        var writer = ResponseWriter(&buffer, type: type, code: code.rawValue)
        writer.field("suggestWhichBrokerId", 0, to: &buffer)
        writer.field("groupSysFlag", Int64(groupSysFlag), to: &buffer)
        writer.field("nextBeginOffset", nextBeginOffset, to: &buffer)
        writer.field("maxOffset", maxOffset, to: &buffer)
        writer.field("minOffset", minOffset, to: &buffer)
        writer.field("topicSysFlag", Int64(topicSysFlag), to: &buffer)
        writer.finish(opaque: opaque, remark: remark.description, bodyByteCount: bodyByteCount, in: &buffer)
    }
}
