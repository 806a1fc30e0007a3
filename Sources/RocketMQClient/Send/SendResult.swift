public import MQProtocol

/// How a broker answered a send that it took.
public enum SendStatus: String, Sendable {
    /// Stored as the broker's settings promise.
    case sendOK = "SEND_OK"
    /// Stored in memory; the disk did not confirm in time.
    case flushDiskTimeout = "FLUSH_DISK_TIMEOUT"
    /// Stored at the master; the slave did not confirm in time.
    case flushSlaveTimeout = "FLUSH_SLAVE_TIMEOUT"
    /// Stored at the master; there is no slave to copy it.
    case slaveNotAvailable = "SLAVE_NOT_AVAILABLE"

    init?(_ code: ResponseCode) {
        switch code {
        case .success: self = .sendOK
        case .flushDiskTimeout: self = .flushDiskTimeout
        case .flushSlaveTimeout: self = .flushSlaveTimeout
        case .slaveNotAvailable: self = .slaveNotAvailable
        default: return nil
        }
    }
}

/// Where a message went.
public struct SendResult: Equatable, Sendable, CustomStringConvertible {
    /// What the broker promises.
    public let status: SendStatus
    private let id: IDText
    private let offsetID: IDText
    /// The queue.
    public let queue: MessageQueue
    /// Its position in the queue.
    public let queueOffset: Int64
    /// For taking back a message that waits for its time (``Producer/recall(_:topic:)``); `nil` for others.
    public let recallHandle: String?

    init(
        status: SendStatus, id: IDText, offsetID: IDText, queue: MessageQueue, queueOffset: Int64, recallHandle: String?
    ) {
        self.status = status
        self.id = id
        self.offsetID = offsetID
        self.queue = queue
        self.queueOffset = queueOffset
        self.recallHandle = recallHandle
    }

    /// The id the producer gave it (`UNIQ_KEY`).
    public var messageID: String { id.text }
    /// The id that names its place: broker and log position.
    public var offsetMessageID: String { offsetID.text }

    /// As Java prints it.
    public var description: String {
        "SendResult [sendStatus=\(status.rawValue), msgId=\(messageID), offsetMsgId=\(offsetMessageID), "
            + "messageQueue=\(queue.text), queueOffset=\(queueOffset), recallHandle=\(recallHandle ?? "null")]"
    }
}

extension MessageQueue {
    /// As Java prints it.
    public var text: String { "MessageQueue [topic=\(topic), brokerName=\(brokerName), queueId=\(queueID)]" }
}
