/// Keys of `broker.conf` about transactions, all of them live.
///
/// Source: `BrokerConfig.java`, RocketMQ 5.3.
public enum TransactionKeys {
    /// Whether half messages are refused.
    public static let rejectTransactionMessage = ConfigKey<Bool>.flag(
        "rejectTransactionMessage", default: false, "Refuses half messages: nobody can begin a transaction."
    ).important.live
    /// When a producer is asked first.
    public static let transactionTimeOut = ConfigKey<Duration>.milliseconds(
        "transactionTimeOut", default: 6000, in: 0...86_400_000,
        "A half message that is older is checked: its producer is asked what became of the transaction."
    ).important.live
    /// How often is looked.
    public static let transactionCheckInterval = ConfigKey<Duration>.milliseconds(
        "transactionCheckInterval", default: 30_000, in: 10...86_400_000,
        "Time between two looks at the half messages that are open."
    ).important.live
    /// How often a producer is asked.
    public static let transactionCheckMax = ConfigKey<Int>.integer(
        "transactionCheckMax", default: 15, in: 0...1_000_000, unit: "times",
        "A half message that was checked so often without an answer goes to TRANS_CHECK_MAX_TIME_TOPIC."
    ).important.live
    /// Bytes of an operation message.
    public static let transactionOpMsgMaxSize = ConfigKey<Int>.integer(
        "transactionOpMsgMaxSize", default: 4096, in: 1...1_048_576, unit: "bytes",
        "About the most bytes of one message that notes which transactions are over."
    ).live
    /// Time between operation messages.
    public static let transactionOpBatchInterval = ConfigKey<Duration>.milliseconds(
        "transactionOpBatchInterval", default: 3000, in: 0...60_000,
        "How long the end of a transaction waits to be noted together with others."
    ).live

    static let all: [ConfigDeclaration] = [
        rejectTransactionMessage.declaration, transactionTimeOut.declaration, transactionCheckInterval.declaration,
        transactionCheckMax.declaration, transactionOpMsgMaxSize.declaration, transactionOpBatchInterval.declaration,
    ]
}
