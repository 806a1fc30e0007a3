/// Keys of RocketMQ that are known and accepted but have no effect yet: `name[*] kind default`, see
/// ``ConfigDeclaration/init(notYet:)``. A key that becomes supported moves to the typed keys beside this file.
///
/// Source: the classes named, RocketMQ 5.3 (defaults of its development branch).
enum NotYetKeys {
    /// `BrokerConfig`, `BrokerIdentity`.
    static let broker = """
        accountStatsEnable bool true
        accountStatsPrintZeroValues bool true
        ackMessageThreadPoolNums int 16
        aclEnable* bool false
        adminBrokerThreadPoolNums int 16
        allowRecallWhenBrokerNotWriteable bool true
        appendAckAsync bool false
        appendCkAsync bool false
        asyncSendEnable bool true
        autoDeleteUnusedStats bool true
        broadcastOffsetExpireMaxSecond int 300
        broadcastOffsetExpireSecond int 120
        brokerConfigPath text
        brokerElectionPriority int 2147483647
        brokerHeartbeatInterval int 1000
        brokerNotActiveTimeoutMillis int 10000
        checkSyncStateSetPeriod int 5000
        cleanOfflineBrokerInterval int 30000
        clientManagerThreadPoolQueueCapacity int 1000000
        clientManageThreadPoolNums int 32
        coldCtrStrategyEnable bool false
        commercialBaseCount int 1
        commercialSizePerMsg int 4096
        compatibleWithOldNameSrv bool true
        configManagerVersion text v1
        consumerFallbehindThreshold int 17179869184
        consumerManagerThreadPoolQueueCapacity int 1000000
        consumerManageThreadPoolNums int 32
        consumerOffsetUpdateVersionStep int 500
        controllerAddr text
        controllerHeartBeatTimeoutMills int 10000
        delayOffsetUpdateVersionStep int 200
        disableConsumeIfConsumerReadSlowly bool false
        enableBroadcastOffsetStore bool true
        enableConnectionMetrics bool true
        enableControllerMode bool false
        enableDetailStat bool true
        enableFastChannelEventProcess bool false
        enableLagAndDlqMetrics bool true
        enableLmqStats bool false
        enableMessageStoreMetrics bool true
        enableMixedMessageType bool false
        enableNetWorkFlowControl bool false
        enableNotifyAfterPopOrderLockRelease bool true
        enableNotifyBeforePopCalculateLag bool true
        enablePopBatchAck bool false
        enablePopBufferMerge bool false
        enablePopLog bool false
        enablePopMetrics bool true
        enableRegisterProducer bool true
        enableRemoteEscape bool false
        enableRemotingMetrics bool true
        enableRequestMetrics bool true
        enableSingleTopicRegister bool false
        enableSkipLongAwaitingAck bool false
        enableSlaveActingMaster bool false
        enableSplitMetadata bool true
        enableSplitRegistration bool false
        enableStatsMetrics bool true
        enableTransactionMetrics bool true
        endTransactionThreadPoolNums int cpu(2,8,max)
        estimateAccumulation bool true
        fetchControllerAddrByDnsLookup bool false
        fetchNamesrvAddrByAddressServer* bool false
        fetchNameSrvAddrByDnsLookup* bool false
        fetchNamesrvAddrInterval int 10000
        flushConsumerOffsetHistoryInterval int 60000
        forceRegister bool true
        forwardTimeout int 3000
        heartbeatThreadPoolNums int cpu(1,0,32)
        heartbeatThreadPoolQueueCapacity int 50000
        highSpeedMode bool false
        isBrokerContainer bool false
        isInBrokerContainer bool false
        isolateLogEnable bool false
        litePullMessageThreadPoolNums int cpu(2,16,max)
        loadBalancePollNameServerInterval int 30000
        loadBalanceProcessorThreadPoolNums int 32
        loadBalanceThreadPoolQueueCapacity int 100000
        lockInStrictMode bool false
        maxStatsIdleTimeInMinutes int -1
        messageStorePlugIn text
        metricGrpcExporterIntervalInMills int 60000
        metricGrpcExporterTimeOutInMills int 3000
        metricLoggingExporterIntervalInMills int 10000
        metricsExporterType text DISABLE
        metricsGrpcExporterHeader text
        metricsGrpcExporterTarget text
        metricsInDelta bool false
        metricsLabel text
        metricsOtelCardinalityLimit int 50000
        metricsPromExporterHost text
        metricsPromExporterPort int 5557
        popCkMaxBufferSize int 200000
        popCkOffsetMaxQueueSize int 20000
        popCkStayBufferTime int 10000
        popCkStayBufferTimeOut int 3000
        popConsumerFSServiceInit bool true
        popConsumerKVServiceEnable bool false
        popConsumerKVServiceInit bool false
        popConsumerKVServiceLog bool false
        popLongPollingForceNotifyInterval int 800
        popPollingMapExpireTimeSeconds int 600
        popPollingMapSize int 100000
        popReviveMaxAttemptTimes int 16
        popReviveMaxReturnSizePerRead int 16384
        printChannelGroups bool false
        printChannelGroupsMinNum int 5
        processReplyMessageThreadPoolNums int cpu(2,16,max)
        pullMessageThreadPoolNums int cpu(2,16,max)
        putMessageFutureThreadPoolNums int cpu(1,0,4)
        putThreadPoolQueueCapacity int 10000
        queryMessageThreadPoolNums int cpu(1,8,max)
        realTimeNotifyConsumerChange bool true
        recoverConcurrently* bool false
        recoverThreadPoolNums int 32
        registerBrokerTimeoutMills int 24000
        rejectPullConsumerEnable bool false
        replyThreadPoolQueueCapacity int 10000
        reviveAckWaitMs int 180000
        reviveInterval int 1000
        reviveMaxSlow int 3
        reviveScanTime int 10000
        sendHeartbeatTimeoutMillis int 1000
        sendMessageThreadPoolNums int cpu(1,0,4)
        skipPreOnline bool false
        skipWhenCKRePutReachMaxTimes bool false
        slaveReadEnable bool false
        splitMetadataSize int 2000
        splitRegistrationSize int 800
        subscriptionExpiredTimeout int 600000
        syncBrokerMemberGroupPeriod int 1000
        syncBrokerMetadataPeriod int 5000
        syncControllerMetadataPeriod int 10000
        transactionMetricFlushInterval int 10000
        transferMsgByHeap bool true
        updateNameServerAddrPeriod int 120000
        usePIDColdCtrStrategy bool true
        useStaticSubscription bool false
        validateSystemTopicWhenUpdateTopic bool true
        waitTimeMillsInAckQueue int 3000
        waitTimeMillsInHeartbeatQueue int 31000
        """

