import CMQLinux
import Glibc

/// What is at a path, without opening it: opening a pipe would wait for its other end.
public struct FileStatus: Equatable, Sendable {
    /// What it is, symbolic links followed.
    public enum Kind: Equatable, Sendable {
        case file
        case folder
        case other
    }

    /// A file, a folder, or something that is neither.
    public let kind: Kind
    /// The length in bytes.
    public let byteCount: Int
    /// Bytes it takes on the disk: less than the length where it has holes.
    public let allocatedByteCount: Int

    /// When its content was changed last: nanoseconds since 1970.
    public let modifiedNanoseconds: Int64

    /// Looks at `path`; stat(2). `nil`: nothing is there, or it cannot be looked at.
    public init?(_ path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .folder
        default: kind = .other
        }
        byteCount = Int(status.st_size)
        allocatedByteCount = Int(status.st_blocks) * 512
        modifiedNanoseconds = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    }
}

extension Directory {
    /// Lets two names change places in one step, whatever they name; renameat2(2).
    /// - Throws: where the file system cannot do it, too.
    public static func exchange(_ left: String, _ right: String) throws(SystemError) {
        guard unsafe mq_exchange(left, right) == 0 else { throw .last("renameat2", left) }
        DiskWatch.tell(left, .exchange(left, right))
    }
}

extension File {
    /// The process that holds the lock of ``lock()``; `nil` if nobody or this process does.
    public func lockHolder() throws(SystemError) -> Int32? {
        let holder = mq_lock_holder(descriptor)
        guard holder >= 0 else { throw .last("fcntl", path) }
        return holder == 0 ? nil : holder
    }
}
