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
    public init(short header: RemotingHeader, in bytes: Span<UInt8>) throws(WireError) {
        for field in header.fields where field.key.range.count == 1 {
            switch bytes[field.key.range.lowerBound] {
            case UInt8(ascii: "a"): producerGroup = field.value
            case UInt8(ascii: "b"): topic = field.value
            case UInt8(ascii: "c"): defaultTopic = field.value
            case UInt8(ascii: "d"): defaultTopicQueueNums = try field.value.int32(in: bytes)
            case UInt8(ascii: "e"): queueID = try field.value.int32(in: bytes)
            case UInt8(ascii: "f"): sysFlag = SysFlag(rawValue: try field.value.int32(in: bytes))
            case UInt8(ascii: "g"): bornTimestamp = try field.value.int64(in: bytes)
            case UInt8(ascii: "h"): flag = try field.value.int32(in: bytes)
            case UInt8(ascii: "i"): properties = field.value
            case UInt8(ascii: "j"): reconsumeTimes = try field.value.int32(in: bytes)
            case UInt8(ascii: "l"): maxReconsumeTimes = try field.value.int32(in: bytes)
            case UInt8(ascii: "m"): isBatch = field.value.isTrue(in: bytes)
            default: break
            }
        }
    }

    /// Reads the spelled-out names.
    /// - Throws: ``WireError/malformed(_:at:)`` if a number is none.
    public init(long header: RemotingHeader, in bytes: Span<UInt8>) throws(WireError) {
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
