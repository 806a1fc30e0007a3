import MQMessage

/// What became of a local transaction. Source: `LocalTransactionState.java`, RocketMQ 5.3.
public enum TransactionState: String, Sendable, CaseIterable {
    /// It is done: consumers may have the message.
    case commit = "COMMIT_MESSAGE"
    /// It is undone: the message is to be forgotten.
    case rollback = "ROLLBACK_MESSAGE"
    /// Not known yet: the broker asks again later.
    case unknown = "UNKNOW"

    /// As END_TRANSACTION spells it.
    var commitOrRollback: Int32 {
        switch self {
        case .commit: SysFlag.transactionCommit.rawValue
        case .rollback: SysFlag.transactionRollback.rawValue
        case .unknown: 0
        }
    }
}

/// Does the local transaction of a message that the broker holds back. Throwing means ``TransactionState/unknown``.
/// The transaction's id is the message's unique key, which ``TransactionCheck`` sees again.
public typealias TransactionExecutor =
    @Sendable (_ message: Message, _ transactionID: String) async throws ->
    TransactionState

/// Says what became of the local transaction of a message that the broker still holds back. Called when the executor's
/// answer did not reach the broker, was ``TransactionState/unknown``, or takes long; perhaps for a message that another
/// producer of the group sent. Throwing means ``TransactionState/unknown``.
public typealias TransactionCheck = @Sendable (MessageExt) async throws -> TransactionState

/// How a message in a transaction was sent and what its transaction came to.
public struct TransactionResult: Sendable, CustomStringConvertible {
    /// Where the message waits; `queue` is the one it is for, `queueOffset` its place among the messages that wait.
    public let sent: SendResult
    /// The message's unique key.
    public let transactionID: String
    /// What the executor said; ``TransactionState/rollback`` without asking it if the broker does not promise to have
    /// stored the message.
    public let state: TransactionState
    /// Why the broker could not be told; it will ask then. `nil`: it was, or there was nothing to tell.
    public let notTold: ClientError?

    /// As Java prints it.
    public var description: String {
        "SendResult [sendStatus=\(sent.status.rawValue), msgId=\(sent.messageID), offsetMsgId=null, "
            + "messageQueue=\(sent.queue.text), queueOffset=\(sent.queueOffset), recallHandle=null]"
    }
}
