import MQBase
import MQObserve
import MQSystem

/// Deletes what the policy says, in steps: first the queues' minimum rises, then a log file goes, then files of queues and
/// index that nothing points from any more. Owned by one thread.
///
/// Interrupted anywhere it leaves a sound store: the log loses its oldest file first and one at a time, and queues and
/// index may point below it.
struct RetentionWorker {
    /// The store's parts.
    struct Parts {
        let log: CommitLog
        let queues: QueueTable
        let index: MessageIndex?
        let disk: DiskGuard
        let logFolder: String
        let queueFolder: String
        let logger: Log
        /// Everything before it is on the disk, in queues and in the index: a queue whose records are all gone can be built
        /// from nothing, and would count from 0 again.
        let settled: () -> PhysicalOffset
        /// Whether the log may go up to here, asked before each file; `isDiskFull`: messages are refused. `false`: asked
        /// again in the next round.
        var mayDelete: (_ end: PhysicalOffset, _ isDiskFull: Bool) -> Bool = { _, _ in true }
        /// How full the disk of a folder is.
        var usage: (String) -> DiskUsage? = { DiskUsage(of: $0) }
    }

    /// Between two steps of giving room back: others get the file system meanwhile.
    private static let stepPauseMilliseconds: Int64 = 4
    /// An old file that nobody read for so long is unmapped.
    private static let unmapMilliseconds: Int64 = 300_000

    private let parts: Parts
    private(set) var policy = RetentionPolicy()
    private(set) var retired: [RetiredFile] = []
    private var cleanedTo = PhysicalOffset.zero
    private var retryAt: Instant?
    /// The file that may not go yet.
    private var waitsFor: PhysicalOffset?
    private var marks: [(at: Instant, clock: Int)] = []

    init(_ parts: Parts) { self.parts = parts }

    /// An administrator's order; see ``RetentionPolicy/deleteManually()``.
    mutating func deleteManually() { policy.deleteManually() }

    /// One round.
    /// - Parameters:
    ///   - time: the wall clock, which the files' times are compared with.
    ///   - pause: waits so many milliseconds; `false`: stop.
    mutating func round(
        _ settings: RetentionSettings, time: Timestamp, now: Instant, pause: (Int64) -> Bool
    ) {
        let files = parts.log.removable(before: parts.settled()).prefix(settings.fileBatchMax)
        let decision = look(Array(files), settings, time)
        if retryAt.map({ $0 <= now }) ?? true {
            guard delete(files.prefix(decision.deleteCount), decision, settings, now, pause) else { return }
        }
        guard cleanQueues(settings, pause) else { return }
        cleanIndex(now)
        parts.log.unmapUnread()
        guard giveBack(settings, now, pause) else { return }
        unmapUnused(now)
    }

    /// Asks the policy, and tells the append what it says of the disks.
    private mutating func look(
        _ files: [Segment], _ settings: RetentionSettings, _ time: Timestamp
    ) -> RetentionPolicy.Decision {
        // A file that somebody has removed is as old as can be.
        let ages = files.map { time.rawValue - (Directory.modificationTime($0.path) ?? 0) }
        let situation = RetentionPolicy.Situation(
            hour: SystemClock.local(time).hour, logDisk: parts.usage(parts.logFolder),
            queueDisk: parts.usage(parts.queueFolder),
            reclaiming: UInt64(retired.reduce(0) { $0 + $1.byteCount }), ages: ages)
        let decision = policy.decide(situation, settings)
        report(.logDisk, policy.isLogDiskFull, "log", situation.logDisk)
        report(.queueDisk, policy.isQueueDiskFull, "queues", situation.queueDisk)
        if decision.reason == .space, decision.deleteCount == 0 {
            parts.logger.warn("the disk is filling up and no log file may go", ["files": String(files.count)])
        }
        return decision
    }

    private func report(_ reason: DiskGuard.Reasons, _ isFull: Bool, _ of: String, _ usage: DiskUsage?) {
        guard parts.disk.set(reason, isFull) else { return }
        let percent = usage.map { String($0.percent) } ?? "unknown"
        if isFull {
            parts.logger.error("the disk is full: messages are refused", ["of": of, "percent": percent])
        } else {
            parts.logger.info("the disk has room again", ["of": of, "percent": percent])
        }
    }

    // MARK: - Log

