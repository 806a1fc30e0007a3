/// Keys of `broker.conf` about lite message queues and compacted topics.
///
/// Source: `MessageStoreConfig.java`, RocketMQ 5.3.
public enum LiteQueueKeys {
    /// Whether `%LMQ%` queues are served.
    public static let enableLmq = ConfigKey<Bool>.flag(
        "enableLmq", default: false,
        "Serves lite message queues: %LMQ% names need no topic, and offsets are kept in lmqConsumerOffset.json.")
    /// Whether messages go to the queues that `INNER_MULTI_DISPATCH` names.
    public static let enableMultiDispatch = ConfigKey<Bool>.flag(
        "enableMultiDispatch", default: false,
        "Puts messages into the lite message queues that their property INNER_MULTI_DISPATCH names, too.")
    /// Lite message queues a broker keeps.
    public static let maxLmqConsumeQueueNum = ConfigKey<Int>.integer(
        "maxLmqConsumeQueueNum", default: 20_000, in: 0...1_000_000, unit: "queues",
        "Lite message queues a broker keeps; a message for one more is refused, and so is a pull.")

    /// Whether topics with `cleanup.policy=COMPACTION` are compacted.
    public static let enableCompaction = ConfigKey<Bool>.flag(
        "enableCompaction", default: true,
        "Keeps the last message of each key of topics with cleanup.policy=COMPACTION, and serves those."
    ).live
    /// How often queues are compacted.
    public static let compactionScheduleInternal = ConfigKey<Duration>.milliseconds(
        "compactionScheduleInternal", default: 900_000, in: 100...86_400_000, "Time between two compactions of a queue."
    ).live
    /// What the keys of one compaction may take.
    public static let maxOffsetMapSize = ConfigKey<Int>.integer(
        "maxOffsetMapSize", default: 104_857_600, in: 1024...4_294_967_296, unit: "bytes",
        "Memory for new keys, 24 bytes each, when a queue is compacted; what is behind them waits for the next time."
    ).live

    static let all: [ConfigDeclaration] = [
        enableLmq.declaration, enableMultiDispatch.declaration, maxLmqConsumeQueueNum.declaration,
        enableCompaction.declaration, compactionScheduleInternal.declaration, maxOffsetMapSize.declaration,
    ]
}
