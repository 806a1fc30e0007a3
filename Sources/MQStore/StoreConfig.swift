/// What a store needs to know. Names and defaults: `MessageStoreConfig.java`, RocketMQ 5.3.
public struct StoreConfig: Sendable {
    /// `storePathRootDir`.
    public var root: String
    /// `storePathCommitLog`; `<root>/commitlog` if it is not set.
    public var commitLogPath: String
    /// Further folders that `storePathCommitLog` names: the log's files go round through all of them.
    public var moreCommitLogPaths: [String] = []
    /// `mappedFileSizeCommitLog`, bytes.
    public var commitLogFileByteCount = 1 << 30
    /// `mappedFileSizeConsumeQueue`, bytes; a multiple of 20.
    public var consumeQueueFileByteCount = 300_000 * 20
    /// `mapperFileSizeBatchConsumeQueue`, bytes; a multiple of 46.
    public var batchQueueFileByteCount = 300_000 * BatchUnit.byteCount
    /// `enableConsumeQueueExt`: new queue units keep their tags code in `consumequeue_ext`. What is there is read anyway.
    public var isExtensionWritten = false
    /// `mappedFileSizeConsumeQueueExt`, bytes.
    public var extensionFileByteCount = 48 << 20
    /// `maxHashSlotNum`: slots of an index file.
    public var indexSlotCount = 5_000_000
    /// `maxIndexNum`: entries of an index file.
    public var indexEntryCount = 20_000_000
    /// `messageIndexEnable`.
    public var isIndexEnabled = true
    /// `maxMessageSize`, bytes of body.
    public var messageByteCountMax = 4 << 20
    /// `enabledAppendPropCRC`: new records end with a checksum over all of them.
    public var appendsChecksum = false
    /// `enableLmq` and `enableMultiDispatch`: messages stand in the lite queues that they name, too.
    public var servesLiteQueues = false
    /// `maxLmqConsumeQueueNum`: lite queues there may be.
    public var liteQueueCountMax = 20_000
    /// `forceVerifyPropCRC`: recovery takes only records for whole whose last checksum is right, where they have one.
    public var verifiesChecksum = false
    /// `flushDiskType` SYNC_FLUSH: a message counts when it is on the disk, for producers and for consumers.
    public var isFlushSynchronous = false
    /// `flushIntervalCommitLog`, milliseconds.
    public var flushIntervalMilliseconds: Int64 = 500
    /// `flushCommitLogLeastPages`: fewer pages of 4 KiB are left to a later flush.
    public var flushLeastPages = 4
    /// `flushCommitLogThoroughInterval`, milliseconds: after so long a byte is enough for a flush.
    public var flushThoroughMilliseconds: Int64 = 10_000
    /// `flushCommitLogTimed`: whether an append waits for the interval's end; otherwise it wakes the flush thread.
    public var isFlushTimed = true
    /// `flushIntervalConsumeQueue`, milliseconds.
    public var consumeQueueFlushIntervalMilliseconds: Int64 = 1000
    /// `flushConsumeQueueLeastPages`: fewer new pages of 4 KiB in a queue are left to a later round.
    public var consumeQueueFlushLeastPages = 2
    /// `flushConsumeQueueThoroughInterval`, milliseconds: after so long every queue is synced, and the index.
    public var consumeQueueFlushThoroughMilliseconds: Int64 = 60_000
    /// When each delay level is due, milliseconds; level 1 comes first. `messageDelayLevel`.
    public var delayLevels: [Int64] = []
    /// How much of the log's end counts as being in memory, bytes. `accessMessageInMemoryMaxRatio` of the memory.
    public var hotByteCount: Int64 = 1 << 30
    /// Whether the next file is filled with zeroes before it is used: a sync then writes no metadata. With asynchronous
    /// flush it would only double what the disk has to write. `nil`: as `isFlushSynchronous`.
    public var fillsFilesAhead: Bool?

    /// Files of the log that stay mapped beside the recent ones of ``hotByteCount``; each takes up to 2 MiB of page tables.
    public var mappedFilesMax = 32
    /// Files of consume queues that stay open; half of what the process may open at most.
    public var openQueueFilesMax = 32_768
    /// Queues this store takes on; each takes about a kilobyte of memory.
    public var queueCountMax = 1 << 18
    /// When old files go. Live: ``MessageStore/Events/retention``.
    public var retention = RetentionSettings()

    /// All folders of the log.
    var commitLogPaths: [String] { [commitLogPath] + moreCommitLogPaths }

    /// A configuration with RocketMQ's defaults under `root`.
    public init(root: String) {
        self.root = root
        commitLogPath = root + "/commitlog"
    }
}
