import MQBytes
import MQSystem

/// A file read from front to back in large pieces, by `pread`: a mapping of a file that shrinks would kill the process.
/// One owner.
final class ChunkReader {
    /// Bytes asked of the system at once.
    static let chunkByteCount = 4 << 20

    private let file: File
    private var buffer = ByteBuffer()
    /// Where the buffer's first byte lies in the file.
    private var start = 0

    private let chunkByteCount: Int

    init(_ path: String, chunkByteCount: Int = ChunkReader.chunkByteCount) throws(SystemError) {
        self.chunkByteCount = chunkByteCount
        file = try File(path, .read)
    }

    /// How many bytes are at hand from `position` on, after trying to have `byteCount`; fewer only at the file's end.
    ///
    /// What lies before `position` is forgotten.
    func fill(from position: Int, atLeast byteCount: Int) throws(SystemError) -> Int {
        if position < start || position > start + buffer.count {
            buffer.removeAll()
            start = position
        }
        let had = start + buffer.count - position
        if had >= byteCount { return had }
        buffer.removeFirst(position - start)
        start = position
        let wanted = max(byteCount - buffer.count, chunkByteCount)
        try file.read(wanted, at: start + buffer.count, into: &buffer)
        if buffer.isEmpty { buffer.trim(to: 2 * Self.chunkByteCount) }
        return buffer.count
    }

    /// Lends what is at hand from `position` on.
    /// - Precondition: ``fill(from:atLeast:)`` was called with it.
    func withBytes<R, E: Error>(from position: Int, _ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        precondition(position >= start && position <= start + buffer.count, "\(position) was not filled")
        return try buffer.withBytes((position - start)..<buffer.count, body)
    }
}
