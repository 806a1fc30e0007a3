/// Why compressed bytes could not be expanded. The peer's fault, but for ``outOfMemory``.
public enum CompressionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No zlib stream, a wrong checksum, or one that needs a dictionary.
    case corrupt
    /// No frame of the codec, or a damaged one.
    case damaged(CompressionCodec)
    /// The stream ends before its end mark.
    case truncated
    /// The expanded bytes are more than the caller allows.
    case tooLarge(max: Int)
    /// The library found no memory for its tables (zlib: about 44 KiB for expanding, 268 KiB for compressing).
    case outOfMemory

    /// What is wrong with the bytes, said of them: goes behind their name.
    public var description: String {
        switch self {
        case .corrupt: "is no zlib stream"
        case .damaged(let codec): "is no sound \(codec.rawValue) frame"
        case .truncated: "is cut off"
        case .tooLarge(let max): "expands to more than \(max) bytes"
        case .outOfMemory: "needs more memory than there is"
        }
    }
}

/// How message bodies are compressed. Source: `CompressionType.java`, RocketMQ 5.3.
public enum CompressionCodec: String, Sendable, CaseIterable {
    /// A zlib stream (RFC 1950), RocketMQ's default.
    case zlib
    /// An LZ4 frame: the fastest.
    case lz4
    /// A zstd frame: the smallest.
    case zstd

    /// `bytes` as one stream or frame.
    /// - Parameter level: as the codec counts; zlib 0…9, LZ4 0…12, zstd 1…22; others are moved to the nearest.
    /// - Throws: ``CompressionError/outOfMemory`` only.
    public func compress(_ bytes: Span<UInt8>, level: Int) throws(CompressionError) -> [UInt8] {
        switch self {
        case .zlib: try Zlib.deflate(bytes, level: min(max(level, 0), 9))
        case .lz4: try LZ4.compress(bytes, level: min(max(level, 0), 12))
        case .zstd: try Zstd.compress(bytes, level: min(max(level, 1), 22))
        }
    }

    /// The bytes that `bytes` was made from.
    /// - Parameter outputMax: most bytes that may come out.
    public func expand(_ bytes: Span<UInt8>, outputMax: Int) throws(CompressionError) -> [UInt8] {
        switch self {
        case .zlib: try Zlib.inflate(bytes, outputMax: outputMax)
        case .lz4: try LZ4.expand(bytes, outputMax: outputMax)
        case .zstd: try Zstd.expand(bytes, outputMax: outputMax)
        }
    }
}
