/// The bits of a record's `sysFlag`. Source: `MessageSysFlag.java`, RocketMQ 5.3.
public struct SysFlag: OptionSet, Hashable, Sendable {
    /// The bits as records hold them.
    public var rawValue: Int32

    /// Any bits.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The body is compressed; the codec is in ``compressionMask``.
    public static let compressed = SysFlag(rawValue: 0x1)
    /// The message has several tags.
    public static let multiTags = SysFlag(rawValue: 0x2)
    /// A half message of a transaction: not in any consume queue.
    public static let transactionPrepared = SysFlag(rawValue: 0x4)
    /// A committed message of a transaction.
    public static let transactionCommit = SysFlag(rawValue: 0x8)
    /// A rolled-back message: not in any consume queue, not in the index.
    public static let transactionRollback = SysFlag(rawValue: 0xC)
    /// The producer's address has 16 bytes.
    public static let bornHostIPv6 = SysFlag(rawValue: 0x10)
    /// The broker's address has 16 bytes.
    public static let storeHostIPv6 = SysFlag(rawValue: 0x20)
    /// An inner batch that the consumer unpacks.
    public static let needUnwrap = SysFlag(rawValue: 0x40)
    /// One record that holds several messages.
    public static let innerBatch = SysFlag(rawValue: 0x80)
    /// Where the codec is told: 0 or 0x300 zlib, 0x100 LZ4 frame, 0x200 zstd.
    public static let compressionMask = SysFlag(rawValue: 0x700)

    /// The transaction bits alone.
    public var transaction: SysFlag { intersection(.transactionRollback) }

    /// Whether a record with these flags gets an offset in its queue.
    public var isInQueue: Bool { transaction == [] || transaction == .transactionCommit }
}
