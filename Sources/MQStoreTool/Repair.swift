import MQBase
import MQBytes
import MQJSON
import MQMessage
import MQStore
import MQSystem

/// `mqstore repair`: builds queues and index anew from the log, beside the old ones, and lets them change places in one
/// step; cuts a torn end of the log as recovery would. Deletes nothing but its own unfinished work.
struct Repair {
    let folder: StoreFolder
    /// Whether a torn end may be cut.
    let mayCut: Bool
    /// Whether it goes on where the log is damaged before its end.
    let skipsDamaged: Bool
    let output: TextOutput
    /// Names what is kept of the old.
    var now = SystemClock.wall()

    /// Where the new queues and index are built. Never holds anything of the store's.
    private var building: String { folder.root + "/repair.tmp" }
    private var suffix: String {
        ".before-" + String(SystemClock.localText(now).filter(\.isNumber).prefix(14))
    }

    /// Repairs.
    /// - Returns: whether it did; `false` after it said what keeps it from doing it, and nothing was changed.
    /// - Throws: ``ToolError`` if something failed in between; running it again finishes.
    func run() throws(ToolError) -> Bool {
        let lock = try takeLock()
        defer { withExtendedLifetime(lock) {} }
        guard try hasWholeLog() else { return false }
        try toolError { () throws(SystemError) in try Directory.removeTree(building) }
        let report = FindingReport(output, json: false, limit: 1000)
        let quiet = FindingReport(TextOutput { _ in }, json: false, limit: 0)
        let queues = try QueueFolder(folder, .single, quiet, wasKilled: true)
        let batches = try QueueFolder(folder, .batch, quiet, wasKilled: true)
        let index = try IndexFolder(folder, quiet, wasKilled: true)
        let config = storeConfig(queues, batches, index)
        let end: LogEnd
        do throws(ToolError) {
            end = try build(config, queues, batches, report)
        } catch {
            try? Directory.removeTree(building)  // best effort: the next run begins with it
            throw error
        }
        guard try mayGoOn(report, end) else {
            try toolError { () throws(SystemError) in try Directory.removeTree(building) }
            output.line("nothing was changed")
            return false
        }
        let built = try StoreFolder.names(in: building + "/" + QueueKind.batch.folder)
        let hasBatches = !built.isEmpty || !batches.topics.isEmpty
        try toolError { () throws(SystemError) in
            if end.dirty != nil { try cut(end) }
            // It tells of the queues and the index that go.
            try Directory.removeFile(folder.root + "/recovery")
            try exchange(QueueKind.single.folder)
            if hasBatches { try exchange(QueueKind.batch.folder) }
            if config.isIndexEnabled { try exchange("index") }
            try Directory.removeTree(building)
        }
        try repairCheckpoint(end)
        output.line("done: mqstore verify \(folder.root) says whether it is sound now")
        return true
    }

    // MARK: - Before

    /// The lock that brokers take; held as long as the file is open.
    private func takeLock() throws(ToolError) -> File {
        let path = folder.root + "/lock"
        do throws(SystemError) {
            let file = try File(path, .create)
            try file.lock()
            return file
        } catch {
            throw ToolError(error.isLocked ? "a broker has \(folder.root) open: stop it first" : error.description)
        }
    }

    /// Whether every file of the log is there and long enough: what is missing cannot be built from anything.
    private func hasWholeLog() throws(ToolError) -> Bool {
        var isWhole = true
        let wanted = folder.logFileByteCount
        for (index, file) in folder.logFiles.enumerated() where file.byteCount != wanted {
            if index == folder.logFiles.count - 1, file.byteCount == 0 { continue }  // the next start removes it
            output.line("\(file.name) has \(file.byteCount) bytes, not \(wanted): bring the right file back first")
            isWhole = false
        }
        for (earlier, later) in zip(folder.logFiles, folder.logFiles.dropFirst())
        where later.start != earlier.start + Int64(wanted) {
            output.line(
                "the log has a hole before \(later.name): bring the missing files back, or move the older ones away")
            isWhole = false
        }
        if !isWhole { output.line("nothing was changed") }
        return isWhole
    }

