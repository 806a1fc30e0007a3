public import MQBase
public import MQBytes
public import MQMessage
public import MQSystem

/// How a read of a queue ended. The names are RocketMQ's: a pull's answer carries them as remark.
public enum ReadStatus: Sendable {
    case found
    case noMatchedMessage
    case messageWasRemoving
    case offsetFoundNull
    case offsetOverflowBadly
    case offsetOverflowOne
    case offsetTooSmall
    case noMatchedLogicQueue
    case noMessageInQueue

    /// As RocketMQ spells it.
    public var name: String {
        switch self {
        case .found: "FOUND"
        case .noMatchedMessage: "NO_MATCHED_MESSAGE"
        case .messageWasRemoving: "MESSAGE_WAS_REMOVING"
        case .offsetFoundNull: "OFFSET_FOUND_NULL"
        case .offsetOverflowBadly: "OFFSET_OVERFLOW_BADLY"
        case .offsetOverflowOne: "OFFSET_OVERFLOW_ONE"
        case .offsetTooSmall: "OFFSET_TOO_SMALL"
        case .noMatchedLogicQueue: "NO_MATCHED_LOGIC_QUEUE"
        case .noMessageInQueue: "NO_MESSAGE_IN_QUEUE"
        }
    }
}

/// Records that lie one after the other in one file of the log.
public struct LogRange: Sendable {
    let segment: Segment
    /// The file's bytes if the records are recent, so that loops may touch them.
    public let recent: Mapping?
    /// Bytes from the file's start.
    public let offset: Int
    /// How many.
    public internal(set) var byteCount: Int

    /// The file's bytes; keeps them mapped. Of a cold read it may have to open the file: not on a loop then.
    /// - Throws: "not found" if the file went away meanwhile, which a cold read may see.
    public var mapping: Mapping {
        get throws(SystemError) {
            if let recent { return recent }
            return try segment.mapping
        }
    }
}

/// What a read of a queue found.
public struct ReadResult: Sendable {
    /// How it ended.
    public var status: ReadStatus
    /// Where the reader goes on.
    public var nextOffset: Int64
    /// The queue's first offset.
    public var minOffset: Int64
    /// One more than the queue's last offset.
    public var maxOffset: Int64
    /// Where the records lie, in the queue's order.
    public var ranges: [LogRange] = []
    /// Bytes of all records.
    public var byteCount = 0
    /// How many records.
    public var messageCount = 0
    /// Some of `ranges` may not be in memory: do not touch them on a loop.
    public var isCold = false
    /// Why the read looked no further, though there were more messages and room for them; see ``RecordChoice``.
    public var stop: ReadStop?

    /// A result without messages.
    public init(status: ReadStatus, nextOffset: Int64, minOffset: Int64, maxOffset: Int64) {
        self.status = status
        self.nextOffset = nextOffset
        self.minOffset = minOffset
        self.maxOffset = maxOffset
    }
}

/// How much one read may bring. RocketMQ's defaults for messages in memory.
public struct ReadLimits: Sendable {
    /// Messages.
    public var messageCount: Int
    /// Bytes of records; the first one may be larger.
    public var byteCount: Int
    /// As ``messageCount``, where messages that may not be in memory are among them.
    public var coldMessageCount: Int
    /// As ``byteCount``, where messages that may not be in memory are among them.
    public var coldByteCount: Int
    /// Units looked at, matched or not.
    public var unitCount: Int

    /// RocketMQ's limits, or others.
    public init(
        messageCount: Int = 32, byteCount: Int = 262_144, coldMessageCount: Int = 8, coldByteCount: Int = 65_536,
        unitCount: Int = 800
    ) {
        self.messageCount = messageCount
        self.byteCount = byteCount
        self.coldMessageCount = coldMessageCount
        self.coldByteCount = coldByteCount
        self.unitCount = unitCount
    }

    /// Whether `result` may not take one more message of `size` bytes. Source: `DefaultMessageStore.java`
    /// `isTheBatchFull`, RocketMQ 5.3.
    func isFull(_ result: ReadResult, beforeByteCount size: Int, isCold: Bool) -> Bool {
        if result.byteCount + size > byteCount || result.messageCount >= messageCount { return true }
        return isCold && (result.byteCount + size > coldByteCount || result.messageCount >= coldMessageCount)
    }
}

