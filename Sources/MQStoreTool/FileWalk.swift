import MQBase
import MQBytes
import MQMessage
import MQStore
import MQSystem

/// What the walk knows behind the files it has seen.
struct LogWalk {
    var end: LogEnd
    /// Nothing sound was found from `offset` on, so far.
    var doubt: (offset: Int64, why: String)?
    /// Of what lies behind `doubt`, what is not zero.
    var dirty: Range<Int64>?

    init(end: LogEnd) { self.end = end }

    mutating func sawBytes(_ range: Range<Int64>?) {
        guard let range else { return }
        dirty = (dirty?.lowerBound ?? range.lowerBound)..<max(range.upperBound, dirty?.upperBound ?? 0)
    }

    /// Something sound lies at `offset`: what was in doubt is damage, and the log goes on.
    mutating func resume(at offset: Int64, _ flaw: LogWalker.FlawHandler) throws(ToolError) {
        guard let doubt else { return }
        self.doubt = nil
        dirty = nil
        if offset > doubt.offset { try flaw(.damaged(range: doubt.offset..<offset, why: doubt.why)) }
    }

    func finish() -> LogEnd {
        var end = end
        if let doubt {
            end.offset = doubt.offset
            end.dirty = dirty
            end.why = doubt.why
        }
        return end
    }
}

/// The walk through one file.
struct FileWalk {
    let file: StoreFile
    let byteCount: Int
    let reader: ChunkReader
    private var position = 0
    /// Bytes that may still be read to prove places that look like records: a file of nothing else must not take for ever.
    private var soundBudget: Int

    /// Why the run over records stopped.
    private enum Stop {
        case needs(Int)
        case fileEnd
        case bad(String)
        case ownOffset(says: Int64, byteCount: Int)
    }

    init(file: StoreFile, byteCount: Int, reader: ChunkReader) {
        self.file = file
        self.byteCount = byteCount
        self.reader = reader
        soundBudget = 4 * byteCount + (1 << 20)
    }

    mutating func run(
        _ walk: inout LogWalk, _ record: LogWalker.RecordHandler, _ flaw: LogWalker.FlawHandler,
        _ advanced: (Int) -> Void
    ) throws(ToolError) {
        var wanted = 8
        do throws(ReadFailure) {
            // A file that follows a doubtful end must prove itself before the log is said to go on there.
            if walk.doubt != nil {
                guard try seek(from: 0, &walk, advanced) else { return }
                try wrap { () throws(ToolError) in try walk.resume(at: file.start + Int64(position), flaw) }
            }
            while position < byteCount {
                let before = position
                let isWhole = try fill(wanted) >= wanted
                let (next, stop) = try reader.withBytes(from: position) { bytes throws(ReadFailure) in
                    try records(bytes, &walk, record, flaw)
                }
                position = next
                advanced(position - before)
                switch stop {
                case .needs(let count): wanted = count
                case .fileEnd: return walk.end.offset = file.start + Int64(byteCount)
                case .bad, .ownOffset: wanted = 8
                }
                if case .needs = stop, isWhole || position > before { continue }
                guard try pass(stop, &walk, record, flaw, advanced) else { return }
                wanted = 8
            }
            walk.end.offset = file.start + Int64(byteCount)
        } catch {
            guard case .system(let reason) = error else { throw error.toolError }
            try flaw(.unreadable(at: file.start + Int64(position), why: reason))
            if walk.doubt == nil { walk.doubt = (file.start + Int64(position), "it cannot be read") }
        }
    }

    private func fill(_ count: Int) throws(ReadFailure) -> Int {
        do throws(SystemError) {
            return min(try reader.fill(from: position, atLeast: count), byteCount - position)
        } catch {
            throw .system(error.description)
        }
    }

