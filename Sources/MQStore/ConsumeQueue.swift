import MQBase
public import MQBytes
public import MQSystem
import Synchronization

/// One entry of a consume queue, 20 bytes, big-endian: `| physicalOffset i64 | size i32 | tagsCode i64 |`.
/// Source: `ConsumeQueue.java`, RocketMQ 5.3.
public struct QueueUnit: Equatable, Sendable {
    /// Bytes of one unit.
    public static let byteCount = 20
    /// What fills a file before its first real unit.
    package static let preBlankSize: Int32 = 0x7FFF_FFFF
    /// Stands where no record is: before a queue's first unit in its file, and where the log lost records.
    package static let blank = QueueUnit(physicalOffset: 0, size: preBlankSize, tagsCode: 0)

    /// Whether the address of an extension unit stands in place of the tags code (`enableConsumeQueueExt`):
    /// ``ConsumeQueue/tagsCode(of:_:)`` knows it.
    package var hasExtension: Bool { ExtensionAddress.isAddress(tagsCode) }

    /// Whether anything was written there, a blank included.
    package var isUsed: Bool { physicalOffset >= 0 && size > 0 }

    /// Where the record begins in the log.
    public let physicalOffset: Int64
    /// Bytes of the record.
    public let size: Int32
    /// Java's `hashCode` of the tags; in `SCHEDULE_TOPIC_XXXX` the time a message is due; or the address of an extension
    /// unit, which holds either.
    public let tagsCode: Int64

    /// A unit from its three numbers.
    package init(physicalOffset: Int64, size: Int32, tagsCode: Int64) {
        self.physicalOffset = physicalOffset
        self.size = size
        self.tagsCode = tagsCode
    }

    /// Reads the unit at `offset`.
    /// - Precondition: 20 bytes are there.
    package init(_ bytes: Span<UInt8>, at offset: Int) {
        physicalOffset = bytes.int64(at: offset)
        size = bytes.int32(at: offset + 8)
        tagsCode = bytes.int64(at: offset + 12)
    }

    func append(to bytes: inout ByteBuffer) {
        bytes.append(bigEndian: physicalOffset)
        bytes.append(bigEndian: size)
        bytes.append(bigEndian: tagsCode)
    }
}

