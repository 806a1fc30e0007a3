import MQBytes
import MQProtocol
import MQRemoting
import MQStore
import MQTransport

/// A topic as the data plane needs it: looked up by the name's bytes, with its queues at hand.
final class TopicRoute {
    let config: TopicConfig
    let name: String
    let bytes: [UInt8]
    let isRetry: Bool
    /// Only the broker itself writes to it.
    let isReserved: Bool
    /// What `perm` says of consumers.
    let isReadable: Bool
    /// What pulls need of `config`, which is too large to be copied for each.
    let readQueueCount: Int
    let topicSysFlag: Int
    /// Its queues hold batches (`queue.type=BatchCQ`).
    let hasBatchQueues: Bool
    /// The one kind of messages it takes; `nil` takes all.
    let messageType: TopicMessageType?
    /// Only the last message of each key is kept.
    let isCompacted: Bool
    /// It is a lite queue.
    let isLite: Bool
    /// What comes in for it.
    let stats: TopicStats
    /// What was staged for it in this wake-up and is not stored yet. The batch's.
    var uncounted = StatsTotals()
    private let store: MessageStore
    private let liteRoom: LiteQueueRoom
    private var queues: [ConsumeQueue?]

    init(_ config: TopicConfig, store: MessageStore, stats: TopicStats, liteRoom: LiteQueueRoom) {
        self.liteRoom = liteRoom
        self.stats = stats
        self.config = config
        name = config.topicName
        bytes = Array(name.utf8)
        isRetry = name.hasPrefix("%RETRY%")
        isReserved = SystemTopics.notSendable.contains(name)
        isCompacted = config.isCompacted
        isLite = LiteQueue.isName(name)
        isReadable = config.perm.contains(.read)
        readQueueCount = config.readQueueNums
        topicSysFlag = config.topicSysFlag
        hasBatchQueues = config.holdsBatches
        messageType = config.attributes["message.type"].flatMap { TopicMessageType(rawValue: $0) }
        self.store = store
        queues = Array(repeating: nil, count: max(config.readQueueNums, config.writeQueueNums, 1))
    }

    /// The queue, made in memory if it was never used.
    /// - Precondition: the id is below the topic's queue count.
    func queue(_ queueID: Int) -> ConsumeQueue {
        if let queue = queues[queueID] { return queue }
        let queue = store.queue(name, queueID)
        queues[queueID] = queue
        return queue
    }

    /// As ``queue(_:)``, for a message that will be written there.
    /// - Throws: `systemBusy` when it would be one queue too many: each costs about a kilobyte of memory.
    func writableQueue(_ queueID: Int) throws(Refusal) -> ConsumeQueue {
        if let queue = queues[queueID] { return queue }
        guard store.existingQueue(name, queueID) != nil || store.hasRoomForQueue else {
            throw Refusal(
                .systemBusy,
                "this broker keeps at most \(store.config.queueCountMax) queues")
        }
        if isLite, store.existingQueue(name, queueID) == nil, !store.hasRoomForLiteQueue {
            throw .tooManyLiteQueues
        }
        return queue(queueID)
    }

    /// As ``queue(_:)``, for a consumer: it may ask for any name of a lite queue, and for so many.
    func readableQueue(_ queueID: Int, for channel: RemotingChannel) throws(Refusal) -> ConsumeQueue {
        if isLite, queues[queueID] == nil, store.existingQueue(name, queueID) == nil {
            let connection = channel.connection
            let hasRoom =
                store.hasRoomForLiteQueue
                && liteRoom.take(name, for: connection.peer.description, now: connection.loop.now) {
                    (store.existingQueue($0, queueID)?.maxOffset ?? 0) > 0
                }
            guard hasRoom else { throw .tooManyLiteQueues }
        }
        return queue(queueID)
    }

    /// Whether that is its name.
    func isCalled(_ name: Span<UInt8>) -> Bool {
        let bytes = bytes
        return bytes.span.equals(name)
    }

    /// Whether the topic has such a queue.
    func hasQueue(_ queueID: Int) -> Bool {
        queueID >= 0 && queueID < max(config.readQueueNums, config.writeQueueNums)
    }
}

/// One loop's view of the topic table; dropped whole when the table changes. Loop only.
struct TopicLookup {
    private let topics: TopicTable
    private let store: MessageStore
    private var known = ByteTable<TopicRoute>()
    /// The one that was asked for last: mostly the next one, too.
    private var last: TopicRoute?
    private var version: UInt64 = 0
    /// Names of lite queues are not bounded by the table.
    private static let knownMax = 200_000

    init(_ topics: TopicTable, store: MessageStore) {
        self.topics = topics
        self.store = store
    }

    /// The topic called `name`; `nil` if this broker has none.
    mutating func route(_ name: Span<UInt8>) -> TopicRoute? {
        let current = topics.version
        if current != version {
            known.removeAll()
            last = nil
            version = current
        }
        if let last, last.isCalled(name) { return last }
        if let route = known[name] {
            last = route
            return route
        }
        guard let config = topics.config(of: name.toString()) else { return nil }
        let route = TopicRoute(
            config, store: store, stats: topics.stats.topic(config.topicName), liteRoom: topics.liteRoom)
        if known.count >= Self.knownMax { known.removeAll() }
        known.set(name, to: route)
        return route
    }

    /// As ``route(_:)``, for a name in a header; one with escapes is the same name.
    mutating func route(_ name: HeaderText, in bytes: Span<UInt8>) -> TopicRoute? {
        guard name.isEscaped else { return route(bytes.extracting(name.range)) }
        return route(Array(name.string(in: bytes).utf8).span)
    }

    /// As ``route(_:)``, for a topic whose configuration is at hand because it was just made.
    mutating func route(_ config: TopicConfig) -> TopicRoute {
        route(Array(config.topicName.utf8).span)
            ?? TopicRoute(config, store: store, stats: topics.stats.topic(config.topicName), liteRoom: topics.liteRoom)
    }
}

extension Refusal {
    /// Source: `SendMessageProcessor.java` `handlePutMessageResult`, RocketMQ 5.3.
    static let tooManyLiteQueues = Refusal(
        .systemError,
        "[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]broker config enableLmq and enableMultiDispatch, lmq consumeQueue num exceed "
            + "maxLmqConsumeQueueNum config num, default limit 2w.")
}
