import MQBase
import MQBytes
import MQMessage
import MQSystem
import Synchronization

/// What the extension unit of a message with these properties notes: which SQL92 subscriptions want it. `nil`: nothing.
public typealias BitMapMaker = @Sendable (_ topic: String, _ properties: Span<UInt8>) -> [UInt8]?

/// Takes records apart for queues and index. Owned by one thread.
struct DispatchWorker {
    private let queues: QueueTable
    private let index: MessageIndex?
    private let delayLevels: [Int64]
    private var known = ByteTable<TopicQueues>()
    private var fed = FedItems()
    /// The queues that got units in this round are the first ``targetCount``; the others keep their memory.
    private var targets: [Target] = []
    private var targetCount = 0
    /// By a fed queue's place: its target in this round, -1 for none yet; for the items of take ``slotsTake``.
    private var fedSlots: [Int] = []
    private var slotsTake = 0
    /// The last record handled.
    private(set) var last: RecoveryPoint.Record?
    private var indexedTo: Int64
    /// Which queues get units; all of them if it is `nil`.
    var accepts: ((_ topic: String, _ queueID: Int) -> Bool)?
    /// Whether records stand in the lite queues that they name.
    private let servesLiteQueues: Bool
    /// Makes the bit maps of extension units.
    var bitMap: BitMapMaker?
    /// The file that takes index entries, while it has room; asked for again in each round.
    private var indexFile: IndexFile?

    /// The queues of one topic that this worker has met in this round.
    private final class TopicQueues {
        let name: String
        /// Whether the name may become a folder's: records come from whoever wrote the log.
        let hasQueues: Bool
        let isSchedule: Bool
        let allowsLiteQueues: Bool
        /// Java's hash of `topic#`, with which every key of the index begins.
        let keyPrefixHash: Int32
        /// By queue id up to ``directMax``; others are looked up each time.
        var queues: [ConsumeQueue?] = []

        static let directMax = 4096

        init(_ bytes: Span<UInt8>) {
            name = bytes.toString()
            hasQueues = FolderName.isTopic(name, bytes)
            isSchedule = name == ScheduleTopic.name
            allowsLiteQueues = LiteQueue.allows(topic: bytes)
            keyPrefixHash = javaHashCode(bytes) &* 31 &+ 35
        }
    }

    /// A queue and the units it gets in this round: handed over together, because each hand-over takes a lock.
    private struct Target {
        var queue: ConsumeQueue
        var units: [PlacedUnit] = []
        /// By queue offset, of those that have one.
        var bitMaps: [Int64: [UInt8]] = [:]
    }

    /// Targets that keep their memory from round to round.
    private static let keptTargetsMax = 1024

    init(queues: QueueTable, index: MessageIndex?, delayLevels: [Int64], servesLiteQueues: Bool) {
        self.queues = queues
        self.servesLiteQueues = servesLiteQueues
        self.index = index
        self.delayLevels = delayLevels
        indexedTo = index?.endOffset ?? -1
    }

    /// The last round ended in the middle and is begun again. Queues pass over what they have; so must the index.
    mutating func tryAgain() { indexedTo = index?.endOffset ?? -1 }

    /// Writes the units that were found since the last call, or are left of a round that could not write them, and lets
    /// readers see them.
    /// - Parameter published: called for each queue that got some.
    mutating func publish(_ published: (ConsumeQueue) -> Void) throws(SystemError) {
        defer { forgetTargets() }
        for slot in 0..<targetCount {
            let queue = targets[slot].queue
            guard try queue.add(targets[slot].units, bitMaps: targets[slot].bitMaps) else { continue }
            try queue.publish()
            published(queue)
        }
    }

    private mutating func forgetTargets() {
        for slot in 0..<targetCount {
            targets[slot].units.removeAll(keepingCapacity: true)
            if !targets[slot].bitMaps.isEmpty { targets[slot].bitMaps = [:] }
        }
        targetCount = 0
        fedSlots.removeAll(keepingCapacity: true)
        if targets.count > Self.keptTargetsMax { targets.removeSubrange(Self.keptTargetsMax...) }
    }

    /// Handles the records that the feed has from `position` on, as long as one follows the other.
    /// - Returns: where it came to: `stop`, or the place of a record that was not fed.
    mutating func takeFed(
        _ feed: DispatchFeed, from position: PhysicalOffset, upTo stop: PhysicalOffset
    ) throws(SystemError) -> PhysicalOffset {
        var position = position.rawValue
        while position < stop.rawValue, let item = fed.next(from: position, of: feed), item.physicalOffset == position,
            item.physicalOffset > indexedTo
        {
            try handle(item)
            fed.advance()
            position += Int64(item.byteCount)
        }
        return PhysicalOffset(rawValue: position)
    }