    private func storeConfig(_ queues: QueueFolder, _ batches: QueueFolder, _ index: IndexFolder) -> StoreConfig {
        var config = StoreConfig(root: folder.root)
        config.consumeQueueFileByteCount = queues.fileByteCount
        config.batchQueueFileByteCount = batches.fileByteCount
        config.isIndexEnabled = folder.settings.isIndexEnabled
        config.delayLevels = folder.settings.delayLevels
        if let geometry = index.geometry {
            config.indexSlotCount = geometry.slots
            config.indexEntryCount = geometry.entries
        } else if config.isIndexEnabled {
            output.line(
                "no index file tells its sizes: RocketMQ's default is taken (-c or --index-slots say otherwise)")
        }
        if !queues.isSizeKnown {
            output.line(
                "no queue tells the size of its files: \(queues.fileByteCount) bytes are taken (-c or --queue-file-size say "
                    + "otherwise)")
        }
        return config
    }

    // MARK: - Building

    private func build(
        _ config: StoreConfig, _ old: QueueFolder, _ oldBatches: QueueFolder, _ report: FindingReport
    ) throws(ToolError) -> LogEnd {
        let configFiles = try SmallFiles.configFiles(folder)
        let topics = SmallFiles.topics(configFiles)
        let batchTopics = SmallFiles.batchTopics(configFiles).union(oldBatches.topics.keys)
        let rebuilder = try toolError { () throws(SystemError) in
            try StoreRebuilder(folder: building, config: config, batchTopics: batchTopics)
        }
        let probe = LogProbe(files: folder.logFiles)
        let progress = Progress("repair", total: folder.logFiles.reduce(0) { $0 + $1.byteCount })
        output.beforeWrite = { progress.clear() }
        var plan = RebuildPlan(
            deleted: { name in
                guard let topics, !old.topics.isEmpty else { return false }
                return !topics.contains(name) && old.topics[name] == nil && oldBatches.topics[name] == nil
            }, report: report, probe: probe)
        var unpublished = 0
        let end = try LogWalker(files: folder.logFiles, fileByteCount: folder.logFileByteCount).run(
            record: { record, bytes, offset, _ throws(ToolError) in
                try toolError { () throws(SystemError) in
                    try plan.add(record, bytes, at: offset, to: rebuilder)
                    unpublished += record.byteCount
                    guard unpublished > 4 << 20 else { return }
                    unpublished = 0
                    try rebuilder.publish()
                }
            }, flaw: { plan.note($0) }, advanced: { progress.advance($0) })
        plan.finish()
        let count = try toolError { () throws(SystemError) in try rebuilder.finish() }
        progress.clear()
        output.line(
            "\(grouped(plan.addedCount)) of \(grouped(end.recordCount)) records are in \(grouped(count)) new queues")
        return end
    }

    /// Says what stands against it, and whether that was allowed.
    private func mayGoOn(_ report: FindingReport, _ end: LogEnd) throws(ToolError) -> Bool {
        report.finish()
        let damages = report.count(.error)
        if damages > 0 {
            guard skipsDamaged else {
                output.line(
                    "the log is damaged before its end, in \(grouped(damages)) places: --skip-damaged builds the queues without "
                        + "them")
                return false
            }
            output.line("left out as damaged: \(grouped(damages)) places, named above")
        }
        guard let dirty = end.dirty else { return true }
        let probe = LogProbe(files: folder.logFiles)
        let (name, at) = probe.place(end.offset)
        guard let file = probe.file(at: end.offset) ?? folder.logFiles.last else { return true }
        output.line(
            "\(name) ends at \(at) (offset \(end.offset)); behind it \(end.why), \(grouped(dirty.count)) bytes up to "
                + "\(dirty.upperBound) are to be cut, as a broker's start would")
        if !mayCut { output.line("say --yes to cut them; a copy stays in \(file.folder)\(suffix)") }
        return mayCut
    }

    // MARK: - Changing places

