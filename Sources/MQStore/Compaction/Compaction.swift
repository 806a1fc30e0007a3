public import MQBase
import MQBytes
import MQMessage
import MQObserve
public import MQSystem
import Synchronization

/// The compacted queues of a store: `<root>/compacted/<topic>/<id>/<20 digits>`, the digits being the end offset. One thread
/// compacts, any reads.
///
/// Source of what is kept: `CompactionLog.java`, RocketMQ 5.3. Its files are others; see decision 16.
public final class Compaction: Sendable {
    private struct Key: Hashable {
        let topic: String
        let queueID: Int
    }

    private let root: String
    private let logger: Log
    private let files = Lock<[Key: CompactedFile]>([:])
    /// Whether any queue was ever compacted, so that others need not be looked up.
    private let isAny = Atomic<Bool>(false)

    /// Finds what is there; what is not whole is removed and made again.
    init(root: String, log: Log) throws(SystemError) {
        self.root = root
        logger = log
        guard Directory.exists(root) else { return }
        for topic in try Directory.names(in: root) {
            for name in try Directory.names(in: root + "/" + topic) {
                guard let queueID = Int(name), queueID >= 0 else { continue }
                let file = try newest(in: "\(root)/\(topic)/\(queueID)")
                files.withLock { $0[Key(topic: topic, queueID: queueID)] = file }
                isAny.store(true, ordering: .releasing)
            }
        }
    }

    /// The file that counts; all others go.
    private func newest(in folder: String) throws(SystemError) -> CompactedFile? {
        var newest: CompactedFile?
        for name in try Directory.names(in: folder).sorted().reversed() {
            let path = folder + "/" + name
            if newest == nil, name.utf8.count == 20, Int64(name) != nil {
                do throws(SystemError) {
                    newest = try CompactedFile(path)
                    continue
                } catch {
                    logger.error("compacted messages are lost", ["reason": error.description])
                }
            }
            try Directory.removeFile(path)
        }
        return newest
    }

    func file(_ topic: String, _ queueID: Int) -> CompactedFile? {
        files.withLock { $0[Key(topic: topic, queueID: queueID)] }
    }

    /// The compacted file of a queue whose log has lost its beginning: only it has what lies there.
    func fileBefore(_ queue: ConsumeQueue) -> CompactedFile? {
        let first = queue.minOffset
        guard first > 0, isAny.load(ordering: .acquiring), let file = file(queue.topic, queue.queueID) else {
            return nil
        }
        return file.firstOffset < first ? file : nil
    }

    /// Up to which offset the queue is compacted; 0 if it is not.
    public func end(_ queue: ConsumeQueue) -> Int64 { file(queue.topic, queue.queueID)?.endOffset ?? 0 }

    /// Whether messages of the queue lie in the log before `logOffset` that it is not compacted up to. May wait for the disk.
    public func lacks(_ queue: ConsumeQueue, before logOffset: PhysicalOffset) throws(SystemError) -> Bool {
        guard end(queue) < queue.maxOffset else { return false }
        let needed = try queue.firstOffset { $0.physicalOffset < logOffset.rawValue }
        return max(end(queue), queue.minOffset) < needed
    }

    /// Forgets a topic's queues and removes their files.
    func remove(_ topic: String) throws(SystemError) {
        files.withLock { files in for key in files.keys where key.topic == topic { files[key] = nil } }
        if Directory.exists(root + "/" + topic) { try Directory.removeTree(root + "/" + topic) }
    }

    /// Lets readers see the file, unless the queue has begun another life meanwhile: its topic was deleted.
    private func put(_ path: String, for queue: ConsumeQueue, inLife lives: Int) throws(SystemError) -> Bool {
        let file = try CompactedFile(path)
        let key = Key(topic: queue.topic, queueID: queue.queueID)
        let (isCounted, old) = files.withLock { files -> (Bool, CompactedFile?) in
            guard queue.lives.load(ordering: .acquiring) == lives else { return (false, nil) }
            return (true, files.updateValue(file, forKey: key))
        }
        isAny.store(true, ordering: .releasing)
        let stale = isCounted ? old?.path : path
        if let stale, stale != path || !isCounted { try Directory.removeFile(stale) }  // who reads it has it open
        return isCounted
    }

