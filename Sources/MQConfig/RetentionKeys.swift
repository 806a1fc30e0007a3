/// Keys of `broker.conf` about when old files go and when a disk counts as full, all of them live.
///
/// Source: `MessageStoreConfig.java`, RocketMQ 5.3.
public enum RetentionKeys {
    /// Hours in which expired files go.
    public static let deleteWhen = ConfigKey<String>.text(
        "deleteWhen", default: .fixed("04"), "Hours of the day in which expired log files are deleted, such as 02;04."
    ).important.live
    /// When a file is expired.
    public static let fileReservedTime = ConfigKey<Int>.integer(
        "fileReservedTime", default: 72, in: 0...1_000_000, unit: "h",
        "A log file that was not written to for so long is expired."
    ).important.live
    /// How often is looked.
    public static let cleanResourceInterval = ConfigKey<Duration>.milliseconds(
        "cleanResourceInterval", default: 10_000, in: 10...3_600_000,
        "Time between looks at the disk and at expired files."
    ).live
    /// When expired files go at any hour.
    public static let diskMaxUsedSpaceRatio = ConfigKey<Int>.integer(
        "diskMaxUsedSpaceRatio", default: 75, in: 0...100, unit: "%",
        "Above it expired log files are deleted at any hour. Counts as 10 to 95."
    ).live
    /// When files go that are not expired.
    public static let diskSpaceCleanForciblyRatio = ConfigKey<Int>.integer(
        "diskSpaceCleanForciblyRatio", default: 85, in: 0...100, unit: "%",
        "Above it log files are deleted before they are expired. Counts as 30 to 85."
    ).live
    /// When messages are refused.
    public static let diskSpaceWarningLevelRatio = ConfigKey<Int>.integer(
        "diskSpaceWarningLevelRatio", default: 90, in: 0...100, unit: "%",
        "Above it messages are refused until the disk is below diskSpaceCleanForciblyRatio. Counts as 35 to 90."
    ).live
    /// Whether files may go that are not expired.
    public static let cleanFileForciblyEnable = ConfigKey<Bool>.flag(
        "cleanFileForciblyEnable", default: true, "Whether a full disk deletes log files before they are expired."
    ).important.live
    /// Files of a round.
    public static let deleteFileBatchMax = ConfigKey<Int>.integer(
        "deleteFileBatchMax", default: 10, in: 1...10_000, unit: "files", "Most log files deleted in one look."
    ).important.live
    /// Between two log files.
    public static let deleteCommitLogFilesInterval = ConfigKey<Duration>.milliseconds(
        "deleteCommitLogFilesInterval", default: 100, in: 0...60_000, "Time between two log files that are deleted."
    ).live
    /// Between two queue files.
    public static let deleteConsumeQueueFilesInterval = ConfigKey<Duration>.milliseconds(
        "deleteConsumeQueueFilesInterval", default: 100, in: 0...60_000,
        "Time between two consume queue files that are deleted."
    ).live
    /// How long readers may hold a file.
    public static let destroyMapedFileIntervalForcibly = ConfigKey<Duration>.milliseconds(
        "destroyMapedFileIntervalForcibly", default: 120_000, in: 0...86_400_000,
        "A deleted file that is read for longer is reported. Its room comes back when nobody reads it."
    ).live
    /// How often is tried again.
    public static let redeleteHangedFileInterval = ConfigKey<Duration>.milliseconds(
        "redeleteHangedFileInterval", default: 120_000, in: 10...86_400_000,
        "Time before a file is tried again that could not be deleted, or is still read."
    ).live

    static let all: [ConfigDeclaration] = [
        deleteWhen.declaration, fileReservedTime.declaration, cleanResourceInterval.declaration,
        diskMaxUsedSpaceRatio.declaration, diskSpaceCleanForciblyRatio.declaration,
        diskSpaceWarningLevelRatio.declaration, cleanFileForciblyEnable.declaration, deleteFileBatchMax.declaration,
        deleteCommitLogFilesInterval.declaration, deleteConsumeQueueFilesInterval.declaration,
        destroyMapedFileIntervalForcibly.declaration, redeleteHangedFileInterval.declaration,
    ]
}