    /// Puts `repair.tmp/<name>` in the place of `<name>`, which becomes `<name>.before-<time>`. At every moment one of
    /// the two is in place, whole.
    private func exchange(_ name: String) throws(SystemError) {
        let (fresh, place) = (building + "/" + name, folder.root + "/" + name)
        guard Directory.exists(place) else {
            try Directory.rename(fresh, to: place)
            return try Directory.synchronize(folder.root)
        }
        let kept = unusedName(place + suffix)
        try Directory.rename(fresh, to: kept)
        do throws(SystemError) {
            try Directory.exchange(kept, place)
        } catch {
            // A file system that cannot: for a moment nothing is in place, and a broker would build it.
            try Directory.rename(kept, to: fresh)
            try Directory.rename(place, to: kept)
            try Directory.rename(fresh, to: place)
        }
        try Directory.synchronize(folder.root)
        output.line("\(place) is new; the old one is \(kept)")
    }

    private func unusedName(_ wanted: String) -> String {
        var (name, number) = (wanted, 1)
        while Directory.exists(name) {
            number += 1
            name = "\(wanted)-\(number)"
        }
        return name
    }

    // MARK: - The torn end

    /// Zeroes what lies behind the log's end, after a copy of it, and moves later files away, each beside its folder:
    /// others may be on other disks.
    private func cut(_ end: LogEnd) throws(SystemError) {
        guard let dirty = end.dirty else { return }
        var keptFolders: [String: String] = [:]
        func kept(for file: StoreFile) throws(SystemError) -> String {
            if let known = keptFolders[file.folder] { return known }
            let path = unusedName(file.folder + suffix)
            try Directory.create(path)
            keptFolders[file.folder] = path
            return path
        }
        let later = folder.logFiles.filter { $0.start >= end.offset && $0.start > folder.logFiles[0].start }
        // The last one first: the log has no hole in between.
        for file in later.reversed() {
            try Directory.rename(file.path, to: kept(for: file) + "/" + StoreFileName.file(at: file.start))
            try Directory.synchronize(file.folder)  // or a crash could leave a hole
        }
        if let file = LogProbe(files: folder.logFiles).file(at: end.offset), !later.contains(file) {
            let at = Int(end.offset - file.start)
            let upTo = Int(min(dirty.upperBound, file.end) - file.start)
            let opened = try File(file.path, .readWrite)
            let kept = try kept(for: file)
            let copy = try File("\(kept)/\(StoreFileName.file(at: file.start)).from-\(at)", .replace)
            try self.copy(opened, at..<max(at, upTo), to: copy)
            try copy.synchronizeData()
            try Directory.synchronize(kept)
            try opened.zero(at..<file.byteCount)
            try opened.synchronizeData()
        }
        for path in folder.logPaths { try Directory.synchronize(path) }
        let places = keptFolders.values.sorted().joined(separator: ", ")
        output.line("the log ends at \(end.offset) now; what was cut is in \(places)")
    }

    private func copy(_ source: File, _ range: Range<Int>, to target: File) throws(SystemError) {
        var at = range.lowerBound
        var bytes = ByteBuffer()
        while at < range.upperBound {
            bytes.removeAll()
            let count = try source.read(min(1 << 20, range.upperBound - at), at: at, into: &bytes)
            guard count > 0 else { return }
            try target.write(bytes.span, at: at - range.lowerBound)
            at += count
        }
    }

    // MARK: - Checkpoint

    /// Replaces a checkpoint that says what cannot be; everything it speaks of is on the disk by now.
    private func repairCheckpoint(_ end: LogEnd) throws(ToolError) {
        let report = FindingReport(output, json: false, limit: 20)
        try SmallFiles(folder: folder, report: report).checkCheckpoint(end)
        guard report.count(.error) > 0 else { return }
        try toolError { () throws(SystemError) in
            for file in folder.logFiles where FileStatus(file.path) != nil {
                try File(file.path, .readWrite).synchronizeData()
            }
            let path = folder.root + "/checkpoint"
            let kept = unusedName(path + suffix)
            try Directory.rename(path, to: kept)
            var values = Checkpoint.Values()
            (values.log, values.queues, values.index) = (end.lastTimestamp, end.lastTimestamp, end.lastTimestamp)
            var bytes = ByteBuffer()
            values.append(to: &bytes)
            bytes.append(repeating: 0, count: Checkpoint.byteCount - bytes.count)
            try File.replace(path, with: bytes.toArray())
            output.line("\(path) is new; the old one is \(kept)")
        }
    }
}
