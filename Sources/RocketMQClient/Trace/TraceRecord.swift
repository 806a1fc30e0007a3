/// One step in the life of a message, as a traced client tells of it: producers and consumers write it, `mqadmin
/// queryMsgTraceById` reads it. The text form is RocketMQ's: fields behind each other with the byte 1 between them, the byte 2
/// behind a record.
///
/// Source: `TraceDataEncoder.java`, RocketMQ 5.3.
package struct TraceRecord: Equatable, Sendable {
    /// What happened.
    package enum Kind: String, Sendable {
        /// A message was sent, or could not be.
        case sent = "Pub"
        /// A handler gets a message.
        case before = "SubBefore"
        /// A handler is done with it.
        case after = "SubAfter"
        /// A transaction was ended.
        case ended = "EndTransaction"
        /// A delayed message was taken back.
        case recalled = "Recall"
    }

    /// What kind of message it was: the numbers of Java's `MessageType`.
    package enum MessageKind: Int, Sendable {
        case normal, half, commit, delayed
    }

    /// What happened; decides which of the fields below travel.
    package let kind: Kind
    /// When, milliseconds since 1970; 0 if it was not noted.
    package var timestamp: Int64 = 0
    /// The region whose trace topic gets it.
    package var region = "DefaultRegion"
    /// Of the producer or consumer.
    package var group = ""
    package var topic = ""
    /// The message's unique key.
    package var messageID = ""
    package var tags = ""
    package var keys = ""
    /// The broker's address.
    package var storeHost = ""
    package var bodyByteCount = 0
    /// How long it took.
    package var milliseconds: Int64 = 0
    package var messageKind = MessageKind.normal
    package var offsetMessageID = ""
    package var isSuccess = true
    /// Joins the two records of one call of a handler.
    package var requestID = ""
    package var retryTimes: Int32 = 0
    /// What the handler said: 0 success, 1 timed out, 2 threw, 3 nothing, 4 later.
    package var contextCode = 0
    package var transactionID = ""
    /// Java's name of what became of the transaction.
    package var transactionState = ""
    /// The broker asked what became of it.
    package var isFromCheck = false

    init(_ kind: Kind, _ fill: (inout TraceRecord) -> Void) {
        self.kind = kind
        fill(&self)
    }

    // MARK: - As text

    private enum Field {
        case timestamp, region, group, topic, messageID, tags, keys, storeHost, bodyByteCount, milliseconds, messageKind
        case offsetMessageID, isSuccess, requestID, retryTimes, contextCode, transactionID, transactionState,
            isFromCheck
    }

    /// Behind the kind, in their order.
    private static func fields(of kind: Kind) -> [Field] {
        switch kind {
        case .sent:
            [
                .timestamp, .region, .group, .topic, .messageID, .tags, .keys, .storeHost, .bodyByteCount,
                .milliseconds, .messageKind, .offsetMessageID, .isSuccess,
            ]
        case .before: [.timestamp, .region, .group, .requestID, .messageID, .retryTimes, .keys]
        case .after:
            [.requestID, .messageID, .milliseconds, .isSuccess, .keys, .contextCode, .timestamp, .group]
        case .ended:
            [
                .timestamp, .region, .group, .topic, .messageID, .tags, .keys, .storeHost, .messageKind,
                .transactionID, .transactionState, .isFromCheck,
            ]
        case .recalled: [.timestamp, .region, .group, .topic, .messageID, .isSuccess]
        }
    }

    /// Fields that a record of another version must have at least.
    private static func fieldCountMin(of kind: Kind) -> Int {
        switch kind {
        case .sent: 11
        case .before, .recalled: 6
        case .after: 4
        case .ended: 5
        }
    }

    private subscript(field: Field) -> String {
        get {
            switch field {
            case .timestamp: String(timestamp)
            case .region: region
            case .group: group
            case .topic: topic
            case .messageID: messageID
            case .tags: tags
            case .keys: keys
            case .storeHost: storeHost
            case .bodyByteCount: String(bodyByteCount)
            case .milliseconds: String(milliseconds)
            case .messageKind: String(messageKind.rawValue)
            case .offsetMessageID: offsetMessageID
            case .isSuccess: String(isSuccess)
            case .requestID: requestID
            case .retryTimes: String(retryTimes)
            case .contextCode: String(contextCode)
            case .transactionID: transactionID
            case .transactionState: transactionState
            case .isFromCheck: String(isFromCheck)
            }
        }
        set {
            switch field {
            case .timestamp: timestamp = Int64(newValue) ?? 0
            case .region: region = newValue
            case .group: group = newValue
            case .topic: topic = newValue
            case .messageID: messageID = newValue
            case .tags: tags = newValue
            case .keys: keys = newValue
            case .storeHost: storeHost = newValue
            case .bodyByteCount: bodyByteCount = Int(newValue) ?? 0
            case .milliseconds: milliseconds = Int64(newValue) ?? 0
            case .messageKind: messageKind = Int(newValue).flatMap(MessageKind.init) ?? .normal
            case .offsetMessageID: offsetMessageID = newValue
            case .isSuccess: isSuccess = newValue == "true"
            case .requestID: requestID = newValue
            case .retryTimes: retryTimes = Int32(newValue) ?? 0
            case .contextCode: contextCode = Int(newValue) ?? 0
            case .transactionID: transactionID = newValue
            case .transactionState: transactionState = newValue
            case .isFromCheck: isFromCheck = newValue == "true"
            }
        }
    }

    private static let fieldEnd: Character = "\u{1}"
    private static let recordEnd: Character = "\u{2}"

    /// The record as it travels.
    var text: String {
        let fields = [kind.rawValue] + Self.fields(of: kind).map { self[$0] }
        return fields.joined(separator: String(Self.fieldEnd)) + String(Self.recordEnd)
    }

    /// The records that a trace message holds, those of other messages too. One that is not understood is left out.
    package static func all(in body: [UInt8]) -> [TraceRecord] {
        String(decoding: body, as: UTF8.self).split(separator: recordEnd).compactMap { TraceRecord(text: $0) }
    }

    /// - Parameter text: without the byte 2. `nil` if it is none, or lacks what every version has.
    private init?(text: Substring) {
        let parts = text.split(separator: Self.fieldEnd, omittingEmptySubsequences: false).map(String.init)
        guard let kind = parts.first.flatMap(Kind.init), parts.count > Self.fieldCountMin(of: kind) else { return nil }
        self.kind = kind
        var fields = Self.fields(of: kind)
        // Older producers do not tell the offset id.
        if kind == .sent, parts.count == fields.count { fields.removeAll { $0 == .offsetMessageID } }
        for (field, part) in zip(fields, parts.dropFirst()) { self[field] = part }
    }

    /// Words by which the trace's message is found: ids and keys.
    var words: [String] { [messageID] + keys.split(separator: " ").map(String.init) }
}
