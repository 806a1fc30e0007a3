import CZlib

/// zlib streams (RFC 1950): the format of compressed message bodies and of compressed broker registrations.
///
/// Source: `ZlibCompressor.java`, `UtilAll.compress`, RocketMQ 5.3 and 4.9 (`java.util.zip.Deflater` with its header).
public enum Zlib {
    private static let chunkByteCount = 32 << 10

    /// The bytes that `bytes` was made from. What follows the stream's end mark is ignored, as Java's inflater does.
    ///
    /// Holds at most `outputMax` bytes and a chunk of 32 KiB, whatever the stream claims.
    /// - Parameter outputMax: most bytes that may come out.
    /// - Throws: ``CompressionError``.
    public static func inflate(_ bytes: Span<UInt8>, outputMax: Int) throws(CompressionError) -> [UInt8] {
        precondition(outputMax >= 0, "outputMax \(outputMax)")
        var stream = unsafe z_stream()
        // SAFETY: a zeroed z_stream asks for zlib's own allocator; inflateEnd below releases what it allocates.
        let opened = unsafe inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard opened == Z_OK else { throw .outOfMemory }
        // SAFETY: the stream was opened above and is closed once.
        defer { _ = unsafe inflateEnd(&stream) }

        var output: [UInt8] = []
        output.reserveCapacity(min(outputMax, bytes.count * 4))
        var chunk = [UInt8](repeating: 0, count: chunkByteCount)
        var consumed = 0
        while true {
            let step = unsafe run(&stream, bytes, from: &consumed, into: &chunk, CZlib.inflate, Z_NO_FLUSH)
            guard output.count + step.produced <= outputMax else { throw .tooLarge(max: outputMax) }
            output.append(contentsOf: chunk[..<step.produced])
            switch step.status {
            case Z_STREAM_END: return output
            case Z_OK: continue
            case Z_BUF_ERROR: throw .truncated  // no progress: there is room for output, so input is missing
            case Z_MEM_ERROR: throw .outOfMemory
            default: throw .corrupt
            }
        }
    }

    /// `bytes` as one zlib stream.
    /// - Parameter level: 0 (stored) to 9 (smallest); RocketMQ's producers use 5, its registrations 9.
    /// - Throws: ``CompressionError/outOfMemory`` only.
    public static func deflate(_ bytes: Span<UInt8>, level: Int = 5) throws(CompressionError) -> [UInt8] {
        precondition((0...9).contains(level), "zlib level \(level)")
        var stream = unsafe z_stream()
        // SAFETY: a zeroed z_stream asks for zlib's own allocator; deflateEnd below releases what it allocates.
        let opened = unsafe deflateInit_(&stream, Int32(level), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard opened == Z_OK else { throw .outOfMemory }
        // SAFETY: the stream was opened above and is closed once.
        defer { _ = unsafe deflateEnd(&stream) }

        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: chunkByteCount)
        var consumed = 0
        while true {
            let isLastInput = bytes.count - consumed <= inputPieceMax
            let flush = isLastInput ? Z_FINISH : Z_NO_FLUSH
            let step = unsafe run(&stream, bytes, from: &consumed, into: &chunk, CZlib.deflate, flush)
            output.append(contentsOf: chunk[..<step.produced])
            if step.status == Z_STREAM_END { return output }
            precondition(step.status == Z_OK || step.status == Z_BUF_ERROR, "deflate: \(step.status)")
        }
    }

    /// zlib counts input in 32 bits.
    private static let inputPieceMax = 1 << 30

    /// One call of zlib: reads `bytes` behind `consumed` and moves it, fills `chunk` from its start.
    private static func run(
        _ stream: inout z_stream, _ bytes: Span<UInt8>, from consumed: inout Int, into chunk: inout [UInt8],
        _ call: (UnsafeMutablePointer<z_stream>?, Int32) -> Int32, _ flush: Int32
    ) -> (status: Int32, produced: Int) {
        let start = consumed
        let inputByteCount = min(bytes.count - start, inputPieceMax)
        // SAFETY: both buffers outlive the call, zlib gets their exact sizes, only reads the first and only writes the
        // second; its pointers into them are cleared before they end.
        let result = unsafe bytes.withUnsafeBufferPointer { input in
            unsafe chunk.withUnsafeMutableBufferPointer { room in
                let inputStart = unsafe input.baseAddress.map { unsafe UnsafeMutablePointer(mutating: $0 + start) }
                unsafe stream.next_in = inputStart
                unsafe stream.avail_in = UInt32(inputByteCount)
                unsafe stream.next_out = room.baseAddress
                unsafe stream.avail_out = UInt32(room.count)
                let status = unsafe call(&stream, flush)
                let left = unsafe (input: Int(stream.avail_in), room: Int(stream.avail_out))
                unsafe stream.next_in = nil
                unsafe stream.next_out = nil
                return (status, inputByteCount - left.input, room.count - left.room)
            }
        }
        consumed += result.1
        return (result.0, result.2)
    }
}
