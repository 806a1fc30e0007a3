import MQConfig
import MQStore

/// How topics come to be.
public struct TopicSettings: Equatable, Sendable {
    /// `enableLmq`: names of lite queues need no topic, and groups may have such names.
    public var servesLiteQueues: Bool
    /// `autoCreateTopicEnable`: a send to an unknown topic makes it.
    public var autoCreateTopicEnable: Bool
    /// `defaultTopicQueueNums`: queues of `TBW102`, so the most an automatic topic gets.
    public var defaultTopicQueueNums: Int
    /// `clusterTopicEnable`: the topic named as the cluster may be read and written.
    public var clusterTopicEnable: Bool
    /// `brokerTopicEnable`: the topic named as the broker may be read and written.
    public var brokerTopicEnable: Bool
    /// `traceTopicEnable`: the trace topic is made at start.
    public var traceTopicEnable: Bool
    /// `msgTraceTopicName`.
    public var traceTopicName: String
    /// `brokerPermission`: what may be done here at most; 6 is read and write. Live.
    public var brokerPermission: Int
    /// `clearRetryTopicWhenDeleteTopic`: a deleted topic's retries of pops go with it. Live.
    public var clearsRetryTopics: Bool
    /// Queues of the schedule topic: one for each delay level.
    public var delayLevelCount = 18
    /// `reviveQueueNum`: queues of pop's revive topic.
    public var reviveQueueCount = 8

    init(_ values: ConfigValues) {
        servesLiteQueues = values[LiteQueueKeys.enableLmq]
        autoCreateTopicEnable = values[BrokerKeys.autoCreateTopicEnable]
        defaultTopicQueueNums = values[BrokerKeys.defaultTopicQueueNums]
        clusterTopicEnable = values[BrokerKeys.clusterTopicEnable]
        brokerTopicEnable = values[BrokerKeys.brokerTopicEnable]
        traceTopicEnable = values[BrokerKeys.traceTopicEnable]
        traceTopicName = values[BrokerKeys.msgTraceTopicName]
        brokerPermission = values[BrokerKeys.brokerPermission]
        clearsRetryTopics = values[ConsumptionKeys.clearRetryTopicWhenDeleteTopic]
    }
}

/// How groups come to be, and what clients are told.
public struct GroupSettings: Equatable, Sendable {
    /// `autoCreateSubscriptionGroup`. Live.
    public var autoCreateSubscriptionGroup: Bool
    /// `enableCreateSysGroup`: RocketMQ's own groups come to be in any case. Live.
    public var createsSystemGroups: Bool
    /// `notifyConsumerIdsChangedEnable`: groups may be told when a member comes or goes. Live.
    public var notifyConsumerIdsChangedEnable: Bool
    /// `channelExpiredTimeout`: a client that is silent this long is forgotten, milliseconds.
    public var channelExpiredMilliseconds: Int64
    /// `flushConsumerOffsetInterval`, milliseconds.
    public var flushConsumerOffsetMilliseconds: Int64
    /// `rocketmq.broker.rebalance.lockMaxLiveTime`: how long a queue stays locked without renewal, milliseconds.
    public var queueLockMilliseconds: Int64 = 60_000
    /// `useServerSideResetOffset`: offsets are reset at the broker, not by asking the consumers. Live.
    public var resetsAtServer: Bool

    init(_ values: ConfigValues) {
        autoCreateSubscriptionGroup = values[BrokerKeys.autoCreateSubscriptionGroup]
        createsSystemGroups = values[ConsumptionKeys.enableCreateSysGroup]
        notifyConsumerIdsChangedEnable = values[BrokerKeys.notifyConsumerIdsChangedEnable]
        channelExpiredMilliseconds = values[BrokerKeys.channelExpiredTimeout].milliseconds
        flushConsumerOffsetMilliseconds = values[BrokerKeys.flushConsumerOffsetInterval].milliseconds
        resetsAtServer = values[ConsumptionKeys.useServerSideResetOffset]
    }
}

/// How sends are answered.
public struct SendSettings: Equatable, Sendable {
    /// `regionId`, put into answers.
    public var regionID: String
    /// `traceOn`, put into answers.
    public var isTraceOn: Bool
    /// `startAcceptSendRequestTimeStamp`, milliseconds since 1970: sends are refused before.
    public var startAcceptTimestamp: Int64
    /// `syncFlushTimeout`, milliseconds. Live.
    public var syncFlushTimeoutMilliseconds: Int64
    /// `maxMessageSize`, bytes of body.
    public var bodyByteCountMax: Int
    /// `enableTopicMessageTypeCheck`. Live.
    public var checksMessageTypes: Bool
    /// `storeReplyMessageEnable`. Live.
    public var storesReplies: Bool
    /// `flushDelayOffsetInterval`, milliseconds.
    public var flushDelayOffsetMilliseconds: Int64

