import MQBytes
import MQStore
import MQSystem

/// Why a command cannot do what it was asked to: one sentence, exit code 2.
struct ToolError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Sizes and paths that are not the store's usual ones, as options or a broker's configuration file give them.
struct StoreSettings: Equatable {
    /// `storePathCommitLog`: a folder, or several with commas between them.
    var commitLogPath: String?
    /// `mappedFileSizeCommitLog`, bytes.
    var logFileByteCount: Int?
    /// `mappedFileSizeConsumeQueue`, bytes.
    var queueFileByteCount: Int?
    /// `mapperFileSizeBatchConsumeQueue`, bytes.
    var batchQueueFileByteCount: Int?
    /// `mappedFileSizeConsumeQueueExt`, bytes.
    var extensionFileByteCount: Int?
    /// `maxHashSlotNum`.
    var indexSlotCount: Int?
    /// `maxIndexNum`.
    var indexEntryCount: Int?
    /// `messageIndexEnable`.
    var isIndexEnabled = true
    /// `messageDelayLevel`, milliseconds.
    var delayLevels: [Int64] = [
        1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
    ].map { $0 * 1000 }
}

/// One file of the log or of a queue.
struct StoreFile: Equatable {
    /// The position of its first byte, as its name says.
    let start: Int64
    /// Its length.
    let byteCount: Int
    let path: String
    /// From the store's folder.
    let name: String

    /// The position behind its last byte.
    var end: Int64 { start + Int64(byteCount) }
    /// The folder it is in.
    var folder: String { String(path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)) }
}

/// A store's folder: what is where, and how long its files are to be. Looks, and opens nothing for writing.
struct StoreFolder {
    let root: String
    let settings: StoreSettings
    /// The log's folders: `storePathCommitLog` may name several, which its files go round through.
    let logPaths: [String]
    /// The log's files of all folders by their names, whatever their length.
    let logFiles: [StoreFile]
    /// What each of them should have, bytes.
    let logFileByteCount: Int
    /// Names in the log's folder that are none of a log file.
    let strangeLogNames: [String]

    /// - Throws: ``ToolError`` if this is no store's folder.
    init(_ root: String, _ settings: StoreSettings) throws(ToolError) {
        self.root = root
        self.settings = settings
        logPaths =
            settings.commitLogPath.map { $0.split(separator: ",").map(String.init) } ?? [root + "/commitlog"]
        guard FileStatus(root)?.kind == .folder else { throw ToolError("\(root) is no folder") }
        var files: [StoreFile] = []
        var strangers: [String] = []
        for path in logPaths {
            guard FileStatus(path)?.kind == .folder else {
                throw ToolError("\(root) is no store: \(path) is no folder")
            }
            let label = settings.commitLogPath == nil ? "commitlog" : path
            var strange: [String] = []
            files += try StoreFolder.files(in: path, label: label, strange: &strange)
            strangers += strange.map { label + "/" + $0 }
        }
        logFiles = files.sorted { $0.start < $1.start }
        strangeLogNames = strangers
        logFileByteCount = settings.logFileByteCount ?? StoreFolder.commonSize(logFiles) ?? 1 << 30
    }

    var queuePath: String { root + "/" + QueueKind.single.folder }
    var indexPath: String { root + "/index" }
    var configPath: String { root + "/config" }

    /// The files of 20 digits in `folder`, in order, and what else is there.
    static func files(
        in folder: String, label: String, strange: inout [String]
    ) throws(ToolError) -> [StoreFile] {
        var files: [StoreFile] = []
        for name in try StoreFolder.names(in: folder) {
            let path = folder + "/" + name
            guard name.utf8.count == 20, name.utf8.allSatisfy({ (48...57).contains($0) }), let start = Int64(name),
                start < Int64.max >> 2, let status = FileStatus(path), status.kind == .file
            else {
                strange.append(name)
                continue
            }
            files.append(StoreFile(start: start, byteCount: status.byteCount, path: path, name: label + "/" + name))
        }
        return files
    }

    /// The names in `folder`, sorted; none if it is missing.
    static func names(in folder: String) throws(ToolError) -> [String] {
        do throws(SystemError) {
            return try Directory.names(in: folder)
        } catch {
            throw ToolError("\(error)")
        }
    }

    /// The size that most of the files show: by the distance to the next one, and by their length.
    static func commonSize(_ files: [StoreFile]) -> Int? {
        var votes: [Int: Int] = [:]
        for (index, file) in files.enumerated() {
            if file.byteCount > 0 { votes[file.byteCount, default: 0] += 1 }
            let distance = index > 0 ? Int(file.start - files[index - 1].start) : 0
            if distance > 0 { votes[distance, default: 0] += 1 }  // a queue's files may follow another's
        }
        return votes.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key
    }

    /// Whether the last broker was killed, or one is running.
    var hasAbort: Bool { Directory.exists(root + "/abort") }

    /// The process that holds the store's lock now.
    func lockHolder() throws(ToolError) -> Int32? {
        let path = root + "/lock"
        guard FileStatus(path)?.kind == .file else { return nil }
        do throws(SystemError) {
            return try File(path, .read).lockHolder()
        } catch {
            throw ToolError("\(error)")
        }
    }

    /// What the checkpoint says; `nil` if there is none to read.
    func checkpoint() throws(ToolError) -> Checkpoint.Values? {
        let path = root + "/checkpoint"
        guard FileStatus(path)?.kind == .file else { return nil }
        do throws(SystemError) {
            var bytes = ByteBuffer()
            try File(path, .read).read(40, at: 0, into: &bytes)
            return Checkpoint.Values(bytes.span)
        } catch {
            throw ToolError("\(error)")
        }
    }
}
