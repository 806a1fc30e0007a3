import MQBase
import MQBytes
import MQObserve
package import MQSystem

/// A message that waits for its time: where its record lies, and what it says of itself.
package struct TimedRecord: Equatable, Sendable {
    /// Where the record begins in the CommitLog.
    package var record: Int64
    /// Bytes of the record.
    package var byteCount: Int32
    /// `TIMER_OUT_MS`, milliseconds.
    package var out: Int64
    /// Java's hash of the real topic's name.
    package var topicHash: Int32
    /// It takes another message back.
    package var isDelete: Bool

    /// A message that waits.
    package init(record: Int64, byteCount: Int32, out: Int64, topicHash: Int32, isDelete: Bool) {
        self.record = record
        self.byteCount = byteCount
        self.out = out
        self.topicHash = topicHash
        self.isDelete = isDelete
    }
}

/// What waits for which second: timer log, wheel and their checkpoint under one store's root. It knows records by where
/// they lie; reading and delivering them is its owner's. Owned by one thread.
///
/// Nothing is on the disk before the first message waits. Everything here can be built again from the queue of the wheel's
/// topic, and is when it is gone or damaged.
package final class TimerStore {
    /// How slots lie in time.
    package let times: TimerTimes
    private let root: String
    private let logger: Log
    let log: TimerLog
    let wheel: TimerWheel
    private var checkpointFile: File?
    private var isCheckpointNew = false

    /// The hand: slots before it were emptied.
    package internal(set) var readTime: Int64
    /// The next message of the wheel's queue. The owner moves it.
    package var queueOffset: Int64
    /// What recovery found being handled already; see ``isHandled(out:storedAt:at:)``.
    var replay: (until: Int64, readTime: Int64)?
    /// As the checkpoint says or will say.
    package internal(set) var checkpoint: TimerCheckpoint
    private var hasEmptied = false

    init(root: String, layout: TimerLogLayout, times: TimerTimes, logger: Log) throws(TimerOpenError) {
        self.root = root
        self.times = times
        self.logger = logger
        log = try TimerLog(folder: root + "/timerlog", layout: layout)
        wheel = TimerWheel(path: root + "/timerwheel", times: times)
        checkpoint = TimerCheckpoint()
        readTime = 0
        queueOffset = 0
    }

    /// Messages that wait in slots.
    package var waiting: Int64 { max(0, wheel.waiting) }
    /// The wheel's file, for ``TimerSlots``; `nil` before the first message.
    package var wheelFile: File? { wheel.file }

    // MARK: - In

    /// Whether a message is due and its slot was emptied: it is to be delivered at once.
    package func isPast(_ out: Int64, at now: Int64) -> Bool {
        times.floor(out) < readTime && times.isDue(times.floor(out), at: now)
    }

    /// Whether a message of the queue, read again because the timer's files were lost, was delivered or put in again before.
    package func isHandled(out: Int64, storedAt: Int64, at offset: Int64) -> Bool {
        guard let replay, offset < replay.until else { return false }
        return times.wasHandled(out: out, storedAt: storedAt, before: replay.readTime)
    }

    /// Whether the wheel's hand is so far behind that a slot could be taken for another: empty slots first.
    package func isFarBehind(_ now: Int64) -> Bool {
        now - readTime > Int64(TimerTimes.slotsOfTurn) * times.precision && wheel.next(from: readTime) != nil
    }

    /// Puts messages in, in the order of the queue. When it returns they are in the page cache; after an error it may be
    /// done again.
    package func add(_ records: [TimedRecord], now: Int64) throws(SystemError) {
        guard !records.isEmpty else { return }
        defer { wheel.forgetChanges() }
        if checkpointFile == nil { try makeCheckpoint() }
        let written = times.floor(now)
        var pieces = log.pieces()
        for record in records {
            let (slot, rolls) = times.place(out: record.out, now: now)
            if slot < readTime { try goBack(to: slot) }
            var kind = TimerUnit.Kind.message
            if rolls { kind.insert(.roll) }
            if record.isDelete { kind.insert(.delete) }
            let previous = try wheel.slot(slot)?.last ?? TimerUnit.none
            let place = pieces.add { _ in
                TimerUnit(
                    previous: previous, kind: kind, writtenAt: written, delay: Int32(clamping: slot - written),
                    record: record.record, recordByteCount: record.byteCount, topicHash: record.topicHash)
            }
            try wheel.add(place, to: slot, isDelete: record.isDelete)
        }
        try log.write(pieces)
        try wheel.write()
    }

    /// The clock was set back behind the hand.
    private func goBack(to slot: Int64) throws(SystemError) {
        logger.warn("the clock was set back", ["from": String(readTime), "to": String(slot)])
        try wheel.erase(from: slot, to: readTime)
        readTime = slot
    }

    // MARK: - Out

    /// The first slot in which messages wait.
    package var nextSlot: Int64? { wheel.next(from: readTime) }

    /// What waits in `slot`; `nil` if nothing does.
    package func chain(of slot: Int64) throws(SystemError) -> TimerChain? {
        guard let found = try wheel.slot(slot) else { return nil }
        let chain = try TimerChain(slot, last: found.last, log: log, times: times)
        if chain.wasBroken { logger.warn("the timer's slot was damaged; the timer log was searched", [:]) }
        return chain
    }

    /// All of `slot` was delivered, or it cannot be read: the hand goes on behind it.
    package func clear(_ slot: Int64) throws(SystemError) {
        wheel.clear(slot, count: try wheel.slot(slot)?.count ?? 0)
        readTime = max(readTime, times.due(slot))
        hasEmptied = true
    }

    /// Nothing waits before `now`: the hand goes there.
    package func moveHand(to now: Int64) {
        let hand = times.floor(now)
        guard hand > readTime, (nextSlot ?? .max) >= hand else { return }
        readTime = hand
    }

    // MARK: - Checkpoint

    private func makeCheckpoint() throws(SystemError) {
        let path = TimerCheckpoint.path(in: root)
        isCheckpointNew = !Directory.exists(path)
        try Directory.create(root + "/config")
        let file = try File(path, .create)
        if try file.byteCount() < TimerCheckpoint.byteCount { try file.truncate(to: TimerCheckpoint.byteCount) }
        checkpointFile = file
    }

    /// What is to be done so that all that was done up to now outlives a crash; `nil` if there is no file yet.
    /// Run it on another thread: it waits for the disk. It may be run when the CommitLog is on the disk as far as it was read
    /// and written so far, and before that must not be.
    /// - Parameter recordStart: where the CommitLog begins.
    package func sync(now: Int64, recordStart: Int64) throws(SystemError) -> TimerSync? {
        guard let checkpointFile, !isReplaying else { return nil }
        hasEmptied = false
        var folders: Set<String> = []
        let (logFiles, folder) = log.takeDirty()
        if let folder { folders.formUnion([folder, root]) }
        let wheelFile = wheel.takeDirty()
        if wheelFile?.isNew == true { folders.insert(root) }
        if isCheckpointNew { folders.insert(root + "/config") }
        isCheckpointNew = false
        let emptied = checkpoint.readTime  // it is on the disk
        var next = checkpoint
        next.readTime = readTime
        next.logEnd = log.end
        next.queueOffset = queueOffset
        next.masterQueueOffset = queueOffset
        next.timestamp = now
        next.counter &+= 1
        return TimerSync(
            values: next, files: logFiles + [wheelFile?.file].compactMap { $0 }, folders: folders.sorted(),
            checkpoint: checkpointFile, removed: try log.takeOld(before: recordStart, emptiedTo: emptied))
    }

    /// What `sync` wrote is on the disk.
    package func synced(_ sync: TimerSync) { checkpoint = sync.values }

    /// Whether there is anything that the checkpoint does not say.
    package var isAhead: Bool {
        checkpointFile != nil && !isReplaying
            && (hasEmptied || wheel.isDirty || queueOffset != checkpoint.queueOffset || log.end != checkpoint.logEnd)
    }

    /// What was put in once is put in again: until that is done a crash begins it anew.
    private var isReplaying: Bool { replay.map { queueOffset < $0.until } ?? false }

    /// Opens what exists for writing.
    func openCheckpoint() throws(SystemError) {
        if Directory.exists(TimerCheckpoint.path(in: root)) { try makeCheckpoint() }
    }

    /// Says, durably, that log and wheel are nothing to go by, before they are built again: a log that has grown would be
    /// taken for the one that the checkpoint told of.
    /// - Parameter start: where RocketMQ would have to begin in the queue.
    func disownFiles(replayFrom start: Int64) throws(SystemError) {
        guard let checkpointFile else { return }
        checkpoint.logEnd = Int64.max >> 8
        checkpoint.masterQueueOffset = start
        try checkpointFile.write(checkpoint.encoded.span, at: 0)
        try checkpointFile.synchronizeData()
    }
}