    init(_ values: ConfigValues) {
        regionID = values[BrokerKeys.regionID]
        isTraceOn = values[BrokerKeys.traceOn]
        startAcceptTimestamp = Int64(values[BrokerKeys.startAcceptSendRequestTimeStamp])
        syncFlushTimeoutMilliseconds = values[StoreKeys.syncFlushTimeout].milliseconds
        bodyByteCountMax = values[StoreKeys.maxMessageSize]
        checksMessageTypes = values[ConsumptionKeys.enableTopicMessageTypeCheck]
        storesReplies = values[ConsumptionKeys.storeReplyMessageEnable]
        flushDelayOffsetMilliseconds = values[StoreKeys.flushDelayOffsetInterval].milliseconds
    }
}

/// What pulls and queries may bring. Live, all of it.
public struct PullSettings: Equatable, Sendable {
    /// `longPollingEnable`.
    public var longPollingEnable: Bool
    /// `shortPollingTimeMills`.
    public var shortPollingMilliseconds: Int64
    /// `enablePropertyFilter`: SQL92 subscriptions are served.
    public var enablePropertyFilter: Bool
    /// `litePullMessageEnable`: lite pull consumers are served.
    public var servesLitePulls: Bool
    /// `maxTransferBytesOnMessageInMemory`.
    public var byteCountMaxInMemory: Int
    /// `maxTransferCountOnMessageInMemory`.
    public var countMaxInMemory: Int
    /// `maxTransferBytesOnMessageInDisk`.
    public var byteCountMaxOnDisk: Int
    /// `maxTransferCountOnMessageInDisk`.
    public var countMaxOnDisk: Int
    /// `maxFilterMessageSize`: bytes of consume queue one pull looks through.
    public var filterByteCountMax: Int
    /// `defaultQueryMaxNum`.
    public var queryCount: Int
    /// `maxMsgsNumBatch`.
    public var queryCountMax: Int
    /// What groups may read from the disk.
    public var cold: ColdDataLimits
    /// `dataReadAheadEnable`: more is read from the disk than was asked for.
    public var readsAhead: Bool

    init(_ values: ConfigValues) {
        longPollingEnable = values[BrokerKeys.longPollingEnable]
        shortPollingMilliseconds = values[BrokerKeys.shortPollingTimeMills].milliseconds
        enablePropertyFilter = values[BrokerKeys.enablePropertyFilter]
        servesLitePulls = values[ConsumptionKeys.litePullMessageEnable]
        byteCountMaxInMemory = values[StoreKeys.maxTransferBytesOnMessageInMemory]
        countMaxInMemory = values[StoreKeys.maxTransferCountOnMessageInMemory]
        byteCountMaxOnDisk = values[StoreKeys.maxTransferBytesOnMessageInDisk]
        countMaxOnDisk = values[StoreKeys.maxTransferCountOnMessageInDisk]
        filterByteCountMax = values[StoreKeys.maxFilterMessageSize]
        queryCount = values[StoreKeys.defaultQueryMaxNum]
        queryCountMax = values[StoreKeys.maxMsgsNumBatch]
        cold = ColdDataLimits(values)
        readsAhead = values[ColdDataKeys.dataReadAheadEnable] && !cold.isEnabled
    }
}

/// What groups may read from the disk in one window of ``ColdDataShares``. Live.
public struct ColdDataLimits: Equatable, Sendable {
    /// `coldDataFlowControlEnable`.
    public var isEnabled: Bool
    /// `cgColdReadThreshold`: one group, bytes.
    public var groupByteCount: Int64
    /// `globalColdReadThreshold`: all groups, bytes.
    public var totalByteCount: Int64

    init(_ values: ConfigValues) {
        isEnabled = values[ColdDataKeys.coldDataFlowControlEnable]
        groupByteCount = Int64(values[ColdDataKeys.cgColdReadThreshold])
        totalByteCount = Int64(values[ColdDataKeys.globalColdReadThreshold])
    }
}

