import CLZ4

/// LZ4 frames: what `net.jpountz.lz4.LZ4FrameOutputStream` writes.
///
/// Source: `Lz4Compressor.java`, RocketMQ 5.3.
public enum LZ4 {
    private static let chunkByteCount = 64 << 10

    /// `bytes` as one frame.
    /// - Parameter level: 0 (fast) to 12.
    /// - Throws: ``CompressionError/outOfMemory`` only.
    public static func compress(_ bytes: Span<UInt8>, level: Int = 0) throws(CompressionError) -> [UInt8] {
        var preferences = LZ4F_preferences_t()
        preferences.compressionLevel = Int32(level)
        preferences.frameInfo.contentSize = UInt64(bytes.count)
        // SAFETY: the preferences are this function's own and are only read.
        let bound = unsafe LZ4F_compressFrameBound(bytes.count, &preferences)
        var output = [UInt8](repeating: 0, count: bound)
        // SAFETY: both buffers outlive the call and the library gets their exact sizes.
        let written = unsafe bytes.withUnsafeBufferPointer { input in
            unsafe output.withUnsafeMutableBufferPointer { room in
                unsafe LZ4F_compressFrame(room.baseAddress, room.count, input.baseAddress, input.count, &preferences)
            }
        }
        guard LZ4F_isError(written) == 0 else { throw .outOfMemory }  // the room suffices: only memory can be short
        output.removeLast(output.count - written)
        return output
    }

    /// The bytes that a frame was made from. What follows the frame is ignored.
    /// - Parameter outputMax: most bytes that may come out; no more than a chunk beyond it is held.
    public static func expand(_ bytes: Span<UInt8>, outputMax: Int) throws(CompressionError) -> [UInt8] {
        precondition(outputMax >= 0, "outputMax \(outputMax)")
        var context: OpaquePointer?
        // SAFETY: the context is opened here and freed once, below.
        guard unsafe LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0 else {
            throw .outOfMemory
        }
        defer { _ = unsafe LZ4F_freeDecompressionContext(context) }

        var output: [UInt8] = []
        output.reserveCapacity(min(outputMax, bytes.count * 4))
        var chunk = [UInt8](repeating: 0, count: chunkByteCount)
        var consumed = 0
        while true {
            var produced = chunk.count
            var taken = bytes.count - consumed
            // SAFETY: the input begins inside the span and ends with it; both buffers outlive the call, the library gets
            // their exact sizes and says how much of each it used.
            let hint = unsafe bytes.withUnsafeBufferPointer { input in
                unsafe chunk.withUnsafeMutableBufferPointer { room in
                    unsafe LZ4F_decompress(
                        context, room.baseAddress, &produced, input.baseAddress.map { unsafe $0 + consumed }, &taken,
                        nil)
                }
            }
            guard LZ4F_isError(hint) == 0 else { throw .damaged(.lz4) }
            guard output.count + produced <= outputMax else { throw .tooLarge(max: outputMax) }
            output.append(contentsOf: chunk[..<produced])
            consumed += taken
            if hint == 0 { return output }
            if produced == 0, taken == 0 { throw .truncated }
        }
    }
}