/// The syncs and the write that move the timer's checkpoint. Any thread, one at a time.
package struct TimerSync: Sendable {
    /// What the checkpoint says then.
    package let values: TimerCheckpoint
    let files: [File]
    let folders: [String]
    let checkpoint: File
    let removed: [String]

    /// Blocks on the disk. After an error nobody knows what is on the disk: the checkpoint must stay as it is for good.
    package func run() throws(SystemError) {
        for file in files { try file.synchronizeData() }
        for folder in folders { try Directory.synchronize(folder) }
        try checkpoint.write(values.encoded.span, at: 0)
        try checkpoint.synchronizeData()
        for path in removed { try Directory.removeFile(path) }
    }
}

/// How many messages wait in a slot, for threads that do not own the timer.
package struct TimerSlots: Sendable {
    private let file: File
    private let times: TimerTimes

    /// Looks into the wheel's file.
    package init(_ file: File, times: TimerTimes) {
        self.file = file
        self.times = times
    }

    /// As the file has it now; `nil` if to know it one would have to wait for the disk.
    package func count(_ slot: Int64) -> Int64? {
        var bytes = ByteBuffer(capacity: TimerSlot.byteCount)
        let offset = times.index(of: slot) * TimerSlot.byteCount
        // A limit that cannot be looked up limits nothing.
        guard let got = try? file.readIfInMemory(TimerSlot.byteCount, at: offset, into: &bytes),
            got == TimerSlot.byteCount
        else { return nil }
        let found = TimerSlot(bytes.span, at: 0)
        return found.number == slot / times.precision ? Int64(found.count) : 0
    }
}
