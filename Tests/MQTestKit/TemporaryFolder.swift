public import Foundation

/// An empty folder that goes away with this object, unless `MQ_KEEP` is set.
public final class TemporaryFolder: Sendable {
    /// Where it is.
    public let url: URL

    /// Its path, without a slash at the end.
    public var path: String { url.path }

    /// Makes the folder.
    /// - Parameter name: how its name begins.
    public init(_ name: String = "apus-test") throws {
        url = FileManager.default.temporaryDirectory.appending(path: "\(name)-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        if Machine.keepsFolders { return print("kept: \(path)") }
        // Best effort: a folder that stays costs room, not a test.
        try? FileManager.default.removeItem(at: url)
    }
}