/// A unit and the offset it belongs at.
struct PlacedUnit {
    let unit: QueueUnit
    let offset: Int64
    /// When its record was stored, milliseconds.
    let storedAt: Int64
}

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

    private let topicBytes: [UInt8]
    /// Java's hash of `topic#`, with which every key of the index begins.
    let keyPrefixHash: Int32
    /// Where dispatch gathers its units in this round; a guess, to be compared. Dispatch thread only.
    let roundSlot = Atomic<Int>(0)
    /// Where its files are.
    let folder: String
    private let fileByteCount: Int
    private let files: Lock<[QueueFile]>
    private let pending = Lock(Pending())
    /// Held while files are written or removed, so that a removed queue leaves nothing behind.
    private let writing = Lock<Void>(())
    /// Offset the next record gets; changed under the append lock only.
    private let next: Atomic<Int64>
    private let minimum: Atomic<Int64>
    private let maximum: Atomic<Int64>
    /// One bit for each loop that has a parked pull on this queue.
    private let waiting = Atomic<UInt64>(0)
    private let parked: ParkedQueues
    /// Units that are on the disk, counted from the queue's beginning.
    private let synced: Lock<Synced>
    /// How often everything was forgotten: what was found out about the queue before is about another one.
    private let lives = Atomic<Int>(0)
    private let openFiles: OpenFiles<QueueFile>
    /// Where units keep their tags code if they have no room for it; `nil`: none does.
    private let extensionUnits: QueueExtension?

    private struct Pending: Sendable {
        var units: [QueueUnit] = []
        /// Where the last unit's record begins; -1 if there is none.
        var lastPhysicalOffset: Int64 = -1
        /// A unit came that was not the next one.
        var hadGap = false
    }

    private struct Synced: Sendable {
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
        count: Int64, parked: ParkedQueues, open: OpenFiles<QueueFile>, extensionUnits: QueueExtension? = nil
    ) {
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

    /// The offset of the next record of this queue. Append lock only.
    func takeOffset() -> Int64 {
        let offset = next.load(ordering: .relaxed)
        next.store(offset + 1, ordering: .relaxed)
        return offset
    }

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

    // MARK: - Writing (dispatch thread)

    /// Adds `units`, in the log's order, as ``add(_:at:storedAt:)`` does one.
    /// - Parameter bitMaps: what the extension units of some of them hold, by offset.
    /// - Returns: whether there is anything to publish.
    func add(_ units: [PlacedUnit], bitMaps: [Int64: [UInt8]] = [:]) throws(SystemError) -> Bool {
        var done = extensionUnits?.isWritten == true ? 0 : addFollowing(units)
        while done < units.count {
            let placed = units[done]
            let bitMap = bitMaps.isEmpty ? [] : bitMaps[placed.offset] ?? []
            _ = try add(placed.unit, at: placed.offset, storedAt: placed.storedAt, bitMap: bitMap)
            done += 1
        }
        return pending.withLock { !$0.units.isEmpty }
    }

    /// Adds units as long as each follows the one before, which nearly always all of them do: one lock for a round.
    /// - Returns: how many were handled; those that were there before are passed over.
    private func addFollowing(_ units: [PlacedUnit]) -> Int {
        pending.withLock { pending in
            var next = maximum.load(ordering: .relaxed) + Int64(pending.units.count)
            for (index, placed) in units.enumerated() where placed.unit.physicalOffset > pending.lastPhysicalOffset {
                guard placed.offset == next, next < Self.offsetLimit else { return index }
                pending.lastPhysicalOffset = placed.unit.physicalOffset
                pending.units.append(placed.unit)
                next += 1
            }
            return units.count
        }
    }

    /// Adds the unit for `offset`; it can be read after ``publish()``. A record that lies before the last one of the
    /// queue was dispatched before and is passed over.
    ///
    /// A queue whose topic was deleted and made again counts from 0 again: the later record wins, and what the queue
    /// held goes. A gap can only come from a log that lost records; readers skip what fills it.
    /// - Parameter storedAt: the record's store time, which an extension unit holds, milliseconds.
    /// - Returns: whether it was new.
    func add(
        _ unit: QueueUnit, at offset: Int64, storedAt: Int64 = 0, bitMap: [UInt8] = []
    ) throws(SystemError) -> Bool {
        guard (0..<Self.offsetLimit).contains(offset) else { return false }
        let isExtended = extensionUnits?.isWritten == true
        let gap: Int64? = pending.withLock { pending in
            guard unit.physicalOffset > pending.lastPhysicalOffset else { return nil }
            pending.lastPhysicalOffset = unit.physicalOffset
            let gap = offset - maximum.load(ordering: .relaxed) - Int64(pending.units.count)
            if gap > 0 { pending.hadGap = true }
            if gap == 0, !isExtended { pending.units.append(unit) }
            return gap
        }
        guard let gap else { return false }
        guard gap != 0 || isExtended else { return true }
        let isEmpty = maxOffset == minOffset && pending.withLock { $0.units.isEmpty }
        var blanks: Int64 = 0
        if gap >= 0, gap <= fileByteCount / QueueUnit.byteCount, gap == 0 || !isEmpty {
            blanks = gap
        } else {
            try restart(at: offset)
        }
        let stored = isExtended ? extended(unit, storedAt, bitMap) : unit
        pending.withLock { pending in
            for _ in 0..<blanks { pending.units.append(.blank) }
            pending.units.append(stored)
        }
        return true
    }

    /// Whether units were missing before one that was added: the queue or the log lost them.
    var hadGap: Bool { pending.withLock { $0.hadGap } }

    /// The unit with its tags code in an extension unit.
    private func extended(_ unit: QueueUnit, _ storedAt: Int64, _ bitMap: [UInt8]) -> QueueUnit {
        guard let extensionUnits else { return unit }
        let address = extensionUnits.add(
            ExtensionUnit(tagsCode: unit.tagsCode, storeTimestamp: storedAt, bitMap: bitMap))
        return QueueUnit(physicalOffset: unit.physicalOffset, size: unit.size, tagsCode: address)
    }

    /// More than a queue can ever hold: positions in bytes must not overflow.
    private static let offsetLimit = Int64.max >> 6

    /// Drops everything; the queue goes on with `offset`.
    private func restart(at offset: Int64) throws(SystemError) {
        try writing.withLock { (_) throws(SystemError) in
            for file in forgetAll(offset) { try Directory.removeFile(file.path) }
            try extensionUnits?.clear()
        }
    }

    /// Forgets all units; returns the files that held them.
    private func forgetAll(_ offset: Int64) -> [QueueFile] {
        lives.add(1, ordering: .releasing)
        pending.withLock { $0.units.removeAll() }
        maximum.store(offset, ordering: .relaxed)
        minimum.store(offset, ordering: .releasing)
        synced.withLock {
            $0.count = min($0.count, offset)
            $0.told = nil
        }
        let old = files.withLock { files in
            let old = files
            files.removeAll()
            return old
        }
        for file in old { file.retire() }
        return old
    }

    /// Writes what was added to the file and lets readers see it.
    func publish() throws(SystemError) {
        try writing.withLock { (_) throws(SystemError) in
            let units = pending.withLock { $0.units }
            guard !units.isEmpty else { return }
            try extensionUnits?.publish()
            var position = maximum.load(ordering: .relaxed) * Int64(QueueUnit.byteCount)
            var bytes = ByteBuffer(capacity: units.count * QueueUnit.byteCount)
            for unit in units { unit.append(to: &bytes) }
            while !bytes.isEmpty {
                let fileStart = position / Int64(fileByteCount) * Int64(fileByteCount)
                let inFile = Int(position - fileStart)
                let byteCount = min(bytes.count, fileByteCount - inFile)
                let file = try fileForWriting(fileStart, firstUnitAt: inFile)
                try file.write(bytes.span.extracting(0..<byteCount), at: inFile)
                bytes.removeFirst(byteCount)
                position += Int64(byteCount)
            }
            maximum.store(position / Int64(QueueUnit.byteCount), ordering: .sequentiallyConsistent)
            pending.withLock { $0.units.removeAll(keepingCapacity: true) }
        }
    }

    private func fileForWriting(_ start: Int64, firstUnitAt inFile: Int) throws(SystemError) -> QueueFile {
        if let known = files.withLock({ $0.last { $0.start == start } }) { return known }
        let path = folder + "/" + Segment.name(start)
        let fresh = try makeFile(path)
        try fresh.truncate(to: fileByteCount)
        if inFile > 0 { try preBlank(fresh, byteCount: inFile) }
        let file = QueueFile(path, start: start, open: openFiles, file: fresh)
        files.withLock { $0.append(file) }
        synced.withLock { $0.hasNewFile = true }
        return file
    }

    /// Emptied if it is there: what was left of an earlier topic of that name must not be taken for units.
    private func makeFile(_ path: String) throws(SystemError) -> File {
        do throws(SystemError) {
            try Directory.create(folder)
            return try File(path, .replace)
        } catch {
            guard error.isNotFound else { throw error }
            try Directory.create(folder)  // the topic's empty folder was being removed at this moment
            return try File(path, .replace)
        }
    }

    /// Units that stand for "before the queue's first": Java skips them by their size.
    private func preBlank(_ file: File, byteCount: Int) throws(SystemError) {
        var bytes = ByteBuffer(capacity: byteCount)
        for _ in 0..<(byteCount / QueueUnit.byteCount) { QueueUnit.blank.append(to: &bytes) }
        try file.write(bytes.span, at: 0)
    }

    /// Makes what was published durable. The `keep` thread calls it. After an error nobody knows what is on the disk:
    /// it must not be tried again.
    /// - Parameter leastPages: a queue that grew by fewer pages of 4 KiB is left alone.
    func synchronize(leastPages: Int = 0) throws(SystemError) {
        let count = maxOffset
        let before: Synced? = synced.withLock { synced in
            let pages = (count - synced.count) * Int64(QueueUnit.byteCount) / 4096
            guard pages >= Int64(leastPages), synced.count < count || synced.hasNewFile else { return nil }
            let before = synced
            synced.hasNewFile = false
            return before
        }
        guard let before else { return }
        try extensionUnits?.synchronize()
        let first = before.count * Int64(QueueUnit.byteCount) - Int64(fileByteCount)
        for file in files.withLock({ $0 }) where file.start > first { try file.synchronizeData() }
        if before.hasNewFile {
            for path in [folder, folder + "/..", folder + "/../.."] {
                do throws(SystemError) {
                    try Directory.synchronize(path)
                } catch {
                    guard error.isNotFound else { throw error }  // the topic was deleted meanwhile
                }
            }
        }
        synced.withLock { $0.count = max($0.count, count) }
    }

    // MARK: - Reading

    /// Appends the raw units from `offset` on, `count` at most and not past the end of one file, to `buffer`. May wait for
    /// the disk.
    /// - Returns: how many; 0 if the offset is not in the queue.
    public func readUnits(from offset: Int64, count: Int, into buffer: inout ByteBuffer) throws(SystemError) -> Int {
        guard let place = place(of: offset, count: count) else { return 0 }
        return try place.file.read(place.byteCount, at: place.inFile, into: &buffer) / QueueUnit.byteCount
    }

    /// As ``readUnits(from:count:into:)``, but only what is in memory.
    /// - Returns: `nil` if it would have to wait for the disk.
    func readUnitsInMemory(from offset: Int64, count: Int, into buffer: inout ByteBuffer) throws(SystemError) -> Int? {
        guard let place = place(of: offset, count: count) else { return 0 }
        let byteCount = try place.file.readIfInMemory(place.byteCount, at: place.inFile, into: &buffer)
        return byteCount.map { $0 / QueueUnit.byteCount }
    }

    /// Begins to read the units from `offset` on into memory, up to the end of their file. A hint.
    public func readAhead(from offset: Int64, byteCount: Int) {
        guard let place = place(of: offset, count: byteCount / QueueUnit.byteCount) else { return }
        place.file.readAhead(place.inFile..<place.inFile + place.byteCount)
    }

    /// Where the units lie: in one file, and as many as there are of those asked for.
    private func place(of offset: Int64, count: Int) -> (file: QueueFile, inFile: Int, byteCount: Int)? {
        let end = maxOffset
        guard offset >= minOffset, offset < end, count > 0 else { return nil }
        let position = offset * Int64(QueueUnit.byteCount)
        let available = end - offset
        let file = files.withLock { files -> QueueFile? in
            guard let first = files.first, position >= first.start else { return nil }
            let index = Int((position - first.start) / Int64(fileByteCount))
            return index < files.count ? files[index] : nil
        }
        guard let file else { return nil }
        let inFile = Int(position - file.start)
        let fits = (fileByteCount - inFile) / QueueUnit.byteCount
        return (file, inFile, Int(min(available, Int64(min(count, fits)))) * QueueUnit.byteCount)
    }

    /// The unit at `offset`; `nil` if there is none.
    public func unit(at offset: Int64) throws(SystemError) -> QueueUnit? {
        var buffer = ByteBuffer(capacity: QueueUnit.byteCount)
        guard try readUnits(from: offset, count: 1, into: &buffer) == 1 else { return nil }
        return QueueUnit(buffer.span, at: 0)
    }

    /// The tags code of a unit of this queue, wherever it stands; `nil` if its extension unit is gone, so that nobody knows
    /// but the record itself. May wait for the disk as long as reading the unit does.
    func tagsCode(of unit: QueueUnit, _ cursor: inout QueueExtension.Cursor) throws(SystemError) -> Int64? {
        guard unit.hasExtension else { return unit.tagsCode }
        return try extensionUnits?.tagsCode(at: unit.tagsCode, &cursor)
    }

    /// The extension unit that a unit of this queue points to; `nil` if it has none, or it is gone. May wait for the disk.
    func extensionUnit(of unit: QueueUnit) throws(SystemError) -> ExtensionUnit? {
        guard unit.hasExtension else { return nil }
        return try extensionUnits?.unit(at: unit.tagsCode)
    }

    /// As the other one, for a reader of single units.
    public func tagsCode(of unit: QueueUnit) throws(SystemError) -> Int64? {
        guard unit.hasExtension else { return unit.tagsCode }
        var cursor = QueueExtension.Cursor()
        return try tagsCode(of: unit, &cursor)
    }

    // MARK: - Recovery and removal

    /// Drops the units from the first one on whose record begins at or behind `end`, or that is none. Recovery only.
    ///
    /// After a crash of the machine any page behind the last sync may be missing, so units in the middle may be zero;
    /// before it they are all there and in the log's order, which is what the binary search needs.
    func truncate(to end: PhysicalOffset, wasClean: Bool) throws(SystemError) {
        let position = maxOffset * Int64(QueueUnit.byteCount)
        let hasLaterFile = files.withLock { $0.contains { $0.start > position } }
        if wasClean, !hasLaterFile, let last = try unit(at: maxOffset - 1), last.isUsed,
            last.physicalOffset < end.rawValue
        {
            pending.withLock { $0 = Pending(lastPhysicalOffset: last.physicalOffset) }
            return try settleExtension(wasClean: true)
        }
        let count = try firstOffset { $0.isUsed && $0.physicalOffset < end.rawValue }
        maximum.store(count, ordering: .releasing)
        next.store(count, ordering: .relaxed)
        synced.withLock { $0.count = min($0.count, count) }
        let last = try unit(at: count - 1)
        pending.withLock { $0 = Pending(lastPhysicalOffset: last?.physicalOffset ?? -1) }
        try clearBehind(count)
        try settleExtension(wasClean: false)
    }

    /// Lets the extension go on behind what the last unit knows of it.
    private func settleExtension(wasClean: Bool) throws(SystemError) {
        guard let extensionUnits, extensionUnits.isWritten else { return }
        var offset = maxOffset - 1
        var last = try unit(at: offset)
        // Units that were written without extension lie behind it only for a while.
        while let unit = last, !unit.hasExtension, offset > minOffset, maxOffset - offset < 100_000 {
            offset -= 1
            last = try self.unit(at: offset)
        }
        let address = last.flatMap { $0.hasExtension ? $0.tagsCode : nil }
        try extensionUnits.settle(behind: address, wasClean: wasClean)
    }

    /// The first offset whose unit is not before what is looked for; a blank counts as the unit before it.
    private func firstOffset(_ isBefore: (QueueUnit) -> Bool) throws(SystemError) -> Int64 {
        var low = minOffset
        var high = maxOffset
        while low < high {
            let middle = low + (high - low) / 2
            var probe = middle
            var found = try unit(at: probe)
            while found == .blank, probe > low {
                probe -= 1
                found = try unit(at: probe)
            }
            guard let found else { return low }
            if found == .blank || isBefore(found) { low = middle + 1 } else { high = probe }
        }
        return low
    }

    /// Zeroes what lies behind the last unit in its file and removes later files, so that no reader takes it for units.
    /// The last file stays even if it holds none: its name tells where the queue goes on.
    private func clearBehind(_ count: Int64) throws(SystemError) {
        let position = count * Int64(QueueUnit.byteCount)
        let later = files.withLock { files in
            let later = files.filter { $0.start > position }
            files.removeAll { $0.start > position }
            return later
        }
        for file in later {
            file.retire()
            try Directory.removeFile(file.path)
        }
        guard let last = files.withLock({ $0.last }) else { return }
        let inFile = Int(position - last.start)
        guard inFile >= 0, inFile < fileByteCount else { return }
        // Never of another length, or the next start would refuse it.
        try last.discard(inFile..<fileByteCount)
    }

    /// Moves the first offset behind units whose records are gone: those before `logStart`. Recovery and retention. The
    /// search runs beside the dispatch thread and counts for nothing if the queue was emptied meanwhile.
    func correctMinimum(_ logStart: PhysicalOffset) throws(SystemError) {
        let life = lives.load(ordering: .acquiring)
        if let oldest = try unit(at: minOffset), oldest != .blank, oldest.physicalOffset >= logStart.rawValue { return }
        let first = try firstOffset { $0.physicalOffset < logStart.rawValue }
        writing.withLock { _ in
            guard lives.load(ordering: .acquiring) == life, first > minOffset else { return }
            setMinOffset(first)
        }
        try removeOldExtension()
    }

    /// Removes what the extension holds for units before the first.
    private func removeOldExtension() throws(SystemError) {
        guard let extensionUnits else { return }
        try writing.withLock { (_) throws(SystemError) in
            guard let first = try unit(at: minOffset), first.hasExtension else { return }
            try extensionUnits.removeFiles(before: first.tagsCode)
        }
    }

    /// Removes the oldest file if all its units are before ``minOffset``; never the last file. Retention.
    /// - Returns: whether one was removed.
    func removeOldFile() throws(SystemError) -> Bool {
        try writing.withLock { (_) throws(SystemError) in
            let end = minOffset * Int64(QueueUnit.byteCount)
            let old = files.withLock { files in files.count > 1 && files[1].start <= end ? files[0] : nil }
            guard let old else { return false }
            try Directory.removeFile(old.path)
            files.withLock { _ = $0.removeFirst() }
            old.retire()
            return true
        }
    }

    /// Whether all its records lie before `logStart`, and it had some.
    func isExpired(before logStart: PhysicalOffset) throws(SystemError) -> Bool {
        let end = maxOffset
        guard end > 0, pending.withLock({ $0.units.isEmpty }) else { return false }
        guard minOffset < end, let last = try unit(at: end - 1) else { return minOffset == end }
        return last != .blank && last.physicalOffset < logStart.rawValue
    }

    /// What can be told of it in a recovery point once it is synced; `nil` for an empty queue. The `keep` thread calls it.
    func state() throws(SystemError) -> RecoveryPoint.Queue? {
        let count = maxOffset
        guard count > minOffset else { return nil }
        let known = synced.withLock { $0.told }
        if let known, known.end == count { return known }
        guard let last = try unit(at: count - 1) else { return nil }
        let state = RecoveryPoint.Queue(
            topic: topic, queueID: queueID, end: count, lastRecord: last.physicalOffset)
        synced.withLock { $0.told = state }
        return state
    }

    /// Empties it and removes everything in its folder. Recovery only.
    func discard() throws(SystemError) {
        _ = forgetAll(0)
        pending.withLock { $0.lastPhysicalOffset = -1 }
        try Directory.removeTree(folder)
    }

    /// Where the last unit's record ends in the log; 0 for an empty queue.
    func lastRecordEnd() throws(SystemError) -> Int64 {
        guard let last = try unit(at: maxOffset - 1), last.isUsed, last.physicalOffset < .max - Int64(last.size) else {
            return 0
        }
        return last.size == QueueUnit.preBlankSize ? 0 : last.physicalOffset + Int64(last.size)
    }

    /// Empties the queue and removes its files, because its topic was deleted. Loops may hold it and go on with it when
    /// the topic is made again: it counts from 0 then. The append has been told so, with ``setNextOffset(_:)``.
    /// - Parameter end: records before it are the old topic's.
    func clear(before end: PhysicalOffset) throws(SystemError) {
        try writing.withLock { (_) throws(SystemError) in
            _ = forgetAll(0)
            pending.withLock { $0.lastPhysicalOffset = max($0.lastPhysicalOffset, end.rawValue - 1) }
            try Directory.removeTree(folder)
            try extensionUnits?.clear()
        }
    }
}
