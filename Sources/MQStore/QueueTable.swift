import MQBase
import MQBytes
import MQSystem
import Synchronization

/// All consume queues of a store by topic and number. Any thread.
final class QueueTable: Sendable {
    private let root: String
    private let fileByteCount: Int
    private let extensions: Extensions?
    private let batches: Batches?
    private let queues = Lock<[String: [Int: ConsumeQueue]]>([:])
    /// Topics whose new queues hold batches. Not taken with another lock held but ``queues``.
    private let batchTopics = Lock<Set<String>>([])
    /// Counts the queues that somebody waits on.
    let parked = ParkedQueues()

    private let count = Atomic<Int>(0)
    private let lite = Atomic<Int>(0)

    /// Queues in the table, used or not.
    var queueCount: Int { count.load(ordering: .relaxed) }

    /// Lite queues in the table, used or not.
    var liteCount: Int { lite.load(ordering: .relaxed) }

    private func noteNew(_ topic: String) {
        count.add(1, ordering: .relaxed)
        if LiteQueue.isName(topic) { lite.add(1, ordering: .relaxed) }
    }

    private let openFiles: OpenFiles<QueueFile>

    /// Where queues keep their extension units, and whether new ones are written.
    struct Extensions: Sendable {
        let root: String
        let fileByteCount: Int
        let isWritten: Bool
    }

    /// Where queues of batches are, and how long their files.
    struct Batches: Sendable {
        let root: String
        let fileByteCount: Int
    }

    /// - Parameters:
    ///   - openMax: files that stay open.
    ///   - batches: `nil`: no queue holds batches.
    ///   - extensions: `nil`: what units point to is not looked for.
    init(root: String, fileByteCount: Int, openMax: Int = 1024, extensions: Extensions? = nil, batches: Batches? = nil)
    {
        self.batches = batches
        self.root = root
        self.fileByteCount = fileByteCount
        self.extensions = extensions
        openFiles = OpenFiles(max: openMax)
    }

    deinit { openFiles.removeAll() }  // the files and what bounds them hold each other

    /// Files that are open now.
    var openCount: Int { openFiles.count }

    /// The queue if it has ever been used.
    func existing(_ topic: String, _ queueID: Int) -> ConsumeQueue? { queues.withLock { $0[topic]?[queueID] } }

    /// The queue, made if it is missing. Nothing is on the disk before its first unit.
    func queue(_ topic: String, _ queueID: Int) -> ConsumeQueue {
        let holdsBatches = holdsBatches(topic)
        let known = existing(topic, queueID)
        if let known, known.holdsBatches == holdsBatches || !known.isUnused { return known }
        let queue = holdsBatches ? newBatchQueue(topic, queueID) : newQueue(topic, queueID)
        // Records of the deleted topic that are not dispatched yet do not come back in one of the other kind.
        if let known { queue.passOver(upTo: known.lastHandled) }
        return queues.withLock { queues in
            let present = queues[topic]?[queueID]
            if let present, present.holdsBatches == holdsBatches || !present.isUnused { return present }
            queues[topic, default: [:]][queueID] = queue
            if present == nil { noteNew(topic) }
            return queue
        }
    }

    private func newQueue(_ topic: String, _ queueID: Int) -> ConsumeQueue {
        ConsumeQueue(
            topic: topic, queueID: queueID, folder: folder(topic, queueID), fileByteCount: fileByteCount, files: [],
            minimum: 0, count: 0, parked: parked, open: openFiles, extensionUnits: newExtension(topic, queueID))
    }

    /// The queue for an inner batch, made if it is missing; it proves that its topic's queues hold batches.
    /// - Parameter physicalOffset: where the record begins: one of a topic that was deleted since proves nothing.
    /// - Returns: `nil` if the queue there is has messages of the other kind, or knows the record.
    func batchQueue(_ topic: String, _ queueID: Int, recordAt physicalOffset: Int64) -> ConsumeQueue? {
        let queue = queue(topic, queueID)
        if queue.holdsBatches { return queue }
        guard batches != nil, queue.isUnused, queue.lastHandled < physicalOffset else { return nil }
        setHoldsBatches(topic, true)
        return self.queue(topic, queueID)
    }

    private func holdsBatches(_ topic: String) -> Bool { batchTopics.withLock { $0.contains(topic) } }

    /// Says what new queues of `topic` hold. Those that are there and have messages stay as they are.
    func setHoldsBatches(_ topic: String, _ holds: Bool) {
        guard batches != nil else { return }
        batchTopics.withLock { topics in
            if holds { topics.insert(topic) } else { topics.remove(topic) }
        }
    }

    var all: [ConsumeQueue] { queues.withLock { $0.values.flatMap(\.values) } }

    /// Topics that have messages.
    var topics: [String] {
        queues.withLock { queues in queues.filter { $0.value.values.contains { $0.maxOffset > 0 } }.map(\.key) }
    }

