/// Property names that the system gives meaning to. Source: `MessageConst.java`, RocketMQ 5.3.
public enum PropertyName {
    /// Words the message is found by, separated by blanks.
    @inlinable public static var keys: StaticString { "KEYS" }
    /// What consumers filter by.
    @inlinable public static var tags: StaticString { "TAGS" }
    /// `false`: the sender does not wait for the disk.
    @inlinable public static var wait: StaticString { "WAIT" }
    /// The delay level.
    @inlinable public static var delay: StaticString { "DELAY" }
    /// The topic a message was first sent to, when it is consumed again.
    @inlinable public static var retryTopic: StaticString { "RETRY_TOPIC" }
    /// Where a waiting message belongs.
    @inlinable public static var realTopic: StaticString { "REAL_TOPIC" }
    /// The queue a waiting message belongs to.
    @inlinable public static var realQueueID: StaticString { "REAL_QID" }
    /// `true`: a half message.
    @inlinable public static var transactionPrepared: StaticString { "TRAN_MSG" }
    /// Whom to ask about a half message.
    @inlinable public static var producerGroup: StaticString { "PGROUP" }
    /// The queue's first offset, as consumers see it.
    @inlinable public static var minOffset: StaticString { "MIN_OFFSET" }
    /// The queue's end, as consumers see it.
    @inlinable public static var maxOffset: StaticString { "MAX_OFFSET" }
    /// The id of the message that was sent back.
    @inlinable public static var originMessageID: StaticString { "ORIGIN_MESSAGE_ID" }
    /// How often it was consumed.
    @inlinable public static var reconsumeTime: StaticString { "RECONSUME_TIME" }
    /// Where it was stored.
    @inlinable public static var messageRegion: StaticString { "MSG_REGION" }
    /// Whether it is traced.
    @inlinable public static var traceOn: StaticString { "TRACE_ON" }
    /// The id that the client made.
    @inlinable public static var uniqueKey: StaticString { "UNIQ_KEY" }
    /// How often it may be consumed before it is a dead letter.
    @inlinable public static var maxReconsumeTimes: StaticString { "MAX_RECONSUME_TIMES" }
    /// When a consumer began with it, ms.
    @inlinable public static var consumeStartTime: StaticString { "CONSUME_START_TIME" }
    /// How many messages an inner batch holds.
    @inlinable public static var innerNumber: StaticString { "INNER_NUM" }
    /// The queue offset of an inner batch's first message; the broker writes it.
    @inlinable public static var innerBase: StaticString { "INNER_BASE" }
    /// The cluster it was stored in.
    @inlinable public static var cluster: StaticString { "CLUSTER" }
    /// The check point of a popped message.
    @inlinable public static var popCheckPoint: StaticString { "POP_CK" }
    /// Delay in seconds.
    @inlinable public static var timerDelaySeconds: StaticString { "TIMER_DELAY_SEC" }
    /// Delay in ms.
    @inlinable public static var timerDelayMilliseconds: StaticString { "TIMER_DELAY_MS" }
    /// When it is due, ms since 1970.
    @inlinable public static var timerDeliverMilliseconds: StaticString { "TIMER_DELIVER_MS" }
}