extension MessageStore {
    /// Where the log ends.
    public var writtenOffset: PhysicalOffset { log.written.value }
    /// What is on the disk.
    public var flushedOffset: PhysicalOffset { flusher.flushed.value }
    /// What queues and index hold.
    public var dispatchedOffset: PhysicalOffset { dispatcher.dispatched.value }
    /// Where the log begins.
    public var minOffset: PhysicalOffset { log.min }

    /// Whether the record at `offset` may not be in memory: a loop must not touch it.
    public func isCold(_ offset: Int64) -> Bool { offset < log.written.value.rawValue - config.hotByteCount }

    /// Tells that somebody has begun to wait for messages: what is in the log and not in the queues yet must not wait for
    /// the end of the dispatch thread's nap.
    public func waiterCame() {
        if dispatcher.dispatched.value < log.written.value { dispatcher.confirmedMoved(isAwaited: true) }
    }

    /// The queue, made if it is missing. Keep it; looking it up makes a `String`.
    public func queue(_ topic: String, _ queueID: Int) -> ConsumeQueue { queues.queue(topic, queueID) }

    /// Whether there is room for queues that were never used.
    public var hasRoomForQueue: Bool { queues.queueCount < config.queueCountMax }

    /// The queue if it was ever used.
    public func existingQueue(_ topic: String, _ queueID: Int) -> ConsumeQueue? { queues.existing(topic, queueID) }

    /// Forgets everything about a topic's queues. The records stay in the log until their files go.
    public func deleteQueues(of topic: String) throws(SystemError) {
        try queues.clear(topic, before: log.restart(queues.queues(of: topic)))
    }

    /// Topics that have messages.
    public var topicsWithQueues: [String] { queues.topics }

    /// How many queues each of those topics has, as far as they were used: one more than the highest number.
    public var queueCounts: [String: Int] { queues.counts }

    /// Finds up to `limits` messages from `offset` on whose tags code passes `matches`. Reads queue units, never records.
    /// - Parameter units: scratch for the raw units; its content is replaced.
    public func read(
        _ queue: ConsumeQueue, from offset: Int64, limits: ReadLimits, units: inout ByteBuffer,
        matches: (Int64) -> Bool
    ) throws(SystemError) -> ReadResult {
        try read(queue, from: offset, limits: limits, units: &units, matches: matches, choose: nil)
    }

    /// As the others; with `choose`, it decides and not `matches`. It gets no mapping where the record may be cold.
    func read(
        _ queue: ConsumeQueue, from offset: Int64, limits: ReadLimits, units: inout ByteBuffer,
        matches: (Int64) -> Bool, choose: ((QueueUnit, Segment, Mapping?) -> RecordChoice)?
    ) throws(SystemError) -> ReadResult {
        let minimum = queue.minOffset
        let maximum = queue.maxOffset
        var result = ReadResult(status: .found, nextOffset: offset, minOffset: minimum, maxOffset: maximum)
        if maximum == 0 {
            result.status = .noMessageInQueue
            result.nextOffset = 0
        } else if offset < minimum {
            result.status = .offsetTooSmall
            result.nextOffset = minimum
        } else if offset == maximum {
            result.status = .offsetOverflowOne
        } else if offset > maximum {
            result.status = .offsetOverflowBadly
            result.nextOffset = maximum
        } else {
            try collect(queue, &result, limits, &units, matches, choose)
        }
        return result
    }

