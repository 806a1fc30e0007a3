import MQBase
import MQBytes
import MQMessage
import MQSystem
import Synchronization

/// The append-only log. `append` is called by loops, under one lock, once per wake-up; everything else reads.
final class CommitLog: Sendable {
    private struct Tail {
        var position: PhysicalOffset
        var segment: Segment?
        /// Behind this offset the next file is asked for; `nil` when it has been.
        var prepareBehind: PhysicalOffset?
    }

    let folders: [String]
    let fileByteCount: Int
    let fillsFilesAhead: Bool
    let segments: Lock<[Segment]>
    /// Files that stay mapped because they are read on loops: those that begin this little before the last one.
    private let keptByteCount: Int
    let mapped: OpenFiles<Segment>
    let unmapping = LateUnmapping()
    private let tail: Lock<Tail>
    let preparation = Monitor<PreparationState>(PreparationState())
    private let lastTimestamp: Atomic<Int64>
    /// When the append that runs began, nanoseconds of the monotonic clock; 0 while none does. Written by `tail`'s holder.
    private let begun = Atomic<Int64>(0)
    /// What dispatch need not read, because it was told.
    let feed = DispatchFeed()
    /// End of the last complete record.
    let written: Watermark

    /// The next file, between the `prepare` thread that makes it and the append that needs it.
    struct PreparationState {
        /// Where the next file to make begins; nobody makes it yet.
        var wanted: PhysicalOffset?
        /// The `prepare` thread makes this one now.
        var making: PhysicalOffset?
        /// The append needs the one that is being made at once, filled or not.
        var isHurried = false
        var ready: Segment?
        var isStopping = false
    }

    /// - Parameters:
    ///   - segments: the files there are, without holes, in order.
    ///   - keptByteCount: how much of the log's end stays mapped, because loops read there.
    ///   - mappedMax: how many older files stay mapped.
    ///   - lastTimestamp: when the last record was stored, milliseconds: the next one is not stored before it.
    init(
        folders: [String], fileByteCount: Int, fillsFilesAhead: Bool, segments: [Segment], end: PhysicalOffset,
        keptByteCount: Int64 = 1 << 30, mappedMax: Int = 32, lastTimestamp: Int64 = 0
    ) {
        self.lastTimestamp = Atomic(lastTimestamp)
        self.folders = folders
        self.fileByteCount = fileByteCount
        self.fillsFilesAhead = fillsFilesAhead
        // Small files must not run into the system's bound of 65,530 mappings.
        self.keptByteCount = Int(Swift.min(keptByteCount, Int64(fileByteCount) * 256))
        self.segments = Lock(segments)
        mapped = OpenFiles(max: mappedMax)
        written = Watermark(end)
        let segment = segments.first { $0.start <= end && end < $0.end }
        tail = Lock(
            Tail(
                position: end, segment: segment,
                prepareBehind: segment.map { Swift.max(end, $0.start + fileByteCount / 10) }))
        if segment == nil { preparation.withLock { $0.wanted = end } }
        for segment in segments { segment.join(mapped, unmapping) }
        keepMapped(segments)
    }

    deinit { mapped.removeAll() }  // the files and what bounds them hold each other

    /// Marks the files that stay mapped, and those that no longer do.
    private func keepMapped(_ segments: [Segment]) {
        guard let last = segments.last else { return }
        for segment in segments.reversed() {
            let isRecent = segment === last || last.start - segment.start <= keptByteCount
            if !isRecent, !segment.isKept { return }  // nor is any before it
            segment.isKept = isRecent
        }
    }

    /// The largest record a file can hold, with the blank that must fit behind it.
    var recordByteCountMax: Int { fileByteCount - RecordLayout.blankByteCount }

    /// The first offset there is; the end if there is none.
    var min: PhysicalOffset { segments.withLock { $0.first?.start } ?? written.value }

    /// The store time of the last record, milliseconds; 0 if there is none, or none that can be believed.
    var lastStoreTimestamp: Int64 { lastTimestamp.load(ordering: .acquiring) }

    /// All files, oldest first.
    var files: [Segment] { segments.withLock { $0 } }

