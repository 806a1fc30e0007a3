/// Keys of `broker.conf` about consumption beside the plain ones of ``BrokerKeys``: filters by expressions, resets of
/// offsets, replies, who may consume.
///
/// Source: `BrokerConfig.java`, RocketMQ 5.3.
public enum ConsumptionKeys {
    /// Whether dispatch notes which groups want a message.
    public static let enableCalcFilterBitMap = ConfigKey<Bool>.flag(
        "enableCalcFilterBitMap", default: false,
        "Notes with each new message which SQL92 subscriptions want it, where enableConsumeQueueExt makes room for that."
    )
    /// Groups that are expected to filter a topic.
    public static let expectConsumerNumUseFilter = ConfigKey<Int>.integer(
        "expectConsumerNumUseFilter", default: 32, in: 1...10_000, unit: "groups",
        "Groups that filter one topic; with maxErrorRateOfBloomFilter it makes the length of the notes.")
    /// How often a note may be wrong.
    public static let maxErrorRateOfBloomFilter = ConfigKey<Int>.integer(
        "maxErrorRateOfBloomFilter", default: 20, in: 1...99, unit: "percent",
        "How often a message may be looked at in vain because of a note.")
    /// How long the filter of a group that left is kept.
    public static let filterDataCleanTimeSpan = ConfigKey<Duration>.milliseconds(
        "filterDataCleanTimeSpan", default: 86_400_000, in: 1000...2_592_000_000,
        "How long the filter of a group that left is kept in consumerFilter.json.")

    /// Whether retries are filtered.
    public static let filterSupportRetry = ConfigKey<Bool>.flag(
        "filterSupportRetry", default: false,
        "Filters messages that come again by the SQL92 expression for the topic they are from; without, all of them come."
    ).live
    /// Whether the broker itself resets offsets.
    public static let useServerSideResetOffset = ConfigKey<Bool>.flag(
        "useServerSideResetOffset", default: true,
        "Resets a group's offsets at the broker, whose next answer tells consumers; false asks the consumers to do it."
    ).live
    /// Whether a topic's `message.type` is heeded by sends.
    public static let enableTopicMessageTypeCheck = ConfigKey<Bool>.flag(
        "enableTopicMessageTypeCheck", default: false,
        "Refuses messages of another kind than the topic's message.type. RocketMQ checks this at its proxies only."
    ).live
    /// Whether replies to requests are stored too.
    public static let storeReplyMessageEnable = ConfigKey<Bool>.flag(
        "storeReplyMessageEnable", default: true, "Stores replies to requests in the cluster's reply topic too."
    ).live

    /// Whether lite pulls (361) are served.
    public static let litePullMessageEnable = ConfigKey<Bool>.flag(
        "litePullMessageEnable", default: true, "Serves lite pull consumers; false refuses their pulls."
    ).live
    /// Whether groups of RocketMQ itself come to be.
    public static let enableCreateSysGroup = ConfigKey<Bool>.flag(
        "enableCreateSysGroup", default: true,
        "Makes RocketMQ's own groups when they first connect, also without autoCreateSubscriptionGroup."
    ).live
    /// Whether a topic's deletion takes its retries along.
    public static let clearRetryTopicWhenDeleteTopic = ConfigKey<Bool>.flag(
        "clearRetryTopicWhenDeleteTopic", default: true,
        "Deletes with a topic the topics in which its popped messages wait to come again."
    ).live

    static let all: [ConfigDeclaration] = [
        litePullMessageEnable.declaration, enableCreateSysGroup.declaration,
        clearRetryTopicWhenDeleteTopic.declaration,
        enableTopicMessageTypeCheck.declaration, enableCalcFilterBitMap.declaration,
        expectConsumerNumUseFilter.declaration,
        maxErrorRateOfBloomFilter.declaration, filterDataCleanTimeSpan.declaration,
        filterSupportRetry.declaration, useServerSideResetOffset.declaration, storeReplyMessageEnable.declaration,
    ]
}
