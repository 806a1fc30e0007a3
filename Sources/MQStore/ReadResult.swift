/// How a read of a queue ended. The names are RocketMQ's: a pull's answer carries them as remark.
public enum ReadStatus: Sendable {
    case found
    case noMatchedMessage
    case messageWasRemoving
    case offsetFoundNull
    case offsetOverflowBadly
    case offsetOverflowOne
    case offsetTooSmall
    case noMatchedLogicQueue
    case noMessageInQueue
    /// An administrator has set another offset: none of a read's own.
    case offsetReset

    /// As RocketMQ spells it.
    public var name: StaticString {
        switch self {
        case .found: "FOUND"
        case .noMatchedMessage: "NO_MATCHED_MESSAGE"
        case .messageWasRemoving: "MESSAGE_WAS_REMOVING"
        case .offsetFoundNull: "OFFSET_FOUND_NULL"
        case .offsetOverflowBadly: "OFFSET_OVERFLOW_BADLY"
        case .offsetOverflowOne: "OFFSET_OVERFLOW_ONE"
        case .offsetTooSmall: "OFFSET_TOO_SMALL"
        case .noMatchedLogicQueue: "NO_MATCHED_LOGIC_QUEUE"
        case .noMessageInQueue: "NO_MESSAGE_IN_QUEUE"
        case .offsetReset: "OFFSET_RESET"
        }
    }
}

/// What a read of a queue found.
public struct ReadResult: Sendable {
    /// How it ended.
    public var status: ReadStatus
    /// Where the reader goes on.
    public var nextOffset: Int64
    /// The queue's first offset.
    public var minOffset: Int64
    /// One more than the queue's last offset.
    public var maxOffset: Int64
    /// Where the records lie, in the queue's order.
    public internal(set) var ranges = LogRanges()
    /// Bytes of all records.
    public internal(set) var byteCount = 0
    /// How many records.
    public internal(set) var messageCount = 0
    /// It was asked not to wait for the disk and would have to; nothing else here counts then.
    public var needsDisk = false
    /// The units that brought it were there when the store was opened, the first of them at least.
    var hasOldUnits = false
    /// A reader that looks at properties stopped it, though there were more messages and room for them.
    public var isStopped = false

    /// Nothing yet.
    public init() { self.init(status: .found, nextOffset: 0, minOffset: 0, maxOffset: 0) }

    /// Forgets what was found; keeps the memory.
    mutating func restart(nextOffset: Int64, minOffset: Int64, maxOffset: Int64) {
        status = .found
        self.nextOffset = nextOffset
        self.minOffset = minOffset
        self.maxOffset = maxOffset
        ranges.removeAll()
        byteCount = 0
        messageCount = 0
        needsDisk = false
        isStopped = false
        hasOldUnits = false
    }

    mutating func markCold() {
        needsDisk = true
        ranges.removeAll()
    }

    /// Lets go of the log's files, so that a deleted one can give its room back; the rest stays as it is.
    public mutating func releaseFiles() { ranges.removeAll() }

    /// A result without messages.
    public init(status: ReadStatus, nextOffset: Int64, minOffset: Int64, maxOffset: Int64) {
        self.status = status
        self.nextOffset = nextOffset
        self.minOffset = minOffset
        self.maxOffset = maxOffset
    }
}
