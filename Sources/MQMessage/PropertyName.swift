import MQBytes

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
    /// Names a request; its reply has it too.
    @inlinable public static var correlationID: StaticString { "CORRELATION_ID" }
    /// The client id that waits for a reply.
    @inlinable public static var replyToClient: StaticString { "REPLY_TO_CLIENT" }
    /// How long it waits, ms.
    @inlinable public static var timeToLive: StaticString { "TTL" }
    /// `reply` for a reply.
    @inlinable public static var messageType: StaticString { "MSG_TYPE" }
    /// When the broker pushed a reply on, ms since 1970.
    @inlinable public static var pushReplyTime: StaticString { "PUSH_REPLY_TIME" }
    /// When a reply came, ms since 1970.
    @inlinable public static var arriveTime: StaticString { "ARRIVE_TIME" }
    /// Queues that a message is also put into, with commas between.
    @inlinable public static var innerMultiDispatch: StaticString { "INNER_MULTI_DISPATCH" }
    /// Its offsets there, with commas between.
    @inlinable public static var innerMultiQueueOffset: StaticString { "INNER_MULTI_QUEUE_OFFSET" }
    /// Messages with equal ones keep their order.
    @inlinable public static var shardingKey: StaticString { "__SHARDINGKEY" }
    /// Delay in seconds.
    @inlinable public static var timerDelaySeconds: StaticString { "TIMER_DELAY_SEC" }
    /// Delay in ms.
    @inlinable public static var timerDelayMilliseconds: StaticString { "TIMER_DELAY_MS" }
    /// When it is due, ms since 1970.
    @inlinable public static var timerDeliverMilliseconds: StaticString { "TIMER_DELIVER_MS" }
    /// The id of a transaction: the unique key of its message.
    @inlinable public static var transactionID: StaticString { "__transactionId__" }
    /// How often the producer of a half message was asked what became of it.
    @inlinable public static var transactionCheckTimes: StaticString { "TRANSACTION_CHECK_TIMES" }
    /// Where a half message was when it came first, in its queue.
    @inlinable public static var transactionPreparedOffset: StaticString { "TRAN_PREPARED_QUEUE_OFFSET" }
    /// How old a half message must be before its producer is asked, in seconds.
    @inlinable public static var checkImmunitySeconds: StaticString { "CHECK_IMMUNITY_TIME_IN_SECONDS" }

    /// Whether brokers write `name` into half messages themselves: what a producer says there does not count.
    public static func isOfHalfMessages(_ name: Span<UInt8>) -> Bool {
        name.equals(transactionID) || name.equals(transactionCheckTimes) || name.equals(transactionPreparedOffset)
    }
    /// The slot it waits in, ms since 1970: set by the broker.
    @inlinable public static var timerOut: StaticString { "TIMER_OUT_MS" }
    /// When it was put into the timer, ms since 1970; the largest number if it never was.
    @inlinable public static var timerEnqueue: StaticString { "TIMER_ENQUEUE_MS" }
    /// When it was delivered or put in again, ms since 1970.
    @inlinable public static var timerDequeue: StaticString { "TIMER_DEQUEUE_MS" }
    /// How often it was put in again.
    @inlinable public static var timerRollTimes: StaticString { "TIMER_ROLL_TIMES" }
    /// The message it takes back: real topic, `+`, unique key.
    @inlinable public static var timerDeleteUniqueKey: StaticString { "TIMER_DEL_UNIQKEY" }
}
