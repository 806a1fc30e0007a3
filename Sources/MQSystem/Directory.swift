import CMQLinux
import Glibc

/// Folders and names of files.
public enum Directory {
    /// Makes `path` and what is missing above it; mkdir(2).
    public static func create(_ path: String) throws(SystemError) { _ = try make(path) }

    /// As ``create(_:)``, and the names are durable when it returns: those that were made now, and that of `path` itself,
    /// which a process that was killed may have made. Blocks on the disk.
    public static func createDurably(_ path: String) throws(SystemError) {
        var parents = Set(try make(path).map(parent(of:)))
        let own = parent(of: path)
        for parent in parents { try synchronize(parent) }
        guard parents.insert(own).inserted else { return }
        do throws(SystemError) {
            try synchronize(own)
        } catch {
            guard error.code == EACCES else { throw error }  // somebody else's folder, and somebody else's sync
        }
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// - Returns: the folders that were made.
    private static func make(_ path: String) throws(SystemError) -> [String] {
        var made: [String] = []
        var prefix = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            prefix += (prefix.isEmpty || prefix.hasSuffix("/") ? "" : "/") + part
            if unsafe mkdir(prefix, 0o755) == 0 {
                DiskWatch.tell(prefix, .makeFolder(path: prefix))
                made.append(prefix)
            } else if errno != EEXIST {
                throw .last("mkdir", prefix)
            }
        }
        return made
    }

    /// The names in `path`, sorted, without `.` and `..`. A missing folder is empty.
    public static func names(in path: String) throws(SystemError) -> [String] {
        guard let stream = unsafe opendir(path) else {
            if errno == ENOENT { return [] }
            throw .last("opendir", path)
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        // SAFETY: the entry is valid until the next readdir on this stream, and its name is copied at once.
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Whether something is at `path`.
    public static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Removes one file; unlink(2). A missing file is fine.
    public static func removeFile(_ path: String) throws(SystemError) {
        if unsafe unlink(path) == 0 {
            DiskWatch.tell(path, .removeFile(path: path))
        } else if errno != ENOENT {
            throw .last("unlink", path)
        }
    }

    /// Removes `path` and everything in it.
    public static func removeTree(_ path: String) throws(SystemError) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try removeFile(path) }
        for name in try names(in: path) { try removeTree(path + "/" + name) }
        if unsafe rmdir(path) != 0 { throw .last("rmdir", path) }
        DiskWatch.tell(path, .removeFolder(path: path))
    }

    /// Removes `path` if nothing is in it; rmdir(2). A missing folder is fine.
    public static func removeIfEmpty(_ path: String) throws(SystemError) {
        if unsafe rmdir(path) == 0 {
            DiskWatch.tell(path, .removeFolder(path: path))
        } else if errno != ENOTEMPTY, errno != EEXIST, errno != ENOENT {
            throw .last("rmdir", path)
        }
    }

    /// Gives `old` the name `new` in one step; rename(2).
    public static func rename(_ old: String, to new: String) throws(SystemError) {
        guard unsafe Glibc.rename(old, new) == 0 else { throw .last("rename", old) }
        DiskWatch.tell(new, .rename(from: old, to: new))
    }

    /// Gives the file at `path` a second name, `<path>.bak`, which another file may have had; link(2). Where the file
    /// system has no second names, the first is gone then.
    static func backUp(_ path: String) throws(SystemError) {
        let backup = path + ".bak"
        try removeFile(backup)
        guard unsafe link(path, backup) == 0 else { return try rename(path, to: backup) }
        DiskWatch.tell(path, .link(from: path, to: backup))
    }

    /// Makes names added to or removed from the folder durable.
    public static func synchronize(_ path: String) throws(SystemError) {
        let descriptor = unsafe mq_open(path, O_RDONLY | O_DIRECTORY, 0)
        guard descriptor >= 0 else { throw .last("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .last("fsync", path) }
        DiskWatch.tell(path, .synchronizeFolder(path: path))
    }

    /// When the file at `path` was last written, in milliseconds since 1970.
    public static func modificationTime(_ path: String) -> Int64? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
    }

    /// The length of the file at `path` in bytes; stat(2). Opens nothing.
    public static func byteCount(_ path: String) throws(SystemError) -> Int {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw .last("stat", path) }
        return Int(status.st_size)
    }

    /// Bytes of the file system that holds `path`, how many of them are free for us, and how many are taken. What is
    /// neither is kept back for the system's own use.
    public static func space(at path: String) -> (total: UInt64, available: UInt64, used: UInt64)? {
        var total: UInt64 = 0
        var available: UInt64 = 0
        var used: UInt64 = 0
        return unsafe mq_disk_space(path, &total, &available, &used) == 0 ? (total, available, used) : nil
    }
}
