import MQBase
import MQBytes
import MQJSON
import MQMessage
import MQStore
import MQSystem

/// `mqstore stat`: how much of what is in the store. Sizes come from the queues' units; `isDeep` reads the log too.
struct Stat {
    let folder: StoreFolder
    let isDeep: Bool
    let output: TextOutput

    /// One topic.
    struct Topic: Equatable {
        var name: String
        var queueCount = 0
        var minOffset: Int64 = .max
        var maxOffset: Int64 = 0
        var messageCount: Int64 = 0
        var byteCount: Int64 = 0
        /// Of all records of that topic in the log, in a queue or not; `isDeep` only.
        var logRecordCount = 0
        var logByteCount: Int64 = 0
    }

    /// Everything that is told.
    struct Result {
        var topics: [Topic] = []
        var logStart: Int64 = 0
        var logEnd: Int64 = 0
        var firstTimestamp: Int64 = 0
        var lastTimestamp: Int64 = 0
        var checkpoint: Checkpoint.Values?
        var index: [IndexFileFacts] = []
        /// Folder → length and room on the disk of all files in it.
        var usage: [(name: String, byteCount: Int, allocatedByteCount: Int)] = []
    }

    func run() throws(ToolError) -> Result {
        let quiet = FindingReport(TextOutput { _ in }, json: false, limit: 0)
        let queues = try QueueFolder(folder, .single, quiet, wasKilled: true)
        let index = try IndexFolder(folder, quiet, wasKilled: true)
        let probe = LogProbe(files: folder.logFiles)
        let total = queues.byteCount + (isDeep ? folder.logFiles.reduce(0) { $0 + $1.byteCount } : 0)
        let progress = Progress("stat", total: total)
        output.beforeWrite = { progress.clear() }
        var result = Result()
        var topics: [String: Topic] = [:]
        var newest: Int64 = 0
        let batches = try QueueFolder(folder, .batch, quiet, wasKilled: true)
        for queue in queues.all + batches.all {
            let last = try add(queue, to: &topics[queue.topic, default: Topic(name: queue.topic)])
            newest = max(newest, last)
            progress.advance(queue.files.reduce(0) { $0 + $1.byteCount })
        }
        result.checkpoint = try folder.checkpoint()
        result.index = index.files
        result.usage = try usage()
        let end = try isDeep ? deep(&topics, progress) : tail(from: newest, probe)
        result.logStart = folder.logFiles.first?.start ?? 0
        result.logEnd = end.offset
        result.lastTimestamp = end.lastTimestamp
        let first = try toolError { () throws(SystemError) in
            try probe.withRecord(at: result.logStart) { record, _ in record.storeTimestamp.rawValue }
        }
        result.firstTimestamp = first ?? 0
        result.topics = topics.values.sorted {
            (max($1.byteCount, $1.logByteCount), $0.name) < (max($0.byteCount, $0.logByteCount), $1.name)
        }
        progress.clear()
        return result
    }

    /// Adds up one queue's units.
    /// - Returns: where its last record begins.
    private func add(_ queue: QueueCursor, to topic: inout Topic) throws(ToolError) -> Int64 {
        topic.queueCount += 1
        let messages = try toolError { () throws(SystemError) in try queue.messages() }
        topic.minOffset = min(topic.minOffset, messages.lowerBound)
        topic.maxOffset = max(topic.maxOffset, messages.upperBound)
        var last: Int64 = 0
        for number in queue.minOffset..<queue.count {
            let unit = try toolError { () throws(SystemError) in try queue.unit(at: number) }
            guard let unit, unit.isUsed, unit != .blank else { continue }
            let batch =
                try queue.kind == .batch
                ? toolError { () throws(SystemError) in try queue.batch(at: number) } : nil
            topic.messageCount += Int64(batch?.messageCount ?? 1)
            topic.byteCount += Int64(unit.size)
            last = max(last, unit.physicalOffset)
        }
        return last
    }

    /// Where the log ends: the walk from the newest file that a queue knows.
    private func tail(from newest: Int64, _ probe: LogProbe) throws(ToolError) -> LogEnd {
        let start = probe.file(at: newest)?.start ?? folder.logFiles.first?.start ?? 0
        let files = folder.logFiles.filter { $0.start >= start }
        return try LogWalker(files: files, fileByteCount: folder.logFileByteCount).run(
            record: { _, _, _, _ in }, flaw: { _ in }, advanced: { _ in })
    }

    private func deep(_ topics: inout [String: Topic], _ progress: Progress) throws(ToolError) -> LogEnd {
        var counts = ByteTable<Int>()
        var found: [(name: String, records: Int, bytes: Int64)] = []
        let end = try LogWalker(files: folder.logFiles, fileByteCount: folder.logFileByteCount).run(
            record: { record, bytes, _, _ in
                let name = bytes.extracting(record.topic)
                let number = counts[name] ?? found.count
                if number == found.count {
                    counts.set(name, to: number)
                    found.append((name.toString(), 0, 0))
                }
                found[number].records += 1
                found[number].bytes += Int64(record.byteCount)
            }, flaw: { _ in }, advanced: { progress.advance($0) })
        for entry in found {
            topics[entry.name, default: Topic(name: entry.name)].logRecordCount = entry.records
            topics[entry.name]?.logByteCount = entry.bytes
        }
        return end
    }