    /// Where the next record that the feed has begins, behind `position`.
    mutating func nextFed(_ feed: DispatchFeed, from position: PhysicalOffset) -> PhysicalOffset? {
        fed.next(from: position.rawValue + 1, of: feed).map { PhysicalOffset(rawValue: $0.physicalOffset) }
    }

    private mutating func handle(_ item: DispatchFeed.Item) throws(SystemError) {
        let end = item.physicalOffset + Int64(item.byteCount)
        last = RecoveryPoint.Record(range: item.physicalOffset..<end, storeTimestamp: item.storeTimestamp)
        if item.isInQueue {
            let unit = QueueUnit(
                physicalOffset: item.physicalOffset, size: item.byteCount, tagsCode: Int64(item.facts.tagsHash))
            let placed = PlacedUnit(unit: unit, offset: item.queueOffset, storedAt: item.storeTimestamp)
            targets[target(of: Int(item.queue))].units.append(placed)
        }
        guard let index, item.facts.keyCount > 0 else { return }
        try put(item.facts.firstKey, item.physicalOffset, item.storeTimestamp, in: index)
        if item.facts.keyCount > 1 {
            try put(item.facts.secondKey, item.physicalOffset, item.storeTimestamp, in: index)
        }
    }

    /// Handles the records that begin in the first `limit` bytes of `span`.
    /// - Parameters:
    ///   - segmentEnds: where the file ends, in bytes from the span's start.
    ///   - broken: names a place that holds no record: the disk does not give back what was written.
    /// - Returns: bytes handled; a blank counts up to the file's end.
    mutating func handle(
        _ span: Span<UInt8>, upTo limit: Int, segmentEnds: Int, broken: (Int, WireError) -> SystemError
    ) throws(SystemError) -> Int {
        var position = 0
        while position < limit {
            let rest = span.extracting(position..<span.count)
            guard rest.count >= 8 else { return segmentEnds }
            if rest.int32(at: 4) == RecordLayout.magicBlank { return segmentEnds }
            let record: RecordOutline
            do throws(WireError) {
                record = try RecordOutline(rest)
            } catch {
                throw broken(position, error)
            }
            try handle(record, rest)
            position += record.byteCount
        }
        return position
    }

    /// Forgets which queues it has met: a topic may have been deleted and made again since, and old files of the index
    /// removed. What a round left that ended in the middle is found again.
    mutating func beginRound() {
        known.removeAll()
        forgetTargets()
        indexFile = nil
    }

    /// Handles one record.
    /// - Parameter isQueued: `false` for one that belongs into the index only, because its topic was deleted.
    mutating func handle(
        _ record: RecordOutline, _ bytes: Span<UInt8>, isQueued: Bool = true
    ) throws(SystemError) {
        last = RecoveryPoint.Record(
            range: record.physicalOffset..<(record.physicalOffset + Int64(record.byteCount)),
            storeTimestamp: record.storeTimestamp.rawValue)
        guard record.queueID >= 0 else { return }
        let topic = topicQueues(bytes.extracting(record.topic))
        let text = bytes.extracting(record.properties)
        let facts = PropertyFacts(text)
        if servesLiteQueues, isQueued, record.sysFlag.isInQueue, topic.allowsLiteQueues {
            addLite(record, facts, text)
        }
        if isQueued, topic.hasQueues, record.sysFlag.isInQueue, accepts?(topic.name, Int(record.queueID)) ?? true {
            let storedAt = record.storeTimestamp.rawValue
            let unit = QueueUnit(
                physicalOffset: record.physicalOffset, size: Int32(record.byteCount),
                tagsCode: Self.tagsCode(facts, storedAt: storedAt, isSchedule: topic.isSchedule, delayLevels))
            if record.sysFlag.contains(.innerBatch) {
                addBatch(unit, record, InnerBatch(text, queueOffset: record.queueOffset), to: topic)
            } else {
                let placed = PlacedUnit(unit: unit, offset: record.queueOffset, storedAt: storedAt)
                let target = queue(topic, Int(record.queueID))
                let slot = add(placed, to: target)
                if let bitMap, target.takesBitMaps { targets[slot].bitMaps[placed.offset] = bitMap(topic.name, text) }
            }
        }
        guard let index, facts.keyCount > 0, record.sysFlag.transaction != .transactionRollback,
            record.physicalOffset >= indexedTo
        else { return }
        let isRepeated = record.physicalOffset == indexedTo  // only some of its keys may be there
        for number in 0..<facts.keyCount {
            let hash = javaHashCode(text.extracting(facts.key(number)), from: topic.keyPrefixHash)
            if isRepeated, index.holds(hash: hash, physicalOffset: record.physicalOffset) { continue }
            try put(hash, record.physicalOffset, record.storeTimestamp.rawValue, in: index)
        }
    }

