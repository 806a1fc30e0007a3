import MQSystem

/// What the process that had the store before left to be known about its end.
struct LastRun {
    /// It removed its abort file: everything is in queues, index and checkpoint, and on the disk.
    let wasClean: Bool
    /// What it wrote can be read, whether it is on the disk or not: the machine has not been started since.
    let isCacheIntact: Bool
    /// From here on a sync of the log failed: the page cache may hold what the disk does not, and no sync will tell.
    let unsyncedFrom: Int64?
    /// Zero where the file holds no times.
    let checkpoint: Checkpoint.Values
    /// `nil` if there is none, or if another broker had the store in between.
    let point: RecoveryPoint?
    /// What the point tells of each queue.
    let queues: [QueueDamage.Key: RecoveryPoint.Queue]

    /// Store time up to which every record was on the disk; a clean stop leaves none that was not.
    var durable: Int64 { wasClean ? .max : max(checkpoint.log, 3000) - 3000 }

    /// - Parameter now: wall clock, milliseconds; times long behind it are none.
    static func read(_ config: StoreConfig, _ checkpoint: Checkpoint.Values, now: Int64) throws(SystemError) -> LastRun
    {
        let abort = AbortFile.read(config.root + "/abort")
        let values = checkpoint.isPlausible(at: now) ? checkpoint : Checkpoint.Values()
        let path = RecoveryPoint.path(in: config.root)
        var point = try RecoveryPoint.read(path)
        if let found = point, !isOfThisStore(found, abort, values) { point = nil }
        if point == nil { try Directory.removeFile(path) }  // it must not be believed later
        var queues: [QueueDamage.Key: RecoveryPoint.Queue] = [:]
        queues.reserveCapacity(point?.queues.count ?? 0)
        for queue in point?.queues ?? [] { queues[queue.key] = queue }
        return LastRun(
            wasClean: abort == nil, isCacheIntact: abort == nil || abort?.isOfThisBoot == true,
            unsyncedFrom: abort?.isOfThisBoot == true ? abort?.unsyncedFrom : nil, checkpoint: values, point: point,
            queues: queues)
    }

    /// RocketMQ leaves its own abort file, or another checkpoint, and knows nothing of the point.
    private static func isOfThisStore(
        _ point: RecoveryPoint, _ abort: AbortFile.Content?, _ checkpoint: Checkpoint.Values
    ) -> Bool {
        if let abort { return abort.boot != nil }
        let told = point.checkpoint
        return point.isClosed && told.log == checkpoint.log && told.queues == checkpoint.queues
            && told.index == checkpoint.index
    }
}

extension Checkpoint.Values {
    /// Whether the times can have been written by a broker: not before 1970, and no more than a day ahead.
    func isPlausible(at now: Int64) -> Bool {
        let times = 0...(now + 86_400_000)
        return times.contains(log) && times.contains(queues) && times.contains(index)
    }
}
