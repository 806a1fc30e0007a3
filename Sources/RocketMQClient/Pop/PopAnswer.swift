import MQProtocol

/// What a pop's answer says beside its messages, and the handles that follow from it. A plain value.
///
/// Source: `ExtraInfoUtil.java`, `MQClientAPIImpl.java` `processPopResponse`, RocketMQ 5.3.
struct PopAnswer {
    /// When the messages were handed out, milliseconds since 1970, and for how long.
    let popTime: Int64
    let invisibleTime: Int64
    private let reviveQueue: Int32
    /// `<kind> <queue>` → where the pop began there; `nil` if the broker says nothing of it.
    private let starts: [String: Int64]?

    /// - Throws: `badAnswer` if the broker does not say what handles are made of.
    init(_ answer: RemotingCommand, from address: String) throws(ClientError) {
        guard let popTime = answer.int64("popTime"), let invisibleTime = answer.int64("invisibleTime"),
            let reviveQueue = answer.int32("reviveQid")
        else { throw .badAnswer(from: address, "a pop answer without popTime, invisibleTime or reviveQid") }
        self.popTime = popTime
        self.invisibleTime = invisibleTime
        self.reviveQueue = reviveQueue
        guard let text = answer["startOffsetInfo"], !text.isEmpty else {
            starts = nil
            return
        }
        var starts: [String: Int64] = [:]
        for item in text.split(separator: ";") {
            let parts = item.split(separator: " ")
            guard parts.count == 3, let start = Int64(parts[2]) else {
                throw .badAnswer(from: address, "a pop answer whose startOffsetInfo is \(text)")
            }
            starts["\(parts[0]) \(parts[1])"] = start
        }
        self.starts = starts
    }

    /// What names `message` in acks: as the broker says itself, or made of where the pop began.
    /// - Parameter first: the offset of the first message of the same topic and queue, where the broker says nothing.
    /// - Returns: `nil` for a message of a queue that the answer does not name.
    func handle(of message: MessageExt, first: Int64) -> String? {
        if let handle = message.properties["POP_CK"] { return handle }
        let kind = PopHandle.kind(of: message.topic)
        let start: Int64
        if let starts {
            guard let known = starts["\(kind) \(message.queueID)"] else { return nil }
            start = known
        } else {
            start = first
        }
        return "\(start) \(popTime) \(invisibleTime) \(reviveQueue) \(kind) \(message.brokerName) "
            + "\(message.queueID) \(message.queueOffset)"
    }
}

/// A handle taken apart as far as an ack needs it.
struct PopHandle: Equatable {
    /// As it was given.
    let text: String
    let popTime: Int64
    let invisibleTime: Int64
    /// 0 for the topic itself, 1 and 2 for the two names of its retry topic.
    let kind: Int
    let brokerName: String
    let queueID: Int
    let offset: Int64

    /// `nil` for what is no handle.
    init?(_ text: String) {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count >= 8, let popTime = Int64(parts[1]), let invisibleTime = Int64(parts[2]),
            let kind = Int(parts[4]), (0...2).contains(kind), let queueID = Int(parts[6]), let offset = Int64(parts[7])
        else { return nil }
        self.text = text
        self.popTime = popTime
        self.invisibleTime = invisibleTime
        self.kind = kind
        brokerName = String(parts[5])
        self.queueID = queueID
        self.offset = offset
    }

    static func kind(of topic: String) -> Int { !topic.hasPrefix("%RETRY%") ? 0 : topic.contains("+") ? 2 : 1 }

    /// The topic the message lies in.
    func topic(for topic: String, group: String) -> String {
        switch kind {
        case 1: "%RETRY%\(group)_\(topic)"
        case 2: "%RETRY%\(group)+\(topic)"
        default: topic
        }
    }

    /// When others may get the message: milliseconds since 1970.
    var endsAt: Int64 { popTime &+ invisibleTime }
}
