/// When an appended message counts as stored. Source: `FlushDiskType.java`.
public enum FlushDiskType: String, ConfigChoice {
    /// Answered when it is on disk.
    case synchronous = "SYNC_FLUSH"
    /// Answered when it is in memory.
    case asynchronous = "ASYNC_FLUSH"
}

/// What a broker is to its group. Source: `BrokerRole.java`.
public enum BrokerRole: String, ConfigChoice {
    /// A master that answers without its slaves.
    case asyncMaster = "ASYNC_MASTER"
    /// A master that waits for its slaves.
    case syncMaster = "SYNC_MASTER"
    /// A slave.
    case slave = "SLAVE"
}

/// Keys of `broker.conf` that Apus honours, from `MessageStoreConfig`.
///
/// Source: `MessageStoreConfig.java`, RocketMQ 5.3.
public enum StoreKeys {
    // MARK: Folders and files

    /// The store's folder.
    public static let storePathRootDir = ConfigKey<String>.text(
        "storePathRootDir", default: .home("/store"), "Folder of the store."
    ).important
    /// The commit log's folder.
    public static let storePathCommitLog = ConfigKey<String>.text(
        "storePathCommitLog", default: .fixed(""),
        "Folder of the commit log; empty: commitlog below the store's folder. Several, with commas between them, take "
            + "its files in turn; the disk ratios look at the first."
    ).important
    /// Bytes of a commit log file.
    public static let mappedFileSizeCommitLog = ConfigKey<Int>.integer(
        "mappedFileSizeCommitLog", default: 1 << 30, in: 4096...Int(Int32.max), unit: "bytes",
        "Size of a commit log file; a store keeps the size it was made with.")
    /// Bytes of a consume queue file.
    public static let mappedFileSizeConsumeQueue = ConfigKey<Int>.integer(
        "mappedFileSizeConsumeQueue", default: 6_000_000, in: 20...Int(Int32.max), unit: "bytes",
        "Size of a consume queue file, rounded up to whole entries of 20 bytes.")
    /// Slots of an index file.
    public static let maxHashSlotNum = ConfigKey<Int>.integer(
        "maxHashSlotNum", default: 5_000_000, in: 1...100_000_000, unit: "slots", "Hash slots of an index file.")
    /// Entries of an index file.
    public static let maxIndexNum = ConfigKey<Int>.integer(
        "maxIndexNum", default: 20_000_000, in: 2...100_000_000, unit: "entries", "Entries of an index file.")
    /// Whether messages are indexed.
    public static let messageIndexEnable = ConfigKey<Bool>.flag(
        "messageIndexEnable", default: true, "Indexes messages by key."
    ).important
    /// The role in the group.
    public static let brokerRole = ConfigKey<BrokerRole>.choice(
        "brokerRole", default: .asyncMaster,
        "What the broker is to its group. SLAVE is refused yet; SYNC_MASTER has no slaves to wait for."
    ).important

    // MARK: Flushing

    /// When an appended message counts as stored.
    public static let flushDiskType = ConfigKey<FlushDiskType>.choice(
        "flushDiskType", default: .asynchronous, "Whether a send is answered from memory or when it is on disk."
    ).important
    /// The longest time a message stays unflushed.
    public static let flushIntervalCommitLog = ConfigKey<Duration>.milliseconds(
        "flushIntervalCommitLog", default: 500, in: 1...60_000,
        "Time between flushes when flushDiskType is ASYNC_FLUSH."
    ).important
    /// The least that is worth a flush.
    public static let flushCommitLogLeastPages = ConfigKey<Int>.integer(
        "flushCommitLogLeastPages", default: 4, in: 0...1_000_000, unit: "pages of 4 KiB",
        "Less is left to a later flush, until flushCommitLogThoroughInterval has passed; 0 flushes every byte.")
    /// When even a little is flushed.
    public static let flushCommitLogThoroughInterval = ConfigKey<Duration>.milliseconds(
        "flushCommitLogThoroughInterval", default: 10_000, in: 1...600_000,
        "The longest time anything stays unflushed, however little, when flushDiskType is ASYNC_FLUSH.")
    /// Whether appends wake the flush thread.
    public static let flushCommitLogTimed = ConfigKey<Bool>.flag(
        "flushCommitLogTimed", default: true,
        "Flushes every flushIntervalCommitLog; false: an append wakes the flush thread at once."
    ).important
    /// How often consume queues are flushed.
    public static let flushIntervalConsumeQueue = ConfigKey<Duration>.milliseconds(
        "flushIntervalConsumeQueue", default: 1000, in: 1...600_000,
        "Time between rounds that sync the consume queues which grew enough.")
    /// The least that is worth a sync of a queue.
    public static let flushConsumeQueueLeastPages = ConfigKey<Int>.integer(
        "flushConsumeQueueLeastPages", default: 2, in: 0...1_000_000, unit: "pages of 4 KiB",
        "A queue that grew by less is left to a later round; 0 syncs every entry.")
    /// When every queue is synced.
    public static let flushConsumeQueueThoroughInterval = ConfigKey<Duration>.milliseconds(
        "flushConsumeQueueThoroughInterval", default: 60_000, in: 1...3_600_000,
        "Time between syncs of all consume queues and the index, which move the checkpoint; sooner when the log grew much."
    )
    /// How long a synchronous send waits.
    public static let syncFlushTimeout = ConfigKey<Duration>.milliseconds(
        "syncFlushTimeout", default: 5000, in: 1...600_000,
        "A send that is not on disk after so long is answered FLUSH_DISK_TIMEOUT."
    ).live
    /// How often delay progress is written.
    public static let flushDelayOffsetInterval = ConfigKey<Duration>.milliseconds(
        "flushDelayOffsetInterval", default: 10_000, in: 100...3_600_000, "Time between writes of delayOffset.json.")