    /// The file that holds the byte at `offset`.
    func segment(at offset: PhysicalOffset) -> Segment? {
        segments.withLock { segments in
            guard let first = segments.first, offset >= first.start else { return nil }
            let index = (offset - first.start) / fileByteCount
            return index < segments.count ? segments[index] : nil
        }
    }

    // MARK: - Append

    /// Gives every record of `batch` its place, fills offsets and the store's time in, and writes them: one system call
    /// unless a file ends in the middle. When this returns the records are in the page cache, not on the disk.
    /// - Parameter patience: how long another append may last before this one gives up, ms; asked only if one lasts.
    /// - Returns: `false` if it gave up; nothing has happened then.
    /// - Throws: `SystemError` if a write or a new file failed. Nothing of the batch counts then, and its offsets are
    ///   given back. Unless there was no room, the caller fences the store: what lies behind `written` is unknown.
    @discardableResult func append(
        _ batch: AppendBatch, at now: Timestamp, patience: () -> Int64 = { .max }
    ) throws(SystemError) -> Bool {
        guard !batch.entries.isEmpty else { return true }
        let left = { () -> Int64 in
            let (limit, lasted) = (patience(), self.busyMilliseconds)
            return limit == .max ? limit : limit - lasted
        }
        let done: Void? = try tail.withLock(within: left) { tail throws(SystemError) in
            begun.store(SystemClock.now().nanoseconds, ordering: .relaxed)
            defer { begun.store(0, ordering: .relaxed) }
            let before = tail
            let time = Swift.max(now.rawValue, lastTimestamp.load(ordering: .relaxed))
            var placed = 0
            do throws(SystemError) {
                try append(batch, &tail, time, &placed)
            } catch {
                // Nobody has seen the bytes behind `written`: give the offsets back, so that the log can go on where it
                // was once there is room again.
                for entry in batch.entries[..<placed].reversed() where entry.isInQueue {
                    entry.queue.setNextOffset(entry.queueOffset)
                    if !entry.liteSlots.isEmpty { batch.unplaceLite(entry) }
                }
                tail = before
                wipe(batch.byteCount, behind: before.position)
                throw error
            }
            batch.storeTimestamp = Timestamp(rawValue: time)
            batch.end = tail.position
            if let prepareBehind = tail.prepareBehind, tail.position > prepareBehind { prepareNext(&tail) }
            feed.add(batch, at: time)
            written.raise(to: tail.position)
            lastTimestamp.store(time, ordering: .releasing)  // behind `written`: who reads it reads at least this end
        }
        return done != nil
    }

    /// How long the append lasts that runs now, ms; 0 if none does.
    var busyMilliseconds: Int64 {
        let begun = begun.load(ordering: .relaxed)
        return begun == 0 ? 0 : SystemClock.now().milliseconds(since: Instant(nanoseconds: begun))
    }

    /// Lets `queues` count from 0 again.
    /// - Returns: records before this offset have the old numbers, those behind it the new ones.
    func restart(_ queues: [ConsumeQueue]) -> PhysicalOffset {
        tail.withLock { tail in
            for queue in queues { queue.setNextOffset(0) }
            return tail.position
        }
    }

    private func append(
        _ batch: AppendBatch, _ tail: inout Tail, _ time: Int64, _ placed: inout Int
    ) throws(SystemError) {
        var runStart = 0  // of the bytes of `batch` that are placed and not written yet
        var runOffset = tail.position
        var segment = try currentSegment(&tail)
        for index in batch.entries.indices {
            let byteCount = batch.entries[index].byteCount
            precondition(byteCount <= recordByteCountMax, "a record of \(byteCount) bytes fits no file")
            if tail.position + (byteCount + RecordLayout.blankByteCount) > segment.end {
                try write(batch, from: runStart, to: batch.entries[index].start, at: runOffset, segment)
                try writeBlank(segment, at: tail.position)
                tail = Tail(position: segment.end, segment: nil, prepareBehind: nil)
                segment = try currentSegment(&tail)
                runStart = batch.entries[index].start
                runOffset = tail.position
            }
            place(&batch.entries[index], in: batch, at: tail.position, time)
            placed = index + 1
            tail.position = tail.position + byteCount
        }
        try write(batch, from: runStart, to: batch.buffer.count, at: runOffset, segment)
    }

