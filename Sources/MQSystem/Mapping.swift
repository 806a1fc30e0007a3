import Glibc
import MQBytes

/// A file's bytes as memory, shared with everybody who maps or writes the file.
///
/// A page that is not in memory is read when it is touched, which waits for the disk: loops touch only what they know
/// to be recent. A page past the file's end kills the process, so the file must not shrink while it is mapped.
@safe public final class Mapping: @unchecked Sendable {
    // @unchecked: the pointer never changes; who may read or write which bytes is the owner's rule (watermarks).
    private let base: UnsafeMutableRawPointer
    /// Bytes mapped.
    public let byteCount: Int
    private let isWritable: Bool
    private let kept: AnyObject?
    /// The file, where a simulated disk watches stores into it; else `nil`.
    private let watched: File?

    /// Maps the first `byteCount` bytes of `file`; mmap(2), shared.
    /// - Parameter kept: lives as long as the mapping does, until the memory is unmapped.
    public init(
        _ file: File, byteCount: Int, writable: Bool = false, keeping kept: AnyObject? = nil
    ) throws(SystemError) {
        let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let memory = unsafe mmap(nil, byteCount, protection, MAP_SHARED, file.descriptor, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else { throw .last("mmap", file.path) }
        unsafe base = memory
        self.byteCount = byteCount
        isWritable = writable
        self.kept = kept
        watched = writable && file.observer != nil ? file : nil
    }

    deinit { unsafe munmap(base, byteCount) }

    /// The bytes of `range`.
    /// - Precondition: the range is inside the mapping, and its bytes are no longer written to.
    @_lifetime(borrow self)
    public func bytes(_ range: Range<Int>) -> Span<UInt8> {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "\(range) of \(byteCount) mapped bytes")
        // SAFETY: checked above; the mapping lives until deinit, and the span cannot outlive this borrow.
        let start = unsafe UnsafePointer(base.assumingMemoryBound(to: UInt8.self) + range.lowerBound)
        let span = unsafe Span(_unsafeStart: start, count: range.count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// Where `offset` lies in memory, for a system call that reads it. The caller keeps this object alive meanwhile.
    @unsafe public func address(_ offset: Int) -> UnsafeRawPointer { unsafe UnsafeRawPointer(base + offset) }

    /// Four bytes at `offset`, big-endian. For files that are also written through their mapping.
    public func int32(at offset: Int) -> Int32 { load(at: offset) }

    /// Eight bytes at `offset`, big-endian.
    public func int64(at offset: Int) -> Int64 { load(at: offset) }

    private func load<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> T {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= byteCount, "load at \(offset) of \(byteCount)")
        // SAFETY: checked above; unaligned.
        return unsafe T(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// Stores an integer at `offset`, big-endian.
    /// - Precondition: the mapping is writable, and this thread owns those bytes.
    public func store<T: FixedWidthInteger & BitwiseCopyable>(bigEndian value: T, at offset: Int) {
        precondition(isWritable, "the mapping is read-only")
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= byteCount, "store at \(offset) of \(byteCount)")
        // SAFETY: checked above; unaligned.
        unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self)
        if let watched { tell(watched, offset, MemoryLayout<T>.size) }
    }

    private func tell(_ file: File, _ offset: Int, _ byteCount: Int) {
        let stored = bytes(offset..<(offset + byteCount)).toArray()
        file.observer?.changed(.store(inode: file.inode, offset: offset, bytes: stored))
    }

    /// Writes changed pages to the disk and waits; msync(2).
    public func synchronize() throws(SystemError) {
        guard unsafe msync(base, byteCount, MS_SYNC) == 0 else { throw .last("msync", "mapping") }
        if let watched { watched.observer?.changed(.synchronize(inode: watched.inode)) }
    }
}
