import Foundation
package import MQSystem

/// A folder as a disk sees it: what is durable, and in what order the rest was done since. Files are whatever the names
/// say; a file that has no durable name is gone after a crash however well it was synced.
///
/// The rules, weaker than what ext4 and xfs give, whose journals commit names in order and together:
/// - A sync of a file makes its data and length durable, not its name. A sync of a folder makes its names durable, not
///   what they name, nor the folder's own name.
/// - Without a sync each sector of 512 bytes is as it was at some moment since the last one, the length too, each on its
///   own; each change of names was made or not. A rename is one change.
/// - Room that was reserved and never written reads as zeroes. Sectors are never torn, except in the write that the
///   crash interrupts, which may end at any byte.
package struct DiskImage {
    static let sectorByteCount = 512

    /// A file's bytes.
    final class Content {
        var durable: [UInt8]
        var current: [UInt8]
        var pending: [DiskChange] = []

        init(durable: [UInt8]) { (self.durable, current) = (durable, durable) }
    }

    /// A folder's names.
    final class Folder {
        var durable: [String: Node] = [:]
        var current: [String: Node] = [:]
        /// Each is one step: all of its names change, or none.
        var pending: [[(name: String, node: Node?)]] = []

        func change(_ step: [(name: String, node: Node?)]) {
            pending.append(step)
            for (name, node) in step { current[name] = node }
        }
    }

    enum Node {
        case file(Content)
        case folder(Folder)
    }

    private let rootPath: [Substring]
    private let root: Folder
    private var files: [UInt64: Content] = [:]

    /// What is in the folder at `path` now, all of it durable.
    package init(of path: String) throws {
        rootPath = Self.parts(path)
        root = Folder()
        try scan(path, root)
    }

    private mutating func scan(_ path: String, _ folder: Folder) throws {
        for name in try Directory.names(in: path) {
            var status = stat()
            guard lstat(path + "/" + name, &status) == 0 else { continue }
            let node: Node
            if status.st_mode & S_IFMT == S_IFDIR {
                let inner = Folder()
                try scan(path + "/" + name, inner)
                node = .folder(inner)
            } else {
                let content = Content(durable: try File(path + "/" + name, .read).readAll(limit: .max))
                files[UInt64(status.st_ino)] = content
                node = .file(content)
            }
            folder.durable[name] = node
            folder.current[name] = node
        }
    }

    // MARK: - Changes

    /// Takes one more change in.
    package mutating func apply(_ change: DiskChange) {
        switch change {
        case .makeFile(let path, let inode):
            let content = Content(durable: [])
            files[inode] = content
            note(path, .file(content))
        case .makeFolder(let path): note(path, .folder(Folder()))
        case .removeFile(let path), .removeFolder(let path): note(path, nil)
        case .rename(let old, let new):
            let (folder, name) = place(of: old)
            let (target, newName) = place(of: new)
            precondition(folder === target, "a rename from folder to folder: \(old)")
            guard let node = folder.current[name] else { preconditionFailure("nothing to rename at \(old)") }
            folder.change([(name, nil), (newName, node)])
        case .exchange(let left, let right):
            let (folder, name) = place(of: left)
            let (other, otherName) = place(of: right)
            precondition(folder === other, "an exchange from folder to folder: \(left)")
            guard let node = folder.current[name], let otherNode = folder.current[otherName] else {
                preconditionFailure("nothing to exchange at \(left) or \(right)")
            }
            folder.change([(name, otherNode), (otherName, node)])
        case .link(let old, let new):
            let (folder, name) = place(of: old)
            note(new, folder.current[name])
        case .synchronizeFolder(let path):
            guard let folder = folder(Self.parts(path).dropFirst(rootPath.count)) else { return }
            folder.durable = folder.current
            folder.pending = []
        case .write(let inode, _, _), .zero(let inode, _), .truncate(let inode, _), .allocate(let inode, _),
            .store(let inode, _, _):
            let content = content(inode)
            content.pending.append(change)
            change.apply(to: &content.current)
        case .synchronize(let inode):
            let content = content(inode)
            content.durable = content.current
            content.pending = []
        }
    }

    func content(_ inode: UInt64) -> Content {
        guard let content = files[inode] else { preconditionFailure("a file that was never made: \(inode)") }
        return content
    }

    private func note(_ path: String, _ node: Node?) {
        let (folder, name) = place(of: path)
        folder.change([(name, node)])
    }

    private func place(of path: String) -> (folder: Folder, name: String) {
        let parts = Self.parts(path).dropFirst(rootPath.count)
        guard let name = parts.last, let folder = folder(parts.dropLast()) else {
            preconditionFailure("no folder for \(path)")
        }
        return (folder, String(name))
    }

    private func folder(_ parts: ArraySlice<Substring>) -> Folder? {
        var folder = root
        for part in parts {
            guard case .folder(let inner) = folder.current[String(part)] else { return nil }
            folder = inner
        }
        return folder
    }

    private static func parts(_ path: String) -> [Substring] {
        var parts: [Substring] = []
        for part in path.split(separator: "/") {
            if part == ".." { parts.removeLast() } else { parts.append(part) }
        }
        return parts
    }

    // MARK: - Crashes

    /// Writes what is left after `crash` into the folder at `path`, which is emptied before.
    package func write(_ crash: inout DiskCrash, to path: String) throws {
        if Directory.exists(path) { try Directory.removeTree(path) }
        try write(root, &crash, to: path)
    }

    private func write(_ folder: Folder, _ crash: inout DiskCrash, to path: String) throws {
        guard mkdir(path, 0o755) == 0 else { throw SystemError(code: errno, call: "mkdir", subject: path) }
        for (name, node) in crash.names(folder).sorted(by: { $0.key < $1.key }) {
            switch node {
            case .folder(let inner): try write(inner, &crash, to: path + "/" + name)
            case .file(let content):
                let bytes = crash.bytes(content, of: self)
                try File(path + "/" + name, .replace).write(bytes.span, at: 0)
            }
        }
    }
}