    /// Goes on behind a place that holds no record. `false`: nothing sound follows in this file.
    private mutating func pass(
        _ stop: Stop, _ walk: inout LogWalk, _ record: LogWalker.RecordHandler, _ flaw: LogWalker.FlawHandler,
        _ advanced: (Int) -> Void
    ) throws(ReadFailure) -> Bool {
        let offset = file.start + Int64(position)
        var why = "the file ends inside a record"
        switch stop {
        case .bad(let reason): why = reason
        case .ownOffset(let says, let count):
            why = "the record there says that it lies at \(says)"
            if try isSound(at: position + count) {
                try wrap { () throws(ToolError) in try flaw(.ownOffset(at: offset, says: says)) }
                _ = try fill(count)
                try reader.withBytes(from: position) { bytes throws(ReadFailure) in
                    guard let found = try? MessageRecord(bytes.extracting(0..<count)) else { return }
                    try visit(found, bytes.extracting(0..<count), offset, &walk, record, flaw)
                }
                position += count
                return true
            }
        case .needs, .fileEnd: break
        }
        walk.doubt = (offset, why)
        walk.end.offset = offset
        guard try seek(from: position + 1, &walk, advanced) else { return false }
        try wrap { () throws(ToolError) in try walk.resume(at: file.start + Int64(position), flaw) }
        return true
    }

    // MARK: - Records

    /// Hands on the records at the start of `bytes`.
    /// - Returns: the position behind them, and what is there.
    private func records(
        _ bytes: Span<UInt8>, _ walk: inout LogWalk, _ record: LogWalker.RecordHandler,
        _ flaw: LogWalker.FlawHandler
    ) throws(ReadFailure) -> (Int, Stop) {
        var at = position
        let limit = position + min(bytes.count, byteCount - position)
        while at < byteCount {
            let rest = bytes.extracting((at - position)..<(limit - position))
            guard rest.count >= 8 else {
                return (at, byteCount - at < 8 ? .bad("only \(byteCount - at) bytes are left in the file") : .needs(8))
            }
            let magic = rest.int32(at: RecordLayout.magic)
            let total = Int(rest.int32(at: 0))
            if magic == RecordLayout.magicBlank {
                guard total == byteCount - at else {
                    return (
                        at, .bad("the blank there claims \(total) bytes, and \(byteCount - at) are left in the file")
                    )
                }
                return (byteCount, .fileEnd)
            }
            guard magic == RecordLayout.magicV1 || magic == RecordLayout.magicV2 else {
                let isZero = magic == 0 && total == 0
                return (at, .bad(isZero ? "there are zeroes" : "\(hexText(magic)) is there, no record's magic"))
            }
            guard total >= RecordLayout.byteCountMin, total <= min(byteCount - at, LogWalker.recordByteCountMax) else {
                return (at, .bad("the record there claims \(total) bytes, and \(byteCount - at) are left in the file"))
            }
            guard rest.count >= total else { return (at, .needs(total)) }
            let found: MessageRecord
            do throws(WireError) {
                found = try MessageRecord(rest)
            } catch {
                return (at, .bad("the record there contradicts itself: \(error)"))
            }
            let offset = file.start + Int64(at)
            guard found.physicalOffset == offset else {
                return (at, .ownOffset(says: found.physicalOffset, byteCount: total))
            }
            try visit(found, rest.extracting(0..<total), offset, &walk, record, flaw)
            at += total
        }
        return (at, .fileEnd)
    }

    private func visit(
        _ found: MessageRecord, _ bytes: Span<UInt8>, _ offset: Int64, _ walk: inout LogWalk,
        _ record: LogWalker.RecordHandler, _ flaw: LogWalker.FlawHandler
    ) throws(ReadFailure) {
        let isIntact = found.hasIntactBody(bytes)
        do throws(ToolError) {
            if !isIntact {
                let sum = RecordLayout.storedCRC(bytes.extracting(found.body))
                try flaw(.bodyChecksum(at: offset, stored: found.bodyCRC, found: sum))
            } else if !found.hasIntactWhole(bytes) {
                try flaw(.recordChecksum(at: offset))
            }
            try record(found, bytes, offset, isIntact)
        } catch {
            throw .tool(error)
        }
        walk.end.offset = offset + Int64(found.byteCount)
        if walk.end.recordCount == 0 { walk.end.firstTimestamp = found.storeTimestamp.rawValue }
        walk.end.lastTimestamp = found.storeTimestamp.rawValue
        walk.end.newestTimestamp = max(walk.end.newestTimestamp, found.storeTimestamp.rawValue)
        walk.end.recordCount += 1
        walk.end.recordByteCount += Int64(found.byteCount)
    }

    // MARK: - Finding the way again

