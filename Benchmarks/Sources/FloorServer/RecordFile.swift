import BenchWire
import Glibc

/// 1 GiB of valid commit-log records, mapped read-only: what pulls are answered from. Divided into eight queues,
/// each with queue offsets from 0; an offset past a queue's end starts over.
/// Source: record layout of `CommitLog.java`, RocketMQ 5.3.
final class RecordFile {
    static let queueCount = 8
    /// Records to a pull, as the clients' default.
    static let recordsPerPull = 32
    private static let bodyByteCount = 1024
    private static let fileByteCount = 1 << 30

    let recordByteCount: Int
    let recordsPerQueue: Int
    private let base: UnsafeRawPointer

    init(directory: String) {
        let template = Self.template()
        recordByteCount = template.count
        let fitting = Self.fileByteCount / template.count / Self.queueCount
        recordsPerQueue = fitting / Self.recordsPerPull * Self.recordsPerPull
        let path = "\(directory)/records"
        let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0, posix_fallocate(descriptor, 0, Self.fileByteCount) == 0 else {
            stop("floor: cannot preallocate \(path): \(systemError)")
        }
        let total = recordsPerQueue * Self.queueCount
        var chunk: [UInt8] = []
        for first in stride(from: 0, to: total, by: 1024) {
            chunk.removeAll(keepingCapacity: true)
            for index in first..<min(first + 1024, total) {
                let start = chunk.count
                chunk.append(contentsOf: template)
                let (queue, offset) = index.quotientAndRemainder(dividingBy: recordsPerQueue)
                chunk.replaceSubrange(start + 12..<start + 16, with: bigEndian(Int32(queue)))
                chunk.replaceSubrange(start + 20..<start + 28, with: bigEndian(Int64(offset)))
                chunk.replaceSubrange(start + 28..<start + 36, with: bigEndian(Int64(index * template.count)))
            }
            let written = pwrite(descriptor, chunk, chunk.count, first * template.count)
            guard written == chunk.count else { stop("floor: cannot write \(path): \(systemError)") }
        }
        guard
            let mapping = mmap(nil, Self.fileByteCount, PROT_READ, MAP_SHARED, descriptor, 0),
            mapping != UnsafeMutableRawPointer(bitPattern: -1)
        else { stop("floor: cannot map \(path): \(systemError)") }
        base = UnsafeRawPointer(mapping)
        close(descriptor)
    }

    /// The bytes of the pull that begins at `offset` of `queue`.
    func range(queue: Int, offset: Int) -> UnsafeRawBufferPointer {
        let queue = abs(queue) % Self.queueCount
        let record = abs(offset) % (recordsPerQueue - Self.recordsPerPull + 1)
        let start = (queue * recordsPerQueue + record) * recordByteCount
        return UnsafeRawBufferPointer(start: base + start, count: Self.recordsPerPull * recordByteCount)
    }

    private static func template() -> [UInt8] {
        let topic = Array("bench".utf8)
        let properties = Array(
            "UNIQ_KEY\u{1}00000000000000000000000000000000\u{2}WAIT\u{1}true\u{2}TAGS\u{1}bench\u{2}".utf8)
        let body = [UInt8](repeating: 0x61, count: bodyByteCount)
        let now = realtimeNanoseconds() / 1_000_000
        let host: [UInt8] = [127, 0, 0, 1] + bigEndian(Int32(10911))
        var record: [UInt8] = []
        record += bigEndian(Int32(91 + body.count + topic.count + properties.count))
        record += bigEndian(UInt32(0xDAA3_20A7))
        record += bigEndian(crc32(body) & 0x7FFF_FFFF)
        record += bigEndian(Int32(0)) + bigEndian(Int32(0))  // queue id, flag
        record += bigEndian(Int64(0)) + bigEndian(Int64(0))  // queue offset, physical offset
        record += bigEndian(Int32(0))  // system flag
        record += bigEndian(now) + host + bigEndian(now) + host  // born, stored
        record += bigEndian(Int32(0)) + bigEndian(Int64(0))  // reconsume times, prepared transaction offset
        record += bigEndian(Int32(body.count)) + body
        record += [UInt8(topic.count)] + topic
        record += bigEndian(Int16(properties.count)) + properties
        return record
    }

    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        var crc = ~UInt32(0)
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 0 ? 0 : 0xEDB8_8320) }
        }
        return ~crc
    }
}
