/// Keys of `broker.conf` about flow control: what may wait for how long before its sender is told to slow down.
///
/// Source: `BrokerConfig.java`, `MessageStoreConfig.java`, `BrokerFastFailure.java`, RocketMQ 5.3.
public enum FlowKeys {
    private static func patience(_ lane: String, _ milliseconds: Int64, _ what: String) -> ConfigKey<Duration> {
        ConfigKey<Duration>.milliseconds(
            "waitTimeMillsIn\(lane)Queue", default: milliseconds, in: 1...3_600_000,
            "How long \(what) may wait for a thread before they are refused with [TIMEOUT_CLEAN_QUEUE]."
        ).live
    }

    private static func room(_ name: String, _ count: Int, _ what: String) -> ConfigKey<Int> {
        ConfigKey<Int>.integer(
            name, default: count, in: 0...10_000_000, unit: "requests", "\(what) over this number get [OVERLOAD]."
        ).live
    }

    /// Whether what waited too long is refused.
    public static let brokerFastFailureEnable = ConfigKey<Bool>.flag(
        "brokerFastFailureEnable", default: true,
        "Refuses what waited longer than the waitTimeMillsIn… of its kind, instead of answering nobody."
    ).live
    /// Send-backs that wait for their message to be read.
    public static let waitInSendQueue = patience(
        "Send", 200, "messages that are sent back and must be read from the disk")
    /// Pulls and pops that wait for the disk.
    public static let waitInPullQueue = patience("Pull", 5000, "pulls, pops and queries that must read from the disk")
    /// Lite pulls that wait for the disk.
    public static let waitInLitePullQueue = patience("LitePull", 5000, "lite pulls that must read from the disk")
    /// Ends of transactions that wait for their half message.
    public static let waitInTransactionQueue = patience(
        "Transaction", 3000, "ends of transactions whose half message must be read from the disk")
    /// Administrators' requests that wait for a thread.
    public static let waitInAdminBrokerQueue = patience("AdminBroker", 5000, "administrators' requests")

    /// Sends that wait for the flush, and send-backs.
    public static let sendThreadPoolQueueCapacity = room(
        "sendThreadPoolQueueCapacity", 10_000,
        "Sends, while so many wait for a synchronous flush, and messages that are sent back and must be read from the disk,"
    )
    /// Pulls and pops that wait for the disk.
    public static let pullThreadPoolQueueCapacity = room(
        "pullThreadPoolQueueCapacity", 100_000, "Pulls and pops that must read from the disk")
    /// Lite pulls that wait for the disk.
    public static let litePullThreadPoolQueueCapacity = room(
        "litePullThreadPoolQueueCapacity", 100_000, "Lite pulls that must read from the disk")
    /// Queries.
    public static let queryThreadPoolQueueCapacity = room(
        "queryThreadPoolQueueCapacity", 20_000, "Queries by key or id")
    /// Ends of transactions.
    public static let endTransactionPoolQueueCapacity = room(
        "endTransactionPoolQueueCapacity", 100_000, "Ends of transactions whose half message must be read from the disk"
    )
    /// Pops and acks that wait for the sync of pop's journal.
    public static let ackThreadPoolQueueCapacity = room(
        "ackThreadPoolQueueCapacity", 100_000,
        "Pops, acks and new invisible times, while so many wait for a synchronous flush of pop's journal,")
    /// Administrators' requests.
    public static let adminBrokerThreadPoolQueueCapacity = room(
        "adminBrokerThreadPoolQueueCapacity", 10_000, "Administrators' requests")

    /// Keys of `BrokerConfig`.
    static let broker: [ConfigDeclaration] = [
        brokerFastFailureEnable.declaration, waitInSendQueue.declaration, waitInPullQueue.declaration,
        waitInLitePullQueue.declaration, waitInTransactionQueue.declaration, waitInAdminBrokerQueue.declaration,
        sendThreadPoolQueueCapacity.declaration, pullThreadPoolQueueCapacity.declaration,
        litePullThreadPoolQueueCapacity.declaration, queryThreadPoolQueueCapacity.declaration,
        endTransactionPoolQueueCapacity.declaration, ackThreadPoolQueueCapacity.declaration,
        adminBrokerThreadPoolQueueCapacity.declaration,
    ]

    /// How long a flush may take before sends are refused.
    public static let osPageCacheBusyTimeOutMills = ConfigKey<Duration>.milliseconds(
        "osPageCacheBusyTimeOutMills", default: 1000, in: 1...3_600_000,
        "While a send waits longer than this for a synchronous flush, others are refused with [REJECTREQUEST]; what comes "
            + "during a write that takes longer, with [PCBUSY_CLEAN_QUEUE]."
    ).live

    /// Keys of `MessageStoreConfig`.
    static let store: [ConfigDeclaration] = [osPageCacheBusyTimeOutMills.declaration]
}
