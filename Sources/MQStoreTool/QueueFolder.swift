import MQStore
import MQSystem

/// What a queue's units are.
enum QueueKind {
    /// One message each, in `consumequeue`.
    case single
    /// One record each, of one message or several, in `batchconsumequeue`.
    case batch

    /// The folder below the store's.
    var folder: String {
        switch self {
        case .single: "consumequeue"
        case .batch: "batchconsumequeue"
        }
    }

    /// Bytes of one unit.
    var unitByteCount: Int {
        switch self {
        case .single: QueueUnit.byteCount
        case .batch: BatchUnit.byteCount
        }
    }

    /// What a file has unless it is configured.
    var usualFileByteCount: Int { 300_000 * unitByteCount }

    /// What it is configured to.
    func fileByteCount(_ settings: StoreSettings) -> Int? {
        switch self {
        case .single: settings.queueFileByteCount
        case .batch: settings.batchQueueFileByteCount
        }
    }
}

/// All consume queues of a folder, found by the name of their topic as records spell it.
struct QueueFolder {
    /// Memory for the windows of all queues together, bytes.
    private static let windowByteCountMax = 64 << 20

    private(set) var topics: [String: [Int: QueueCursor]] = [:]
    private(set) var fileByteCount: Int
    private let kind: QueueKind
    /// Whether files or settings told ``fileByteCount``; else it is RocketMQ's default.
    private(set) var isSizeKnown: Bool
    /// Bytes of all files, as far as they are read.
    private(set) var byteCount = 0

    var all: [QueueCursor] { topics.values.flatMap(\.values) }

    /// The folder of one queue.
    struct Place {
        let topic: String
        let queueID: Int
        /// From the store's folder.
        let name: String
        let files: [StoreFile]
    }

    /// Finds the folders of queues below `root`, which need not be there; what cannot be one is reported.
    /// - Parameter label: `root`, from the store's folder.
    static func places(
        below root: String, label: String, _ report: FindingReport
    ) throws(ToolError) -> [Place] {
        guard let status = FileStatus(root) else { return [] }
        guard status.kind == .folder else {
            report.add(.queueFileName, label, "is no folder: no queue can be read")
            return []
        }
        var found: [Place] = []
        for topic in try StoreFolder.names(in: root) {
            let path = root + "/" + topic
            guard FileStatus(path)?.kind == .folder else {
                report.add(.queueFileName, .note, label + "/" + topic, "is no folder of a topic")
                continue
            }
            for name in try StoreFolder.names(in: path) {
                let name = (id: name, label: "\(label)/\(topic)/\(name)")
                guard let id = Int(name.id), id >= 0, id <= Int32.max, String(id) == name.id,
                    FileStatus(path + "/" + name.id)?.kind == .folder
                else {
                    report.add(.queueFileName, .note, name.label, "is no folder of a queue")
                    continue
                }
                var strange: [String] = []
                let files = try StoreFolder.files(in: path + "/" + name.id, label: name.label, strange: &strange)
                for stranger in strange {
                    report.add(.queueFileName, .note, name.label + "/" + stranger, "is no file of a queue")
                }
                found.append(Place(topic: topic, queueID: id, name: name.label, files: files))
            }
        }
        return found
    }

    /// Finds and opens every queue; what cannot be one is reported.
    init(
        _ folder: StoreFolder, _ kind: QueueKind, _ report: FindingReport, wasKilled: Bool
    ) throws(ToolError) {
        self.kind = kind
        let configured = kind.fileByteCount(folder.settings)
        let root = folder.root + "/" + kind.folder
        fileByteCount = configured ?? kind.usualFileByteCount
        isSizeKnown = configured != nil
        let found = try Self.places(below: root, label: kind.folder, report)
        let common = StoreFolder.commonSize(found.flatMap(\.files)).flatMap {
            $0 % kind.unitByteCount == 0 ? $0 : nil
        }
        fileByteCount = configured ?? common ?? fileByteCount
        isSizeKnown = configured ?? common != nil
        let window = max(16, min(3276, Self.windowByteCountMax / kind.unitByteCount / max(1, found.count)))
        for entry in found { try open(entry, window, report, wasKilled) }
    }

    private mutating func open(
        _ entry: Place, _ window: Int, _ report: FindingReport, _ wasKilled: Bool
    ) throws(ToolError) {
        var files = entry.files
        for file in entry.files where file.byteCount != fileByteCount || file.start % Int64(fileByteCount) != 0 {
            // A broker removes a file without bytes, and refuses others.
            report.add(
                .queueFileLength, wasKilled && file.byteCount == 0 ? .recovery : .error, file.name,
                "has \(file.byteCount) bytes; every file of a queue has \(fileByteCount), and its name is a multiple of that"
            )
            if file.byteCount == 0 || file.start % Int64(fileByteCount) != 0 { files.removeAll { $0 == file } }
        }
        for (earlier, later) in zip(files, files.dropFirst())
        where later.start - earlier.start != Int64(fileByteCount) {
            report.add(
                .queueHole, later.name,
                "the file before it is missing: "
                    + "\(grouped((later.start - earlier.start - Int64(fileByteCount)) / Int64(kind.unitByteCount))) "
                    + "units, and what lies before them cannot be reached")
        }
        do throws(SystemError) {
            let cursor = try QueueCursor(
                kind, topic: entry.topic, queueID: entry.queueID, name: entry.name, files: files,
                fileByteCount: fileByteCount, windowUnits: window)
            topics[entry.topic, default: [:]][entry.queueID] = cursor
            byteCount += files.reduce(0) { $0 + $1.byteCount }
        } catch {
            report.add(.unreadable, entry.name, "\(error)")
        }
    }
}
