import MQBase
import MQBytes
import MQJSON
import MQMessage
import MQStore
import MQSystem

/// `mqstore dump`: prints what a part of the store holds, one line or one object each.
struct Dump {
    /// What is printed of it.
    struct Filter: Equatable {
        /// Physical offsets of the log and of index entries; offsets of a queue.
        var from: Int64 = 0
        var to: Int64 = .max
        var topic: String?
        var queueID: Int?
        var key: String?
        var limit = Int.max
        var body: BodyForm?
        var printsJSON = false
    }

    /// How a body is printed.
    enum BodyForm: String {
        case text
        case hex
    }

    let folder: StoreFolder
    let filter: Filter
    let output: TextOutput

    /// Prints `part`: `log`, `queue`, `index`, `checkpoint` or `config`.
    func run(_ part: String) throws(ToolError) {
        switch part {
        case "log": try dumpLog()
        case "queue": try dumpQueues()
        case "index": try dumpIndex()
        case "checkpoint": try dumpCheckpoint()
        case "config": try dumpConfig()
        default: throw ToolError("dump what? log, queue, index, checkpoint or config; not \(part)")
        }
    }

    /// Prints one thing: members of an object, or the same as `name=value`.
    private func put(_ members: [(JSONKey, JSON)]) {
        if filter.printsJSON { return output.json(.object(JSONObject(members))) }
        output.line(
            members.map { key, value in
                let text =
                    switch value {
                    case .string(let text): text
                    default: value.text()
                    }
                return "\(key.string ?? "")=\(text)"
            }.joined(separator: " "))
    }

    /// Ends the walk through the log when enough was printed.
    private static let enough = ToolError("enough")

    // MARK: - Log

    private func dumpLog() throws(ToolError) {
        var printed = 0
        var stopped = false
        // Whole files only: a record's place is known from the ones before it.
        let files = folder.logFiles.filter { $0.end > filter.from && $0.start < filter.to }
        let topic = filter.topic.map { Array($0.utf8) }
        do throws(ToolError) {
            guard filter.limit > 0 else { return }
            _ = try LogWalker(files: files, fileByteCount: folder.logFileByteCount).run(
                record: { record, bytes, offset, isIntact throws(ToolError) in
                    if offset >= filter.to {
                        stopped = true
                        throw Self.enough
                    }
                    guard offset >= filter.from, matches(record, bytes, topic) else { return }
                    putRecord(record, bytes, offset, isIntact)
                    printed += 1
                    if printed >= filter.limit {
                        stopped = true
                        throw Self.enough
                    }
                },
                flaw: { flaw in
                    if case .damaged(let range, let why) = flaw, range.lowerBound < filter.to {
                        put([
                            ("damagedFrom", .integer(range.lowerBound)), ("damagedTo", .integer(range.upperBound)),
                            ("why", .string(why)),
                        ])
                    }
                }, advanced: { _ in })
        } catch {
            if !stopped { throw error }
        }
    }

    private func matches(_ record: MessageRecord, _ bytes: Span<UInt8>, _ topic: [UInt8]?) -> Bool {
        if let topic, !bytes.extracting(record.topic).equals(topic.span) { return false }
        if let queueID = filter.queueID, Int(record.queueID) != queueID { return false }
        guard let key = filter.key else { return true }
        let text = bytes.extracting(record.properties)
        if let value = Properties.value(of: PropertyName.uniqueKey, in: text),
            text.extracting(value).toString() == key
        {
            return true
        }
        guard let value = Properties.value(of: PropertyName.keys, in: text) else { return false }
        return text.extracting(value).toString().split(separator: " ").contains { $0 == key }
    }