    /// Looks for the next place where something sound begins, from `start` on, and moves there. Linear in the file.
    private mutating func seek(
        from start: Int, _ walk: inout LogWalk, _ advanced: (Int) -> Void
    ) throws(ReadFailure) -> Bool {
        let old = position
        var at = start
        if start > old { walk.sawBytes(try usedByte(at: old)) }
        while at < byteCount {
            position = at
            let count = try fill(LogWalker.seekByteCount)
            guard count >= 8 else { break }
            let isLast = at + count >= byteCount
            let base = at
            let (next, candidate, used) = reader.withBytes(from: at) { bytes in
                self.candidate(bytes.extracting(0..<count), base: base, isLast: isLast)
            }
            if let used, walk.doubt != nil {
                walk.sawBytes(
                    (file.start + Int64(base + used.lowerBound))..<(file.start + Int64(base + used.upperBound)))
            }
            advanced(next - at)
            at = next
            if let candidate {
                if try isSound(at: candidate) {
                    position = candidate
                    return true
                }
                at = candidate + 1
            }
        }
        position = old
        return false
    }

    /// The byte at `at`, unless it is zero.
    private func usedByte(at: Int) throws(ReadFailure) -> Range<Int64>? {
        guard try fill(1) >= 1 else { return nil }
        let offset = file.start + Int64(at)
        return reader.withBytes(from: at) { $0[0] != 0 } ? offset..<(offset + 1) : nil
    }

    /// The first place in `bytes` that looks like a record or the last blank, and the part of what was passed that is
    /// not zero.
    private func candidate(
        _ bytes: Span<UInt8>, base: Int, isLast: Bool
    ) -> (next: Int, candidate: Int?, used: Range<Int>?) {
        var used: Range<Int>?
        let limit = bytes.count - (isLast ? 7 : 36)
        var at = 0
        while at < limit {
            if at + 12 <= bytes.count, bytes.int64(at: at) == 0, bytes.int32(at: at + 8) == 0 {
                at += 8
                continue
            }
            if bytes[at] != 0 { used = (used?.lowerBound ?? at)..<(at + 1) }
            let magic = bytes.int32(at: at + 4)
            if magic == RecordLayout.magicBlank {
                if Int(bytes.int32(at: at)) == byteCount - base - at { return (base + at, base + at, used) }
            } else if magic == RecordLayout.magicV1 || magic == RecordLayout.magicV2, at + 36 <= bytes.count,
                bytes.int64(at: at + RecordLayout.physicalOffset) == file.start + Int64(base + at)
            {
                return (base + at, base + at, used)
            }
            at += 1
        }
        if isLast {
            for index in at..<max(bytes.count, at) where bytes[index] != 0 {
                used = (used?.lowerBound ?? index)..<(index + 1)
            }
            return (byteCount, nil, used)
        }
        return (base + max(at, 1), nil, used)
    }

    /// Whether a record with the right place and checksum begins at `at`, or the blank that ends the file.
    private mutating func isSound(at: Int) throws(ReadFailure) -> Bool {
        do throws(SystemError) {
            guard at + 8 <= byteCount else { return at == byteCount }
            guard soundBudget > 0 else { return false }
            let reader = try ChunkReader(file.path, chunkByteCount: 1 << 16)
            guard try reader.fill(from: at, atLeast: 8) >= 8 else { return false }
            let total = reader.withBytes(from: at) { bytes in
                let total = Int(bytes.int32(at: 0))
                return bytes.int32(at: 4) == RecordLayout.magicBlank ? (total == byteCount - at ? -1 : 0) : total
            }
            if total == -1 { return true }
            guard total >= RecordLayout.byteCountMin, total <= min(byteCount - at, LogWalker.recordByteCountMax),
                try reader.fill(from: at, atLeast: total) >= total
            else { return false }
            soundBudget -= total
            return reader.withBytes(from: at) { bytes in
                guard let record = try? MessageRecord(bytes) else { return false }
                return record.physicalOffset == file.start + Int64(at) && record.hasIntactBody(bytes)
            }
        } catch {
            throw .system(error.description)
        }
    }
}

extension LogWalker {
    /// Bytes looked at in one step when the way is lost.
    fileprivate static let seekByteCount = 1 << 20
}

/// Why a file cannot be followed further.
private enum ReadFailure: Error {
    case system(String)
    case tool(ToolError)

    var toolError: ToolError {
        switch self {
        case .system(let reason): ToolError(reason)
        case .tool(let error): error
        }
    }
}

private func wrap(_ body: () throws(ToolError) -> Void) throws(ReadFailure) {
    do throws(ToolError) { try body() } catch { throw .tool(error) }
}
