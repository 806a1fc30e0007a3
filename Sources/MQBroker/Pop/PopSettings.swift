public import MQConfig

/// How messages are popped. Live, but for the number of revive queues.
public struct PopSettings: Equatable, Sendable {
    /// `enableRetryTopicV2`: what comes again goes to `%RETRY%<group>+<topic>`.
    public var usesRetryTopicV2: Bool
    /// `retrieveMessageFromPopRetryTopicV1`: with ``usesRetryTopicV2``, the older retry topic is read too.
    public var readsRetryTopicV1: Bool
    /// `popFromRetryProbability`: in how many of 100 pops the retry topic comes first.
    public var retryFirstPercent: Int
    /// `popInflightMessageThreshold`, if `enablePopMessageThreshold`: messages of a queue that may be on their way.
    public var openMax: Int
    /// `popPollingSize`: pops of one group and queue that wait at a loop.
    public var pollersMax: Int
    /// `maxPopPollingSize`: pops that wait at a loop.
    public var allPollersMax: Int
    /// `initPopOffsetByCheckMsgInMem`: a group that begins at a queue's end begins at its start while all of it is recent.
    public var beginsAtStartIfRecent: Bool
    /// `popResponseReturnActualRetryTopic`: messages of a retry topic are sent as they are.
    public var sendsActualRetryTopic: Bool
    /// `reviveQueueNum`: numbers that handles carry.
    public var reviveQueueCount: Int
    /// `defaultMessageRequestMode`.
    public var defaultMode: MessageRequestMode
    /// `defaultPopShareQueueNum`.
    public var defaultShareCount: Int
    /// `serverLoadBalancerEnable`: QUERY_ASSIGNMENT shares out queues; otherwise everybody gets all.
    public var sharesOutQueues: Bool

    init(_ values: ConfigValues) {
        usesRetryTopicV2 = values[PopKeys.enableRetryTopicV2]
        readsRetryTopicV1 = values[PopKeys.retrieveMessageFromPopRetryTopicV1]
        retryFirstPercent = values[PopKeys.popFromRetryProbability]
        openMax = values[PopKeys.enablePopMessageThreshold] ? values[PopKeys.popInflightMessageThreshold] : .max
        pollersMax = values[PopKeys.popPollingSize]
        allPollersMax = values[PopKeys.maxPopPollingSize]
        beginsAtStartIfRecent = values[PopKeys.initPopOffsetByCheckMsgInMem]
        sendsActualRetryTopic = values[PopKeys.popResponseReturnActualRetryTopic]
        reviveQueueCount = values[PopKeys.reviveQueueNum]
        defaultMode = values[PopKeys.defaultMessageRequestMode]
        defaultShareCount = values[PopKeys.defaultPopShareQueueNum]
        sharesOutQueues = values[PopKeys.serverLoadBalancerEnable]
    }

    /// The retry topics that a pop reads beside its own: the one that is written first.
    var retryKinds: [PopTopicKind] {
        guard usesRetryTopicV2 else { return [.retryV1] }
        return readsRetryTopicV1 ? [.retryV2, .retryV1] : [.retryV2]
    }
}