    private func putRecord(_ record: MessageRecord, _ bytes: Span<UInt8>, _ offset: Int64, _ isIntact: Bool) {
        var members: [(JSONKey, JSON)] = [
            ("offset", .integer(offset)), ("size", JSON(record.byteCount)), ("magic", .string(hexText(record.magic))),
            ("topic", .string(bytes.extracting(record.topic).toString())), ("queueId", JSON(record.queueID)),
            ("queueOffset", .integer(record.queueOffset)), ("physicalOffset", .integer(record.physicalOffset)),
            ("flag", JSON(record.flag)), ("sysFlag", JSON(record.sysFlag.rawValue)),
            ("kind", .string(Self.kind(record.sysFlag))),
            ("bornTimestamp", .integer(record.bornTimestamp.rawValue)),
            ("bornHost", .string(record.bornHost.description)),
            ("storeTimestamp", .integer(record.storeTimestamp.rawValue)),
            ("storeTime", .string(timeText(record.storeTimestamp.rawValue))),
            ("storeHost", .string(record.storeHost.description)), ("reconsumeTimes", JSON(record.reconsumeTimes)),
            ("preparedTransactionOffset", .integer(record.preparedTransactionOffset)),
            ("bodyCRC", .string(hexText(record.bodyCRC))), ("bodyIntact", .bool(isIntact)),
            ("bodyLength", JSON(record.body.count)),
        ]
        let properties = Properties.list(bytes.extracting(record.properties))
        members.append(
            ("properties", .object(JSONObject(properties.map { (JSONKey.string($0.name), .string($0.value)) }))))
        switch filter.body {
        case .text: members.append(("body", .string(bytes.extracting(record.body).toString())))
        case .hex: members.append(("body", .string(Hex.encode(bytes.extracting(record.body)))))
        case nil: break
        }
        put(members)
    }

    private static func kind(_ flag: SysFlag) -> String {
        var words: [String] = []
        switch flag.transaction {
        case .transactionPrepared: words.append("prepared")
        case .transactionCommit: words.append("committed")
        case .transactionRollback: words.append("rolled-back")
        default: words.append("message")
        }
        if flag.contains(.compressed) { words.append("compressed") }
        if flag.contains(.innerBatch) { words.append("batch") }
        return words.joined(separator: ",")
    }

    // MARK: - Queues

    private func dumpQueues() throws(ToolError) {
        let quiet = FindingReport(TextOutput { _ in }, json: false, limit: 0)
        let queues = try QueueFolder(folder, .single, quiet, wasKilled: true)
        let batches = try QueueFolder(folder, .batch, quiet, wasKilled: true)
        if let topic = filter.topic, queues.topics[topic] == nil, batches.topics[topic] == nil {
            throw ToolError("the store has no queue of \(topic)")
        }
        var left = filter.limit
        for queue in (queues.all + batches.all).sorted(by: { ($0.topic, $0.queueID) < ($1.topic, $1.queueID) })
        where (filter.topic ?? queue.topic) == queue.topic && (filter.queueID ?? queue.queueID) == queue.queueID {
            if queue.kind == .batch {
                try dumpBatches(queue, &left)
                continue
            }
            var number = max(filter.from, (queue.files.first?.start ?? 0) / Int64(QueueUnit.byteCount))
            let end = min(filter.to, queue.capacity)
            while number < end, left > 0 {
                let unit = try toolError { () throws(SystemError) in try queue.unit(at: number) }
                if let unit, unit != .empty, number >= queue.minOffset || unit != .blank {
                    putUnit(queue, number, unit)
                    left -= 1
                }
                number += 1
            }
        }
    }

    /// The units of a queue of batches, `from` and `to` being offsets of messages.
    private func dumpBatches(_ queue: QueueCursor, _ left: inout Int) throws(ToolError) {
        for number in queue.minOffset..<queue.capacity where left > 0 {
            let unit = try toolError { () throws(SystemError) in try queue.batch(at: number) }
            guard let unit, unit.isUsed, unit.endOffset > filter.from, unit.baseOffset < filter.to else { continue }
            put([
                ("topic", .string(queue.topic)), ("queueId", JSON(queue.queueID)),
                ("queueOffset", .integer(unit.baseOffset)), ("messages", JSON(Int(unit.messageCount))),
                ("physicalOffset", .integer(unit.unit.physicalOffset)), ("size", JSON(unit.unit.size)),
                ("tagsCode", .integer(unit.unit.tagsCode)), ("stored", .string(timeText(unit.storeTimestamp))),
            ])
            left -= 1
        }
    }