    /// What each part of the store takes, folders below counted in.
    private func usage() throws(ToolError) -> [(name: String, byteCount: Int, allocatedByteCount: Int)] {
        var parts: [(name: String, byteCount: Int, allocatedByteCount: Int)] = []
        for name in try StoreFolder.names(in: folder.root) where !folder.logPaths.contains(folder.root + "/" + name) {
            let (length, room) = try add(folder.root + "/" + name, depth: 0)
            parts.append((name, length, room))
        }
        var log = (length: 0, room: 0)
        for path in folder.logPaths {
            let (length, room) = try add(path, depth: 0)
            log = (log.length + length, log.room + room)
        }
        parts.append(("commitlog", log.length, log.room))
        return parts.sorted { $0.allocatedByteCount > $1.allocatedByteCount }
    }

    private func add(_ path: String, depth: Int) throws(ToolError) -> (Int, Int) {
        guard let status = FileStatus(path) else { return (0, 0) }
        guard status.kind == .folder, depth < 6 else { return (status.byteCount, status.allocatedByteCount) }
        var sum = (0, 0)
        for name in try StoreFolder.names(in: path) {
            let (length, room) = try add(path + "/" + name, depth: depth + 1)
            sum = (sum.0 + length, sum.1 + room)
        }
        return sum
    }

    // MARK: - Printing

    func print(_ result: Result) {
        let checkpointText = result.checkpoint.map { values in
            [("log", values.log), ("queues", values.queues), ("index", values.index)].map { name, value in
                value == 0
                    ? "\(name) never"
                    : "\(name) \(StoreCommand.seconds(max(0, result.lastTimestamp &- value))) s behind"
            }.joined(separator: ", ")
        }
        output.line(
            "log        \(result.logStart) to \(result.logEnd), \(bytesText(Int(result.logEnd - result.logStart))) in "
                + "\(folder.logFiles.count) files; stored \(timeText(result.firstTimestamp)) to \(timeText(result.lastTimestamp))"
        )
        output.line("checkpoint \(checkpointText ?? "missing")")
        let entries = result.index.reduce(0) { $0 + $1.entryEnd - 1 }
        output.line("index      \(result.index.count) files, \(grouped(entries)) entries")
        for part in result.usage {
            output.line(
                "disk       \(part.name): \(bytesText(part.allocatedByteCount)) on the disk, \(bytesText(part.byteCount)) long"
            )
        }
        output.line("topics     \(result.topics.count), the largest first:")
        for topic in result.topics {
            var line =
                "  \(topic.name): \(topic.queueCount) queues, offsets \(topic.queueCount == 0 ? 0 : topic.minOffset) to "
                + "\(topic.maxOffset), \(grouped(topic.messageCount)) messages, \(bytesText(Int(topic.byteCount)))"
            if isDeep {
                line += "; in the log \(grouped(topic.logRecordCount)) records, \(bytesText(Int(topic.logByteCount)))"
            }
            output.line(line)
        }
    }

    func printJSON(_ result: Result) {
        let topics = result.topics.map { topic -> JSON in
            var members: [(JSONKey, JSON)] = [
                ("topic", .string(topic.name)), ("queues", JSON(topic.queueCount)),
                ("minOffset", .integer(topic.queueCount == 0 ? 0 : topic.minOffset)),
                ("maxOffset", .integer(topic.maxOffset)), ("messages", .integer(topic.messageCount)),
                ("bytes", .integer(topic.byteCount)),
            ]
            if isDeep {
                members.append(("logRecords", JSON(topic.logRecordCount)))
                members.append(("logBytes", .integer(topic.logByteCount)))
            }
            return .object(JSONObject(members))
        }
        let usage = result.usage.map { part -> JSON in
            [
                "name": .string(part.name), "allocatedBytes": JSON(part.allocatedByteCount),
                "bytes": JSON(part.byteCount),
            ]
        }
        let checkpoint = result.checkpoint.map { values -> JSON in
            ["log": .integer(values.log), "queues": .integer(values.queues), "index": .integer(values.index)]
        }
        output.json([
            "logStart": .integer(result.logStart), "logEnd": .integer(result.logEnd),
            "logFiles": JSON(folder.logFiles.count), "firstTimestamp": .integer(result.firstTimestamp),
            "lastTimestamp": .integer(result.lastTimestamp), "checkpoint": checkpoint ?? .null,
            "indexFiles": JSON(result.index.count),
            "indexEntries": JSON(result.index.reduce(0) { $0 + $1.entryEnd - 1 }), "disk": .array(usage),
            "topics": .array(topics),
        ])
    }
}
