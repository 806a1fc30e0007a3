import Synchronization

/// One thing done to files or folders, told after it was done. Paths are as the caller wrote them; an `inode` names a
/// file whatever it is called, until the next ``makeFile(path:inode:)`` with the same number.
package enum DiskChange: Sendable {
    /// A file that was not there was made, empty.
    case makeFile(path: String, inode: UInt64)
    /// A folder was made.
    case makeFolder(path: String)
    /// A file lost this name.
    case removeFile(path: String)
    /// An empty folder was removed.
    case removeFolder(path: String)
    /// A file got another name, which another file may have lost by it.
    case rename(from: String, to: String)
    /// Two names changed places, whatever they name.
    case exchange(String, String)
    /// A file got a second name.
    case link(from: String, to: String)
    /// The names in the folder are durable.
    case synchronizeFolder(path: String)
    /// Bytes were written.
    case write(inode: UInt64, offset: Int, bytes: [UInt8])
    /// A range reads as zeroes; the length is as it was, or grew to the range's end.
    case zero(inode: UInt64, range: Range<Int>)
    /// The length was set.
    case truncate(inode: UInt64, byteCount: Int)
    /// Room was reserved: the length is this or more.
    case allocate(inode: UInt64, byteCount: Int)
    /// Bytes were stored through a mapping.
    case store(inode: UInt64, offset: Int, bytes: [UInt8])
    /// Data and length are durable.
    case synchronize(inode: UInt64)
}

/// Who is told of every change below a folder. Called on the thread that made the change.
package protocol DiskObserver: Sendable {
    /// Something was done; it is not durable before its file or folder was synced.
    func changed(_ change: DiskChange)
}

/// The seam for a simulated disk: tests watch a folder, and every change that `File`, `Mapping` and `Directory` make
/// below it from then on is told. For tests only; without a watcher it costs a load or a comparison a call.
///
/// By folder and not handed through: a call that forgets to pass a file system on would be a hole in the proof, and code
/// that is written later is watched without knowing of it.
package enum DiskWatch {
    private struct Watcher: Sendable {
        let prefix: String
        let observer: any DiskObserver
    }

    private static let isAny = Atomic<Bool>(false)
    private static let watchers = Lock<[Watcher]>([])

    /// Tells `observer` what is done below `folder` from now on. Files that are open already are not watched.
    package static func begin(_ folder: String, _ observer: any DiskObserver) {
        watchers.withLock { $0.append(Watcher(prefix: folder + "/", observer: observer)) }
        isAny.store(true, ordering: .sequentiallyConsistent)
    }

    /// Ends what ``begin(_:_:)`` began. Files that are open already stay watched.
    package static func end(_ folder: String) {
        watchers.withLock { watchers in watchers.removeAll { $0.prefix == folder + "/" } }
    }

    /// Who watches `path`, a file or a folder.
    static func observer(of path: String) -> (any DiskObserver)? {
        guard isAny.load(ordering: .relaxed) else { return nil }
        return watchers.withLock { watchers in watchers.first { (path + "/").hasPrefix($0.prefix) }?.observer }
    }

    /// Tells who watches `path`, if anybody does.
    static func tell(_ path: String, _ change: @autoclosure () -> DiskChange) {
        observer(of: path)?.changed(change())
    }
}
