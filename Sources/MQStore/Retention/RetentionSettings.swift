/// When old files go, and when a disk counts as full. Names, defaults and clamps: `MessageStoreConfig.java`,
/// `DefaultMessageStore.java` `CleanCommitLogService`, RocketMQ 5.3.
public struct RetentionSettings: Equatable, Sendable {
    /// `deleteWhen`: hours of local time in which expired files go.
    public var deleteHours: Set<Int> = [4]
    /// `fileReservedTime`: a file that was not written for so long is expired, milliseconds.
    public var reservedMilliseconds: Int64 = 72 * 3_600_000
    /// `cleanResourceInterval`: between two looks at the disk, milliseconds.
    public var intervalMilliseconds: Int64 = 10_000
    /// `diskMaxUsedSpaceRatio`: above it expired files go at any hour, percent.
    public var maxUsedPercent = 75
    /// `diskSpaceCleanForciblyRatio`: above it files go before they are expired, percent.
    public var cleanForciblyPercent = 85
    /// `diskSpaceWarningLevelRatio`: above it messages are refused, percent.
    public var warningPercent = 90
    /// `cleanFileForciblyEnable`: whether files may go before they are expired.
    public var isForciblyEnabled = true
    /// `deleteFileBatchMax`: log files of one round.
    public var fileBatchMax = 10
    /// `deleteCommitLogFilesInterval`: between two log files, milliseconds.
    public var fileIntervalMilliseconds: Int64 = 100
    /// `deleteConsumeQueueFilesInterval`: between two files of queues, milliseconds.
    public var queueFileIntervalMilliseconds: Int64 = 100
    /// `destroyMapedFileIntervalForcibly`: readers may hold a deleted file so long before the log says so, milliseconds.
    public var readerMilliseconds: Int64 = 120_000
    /// `redeleteHangedFileInterval`: how often is tried again what could not be deleted, milliseconds.
    public var retryMilliseconds: Int64 = 120_000

    /// RocketMQ's defaults.
    public init() {}

    /// With the ratios where Java holds them, whatever was configured.
    var clamped: RetentionSettings {
        var settings = self
        settings.maxUsedPercent = min(max(maxUsedPercent, 10), 95)
        settings.cleanForciblyPercent = min(max(cleanForciblyPercent, 30), 85)
        settings.warningPercent = min(max(warningPercent, 35), 90)
        return settings
    }
}