extension DiskChange {
    /// Changes a file's bytes as the system would.
    func apply(to bytes: inout [UInt8]) {
        switch self {
        case .write(_, let offset, let new), .store(_, let offset, let new):
            bytes.grow(to: offset + new.count)
            bytes.overlay(new, from: 0, count: new.count, at: offset)
        case .zero(_, let range):
            bytes.grow(to: range.upperBound)
            bytes.zero(range)
        case .truncate(_, let byteCount):
            if byteCount < bytes.count { bytes.removeLast(bytes.count - byteCount) }
            bytes.grow(to: byteCount)
        case .allocate(_, let byteCount): bytes.grow(to: byteCount)
        default: preconditionFailure("\(self) changes no bytes")
        }
    }

    /// The length of a file of `byteCount` bytes after this change.
    func byteCount(after byteCount: Int) -> Int {
        switch self {
        case .write(_, let offset, let new), .store(_, let offset, let new): max(byteCount, offset + new.count)
        case .zero(_, let range): max(byteCount, range.upperBound)
        case .truncate(_, let new): new
        case .allocate(_, let new): max(byteCount, new)
        default: byteCount
        }
    }
}

extension [UInt8] {
    mutating func grow(to byteCount: Int) {
        if count < byteCount { append(contentsOf: [UInt8](repeating: 0, count: byteCount - count)) }
    }

    mutating func overlay(_ new: [UInt8], from start: Int, count: Int, at offset: Int) {
        guard count > 0 else { return }
        withUnsafeMutableBytes { target in
            new.withUnsafeBytes { source in
                target[offset..<(offset + count)].copyBytes(from: source[start..<(start + count)])
            }
        }
    }

    mutating func zero(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        withUnsafeMutableBytes { target in
            _ = memset(target.baseAddress! + range.lowerBound, 0, range.count)
        }
    }
}
