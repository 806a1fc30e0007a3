import CZstd

/// zstd frames (RFC 8878). Source: `ZstdCompressor.java`, RocketMQ 5.3.
public enum Zstd {
    private static let chunkByteCount = 64 << 10
    /// Windows of 8 MiB are taken whatever comes out, as RFC 8878 wants: who writes a stream, as Java's producers do, names
    /// the window of the level (2 MiB at 5), not of the body.
    private static let windowLogAlways = 23

    /// `bytes` as one frame.
    /// - Parameter level: 1 to 22.
    /// - Throws: ``CompressionError/outOfMemory`` only.
    public static func compress(_ bytes: Span<UInt8>, level: Int = 3) throws(CompressionError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
        // SAFETY: both buffers outlive the call and the library gets their exact sizes.
        let written = unsafe bytes.withUnsafeBufferPointer { input in
            unsafe output.withUnsafeMutableBufferPointer { room in
                unsafe ZSTD_compress(room.baseAddress, room.count, input.baseAddress, input.count, Int32(level))
            }
        }
        guard ZSTD_isError(written) == 0 else { throw .outOfMemory }  // the room suffices: only memory can be short
        output.removeLast(output.count - written)
        return output
    }

    /// The bytes that a frame was made from. What follows the frame is ignored.
    /// - Parameter outputMax: most bytes that may come out. A frame whose window is larger, and larger than 8 MiB, is
    ///   refused: it would cost that much memory before its first byte.
    public static func expand(_ bytes: Span<UInt8>, outputMax: Int) throws(CompressionError) -> [UInt8] {
        precondition(outputMax >= 0, "outputMax \(outputMax)")
        // SAFETY: the stream is made here and freed once, below.
        guard let stream = unsafe ZSTD_createDStream() else { throw .outOfMemory }
        defer { _ = unsafe ZSTD_freeDStream(stream) }
        let windowLog = min(max(Int.bitWidth - outputMax.leadingZeroBitCount, windowLogAlways), 27)
        _ = unsafe ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, Int32(windowLog))

        var output: [UInt8] = []
        output.reserveCapacity(min(outputMax, bytes.count * 4))
        var chunk = [UInt8](repeating: 0, count: chunkByteCount)
        var consumed = 0
        while true {
            let start = consumed
            // SAFETY: both buffers outlive the call; the library gets their exact sizes and where to begin in each.
            let (hint, position, produced) = unsafe bytes.withUnsafeBufferPointer { input in
                unsafe chunk.withUnsafeMutableBufferPointer { room in
                    var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: start)
                    var target = unsafe ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
                    let hint = unsafe ZSTD_decompressStream(stream, &target, &source)
                    return unsafe (hint, source.pos, target.pos)
                }
            }
            guard ZSTD_isError(hint) == 0 else { throw .damaged(.zstd) }
            guard output.count + produced <= outputMax else { throw .tooLarge(max: outputMax) }
            output.append(contentsOf: chunk[..<produced])
            consumed = position
            if hint == 0 { return output }
            if produced == 0, position == start { throw .truncated }
        }
    }
}
