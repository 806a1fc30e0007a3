/// Keys of `broker.conf` about compacted topics.
///
/// Source: `MessageStoreConfig.java`, RocketMQ 5.3.
public enum CompactionKeys {
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
        enableCompaction.declaration, compactionScheduleInternal.declaration, maxOffsetMapSize.declaration,
    ]
}
