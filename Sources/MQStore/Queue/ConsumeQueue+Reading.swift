public import MQBytes
public import MQSystem

extension ConsumeQueue {
    /// Appends the raw units from `offset` on, `count` at most and not past the end of one file, to `buffer`. May wait for
    /// the disk.
    /// - Returns: how many; 0 if the offset is not in the queue, or the queue holds batches.
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
        if let batches { return batches.readAhead(near: offset, byteCount: byteCount) }
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

    /// The unit at `offset`, in a queue of batches that of the batch; `nil` if there is none.
    public func unit(at offset: Int64) throws(SystemError) -> QueueUnit? {
        if holdsBatches { return try batch(at: offset)?.unit }
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
}
