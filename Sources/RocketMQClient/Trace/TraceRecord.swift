/// What a traced client tells of a message. The text form is RocketMQ's: fields behind each other with the byte 1 between
/// them, the byte 2 behind a record.
///
/// Source: `TraceDataEncoder.java`, RocketMQ 5.3.
struct TraceRecord: Equatable, Sendable {
    enum Content: Equatable, Sendable {
        /// A message was sent, or could not be.
        case publish(Publish)
        /// A handler gets a message.
        case before(Consume)
        /// A handler is done with it.
        case after(After)
    }

    struct Publish: Equatable, Sendable {
        var timestamp: Int64
        var region: String
        var group: String
        var topic: String
        var messageID: String
        var tags: String
        var keys: String
        /// Where it was sent to.
        var storeHost: String
        var bodyByteCount: Int
        var milliseconds: Int64
        /// 0 normal, 1 half, 2 commit, 3 delayed.
        var kind = 0
        var offsetMessageID: String
        var isSuccess: Bool
    }

    struct Consume: Equatable, Sendable {
        var timestamp: Int64
        var region: String
        var group: String
        /// Joins the two records of one call of a handler.
        var requestID: String
        var messageID: String
        var retryTimes: Int32
        var keys: String
    }

    struct After: Equatable, Sendable {
        var requestID: String
        var messageID: String
        var milliseconds: Int64
        var isSuccess: Bool
        var keys: String
        /// What the handler said: 0 success, 1 timed out, 2 threw, 3 nothing, 4 later.
        var contextCode: Int
        var timestamp: Int64
        var group: String
    }

    let content: Content
    /// The region whose trace topic gets it.
    var region: String

    /// Words by which the trace's message is found: ids and keys.
    var words: [String] {
        let (id, keys) =
            switch content {
            case .publish(let publish): (publish.messageID, publish.keys)
            case .before(let consume): (consume.messageID, consume.keys)
            case .after(let after): (after.messageID, after.keys)
            }
        return [id] + keys.split(separator: " ").map(String.init)
    }

    /// The record as it travels.
    var text: String {
        let fields: [String] =
            switch content {
            case .publish(let record):
                [
                    "Pub", String(record.timestamp), record.region, record.group, record.topic, record.messageID,
                    record.tags, record.keys, record.storeHost, String(record.bodyByteCount),
                    String(record.milliseconds), String(record.kind), record.offsetMessageID, String(record.isSuccess),
                ]
            case .before(let record):
                [
                    "SubBefore", String(record.timestamp), record.region, record.group, record.requestID,
                    record.messageID, String(record.retryTimes), record.keys,
                ]
            case .after(let record):
                [
                    "SubAfter", record.requestID, record.messageID, String(record.milliseconds),
                    String(record.isSuccess), record.keys, String(record.contextCode), String(record.timestamp),
                    record.group,
                ]
            }
        return fields.joined(separator: "\u{1}") + "\u{2}"
    }
}
