public import Foundation

/// An empty folder that goes away with this object, unless `MQ_KEEP` is set.
public final class TemporaryFolder: Sendable {
    /// Where it is.
    public let url: URL

    /// Its path, without a slash at the end.
    public var path: String { url.path }

    /// Makes the folder.
    /// - Parameters:
    ///   - name: how its name begins.
    ///   - isInMemory: for tests that make thousands of files and syncs; where the machine has such a file system.
    public init(_ name: String = "apus-test", isInMemory: Bool = false) throws {
        let memory = URL(filePath: "/dev/shm", directoryHint: .isDirectory)
        let isThere = isInMemory && FileManager.default.isWritableFile(atPath: memory.path)
        let parent = isThere ? memory : FileManager.default.temporaryDirectory
        url = parent.appending(path: "\(name)-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        if Machine.keepsFolders { return print("kept: \(path)") }
        // Best effort: a folder that stays costs room, not a test.
        try? FileManager.default.removeItem(at: url)
    }
}
