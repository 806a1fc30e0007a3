import Foundation

/// A file system of its own with little room, gone with this object. Where a machine lets nobody mount one there is none.
public final class SmallDisk {
    private let folder: TemporaryFolder

    /// Where it is mounted.
    public var path: String { folder.path }

    /// A file system of so much room; `nil` if nobody may mount here.
    public init?(kilobytes: Int) {
        guard getuid() == 0, let folder = try? TemporaryFolder("apus-disk") else { return nil }
        self.folder = folder
        guard Self.run("/usr/bin/mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", folder.path) else {
            return nil
        }
    }

    deinit { _ = Self.run("/usr/bin/umount", "-l", path) }

    private static func run(_ program: String, _ arguments: String...) -> Bool {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    private var ballast: String { path + "/ballast" }

    /// Takes room until no more than `left` bytes are free: all of it, if nothing is said.
    public func fill(leaving left: Int = 0) throws {
        if !FileManager.default.fileExists(atPath: ballast) {
            _ = FileManager.default.createFile(atPath: ballast, contents: nil)
        }
        let file = try FileHandle(forWritingTo: URL(filePath: ballast))
        defer { try? file.close() }
        try file.seekToEnd()
        for step in [1 << 16, 4096, 1] {
            while try free() >= left + step {
                guard (try? file.write(contentsOf: Data(count: step))) != nil else { break }
            }
        }
    }

    private func free() throws -> Int {
        let values = try FileManager.default.attributesOfFileSystem(forPath: path)
        return (values[.systemFreeSize] as? NSNumber)?.intValue ?? 0
    }

    /// Gives the room back.
    public func empty() throws { try FileManager.default.removeItem(atPath: ballast) }
}
