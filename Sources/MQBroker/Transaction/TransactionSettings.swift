import MQConfig

/// How transactions are looked after. Live, all of it.
public struct TransactionSettings: Equatable, Sendable {
    /// `rejectTransactionMessage`: half messages are refused.
    public var isRejecting: Bool
    /// `transactionTimeOut`: how old a half message is before its producer is asked, milliseconds.
    public var timeoutMilliseconds: Int64
    /// `transactionCheckInterval`: time between two looks at what is open, milliseconds.
    public var checkIntervalMilliseconds: Int64
    /// `transactionCheckMax`: how often a producer is asked about one message.
    public var checkMax: Int
    /// `transactionOpMsgMaxSize`: about the most bytes in one operation message.
    public var operationByteCountMax: Int
    /// `transactionOpBatchInterval`: how long ends wait to be written down, milliseconds.
    public var operationIntervalMilliseconds: Int64

    init(_ values: ConfigValues) {
        isRejecting = values[TransactionKeys.rejectTransactionMessage]
        timeoutMilliseconds = values[TransactionKeys.transactionTimeOut].milliseconds
        checkIntervalMilliseconds = values[TransactionKeys.transactionCheckInterval].milliseconds
        checkMax = values[TransactionKeys.transactionCheckMax]
        operationByteCountMax = values[TransactionKeys.transactionOpMsgMaxSize]
        operationIntervalMilliseconds = values[TransactionKeys.transactionOpBatchInterval].milliseconds
    }
}