/// How groups filter by expressions.
public struct FilterSettings: Equatable, Sendable {
    /// `maxErrorRateOfBloomFilter`, percent.
    public var bloomErrorPercent: Int
    /// `expectConsumerNumUseFilter`: groups that filter a topic.
    public var bloomGroupCount: Int
    /// `enableCalcFilterBitMap`: new messages tell which groups want them.
    public var isBitMapWritten: Bool
    /// `filterDataCleanTimeSpan`: how long the filter of a group that left is kept, milliseconds.
    public var deadKeptMilliseconds: Int64
    /// `filterSupportRetry`: messages of a retry topic are filtered as those of their own topic. Live.
    public var filtersRetries: Bool

    init(_ values: ConfigValues) {
        bloomErrorPercent = values[ConsumptionKeys.maxErrorRateOfBloomFilter]
        bloomGroupCount = values[ConsumptionKeys.expectConsumerNumUseFilter]
        isBitMapWritten = values[ConsumptionKeys.enableCalcFilterBitMap]
        filtersRetries = values[ConsumptionKeys.filterSupportRetry]
        deadKeptMilliseconds = values[ConsumptionKeys.filterDataCleanTimeSpan].milliseconds
    }
}

/// Bounds on what peers may cost. Not RocketMQ's: it has none.
public struct BrokerLimits: Equatable, Sendable {
    /// Topics a broker keeps; about 500 bytes each.
    public var topicsMax = 100_000
    /// Groups a broker keeps; about 500 bytes each.
    public var groupsMax = 100_000
    /// Offsets (group × topic × queue) a broker keeps; about 100 bytes each.
    public var offsetsMax = 2_000_000
    /// Largest queue number a group may commit an offset for.
    public var queueIDMax: Int32 = 65_535
    /// Memberships of clients in groups, about 500 bytes each.
    public var membersMax = 200_000
    /// Subscriptions of one group.
    public var subscriptionsMax = 5000
    /// About what the subscriptions of all groups may take in memory, bytes.
    public var subscriptionByteCountMax = 64 << 20
    /// Queues a topic may have.
    public var queuesPerTopicMax = 4096
    /// About what compiled SQL92 expressions may take in memory, bytes.
    public var expressionByteCountMax = 16 << 20
    /// About what the filters of groups, dead ones too, may take in memory, bytes.
    public var filterByteCountMax = 32 << 20
    /// Body of a heartbeat or an administrator's request, bytes.
    public var controlBodyByteCountMax = 1 << 20
    /// Java's `adminBrokerThreadPoolNums` is 16; ours wait for a disk only.
    public var adminThreads = 2

    /// Limits that fit a small machine.
    public init() {}
}

extension StoreConfig {
    init(_ values: ConfigValues, physicalMemory: UInt64) throws(BrokerConfigError) {
        self.init(root: values[StoreKeys.storePathRootDir])
        guard !root.isEmpty else { throw BrokerConfigError("storePathRootDir is empty") }
        let log = values[StoreKeys.storePathCommitLog]
        if !log.isEmpty {
            var folders = log.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            guard !folders.contains(""), Set(folders).count == folders.count else {
                throw BrokerConfigError(
                    "storePathCommitLog=\(log) is not allowed: it must be folders with commas between them, each once")
            }
            commitLogPath = folders.removeFirst()
            moreCommitLogPaths = folders
        }
        commitLogFileByteCount = values[StoreKeys.mappedFileSizeCommitLog]
        consumeQueueFileByteCount = (values[StoreKeys.mappedFileSizeConsumeQueue] + 19) / 20 * 20
        batchQueueFileByteCount = (values[FormatKeys.mapperFileSizeBatchConsumeQueue] + 45) / 46 * 46
        isExtensionWritten = values[FormatKeys.enableConsumeQueueExt]
        servesLiteQueues = values[LiteQueueKeys.enableLmq] && values[LiteQueueKeys.enableMultiDispatch]
        liteQueueCountMax = values[LiteQueueKeys.maxLmqConsumeQueueNum]
        appendsChecksum = values[FormatKeys.enabledAppendPropCRC]
        verifiesChecksum = values[FormatKeys.forceVerifyPropCRC]
        extensionFileByteCount = values[FormatKeys.mappedFileSizeConsumeQueueExt]
        indexSlotCount = values[StoreKeys.maxHashSlotNum]
        indexEntryCount = values[StoreKeys.maxIndexNum]
        isIndexEnabled = values[StoreKeys.messageIndexEnable]
        messageByteCountMax = values[StoreKeys.maxMessageSize]
        isFlushSynchronous = values[StoreKeys.flushDiskType] == .synchronous
        flushIntervalMilliseconds = values[StoreKeys.flushIntervalCommitLog].milliseconds
        flushLeastPages = values[StoreKeys.flushCommitLogLeastPages]
        flushThoroughMilliseconds = values[StoreKeys.flushCommitLogThoroughInterval].milliseconds
        isFlushTimed = values[StoreKeys.flushCommitLogTimed]
        consumeQueueFlushIntervalMilliseconds = values[StoreKeys.flushIntervalConsumeQueue].milliseconds
        consumeQueueFlushLeastPages = values[StoreKeys.flushConsumeQueueLeastPages]
        consumeQueueFlushThoroughMilliseconds = values[StoreKeys.flushConsumeQueueThoroughInterval].milliseconds
        hotByteCount = Int64(physicalMemory / 100 * UInt64(values[StoreKeys.accessMessageInMemoryMaxRatio]))
        mappedFilesMax = Self.mappedFilesMax(memory: physicalMemory)
        delayLevels = try Self.delayLevels(values[StoreKeys.messageDelayLevel])
        retention = try RetentionSettings(values)
    }

