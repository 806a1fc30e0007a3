import MQBytes

/// What topics and groups may be called: `^[%|a-zA-Z0-9_-]+$`, and how long. A name that passes is safe as a file name.
/// Source: `TopicValidator.java`, `Validators.java`, RocketMQ 5.3.
public enum NameRules {
    /// Bytes of an ordinary topic's name.
    public static let topicByteCountMax = 127
    /// `%RETRY%` and `%DLQ%` topics carry a group's name.
    public static let retryTopicByteCountMax = 255
    /// Bytes of a group's name.
    public static let groupByteCountMax = 255
    /// Of a group's retry topic.
    public static let retryPrefix: StaticString = "%RETRY%"
    /// Of a group's dead letter topic.
    public static let deadLetterPrefix: StaticString = "%DLQ%"

    /// Why a name is refused, in RocketMQ's words; `nil` if it is fine.
    public static func refusal(ofTopic topic: Span<UInt8>) -> String? {
        if topic.isEmpty { return "The specified topic is blank." }
        let isRetry = topic.starts(with: retryPrefix) || topic.starts(with: deadLetterPrefix)
        if let bad = illegalCharacter(in: topic, allowsPlus: isRetry) {
            return
                "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$; byte \(bad) is not"
        }
        let limit = isRetry ? retryTopicByteCountMax : topicByteCountMax
        if topic.count > limit { return "The specified topic is longer than topic max length." }
        return nil
    }

    /// Why a group's name is refused; `nil` if it is fine.
    public static func refusal(ofGroup group: Span<UInt8>) -> String? {
        if group.isEmpty { return "the specified group is blank" }
        if let bad = illegalCharacter(in: group) {
            return
                "the specified group contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$; byte \(bad) is not"
        }
        if group.count > groupByteCountMax { return "the specified group is longer than group max length: 255" }
        return nil
    }

    /// As ``refusal(ofTopic:)``, for text.
    public static func refusal(ofTopic topic: String) -> String? { refusal(ofTopic: Array(topic.utf8).span) }

    /// As ``refusal(ofGroup:)``, for text.
    public static func refusal(ofGroup group: String) -> String? { refusal(ofGroup: Array(group.utf8).span) }

    private static func illegalCharacter(in name: Span<UInt8>, allowsPlus: Bool = false) -> UInt8? {
        for index in 0..<name.count {
            switch name[index] {
            case 48...57, 65...90, 97...122, 37, 45, 95, 124: continue
            case 43 where allowsPlus: continue  // in pop's second form of retry topics, `%RETRY%<group>+<topic>`
            default: return name[index]
            }
        }
        return nil
    }
}
