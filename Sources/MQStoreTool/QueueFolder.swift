import MQStore
import MQSystem

/// All consume queues of a folder, found by the name of their topic as records spell it.
struct QueueFolder {
    /// Memory for the windows of all queues together, bytes.
    private static let windowByteCountMax = 64 << 20

    private(set) var topics: [String: [Int: QueueCursor]] = [:]
    private(set) var fileByteCount = 300_000 * QueueUnit.byteCount
    /// Whether files or settings told ``fileByteCount``; else it is RocketMQ's default.
    private(set) var isSizeKnown = false
    /// Bytes of all files, as far as they are read.
    private(set) var byteCount = 0

    var all: [QueueCursor] { topics.values.flatMap(\.values) }

    /// Finds and opens every queue; what cannot be one is reported.
    init(_ folder: StoreFolder, _ report: FindingReport, wasKilled: Bool) throws(ToolError) {
        var found: [(topic: String, id: Int, name: String, files: [StoreFile])] = []
        if let size = folder.settings.queueFileByteCount { (fileByteCount, isSizeKnown) = (size, true) }
        guard let status = FileStatus(folder.queuePath) else { return }
        guard status.kind == .folder else {
            report.add(.queueFileName, "consumequeue", "is no folder: no queue can be read")
            return
        }
        for topic in try StoreFolder.names(in: folder.queuePath) {
            let path = folder.queuePath + "/" + topic
            guard FileStatus(path)?.kind == .folder else {
                report.add(.queueFileName, .note, "consumequeue/" + topic, "is no folder of a topic")
                continue
            }
            for name in try StoreFolder.names(in: path) {
                let label = "consumequeue/\(topic)/\(name)"
                guard let id = Int(name), id >= 0, id <= Int32.max, String(id) == name,
                    FileStatus(path + "/" + name)?.kind == .folder
                else {
                    report.add(.queueFileName, .note, label, "is no folder of a queue")
                    continue
                }
                var strange: [String] = []
                let files = try StoreFolder.files(in: path + "/" + name, label: label, strange: &strange)
                for stranger in strange {
                    report.add(.queueFileName, .note, label + "/" + stranger, "is no file of a queue")
                }
                found.append((topic, id, label, files))
            }
        }
        let common = StoreFolder.commonSize(found.flatMap(\.files)).flatMap { $0 % QueueUnit.byteCount == 0 ? $0 : nil }
        fileByteCount = folder.settings.queueFileByteCount ?? common ?? fileByteCount
        isSizeKnown = folder.settings.queueFileByteCount ?? common != nil
        let window = max(16, min(3276, Self.windowByteCountMax / QueueUnit.byteCount / max(1, found.count)))
        for entry in found { try open(entry, window, report, wasKilled) }
    }

    private mutating func open(
        _ entry: (topic: String, id: Int, name: String, files: [StoreFile]), _ window: Int, _ report: FindingReport,
        _ wasKilled: Bool
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
                "the file before it is missing: \(grouped((later.start - earlier.start - Int64(fileByteCount)) / 20)) "
                    + "units, and what lies before them cannot be reached")
        }
        do throws(SystemError) {
            let cursor = try QueueCursor(
                topic: entry.topic, queueID: entry.id, name: entry.name, files: files, fileByteCount: fileByteCount,
                windowUnits: window)
            topics[entry.topic, default: [:]][entry.id] = cursor
            byteCount += files.reduce(0) { $0 + $1.byteCount }
        } catch {
            report.add(.unreadable, entry.name, "\(error)")
        }
    }
}