    /// Old files of the log that may stay mapped: their page tables, 2 MiB each, take 1/128 of the memory at most.
    static func mappedFilesMax(memory: UInt64) -> Int { Int(min(32, max(2, memory / (128 * 2 << 20)))) }

    /// Reads `messageDelayLevel`: numbers with `s`, `m`, `h` or `d`, blanks between; milliseconds.
    /// Source: `ScheduleMessageService.java` `parseDelayLevel`.
    static func delayLevels(_ text: String) throws(BrokerConfigError) -> [Int64] {
        var levels: [Int64] = []
        for word in text.split(separator: " ") {
            let scales: [Character: Int64] = ["s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
            guard let unit = word.last, let scale = scales[unit], let number = Int64(word.dropLast()),
                (0...366 * 86_400_000).contains(number.multipliedReportingOverflow(by: scale).partialValue),
                number < 1 << 40
            else { throw BrokerConfigError("messageDelayLevel=\(text) is not allowed: \(word) is not a time like 10s") }
            levels.append(number * scale)
        }
        guard (1...64).contains(levels.count) else {
            throw BrokerConfigError("messageDelayLevel=\(text) is not allowed: it must have 1...64 levels")
        }
        return levels
    }
}

extension RetentionSettings {
    init(_ values: ConfigValues) throws(BrokerConfigError) {
        self.init()
        deleteHours = try Self.hours(values[RetentionKeys.deleteWhen])
        reservedMilliseconds = Int64(values[RetentionKeys.fileReservedTime]) * 3_600_000
        intervalMilliseconds = values[RetentionKeys.cleanResourceInterval].milliseconds
        maxUsedPercent = values[RetentionKeys.diskMaxUsedSpaceRatio]
        cleanForciblyPercent = values[RetentionKeys.diskSpaceCleanForciblyRatio]
        warningPercent = values[RetentionKeys.diskSpaceWarningLevelRatio]
        isForciblyEnabled = values[RetentionKeys.cleanFileForciblyEnable]
        fileBatchMax = values[RetentionKeys.deleteFileBatchMax]
        fileIntervalMilliseconds = values[RetentionKeys.deleteCommitLogFilesInterval].milliseconds
        queueFileIntervalMilliseconds = values[RetentionKeys.deleteConsumeQueueFilesInterval].milliseconds
        readerMilliseconds = values[RetentionKeys.destroyMapedFileIntervalForcibly].milliseconds
        retryMilliseconds = values[RetentionKeys.redeleteHangedFileInterval].milliseconds
    }

    /// Reads `deleteWhen`: hours of the day, `;` between. Source: `UtilAll.java` `isItTimeToDo`.
    private static func hours(_ text: String) throws(BrokerConfigError) -> Set<Int> {
        var hours: Set<Int> = []
        for word in text.split(separator: ";") {
            guard let hour = Int(word.filter { $0 != " " }), (0...23).contains(hour) else {
                throw BrokerConfigError(
                    "deleteWhen=\(text) is not allowed: \(word) is not an hour of the day, 00 to 23")
            }
            hours.insert(hour)
        }
        guard !hours.isEmpty else { throw BrokerConfigError("deleteWhen=\(text) is not allowed: it names no hour") }
        return hours
    }
}