    /// Forgets what cannot be of the queues as they are: the log has lost its end, or topics were deleted while the broker
    /// died. Before the first reader.
    func settle(_ queues: QueueTable) throws(SystemError) {
        let stale = files.withLock { files in
            files.filter { $1.endOffset > queues.existing($0.topic, $0.queueID)?.maxOffset ?? 0 }
        }
        for (key, file) in stale {
            logger.warn("compacted messages of an earlier queue are removed", ["path": file.path])
            files.withLock { $0[key] = nil }
            try Directory.removeFile(file.path)
        }
    }

    // MARK: - Compacting

    /// What one compaction of a queue did.
    public struct Outcome: Equatable, Sendable {
        /// Messages that are left up to the new end.
        public var kept: Int64
        /// Up to which offset the queue is compacted now.
        public var end: Int64
    }

    /// Compacts what `queue` got since the last time and is on the disk. Waits for the disk; one thread.
    /// - Parameter keysMax: so many new keys at once; what is behind them waits for the next time.
    /// - Returns: `nil` if there was nothing to do.
    public func compact(_ queue: ConsumeQueue, of store: MessageStore, keysMax: Int) throws(SystemError) -> Outcome? {
        let old = file(queue.topic, queue.queueID)
        let start = max(old?.endOffset ?? 0, queue.minOffset)
        let lives = queue.lives.load(ordering: .acquiring)
        let (last, end) = try lastOffsets(queue, from: start, store, keysMax)
        guard end > start else { return nil }
        let folder = "\(root)/\(queue.topic)/\(queue.queueID)"
        try Directory.createDurably(folder)
        let writer = try CompactedWriter(folder + "/new")
        var kept: Int64 = 0
        try old?.forEach { (unit, record) throws(SystemError) in
            guard let bytes = try record(), let key = Self.key(bytes.span), last[key] == nil else { return true }
            try writer.add(
                bytes.span, at: unit.baseOffset, tagsCode: unit.unit.tagsCode, storedAt: unit.storeTimestamp)
            kept += 1
            return true
        }
        for offset in last.values.sorted() {
            guard let found = try Self.record(queue, offset, store), !found.isTombstone else { continue }
            try writer.add(found.bytes.span, at: offset, tagsCode: found.tagsCode, storedAt: found.storedAt)
            kept += 1
        }
        try writer.finish(endOffset: end)
        // The topic was deleted meanwhile, and may have been made again.
        guard queue.lives.load(ordering: .acquiring) == lives else { return nil }
        let path = folder + "/" + Segment.name(end)
        try Directory.rename(folder + "/new", to: path)
        try Directory.synchronize(folder)
        return try put(path, for: queue, inLife: lives) ? Outcome(kept: kept, end: end) : nil
    }

    /// A key of 128 bits: two hashes with different beginnings. Java keeps MD5 sums.
    private struct KeyHash: Hashable {
        let high: UInt64
        let low: UInt64

        init(_ bytes: Span<UInt8>) {
            var (first, second): (UInt64, UInt64) = (0xCBF2_9CE4_8422_2325, 0x9AE1_6A3B_2F90_404F)
            for index in 0..<bytes.count {
                first = (first ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01B3
                second = (second &+ UInt64(bytes[index]) &+ 1) &* 0xFF51_AFD7_ED55_8CCD
                second ^= second >> 33
            }
            (high, low) = (first, second)
        }
    }

    /// KEYS as a whole, as in Java; `nil` for a message without, which is not kept.
    private static func key(_ record: Span<UInt8>) -> KeyHash? {
        guard let properties = RecordLayout.properties(in: record) else { return nil }
        let text = record.extracting(properties)
        guard let range = Properties.value(of: PropertyName.keys, in: text), !range.isEmpty else { return nil }
        return KeyHash(text.extracting(range))
    }

