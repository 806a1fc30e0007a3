public import MQBytes
public import MQMessage

/// The header of SEND_MESSAGE (10), SEND_MESSAGE_V2 (310) and SEND_BATCH_MESSAGE (320), as views over the frame.
/// 10 spells the names out; 310 and 320 use `a` producerGroup, `b` topic, `c` defaultTopic, `d` defaultTopicQueueNums,
/// `e` queueId, `f` sysFlag, `g` bornTimestamp, `h` flag, `i` properties, `j` reconsumeTimes, `k` unitMode,
/// `l` maxReconsumeTimes, `m` batch, `n` brokerName. Absent numbers are 0.
/// Source: `SendMessageRequestHeaderV2.java`, RocketMQ 5.3.
public struct SendMessageRequest: Sendable {
    public var producerGroup = HeaderText.empty
    public var topic = HeaderText.empty
    public var defaultTopic = HeaderText.empty
    public var defaultTopicQueueNums: Int32 = 0
    /// Negative: the broker picks one.
    public var queueID: Int32 = 0
    public var sysFlag = SysFlag(rawValue: 0)
    public var bornTimestamp: Int64 = 0
    public var flag: Int32 = 0
    public var properties = HeaderText.empty
    public var reconsumeTimes: Int32 = 0
    /// `nil` if the request does not say.
    public var maxReconsumeTimes: Int32?
    public var isBatch = false

    /// Reads the one-letter names.
    /// - Throws: ``WireError/malformed(_:at:)`` if a number is none.
    public init(short header: borrowing RemotingHeader, in bytes: Span<UInt8>) throws(WireError) {
        producerGroup = header.letter(UInt8(ascii: "a")) ?? .empty
        topic = header.letter(UInt8(ascii: "b")) ?? .empty
        defaultTopic = header.letter(UInt8(ascii: "c")) ?? .empty
        defaultTopicQueueNums = try header.letter(UInt8(ascii: "d"))?.int32(in: bytes) ?? 0
        queueID = try header.letter(UInt8(ascii: "e"))?.int32(in: bytes) ?? 0
        sysFlag = SysFlag(rawValue: try header.letter(UInt8(ascii: "f"))?.int32(in: bytes) ?? 0)
        bornTimestamp = try header.letter(UInt8(ascii: "g"))?.int64(in: bytes) ?? 0
        flag = try header.letter(UInt8(ascii: "h"))?.int32(in: bytes) ?? 0
        properties = header.letter(UInt8(ascii: "i")) ?? .empty
        reconsumeTimes = try header.letter(UInt8(ascii: "j"))?.int32(in: bytes) ?? 0
        maxReconsumeTimes = try header.letter(UInt8(ascii: "l"))?.int32(in: bytes)
        isBatch = header.letter(UInt8(ascii: "m"))?.isTrue(in: bytes) ?? false
    }

    /// Reads the spelled-out names.
    /// - Throws: ``WireError/malformed(_:at:)`` if a number is none.
    public init(long header: borrowing RemotingHeader, in bytes: Span<UInt8>) throws(WireError) {
        producerGroup = header.text("producerGroup", in: bytes) ?? .empty
        topic = header.text("topic", in: bytes) ?? .empty
        defaultTopic = header.text("defaultTopic", in: bytes) ?? .empty
        defaultTopicQueueNums = try header.int32("defaultTopicQueueNums", in: bytes) ?? 0
        queueID = try header.int32("queueId", in: bytes) ?? 0
        sysFlag = SysFlag(rawValue: try header.int32("sysFlag", in: bytes) ?? 0)
        bornTimestamp = try header.int64("bornTimestamp", in: bytes) ?? 0
        flag = try header.int32("flag", in: bytes) ?? 0
        properties = header.text("properties", in: bytes) ?? .empty
        reconsumeTimes = try header.int32("reconsumeTimes", in: bytes) ?? 0
        maxReconsumeTimes = try header.int32("maxReconsumeTimes", in: bytes)
        isBatch = header.bool("batch", in: bytes) ?? false
    }
}