    private func place(
        _ entry: inout AppendBatch.Entry, in batch: AppendBatch, at offset: PhysicalOffset, _ time: Int64
    ) {
        entry.physicalOffset = offset.rawValue
        if entry.isInQueue { entry.queueOffset = entry.queue.takeOffset(messageCount: entry.messageCount) }
        if entry.baseDigitsAt != 0 {
            InnerBatch.store(base: entry.queueOffset, in: &batch.buffer, at: entry.baseDigitsAt)
        }
        if !entry.liteSlots.isEmpty { batch.placeLite(entry) }
        batch.buffer.store(bigEndian: entry.queueOffset, at: entry.start + RecordLayout.queueOffset)
        batch.buffer.store(bigEndian: offset.rawValue, at: entry.start + RecordLayout.physicalOffset)
        batch.buffer.store(bigEndian: time, at: entry.storeTimestampAt)
        if batch.appendsChecksum {
            RecordChecksum.store(in: &batch.buffer, recordAt: entry.start, byteCount: entry.byteCount)
        }
    }

    private func write(
        _ batch: AppendBatch, from start: Int, to end: Int, at offset: PhysicalOffset, _ segment: Segment
    ) throws(SystemError) {
        guard end > start else { return }
        try batch.buffer.withBytes(start..<end) { bytes throws(SystemError) in
            try segment.file.write(bytes, at: offset - segment.start)
        }
    }

    /// Best effort: what a failed append left behind the end must not look like records after a crash.
    private func wipe(_ byteCount: Int, behind end: PhysicalOffset) {
        for segment in files where segment.end > end {
            let start = Swift.max(end, segment.start) - segment.start
            try? segment.file.zero(
                start..<Swift.min(segment.byteCount, start + byteCount + RecordLayout.blankByteCount))
        }
    }

    /// Marks the rest of a file as unused: its size and the blank magic. The bytes behind stay as they are.
    private func writeBlank(_ segment: Segment, at offset: PhysicalOffset) throws(SystemError) {
        var blank = ByteBuffer(capacity: RecordLayout.blankByteCount)
        blank.append(bigEndian: Int32(segment.end - offset))
        blank.append(bigEndian: RecordLayout.magicBlank)
        try segment.file.write(blank.span, at: offset - segment.start)
    }

    // MARK: - Files

    /// The file that takes the next byte; made now if nobody prepared it.
    private func currentSegment(_ tail: inout Tail) throws(SystemError) -> Segment {
        if let segment = tail.segment { return segment }
        let start = tail.position
        let segment: Segment
        if let known = self.segment(at: start) {
            segment = known  // an append that failed got this far before
        } else {
            if let ready = takePrepared(start) { segment = ready } else { segment = try makeFile(start, fill: false) }
            segment.join(mapped, unmapping)
            let segments = segments.withLock { segments in
                segments.append(segment)
                return segments
            }
            keepMapped(segments)
        }
        tail.segment = segment
        // A broker that takes little must not reserve a second file: a tenth of this one is soon enough.
        tail.prepareBehind = segment.start + fileByteCount / 10
        return segment
    }

    /// The prepared file that begins at `start`; waits for one that is being made, but not until it is filled.
    /// `nil`: nobody makes it, and nobody will.
    private func takePrepared(_ start: PhysicalOffset) -> Segment? {
        let found: Segment?? = preparation.wait { state in
            if state.making == start {
                state.isHurried = true
                return nil
            }
            if state.wanted == start { state.wanted = nil }
            defer { state.ready = nil }
            return .some(state.ready?.start == start ? state.ready : nil)
        }
        return found ?? nil
    }

    /// Asks the `prepare` thread for the file behind the present one.
    private func prepareNext(_ tail: inout Tail) {
        guard let end = tail.segment?.end else { return }
        tail.prepareBehind = nil
        preparation.signal { state in
            state.wanted = end
            return true
        }
    }
}
