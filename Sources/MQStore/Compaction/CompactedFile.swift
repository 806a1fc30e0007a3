import MQBase
import MQBytes
import MQMessage
import MQSystem

/// The last message of each key of one queue, up to some offset: what is left of a queue whose topic is compacted. Written
/// once, read by many, replaced as a whole.
/// ```
/// | records as they lie in the log | units of 46 bytes, by offset | footer |
/// footer: | magic i64 | units begin i64 | count i64 | end offset i64 | CRC-32 of these i32 | 0 i32 |
/// ```
/// A unit is a ``BatchUnit`` of one message; its physical offset is the record's place in this file.
final class CompactedFile: Sendable {
    static let footerByteCount = 40
    private static let magic: Int64 = 0x4150_5553_434D_5031  // "APUSCMP1"

    let path: String
    private let file: File
    private let unitsAt: Int64
    /// Messages it holds.
    let count: Int64
    /// One more than the last offset of the queue that it speaks for.
    let endOffset: Int64
    /// The first offset it holds a message of; ``endOffset`` if it holds none.
    let firstOffset: Int64

    /// - Throws: `EIO` if it is not whole.
    init(_ path: String) throws(SystemError) {
        self.path = path
        file = try File(path, .read)
        let byteCount = try file.byteCount()
        var footer = ByteBuffer(capacity: Self.footerByteCount)
        let at = byteCount - Self.footerByteCount
        guard at >= 0, try file.read(Self.footerByteCount, at: at, into: &footer) == Self.footerByteCount,
            footer.span.int64(at: 0) == Self.magic,
            UInt32(bitPattern: footer.span.int32(at: 32)) == CRC32.value(of: footer.span.extracting(0..<32))
        else { throw SystemError(code: 5, call: "compacted file is not whole:", subject: path) }
        unitsAt = footer.span.int64(at: 8)
        count = footer.span.int64(at: 16)
        endOffset = footer.span.int64(at: 24)
        let unitBytes = count.multipliedReportingOverflow(by: Int64(BatchUnit.byteCount))
        guard unitsAt >= 0, count >= 0, endOffset >= 0, !unitBytes.overflow,
            unitsAt.addingReportingOverflow(unitBytes.partialValue) == (Int64(at), false)
        else { throw SystemError(code: 5, call: "compacted file contradicts itself:", subject: path) }
        var unit = ByteBuffer(capacity: BatchUnit.byteCount)
        if count > 0 { try file.read(BatchUnit.byteCount, at: Int(unitsAt), into: &unit) }
        firstOffset = unit.count == BatchUnit.byteCount ? BatchUnit(unit.span, at: 0).baseOffset : endOffset
    }

    /// The footer of a file.
    static func footer(unitsAt: Int64, count: Int64, endOffset: Int64) -> ByteBuffer {
        var footer = ByteBuffer(capacity: footerByteCount)
        for field in [magic, unitsAt, count, endOffset] { footer.append(bigEndian: field) }
        let checksum = CRC32.value(of: footer.span)
        footer.append(bigEndian: Int32(bitPattern: checksum))
        footer.append(bigEndian: 0 as Int32)
        return footer
    }

    /// Units read at once.
    private static let windowCount: Int64 = 128

    /// Up to `limit` units from number `first` on. Waits for the disk.
    private func units(from first: Int64, limit: Int64 = windowCount) throws(SystemError) -> [BatchUnit] {
        let wanted = max(0, min(limit, count - first))
        var bytes = ByteBuffer(capacity: Int(wanted) * BatchUnit.byteCount)
        let start = unitsAt + first * Int64(BatchUnit.byteCount)
        let read = try file.read(Int(wanted) * BatchUnit.byteCount, at: Int(start), into: &bytes)
        return (0..<read / BatchUnit.byteCount).map { BatchUnit(bytes.span, at: $0 * BatchUnit.byteCount) }
    }

