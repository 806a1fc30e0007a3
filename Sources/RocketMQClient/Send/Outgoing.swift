import MQBase
import MQBytes
import MQCompression
import MQMessage
import MQProtocol
import MQSystem

extension ByteBuffer {
    mutating func appendEscaped(_ bytes: [UInt8]) {
        ResponseWriter.append(inString: bytes.span, as: .json, to: &self)
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
    /// Goes behind the properties as UNIQ_KEY, if they have none.
    var addedID: IDText?
    /// The client's id: ``addedID``, or what the properties say.
    var id: IDText
    var body: [UInt8]

    /// A message.
    /// - Parameter id: makes one if the message has none.
    init(_ message: Message, topic: String, options: Producer.Options, makeID: () -> IDText) {
        code = message.isReply ? .sendReplyMessageV2 : .sendMessageV2
        self.topic = topic
        flag = message.flag
        properties = message.properties
        body = message.body
        if let own = message.properties[PropertyName.uniqueKey] {
            id = IDText(own)
        } else {
            id = makeID()
            addedID = id
        }
        if message.properties[PropertyName.transactionPrepared] == "true" { sysFlag.insert(.transactionPrepared) }
        compress(options)
    }

    /// A batch of `count` messages, encoded already.
    init(batch body: [UInt8], topic: String, waitsForStore: Bool) {
        code = .sendBatchMessage
        self.topic = topic
        properties = waitsForStore ? ["WAIT": "true"] : ["WAIT": "false"]
        id = IDText()
        self.body = body
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

    /// Appends the whole request. Source: `SendMessageRequestHeaderV2.java`, RocketMQ 5.3.
    func encode(
        into buffer: inout ByteBuffer, opaque: Int32, isOneWay: Bool, group: String, queueID: Int, brokerName: [UInt8],
        defaultQueueCount: Int
    ) {
        buffer.reserve(1024 + body.count)
        let no: StaticString = "false"
        let defaultTopic: StaticString = "TBW102"
        var writer = ResponseWriter(&buffer, code: code.rawValue)
        writer.field("a", to: &buffer) { $0.append(utf8: group) }
        writer.field("b", to: &buffer) { $0.append(utf8: topic) }
        writer.field("c", defaultTopic, to: &buffer)
        writer.field("d", Int64(defaultQueueCount), to: &buffer)
        writer.field("e", Int64(queueID), to: &buffer)
        writer.field("f", Int64(sysFlag.rawValue), to: &buffer)
        writer.field("g", SystemClock.wall().rawValue, to: &buffer)
        writer.field("h", Int64(flag), to: &buffer)
        writer.field("i", to: &buffer) { appendProperties(to: &$0) }
        writer.field("j", 0, to: &buffer)
        writer.field("k", no, to: &buffer)
        writer.field("m", code == .sendBatchMessage ? "true" as StaticString : no, to: &buffer)
        writer.field("n", to: &buffer) { $0.appendEscaped(brokerName) }
        writer.finish(opaque: opaque, flag: isOneWay ? 2 : 0, bodyByteCount: body.count, in: &buffer)
        buffer.append(body)
    }

    private func appendProperties(to buffer: inout ByteBuffer) {
        for entry in properties.entries {
            buffer.append(escaping: entry.name)
            buffer.append("\\u0001")
            buffer.append(escaping: entry.value)
            buffer.append("\\u0002")
        }
        guard let addedID else { return }
        buffer.append("UNIQ_KEY\\u0001")
        addedID.append(to: &buffer)
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