    private func collect(
        _ queue: ConsumeQueue, _ result: inout ReadResult, _ limits: ReadLimits, _ units: inout ByteBuffer,
        _ matches: (Int64) -> Bool, _ choose: ((QueueUnit, Segment, Mapping?) -> RecordChoice)?
    ) throws(SystemError) {
        let hotFrom = log.written.value.rawValue - config.hotByteCount
        var scanned = 0
        var tags = QueueExtension.Cursor()
        var segment: Segment?  // most units point into the file of the one before
        var mapping: Mapping?
        result.ranges.reserveCapacity(limits.messageCount)
        while scanned < limits.unitCount {
            units.removeAll()
            let wanted = min(limits.unitCount - scanned, max(limits.messageCount, 32))
            let count = try queue.readUnits(from: result.nextOffset, count: wanted, into: &units)
            guard count > 0 else { break }
            let span = units.span
            for index in 0..<count {
                let unit = QueueUnit(span, at: index * QueueUnit.byteCount)
                scanned += 1
                if unit.size > 0, unit.size != QueueUnit.preBlankSize,
                    choose != nil ? true : try queue.tagsCode(of: unit, &tags).map(matches) ?? true
                {
                    let size = Int(unit.size)
                    let isCold = unit.physicalOffset < hotFrom
                    if result.messageCount > 0, limits.isFull(result, beforeByteCount: size, isCold: isCold) {
                        result.status = .found
                        return
                    }
                    let place = PhysicalOffset(rawValue: max(0, unit.physicalOffset))
                    if segment?.contains(place) != true {
                        segment = log.segment(at: place)
                        mapping = nil
                    }
                    if let segment {
                        if !isCold, mapping == nil { mapping = try recentMapping(segment) }
                        let recent = isCold ? nil : mapping
                        if isCold || recent != nil, !consider(unit, segment, recent, &result, choose) { return }
                    }
                }
                result.nextOffset += 1
            }
            if result.messageCount >= limits.messageCount { break }
        }
        if result.messageCount == 0 { result.status = scanned > 0 ? .noMatchedMessage : .offsetFoundNull }
    }

    /// Takes a message if the reader wants it.
    /// - Parameter mapping: `nil` if the record may be cold.
    /// - Returns: whether to look further.
    private func consider(
        _ unit: QueueUnit, _ segment: Segment, _ mapping: Mapping?, _ result: inout ReadResult,
        _ choose: ((QueueUnit, Segment, Mapping?) -> RecordChoice)?
    ) -> Bool {
        switch choose?(unit, segment, mapping) ?? .take {
        case .take:
            add(unit, segment, mapping, to: &result)
            if mapping == nil { result.isCold = true }
        case .leave: break
        case .stop(let reason):
            result.stop = reason
            if result.messageCount == 0 { result.status = .noMatchedMessage }
            return false
        }
        return true
    }

    /// The bytes of a file that is read on loops; `nil` if it was just deleted.
    private func recentMapping(_ segment: Segment) throws(SystemError) -> Mapping? {
        do throws(SystemError) {
            return try segment.mapping
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    private func add(_ unit: QueueUnit, _ segment: Segment, _ mapping: Mapping?, to result: inout ReadResult) {
        let offset = Int(unit.physicalOffset - segment.start.rawValue)
        let size = Int(unit.size)
        guard offset + size <= segment.byteCount else { return }  // a unit that lies: never past the mapping
        result.byteCount += size
        result.messageCount += 1
        if let last = result.ranges.indices.last, result.ranges[last].segment === segment,
            result.ranges[last].offset + result.ranges[last].byteCount == offset
        {
            result.ranges[last].byteCount += size
        } else {
            result.ranges.append(LogRange(segment: segment, recent: mapping, offset: offset, byteCount: size))
        }
    }

    /// Calls `body` with the bytes of the whole record at `offset`. May wait for the disk.
    /// - Returns: `nil` if no record begins there, or its file was deleted.
    public func withRecord<R>(at offset: Int64, _ body: (MessageRecord, Span<UInt8>) -> R) -> R? {
        guard offset >= 0, offset < log.written.value.rawValue else { return nil }
        let place = PhysicalOffset(rawValue: offset)
        // A file that cannot be mapped is like one that was deleted: there is no record to show.
        guard let segment = log.segment(at: place), let mapping = try? segment.mapping else { return nil }
        let end = min(segment.end, log.written.value)
        let bytes = mapping.bytes((place - segment.start)..<(end - segment.start))
        do throws(WireError) {
            let record = try MessageRecord(bytes)
            guard record.physicalOffset == offset else { return nil }
            return body(record, bytes.extracting(0..<record.byteCount))
        } catch {
            return nil
        }
    }

    /// When the message at `offset` of a queue was stored. May wait for the disk.
    public func storeTimestamp(_ queue: ConsumeQueue, at offset: Int64) throws(SystemError) -> Timestamp? {
        guard let unit = try queue.unit(at: offset) else { return nil }
        return withRecord(at: unit.physicalOffset) { record, _ in record.storeTimestamp }
    }
}