    // MARK: Limits

    /// Largest body.
    public static let maxMessageSize = ConfigKey<Int>.integer(
        "maxMessageSize", default: 4 << 20, in: 1024...(512 << 20), unit: "bytes", "Largest message body.")
    /// Delay levels.
    public static let messageDelayLevel = ConfigKey<String>.text(
        "messageDelayLevel", default: .fixed("1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h"),
        "Delays of the levels from 1 on, in s, m, h or d.")
    /// Most that a pull brings from memory.
    public static let maxTransferBytesOnMessageInMemory = ConfigKey<Int>.integer(
        "maxTransferBytesOnMessageInMemory", default: 256 << 10, in: 1024...(512 << 20), unit: "bytes",
        "Most bytes a pull brings when its messages are in memory."
    ).important.live
    /// Most messages that a pull brings from memory.
    public static let maxTransferCountOnMessageInMemory = ConfigKey<Int>.integer(
        "maxTransferCountOnMessageInMemory", default: 32, in: 1...100_000, unit: "messages",
        "Most messages a pull brings when they are in memory."
    ).important.live
    /// Most that a pull brings from disk.
    public static let maxTransferBytesOnMessageInDisk = ConfigKey<Int>.integer(
        "maxTransferBytesOnMessageInDisk", default: 64 << 10, in: 1024...(512 << 20), unit: "bytes",
        "Most bytes a pull brings when its messages are on disk."
    ).important.live
    /// Most messages that a pull brings from disk.
    public static let maxTransferCountOnMessageInDisk = ConfigKey<Int>.integer(
        "maxTransferCountOnMessageInDisk", default: 8, in: 1...100_000, unit: "messages",
        "Most messages a pull brings when they are on disk."
    ).important.live
    /// What counts as in memory.
    public static let accessMessageInMemoryMaxRatio = ConfigKey<Int>.integer(
        "accessMessageInMemoryMaxRatio", default: 40, in: 0...100, unit: "% of memory",
        "Messages further than this behind the log's end count as on disk: another thread reads them."
    ).important
    /// Most that a pull looks through.
    public static let maxFilterMessageSize = ConfigKey<Int>.integer(
        "maxFilterMessageSize", default: 16_000, in: 20...(64 << 20), unit: "bytes of consume queue",
        "Most of a consume queue that one pull looks through for messages of its tags."
    ).live
    /// Most messages of an answer to a query.
    public static let defaultQueryMaxNum = ConfigKey<Int>.integer(
        "defaultQueryMaxNum", default: 32, in: 1...10_000, unit: "messages", "Most messages a query by key brings."
    ).live
    /// Most messages of a query.
    public static let maxMsgsNumBatch = ConfigKey<Int>.integer(
        "maxMsgsNumBatch", default: 64, in: 1...10_000, unit: "messages", "Most messages a query by key may ask for."
    ).live

    static let all: [ConfigDeclaration] = [
        storePathRootDir.declaration, storePathCommitLog.declaration, mappedFileSizeCommitLog.declaration,
        mappedFileSizeConsumeQueue.declaration, maxHashSlotNum.declaration, maxIndexNum.declaration,
        messageIndexEnable.declaration, brokerRole.declaration, flushDiskType.declaration,
        flushIntervalCommitLog.declaration, flushCommitLogLeastPages.declaration,
        flushCommitLogThoroughInterval.declaration, flushCommitLogTimed.declaration,
        flushIntervalConsumeQueue.declaration, flushConsumeQueueLeastPages.declaration,
        flushConsumeQueueThoroughInterval.declaration, syncFlushTimeout.declaration,
        flushDelayOffsetInterval.declaration, maxMessageSize.declaration,
        messageDelayLevel.declaration, maxTransferBytesOnMessageInMemory.declaration,
        maxTransferCountOnMessageInMemory.declaration, maxTransferBytesOnMessageInDisk.declaration,
        maxTransferCountOnMessageInDisk.declaration, accessMessageInMemoryMaxRatio.declaration,
        maxFilterMessageSize.declaration, defaultQueryMaxNum.declaration, maxMsgsNumBatch.declaration,
    ]
}
