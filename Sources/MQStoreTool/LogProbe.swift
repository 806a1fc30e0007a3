import MQBase
import MQBytes
import MQMessage
import MQStore
import MQSystem

/// Looks at single places of the log.
struct LogProbe {
    let files: [StoreFile]

    /// The file that holds `offset`, and where in it; the offset alone where no file does.
    func place(_ offset: Int64) -> (String, Int64) {
        guard let file = file(at: offset) else { return ("commitlog", offset) }
        return (file.name, offset - file.start)
    }

    /// The file that holds `offset`.
    func file(at offset: Int64) -> StoreFile? {
        var (low, high) = (0, files.count)
        while low < high {
            let middle = (low + high) / 2
            if files[middle].start <= offset { low = middle + 1 } else { high = middle }
        }
        guard low > 0, offset < files[low - 1].end else { return nil }
        return files[low - 1]
    }

    /// Calls `body` with the whole record at `offset`, if one with its lengths and its place right begins there.
    func withRecord<R>(at offset: Int64, _ body: (MessageRecord, Span<UInt8>) -> R) throws(SystemError) -> R? {
        guard offset >= 0, let file = file(at: offset) else { return nil }
        let reader = try ChunkReader(file.path, chunkByteCount: 1 << 14)
        let at = Int(offset - file.start)
        guard try reader.fill(from: at, atLeast: 8) >= 8 else { return nil }
        let total = reader.withBytes(from: at) { Int($0.int32(at: 0)) }
        guard total >= RecordLayout.byteCountMin, total <= LogWalker.recordByteCountMax, total <= file.byteCount - at,
            try reader.fill(from: at, atLeast: total) >= total
        else { return nil }
        return reader.withBytes(from: at) { bytes in
            guard let record = try? MessageRecord(bytes), record.physicalOffset == offset else { return nil }
            return body(record, bytes.extracting(0..<total))
        }
    }
}

extension StoreFolder {
    /// From where the next start of a broker builds queues and index anew, after one that was killed: the newest file
    /// whose first record was on the disk when the checkpoint was written, or an earlier one if the queues do not reach
    /// that far. As `Recovery` decides.
    /// - Parameter reach: as ``reach(_:)`` tells it.
    func rebuiltFrom(_ checkpoint: Checkpoint.Values?, reach: Int64) throws(ToolError) -> Int64 {
        let probe = LogProbe(files: logFiles)
        let trusted = checkpoint?.trusted ?? 0
        var start = logFiles.first?.start ?? 0
        for file in logFiles.reversed() {
            let time = try toolError { () throws(SystemError) in
                try probe.withRecord(at: file.start) { record, bytes in
                    record.hasIntactBody(bytes) ? record.storeTimestamp.rawValue : 0
                }
            }
            if let time, time > 0, time <= trusted {
                start = file.start
                break
            }
        }
        guard reach < start else { return start }
        return logFiles.last { $0.start <= reach }?.start ?? logFiles.first?.start ?? 0
    }

    /// Where the last record ends that any queue knows.
    func reach(_ queues: QueueFolder) throws(ToolError) -> Int64 {
        var reach: Int64 = 0
        for queue in queues.all where queue.count > queue.minOffset {
            let last = try toolError { () throws(SystemError) in try queue.distantUnit(at: queue.count - 1) }
            if let last, last.isUsed, last != .blank, last.physicalOffset < .max - Int64(last.size) {
                reach = max(reach, last.physicalOffset + Int64(last.size))
            }
        }
        return reach
    }
}
