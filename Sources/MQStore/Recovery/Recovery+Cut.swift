import MQBase
import MQBytes
import MQMessage
import MQObserve
import MQSystem

/// What lies behind the log's end, and making what lies before it durable.
extension Recovery {
    /// Syncs what may be in the page cache only: from now on it counts as flushed.
    func makeDurable(_ outcome: Outcome, from offset: PhysicalOffset) throws(SystemError) {
        do throws(SystemError) {
            for segment in outcome.segments where segment.end > offset { try segment.file.synchronizeData() }
        } catch {
            // Best effort: the start fails with the error itself.
            try? AbortFile.addUnsynced(offset.rawValue, to: config.root + "/abort")
            throw error
        }
    }

    /// Writes what may be in the page cache only once more: after a failed sync its pages count as written, and a sync
    /// that succeeds would prove nothing.
    func rewrite(_ outcome: Outcome, from offset: Int64) throws(SystemError) {
        for segment in outcome.segments where segment.end.rawValue > offset && segment.start < outcome.end {
            let end = min(segment.end, outcome.end) - segment.start
            var position = max(0, Int(offset - segment.start.rawValue))
            let mapping = try segment.mapping
            while position < end {
                let part = position..<min(end, position + 1 << 20)
                let copy = mapping.bytes(part).toArray()  // a page cannot be written from itself
                try segment.file.write(copy.span, at: part.lowerBound)
                position = part.upperBound
            }
        }
    }

    /// Files that lie wholly behind the end.
    private func filesBehind(_ end: PhysicalOffset, _ segments: [Segment]) -> [Segment] {
        segments.filter { $0.start >= end && $0.start > segments[0].start }
    }

    /// The file in which the log ends; `nil` if that is one to come.
    private func fileWithEnd(_ end: PhysicalOffset, _ segments: [Segment]) -> Segment? {
        let later = filesBehind(end, segments)
        return segments.last { $0.start <= end && end < $0.end && !$0.isIn(later) }
    }

    /// A log that is broken in the middle: a record that was on the disk lies behind the end.
    /// - Parameter durable: store time up to which every record was on the disk.
    func refuseBrokenMiddle(
        _ segments: [Segment], _ end: PhysicalOffset, durable: Int64
    ) throws(SystemError) {
        for segment in filesBehind(end, segments) {
            if case .record(_, let timestamp) = try examine(segment, segment.start), timestamp <= durable {
                throw broken(end, segment.start, segment)
            }
        }
        if let last = fileWithEnd(end, segments), try hasBytes(last, from: end - last.start),
            let found = try soundRecord(last, behind: end, durable: durable)
        {
            throw broken(end, found, last)
        }
    }

    /// Removes what lies behind the end: later files, and the rest of the last one, whose old bytes could otherwise look
    /// like records after the next crash.
    func cut(_ outcome: inout Outcome, wasClean: Bool) throws(SystemError) {
        let end = outcome.end
        let later = filesBehind(end, outcome.segments)
        let last = fileWithEnd(end, outcome.segments)
        let isDirty = if let last { try hasBytes(last, from: end - last.start) } else { false }
        var isCut = isDirty
        for segment in later where !isCut { isCut = try hasBytes(segment, from: 0) }
        if isCut {
            log.warn("log cut behind its last complete record", ["offset": end.description])
        }
        for segment in later.reversed() {  // one after the other, or a crash could leave a hole
            try Directory.removeFile(segment.path)
            try Directory.synchronize(segment.folder)
        }
        outcome.segments.removeAll { $0.isIn(later) }
        guard let last, isDirty || !wasClean else { return }
        try last.file.zero((end - last.start)..<last.byteCount)
        try last.file.synchronizeData()
    }

    private func broken(_ end: PhysicalOffset, _ found: PhysicalOffset, _ segment: Segment) -> SystemError {
        SystemError(
            code: 5, call: "the log is broken at offset \(end), but sound records follow at \(found) in",
            subject: segment.path)
    }

    /// Whether something other than zeroes lies close behind `start`; reading all of the rest would take too long.
    func hasBytes(_ segment: Segment, from start: Int) throws(SystemError) -> Bool {
        let mapping = try segment.mapping
        let bytes = mapping.bytes(start..<min(segment.byteCount, start + 1 << 16))
        for index in 0..<bytes.count where bytes[index] != 0 { return true }
        return false
    }

    /// The first sound record behind `end` that was on the disk, as near as the longest message allows.
    private func soundRecord(
        _ segment: Segment, behind end: PhysicalOffset, durable: Int64
    ) throws(SystemError) -> PhysicalOffset? {
        let mapping = try segment.mapping
        let first = end - segment.start + 1
        let limit = min(segment.byteCount - RecordLayout.byteCountMin, first + 2 * config.messageByteCountMax)
        guard first < limit else { return nil }
        let bytes = mapping.bytes(first..<limit)
        for index in 0..<max(0, bytes.count - 8) where bytes[index + 4] == 0xDA && bytes[index + 5] == 0xA3 {
            let offset = segment.start + (first + index)
            if case .record(_, let timestamp) = try examine(segment, offset), timestamp <= durable { return offset }
        }
        return nil
    }
}

extension Segment {
    fileprivate func isIn(_ segments: [Segment]) -> Bool { segments.contains { $0 === self } }
}
