import CMQLinux
import Glibc
public import MQBytes

/// An open file. Reads and writes name their position, so that threads can share it.
@safe public final class File: Sendable {
    /// The descriptor; valid as long as this object.
    public let descriptor: Int32
    /// As it was opened.
    public let path: String
    /// A simulated disk that watches this file; none outside of tests.
    let observer: (any DiskObserver)?
    /// The file's number, for the observer; 0 without one.
    let inode: UInt64

    /// How to open.
    public enum Mode: Sendable {
        /// Must exist.
        case read
        /// Must exist.
        case readWrite
        /// Made if it is missing.
        case create
        /// Made, and emptied if it is there.
        case replace
        /// Must exist; writes go around the page cache and must be aligned.
        case direct

        fileprivate var flags: Int32 {
            switch self {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .create: O_RDWR | O_CREAT
            case .replace: O_RDWR | O_CREAT | O_TRUNC
            case .direct: O_WRONLY | mq_o_direct()
            }
        }
    }

    /// Opens `path`; open(2).
    public init(_ path: String, _ mode: Mode) throws(SystemError) {
        observer = DiskWatch.observer(of: path)
        let isNew = observer != nil && !Directory.exists(path)
        let descriptor = unsafe mq_open(path, mode.flags, 0o644)  // SAFETY: the path is terminated by the bridge
        guard descriptor >= 0 else { throw .last("open", path) }
        self.descriptor = descriptor
        self.path = path
        inode = observer == nil ? 0 : Self.number(descriptor)
        guard let observer else { return }
        if isNew {
            observer.changed(.makeFile(path: path, inode: inode))
        } else if case .replace = mode {
            observer.changed(.truncate(inode: inode, byteCount: 0))
        }
    }

    private static func number(_ descriptor: Int32) -> UInt64 {
        var status = stat()
        let result = unsafe fstat(descriptor, &status)
        precondition(result == 0, "fstat of an open file")
        return UInt64(status.st_ino)
    }

    deinit { close(descriptor) }

    /// The length in bytes; fstat(2).
    public func byteCount() throws(SystemError) -> Int {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .last("fstat", path) }
        return Int(status.st_size)
    }

    /// Sets the length; ftruncate(2). New bytes read as zero and take no room until written.
    public func truncate(to byteCount: Int) throws(SystemError) {
        guard ftruncate(descriptor, off_t(byteCount)) == 0 else { throw .last("ftruncate", path) }
        observer?.changed(.truncate(inode: inode, byteCount: byteCount))
    }

    /// Reserves room on the disk; fallocate(2). The length grows to `byteCount`.
    public func allocate(byteCount: Int) throws(SystemError) {
        while mq_fallocate(descriptor, 0, off_t(byteCount)) != 0 {
            guard errno == EINTR else { throw .last("fallocate", path) }
        }
        observer?.changed(.allocate(inode: inode, byteCount: byteCount))
    }

    /// Writes all of `bytes` at `offset`; pwrite(2), repeated while the system takes less.
    public func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
        let failed: Bool = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe writeAll(UnsafeRawBufferPointer(buffer), at: offset)
        }
        if failed { throw .last("pwrite", path) }
        guard let observer else { return }
        observer.changed(.write(inode: inode, offset: offset, bytes: bytes.toArray()))
    }

    /// Writes several spans of memory that lie one after the other in `buffer`.
    private func writeAll(_ buffer: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        var done = 0
        while done < buffer.count {
            // SAFETY: done < count, so the pointer and the remaining length are inside the caller's buffer.
            let written = unsafe pwrite(
                descriptor, buffer.baseAddress.unsafelyUnwrapped + done, buffer.count - done, off_t(offset + done))
            if written < 0 {
                if errno == EINTR { continue }
                return true
            }
            done += written
        }
        return false
    }

    /// Reads up to `byteCount` bytes at `offset` to the end of `buffer`; pread(2). May wait for the disk.
    /// - Returns: bytes read; less than asked only at the end of the file.
    @discardableResult
    public func read(_ byteCount: Int, at offset: Int, into buffer: inout ByteBuffer) throws(SystemError) -> Int {
        var total = 0
        while total < byteCount {
            var failed = false
            var got = 0
            // SAFETY: the closure writes at most `byteCount - total` bytes into room that was reserved for them.
            unsafe buffer.appendUnsafely(atLeast: byteCount - total) { room in
                let result = unsafe pread(
                    descriptor, room.baseAddress, byteCount - total, off_t(offset + total))
                failed = result < 0
                got = max(0, result)
                return got
            }
            if failed {
                if errno == EINTR { continue }
                throw .last("pread", path)
            }
            if got == 0 { break }
            total += got
        }
        return total
    }

    /// As ``read(_:at:into:)``, but only what is in memory. A miss makes the system begin to read ahead, some 100 µs. On a
    /// file system that cannot tell it reads, and may wait.
    /// - Returns: `nil` if any of it would need the disk; then nothing is added.
    public func readIfInMemory(
        _ byteCount: Int, at offset: Int, into buffer: inout ByteBuffer
    ) throws(SystemError) -> Int? {
        var result = 0
        let before = buffer.count
        // SAFETY: the closure writes at most `byteCount` bytes into room that was reserved for them.
        unsafe buffer.appendUnsafely(atLeast: byteCount) { room in
            result = unsafe mq_pread_nowait(descriptor, room.baseAddress, byteCount, off_t(offset))
            return max(0, result)
        }
        if result < 0 {
            if errno == EAGAIN { return nil }
            if errno == EOPNOTSUPP { return try read(byteCount, at: offset, into: &buffer) }
            throw .last("preadv2", path)
        }
        if result < byteCount {  // the end of the file, or a page that is not in memory
            let length = try self.byteCount()
            if offset + result < min(length, offset + byteCount) {
                buffer.truncate(to: before)
                return nil
            }
        }
        return result
    }

    /// Begins to read `range` into memory; posix_fadvise(2). It may wait until the disk has taken the request, not until it
    /// has delivered.
    public func readAhead(_ range: Range<Int>) {
        // A hint: nothing depends on whether it is followed.
        _ = posix_fadvise(descriptor, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_WILLNEED)
    }

    /// Everything in the file.
    public func readAll(limit: Int) throws(SystemError) -> [UInt8] {
        let length = try byteCount()
        guard length <= limit else { throw SystemError(code: EFBIG, call: "read", subject: path) }
        var buffer = ByteBuffer(capacity: length)
        try read(length, at: 0, into: &buffer)
        return buffer.toArray()
    }

    /// Makes the data durable; fdatasync(2). A failure is final for this file: the kernel may have dropped the pages.
    public func synchronizeData() throws(SystemError) {
        guard fdatasync(descriptor) == 0 else { throw .last("fdatasync", path) }
        observer?.changed(.synchronize(inode: inode))
    }

    /// Makes data and metadata durable; fsync(2).
    public func synchronize() throws(SystemError) {
        guard fsync(descriptor) == 0 else { throw .last("fsync", path) }
        observer?.changed(.synchronize(inode: inode))
    }

    /// Takes the lock that Java's `FileChannel.tryLock(0, 1, false)` takes. Held until the process ends or closes any
    /// descriptor of the file.
    public func lock() throws(SystemError) {
        guard mq_lock_file(descriptor) == 0 else { throw .last("lock", path) }
    }
}

