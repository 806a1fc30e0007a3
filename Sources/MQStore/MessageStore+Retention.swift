import MQBase
import MQObserve
public import MQSystem

extension MessageStore {
    /// What the `clean` thread works on.
    var retentionParts: RetentionWorker.Parts {
        RetentionWorker.Parts(
            log: log, queues: queues, index: index, disk: disk, logFolder: config.commitLogPath,
            queueFolder: queueFolder, logger: logger,
            settled: { [self] in settled() })
    }

    /// Everything before it is on the disk, in log, queues and index. Syncs them if a file waits for that alone: the disk may
    /// be full until it goes.
    private func settled() -> PhysicalOffset {
        let limit = min(flushedOffset, dispatchedOffset)
        if let last = log.removable(before: limit).last, last.end > kept.value {
            do throws(SystemError) {
                // The point before tells of files that will be gone.
                if let point = try keep() { _ = try writePoint(point) }
            } catch {
                logger.error("cannot sync queues", ["reason": error.description])
            }
        }
        return min(limit, kept.value)
    }

    /// Deletes expired files of the log at once, whatever the hour, and in the next rounds. Any thread.
    public func deleteExpiredFiles() { retention.deleteManually() }

    /// Whether messages are refused because there is no room.
    public var isDiskFull: Bool { disk.isFull }

    /// Removes queues all of whose records are gone from the log, unless they are wanted: such a queue would count from 0
    /// again, and consumers would miss what comes next. May wait for the disk.
    public func removeExpiredQueues(exceptOf isKept: (_ topic: String, _ queueID: Int) -> Bool) throws(SystemError) {
        for queue in queues.all where !isKept(queue.topic, queue.queueID) {
            guard try queue.isExpired(before: log.min) else { continue }
            try withdrawPoint()
            try keeping.withLock { (_) throws(SystemError) in
                try queue.clear(before: log.restart([queue]))
                try queues.forgetNames(of: queue.topic)
            }
            logger.info("expired queue removed", ["topic": queue.topic, "queue": String(queue.queueID)])
        }
    }

    /// How full the disk of the log is; `nil` if the system does not tell.
    public var logDisk: DiskUsage? { DiskUsage(of: config.commitLogPath) }

    /// How full the disk of queues and index is; `nil` if the system does not tell.
    public var queueDisk: DiskUsage? { DiskUsage(of: queueFolder) }

    /// Made with the first queue, and may be a file system of its own.
    private var queueFolder: String {
        let folder = config.root + "/consumequeue"
        return Directory.exists(folder) ? folder : config.root
    }

    /// Queues or index could not be written, or can be again.
    func dispatchIsFull(_ error: SystemError?) {
        disk.set(.dispatch, error != nil)
        if let error {
            logger.error("no room for queues or index: messages are refused", ["reason": error.description])
        } else {
            logger.info("there is room for queues and index again")
        }
    }
}