    /// The number of the first unit at or behind `offset`; ``count`` if there is none.
    private func find(_ offset: Int64) throws(SystemError) -> Int64 {
        var (low, high) = (Int64(0), count)
        while low < high {
            let middle = low + (high - low) / 2
            guard let unit = try units(from: middle, limit: 1).first else { return count }
            if unit.baseOffset < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The first message that was stored at or behind a time, or with `isUpper` behind it, and its time; `nil` if there is none.
    /// Waits for the disk.
    func first(storedFrom timestamp: Int64, isUpper: Bool) throws(SystemError) -> (offset: Int64, storedAt: Int64)? {
        var (low, high) = (Int64(0), count)
        while low < high {
            let middle = low + (high - low) / 2
            guard let unit = try units(from: middle, limit: 1).first else { return nil }
            let isBefore = isUpper ? unit.storeTimestamp <= timestamp : unit.storeTimestamp < timestamp
            if isBefore { low = middle + 1 } else { high = middle }
        }
        return try units(from: low, limit: 1).first.map { ($0.baseOffset, $0.storeTimestamp) }
    }

    /// When the message at an offset was stored; `nil` if it is not here. Waits for the disk.
    func storeTimestamp(at offset: Int64) throws(SystemError) -> Int64? {
        let unit = try units(from: find(offset), limit: 1).first
        return unit?.baseOffset == offset ? unit?.storeTimestamp : nil
    }

    /// Calls `body` with each message from `offset` on, oldest first, until it says `false`. What a disk has changed is
    /// passed over. Waits for the disk.
    func forEach(
        from offset: Int64 = 0, _ body: (BatchUnit, () throws(SystemError) -> ByteBuffer?) throws(SystemError) -> Bool
    )
        throws(SystemError)
    {
        var number = try find(offset)
        while true {
            let window = try units(from: number)
            if window.isEmpty { return }
            number += Int64(window.count)
            for unit in window where unit.isUsed {
                let goesOn = try body(unit) { () throws(SystemError) in try self.record(unit) }
                if !goesOn { return }
            }
        }
    }

    /// The record that lay at a place of the log; `nil` if it is not here. Records lie in the log's order. Waits for the disk.
    func record(fromLog offset: Int64) throws(SystemError) -> ByteBuffer? {
        var (low, high) = (Int64(0), count)
        while low < high {
            let middle = low + (high - low) / 2
            guard let unit = try units(from: middle, limit: 1).first, let place = try logOffset(unit) else {
                return nil
            }
            if place < offset { low = middle + 1 } else { high = middle }
        }
        guard let unit = try units(from: low, limit: 1).first, try logOffset(unit) == offset else { return nil }
        return try record(unit)
    }

    /// Where the unit's record lay in the log; `nil` if the unit is damaged.
    private func logOffset(_ unit: BatchUnit) throws(SystemError) -> Int64? {
        let (place, field) = (unit.unit.physicalOffset, RecordLayout.physicalOffset)
        guard place >= 0, place <= unitsAt - Int64(field) - 8 else { return nil }
        var bytes = ByteBuffer(capacity: 8)
        guard try file.read(8, at: Int(place) + field, into: &bytes) == 8 else { return nil }
        return bytes.span.int64(at: 0)
    }

    /// The unit's record; `nil` if it is not whole.
    private func record(_ unit: BatchUnit) throws(SystemError) -> ByteBuffer? {
        let (place, size) = (unit.unit.physicalOffset, Int64(unit.unit.size))
        guard place >= 0, size > 0, place <= unitsAt - size else { return nil }
        var bytes = ByteBuffer(capacity: Int(size))
        guard try file.read(Int(size), at: Int(place), into: &bytes) == Int(size),
            let record = try? MessageRecord(bytes.span), record.byteCount == Int(size),
            record.queueOffset == unit.baseOffset, record.hasIntactBody(bytes.span)
        else { return nil }
        return bytes
    }
}

/// Writes a ``CompactedFile``. One owner.
final class CompactedWriter {
    private static let windowByteCount = 1 << 20

    private let path: String
    private let file: File
    private var records = ByteBuffer()
    private var written: Int64 = 0
    private var units = ByteBuffer()
    private var count: Int64 = 0

    init(_ path: String) throws(SystemError) {
        self.path = path
        file = try File(path, .create)
        try file.truncate(to: 0)
    }

    /// Adds a message; offsets rise.
    func add(_ record: Span<UInt8>, at offset: Int64, tagsCode: Int64, storedAt: Int64) throws(SystemError) {
        let place = written + Int64(records.count)
        let unit = QueueUnit(physicalOffset: place, size: Int32(record.count), tagsCode: tagsCode)
        BatchUnit(unit: unit, storeTimestamp: storedAt, baseOffset: offset, messageCount: 1).append(to: &units)
        count += 1
        records.append(record)
        if records.count >= Self.windowByteCount { try flush() }
    }

    private func flush() throws(SystemError) {
        try records.withBytes(0..<records.count) { bytes throws(SystemError) in
            try file.write(bytes, at: Int(written))
        }
        written += Int64(records.count)
        records.removeAll()
    }

    /// Writes the rest and makes all of it durable.
    func finish(endOffset: Int64) throws(SystemError) {
        try flush()
        let unitsAt = written
        swap(&records, &units)
        records.append(CompactedFile.footer(unitsAt: unitsAt, count: count, endOffset: endOffset).span)
        try flush()
        try file.synchronize()
    }
}
