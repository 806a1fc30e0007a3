import MQBase
import MQBytes
import MQCompression
import MQMessage
import MQProtocol
import MQSystem

extension ByteBuffer {
    mutating func appendEscaped(_ bytes: Span<UInt8>) {
        ResponseWriter.append(inString: bytes, as: .json, to: &self)
    }
}

/// One message, or a batch, on its way: what does not change from try to try.
struct Outgoing: Sendable {
    /// SEND_MESSAGE_V2 and the like.
    var code: RequestCode
    /// As the broker knows it.
    var topic: String
    var flag: Int32 = 0
    var sysFlag: SysFlag = []
    var properties: MessageProperties
    /// Whether the id goes behind the properties as UNIQ_KEY: they have none.
    var addsID = false
    /// The client's id: a new one, or what the properties say.
    var id: IDText
    var body: [UInt8]
    /// When it was made ready to be sent.
    var bornTimestamp: Timestamp

    /// A message.
    /// - Parameter makeID: makes an id if the message has none.
    // @inline(__always): as a call it copies the value once more, 300 instructions a message.
    @inline(__always) init(_ message: Message, topic: String, options: Producer.Options, makeID: (Timestamp) -> IDText)
    {
        let isStandard = message.properties.isStandard
        code = !isStandard && message.isReply ? .sendReplyMessageV2 : .sendMessageV2
        self.topic = topic
        flag = message.flag
        properties = message.properties
        body = message.body
        bornTimestamp = SystemClock.wall()
        if !isStandard, let own = properties[PropertyName.uniqueKey] {
            id = IDText(own)
        } else {
            id = makeID(bornTimestamp)
            addsID = true
        }
        if !isStandard, properties[PropertyName.transactionPrepared] == "true" {
            sysFlag.insert(.transactionPrepared)
        }
        compress(options)
    }

    /// A batch of `count` messages, encoded already.
    init(batch body: [UInt8], topic: String, waitsForStore: Bool) {
        code = .sendBatchMessage
        self.topic = topic
        properties = waitsForStore ? ["WAIT": "true"] : ["WAIT": "false"]
        id = IDText()
        self.body = body
        bornTimestamp = SystemClock.wall()
    }

    private mutating func compress(_ options: Producer.Options) {
        guard let from = options.compressFrom, body.count >= from,
            let smaller = try? options.compression.compress(body.span, level: options.compressLevel)  // else as it is
        else { return }
        body = smaller
        sysFlag.formUnion([.compressed, options.compression.sysFlag])
    }

    /// Bytes it takes on the wire, but for some hundred of the header.
    var byteCount: Int { body.count }

    /// Appends the whole request.
    func encode(into buffer: inout ByteBuffer, opaque: Int32, isOneWay: Bool, fields: RequestFields) {
        buffer.reserve(1024 + body.count)
        var writer = ResponseWriter(&buffer, code: fields.code.rawValue)
        fields.writeHead(&writer, to: &buffer)
        appendFields(to: &buffer)
        fields.writeTail(&writer, to: &buffer)
        writer.finish(opaque: opaque, flag: isOneWay ? 2 : 0, bodyByteCount: body.count, in: &buffer)
        buffer.append(body)
    }

    /// The request as a value, to be signed.
    func command(isOneWay: Bool, fields: RequestFields) -> RemotingCommand {
        var buffer = ByteBuffer()
        encode(into: &buffer, opaque: 0, isOneWay: isOneWay, fields: fields)
        do throws(WireError) {
            return try RemotingCommand(frame: buffer.span)
        } catch {
            preconditionFailure("a frame of ours does not read: \(error)")
        }
    }

    /// The fields that are the message's own, behind others.
    func appendFields(to buffer: inout ByteBuffer) {
        buffer.append(",\"f\":\"")
        buffer.append(decimal: Int64(sysFlag.rawValue))
        buffer.append("\",\"g\":\"")
        buffer.append(decimal: bornTimestamp.rawValue)
        buffer.append("\",\"h\":\"")
        buffer.append(decimal: Int64(flag))
        buffer.append("\",\"i\":\"")
        appendProperties(to: &buffer)
        buffer.append(UInt8(ascii: "\""))
    }

    private func appendProperties(to buffer: inout ByteBuffer) {
        if properties.isStandard {
            buffer.append("WAIT\\u0001true\\u0002")
        } else {
            for entry in properties.entries {
                buffer.append(escaping: entry.name)
                buffer.append("\\u0001")
                buffer.append(escaping: entry.value)
                buffer.append("\\u0002")
            }
        }
        guard addsID else { return }
        buffer.append("UNIQ_KEY\\u0001")
        id.append(to: &buffer)
        buffer.append("\\u0002")
    }
}

extension CompressionCodec {
    /// The codec's bits of a record's system flags. Source: `MessageSysFlag.java`, RocketMQ 5.3.
    var sysFlag: SysFlag {
        switch self {
        case .lz4: SysFlag(rawValue: 0x100)
        case .zstd: SysFlag(rawValue: 0x200)
        case .zlib: SysFlag(rawValue: 0x300)
        }
    }

    /// The codec that system flags name; `nil` for one that is not known.
    init?(_ sysFlag: SysFlag) {
        switch sysFlag.intersection(.compressionMask).rawValue {
        case 0, 0x300: self = .zlib
        case 0x100: self = .lz4
        case 0x200: self = .zstd
        default: return nil
        }
    }
}
