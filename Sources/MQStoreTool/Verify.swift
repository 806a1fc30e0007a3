import MQBase
import MQBytes
import MQJSON
import MQMessage
import MQStore
import MQSystem

/// `mqstore verify`: walks the log once, and holds queues, index and the small files against it. Reads only.
struct Verify {
    /// How it is done.
    struct Options: Equatable {
        /// Only the log's last file, and what points into it.
        var isFast = false
        /// A broker is running: what it is writing now is no inconsistency.
        var isLive = false
        /// Findings of one kind that are printed.
        var limit = 20
        var printsJSON = false
    }

    let folder: StoreFolder
    let options: Options
    let output: TextOutput

    /// What came out.
    struct Outcome {
        let report: FindingReport
        let end: LogEnd
        let unitCount: Int
        let entryCount: Int
        /// Bytes read and how long that took.
        let byteCount: Int
        let milliseconds: Int64

        /// 0 for a sound store, 1 for one that is not.
        var exitCode: Int32 { report.count(.error) == 0 ? 0 : 1 }
    }

    /// - Throws: ``ToolError`` if it cannot be done at all.
    func run() throws(ToolError) -> Outcome {
        let started = SystemClock.now()
        let report = FindingReport(output, json: options.printsJSON, limit: options.limit)
        let holder = try folder.lockHolder()
        let wasKilled = folder.hasAbort || options.isLive
        let configFiles = try SmallFiles.configFiles(folder)  // before the queues, which only grow meanwhile
        let queues = try QueueFolder(folder, .single, report, wasKilled: wasKilled)
        let reach = try folder.reach(queues)
        let index = try IndexFolder(folder, report, wasKilled: wasKilled)
        let files = checkLogFiles(report, wasKilled)
        let probe = LogProbe(files: folder.logFiles)
        let walked = options.isFast ? try newest(files, probe) : files
        let total = walked.reduce(0) { $0 + $1.byteCount } + queues.byteCount + index.byteCount
        let progress = Progress("verify", total: total)
        output.beforeWrite = { progress.clear() }
        var byteCount = 0
        let advanced: (Int) -> Void = { count in
            byteCount += count
            progress.advance(count)
        }
        let expectation = QueueCheck.Expectation(
            wasKilled: wasKilled,
            rebuiltFrom: wasKilled ? try folder.rebuiltFrom(try folder.checkpoint(), reach: reach) : .max,
            checkedFrom: walked.first?.start ?? 0,
            // A running broker had put everything before this into queues and index.
            checkedUpTo: options.isLive ? min(reach, files.last?.end ?? 0) : .max)
        let batches = try QueueFolder(folder, .batch, report, wasKilled: wasKilled)
        let batchCheck = try BatchQueueCheck(
            batches, expectation,
            configured: SmallFiles.batchTopics(configFiles), report)
        let queueCheck = try QueueCheck(
            queues, expectation, knownTopics: SmallFiles.topics(configFiles), batches: batchCheck,
            extensions: try ExtensionCheck(folder, report, wasKilled: wasKilled), report)
        let indexCheck = try IndexCheck(index, expectation, report, log: probe.place, advanced: advanced)
        if options.isFast { try checkFirstRecords(files.dropLast(walked.count), probe, report) }
        let end = try walk(walked, queueCheck, indexCheck, report, probe, expectation, advanced)
        try queueCheck.finish(end: end.offset, advanced: advanced)
        try indexCheck.finish(end: end.offset)
        if index.files.isEmpty, end.recordCount > 0 {
            report.add(.indexUnchecked, .note, "index", "there is no index: nothing is found by key")
        }
        let small = SmallFiles(folder: folder, report: report)
        if !options.isLive { try small.checkCheckpoint(end) }
        small.checkAbort(holder: holder)
        try small.checkConfig(configFiles, queues, batches)
        progress.clear()
        report.finish()
        let milliseconds = SystemClock.now().milliseconds(since: started)
        return Outcome(
            report: report, end: end, unitCount: queueCheck.rightCount, entryCount: indexCheck.matchedCount,
            byteCount: byteCount, milliseconds: milliseconds)
    }

    // MARK: - The log

    /// Names, lengths and holes. Returns the files that hold something.
    private func checkLogFiles(_ report: FindingReport, _ wasKilled: Bool) -> [StoreFile] {
        for name in folder.strangeLogNames { report.add(.logFileName, .note, name, "is no file of the log") }
        let wanted = folder.logFileByteCount
        for (index, file) in folder.logFiles.enumerated() where file.byteCount != wanted {
            let isLast = index == folder.logFiles.count - 1
            let isUnused = isLast && file.byteCount < wanted && isAllZero(file)
            report.add(
                .logFileLength, isUnused && wasKilled ? .recovery : .error, file.name,
                at: Int64(min(file.byteCount, wanted)),
                "has \(file.byteCount) bytes, every file of the log has \(wanted): "
                    + (isUnused ? "it was being made, the next start removes it" : "a broker does not start"))
        }
        for (earlier, later) in zip(folder.logFiles, folder.logFiles.dropFirst())
        where later.start != earlier.start + Int64(wanted) {
            let missing = later.start - earlier.start - Int64(wanted)
            report.add(
                .logHole, later.name,
                missing > 0
                    ? "\(grouped(missing)) bytes of the log before it are missing, from \(earlier.start + Int64(wanted)) on: "
                        + "a broker does not start"
                    : "overlaps the file before it: its name is wrong")
        }
        if folder.logFiles.isEmpty, FileStatus(folder.queuePath)?.kind == .folder {
            report.add(.logHole, .note, "commitlog", "there is no file of the log")
        }
        return folder.logFiles
    }

