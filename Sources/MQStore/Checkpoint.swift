package import MQBytes
import MQSystem

/// Up to when log, queues and index were on the disk: where recovery begins after a crash. 4096 bytes, big-endian:
/// `| physicMsgTimestamp i64 | logicsMsgTimestamp i64 | indexMsgTimestamp i64 | masterFlushedOffset i64 | confirmPhyOffset i64 | 0 … |`.
/// Source: `StoreCheckpoint.java`, RocketMQ 5.3.
package final class Checkpoint: Sendable {
    /// Bytes of the file.
    package static let byteCount = 4096

    /// What the file says.
    package struct Values: Equatable, Sendable {
        /// Store time of the last record that is on the disk, milliseconds.
        package var log: Int64 = 0
        /// Store time of the last record whose queue unit is on the disk.
        package var queues: Int64 = 0
        /// Store time of the last record whose index entries are on the disk.
        package var index: Int64 = 0
        /// Of a slave: what its master had on the disk.
        package var masterFlushedOffset: Int64 = 0
        /// Of a slave: what its master had confirmed.
        package var confirmOffset: Int64 = 0

        /// Times of its own making; a slave's offsets if it is one.
        package init(
            log: Int64 = 0, queues: Int64 = 0, index: Int64 = 0, masterFlushedOffset: Int64 = 0,
            confirmOffset: Int64 = 0
        ) {
            self.log = log
            self.queues = queues
            self.index = index
            self.masterFlushedOffset = masterFlushedOffset
            self.confirmOffset = confirmOffset
        }

        /// Reads the file's beginning; `nil` if it is too short.
        package init?(_ bytes: Span<UInt8>) {
            guard bytes.count >= 40 else { return nil }
            log = bytes.int64(at: 0)
            queues = bytes.int64(at: 8)
            index = bytes.int64(at: 16)
            masterFlushedOffset = bytes.int64(at: 24)
            confirmOffset = bytes.int64(at: 32)
        }

        /// Appends what the file begins with.
        package func append(to bytes: inout ByteBuffer) {
            for number in [log, queues, index, masterFlushedOffset, confirmOffset] {
                bytes.append(bigEndian: number)
            }
        }

        /// Records older than this need not be looked at again; Java allows three seconds for clocks.
        package var trusted: Int64 { max(3000, min(log, queues)) - 3000 }
    }

    private let file: File
    private let values: Lock<Values>

    init(_ path: String) throws(SystemError) {
        file = try File(path, .create)
        let length = try file.byteCount()
        var bytes = ByteBuffer()
        var values = Values()
        try file.read(min(length, 40), at: 0, into: &bytes)
        if let read = Values(bytes.span) { values = read }
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
        now.append(to: &bytes)
        try file.write(bytes.span, at: 0)
    }

    func synchronize() throws(SystemError) { try file.synchronizeData() }
}