    /// Topics that have messages in queues of batches.
    var topicsWithBatches: Set<String> {
        queues.withLock { queues in
            Set(queues.filter { $0.value.values.contains { $0.holdsBatches && $0.maxOffset > 0 } }.keys)
        }
    }

    /// Topic → one more than its highest queue number.
    var counts: [String: Int] {
        queues.withLock { $0.compactMapValues { $0.filter { $1.maxOffset > 0 }.keys.max().map { $0 + 1 } } }
    }

    func queues(of topic: String) -> [ConsumeQueue] { queues.withLock { Array(($0[topic] ?? [:]).values) } }

    /// Empties the queues of `topic` and removes their files. The queues stay in the table, because loops hold them.
    /// - Parameter end: records before it are not put into these queues any more.
    func clear(_ topic: String, before end: PhysicalOffset) throws(SystemError) {
        let cleared = queues(of: topic)
        for queue in cleared { try queue.clear(before: end) }
        guard !cleared.isEmpty else { return }
        try forgetNames(of: topic)
        try Directory.removeIfEmpty(root + "/" + topic)
        if let batches { try Directory.removeIfEmpty(batches.root + "/" + topic) }
        if let extensions { try Directory.removeIfEmpty(extensions.root + "/" + topic) }
    }

    /// Queues of `topic` were removed: their folders' names are durably gone when it returns. What is left of them
    /// otherwise would be less than the checkpoint counts.
    func forgetNames(of topic: String) throws(SystemError) {
        for root in [root, batches?.root].compactMap({ $0 }) where Directory.exists(root + "/" + topic) {
            try Directory.synchronize(root + "/" + topic)
        }
    }

    private func folder(_ topic: String, _ queueID: Int) -> String { "\(root)/\(topic)/\(queueID)" }

    /// The extension of a queue that was never used.
    private func newExtension(_ topic: String, _ queueID: Int) -> QueueExtension? {
        guard let extensions, extensions.isWritten else { return nil }
        return QueueExtension(
            emptyIn: "\(extensions.root)/\(topic)/\(queueID)", fileByteCount: extensions.fileByteCount,
            open: openFiles)
    }

    /// The extension of a queue that is on the disk, if there is one or is to be one.
    /// - Parameter areThere: whether any queue has one.
    private func loadExtension(
        _ topic: String, _ queueID: Int, _ areThere: Bool
    ) throws(StoreOpenError) -> QueueExtension? {
        guard let extensions, extensions.isWritten || areThere else { return nil }
        let folder = "\(extensions.root)/\(topic)/\(queueID)"
        guard extensions.isWritten || Directory.exists(folder) else { return nil }
        return try QueueExtension(
            folder: folder, fileByteCount: extensions.fileByteCount, isWritten: extensions.isWritten,
            open: openFiles)
    }

    // MARK: - Loading

    /// Finds every queue that is on the disk.
    /// - Parameter known: how far queues were synced: a hint where their ends are.
    /// - Returns: those whose files cannot be a queue's; they are in the table, empty.
    func load(known: [QueueDamage.Key: RecoveryPoint.Queue] = [:]) throws(StoreOpenError) -> [QueueDamage] {
        var damaged: [QueueDamage] = []
        let haveExtensions = extensions.map { Directory.exists($0.root) } ?? false
        let opened = try SideBySide.map(try folders(root)) { [self] key throws(StoreOpenError) in
            try open(key.topic, key.queueID, haveExtensions, known: known[key]?.end)
        }
        for (queue, damage) in opened {
            keep(queue)
            if let damage { damaged.append(damage) }
        }
        guard let batches else { return damaged }
        for key in try folders(batches.root) {
            let (topic, queueID) = (key.topic, key.queueID)
            // What was left of an earlier topic of that name, deleted while the broker died.
            if !holdsBatches(topic), existing(topic, queueID)?.isUnused == false { continue }
            let (queue, damage) = try openBatches(topic, queueID, batches)
            setHoldsBatches(topic, true)
            keep(queue)
            damaged.removeAll { $0.key == key }
            if let damage { damaged.append(damage) }
        }
        return damaged
    }

    /// The folders of queues below `root`.
    private func folders(_ root: String) throws(StoreOpenError) -> [QueueDamage.Key] {
        var folders: [QueueDamage.Key] = []
        for topic in try names(root) {
            for name in try names(root + "/" + topic) {
                if let queueID = Int(name), queueID >= 0 {
                    folders.append(QueueDamage.Key(topic: topic, queueID: queueID))
                }
            }
        }
        return folders
    }

    private func keep(_ queue: ConsumeQueue) {
        let old = queues.withLock { $0[queue.topic, default: [:]].updateValue(queue, forKey: queue.queueID) }
        if old == nil { noteNew(queue.topic) }
    }

    private func names(_ folder: String) throws(StoreOpenError) -> [String] {
        try StoreOpenError.wrap { () throws(SystemError) in try Directory.names(in: folder) }
    }

