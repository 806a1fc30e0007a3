import MQBytes
import MQFilter
import MQProtocol
import MQRemoting

/// The ext fields of pop's requests as views over the frame; absent ones are zero or empty.
///
/// Source: `PopMessageRequestHeader.java`, `AckMessageRequestHeader.java`, `ChangeInvisibleTimeRequestHeader.java`,
/// `PeekMessageRequestHeader.java`, `NotificationRequestHeader.java`, RocketMQ 5.3.
struct PopFields {
    var group = HeaderText.empty
    var topic = HeaderText.empty
    var queueID: Int32 = 0
    var maxCount: Int32 = 0
    var invisibleTime: Int64 = 0
    var pollTime: Int64 = 0
    var bornTime: Int64 = 0
    var initMode: Int32 = 0
    var expressionType = HeaderText.empty
    var expression = HeaderText.empty
    var isOrdered = false
    var attemptID: HeaderText?
    var extraInfo: HeaderText?
    var offset: Int64 = 0

    /// - Throws: `systemError` if a number is none.
    init(_ header: borrowing RemotingHeader, in bytes: Span<UInt8>) throws(Refusal) {
        do throws(WireError) {
            for field in header.fields {
                let key = bytes.extracting(field.key.range)
                let value = field.value
                switch key.count {
                case 13 where key.equals("consumerGroup"): group = value
                case 5 where key.equals("topic"): topic = value
                case 7 where key.equals("queueId"): queueID = try value.int32(in: bytes)
                case 10 where key.equals("maxMsgNums"): maxCount = try value.int32(in: bytes)
                case 13 where key.equals("invisibleTime"): invisibleTime = try value.int64(in: bytes)
                case 8 where key.equals("pollTime"): pollTime = try value.int64(in: bytes)
                case 8 where key.equals("bornTime"): bornTime = try value.int64(in: bytes)
                case 8 where key.equals("initMode"): initMode = try value.int32(in: bytes)
                case 7 where key.equals("expType"): expressionType = value
                case 3 where key.equals("exp"): expression = value
                case 5 where key.equals("order"): isOrdered = bytes.extracting(value.range).equals("true")
                case 9 where key.equals("attemptId"): attemptID = value
                case 9 where key.equals("extraInfo"): extraInfo = value
                case 6 where key.equals("offset"): offset = try value.int64(in: bytes)
                default: continue
                }
            }
        } catch {
            throw Refusal(.systemError, "bad pop header: \(error)")
        }
    }
}

/// What a pop asks for: all that remains of a request when its frame is gone.
struct PopRequest {
    /// What is to be done with what is found.
    enum Kind {
        /// POP_MESSAGE: it is taken.
        case pop
        /// PEEK_MESSAGE: it stays as it is.
        case peek
        /// NOTIFICATION: only whether there is something.
        case notify
    }

    let kind: Kind
    let channel: RemotingChannel
    let opaque: Int32
    let group: String
    let topic: String
    /// -1: every queue.
    let queueID: Int32
    let maxCount: Int
    let invisibleTime: Int64
    /// When it stops waiting for messages, ms since 1970.
    let pollEnd: Int64
    /// A group that was never here begins at the queue's first message, not its last.
    let beginsAtStart: Bool
    let filter: MessageFilter
    let isOrdered: Bool
    let attemptID: String?
    let topicSysFlag: Int
    /// What its group takes of its topic.
    let stats: GroupStats

    /// Those that wait for the same messages.
    var pollKey: PopPolling.Key { PopPolling.Key(topic: topic, group: group, queueID: queueID) }
}
