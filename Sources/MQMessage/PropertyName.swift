/// Property names that the system gives meaning to. Source: `MessageConst.java`, RocketMQ 5.3.
public enum PropertyName {
    /// Words the message is found by, separated by blanks.
    public static let keys: StaticString = "KEYS"
    /// What consumers filter by.
    public static let tags: StaticString = "TAGS"
    /// `false`: the sender does not wait for the disk.
    public static let wait: StaticString = "WAIT"
    /// The delay level.
    public static let delay: StaticString = "DELAY"
    /// The topic a message was first sent to, when it is consumed again.
    public static let retryTopic: StaticString = "RETRY_TOPIC"
    /// Where a waiting message belongs.
    public static let realTopic: StaticString = "REAL_TOPIC"
    /// The queue a waiting message belongs to.
    public static let realQueueID: StaticString = "REAL_QID"
    /// `true`: a half message.
    public static let transactionPrepared: StaticString = "TRAN_MSG"
    /// Whom to ask about a half message.
    public static let producerGroup: StaticString = "PGROUP"
    /// The queue's first offset, as consumers see it.
    public static let minOffset: StaticString = "MIN_OFFSET"
    /// The queue's end, as consumers see it.
    public static let maxOffset: StaticString = "MAX_OFFSET"
    /// The id of the message that was sent back.
    public static let originMessageID: StaticString = "ORIGIN_MESSAGE_ID"
    /// How often it was consumed.
    public static let reconsumeTime: StaticString = "RECONSUME_TIME"
    /// Where it was stored.
    public static let messageRegion: StaticString = "MSG_REGION"
    /// Whether it is traced.
    public static let traceOn: StaticString = "TRACE_ON"
    /// The id that the client made.
    public static let uniqueKey: StaticString = "UNIQ_KEY"
    /// How often it may be consumed before it is a dead letter.
    public static let maxReconsumeTimes: StaticString = "MAX_RECONSUME_TIMES"
    /// When a consumer began with it, ms.
    public static let consumeStartTime: StaticString = "CONSUME_START_TIME"
    /// How many messages an inner batch holds.
    public static let innerNumber: StaticString = "INNER_NUM"
    /// The cluster it was stored in.
    public static let cluster: StaticString = "CLUSTER"
    /// The check point of a popped message.
    public static let popCheckPoint: StaticString = "POP_CK"
    /// Delay in seconds.
    public static let timerDelaySeconds: StaticString = "TIMER_DELAY_SEC"
    /// Delay in ms.
    public static let timerDelayMilliseconds: StaticString = "TIMER_DELAY_MS"
    /// When it is due, ms since 1970.
    public static let timerDeliverMilliseconds: StaticString = "TIMER_DELIVER_MS"
}
