import MQBase
import MQBytes
import MQSystem
import Synchronization

/// How many queues of a store have parked pulls. Any thread.
final class ParkedQueues: Sendable {
    private let count = Atomic<Int>(0)

    /// Whether anybody waits for messages anywhere.
    var isAny: Bool { count.load(ordering: .sequentiallyConsistent) > 0 }

    func add(_ change: Int) { count.add(change, ordering: .sequentiallyConsistent) }
}

/// The order of one queue's messages: where each lies in the log. Written by the dispatch thread, read by all.
public final class ConsumeQueue: Sendable {
    /// The topic it belongs to.
    public let topic: String
    /// Its number in the topic, >= 0.
    public let queueID: Int

    let topicBytes: [UInt8]
    /// Java's hash of `topic#`, with which every key of the index begins.
    let keyPrefixHash: Int32
    /// Where dispatch gathers its units in this round; a guess, to be compared. Dispatch thread only.
    let roundSlot = Atomic<Int>(0)
    /// Its place in the feed's list; a guess, to be compared. Append lock only.
    let feedSlot = Atomic<Int>(0)
    /// Where its files are.
    let folder: String
    let fileByteCount: Int
    let files: Lock<[QueueFile]>
    let pending = Lock(Pending())
    /// Held while files are written or removed, so that a removed queue leaves nothing behind.
    let writing = Lock<Void>(())
    /// Offset the next record gets; changed under the append lock only.
    let next: Atomic<Int64>
    let minimum: Atomic<Int64>
    let maximum: Atomic<Int64>
    /// One bit for each loop that has a parked pull on this queue.
    private let waiting = Atomic<UInt64>(0)
    private let parked: ParkedQueues
    /// Units that are on the disk, counted from the queue's beginning.
    let synced: Lock<Synced>
    /// How often everything was forgotten: what was found out about the queue before is about another one.
    let lives = Atomic<Int>(0)
    /// Units before this offset were in the files when the store was opened: each may name any place of the log, so what
    /// they bring is compared with them.
    let checkedFrom = Atomic<Int64>(0)
    let openFiles: OpenFiles<QueueFile>
    /// Where units keep their tags code if they have no room for it; `nil`: none does.
    let extensionUnits: QueueExtension?
    /// Where its records are, if they hold several messages each: ``files`` holds nothing then.
    let batches: BatchUnits?

    struct Pending: Sendable {
        var units: [QueueUnit] = []
        /// Where the last unit's record begins; -1 if there is none.
        var lastPhysicalOffset: Int64 = -1
        /// A unit came that was not the next one.
        var hadGap = false
        /// Up to here, behind the last unit, the files hold units of the last run that are written once more. Recovery only.
        var restEnd: Int64 = 0
    }

    struct Synced: Sendable {
        var count: Int64
        /// A file was made: the folders that name it are to be synced.
        var hasNewFile = false
        /// What ``state()`` told last.
        var told: RecoveryPoint.Queue?
    }

    /// - Parameters:
    ///   - files: what is on the disk, oldest first, each of `fileByteCount` bytes.
    ///   - count: one more than the offset of the last valid unit.
    init(
        topic: String, queueID: Int, folder: String, fileByteCount: Int, files: [QueueFile], minimum: Int64,
        count: Int64, parked: ParkedQueues, open: OpenFiles<QueueFile>, extensionUnits: QueueExtension? = nil,
        batches: BatchUnits? = nil
    ) {
        self.batches = batches
        self.extensionUnits = extensionUnits
        self.parked = parked
        self.openFiles = open
        self.topic = topic
        let topicBytes = Array(topic.utf8)
        self.topicBytes = topicBytes
        keyPrefixHash = javaHashCode(topicBytes.span) &* 31 &+ 35
        self.queueID = queueID
        self.folder = folder
        self.fileByteCount = fileByteCount
        self.files = Lock(files)
        synced = Lock(Synced(count: count))
        next = Atomic(count)
        self.minimum = Atomic(minimum)
        maximum = Atomic(count)
    }

    /// Whether `name` is the queue's topic.
    func isTopic(_ name: Span<UInt8>) -> Bool {
        let topic = topicBytes
        return name.equals(topic.span)
    }

    /// The first offset that can be read.
    public var minOffset: Int64 { minimum.load(ordering: .acquiring) }
    /// One more than the last offset that can be read.
    public var maxOffset: Int64 { maximum.load(ordering: .acquiring) }

    /// Where the queue ends once everything that is in the log has been dispatched; at least ``maxOffset``. Any thread.
    public var assignedEnd: Int64 { max(next.load(ordering: .relaxed), maxOffset) }

    /// The offset of the next record of this queue, which holds so many messages. Append lock only.
    func takeOffset(messageCount: Int16 = 1) -> Int64 {
        let offset = next.load(ordering: .relaxed)
        next.store(offset + Int64(messageCount), ordering: .relaxed)
        return offset
    }

    /// Whether nothing was ever put into it, or all of it was forgotten.
    var isUnused: Bool { maxOffset == 0 && next.load(ordering: .relaxed) == 0 }

    /// Sets what the next record gets; append lock or recovery only.
    func setNextOffset(_ offset: Int64) { next.store(offset, ordering: .relaxed) }

    func setMinOffset(_ offset: Int64) { minimum.store(offset, ordering: .releasing) }

    // MARK: - Waiters

    /// Says that `loop` has a parked pull here. Compare ``maxOffset`` again afterwards: a message may have come between.
    public func addWaiter(loop: Int) {
        let old = waiting.bitwiseOr(1 << UInt64(loop), ordering: .sequentiallyConsistent).oldValue
        if old & Self.pullers == 0, 1 << UInt64(loop) & Self.pullers != 0 { parked.add(1) }
    }

    /// Says that `loop` has none any more.
    public func removeWaiter(loop: Int) {
        let bit: UInt64 = 1 << UInt64(loop)
        let (old, new) = waiting.bitwiseAnd(~bit, ordering: .sequentiallyConsistent)
        if old & Self.pullers != 0, new & Self.pullers == 0 { parked.add(-1) }
    }

    /// Loops with consumers behind them; the highest bit is the delivery of delayed messages, which has time.
    private static let pullers: UInt64 = .max >> 1

    /// The loops with parked pulls, a bit each.
    public var waiters: UInt64 { waiting.load(ordering: .sequentiallyConsistent) }

    /// Whether its units have room for bit maps.
    var takesBitMaps: Bool { extensionUnits?.isWritten == true }
}