    private func open(
        _ topic: String, _ queueID: Int, _ haveExtensions: Bool, known: Int64?
    ) throws(StoreOpenError) -> (ConsumeQueue, QueueDamage?) {
        let folder = folder(topic, queueID)
        let (files, damage) = try files(of: topic, queueID, in: folder, fileByteCount)
        let extensionUnits = try loadExtension(topic, queueID, haveExtensions)
        let queue = try StoreOpenError.wrap { () throws(SystemError) in
            let count = try QueueEnd(unitCount: fileByteCount / QueueUnit.byteCount).find(in: files, known: known)
            return ConsumeQueue(
                topic: topic, queueID: queueID, folder: folder, fileByteCount: fileByteCount, files: files,
                minimum: try firstUnit(files, count: count), count: count, parked: parked, open: openFiles,
                extensionUnits: extensionUnits)
        }
        return (queue, damage)
    }

    /// The files in a queue's folder that can be reached; none if one of them cannot be a queue's.
    private func files(
        of topic: String, _ queueID: Int, in folder: String, _ fileByteCount: Int
    ) throws(StoreOpenError) -> ([QueueFile], QueueDamage?) {
        var damage: QueueDamage?
        var files: [QueueFile] = []
        for name in try names(folder) {
            guard name.utf8.count == 20, let start = Int64(name), start >= 0 else { continue }
            let path = folder + "/" + name
            let byteCount = try StoreOpenError.wrap { () throws(SystemError) in try Directory.byteCount(path) }
            if byteCount == 0 {  // it was being made when the machine stopped
                try StoreOpenError.wrap { () throws(SystemError) in try Directory.removeFile(path) }
                continue
            }
            guard byteCount == fileByteCount, start % Int64(fileByteCount) == 0 else {
                damage = QueueDamage(
                    topic: topic, queueID: queueID, path: path,
                    reason: "has \(byteCount) bytes at \(start), where files of \(fileByteCount) belong",
                    isResized: start % Int64(byteCount) == 0)
                continue
            }
            files.append(QueueFile(path, start: start, open: openFiles))
        }
        return (damage == nil ? keepConsecutive(files, fileByteCount) : [], damage)
    }

    /// The files up to the first hole, seen from the end: older ones behind a hole cannot be reached by offset.
    private func keepConsecutive(_ files: [QueueFile], _ fileByteCount: Int) -> [QueueFile] {
        var kept: [QueueFile] = []
        for entry in files.reversed() {
            if let next = kept.last, next.start - entry.start != Int64(fileByteCount) { break }
            kept.append(entry)
        }
        return kept.reversed()
    }

    /// The offset of the first unit that is not a pre-blank.
    private func firstUnit(_ files: [QueueFile], count: Int64) throws(SystemError) -> Int64 {
        guard let file = files.first else { return count }
        var offset = file.start / Int64(QueueUnit.byteCount)
        var bytes = ByteBuffer(capacity: 4000)
        var position = 0
        while offset < count, try file.read(min(4000, fileByteCount - position), at: position, into: &bytes) > 0 {
            let units = bytes.count / QueueUnit.byteCount
            for index in 0..<units {
                guard QueueUnit(bytes.span, at: index * QueueUnit.byteCount) == .blank else {
                    return min(offset, count)
                }
                offset += 1
            }
            position += units * QueueUnit.byteCount
            bytes.removeAll()
        }
        return min(offset, count)
    }

    // MARK: - Queues of batches

    private func newBatchQueue(_ topic: String, _ queueID: Int) -> ConsumeQueue {
        let folder = "\(batches?.root ?? root)/\(topic)/\(queueID)"
        let units = BatchUnits(
            folder: folder, fileByteCount: batches?.fileByteCount ?? fileByteCount, files: [], end: 0, open: openFiles)
        return ConsumeQueue(
            topic: topic, queueID: queueID, folder: folder, fileByteCount: fileByteCount, files: [], minimum: 0,
            count: 0,
            parked: parked, open: openFiles, batches: units)
    }

    private func openBatches(
        _ topic: String, _ queueID: Int, _ batches: Batches
    ) throws(StoreOpenError) -> (ConsumeQueue, QueueDamage?) {
        let folder = "\(batches.root)/\(topic)/\(queueID)"
        let (files, damage) = try files(of: topic, queueID, in: folder, batches.fileByteCount)
        let end = (files.last.map { $0.start + Int64(batches.fileByteCount) } ?? 0) / Int64(BatchUnit.byteCount)
        let units = BatchUnits(
            folder: folder, fileByteCount: batches.fileByteCount, files: files, end: end, open: openFiles)
        let queue = try StoreOpenError.wrap { () throws(SystemError) in
            try units.settle()
            let first = try units.unit(units.firstUnit)
            let last = try units.unit(units.endUnit - 1)
            return ConsumeQueue(
                topic: topic, queueID: queueID, folder: folder, fileByteCount: fileByteCount, files: [],
                minimum: first?.baseOffset ?? 0, count: last?.endOffset ?? 0, parked: parked, open: openFiles,
                batches: units)
        }
        return (queue, damage)
    }
}
