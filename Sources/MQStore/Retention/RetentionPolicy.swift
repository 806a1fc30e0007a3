/// Decides which of the log's files go and whether messages are taken. A value: the hour, the disks and the files' ages
/// in, what to delete out; it remembers what RocketMQ remembers between two looks.
///
/// Source of the rules: `DefaultMessageStore.java` `CleanCommitLogService`, `MappedFileQueue.java`
/// `deleteExpiredFileByTime`, RocketMQ 5.3. The disk of the queues is looked at even if the log's is full.
struct RetentionPolicy: Sendable {
    /// What is known when it is time to look.
    struct Situation: Sendable {
        /// Hour of local time.
        var hour: Int
        /// The disk of the log; `nil` if unknown.
        var logDisk: DiskUsage?
        /// The disk of the consume queues; `nil` if unknown.
        var queueDisk: DiskUsage?
        /// Bytes of deleted files that the disk has not got back yet.
        var reclaiming: UInt64 = 0
        /// How long ago each file that may go was written, milliseconds, oldest file first.
        var ages: [Int64]
    }

    /// Why files go.
    enum Reason: String, Sendable {
        case hour, space, order
    }

    /// What to do.
    struct Decision: Equatable, Sendable {
        /// How many of the oldest files go.
        var deleteCount = 0
        /// `nil`: it is not time to delete anything.
        var reason: Reason?
        /// Files go before they are expired.
        var isForced = false
    }

    /// How often a manual order counts.
    static let manualRoundsMax = 20

    /// Messages are refused because of the log's disk.
    private(set) var isLogDiskFull = false
    /// Messages are refused because of the queues' disk.
    private(set) var isQueueDiskFull = false
    private(set) var manualRounds = 0

    /// An administrator wants expired files gone whatever the hour, for the next twenty rounds.
    mutating func deleteManually() { manualRounds = Self.manualRoundsMax }

    /// One look.
    mutating func decide(_ situation: Situation, _ settings: RetentionSettings) -> Decision {
        let settings = settings.clamped
        isLogDiskFull = isFull(situation.logDisk, isLogDiskFull, settings)
        isQueueDiskFull = isFull(situation.queueDisk, isQueueDiskFull, settings)
        // What is on its way back counts as free, or the next round would delete more than is needed.
        let disks = [situation.logDisk, situation.queueDisk].compactMap { $0?.freeing(situation.reclaiming).percent }
        let isTight = disks.contains { $0 > min(settings.cleanForciblyPercent, settings.warningPercent) }
        let isManual = manualRounds > 0
        let reason: Reason? =
            if settings.deleteHours.contains(situation.hour) {
                .hour
            } else if isTight || disks.contains(where: { $0 > settings.maxUsedPercent }) {
                .space
            } else if isManual {
                .order
            } else {
                nil
            }
        guard let reason else { return Decision() }
        if isManual { manualRounds -= 1 }
        let isForced = isTight && settings.isForciblyEnabled
        let expired = situation.ages.prefix(max(0, settings.fileBatchMax)).prefix {
            isForced || $0 >= settings.reservedMilliseconds
        }
        return Decision(deleteCount: expired.count, reason: reason, isForced: isForced)
    }

    /// Full above the warning level, and then until there is room enough that nothing must go by force.
    private func isFull(_ disk: DiskUsage?, _ wasFull: Bool, _ settings: RetentionSettings) -> Bool {
        guard let percent = disk?.percent else { return wasFull }
        if percent > settings.warningPercent { return true }
        return percent > settings.cleanForciblyPercent && wasFull
    }
}
