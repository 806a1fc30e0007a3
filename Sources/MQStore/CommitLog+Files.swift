import MQBase
import MQSystem

/// The log's files: made before they are needed, synced, and taken out when they are old.
extension CommitLog {
    /// A new file, in the folder whose turn it is, or in one that has room.
    /// Source: `MultiPathMappedFileQueue.java`, RocketMQ 5.3.
    func makeFile(_ start: PhysicalOffset, fill: Bool) throws(SystemError) -> Segment {
        let turn = Int(start.rawValue / Int64(fileByteCount) % Int64(folders.count))
        for number in turn..<(turn + folders.count - 1) {
            do throws(SystemError) {
                return try makeFile(start, in: folders[number % folders.count], fill: fill)
            } catch {
                guard error.isNoSpace else { throw error }
            }
        }
        return try makeFile(start, in: folders[(turn + folders.count - 1) % folders.count], fill: fill)
    }

    private func makeFile(_ start: PhysicalOffset, in folder: String, fill: Bool) throws(SystemError) -> Segment {
        let path = folder + "/" + Segment.name(start.rawValue)
        do throws(SystemError) {
            let file = try File(path, .create)
            try file.allocate(byteCount: fileByteCount)
            if fill {
                let preparation = self.preparation
                try File(path, .direct).fillWithZeroes(byteCount: fileByteCount) {
                    preparation.withLock { !$0.isHurried && !$0.isStopping }
                }
            }
            try file.synchronizeData()  // its length, before a later file can have a name
            try Directory.synchronize(folder)
            return Segment(path, start: start, byteCount: fileByteCount, file: file)
        } catch {
            try? Directory.removeFile(path)  // half a file would hold room back and stop the next start
            throw error
        }
    }

    /// Body of the `prepare` thread: makes the next file before it is needed.
    /// - Parameter failed: told about a file that could not be made; the append will try again itself.
    func prepareFiles(failed: @Sendable (SystemError) -> Void) {
        while let start = nextToPrepare() { prepare(start, failed) }
    }

    /// Makes the next file if one is wanted: for a store whose threads do not run.
    func prepareIfWanted() {
        guard preparation.withLock({ $0.wanted }) != nil, let start = nextToPrepare() else { return }
        prepare(start) { _ in }
    }

    private func prepare(_ start: PhysicalOffset, _ failed: (SystemError) -> Void) {
        var made: Segment?
        do throws(SystemError) { made = try makeFile(start, fill: fillsFilesAhead) } catch { failed(error) }
        preparation.signal { [made] state in
            state.making = nil
            state.isHurried = false
            state.ready = made
            return true
        }
    }

    private func nextToPrepare() -> PhysicalOffset? {
        let next: PhysicalOffset?? = preparation.wait { state in
            if state.isStopping { return .some(nil) }
            guard let wanted = state.wanted else { return nil }
            state.wanted = nil
            state.making = wanted
            return .some(wanted)
        }
        return next ?? nil
    }

    /// Ends ``prepareFiles(failed:)``.
    func stopPreparing() {
        preparation.signal { state in
            state.isStopping = true
            return true
        }
    }

    /// Removes a prepared file that was never used, so that a stopped store ends with the file that is written to.
    func dropPrepared() {
        let segment = preparation.withLock { state in
            let segment = state.ready
            state.ready = nil
            return segment
        }
        // Best effort: an unused file is valid and is found again at the next start.
        if let segment { try? Directory.removeFile(segment.path) }
    }

    /// Makes everything in `range` durable.
    func synchronize(_ range: Range<PhysicalOffset>) throws(SystemError) {
        for segment in files where segment.start < range.upperBound && range.lowerBound < segment.end {
            try segment.file.synchronizeData()
            if segment.end <= range.upperBound { segment.closeFile() }
        }
    }

    // MARK: - Retention

    /// Files that may go, oldest first: not the last one, and nothing at or behind `limit`.
    func removable(before limit: PhysicalOffset) -> [Segment] {
        segments.withLock { segments in Array(segments.dropLast().prefix { $0.end <= limit }) }
    }

    /// Takes the oldest file out of the log: from now on ``min`` is its end. What it held must not be needed by queues.
    /// - Precondition: `segment` is the oldest, and not the last.
    func removeOldest(_ segment: Segment) {
        segments.withLock { segments in
            precondition(segments.first === segment && segments.count > 1, "\(segment.path) is not the oldest file")
            segments.removeFirst()
        }
    }

    /// Unmaps old files that nobody has read since the clock stood at `time`.
    /// - Returns: where it stood now.
    func unmapUnused(since time: Int) -> Int {
        defer { unmapUnread() }
        return mapped.closeUnused(since: time)
    }

    /// Unmaps what was given up and nobody reads any more.
    func unmapUnread() { unmapping.unmapUnread() }
}