    private func isAllZero(_ file: StoreFile) -> Bool {
        var bytes = ByteBuffer()
        guard (try? File(file.path, .read).read(RecordLayout.byteCountMin, at: 0, into: &bytes)) != nil else {
            return false
        }
        return bytes.toArray().allSatisfy { $0 == 0 }
    }

    /// The last file that begins with a record, and what follows it.
    private func newest(_ files: [StoreFile], _ probe: LogProbe) throws(ToolError) -> [StoreFile] {
        for index in files.indices.reversed() {
            let isUsed = try toolError { () throws(SystemError) in
                try probe.withRecord(at: files[index].start) { _, _ in true }
            }
            if isUsed == true { return Array(files[index...]) }
        }
        return files
    }

    /// Of the files that are not walked: whether each begins with a record.
    private func checkFirstRecords(
        _ files: ArraySlice<StoreFile>, _ probe: LogProbe, _ report: FindingReport
    ) throws(ToolError) {
        for file in files {
            let isSound = try toolError { () throws(SystemError) in
                try probe.withRecord(at: file.start) { record, bytes in record.hasIntactBody(bytes) }
            }
            if isSound != true {
                report.add(.logDamaged, file.name, at: 0, "the file does not begin with a sound record")
            }
        }
    }

    private func walk(
        _ files: [StoreFile], _ queues: QueueCheck, _ index: IndexCheck, _ report: FindingReport, _ probe: LogProbe,
        _ expectation: QueueCheck.Expectation, _ advanced: (Int) -> Void
    ) throws(ToolError) -> LogEnd {
        var facts = RecordFacts(delayLevels: folder.settings.delayLevels)
        var seen = LogEnd(offset: files.first?.start ?? 0)  // what is told of a walk that does not go to the end
        var isDone = false
        let end: LogEnd
        do throws(ToolError) {
            end = try LogWalker(files: files, fileByteCount: folder.logFileByteCount).run(
                record: { record, bytes, offset, _ throws(ToolError) in
                    if offset >= expectation.checkedUpTo {
                        isDone = true
                        throw ToolError("the rest is being written")
                    }
                    seen.offset = offset + Int64(record.byteCount)
                    seen.recordCount += 1
                    seen.recordByteCount += Int64(record.byteCount)
                    try check(record, bytes, offset, &facts, queues, index, probe)
                },
                flaw: { flaw in
                    add(flaw, probe, report)
                }, advanced: advanced)
        } catch {
            guard isDone else { throw error }
            return seen
        }
        if let dirty = end.dirty, !expectation.isLive { addTornEnd(end, dirty, probe, report, expectation.wasKilled) }
        return end
    }

    private func check(
        _ record: MessageRecord, _ bytes: Span<UInt8>, _ offset: Int64, _ facts: inout RecordFacts,
        _ queues: QueueCheck,
        _ index: IndexCheck, _ probe: LogProbe
    ) throws(ToolError) {
        facts.read(record, bytes, at: offset)
        try queues.check(record, bytes, at: offset, facts, log: probe.place)
        try index.check(facts, at: offset, storeTimestamp: record.storeTimestamp.rawValue)
    }

    private func add(_ flaw: LogFlaw, _ probe: LogProbe, _ report: FindingReport) {
        switch flaw {
        case .damaged(let range, let why):
            let (file, at) = probe.place(range.lowerBound)
            report.add(
                .logDamaged, file, at: at,
                "\(grouped(range.count)) bytes of the log, \(range.lowerBound) to \(range.upperBound), hold no sound record: "
                    + "\(why). Sound records follow: their messages are there, those in between are lost")
        case .bodyChecksum(let offset, let stored, let found):
            let (file, at) = probe.place(offset)
            report.add(
                .logBodyChecksum, file, at: at,
                "the body of the record at \(offset) has the checksum \(hexText(found)), the record says "
                    + "\(hexText(stored)): its consumers get a damaged message")
        case .recordChecksum(let offset):
            let (file, at) = probe.place(offset)
            report.add(
                .logRecordChecksum, file, at: at,
                "the record at \(offset) has another checksum than stands at its end: a field or a property is not what was "
                    + "stored")
        case .ownOffset(let offset, let says):
            let (file, at) = probe.place(offset)
            report.add(
                .logOwnOffset, file, at: at,
                "the record at \(offset) says it lies at \(says): recovery takes it for the log's end, consumers see a wrong "
                    + "message id")
        case .unreadable(let offset, let why):
            let (file, at) = probe.place(offset)
            report.add(.logUnreadable, file, at: at, "cannot be read from here on: \(why)")
        }
    }

    private func addTornEnd(
        _ end: LogEnd, _ dirty: Range<Int64>, _ probe: LogProbe, _ report: FindingReport, _ wasKilled: Bool
    ) {
        let (file, at) = probe.place(end.offset)
        report.add(
            .logTornEnd, wasKilled ? .recovery : .error, file, at: at,
            "the last sound record ends at \(end.offset); behind it \(end.why), and \(grouped(dirty.count)) bytes up to "
                + "\(dirty.upperBound) are no zeroes: the next start cuts them")
    }
}
