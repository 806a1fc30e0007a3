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

    static let all: [ConfigDeclaration] = [
        enableConsumeQueueExt.declaration, mappedFileSizeConsumeQueueExt.declaration,
    ]
}
