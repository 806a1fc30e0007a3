/// Keys of `broker.conf` that change what the store's files hold, beside the plain ones of ``StoreKeys``.
///
/// Source: `MessageStoreConfig.java`, RocketMQ 5.3.
public enum FormatKeys {
    /// Whether queue units keep their tags code in an extension.
    public static let enableConsumeQueueExt = ConfigKey<Bool>.flag(
        "enableConsumeQueueExt", default: false,
        "New queue units keep their tags code in consumequeue_ext, where SQL filters have room for a bit map. "
            + "What is there already is read anyway.")
    /// Bytes of an extension file.
    public static let mappedFileSizeConsumeQueueExt = ConfigKey<Int>.integer(
        "mappedFileSizeConsumeQueueExt", default: 48 << 20, in: 65_536...Int(Int32.max), unit: "bytes",
        "Size of a file of consumequeue_ext; a store keeps the size it was made with.")
    /// Bytes of a file of batchconsumequeue.
    public static let mapperFileSizeBatchConsumeQueue = ConfigKey<Int>.integer(
        "mapperFileSizeBatchConsumeQueue", default: 13_800_000, in: 46...Int(Int32.max), unit: "bytes",
        "Size of a file of batchconsumequeue, rounded up to whole entries of 46 bytes.")
    /// Whether records end with a checksum over all of them.
    public static let enabledAppendPropCRC = ConfigKey<Bool>.flag(
        "enabledAppendPropCRC", default: false,
        "Records end with a checksum over all of them, the property __CRC32#, which clients see.")
    /// Whether recovery compares that checksum.
    public static let forceVerifyPropCRC = ConfigKey<Bool>.flag(
        "forceVerifyPropCRC", default: false,
        "Recovery compares the checksum over the whole record where there is one; RocketMQ also cuts the log at the first "
            + "record without one.")

    static let all: [ConfigDeclaration] = [
        enableConsumeQueueExt.declaration, mappedFileSizeConsumeQueueExt.declaration,
        mapperFileSizeBatchConsumeQueue.declaration,
        enabledAppendPropCRC.declaration, forceVerifyPropCRC.declaration,
    ]
}
