import MQBytes
import MQMessage

/// Finds the lite queues that messages name, for those who stage them. Any thread.
public final class LiteQueues: Sendable {
    private let queues: QueueTable
    private let countMax: Int

    init(_ queues: QueueTable, countMax: Int) {
        self.queues = queues
        self.countMax = countMax
    }

    /// Whether there is a queue called `name`.
    public func exists(_ name: Span<UInt8>) -> Bool { queues.existing(name.toString(), LiteQueue.queueID) != nil }

    /// Whether there may be so many more, used or not.
    public func hasRoom(for count: Int) -> Bool { queues.liteCount + count <= countMax }

    /// The queues that a message with these properties is to stand in, each once. Names that none may have are left out, and
    /// those there is no room for.
    /// - Parameter topic: where the message stands anyway.
    func targets(_ names: Range<Int>, in text: Span<UInt8>, besides topic: Span<UInt8>) -> [ConsumeQueue] {
        var found: [ConsumeQueue] = []
        var seen: Set<ObjectIdentifier> = []
        var words = LiteQueue.Words(names)
        while let word = words.next(in: text) {
            let name = text.extracting(word)
            guard LiteQueue.mayBeUsed(name), !name.equals(topic) else { continue }
            let known = queues.existing(name.toString(), LiteQueue.queueID)
            guard known != nil || hasRoom(for: 1) else { continue }
            let queue = known ?? queues.queue(name.toString(), LiteQueue.queueID)
            if seen.insert(ObjectIdentifier(queue)).inserted { found.append(queue) }
        }
        return found
    }
}

/// A lite queue that a staged record gets a place in.
struct LiteSlot {
    let queue: ConsumeQueue
    /// Where the offset's digits lie in the batch's buffer.
    let digitsAt: Int
    /// Set by the append.
    var offset: Int64 = -1
}

extension AppendBatch {
    /// Appends to the properties of a record that is being staged where it will stand besides its own queue. What the
    /// properties say already counts no more, because it stands before.
    /// - Returns: the slots to be filled.
    func appendLitePlaces(_ topic: Span<UInt8>, from start: Int, to buffer: inout ByteBuffer) -> [LiteSlot] {
        guard let lite, LiteQueue.allows(topic: topic) else { return [] }
        let end = buffer.count
        let (targets, wasSaid, isOpen) = buffer.withBytes(start..<end) { text -> ([ConsumeQueue], Bool, Bool) in
            let facts = PropertyFacts(text)
            let targets = facts.multiDispatch.map { lite.targets($0, in: text, besides: topic) } ?? []
            return (
                targets, facts.multiQueueOffset != nil, text.count > 0 && text[text.count - 1] != Properties.valueEnd
            )
        }
        guard !targets.isEmpty || wasSaid else { return [] }
        if isOpen { buffer.append(Properties.valueEnd) }
        // Again, because some of what it names may be left out.
        if !targets.isEmpty {
            append(PropertyName.innerMultiDispatch, targets, to: &buffer) { $1.append($0.topicBytes) }
        }
        var slots: [LiteSlot] = []
        append(PropertyName.innerMultiQueueOffset, targets, to: &buffer) { queue, buffer in
            slots.append(LiteSlot(queue: queue, digitsAt: buffer.count))
            buffer.append(repeating: UInt8(ascii: "0"), count: LiteQueue.digitCount)
        }
        return slots
    }

    private func append(
        _ name: StaticString, _ queues: [ConsumeQueue], to buffer: inout ByteBuffer,
        _ body: (ConsumeQueue, inout ByteBuffer) -> Void
    ) {
        buffer.append(name)
        buffer.append(Properties.nameEnd)
        for (index, queue) in queues.enumerated() {
            if index > 0 { buffer.append(LiteQueue.separator) }
            body(queue, &buffer)
        }
        buffer.append(Properties.valueEnd)
    }

    /// Gives the record its places in lite queues. Append lock only.
    func placeLite(_ entry: Entry) {
        for index in entry.liteSlots {
            let offset = liteSlots[index].queue.takeOffset()
            liteSlots[index].offset = offset
            InnerBatch.store(base: offset, in: &buffer, at: liteSlots[index].digitsAt)
        }
    }

    /// Gives the places back that ``placeLite(_:)`` took; entries in reverse order. Append lock only.
    func unplaceLite(_ entry: Entry) {
        for index in entry.liteSlots.reversed() where liteSlots[index].offset >= 0 {
            liteSlots[index].queue.setNextOffset(liteSlots[index].offset)
            liteSlots[index].offset = -1
        }
    }
}

extension MessageStore {
    /// What finds lite queues; `nil` if this store has none.
    public var liteQueues: LiteQueues? {
        config.servesLiteQueues ? LiteQueues(queues, countMax: config.liteQueueCountMax) : nil
    }

    /// Whether there may be a lite queue more.
    public var hasRoomForLiteQueue: Bool { queues.liteCount < config.liteQueueCountMax }

    /// An empty batch for records of this store.
    public func makeBatch() -> AppendBatch {
        let batch = AppendBatch()
        batch.appendsChecksum = config.appendsChecksum
        batch.lite = liteQueues
        return batch
    }
}
