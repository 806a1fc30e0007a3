public import MQProtocol

extension LitePullConsumer {
    /// How it works. RocketMQ's defaults.
    public struct Options: Sendable {
        /// Who of the group gets a message; for subscriptions.
        public var messageModel = MessageModel.clustering
        /// Where a group without progress begins.
        public var consumeFromWhere = ConsumeFromWhere.lastOffset
        /// For `.timestamp`: milliseconds since 1970; `nil` is half an hour before the start.
        public var consumeTimestamp: Int64?
        /// How members share the queues; all of a group must agree.
        public var allocation = QueueAllocation.average
        /// Messages fetched at once, and handed out by one poll at most.
        public var pullBatchSize = 10
        /// Bytes fetched at once.
        public var pullBatchByteCount = 256 << 10
        /// Messages fetched and not polled yet, of all queues.
        public var messagesMax = 10_000
        /// Those of one queue.
        public var messagesPerQueueMax = 1000
        /// The bytes of those of one queue.
        public var bytesPerQueueMax = 100 << 20
        /// Offsets between the first and the last message of one queue that are not polled yet.
        public var spanMax: Int64 = 2000
        /// Whether progress is committed by itself.
        public var commitsItself = true
        /// How often.
        public var commitInterval: Duration = .seconds(5)
        /// How long a poll waits if there is nothing.
        public var pollTimeout: Duration = .seconds(5)
        /// How long a broker keeps a fetch that finds nothing.
        public var pullSuspend: Duration = .seconds(20)
        /// How often the queues are shared out again without being asked.
        public var rebalanceInterval: Duration = .seconds(20)

        /// RocketMQ's defaults.
        public init() {}
    }
}