    /// `MessageStoreConfig`.
    static let store = """
        accessMessageInMemoryHotRatio int 26
        allAckInSyncStateSet* bool false
        asyncLearner bool false
        autoMessageVersionOnTopicLen bool true
        batchDispatchRequestThreadPoolNums int 16
        bitMapLengthConsumeQueueExt int 64
        bottomMostCompressionTypeForConsumeQueueStore text zstd
        checkCRCOnRecover bool true
        cleanRocksDBDirtyCQIntervalMin int 60
        cleanSwapedMapInterval int 300000
        coldDataScanEnable bool false
        combineAssignOffsetCQType text default
        combineCQEnableCheckSelf bool false
        combineCQLoadingCQTypes text default;defaultRocksDB
        combineCQMaxExtraSearchCommitLogFiles int 3
        combineCQPreferCQType text default
        commitCommitLogLeastPages int 4
        commitCommitLogThoroughInterval int 200
        commitIntervalCommitLog* int 200
        commitLogForceSwapMapInterval int 43200000
        commitLogSwapMapInterval int 3600000
        commitLogSwapMapReserveFileNum int 100
        compactionCqMappedFileSize int 10485760
        compactionMappedFileSize int 104857600
        compactionThreadNum int 6
        correctLogicMinOffsetForceInterval int 300000
        correctLogicMinOffsetSleepInterval int 1
        debugLockEnable bool false
        disappearTimeAfterStart* int -1
        diskFallRecorded bool true
        dispatchCqCacheNum int 4096
        dispatchCqThreads int 10
        dispatchFromSenderThread* bool false
        dLegerGroup text
        dLegerPeers text
        dLegerSelfId text
        duplicationEnable bool false
        enableAcceleratedRecovery bool false
        enableAsyncReput bool true
        enableAutoInSyncReplicas* bool false
        enableBatchPush bool false
        enableBuildConsumeQueueConcurrently bool false
        enableCleanExpiredOffset* bool false
        enableDLegerCommitLog bool false
        enableLogConsumeQueueRepeatedlyBuildWhenRecover bool false
        enableRocksDBLog bool false
        enableRunningFlagsInFlush* bool false
        enableScheduleAsyncDeliver bool false
        enableScheduleMessageStats bool true
        fastFailIfNoBufferInStorePool bool false
        flushLeastPagesWhenWarmMapedFile int 4096
        haFlowControlEnable* bool false
        haHousekeepingInterval int 20000
        haListenPort int 10912
        haMasterAddress* text
        haMaxGapNotInSync int 268435456
        haMaxTimeSlaveNotCatchup int 15000
        haSendHeartbeatInterval int 5000
        haTransferBatchSize int 32768
        inSyncReplicas* int 1
        logicalDiskSpaceCleanForciblyThreshold double 0.8
        logicQueueForceSwapMapInterval int 43200000
        logicQueueSwapMapInterval int 3600000
        logicQueueSwapMapReserveFileNum int 20
        mappedFileSwapEnable bool true
        maxAsyncPutMessageRequests int 5000
        maxBatchDeleteFilesNum int 50
        maxChecksumRange int 1073741824
        maxConsumeQueueScan int 20000
        maxHaTransferByteInSecond int 104857600
        maxRecoveryCommitlogFiles int 30
        maxSlaveResendLength int 268435456
        maxTopicLength int 127
        memTableFlushIntervalMs int 3600000
        messageIndexSafe* bool false
        minInSyncReplicas* int 1
        offsetCheckInSlave bool false
        preferredLeaderId text
        pullBatchMaxMessageCount int 160
        putConsumeQueueDataByFileChannel bool true
        putMessageTimeout int 8000
        putMsgIndexHightWater int 600000
        readOnlyCommitLogStorePaths text
        readUnCommitted bool false
        realTimePersistRocksDBConfig bool true
        recheckReputOffsetFromCq bool false
        replicasPerDiskPartition int 1
        rocksdbCompressionType text lz4
        rocksdbCQDoubleWriteEnable bool false
        rocksdbFlushWalFrequency int 1024
        rocksdbWalFileRollingThreshold int 1073741824
        sampleCountThreshold int 5000
        sampleSteps int 32
        scheduleAsyncDeliverMaxPendingLimit int 2000
        scheduleAsyncDeliverMaxResendNum2Blocked int 3
        searchBcqByCacheEnable bool true
        slaveTimeout int 3000
        spinLockCollisionRetreatOptimalDegree int 1000
        statRocksDBCQIntervalSec int 10
        storePathBrokerIdentity* text
        storePathDLedgerCommitLog* text
        storePathEpochFile* text
        storeType* text default
        syncFromLastFile bool false
        syncMasterFlushOffsetWhenStartup bool false
        timerCheckMetricsWhen text 05
        timerColdDataCheckIntervalMs int 60000
        timerEnableCheckMetrics bool true
        timerEnableDisruptor bool false
        timerEnableRetryUntilSuccess bool false
        timerGetMessageThreadNum int 3
        timerInterceptDelayLevel bool false
        timerMetricSmallThreshold int 1000000
        timerProgressLogIntervalMs int 10000
        timerPutMessageThreadNum int 3
        timerSkipUnknownError bool false
        timerStopDequeue bool false
        timerStopEnqueue bool false
        timerWarmEnable bool false
        topicQueueLockNum int 32
        totalReplicas* int 1
        transientStorePoolEnable* bool false
        transientStorePoolSize int 5
        travelCqFileNumWhenGetMessage int 1
        useABSLock bool false
        useReentrantLockWhenPutMessage bool true
        wakeCommitWhenPutMessage* bool true
        wakeFlushWhenPutMessage* bool false
        warmMapedFileEnable bool false
        writeWithoutMmap* bool false
        """

