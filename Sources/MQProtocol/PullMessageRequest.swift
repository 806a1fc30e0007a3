public import MQBytes

/// The header of PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361), as views over the frame. Absent numbers are 0.
/// Source: `PullMessageRequestHeader.java`, RocketMQ 5.3.
public struct PullMessageRequest: Sendable {
    /// The bits of `sysFlag`. Source: `PullSysFlag.java`.
    public struct Flags: OptionSet, Sendable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }
        /// `commitOffset` holds the group's progress.
        public static let commitOffset = Flags(rawValue: 1)
        /// The request may be parked until something arrives.
        public static let suspend = Flags(rawValue: 2)
        /// `subscription` holds the filter expression.
        public static let subscription = Flags(rawValue: 4)
        public static let classFilter = Flags(rawValue: 8)
        public static let litePull = Flags(rawValue: 16)
    }

    public var consumerGroup = HeaderText.empty
    public var topic = HeaderText.empty
    public var queueID: Int32 = 0
    public var queueOffset: Int64 = 0
    public var maxMessageCount: Int32 = 0
    public var flags = Flags(rawValue: 0)
    public var commitOffset: Int64 = 0
    public var suspendMilliseconds: Int64 = 0
    public var subscription: HeaderText?
    public var subscriptionVersion: Int64 = 0
    public var expressionType: HeaderText?
    /// `nil` if the request does not say.
    public var maxMessageByteCount: Int32?

    /// - Throws: ``WireError/malformed(_:at:)`` if a number is none.
    public init(_ header: RemotingHeader, in bytes: Span<UInt8>) throws(WireError) {
        for field in header.fields {
            let key = bytes.extracting(field.key.range)
            switch key.count {
            case 13 where key.equals("consumerGroup"): consumerGroup = field.value
            case 5 where key.equals("topic"): topic = field.value
            case 7 where key.equals("queueId"): queueID = try field.value.int32(in: bytes)
            case 11 where key.equals("queueOffset"): queueOffset = try field.value.int64(in: bytes)
            case 10 where key.equals("maxMsgNums"): maxMessageCount = try field.value.int32(in: bytes)
            case 7 where key.equals("sysFlag"): flags = Flags(rawValue: try field.value.int32(in: bytes))
            case 12 where key.equals("commitOffset"): commitOffset = try field.value.int64(in: bytes)
            case 20 where key.equals("suspendTimeoutMillis"): suspendMilliseconds = try field.value.int64(in: bytes)
            case 12 where key.equals("subscription"): subscription = field.value
            case 10 where key.equals("subVersion"): subscriptionVersion = try field.value.int64(in: bytes)
            case 14 where key.equals("expressionType"): expressionType = field.value
            case 11 where key.equals("maxMsgBytes"): maxMessageByteCount = try field.value.int32(in: bytes)
            default: break
            }
        }
    }
}
