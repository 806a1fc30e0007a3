import MQBytes
import MQJSON
import MQStore
import MQSystem

/// The store's small files: checkpoint, abort, `config/*.json`.
struct SmallFiles {
    let folder: StoreFolder
    let report: FindingReport
    /// Larger files are not read: no table of a broker is.
    static let configByteCountMax = 256 << 20

    /// One file of `config`.
    struct ConfigFile {
        let name: String
        let byteCount: Int
        /// What it says, or why that cannot be read.
        let content: Result<JSON, ToolError>
    }

    /// Every `.json` file of `config`, in order.
    static func configFiles(_ folder: StoreFolder) throws(ToolError) -> [ConfigFile] {
        guard FileStatus(folder.configPath)?.kind == .folder else { return [] }
        var files: [ConfigFile] = []
        for name in try StoreFolder.names(in: folder.configPath) where name.hasSuffix(".json") {
            let path = folder.configPath + "/" + name
            guard let status = FileStatus(path), status.kind == .file else { continue }
            files.append(ConfigFile(name: name, byteCount: status.byteCount, content: parse(path)))
        }
        return files
    }

    private static func parse(_ path: String) -> Result<JSON, ToolError> {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try File(path, .read).readAll(limit: configByteCountMax)
        } catch {
            return .failure(ToolError("cannot be read: \(error.reason)"))
        }
        if bytes.isEmpty { return .failure(ToolError("is empty")) }
        do throws(JSONError) {
            return .success(try JSON(parsing: bytes, limits: JSONLimits(byteCountMax: configByteCountMax)))
        } catch {
            return .failure(ToolError(error.description))
        }
    }

    /// The topics of `topics.json`; `nil` if it cannot be read.
    static func topics(_ files: [ConfigFile]) -> Set<String>? {
        guard let file = files.first(where: { $0.name == "topics.json" }), case .success(let json) = file.content,
            let table = json["topicConfigTable"].object
        else { return nil }
        return Set(table.compactMap { $0.key.string })
    }

    /// The topics of `topics.json` whose queues hold batches.
    static func batchTopics(_ files: [ConfigFile]) -> Set<String> {
        guard let file = files.first(where: { $0.name == "topics.json" }), case .success(let json) = file.content,
            let table = json["topicConfigTable"].object
        else { return [] }
        return Set(
            table.compactMap { member in
                member.value["attributes"]["queue.type"].string == "BatchCQ" ? member.key.string : nil
            })
    }

    // MARK: - Checks

    /// Whether the checkpoint tells no more than the log holds.
    func checkCheckpoint(_ end: LogEnd) throws(ToolError) {
        guard let status = FileStatus(folder.root + "/checkpoint") else {
            return report.add(
                .checkpoint, .note, "checkpoint", "is missing: after a kill a broker reads the whole log again")
        }
        guard let values = try folder.checkpoint() else {
            return report.add(
                .checkpoint, "checkpoint", at: 0, "has \(status.byteCount) bytes, too few for its five numbers")
        }
        // Java reads the clock after the append: allow what its own rule allows.
        let limit = min(end.newestTimestamp, .max - 3000) + 3000
        let fields: [(String, Int64, Int64)] = [
            ("log", values.log, 0), ("queues", values.queues, 8), ("index", values.index, 16),
        ]
        for (name, value, at) in fields {
            if value < 0 || (end.recordCount > 0 && value > limit) {
                report.add(
                    .checkpoint, "checkpoint", at: at,
                    "says that the \(name) was on the disk up to \(timeText(value)), but the newest record is of "
                        + "\(timeText(end.newestTimestamp)): after a kill recovery trusts what is not there")
            }
        }
    }

    /// Whether the last broker stopped in order.
    func checkAbort(holder: Int32?) {
        guard folder.hasAbort else { return }
        let text =
            holder == nil ? "the last broker did not stop in order: the next start recovers" : "a broker is running"
        report.add(.abort, .note, "abort", text)
    }

    /// Whether the tables can be read, and consumers stand where messages are.
    /// - Parameter batches: the queues of batches.
    func checkConfig(_ files: [ConfigFile], _ queues: QueueFolder, _ batches: QueueFolder) throws(ToolError) {
        guard FileStatus(folder.configPath)?.kind == .folder else {
            return report.add(.config, .note, "config", "is missing: the broker knows no topic, group or offset")
        }
        for file in files {
            guard case .failure(let error) = file.content else { continue }
            let hasBackup = FileStatus(folder.configPath + "/" + file.name + ".bak")?.kind == .file
            report.add(
                .config, "config/" + file.name,
                "\(error)\(hasBackup ? "; a broker reads \(file.name).bak instead" : ", and there is no backup")")
        }
        for file in files {
            guard case .success(let json) = file.content else { continue }
            switch file.name {
            case "consumerOffset.json", "lmqConsumerOffset.json":
                try checkConsumerOffsets(json, queues, batches, "config/" + file.name)
            case "delayOffset.json": try checkDelayOffsets(json, queues)
            default: break
            }
        }
    }

    private func checkConsumerOffsets(
        _ json: JSON, _ queues: QueueFolder, _ batches: QueueFolder, _ file: String
    ) throws(ToolError) {
        for entry in json["offsetTable"].object ?? JSONObject() {
            guard let name = entry.key.string, let at = name.lastIndex(of: "@") else { continue }
            let topic = String(name[..<at])
            for member in entry.value.object ?? JSONObject() {
                guard let id = member.key.integer, let offset = member.value.int64 else { continue }
                let queue = queues.topics[topic]?[Int(id)] ?? batches.topics[topic]?[Int(id)]
                try checkOffset(offset, of: name, queue, id, file)
            }
        }
    }

    private func checkDelayOffsets(_ json: JSON, _ queues: QueueFolder) throws(ToolError) {
        for member in json["offsetTable"].object ?? JSONObject() {
            guard let level = member.key.integer, let offset = member.value.int64 else { continue }
            try checkOffset(
                offset, of: ScheduleTopic.name, queues.topics[ScheduleTopic.name]?[Int(level) - 1], level - 1,
                "config/delayOffset.json")
        }
    }

    private func checkOffset(
        _ offset: Int64, of name: String, _ queue: QueueCursor?, _ id: Int64, _ file: String
    ) throws(ToolError) {
        guard let queue else {
            guard offset > 0 else { return }
            return report.add(
                .consumerOffset, .note, file, "\(name) queue \(id) stands at \(offset), and there is no such queue")
        }
        let messages = try toolError { () throws(SystemError) in try queue.messages() }
        if offset > messages.upperBound {
            report.add(
                .consumerOffset, file,
                "\(name) queue \(id) stands at \(offset), the queue ends at \(messages.upperBound): what is sent next up to there is "
                    + "not consumed")
        } else if offset < messages.lowerBound {
            report.add(
                .consumerOffset, .note, file,
                "\(name) queue \(id) stands at \(offset), the queue begins at \(messages.lowerBound)")
        }
    }
}