    /// `NettyServerConfig`, `NettySystemConfig`.
    static let server = """
        enableShutdownGracefully bool false
        serverAsyncSemaphoreValue int 64
        serverCallbackExecutorThreads int 0
        serverNettyWorkerGroupEnable bool true
        serverOnewaySemaphoreValue int 256
        serverPooledByteBufAllocatorEnable bool true
        serverSocketBacklog int 1024
        serverSocketRcvBufSize int 0
        serverSocketSndBufSize int 0
        serverWorkerThreads int 8
        shutdownWaitTimeSeconds int 30
        useEpollNativeSelector bool false
        useTLS bool false
        writeBufferHighWaterMark int 0
        writeBufferLowWaterMark int 0
        """

    /// `NettyClientConfig`.
    static let client = """
        channelNotActiveInterval int 60000
        clientAsyncSemaphoreValue int 65535
        clientCallbackExecutorThreads int cpu(1,0,max)
        clientChannelMaxIdleTimeSeconds int 120
        clientCloseSocketIfTimeout bool true
        clientOnewaySemaphoreValue int 65535
        clientPooledByteBufAllocatorEnable bool false
        clientSocketRcvBufSize int 0
        clientSocketSndBufSize int 0
        clientWorkerThreads int 4
        connectTimeoutMillis int 3000
        disableCallbackExecutor bool false
        disableNettyWorkerGroup bool false
        enableReconnectForGoAway bool true
        isScanAvailableNameSrv bool true
        maxReconnectIntervalTimeSeconds int 60
        socksProxyConfig text {}
        """