    private mutating func put(
        _ hash: Int32, _ physicalOffset: Int64, _ storeTimestamp: Int64, in index: MessageIndex
    ) throws(SystemError) {
        if indexFile?.isFull != false {
            // By the clock, as Java names them. When old records are dispatched again, a name from their time would come
            // before files that a Java broker made meanwhile, and Java's queries trust the order of the names.
            indexFile = try index.fileForWriting(max(Timestamp(rawValue: storeTimestamp), SystemClock.wall()))
        }
        try indexFile?.put(
            keyHash: IndexFile.keyHash(hash), physicalOffset: physicalOffset, storeTimestamp: storeTimestamp)
    }

    private mutating func topicQueues(_ name: Span<UInt8>) -> TopicQueues {
        if let topic = known[name] { return topic }
        let topic = TopicQueues(name)
        known.set(name, to: topic)
        return topic
    }

    /// Adds an inner batch, unless its queue holds single messages: what Java wrote there stays in the log only.
    private mutating func addBatch(
        _ unit: QueueUnit, _ record: RecordOutline, _ batch: InnerBatch?, to topic: TopicQueues
    ) {
        let queueID = Int(record.queueID)
        guard let batch, queues.batchQueue(topic.name, queueID, recordAt: unit.physicalOffset) != nil
        else { return }
        if queueID < topic.queues.count { topic.queues[queueID] = nil }  // it may have been another
        let placed = PlacedUnit(
            unit: unit, offset: batch.baseOffset, storedAt: record.storeTimestamp.rawValue,
            messageCount: batch.messageCount)
        add(placed, to: queue(topic, queueID))
    }

    /// Adds the record to the lite queues that it names.
    private mutating func addLite(_ record: RecordOutline, _ facts: PropertyFacts, _ text: Span<UInt8>) {
        guard !record.sysFlag.contains(.innerBatch) else { return }
        let unit = QueueUnit(
            physicalOffset: record.physicalOffset, size: Int32(record.byteCount), tagsCode: Int64(facts.tagsHash))
        for (name, offset) in LiteQueue.places(facts, in: text) where accepts?(name, LiteQueue.queueID) ?? true {
            add(
                PlacedUnit(unit: unit, offset: offset, storedAt: record.storeTimestamp.rawValue),
                to: queues.queue(name, LiteQueue.queueID))
        }
    }

    private func queue(_ topic: TopicQueues, _ queueID: Int) -> ConsumeQueue {
        if queueID < topic.queues.count, let queue = topic.queues[queueID] { return queue }
        let queue = queues.queue(topic.name, queueID)
        guard queueID < TopicQueues.directMax else { return queue }
        while topic.queues.count <= queueID { topic.queues.append(nil) }
        topic.queues[queueID] = queue
        return queue
    }

    /// The target of the fed queue at `place`, without a look at the queue itself: loops write to it all the time.
    private mutating func target(of place: Int) -> Int {
        if slotsTake != fed.take || fedSlots.isEmpty {
            slotsTake = fed.take
            fedSlots.removeAll(keepingCapacity: true)
            fedSlots.append(contentsOf: repeatElement(-1, count: fed.queues.count))
        }
        if fedSlots[place] < 0 { fedSlots[place] = target(of: fed.queues[place]) }
        return fedSlots[place]
    }

    /// - Returns: the queue's place among those that get units in this round.
    @discardableResult private mutating func add(_ unit: PlacedUnit, to queue: ConsumeQueue) -> Int {
        let slot = target(of: queue)
        targets[slot].units.append(unit)
        return slot
    }

    /// The queue's place among those that get units in this round; it gets one if it has none.
    private mutating func target(of queue: ConsumeQueue) -> Int {
        let slot = queue.roundSlot.load(ordering: .relaxed)
        if slot < targetCount, targets[slot].queue === queue { return slot }
        if targetCount < targets.count {
            targets[targetCount].queue = queue
        } else {
            targets.append(Target(queue: queue))
        }
        queue.roundSlot.store(targetCount, ordering: .relaxed)
        targetCount += 1
        return targetCount - 1
    }

    /// What a record's unit says of its tags: their hash, or when a delayed message is due.
    static func tagsCode(
        _ facts: PropertyFacts, storedAt: Int64, isSchedule: Bool, _ delayLevels: [Int64]
    ) -> Int64 {
        guard isSchedule, let level = facts.delayLevel, level > 0, !delayLevels.isEmpty else {
            return Int64(facts.tagsHash)
        }
        let clamped = min(Int(level), delayLevels.count)
        return storedAt &+ delayLevels[clamped - 1]  // the time is as the disk has it
    }
}
