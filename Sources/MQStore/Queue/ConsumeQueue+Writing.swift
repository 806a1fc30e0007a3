import MQBase
import MQBytes
import MQSystem
import Synchronization

/// Writing: the `dispatch` thread adds and publishes, the `keep` thread syncs.
extension ConsumeQueue {
    /// Adds `units`, in the log's order, as ``add(_:at:storedAt:)`` does one.
    /// - Parameter bitMaps: what the extension units of some of them hold, by offset.
    /// - Returns: whether there is anything to publish.
    func add(_ units: [PlacedUnit], bitMaps: [Int64: [UInt8]] = [:]) throws(SystemError) -> Bool {
        if let batches { return try add(units, to: batches) }
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
    static let offsetLimit = Int64.max >> 6

    /// Drops everything; the queue goes on with `offset`.
    func restart(at offset: Int64) throws(SystemError) {
        try writing.withLock { (_) throws(SystemError) in
            for file in forgetAll(offset) { try Directory.removeFile(file.path) }
            try extensionUnits?.clear()
        }
    }

    /// Forgets all units; returns the files that held them.
    func forgetAll(_ offset: Int64) -> [QueueFile] {
        lives.add(1, ordering: .releasing)
        checkedFrom.store(0, ordering: .relaxed)
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
        return old + (batches?.forgetAll() ?? [])
    }

    /// Writes what was added to the file and lets readers see it.
    func publish() throws(SystemError) {
        try writing.withLock { (_) throws(SystemError) in
            if let batches { return try publish(batches) }
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

    func fileForWriting(_ start: Int64, firstUnitAt inFile: Int) throws(SystemError) -> QueueFile {
        if let known = files.withLock({ $0.last { $0.start == start } }) { return known }
        let path = folder + "/" + Segment.name(start)
        let fresh = try QueueFile.make(path, in: folder)
        try fresh.truncate(to: fileByteCount)
        if inFile > 0 { try preBlank(fresh, byteCount: inFile) }
        let file = QueueFile(path, start: start, open: openFiles, file: fresh)
        files.withLock { $0.append(file) }
        synced.withLock { $0.hasNewFile = true }
        return file
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
        if let batches { return try batches.synchronize(leastPages: leastPages) }
        let life = lives.load(ordering: .acquiring)
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
        if before.hasNewFile { try QueueFile.synchronizeNames(above: folder) }
        noteSynced(count, life)
    }

    /// - Parameter life: when the sync began: what was synced of a queue that was emptied since says nothing of its units.
    private func noteSynced(_ count: Int64, _ life: Int) {
        synced.withLock { if lives.load(ordering: .acquiring) == life { $0.count = max($0.count, count) } }
    }
}