    /// `false`: stop.
    private mutating func delete(
        _ files: ArraySlice<Segment>, _ decision: RetentionPolicy.Decision, _ settings: RetentionSettings,
        _ now: Instant, _ pause: (Int64) -> Bool
    ) -> Bool {
        retryAt = nil
        do throws(SystemError) {
            for file in files {
                guard parts.mayDelete(file.end, policy.isLogDiskFull || policy.isQueueDiskFull) else {
                    return say(waitsFor: file)
                }
                // First of all, so that no reader finds a unit whose record is gone.
                for queue in parts.queues.all { try queue.correctMinimum(file.end) }
                try delete(file, now)
                parts.logger.info(
                    "log file deleted",
                    [
                        "path": file.path, "because": decision.reason?.rawValue ?? "",
                        "forced": String(decision.isForced),
                    ])
                guard pause(settings.fileIntervalMilliseconds) else { return false }
            }
        } catch {
            // Later ones must not go before it: the log would have a hole.
            retryAt = now.advanced(byMilliseconds: settings.retryMilliseconds)
            parts.logger.error("a log file cannot be deleted", ["reason": error.description])
        }
        return true
    }

    /// - Returns: `true`: the round goes on.
    private mutating func say(waitsFor file: Segment) -> Bool {
        if waitsFor != file.start {
            parts.logger.info("a log file waits until it is copied from", ["path": file.path])
        }
        waitsFor = file.start
        return true
    }

    private mutating func delete(_ file: Segment, _ now: Instant) throws(SystemError) {
        var retiring: RetiredFile?
        do throws(SystemError) {
            retiring = try RetiredFile(removing: file.path, now: now)
        } catch {
            guard error.isNotFound else { throw error }  // somebody was faster
        }
        parts.log.removeOldest(file)
        retiring?.readers = file.retire()
        if let retiring { retired.append(retiring) }
        try Directory.synchronize(file.folder)  // before the next one goes
    }

    // MARK: - Queues and index

    /// As many as fit between two rounds: who watches the disks must not be away for long.
    /// `false`: stop.
    private mutating func cleanQueues(_ settings: RetentionSettings, _ pause: (Int64) -> Bool) -> Bool {
        let min = parts.log.min
        guard cleanedTo < min else { return true }
        var left = max(1, settings.intervalMilliseconds / max(1, settings.queueFileIntervalMilliseconds))
        var isDone = true
        for queue in parts.queues.all {
            do throws(SystemError) {
                var old = try queue.removeOldFile()
                while old == .removed {
                    left -= 1
                    guard left > 0 else { return true }
                    guard pause(settings.queueFileIntervalMilliseconds) else { return false }
                    old = try queue.removeOldFile()
                }
                if old == .needed { isDone = false }
            } catch {
                parts.logger.error("a file of a queue cannot be deleted", ["reason": error.description])
            }
        }
        if isDone { cleanedTo = min }
        return true
    }

    private mutating func cleanIndex(_ now: Instant) {
        guard let index = parts.index else { return }
        while let file = index.oldFile(before: parts.log.min) {
            do throws(SystemError) {
                var retiring = try RetiredFile(removing: file.path, now: now)
                retiring.readers = file
                retired.append(retiring)
            } catch {
                return parts.logger.error("an index file cannot be deleted", ["reason": error.description])
            }
            index.remove(file)
            parts.logger.info("index file deleted", ["path": file.path])
        }
    }

    // MARK: - Room

    /// `false`: stop.
    private mutating func giveBack(
        _ settings: RetentionSettings, _ now: Instant, _ pause: (Int64) -> Bool
    ) -> Bool {
        var position = 0
        while position < retired.count {
            do throws(SystemError) {
                switch try retired[position].step(now: now, settings) {
                case .more:
                    guard pause(Self.stepPauseMilliseconds) else { return false }
                case .done: retired.remove(at: position)
                case .waiting: position += 1
                case .read(let isReportDue, let path):
                    position += 1
                    if isReportDue { parts.logger.warn("a deleted file is still being read", ["path": path]) }
                }
            } catch {
                // Its room comes back when it is closed, all at once.
                parts.logger.warn("a deleted file cannot be cut", ["reason": error.description])
                retired.remove(at: position)
            }
        }
        return true
    }

    private mutating func unmapUnused(_ now: Instant) {
        let since = marks.last { now.milliseconds(since: $0.at) >= Self.unmapMilliseconds }
        marks.removeAll { $0.at.nanoseconds < since?.at.nanoseconds ?? 0 }
        marks.append((now, parts.log.unmapUnused(since: since?.clock ?? 0)))
    }
}