    /// `AuthConfig`.
    static let auth = """
        aclCacheExpiredSecond int 600
        aclCacheMaxNum int 1000
        aclCacheRefreshSecond int 60
        authConfigPath text
        authenticationEnabled bool false
        authenticationMetadataProvider text
        authenticationProvider text
        authenticationStrategy text
        authenticationWhitelist text
        authorizationEnabled bool false
        authorizationMetadataProvider text
        authorizationProvider text
        authorizationStrategy text
        authorizationWhitelist text
        initAuthenticationUser text
        innerClientAuthenticationCredentials text
        migrateAuthFromV1Enabled bool false
        statefulAuthenticationCacheExpiredSecond int 60
        statefulAuthenticationCacheMaxNum int 10000
        statefulAuthorizationCacheExpiredSecond int 60
        statefulAuthorizationCacheMaxNum int 10000
        userCacheExpiredSecond int 600
        userCacheMaxNum int 1000
        userCacheRefreshSecond int 60
        """

    /// `NamesrvConfig`.
    static let nameServer = """
        clientRequestThreadPoolNums int 8
        clientRequestThreadPoolQueueCapacity int 50000
        clusterTest bool false
        defaultThreadPoolNums int 16
        defaultThreadPoolQueueCapacity int 10000
        enableControllerInNamesrv bool false
        notifyMinBrokerIdChanged bool false
        unRegisterBrokerQueueCapacity int 3000
        """
}