extension File {
    /// Writes zeroes over the first `byteCount` bytes, a multiple of 4096, in steps of 1 MiB. For a file opened with
    /// ``Mode/direct``, so that the page cache does not fill with them.
    /// - Parameter goesOn: asked before each step; `false` ends it early.
    public func fillWithZeroes(byteCount: Int, while goesOn: () -> Bool = { true }) throws(SystemError) {
        let step = 1 << 20
        var memory: UnsafeMutableRawPointer?
        guard unsafe posix_memalign(&memory, 4096, step) == 0, let zeroes = unsafe memory else {
            throw SystemError(code: ENOMEM, call: "posix_memalign", subject: path)
        }
        defer { unsafe free(zeroes) }
        unsafe memset(zeroes, 0, step)
        var offset = 0
        while offset < byteCount, goesOn() {
            // SAFETY: the buffer has `step` bytes.
            let written = unsafe pwrite(descriptor, zeroes, min(step, byteCount - offset), off_t(offset))
            if written < 0 {
                if errno == EINTR { continue }
                if errno == EINVAL { return }  // the file system has no direct writes; zero-filling is a luxury
                throw .last("pwrite", path)
            }
            observer?.changed(.zero(inode: inode, range: offset..<(offset + written)))
            offset += written
        }
    }
}

extension File {
    /// Makes `range` read as zeroes and gives its room on the disk back, without changing the length.
    public func discard(_ range: Range<Int>) throws(SystemError) {
        guard !range.isEmpty else { return }
        guard mq_punch_hole(descriptor, off_t(range.lowerBound), off_t(range.count)) == 0 else {
            return try zero(range)
        }
        observer?.changed(.zero(inode: inode, range: range))
    }

    /// Makes `range` read as zeroes without changing the length; written out where the file system cannot do it.
    public func zero(_ range: Range<Int>) throws(SystemError) {
        guard !range.isEmpty else { return }
        if mq_zero_range(descriptor, off_t(range.lowerBound), off_t(range.count)) == 0 {
            observer?.changed(.zero(inode: inode, range: range))
            return
        }
        guard errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL else { throw .last("fallocate", path) }
        let zeroes = [UInt8](repeating: 0, count: min(range.count, 1 << 20))
        var offset = range.lowerBound
        while offset < range.upperBound {
            let byteCount = min(zeroes.count, range.upperBound - offset)
            try write(zeroes.span.extracting(0..<byteCount), at: offset)
            offset += byteCount
        }
    }
}

extension File {
    /// Everything in the file at `path`; `nil` if there is none.
    public static func contents(of path: String, limit: Int) throws(SystemError) -> [UInt8]? {
        do throws(SystemError) {
            return try File(path, .read).readAll(limit: limit)
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// Puts `bytes` at `path` in one step: whoever looks, now or after a crash, finds all of the old file or all of the
    /// new one. When it returns the new one is durable. Blocks on the disk; missing folders are made.
    /// - Parameter keepsBackup: the old file stays as `<path>.bak`.
    public static func replace(_ path: String, with bytes: [UInt8], keepsBackup: Bool = false) throws(SystemError) {
        let folder = Directory.parent(of: path)
        let fresh = path + ".tmp"
        if !Directory.exists(folder) { try Directory.createDurably(folder) }
        let file = try File(fresh, .replace)
        try file.write(bytes.span, at: 0)
        try file.synchronize()
        if keepsBackup, Directory.exists(path) { try Directory.backUp(path) }
        try Directory.rename(fresh, to: path)
        try Directory.synchronize(folder)
    }
}
