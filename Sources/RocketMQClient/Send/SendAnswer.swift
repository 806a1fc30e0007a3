import MQBytes
import MQProtocol

/// What a broker said to a send, copied out of its frame.
struct SendAnswer: Sendable {
    let code: Int32
    let remark: String?
    let queueID: Int32?
    let queueOffset: Int64?
    /// One id, or a batch's with commas between them.
    let messageID: IDText
    let region: String?
    let recallHandle: String?

    /// Numbers that are none count as absent.
    init(_ header: borrowing RemotingHeader, in bytes: Span<UInt8>) {
        code = header.code
        remark = header.remark?.string(in: bytes)
        queueID = header.text("queueId", in: bytes).flatMap { try? $0.int32(in: bytes) }  // absent
        queueOffset = header.text("queueOffset", in: bytes).flatMap { try? $0.int64(in: bytes) }  // absent
        messageID = header.text("msgId", in: bytes).map { IDText(bytes.extracting($0.range)) } ?? IDText()
        region = header.string("MSG_REGION", in: bytes)
        recallHandle = header.string("recallHandle", in: bytes)
    }
}