    /// The last offset of each key from `start` on.
    private func lastOffsets(
        _ queue: ConsumeQueue, from start: Int64, _ store: MessageStore, _ keysMax: Int
    ) throws(SystemError) -> ([KeyHash: Int64], end: Int64) {
        var last: [KeyHash: Int64] = [:]
        var offset = start
        let end = queue.maxOffset
        while offset < end, last.count < max(1, keysMax) {
            guard let unit = try queue.unit(at: offset) else { break }
            if unit != .blank, unit.isUsed {
                // A machine that stops may lose what is not on the disk, and give its offset to another message.
                guard unit.physicalOffset + Int64(unit.size) <= store.flushedOffset.rawValue else { break }
                let key = store.withRecord(at: unit.physicalOffset) { _, bytes in Self.key(bytes) }
                if let key, let key { last[key] = offset }
            }
            offset += 1
        }
        return (last, offset)
    }

    private struct Found {
        let bytes: [UInt8]
        let tagsCode: Int64
        let storedAt: Int64
        /// Without a body: its key is to be forgotten.
        let isTombstone: Bool
    }

    private static func record(
        _ queue: ConsumeQueue, _ offset: Int64, _ store: MessageStore
    ) throws(SystemError) -> Found? {
        guard let unit = try queue.unit(at: offset) else { return nil }
        let code = try queue.tagsCode(of: unit) ?? unit.tagsCode
        return store.withRecord(at: unit.physicalOffset) { record, bytes in
            Found(
                bytes: bytes.toArray(), tagsCode: code, storedAt: record.storeTimestamp.rawValue,
                isTombstone: record.body.isEmpty)
        }
    }

    // MARK: - Reading

    /// The whole record of a message of `topic` that lay at a place of the log, if a compacted queue has it. Waits for the
    /// disk.
    public func record(of topic: String, fromLog offset: Int64) throws(SystemError) -> [UInt8]? {
        let ofTopic = files.withLock { files in files.filter { $0.key.topic == topic }.map(\.value) }
        for file in ofTopic {
            if let found = try file.record(fromLog: offset) { return found.toArray() }
        }
        return nil
    }

    /// Finds up to `limits` messages of the compacted part of `queue` from `offset` on, and copies them. Waits for the disk.
    /// - Parameters:
    ///   - matches: whether a message with this tags code is wanted; `nil` wants all.
    ///   - choose: decides instead, by properties.
    /// - Returns: `nil` if the queue is not compacted there.
    public func read(
        _ queue: ConsumeQueue, from offset: Int64, limits: ReadLimits, matches: ((Int64) -> Bool)? = nil,
        choose: ((Span<UInt8>) -> RecordChoice)? = nil
    ) throws(SystemError) -> (ReadResult, [UInt8])? {
        guard let file = file(queue.topic, queue.queueID), offset < file.endOffset else { return nil }
        var result = ReadResult(
            status: .noMatchedMessage, nextOffset: file.endOffset, minOffset: file.firstOffset,
            maxOffset: queue.maxOffset)
        var bytes = ByteBuffer()
        var seen = 0
        try file.forEach(from: max(0, offset)) { (unit, record) throws(SystemError) in
            let size = Int(unit.unit.size)
            let isFull =
                result.messageCount > 0
                && (bytes.count + size > limits.byteCount || result.messageCount >= limits.messageCount)
            guard !isFull, seen < limits.unitCount else {
                result.nextOffset = unit.baseOffset
                return false
            }
            seen += 1
            if let matches, !matches(unit.unit.tagsCode) { return true }
            guard let found = try record() else { return true }
            if let choose {
                let properties = RecordLayout.properties(in: found.span) ?? 0..<0
                switch choose(found.span.extracting(properties)) {
                case .take: break
                case .leave: return true
                case .stop:
                    result.nextOffset = unit.baseOffset
                    result.isStopped = true
                    return false
                }
            }
            bytes.append(found.span)
            result.messageCount += 1
            return true
        }
        result.byteCount = bytes.count
        if result.messageCount > 0 { result.status = .found }
        return (result, bytes.toArray())
    }
}
