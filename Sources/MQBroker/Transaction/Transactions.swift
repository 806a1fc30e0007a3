import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQProtocol
import MQStore
import MQSystem
import Synchronization

/// The transactions of a broker: which half messages are open, what was decided about them, and whom to ask. Loops end
/// transactions; the `transactions` thread writes down what is over and asks about what stays open (``run()``).
///
/// Progress is kept as offsets of the group `CID_RMQ_SYS_TRANS` in the two topics, as RocketMQ keeps it, and only as far as
/// the log is durable. Source: `TransactionalMessageServiceImpl.java`, RocketMQ 5.3.
final class Transactions: Sendable {
    /// Whose offsets tell how far transactions are.
    static let group = "CID_RMQ_SYS_TRANS"
    /// The bit by which the queue of half messages knows that the thread waits for one: the broker's own, shared with
    /// ``DelayDelivery``, which waits at other queues.
    static let waiterIndex = DelayDelivery.waiterIndex

    /// What the thread is told between two looks.
    struct Wishes {
        /// There is something to do now.
        var isWanted = false
        var isStopping = false
        /// Nothing is open and nothing is to be written: a first half message must wake the thread.
        var isIdle = false
        /// Bytes of questions that are on their way to producers.
        var askingByteCount = 0
    }

    /// Where half messages and operations stand, once the log is durable up to `end`.
    struct Mark {
        var half: Int64
        var operation: Int64
        var end: PhysicalOffset
    }

    let store: MessageStore
    let config: LiveConfig
    let offsets: OffsetTable
    let topics: TopicTable
    let clients: ClientTable
    let stats: BrokerStats
    let redelivery: Redelivery
    var storeHost: MessageHost { redelivery.storeHost }
    let brokerName: String
    let log: Log
    let halfQueue: ConsumeQueue
    let operationQueue: ConsumeQueue
    let table: Lock<TransactionTable>
    /// Bytes of ends that are written down without waiting; the thread keeps it as it is configured.
    let operationByteCountMax: Atomic<Int>
    let monitor = Monitor(Wishes())

    /// Reads what the last run has left. May wait for the disk; nobody may end transactions before it returns.
    init(
        store: MessageStore, config: LiveConfig, tables: BrokerTables, redelivery: Redelivery, stats: BrokerStats,
        log: Log
    ) throws(SystemError) {
        self.store = store
        self.config = config
        offsets = tables.offsets
        topics = tables.topics
        clients = tables.clients
        self.stats = stats
        self.redelivery = redelivery
        brokerName = config.current.identity.brokerName
        self.log = log
        let half = store.queue(SystemTopics.transactionHalf, 0)
        let operations = store.queue(SystemTopics.transactionOperation, 0)
        func progress(_ queue: ConsumeQueue) -> Int64 {
            let stored = tables.offsets.query(group: Self.group, topic: queue.topic, queueID: 0) ?? queue.minOffset
            return min(max(stored, queue.minOffset), queue.maxOffset)
        }
        let start = progress(operations)
        var state = TransactionTable(progress: progress(half), operationProgress: start)
        try Self.readOperations(of: operations, from: start, halfEnd: half.maxOffset, store, log, into: &state)
        state.advance(below: half.maxOffset)
        halfQueue = half
        operationQueue = operations
        table = Lock(state)
        operationByteCountMax = Atomic(config.current.transactions.operationByteCountMax)
    }

    /// The rules as of now.
    var rules: HalfFacts.Rules {
        let present = config.current
        return HalfFacts.Rules(
            timeoutMilliseconds: present.transactions.timeoutMilliseconds,
            checkMax: Int64(present.transactions.checkMax),
            reservedMilliseconds: present.store.retention.reservedMilliseconds)
    }

    // MARK: - Ends (loops)

    /// Reserves a half message for its commit or rollback: then ``end(_:)`` or ``release(_:)`` must follow.
    /// - Returns: `false` if it is over; see ``TransactionTable/claim(_:)``.
    func claim(_ half: HalfMessage) -> Bool { table.withLock { $0.claim(half) } }

    /// Claimed messages were rolled back, or are committed and in the log.
    func end(_ halves: [HalfMessage]) {
        let sizeMax = operationByteCountMax.load(ordering: .relaxed)
        let (wasEmpty, isFull) = table.withLock { table in
            let before = table.pendingByteCount
            for half in halves { table.end(half) }
            return (before == 0, before < sizeMax && table.pendingByteCount >= sizeMax)
        }
        if wasEmpty || isFull { wake() }
    }

    /// Claimed messages could not be committed.
    func release(_ halves: [HalfMessage]) {
        table.withLock { table in for half in halves { table.release(half) } }
    }

    // MARK: - Life

    /// The queue of half messages has new ones. Any thread.
    func arrived() {
        monitor.signal { wishes in
            guard wishes.isIdle else { return false }
            wishes.isWanted = true
            return true
        }
    }

    /// Lets the thread look now.
    func wake() {
        monitor.signal { wishes in
            wishes.isWanted = true
            return true
        }
    }

    /// Ends ``run()``, which writes down what is over first. Nobody may end transactions any more.
    func stop() {
        monitor.signal { wishes in
            wishes.isStopping = true
            return true
        }
    }

    /// Whether ``stop()`` was called.
    var isStopping: Bool { monitor.withLock { $0.isStopping } }
}
