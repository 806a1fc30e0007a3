import MQBase
import MQBytes
import MQMessage
import MQSystem

/// What the log holds, record by record, and where it ends.
extension Recovery {
    enum Finding {
        case record(byteCount: Int, storeTimestamp: Int64)
        case blank
        case nothing
    }

    /// What is at `offset`: a whole record with the right place and checksum, the blank that ends a file, or neither.
    func examine(_ segment: Segment, _ offset: PhysicalOffset) throws(SystemError) -> Finding {
        let at = offset - segment.start
        guard segment.byteCount - at >= RecordLayout.blankByteCount else { return .nothing }
        let mapping = try segment.mapping
        let bytes = mapping.bytes(at..<segment.byteCount)
        if bytes.int32(at: 4) == RecordLayout.magicBlank { return .blank }
        do throws(WireError) {
            let record = try MessageRecord(bytes)
            guard record.physicalOffset == offset.rawValue, record.hasIntactBody(bytes),
                !config.verifiesChecksum || record.hasIntactWhole(bytes)
            else { return .nothing }
            return .record(byteCount: record.byteCount, storeTimestamp: record.storeTimestamp.rawValue)
        } catch {
            return .nothing
        }
    }

    /// Follows the records from `start` to the first place that holds none.
    func scan(
        _ segments: [Segment], from start: PhysicalOffset, after run: LastRun
    ) throws(SystemError) -> (end: PhysicalOffset, last: RecoveryPoint.Record?, newest: Int64) {
        var offset = start
        var before: RecoveryPoint.Record?
        var last: RecoveryPoint.Record?
        var newest: Int64 = 0
        var progress = Progress("recovering the log", from: start, to: segments.last?.end ?? start, log)
        for segment in segments where segment.end > start {
            inFile: while offset < segment.end {
                switch try examine(segment, offset) {
                case .record(let byteCount, let timestamp):
                    // Only a machine that stopped loses a part of a record with others behind it.
                    if !run.isCacheIntact, timestamp > run.durable,
                        try hasLostProperties(segment, offset, isLast: false)
                    {
                        return (offset, last, newest)
                    }
                    before = last
                    newest = max(newest, timestamp)
                    last = .init(
                        range: offset.rawValue..<(offset + byteCount).rawValue, storeTimestamp: timestamp)
                    offset = offset + byteCount
                case .blank:
                    offset = segment.end
                    break inFile
                case .nothing:
                    if !run.wasClean, let torn = last, torn.range.upperBound == offset.rawValue,
                        try hasLostProperties(segment, torn.start, isLast: true)
                    {
                        return (torn.start, before, newest)
                    }
                    return (offset, last, newest)
                }
                progress.reached(offset)
            }
        }
        return (offset, last, newest)
    }

    /// Whether a part of the record's properties never reached the disk: no checksum covers them. What is lost reads as
    /// zero, from the beginning of a sector to the end of one. Zeroes that were sent must not be taken for that where
    /// records follow that may be acknowledged: they hardly begin and end with sectors. In the last record any sector of
    /// zeroes will do, and a zero at the end, where every property ends with another byte.
    private func hasLostProperties(
        _ segment: Segment, _ offset: PhysicalOffset, isLast: Bool
    ) throws(SystemError) -> Bool {
        let start = offset - segment.start
        guard start >= 0 else { return false }
        let mapping = try segment.mapping
        let bytes = mapping.bytes(start..<segment.byteCount)
        guard let properties = try? MessageRecord(bytes).properties, !properties.isEmpty else { return false }
        if isLast, bytes[properties.upperBound - 1] == 0 { return true }
        let sector = 512
        var zeroes = 0  // that end at `index`
        for index in properties {
            if bytes[index] == 0 {
                zeroes += 1
                if isLast, (start + index + 1) % sector == 0, zeroes >= sector { return true }
            } else {
                let end = start + index
                if zeroes > 0, end % sector == 0, zeroes % sector == 0 { return true }
                zeroes = 0
            }
        }
        return false
    }
}