    private func putUnit(_ queue: QueueCursor, _ number: Int64, _ unit: QueueUnit) {
        let meaning =
            if unit == .blank {
                "blank: no record"
            } else if unit.hasExtension {
                "tags at \(unit.tagsCode &- Int64.min) of consumequeue_ext"
            } else if queue.topic == ScheduleTopic.name {
                "due " + timeText(unit.tagsCode)
            } else {
                unit.tagsCode == 0 ? "no tags" : "hash of the tags"
            }
        put([
            ("topic", .string(queue.topic)), ("queueId", JSON(queue.queueID)), ("queueOffset", .integer(number)),
            ("physicalOffset", .integer(unit.physicalOffset)), ("size", JSON(unit.size)),
            ("tagsCode", .integer(unit.tagsCode)), ("meaning", .string(meaning)),
        ])
    }

    // MARK: - Index

    private func dumpIndex() throws(ToolError) {
        if (filter.key == nil) != (filter.topic == nil) { throw ToolError("--key and --topic go together") }
        let hash = filter.key.map { RecordFacts.keyHash(topic: filter.topic ?? "", key: $0) }
        let quiet = FindingReport(TextOutput { _ in }, json: false, limit: 0)
        var left = filter.limit
        for facts in try IndexFolder(folder, quiet, wasKilled: true).files {
            let reader = try toolError { () throws(SystemError) in try IndexFileReader(facts) }
            var number = 1
            while number < facts.entryEnd, left > 0 {
                reader.number = number
                let entry = try toolError { () throws(SystemError) in try reader.entry(number) }
                guard let entry else { break }
                if hash ?? entry.keyHash == entry.keyHash, entry.physicalOffset >= filter.from,
                    entry.physicalOffset < filter.to
                {
                    let head = try toolError { () throws(SystemError) in try reader.head(of: entry.keyHash) }
                    putEntry(facts, number, entry, head)
                    left -= 1
                }
                number += 1
            }
        }
    }

    private func putEntry(_ facts: IndexFileFacts, _ number: Int, _ entry: IndexEntry, _ head: Int32) {
        let stored = facts.beginTimestamp &+ Int64(entry.seconds) &* 1000
        put([
            ("file", .string(facts.name)), ("entry", JSON(number)), ("keyHash", JSON(entry.keyHash)),
            ("slot", JSON(facts.slot(entry.keyHash))), ("newestOfSlot", JSON(head)), ("previous", JSON(entry.previous)),
            ("physicalOffset", .integer(entry.physicalOffset)), ("seconds", JSON(entry.seconds)),
            ("storedAbout", .string(timeText(stored))),
        ])
    }

    // MARK: - Small files

    private func dumpCheckpoint() throws(ToolError) {
        guard let values = try folder.checkpoint() else { throw ToolError("\(folder.root)/checkpoint cannot be read") }
        put([
            ("log", .integer(values.log)), ("logTime", .string(timeText(values.log))),
            ("queues", .integer(values.queues)), ("queuesTime", .string(timeText(values.queues))),
            ("index", .integer(values.index)), ("indexTime", .string(timeText(values.index))),
            ("masterFlushedOffset", .integer(values.masterFlushedOffset)),
            ("confirmOffset", .integer(values.confirmOffset)),
        ])
    }

    private func dumpConfig() throws(ToolError) {
        for file in try SmallFiles.configFiles(folder) {
            switch file.content {
            case .success(let json): put([("file", .string("config/" + file.name)), ("content", json)])
            case .failure(let error):
                put([("file", .string("config/" + file.name)), ("error", .string(error.description))])
            }
        }
    }
}
