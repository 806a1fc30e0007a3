import MQBytes
import MQProtocol

/// What a broker said to a send, copied out of its frame.
struct SendAnswer: Sendable {
    let code: Int32
    let queueID: Int32?
    let queueOffset: Int64?
    /// One id, or a batch's with commas between them.
    let messageID: IDText
    private let words: Words

    /// The texts, in one object: an answer is moved from hand to hand, and nearly all of them say the same.
    final class Words: Sendable {
        let remark: String?
        let region: String?
        let recallHandle: String?

        init(remark: String? = nil, region: String? = nil, recallHandle: String? = nil) {
            self.remark = remark
            self.region = region
            self.recallHandle = recallHandle
        }

        fileprivate func say(_ region: Span<UInt8>) -> Bool {
            guard let known = self.region else { return region.isEmpty }
            return known.utf8.span.equals(region)
        }
    }

    var remark: String? { words.remark }
    var region: String? { words.region }
    var recallHandle: String? { words.recallHandle }

    /// As ``init(_:in:)`` with a whole header.
    /// - Parameter known: the words of the answer before it, which serve again if this one says the same.
    init(_ view: SendMessageAnswerView, in bytes: Span<UInt8>, known: inout Words) {
        code = view.code
        queueID = view.queueID
        queueOffset = view.queueOffset
        messageID = IDText(bytes.extracting(view.messageID))
        let region = bytes.extracting(view.region)
        if view.recallHandle.isEmpty {
            if !known.say(region) { known = Words(region: region.isEmpty ? nil : region.toString()) }
            words = known
        } else {
            words = Words(
                region: region.isEmpty ? nil : region.toString(),
                recallHandle: bytes.extracting(view.recallHandle).toString())
        }
    }

    /// Numbers that are none count as absent.
    init(_ header: borrowing RemotingHeader, in bytes: Span<UInt8>) {
        code = header.code
        queueID = header.text("queueId", in: bytes).flatMap { try? $0.int32(in: bytes) }  // absent
        queueOffset = header.text("queueOffset", in: bytes).flatMap { try? $0.int64(in: bytes) }  // absent
        messageID = header.text("msgId", in: bytes).map { IDText(bytes.extracting($0.range)) } ?? IDText()
        words = Words(
            remark: header.remark?.string(in: bytes), region: header.string("MSG_REGION", in: bytes),
            recallHandle: header.string("recallHandle", in: bytes))
    }
}
