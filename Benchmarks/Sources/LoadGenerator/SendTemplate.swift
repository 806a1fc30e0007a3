import BenchWire
import Glibc

/// A send request laid out once; only what differs from message to message is written again: the opaque (ten digits,
/// always from 1,000,000,000 up), the last eight hexadecimal digits of `UNIQ_KEY`, the born time and, in the body,
/// a stamp from which a consumer tells how long the message took.
struct SendTemplate {
    /// First bytes of a body of 16 bytes or more, before the realtime nanoseconds.
    static let stampMark: UInt64 = 0x4D51_4245_4E43_4821

    let bytes: [UInt8]
    let opaqueAt: Int
    let bornAt: Int
    let sequenceAt: Int
    /// `nil` if the body is too short.
    let stampAt: Int?

    /// - Parameter keyHead: 24 hexadecimal digits that no other connection or run has.
    init(_ options: LoadOptions, topic: String, queue: Int, keyHead: String) {
        precondition(keyHead.utf8.count == 24, "UNIQ_KEY has 32 digits")
        let properties =
            "UNIQ_KEY\\u0001\(keyHead)00000000\\u0002WAIT\\u0001\(options.waitsForStore)\\u0002"
            + "TAGS\\u0001bench\\u0002\(options.properties)"
            + (options.isTransactional ? "TRAN_MSG\\u0001true\\u0002PGROUP\\u0001\(options.group)\\u0002" : "")
        let sysFlag = options.isTransactional ? "4" : "0"
        let born = "1000000000000"
        let fields: [(String, String)]
        if options.usesFirstSendCode {
            fields = [
                ("queueId", "\(queue)"), ("flag", "0"), ("sysFlag", sysFlag), ("reconsumeTimes", "0"),
                ("batch", "false"),
                ("unitMode", "false"), ("defaultTopic", "TBW102"), ("defaultTopicQueueNums", "4"),
                ("producerGroup", options.group), ("topic", topic), ("bornTimestamp", born),
                ("properties", properties),
            ]
        } else {
            fields = [
                ("a", options.group), ("b", topic), ("c", "TBW102"), ("d", "4"), ("e", "\(queue)"), ("f", sysFlag),
                ("g", born), ("h", "0"), ("i", properties), ("j", "0"), ("k", "false"), ("m", "false"),
            ]
        }
        let pairs = fields.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",")
        let header = """
            {"code":\(options.usesFirstSendCode ? 10 : 310),"extFields":{\(pairs)},"flag":0,"language":"JAVA",\
            "opaque":1000000000,"serializeTypeCurrentRPC":"JSON","version":479}
            """
        var body = [UInt8](repeating: 0x61, count: options.bodyByteCount)
        if body.count >= 16 { body.replaceSubrange(0..<8, with: bigEndian(Self.stampMark)) }
        let frame = frameBytes(header: header, body: body)
        let headerEnd = frame.count - body.count
        func place(_ text: StaticString) -> Int {
            frame.withUnsafeBytes { FrameScan.find(text, $0.baseAddress!, headerEnd)! } + text.utf8CodeUnitCount
        }
        bytes = frame
        opaqueAt = place("\"opaque\":")
        sequenceAt = place("UNIQ_KEY\\u0001") + 24
        bornAt = options.usesFirstSendCode ? place("\"bornTimestamp\":\"") : place("\"g\":\"")
        stampAt = body.count >= 16 ? headerEnd + 8 : nil
    }
}
