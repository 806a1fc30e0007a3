import MQConfig
import MQJSON
import MQProtocol

/// How queues are shared out among a group's members: what QUERY_ASSIGNMENT (400) answers. Pure.
///
/// Source: `QueryAssignmentProcessor.java`, `AllocateMessageQueueAveragely.java`,
/// `AllocateMessageQueueAveragelyByCircle.java`, RocketMQ 5.3. Java's brokers know no other strategies either.
enum Assignment {
    /// How to share out.
    enum Strategy: String, Sendable {
        /// Contiguous shares.
        case average = "AVG"
        /// In turn.
        case circle = "AVG_BY_CIRCLE"

        func share(_ queues: [MessageQueue], _ members: [String], _ me: String) -> [MessageQueue] {
            guard let index = members.firstIndex(of: me) else { return [] }
            switch self {
            case .circle:
                return stride(from: index, to: queues.count, by: members.count).map { queues[$0] }
            case .average:
                let (share, rest) = queues.count.quotientAndRemainder(dividingBy: members.count)
                let start = index * share + min(index, rest)
                return Array(queues[start..<(start + share + (index < rest ? 1 : 0))])
            }
        }
    }

    /// The queues of one member.
    /// - Parameters:
    ///   - queues: all of the topic.
    ///   - members: all of the group.
    ///   - shareCount: for pop, how many members that follow share its queues; none or too many: everybody pops all.
    static func queues(
        of me: String, _ queues: [MessageQueue], members: [String], strategy: Strategy, mode: MessageRequestMode,
        shareCount: Int
    ) -> [MessageQueue] {
        let (queues, members) = (queues.sorted(), members.sorted())
        guard mode == .pop else { return strategy.share(queues, members, me) }
        guard shareCount > 0, shareCount < members.count - 1 else {
            return unique(queues.map { MessageQueue(topic: $0.topic, brokerName: $0.brokerName, queueID: -1) })
        }
        guard let index = members.firstIndex(of: me), !queues.isEmpty else { return [] }
        guard members.count <= queues.count else { return [queues[index % queues.count]] }
        return unique(
            (0...shareCount).flatMap { strategy.share(queues, members, members[(index + $0) % members.count]) })
    }

    private static func unique(_ queues: [MessageQueue]) -> [MessageQueue] { Set(queues).sorted() }
}

/// What SET_MESSAGE_REQUEST_MODE (401) sets for a topic and group.
///
/// Source: `SetMessageRequestModeRequestBody.java`, RocketMQ 5.3.
struct RequestModeBody: JSONBody {
    var topic: String
    var group: String
    var mode: MessageRequestMode
    var shareCount: Int

    init(topic: String, group: String, mode: MessageRequestMode, shareCount: Int) {
        self.topic = topic
        self.group = group
        self.mode = mode
        self.shareCount = shareCount
    }

    init(json: JSON) throws(BodyError) {
        let fields = try PopBody(json, "SetMessageRequestModeRequestBody")
        topic = try fields.text("topic")
        group = try fields.text("consumerGroup")
        guard let mode = MessageRequestMode(rawValue: fields.optionalText("mode") ?? "PULL") else {
            throw .badMember(body: "SetMessageRequestModeRequestBody", member: "mode")
        }
        self.mode = mode
        shareCount = Int(clamping: try fields.number("popShareQueueNum", default: 0))
    }

    var json: JSON {
        PopBody.object([
            ("consumerGroup", .string(group)), ("mode", .string(mode.rawValue)),
            ("popShareQueueNum", .integer(Int64(shareCount))), ("topic", .string(topic)),
        ])
    }
}

/// The body of QUERY_ASSIGNMENT. Source: `QueryAssignmentRequestBody.java`, RocketMQ 5.3.
struct QueryAssignmentBody: JSONBody {
    var topic: String
    var group: String
    var clientID: String
    var strategyName: String
    var isBroadcasting: Bool

    init(json: JSON) throws(BodyError) {
        let fields = try PopBody(json, "QueryAssignmentRequestBody")
        topic = try fields.text("topic")
        group = try fields.text("consumerGroup")
        clientID = fields.optionalText("clientId") ?? ""
        strategyName = fields.optionalText("strategyName") ?? ""
        isBroadcasting = fields.optionalText("messageModel") == "BROADCASTING"
    }

    var json: JSON {
        PopBody.object([
            ("clientId", .string(clientID)), ("consumerGroup", .string(group)),
            ("messageModel", .string(isBroadcasting ? "BROADCASTING" : "CLUSTERING")),
            ("strategyName", .string(strategyName)), ("topic", .string(topic)),
        ])
    }

    /// The answer's body; `nil` queues tell the client to keep what it has.
    static func answer(_ queues: [MessageQueue]?, _ mode: MessageRequestMode) -> [UInt8] {
        let assignments = queues.map { queues in
            JSON.array(
                queues.map { PopBody.object([("messageQueue", $0.json), ("mode", .string(mode.rawValue))]) })
        }
        return PopBody.object(assignments.map { [("messageQueueAssignments", $0)] } ?? []).encoded(.compact)
    }
}
