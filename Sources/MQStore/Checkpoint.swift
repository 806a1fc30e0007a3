import MQBytes
import MQSystem

/// Up to when log, queues and index were on the disk: where recovery begins after a crash. 4096 bytes, big-endian:
/// `| physicMsgTimestamp i64 | logicsMsgTimestamp i64 | indexMsgTimestamp i64 | masterFlushedOffset i64 | confirmPhyOffset i64 | 0 … |`.
/// Source: `StoreCheckpoint.java`, RocketMQ 5.3.
final class Checkpoint: Sendable {
    static let byteCount = 4096

    struct Values: Equatable, Sendable {
        /// Store time of the last record that is on the disk, milliseconds.
        var log: Int64 = 0
        /// Store time of the last record whose queue unit is on the disk.
        var queues: Int64 = 0
        /// Store time of the last record whose index entries are on the disk.
        var index: Int64 = 0
        var masterFlushedOffset: Int64 = 0
        var confirmOffset: Int64 = 0

        /// Records older than this need not be looked at again; Java allows three seconds for clocks.
        var trusted: Int64 { max(3000, min(log, queues)) - 3000 }
    }

    private let file: File
    private let values: Lock<Values>

    init(_ path: String) throws(SystemError) {
        file = try File(path, .create)
        let length = try file.byteCount()
        var bytes = ByteBuffer()
        var values = Values()
        if try file.read(min(length, 40), at: 0, into: &bytes) == 40 {
            let span = bytes.span
            values = Values(
                log: span.int64(at: 0), queues: span.int64(at: 8), index: span.int64(at: 16),
                masterFlushedOffset: span.int64(at: 24), confirmOffset: span.int64(at: 32))
        }
        if length < Self.byteCount {  // written, not just made longer: an update must not need room on a full disk
            let zeroes = [UInt8](repeating: 0, count: Self.byteCount - length)
            try file.write(zeroes.span, at: length)
        }
        self.values = Lock(values)
    }

    var current: Values { values.withLock { $0 } }

    /// Changes the values and writes them to the page cache.
    func update(_ body: (inout Values) -> Void) throws(SystemError) {
        let now = values.withLock { values in
            body(&values)
            return values
        }
        var bytes = ByteBuffer(capacity: 40)
        for number in [now.log, now.queues, now.index, now.masterFlushedOffset, now.confirmOffset] {
            bytes.append(bigEndian: number)
        }
        try file.write(bytes.span, at: 0)
    }

    func synchronize() throws(SystemError) { try file.synchronizeData() }
}
