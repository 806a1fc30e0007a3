public import MQProtocol

/// What a handler says of a message.
public enum ConsumeOutcome: Equatable, Sendable {
    /// Done: the group will not see it again.
    case success
    /// Hand it out again later: in order, in its place after ``ConsumerOptions/suspendCurrentQueue``. In broadcasting mode it is given up instead.
    /// - Parameter delayLevel: 0 lets the broker choose by the number of tries, 1…18 is that level of
    ///   `messageDelayLevel`, below 0 sends it to the dead letter topic at once.
    case later(delayLevel: Int = 0)
}

/// Where a handler runs.
public struct ConsumeContext: Sendable {
    /// The queue the message is from.
    public let queue: MessageQueue
    /// 1…`handlersMax`.
    public let workerNumber: Int
    /// As Java names its threads: `ConsumeMessageThread_<group>_<number>`.
    public let workerName: String
}

/// Handles one message. Throwing means ``ConsumeOutcome/later(delayLevel:)`` with level 0.
public typealias MessageHandler = @Sendable (MessageExt, ConsumeContext) async throws -> ConsumeOutcome

/// Who says which queues a consumer has.
public enum AssignmentSource: Sendable {
    /// The members of the group among themselves, by ``ConsumerOptions/allocation``; each pulls.
    case members
    /// The broker, as `mqadmin setConsumeMode` tells it for topic and group. It may let consumers pop: then members share
    /// queues, the broker keeps the books of each message, and one that is not finished within ``PopOptions/invisibleTime`` comes
    /// again, perhaps elsewhere. Needs RocketMQ 5 or Apus; from others the members take over. Not in order, not broadcasting.
    case broker
}

/// How a consumer pops, where the broker lets it. RocketMQ's defaults.
public struct PopOptions: Sendable {
    /// How long a message is this consumer's alone: its handler has so long. 5 seconds to 5 minutes in RocketMQ.
    public var invisibleTime: Duration = .seconds(60)
    /// Messages asked for in one pop: 32 at most.
    public var batchSize = 32
    /// Messages of one assignment that are popped and not finished before popping stops.
    public var messagesMax = 96

    /// RocketMQ's defaults.
    public init() {}
}

/// How a push consumer works. RocketMQ's defaults.
public struct ConsumerOptions: Sendable {
    /// Who of the group gets a message.
    public var messageModel = MessageModel.clustering
    /// Where a group without progress begins: at the end, at the start, or at ``consumeTimestamp``.
    public var consumeFromWhere = ConsumeFromWhere.lastOffset
    /// For `.timestamp`: milliseconds since 1970; `nil` is half an hour before the start.
    public var consumeTimestamp: Int64?
    /// How members share the queues; all of a group must agree. In clustering mode.
    public var allocation = QueueAllocation.average
    /// Who shares them out.
    public var assignment = AssignmentSource.members
    /// How it pops, where ``assignment`` is the broker's and the broker says so.
    public var pop = PopOptions()
    /// Tells the trace topic of each message; `nil` does not.
    public var trace: TraceOptions?
    /// Handlers that run at the same time.
    public var handlersMax = 20
    /// Messages asked for in one pull.
    public var pullBatchSize = 32
    /// Bytes asked for in one pull.
    public var pullBatchByteCount = 256 << 10
    /// Messages of one queue that are pulled and not finished before pulling stops.
    public var messagesPerQueueMax = 1000
    /// Bytes of one queue that are pulled and not finished before pulling stops.
    public var bytesPerQueueMax = 100 << 20
    /// Tries before a message goes to the dead letter topic; -1 is 16, or without end in order.
    public var maxReconsumeTimes = -1
    /// Hands out each queue's messages one after the other, in the order they were stored, however often one fails: it is
    /// tried again in its place, and what is behind it waits. In clustering mode the queue is locked at its broker.
    public var isOrderly = false
    /// In order: how long a queue waits before a message that failed is tried again.
    public var suspendCurrentQueue: Duration = .seconds(1)
    /// In order: how often locks are renewed. The broker keeps one for a minute, half of which it counts here.
    public var lockInterval: Duration = .seconds(20)
    /// How long a broker keeps a pull that finds nothing.
    public var pullSuspend: Duration = .seconds(15)
    /// How often the queues are shared out again without being asked.
    public var rebalanceInterval: Duration = .seconds(20)
    /// How often progress is committed.
    public var commitInterval: Duration = .seconds(5)
    /// How long a shutdown waits for handlers that run.
    public var shutdownWait: Duration = .seconds(30)

    /// RocketMQ's defaults.
    public init() {}

    /// ``maxReconsumeTimes`` as a number.
    var reconsumeTimesMax: Int { maxReconsumeTimes >= 0 ? maxReconsumeTimes : isOrderly ? Int(Int32.max) : 16 }
}
